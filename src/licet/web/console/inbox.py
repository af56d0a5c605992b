"""The inbox: the items of the signed-in person's roles, each with its assignee, its history, and
what can be done about it.

/console/inbox                what waits, what is due first before the rest; filtered, paged, and as
a file /console/inbox/ITEM           one item, as in request:req_..
/console/inbox/ITEM/take  ../give-back  ../hand  ../note  ../act
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from litestar import Response
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from licet.consent import rights_requests
from licet.erasure import sweeper
from licet.errors import BusyError, DeniedError, LicetError, NotFoundError, UsageError
from licet.service import inbox, inbox_verbs
from licet.service.inbox import HeldFilter, InboxPage, InboxView, ItemSort
from licet.service.inbox_acts import ActField
from licet.service.inbox_sources import InboxItem, ItemKind
from licet.service.staff_verb import AnyCall, AnyVerb
from licet.web.console import shared as shell
from licet.web.console import tables
from licet.web.console import verb_forms as forms
from licet.web.console.shared import STAFF, RouteVisit, Visit
from licet.web.pages.shared import NO_FAULTS, Faults, get_page, seen_other

SECTION = "/console/inbox"
KEPT = ("reason", "to", "matter", "code", "review_at", "names_in")
HELD = {
    HeldFilter.me: "assigned to me",
    HeldFilter.nobody: "unassigned",
    HeldFilter.somebody: "assigned",
}
VIEWS = (
    ("All", ""),
    ("Overdue", "overdue=yes"),
    ("Mine", "held=me"),
    ("Unassigned", "held=nobody"),
)


@get_page("/console/inbox", may=STAFF)
def waiting(visit: RouteVisit) -> Response[Any]:
    """The open items of the caller's roles."""
    asked = visit.query
    if asked.get("as") == "csv":
        lines = inbox.as_csv(visit.installation, visit.member, _view(asked))
        return tables.csv_file(visit, "inbox", lines)
    values, faults = _queue(visit, asked)
    return shell.page(
        "console_inbox.html",
        visit,
        errors=faults,
        status_code=400 if faults else 200,
        **values,
        item="",
    )


def _queue(visit: Visit, query: Mapping[str, str]) -> tuple[dict[str, Any], Faults]:
    """The list of a view, shown alone or beside an item, with equal items grouped."""
    faults, view = NO_FAULTS, InboxView()
    try:
        view = _view(query)
        found = inbox.page(visit.installation, visit.member, view)
    except UsageError as error:
        faults, found = shell.fault("filters", error), InboxPage(items=(), next=None)
    groups: dict[tuple[Any, ...], list[InboxItem]] = {}
    for item in found.items:
        groups.setdefault((item.kind, item.what, item.overdue, item.holder), []).append(item)
    named = {name: query[name] for name in ("kind", "held", "overdue", "sort") if query.get(name)}
    names = [item.item for several in groups.values() for item in several]
    return {
        "groups": list(groups.values()),
        "names": names,
        "stopped": found.stopped,
        "asked": named,
        "kinds": list(ItemKind),
        "held": {one.value: text for one, text in HELD.items()},
        "views": VIEWS,
        "current": urlencode(named),
        "query": f"?{urlencode(named)}" if named else "",
        "path": _path,
        "file": f"{SECTION}?{urlencode({**named, 'as': 'csv'})}",
        "next": f"{SECTION}?{urlencode({**named, 'after': found.next})}" if found.next else "",
        "before": f"{SECTION}?{urlencode(named)}" if view.after else "",
    }, faults


def _view(query: Mapping[str, str]) -> InboxView:
    kind, held, sort = query.get("kind", ""), query.get("held", ""), query.get("sort", "")
    for text, known in ((kind, ItemKind), (held, HeldFilter), (sort, ItemSort)):
        if text and text not in {one.value for one in known}:
            raise UsageError(f"`{text[:40]}` is not one of the choices")
    return InboxView(
        kind=ItemKind(kind) if kind else None,
        held=HeldFilter(held) if held else None,
        overdue=query.get("overdue") == "yes",
        sort=ItemSort(sort) if sort else ItemSort.due,
        after=query.get("after", ""),
    )


@get_page("/console/inbox/{item:str}", may=STAFF)
def one_item(visit: RouteVisit, item: FromPath[str]) -> Response[Any]:
    """One item: its holder, its due date, its history, and the possible acts."""
    return _item(visit, item)


def _item(
    visit: Visit, item: str, kept: Mapping[str, Any] | None = None, faults: Faults = NO_FAULTS
) -> Response[Any]:
    by = visit.member
    seen = inbox.get(visit.installation, by, item)
    queue, wrong = _queue(visit, visit.query)
    names = queue["names"]
    place = names.index(item) + 1 if item in names else 0
    title = seen.waits.what if seen.waits is not None else "Closed item"
    faults = faults or wrong
    return shell.page(
        "console_inbox.html",
        visit,
        title=title,
        errors=faults,
        **queue,
        item=item,
        beside=names[place] if place < len(names) else "",
        seen=seen,
        waits=seen.waits,
        acts=inbox_verbs.list_acts(visit.installation, by, seen),
        kept={**dict.fromkeys(KEPT, ""), **(kept or {})},
        me=visit.staff.email,
        here_path=_path(item),
        answer_max=rights_requests.WORDS_CHARACTERS_MAX,
        fields=ActField,
        amount=sweeper.sweep_status(visit.installation).due
        if seen.kind is ItemKind.sweep
        else None,
        of_person=seen.waits is not None and seen.waits.account is not None,
    )


def _form(verb: AnyVerb) -> HTTPRouteHandler:
    """The route for the form of a step or an act; redirects within the same view."""

    def moved(visit: Visit, call: AnyCall, _: object) -> Response[Any]:
        return seen_other(f"{_path(call.target)}?{urlencode({**visit.query, 'flash': verb.name})}")

    def refused(
        visit: Visit, item: str, data: Mapping[str, Any], error: LicetError
    ) -> Response[Any]:
        if isinstance(error, DeniedError | BusyError | NotFoundError):
            raise error
        place = str(data.get("act") or verb.word)
        return _item(visit, item, data, shell.fault(place, error, f"{place}-reason"))

    return forms.form_of(verb, moved, refused)


def _path(item: str) -> str:
    return f"{SECTION}/{quote(item, safe=':+')}"


ROUTES = (waiting, one_item, *map(_form, inbox_verbs.VERBS))
