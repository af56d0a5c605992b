"""Shared by every page of the console: its reader, the sections that they may open, and the
response as HTML.

A page links only to what its reader may open. A missing link protects nothing; the guard does. The
console is in English, in its templates: the catalogue has the texts for people. It needs no script.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from enum import Enum
from itertools import groupby
from time import monotonic
from typing import Any, TypeAlias
from uuid import UUID
from weakref import WeakKeyDictionary

import msgspec
from litestar import MediaType, Response
from litestar.di import NamedDependency
from markupsafe import Markup

from licet.access import inbox_register, roles
from licet.access.roles import TEAM, ForbiddenError, May, Staff, StaffRole, may
from licet.access.staff_orders import OrderKind, StaffOrder
from licet.clock import utc_now
from licet.consent.catalogue import catalogue
from licet.consent.language_tags import ENGLISH
from licet.errors import LicetError, UsageError
from licet.policy.period import rfc3339
from licet.release.signatures import StaffMember
from licet.service import inbox, orders
from licet.service.hold_verbs import REASONS
from licet.service.inbox import InboxView
from licet.service.inbox_sources import ItemKind
from licet.service.staff_verbs import VERBS
from licet.vault.holds import MATTER_CHARACTERS_MAX
from licet.vault.installation import Installation
from licet.web.access.authentication import csrf_token
from licet.web.api.references import site_of
from licet.web.api.shared import member_of
from licet.web.console.chart import size
from licet.web.pages import shared
from licet.web.pages.shared import NO_FAULTS, AnyRequest, Faults
from licet.web.site import Site

# The same rights as the corresponding routes of the API: see tests/web/matrix.csv.
EVERY = may(staff=tuple(StaffRole))
STAFF = may(staff=TEAM)
OFFICE = may(staff=roles.OFFICE)
HELPS = may(staff=roles.HELPS)
LOOKS = may(staff=(*roles.OFFICE, StaffRole.reviewer))
FINDS = may(staff=(*roles.HELPS, StaffRole.reviewer))
HOLDS = may(staff=(StaffRole.privacy_officer,))
ANSWERS = may(staff=(StaffRole.privacy_officer,))
READS = may(staff=(StaffRole.privacy_officer, StaffRole.reviewer))
OWNS = may(staff=(StaffRole.owner,))


class Section(msgspec.Struct, frozen=True):
    """A part of the console: its page and label, who may open it, its group in the sidebar, empty
    for one by itself, and the kinds of inbox items that wait there.
    """

    path: str
    label: str
    may: May
    group: str = ""
    waits: tuple[ItemKind, ...] = ()


K = ItemKind
SECTIONS = (
    Section("/console/inbox", "Inbox", STAFF, waits=tuple(ItemKind)),
    Section("/console", "Overview", EVERY),
    Section("/console/accounts", "Accounts", HELPS, "People"),
    Section("/console/rights", "Requests", HELPS, "People", (K.request,)),
    Section("/console/erasures", "Erasures", HELPS, "People", (K.erasure,)),
    Section("/console/readings", "Readings", OFFICE, "People"),
    Section("/console/conversations", "Conversations", FINDS, "Content"),
    Section("/console/suggestions", "Suggestions", LOOKS, "Content", (K.misuse,)),
    Section("/console/flags", "Flags", LOOKS, "Content", (K.flag,)),
    Section("/console/holds", "Holds", LOOKS, "Content", (K.hold,)),
    Section("/console/releases", "All releases", STAFF, "Releases", (K.review, K.signature)),
    Section("/console/recipients", "Recipients", STAFF, "Releases"),
    Section("/console/recalls", "Recalls", OFFICE, "Releases", (K.recall,)),
    Section("/console/models", "Models", STAFF, "Models", (K.model,)),
    Section("/console/policy", "Policy versions", STAFF, "Policy"),
    Section("/console/notices", "Notices", STAFF, "Policy"),
    Section("/console/log", "Log", STAFF, "Record", (K.log,)),
    Section("/console/documents", "Papers", OFFICE, "Record"),
    Section("/console/orders", "Orders", STAFF, "Record"),
    Section("/console/background", "Background work", STAFF, "System", (K.sweep,)),
    Section("/console/keys", "Encryption", STAFF, "System", (K.keys,)),
    Section("/console/backups", "Backups", STAFF, "System", (K.backup,)),
    Section("/console/webhooks", "Webhooks", STAFF, "System", (K.endpoint,)),
    Section("/console/access", "Staff and API keys", OWNS, "System"),
)
BY_PATH = {section.path: section for section in SECTIONS}


def section_of(path: str) -> Section | None:
    """The section that a page is in; the overview has no page but its own."""
    return BY_PATH.get(path) or BY_PATH.get("/".join(path.split("/")[:3]))


ORDERS_SHOWN_MAX = 20
COUNTED_MAX = 99  # items of the inbox; the sidebar shows more as 99+
COUNTED_SECONDS = 15  # for which the counts of some roles are kept


class WaitingCounts(msgspec.Struct, frozen=True, kw_only=True):
    """The inbox items visible to some roles: the number of each kind, and of overdue ones."""

    kinds: Mapping[ItemKind, int] = {}
    overdue: int = 0

    def at(self, section: Section) -> str:
        """The count beside a section; empty for none."""
        count = sum(self.kinds.get(kind, 0) for kind in section.waits)
        return f"{COUNTED_MAX}+" if count > COUNTED_MAX else str(count or "")


_counted: WeakKeyDictionary[Site, dict[frozenset[StaffRole], tuple[float, WaitingCounts]]] = (
    WeakKeyDictionary()
)


def waiting(visit: Visit) -> WaitingCounts:
    """The counts of items for a reader's roles, at most `COUNTED_SECONDS` old."""
    known = _counted.setdefault(visit.site, {})
    until, found = known.get(visit.staff.roles, (0.0, WaitingCounts()))
    if until < monotonic() and visit.allows(STAFF):
        asked = InboxView(limit=COUNTED_MAX + 1)
        items = inbox.page(visit.installation, visit.member, asked).items
        found = WaitingCounts(
            kinds=Counter(item.kind for item in items), overdue=sum(item.overdue for item in items)
        )
        known[visit.staff.roles] = monotonic() + COUNTED_SECONDS, found
    return found


def _sections(visit: Visit, counts: WaitingCounts) -> list[tuple[str, list[tuple[Section, str]]]]:
    """The sections that the reader may open, with their counts, by group."""
    mine = [one for one in SECTIONS if visit.allows(one.may)]
    return [
        (group, [(one, counts.at(one)) for one in several])
        for group, several in groupby(mine, key=lambda one: one.group)
    ]


WHY = "why"  # the field of a form in which staff say why they do something


def why_faults(text: str) -> Faults:
    """The faults of a reason, for the form that asks for it."""
    try:
        inbox_register.check_words(text, needed=True)
    except UsageError as error:
        return Faults(((f"{WHY}-reason", WHY, sentence(error.message)),))
    return NO_FAULTS


def fault(place: str, error: LicetError | None, field: str = "") -> Faults:
    """A verb's error, beside its form or ``field``."""
    if error is None:
        return NO_FAULTS
    text = sentence(f"{error.message}: {error.hint}" if error.hint else error.message)
    return Faults(((place, field or place, text),))


def sentence(text: str) -> str:
    """A message or hint as a sentence."""
    plain = text.replace("`", "")
    return f"{plain[:1].upper()}{plain[1:]}." if plain else ""


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """The member of staff who reads a page, the path and query of the request, and whether a form
    was sent.
    """

    site: Site
    staff: Staff
    csrf: str
    path: str = ""
    query: Mapping[str, str] = {}
    posted: bool = False

    @property
    def installation(self) -> Installation:
        return self.site.installation

    @property
    def member(self) -> StaffMember:
        return member_of(self.staff)

    def orders(self, *kinds: OrderKind, target: str | None = None) -> list[StaffOrder]:
        """The newest orders of these kinds, for the page that gives them."""
        return orders.newest(self.installation, kinds, ORDERS_SHOWN_MAX, target)

    def allows(self, may: May) -> bool:
        return not may.staff.isdisjoint(self.staff.roles)

    def may_open(self, page: str) -> bool:
        """Whether the reader may open the section of a page."""
        section = section_of(page.partition("?")[0])
        return section is not None and self.allows(section.may)


RouteVisit: TypeAlias = NamedDependency[Visit]  # as a route takes it


def opened(request: AnyRequest) -> Visit:
    """The reader of a request; ForbiddenError for anybody but staff."""
    caller = request.scope["auth"]
    if not isinstance(caller, Staff):
        raise ForbiddenError("the console is for staff")
    if request.method == "POST":
        _counted.pop(site_of(request), None)
    return Visit(
        site=site_of(request),
        staff=caller,
        csrf=csrf_token.get(),
        path=request.url.path,
        query=dict(request.query_params),
        posted=request.method == "POST",
    )


def page(
    template: str,
    visit: Visit,
    *,
    title: str = "",
    errors: Faults = NO_FAULTS,
    status_code: int = 0,
    **values: object,
) -> Response[str]:
    """A whole page of the console: its title is the label of its section, but on pages of one
    object; its status says whether a form had ``errors``.
    """
    section = section_of(visit.path)
    held = [role.value.replace("_", " ") for role in StaffRole if role in visit.staff.roles]
    counts, now = waiting(visit), visit.installation.clock()
    shown: dict[str, Any] = {
        "csrf": visit.csrf,
        "sections": _sections(visit, counts),
        # of their inbox: who has none sees no claim about it
        "overdue": counts.overdue if visit.allows(STAFF) else None,
        "place": section,
        "up": section if section and visit.path != section.path else None,
        "who": visit.staff.email,
        "roles": ", ".join(held),
        "errors": errors,
        "simulated": visit.installation.clock is not utc_now,
        "at": now,
        "ago": lambda at: ago(at, now),
        "may_open": visit.may_open,
        "by_account": visit.allows(HELPS),
        "may_read": visit.allows(READS),
        "officer": visit.allows(HOLDS),
        "owns": visit.allows(OWNS),
        "posted": visit.posted,
        "saved": _flash(visit.query.get("flash", "")),
        **values,
    }
    title = title or (section.label if section else "")
    return _rendered(template, title, status_code or (422 if errors else 200), shown)


def _flash(name: str) -> str:
    """The page's message about the verb that led to it."""
    return next((verb.flash for verb in VERBS if verb.name == name), "")


def unbroken(text: str) -> str:
    """A text without line breaks in its dates."""
    return re.sub(r"(?<=\d)-(?=\d)", "\N{NON-BREAKING HYPHEN}", text)


REASON = "reason"
REASON_CHARACTERS_MAX = 500


def reason_faults(reason: str) -> Faults:
    """The faults of a form's reason."""
    if reason.strip() and len(reason) <= REASON_CHARACTERS_MAX:
        return NO_FAULTS
    return Faults(((REASON, REASON, f"Say why, in {REASON_CHARACTERS_MAX} characters at most."),))


def plain(
    title: str, lines: Sequence[str], *, status: int, links: Sequence[tuple[str, str]] = ()
) -> Response[str]:
    """A page of a few sentences, for anybody."""
    shown = {"sections": [], "up": None, "lines": lines, "links": links}
    return _rendered("console_plain.html", title, status, shown)


Source: TypeAlias = str | Callable[[Any], str]


def cells(
    item: Any,  # noqa: ANN401 a value of a page
    columns: Sequence[Sequence[Source]],
) -> Iterator[tuple[str, str, bool]]:
    """The cells of a row: head, value as text, and whether it is overdue.

    A column is its head, its value, and optionally its test for overdue and its link. A value is a
    path as in `handout.open`, a format as in `{0.rows:,}`, or a macro of the item; a link is a
    format; the test is a path or a macro.
    """
    for head, source, *more in columns:
        late, href = (*more, "", "")[:2]
        text = _value(item, source)
        if href:
            text = Markup('<a href="{}">{}</a>').format(str(href).format(item), text)
        is_late = late(item) if callable(late) else late and _raw(item, late)
        yield str(head), text, bool(is_late)


def _value(item: Any, source: Source) -> str:  # noqa: ANN401 a value of a page
    if callable(source):
        return source(item)
    return source.format(item) if "{" in source else display(_raw(item, source))


def _raw(item: Any, path: str) -> Any:  # noqa: ANN401 a value of a page
    for part in path.split("."):
        item = item[int(part)] if part.isdigit() else getattr(item, part)
    return item


def choices(options: Sequence[Any]) -> Iterator[tuple[str, str]]:
    """The options of a select, each with its text; a word is the empty option."""
    for some in options:
        if isinstance(some, str):
            yield "", some
        elif isinstance(some, Mapping):
            for key, text in some.items():
                yield str(key), str(getattr(text, "label", text))
        else:
            yield from ((str(one), display(one).replace("_", " ")) for one in some)


def display(value: Any) -> str:  # noqa: ANN401 a value of a page
    """A value as staff read it, by its type; a dash for none, or for an empty one."""
    match value:
        case None | "" | () | []:
            return "–"
        case Markup():
            return value
        case bool():
            return "yes" if value else "no"
        case Enum():
            return str(value.value).replace("_", " ")
        case int():
            return f"{value:,}"
        case datetime():
            return moment(value)
        case date():
            return Markup("<time>{}</time>").format(value.isoformat())
        case UUID():
            return value.hex
        case tuple() | list() | frozenset():
            return ", ".join(map(display, value))
        case _:
            return str(value)


def _rendered(template: str, title: str, status: int, values: Mapping[str, Any]) -> Response[str]:
    html = shared.render(
        template,
        catalogue(ENGLISH),
        title=title,
        nav=True,
        moment=moment,
        unbroken=unbroken,
        cells=cells,
        choices=choices,
        display=display,
        size=size,
        hold_reasons=REASONS,
        matter_max=MATTER_CHARACTERS_MAX,
        why_max=inbox_register.WORDS_CHARACTERS_MAX,
        **values,
    )
    return Response(
        html, status_code=status, media_type=MediaType.HTML, headers={"cache-control": "no-store"}
    )


_UNITS = (("year", 31_536_000), ("month", 2_592_000), ("day", 86_400), ("hour", 3_600))


def ago(at: datetime | None, now: datetime) -> str:
    """A time relative to ``now``, with the exact time in its title; a dash for none."""
    if at is None:
        return "–"
    seconds = abs((now - at).total_seconds())
    unit, length = next((one for one in _UNITS if seconds >= one[1]), ("minute", 60))
    count = int(seconds // length)
    distance = f"{count} {unit}{'s' * (count != 1)}"
    relative = "just now" if not count else f"{distance} ago" if at <= now else f"in {distance}"
    return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(
        rfc3339(at), f"{at:%Y-%m-%d %H:%M}", relative
    )


def moment(at: datetime | None) -> str:
    """A time without line breaks: 2025-09-28 10:00, UTC; a dash for none."""
    if at is None:
        return "–"
    return Markup('<time datetime="{}">{}</time>').format(rfc3339(at), f"{at:%Y-%m-%d %H:%M}")
