"""The inbox: what waits for whoever is signed in, each item with who has it, its history, and what
can be done about it.

/console/inbox                what waits, what is due first before the rest; filtered, paged, and as
a file /console/inbox/ITEM           one item, as in request:req_..
/console/inbox/ITEM/take  ../give-back  ../hand  ../note  ../act
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Stream

from licet.access.inbox_register import WORDS_CHARACTERS_MAX
from licet.access.roles import Staff
from licet.consent import rights_requests
from licet.erasure import sweeper
from licet.errors import BusyError, DeniedError, LicetError, NotFoundError, UsageError
from licet.masked import Masked
from licet.policy.period import instant
from licet.service import inbox, inbox_verbs
from licet.service.inbox import HeldFilter, InboxPage, InboxView, ItemSort
from licet.service.inbox_acts import ActField, ActValues
from licet.service.inbox_sources import InboxItem, ItemKind
from licet.service.inbox_verbs import STEPS, InboxResult, ItemStep
from licet.vault.holds import MATTER_CHARACTERS_MAX
from licet.web.api.inbox import DOES
from licet.web.api.shared import member_of
from licet.web.api.verb_routes import declare
from licet.web.console import shared as shell
from licet.web.console.shared import STAFF, Visit
from licet.web.pages.shared import NO_FAULTS, AnyRequest, Faults, seen_other

SECTION = "/console/inbox"
SAID = {step.name: step.said for step in STEPS}
DONE = "Done, and on record."
HELD = {
    HeldFilter.me: "that I have",
    HeldFilter.nobody: "that nobody has",
    HeldFilter.somebody: "that somebody has",
}
VIEWS = (
    ("All", ""),
    ("Overdue", "overdue=yes"),
    ("Mine", "held=me"),
    ("Nobody has them", "held=nobody"),
)


class ItemForm(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the forms of an item send; ``holder`` is whom the page showed to have it."""

    reason: str = ""
    holder: str = ""
    to: str = ""
    act: str = ""
    code: str = ""
    matter: str = ""
    review: str = ""
    amount: str = ""
    names_in: str = ""


@get("/console/inbox", may=STAFF, sync_to_thread=True, include_in_schema=False)
def waiting(request: AnyRequest) -> Response[Any]:
    """What waits for somebody with the roles of whoever asks."""
    visit, asked = shell.opened(request), dict(request.query_params)
    if asked.get("as") == "csv":
        name = f"inbox-{visit.here.clock():%Y-%m-%d}.csv"
        return Stream(
            inbox.as_csv(visit.here, member_of(visit.staff), _view(asked)),
            media_type="text/csv; charset=utf-8",
            headers={
                "content-disposition": f'attachment; filename="{name}"',
                "cache-control": "no-store",
            },
        )
    values, faults = _queue(visit, asked)
    return shell.page(
        "console_inbox.html",
        visit,
        title="Inbox",
        section=SECTION,
        values={**values, "item": ""},
        errors=faults,
        status=400 if faults else 200,
    )


def _queue(visit: Visit, asked: Mapping[str, str]) -> tuple[dict[str, Any], Faults]:
    """The list of a view, which stands alone and beside an item: what is equal in groups."""
    faults, view = NO_FAULTS, InboxView()
    try:
        view = _view(asked)
        found = inbox.page(visit.here, member_of(visit.staff), view)
    except UsageError as error:
        text = shell.sentence(f"{error.message}: {error.hint}" if error.hint else error.message)
        faults, found = Faults((("filters", "filters", text),)), InboxPage(items=(), next=None)
    groups: dict[tuple[Any, ...], list[InboxItem]] = {}
    for item in found.items:
        groups.setdefault((item.kind, item.what, item.overdue, item.holder), []).append(item)
    named = {name: asked[name] for name in ("kind", "held", "overdue", "sort") if asked.get(name)}
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


def _view(asked: Mapping[str, str]) -> InboxView:
    kind, held, sort = asked.get("kind", ""), asked.get("held", ""), asked.get("sort", "")
    for text, known in ((kind, ItemKind), (held, HeldFilter), (sort, ItemSort)):
        if text and text not in {one.value for one in known}:
            raise UsageError(f"`{text[:40]}` is not one of the choices")
    return InboxView(
        kind=ItemKind(kind) if kind else None,
        held=HeldFilter(held) if held else None,
        overdue=asked.get("overdue") == "yes",
        sort=ItemSort(sort) if sort else ItemSort.due,
        after=asked.get("after", ""),
    )


@get("/console/inbox/{item:str}", may=STAFF, sync_to_thread=True, include_in_schema=False)
def one_item(request: AnyRequest, item: FromPath[str]) -> Response[Any]:
    """One item: who has it, until when, what can be done about it, and what was done."""
    asked = dict(request.query_params)
    return _item(shell.opened(request), item, asked, said=_said(asked.pop("said", "")))


def _said(name: str) -> str:
    """What the page says of the step or the act that led to it."""
    return SAID.get(name, DONE) if name else ""


def _item(
    visit: Visit,
    item: str,
    asked: Mapping[str, str],
    kept: ItemForm | None = None,
    faults: Faults = NO_FAULTS,
    said: str = "",
) -> Response[Any]:
    by = member_of(visit.staff)
    seen = inbox.get(visit.here, by, item)
    waits = seen.waits is not None
    queue, wrong = _queue(visit, asked)
    names = queue["names"]
    place = names.index(item) + 1 if item in names else 0
    values = {
        **queue,
        "item": item,
        "beside": names[place] if place < len(names) else "",
        "seen": seen,
        "waits": seen.waits,
        "acts": inbox_verbs.acts(by, item) if waits else [],
        "saved": said,
        "kept": kept or ItemForm(),
        "me": visit.staff.email,
        "here_path": _path(item),
        "words_max": WORDS_CHARACTERS_MAX,
        "answer_max": rights_requests.WORDS_CHARACTERS_MAX,
        "matter_max": MATTER_CHARACTERS_MAX,
        "fields": ActField,
        "amount": sweeper.sweep_status(visit.here).due if seen.kind is ItemKind.sweep else None,
        "of_person": seen.waits is not None and seen.waits.account is not None,
    }
    title = seen.waits.what if seen.waits is not None else "An item that is done"
    faults = faults or wrong
    return shell.page(
        "console_inbox.html",
        visit,
        title=title,
        section=SECTION,
        errors=faults,
        values=values,
        status=422 if faults else 200,
    )


def _step_form(step: ItemStep) -> HTTPRouteHandler:
    """The route that takes the form of a step."""

    def act(request: AnyRequest, item: str, data: ItemForm) -> Response[Any]:
        return _done(
            request, item, data, step.name, lambda here, by: step.does(here, by, item, data, None)
        )

    types = {
        "request": AnyRequest,
        "item": FromPath[str],
        "data": URLEncodedBody[ItemForm],
    }
    declare(act, step.operation, step.about, types, {}, Response[Any])
    address = f"/console/inbox/{{item:str}}/{step.name}"
    return post(address, may=DOES, sync_to_thread=True, include_in_schema=False)(act)


@post("/console/inbox/{item:str}/act", may=DOES, sync_to_thread=True, include_in_schema=False)
def act(request: AnyRequest, item: FromPath[str], data: URLEncodedBody[ItemForm]) -> Response[Any]:
    """Does what the item asks for, with its reason."""
    return _done(
        request,
        item,
        data,
        data.act or "act",
        lambda here, by: inbox_verbs.act(here, by, item, data.act, _values(data)),
    )


def _values(data: ItemForm) -> ActValues:
    amount = data.amount if data.amount.isdecimal() and len(data.amount) <= 18 else ""
    try:
        review_at = instant(data.review.strip()) if data.review.strip() else None
    except ValueError:
        raise UsageError("the day of review is none", "write it as 2026-06-01") from None
    return ActValues(
        reason=data.reason,
        code=data.code,
        matter=data.matter,
        review_at=review_at,
        amount=int(amount) if amount else None,
        names_in=data.names_in == "yes",
    )


def _done(
    request: AnyRequest,
    item: str,
    data: ItemForm,
    place: str,
    does: Callable[[Any, Any], InboxResult],
) -> Response[Any]:
    """What was done, or the page again with what refused it, beside the form that was sent."""
    visit = shell.opened(request)
    assert isinstance(visit.staff, Staff)
    try:
        does(visit.here, member_of(visit.staff))
    except (DeniedError, BusyError):
        raise
    except NotFoundError:
        # an item that there is not is not found
        inbox.get(visit.here, member_of(visit.staff), item)
        raise
    except LicetError as error:
        text = " ".join(shell.sentence(part) for part in (error.message, error.hint) if part)
        faults = Faults(((f"{place}-reason", place, text),))
        return _item(visit, item, request.query_params, data, faults)
    view = {name: text for name, text in request.query_params.items() if name != "said"}
    return seen_other(f"{_path(item)}?{urlencode({'said': place, **view})}")


def _path(item: str) -> str:
    return f"{SECTION}/{quote(item, safe=':+')}"


ROUTES = (waiting, one_item, act, *map(_step_form, STEPS))
