"""The inbox of staff over the API: what waits for the caller, and what is done with an item, as in
the console.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from litestar import Response, get, post
from litestar.params import JSONBody, PathParameter, QueryParameter
from litestar.response import Stream

from licet.access.roles import Staff, StaffRole, may
from licet.release.signatures import StaffMember
from licet.service import inbox, inbox_verbs
from licet.service.inbox import HeldFilter, InboxPage, InboxView, ItemSeen, ItemSort
from licet.service.inbox_acts import ActValues
from licet.service.inbox_sources import KINDS, ItemKind
from licet.service.inbox_verbs import InboxResult
from licet.vault.idempotency import IdempotentCall
from licet.web.api import inbox_schema
from licet.web.api import shared as shell
from licet.web.api.references import site_of
from licet.web.api.shared import AnyRequest, IdempotencyKey, member_of

EVERY = may(staff=tuple(StaffRole))
DOES = may(staff=tuple(role for role in StaffRole if any(role in who for who in KINDS.values())))
TAG = ["staff"]
READS, WRITES = shell.refusals(404), shell.WRITES
ItemRef = Annotated[
    str,
    PathParameter(description="`kind:subject`, as the list has it.", min_length=1, max_length=200),
]
Kind = Annotated[
    ItemKind | None,
    QueryParameter(name="kind", required=False, description="Only items of this kind."),
]
Held = Annotated[
    HeldFilter | None,
    QueryParameter(
        name="held", required=False, description="Those that the caller, somebody, or nobody has."
    ),
]
Overdue = Annotated[
    bool, QueryParameter(name="overdue", required=False, description="Only what is overdue.")
]
Sort = Annotated[
    ItemSort,
    QueryParameter(name="sort", required=False, description="By what is due first, or by kind."),
]
Place = Annotated[
    str | None,
    QueryParameter(
        name="cursor",
        required=False,
        max_length=inbox.CURSOR_CHARACTERS_MAX,
        description="`next` of the page before.",
    ),
]
Most = Annotated[
    int,
    QueryParameter(
        name="limit", ge=1, le=inbox.PAGE_ITEMS_MAX, required=False, description="Items at most."
    ),
]


def _caller(request: AnyRequest) -> StaffMember:
    assert isinstance(request.auth, Staff)
    return member_of(request.auth)


@get("/v1/inbox", may=EVERY, responses=shell.refusals(), tags=TAG)
async def get_inbox(
    request: AnyRequest,
    kind: Kind = None,
    held: Held = None,
    overdue: Overdue = False,
    sort: Sort = ItemSort.due,
    cursor: Place = None,
    limit: Most = inbox.PAGE_ITEMS,
) -> InboxPage:
    """What waits for the caller's roles, what is due first before the rest; an auditor sees what
    waits for anybody.
    """
    site, by = site_of(request), _caller(request)
    view = InboxView(
        kind=kind, held=held, overdue=overdue, sort=sort, after=cursor or "", most=limit
    )
    return await site.calling(lambda: inbox.page(site.here, by, view))


@get("/v1/inbox.csv", may=EVERY, responses=shell.refusals(), tags=TAG, media_type="text/csv")
async def get_inbox_file(
    request: AnyRequest,
    kind: Kind = None,
    held: Held = None,
    overdue: Overdue = False,
    sort: Sort = ItemSort.due,
) -> Stream:
    """All of a view of the inbox as CSV, by RFC 4180."""
    site, by = site_of(request), _caller(request)
    view = InboxView(kind=kind, held=held, overdue=overdue, sort=sort)
    return Stream(inbox.as_csv(site.here, by, view), media_type="text/csv; charset=utf-8")


@get("/v1/inbox/{item:str}", may=EVERY, responses=READS, tags=TAG)
async def get_item(request: AnyRequest, item: ItemRef) -> inbox_schema.ItemAnswer:
    """An item with who has it, what the caller can do about it, and what was done with it."""
    site, by = site_of(request), _caller(request)
    return _shown(by, await site.calling(lambda: inbox.get(site.here, by, item)))


@post("/v1/inbox/{item:str}/take", may=DOES, responses=WRITES, status_code=200, tags=TAG)
async def take_item(
    request: AnyRequest,
    item: ItemRef,
    data: JSONBody[inbox_schema.NewItemTaking],
    idempotency_key: IdempotencyKey = None,
) -> Response[inbox_schema.ItemAnswer]:
    """Takes an item; 409 where a colleague has it, who is named."""
    here = site_of(request).here
    return await _step(
        request,
        idempotency_key,
        lambda by, once: inbox_verbs.take(here, by, item, data.reason, once=once),
    )


@post("/v1/inbox/{item:str}/give-back", may=DOES, responses=WRITES, status_code=200, tags=TAG)
async def give_back_item(
    request: AnyRequest,
    item: ItemRef,
    data: JSONBody[inbox_schema.NewItemReturn],
    idempotency_key: IdempotencyKey = None,
) -> Response[inbox_schema.ItemAnswer]:
    """Gives an item back; 409 where whoever is named does not have it any more."""
    here = site_of(request).here
    return await _step(
        request,
        idempotency_key,
        lambda by, once: inbox_verbs.give_back(
            here, by, item, data.reason, holder=data.holder, once=once
        ),
    )


@post("/v1/inbox/{item:str}/hand", may=DOES, responses=WRITES, status_code=200, tags=TAG)
async def hand_item(
    request: AnyRequest,
    item: ItemRef,
    data: JSONBody[inbox_schema.NewItemHanding],
    idempotency_key: IdempotencyKey = None,
) -> Response[inbox_schema.ItemAnswer]:
    """Hands an item to a colleague whose roles do something about it."""
    here = site_of(request).here
    return await _step(
        request,
        idempotency_key,
        lambda by, once: inbox_verbs.hand(
            here, by, item, data.to, data.reason, holder=data.holder, once=once
        ),
    )


@post("/v1/inbox/{item:str}/note", may=DOES, responses=WRITES, status_code=200, tags=TAG)
async def note_item(
    request: AnyRequest,
    item: ItemRef,
    data: JSONBody[inbox_schema.NewItemNote],
    idempotency_key: IdempotencyKey = None,
) -> Response[inbox_schema.ItemAnswer]:
    """Adds a note to an item. The person whose item it is reads it."""
    here = site_of(request).here
    return await _step(
        request,
        idempotency_key,
        lambda by, once: inbox_verbs.note(here, by, item, data.reason, once=once),
    )


@post("/v1/inbox/{item:str}/act", may=DOES, responses=WRITES, status_code=200, tags=TAG)
async def act_on_item(
    request: AnyRequest,
    item: ItemRef,
    data: JSONBody[inbox_schema.NewItemAct],
    idempotency_key: IdempotencyKey = None,
) -> Response[inbox_schema.ItemAnswer]:
    """Does something about an item, with a reason: one of the acts that the item names."""
    here = site_of(request).here
    values = ActValues(
        reason=data.reason,
        code=data.code,
        matter=data.matter,
        review_at=data.review_at,
        amount=data.amount,
        names_in=data.names_in,
    )
    return await _step(
        request,
        idempotency_key,
        lambda by, once: inbox_verbs.act(here, by, item, data.act, values, once=once),
    )


async def _step(
    request: AnyRequest,
    key: str | None,
    does: Callable[[StaffMember, IdempotentCall | None], InboxResult],
) -> Response[inbox_schema.ItemAnswer]:
    by, once = _caller(request), await shell.once_of(request, key)
    done = await site_of(request).calling(lambda: does(by, once))
    return Response(
        _shown(by, done.seen, done.said), headers=shell.REPLAYED if done.replayed else {}
    )


def _shown(by: StaffMember, seen: ItemSeen, said: str = "") -> inbox_schema.ItemAnswer:
    possible = inbox_verbs.acts(by, seen.item) if seen.waits is not None else []
    return inbox_schema.ItemAnswer(
        item=seen.item,
        kind=seen.kind,
        waits=seen.waits,
        holder=seen.holder,
        taken_at=seen.taken_at,
        said=said,
        acts=tuple(
            inbox_schema.PossibleAct(
                act=one.name,
                means=one.means,
                fields=("reason", *(field.value for field in one.fields)),
                codes=one.codes,
            )
            for one in possible
        ),
        steps=tuple(
            inbox_schema.StepShown(
                step=one.step,
                act=one.act,
                at=one.at,
                by=one.by,
                to=one.to,
                done=one.done,
                reason=one.words,
            )
            for one in seen.steps
        ),
    )


ROUTES = [
    get_inbox,
    get_inbox_file,
    get_item,
    take_item,
    give_back_item,
    hand_item,
    note_item,
    act_on_item,
]
