"""Shared by every page of the console: its reader, the sections that they may open, and the
response as HTML.

A page links only to what its reader may open. A missing link protects nothing; the guard does. The
console is in English, in its templates: the catalogue has the texts for people. It needs no script.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

import msgspec
from litestar import MediaType, Response
from markupsafe import Markup

from licet.access import inbox_register
from licet.access.roles import ForbiddenError, May, Staff, StaffRole, may
from licet.clock import utc_now
from licet.consent.catalogue import catalogue
from licet.consent.language_tags import ENGLISH
from licet.errors import UsageError
from licet.policy.period import written
from licet.vault.installation import Installation
from licet.web import static_files
from licet.web.access.authentication import csrf_token
from licet.web.api.references import site_of
from licet.web.console.chart import size
from licet.web.pages import shared
from licet.web.pages.shared import NO_FAULTS, AnyRequest, Faults
from licet.web.site import Site

# The same rights as the corresponding routes of the API: see tests/web/matrix.csv.
STAFF = may(staff=tuple(StaffRole))
OFFICE = may(staff=(StaffRole.privacy_officer, StaffRole.auditor))
LOOKS = may(staff=(StaffRole.privacy_officer, StaffRole.auditor, StaffRole.reviewer))
HOLDS = may(staff=(StaffRole.privacy_officer,))
ANSWERS = may(staff=(StaffRole.privacy_officer,))
READS = may(staff=(StaffRole.privacy_officer, StaffRole.reviewer))
OWNS = may(staff=(StaffRole.owner,))


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the console, the group that it stands in, and who may open it."""

    path: str
    label: str
    may: May
    group: str


SECTIONS = (
    Section(path="/console/inbox", label="Inbox", may=STAFF, group="Today"),
    Section(path="/console", label="Overview", may=STAFF, group="Today"),
    Section(path="/console/look-up", label="Look up", may=LOOKS, group="Today"),
    Section(path="/console/accounts", label="Accounts", may=OFFICE, group="People"),
    Section(path="/console/conversations", label="Conversations", may=LOOKS, group="People"),
    Section(path="/console/rights", label="Requests of people", may=OFFICE, group="People"),
    Section(path="/console/erasures", label="Erasures", may=OFFICE, group="People"),
    Section(path="/console/holds", label="Holds", may=LOOKS, group="People"),
    Section(path="/console/readings", label="Readings", may=OFFICE, group="People"),
    Section(path="/console/suggestions", label="Misuse", may=LOOKS, group="Misuse"),
    Section(path="/console/flags", label="Flags", may=LOOKS, group="Misuse"),
    Section(path="/console/releases", label="Releases", may=STAFF, group="Training"),
    Section(path="/console/models", label="Models", may=STAFF, group="Training"),
    Section(path="/console/recipients", label="Recipients", may=STAFF, group="Training"),
    Section(path="/console/recalls", label="Recalls", may=OFFICE, group="Training"),
    Section(path="/console/policy", label="Policy", may=STAFF, group="Record"),
    Section(path="/console/notices", label="Notices", may=STAFF, group="Record"),
    Section(path="/console/log", label="Log", may=STAFF, group="Record"),
    Section(path="/console/documents", label="Papers", may=OFFICE, group="Record"),
    Section(path="/console/keys", label="Encryption keys", may=STAFF, group="System"),
    Section(path="/console/backups", label="Backups", may=STAFF, group="System"),
    Section(path="/console/webhooks", label="Webhooks", may=STAFF, group="System"),
    Section(path="/console/background", label="Background work", may=STAFF, group="System"),
    Section(path="/console/orders", label="Orders", may=STAFF, group="System"),
    Section(path="/console/access", label="Keys and staff", may=OWNS, group="System"),
)


def _sections(visit: Visit) -> list[tuple[str, list[Section]]]:
    """The sections that somebody may open, by group."""
    mine = [one for one in SECTIONS if visit.allows(one.may)]
    return [(group, list(several)) for group, several in groupby(mine, key=lambda one: one.group)]


WHY = "why"  # the field of a form in which staff say why they do something


def why_faults(text: str, place: str = WHY) -> Faults:
    """What is wrong with a reason, for the form that asks for it."""
    try:
        inbox_register.check_words(text, needed=True)
    except UsageError as error:
        return Faults(((f"{place}-reason", place, sentence(error.message)),))
    return NO_FAULTS


def sentence(text: str) -> str:
    """A message, or the hint of one, as a sentence of a page."""
    plain = text.replace("`", "")
    return f"{plain[:1].upper()}{plain[1:]}." if plain else ""


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """The member of staff who reads a page."""

    site: Site
    staff: Staff
    csrf: str

    @property
    def here(self) -> Installation:
        return self.site.here

    def allows(self, may: May) -> bool:
        return not may.staff.isdisjoint(self.staff.roles)

    def may_open(self, page: str) -> bool:
        """Whether the section of a page is open to the reader."""
        within = [one for one in SECTIONS if page.partition("?")[0].startswith(one.path)]
        return bool(within) and self.allows(max(within, key=lambda one: len(one.path)).may)


def opened(request: AnyRequest) -> Visit:
    """The reader of a request; ForbiddenError for anybody but staff."""
    caller = request.scope["auth"]
    if not isinstance(caller, Staff):
        raise ForbiddenError("the console is for staff")
    return Visit(site=site_of(request), staff=caller, csrf=csrf_token.get())


def page(
    template: str,
    visit: Visit,
    *,
    title: str,
    section: str = "",
    errors: Faults = NO_FAULTS,
    status: int = 200,
    values: Mapping[str, Any] | None = None,
) -> Response[str]:
    """A whole page of the console."""
    roles = [role.value.replace("_", " ") for role in StaffRole if role in visit.staff.roles]
    shown = {
        "csrf": visit.csrf,
        "sections": _sections(visit),
        "place": section,
        "who": visit.staff.email,
        "roles": ", ".join(roles),
        "errors": errors.places,
        "errors_of": errors.of,
        "simulated": visit.here.clock is not utc_now,
        "at": visit.here.clock(),
        "may_open": visit.may_open,
    }
    return _rendered(template, title, status, {**shown, **(values or {})})


REASON = "reason"
REASON_CHARACTERS_MAX = 500


def reason_faults(reason: str) -> Faults:
    """What is wrong with a reason of a form."""
    if reason.strip() and len(reason) <= REASON_CHARACTERS_MAX:
        return NO_FAULTS
    return Faults(((REASON, REASON, f"Say why, in {REASON_CHARACTERS_MAX} characters at most."),))


def plain(
    title: str, lines: Sequence[str], *, status: int, links: Sequence[tuple[str, str]] = ()
) -> Response[str]:
    """A page of a few sentences, for anybody."""
    shown = {
        "csrf": "", "sections": [], "place": "", "who": "", "roles": "", "errors": [], "errors_of": {},
        "simulated": False, "lines": lines, "links": links,
    }  # fmt: skip
    return _rendered("console_plain.html", title, status, shown)


def _rendered(template: str, title: str, status: int, values: Mapping[str, Any]) -> Response[str]:
    words = catalogue(ENGLISH)
    html = (
        shared.templates()
        .get_template(template)
        .render(
            words=words,
            say=words.say,
            day=words.day,
            moment=moment,
            size=size,
            title=title,
            outcome="",
            nav=True,
            static=static_files.path,
            fragment=False,
            **values,
        )
    )
    return Response(
        html, status_code=status, media_type=MediaType.HTML, headers={"cache-control": "no-store"}
    )


def moment(at: datetime | None) -> str:
    """A time as staff read it, without line breaks: 2025-09-28 10:00, UTC; a dash for none."""
    if at is None:
        return "–"
    return Markup('<time datetime="{}">{}</time>').format(written(at), f"{at:%Y-%m-%d %H:%M}")
