"""The inbox of staff over the API: what waits for the caller, and what is done with an item, as in
the console.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody, PathParameter, QueryParameter
from litestar.response import Stream
from msgspec import Meta

from licet.access.inbox_register import InboxStepKind
from licet.access.roles import TEAM, Staff, StaffRole, may
from licet.release.signatures import StaffMember
from licet.service import inbox, inbox_verbs
from licet.service.inbox import HeldFilter, InboxPage, InboxView, ItemSeen, ItemSort
from licet.service.inbox_acts import ActValues
from licet.service.inbox_sources import KINDS, InboxItem, ItemKind
from licet.service.inbox_verbs import STEPS, InboxResult, ItemReason, ItemStep
from licet.service.staff_verb import VerbAnswer, VerbBody
from licet.vault.holds import MATTER_CHARACTERS_MAX
from licet.vault.idempotency import IdempotentCall
from licet.web.api import shared as shell
from licet.web.api.references import site_of
from licet.web.api.shared import AnyRequest, IdempotencyKey, member_of
from licet.web.api.verb_routes import declare

EVERY = may(staff=TEAM)
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


class NewItemAct(VerbBody, frozen=True, kw_only=True):
    """Something is done about an item: ``act`` is one of those that the item names, and so are the
    fields that it asks for.
    """

    act: Annotated[str, Meta(max_length=32)]
    reason: ItemReason = ""
    code: Annotated[str, Meta(max_length=32)] = ""
    matter: Annotated[str, Meta(max_length=MATTER_CHARACTERS_MAX)] = ""
    review_at: datetime | None = None
    amount: Annotated[int, Meta(ge=0, le=2**53 - 1)] | None = None
    names_in: bool = False


class PossibleAct(VerbAnswer, frozen=True, kw_only=True):
    """What the caller can do about an item: ``fields`` are what the act asks for, ``codes`` what
    `code` is one of.
    """

    act: str
    means: str
    fields: tuple[str, ...]
    codes: tuple[str, ...]


class StepShown(VerbAnswer, frozen=True, kw_only=True):
    """A step of an item. ``act`` is empty of one that was no act; ``done`` is null of that too, and
    while an act is under way.
    """

    step: InboxStepKind
    act: str
    at: datetime
    by: str
    to: str | None
    done: bool | None
    reason: str


class ItemAnswer(VerbAnswer, frozen=True, kw_only=True):
    """An item whole. ``waits`` is null once it is done; ``said`` is what the act of this request
    did.
    """

    item: str
    kind: ItemKind
    waits: InboxItem | None
    holder: str | None
    taken_at: datetime | None
    acts: tuple[PossibleAct, ...]
    steps: tuple[StepShown, ...]
    said: str


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
        kind=kind, held=held, overdue=overdue, sort=sort, after=cursor or "", limit=limit
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
async def get_item(request: AnyRequest, item: ItemRef) -> ItemAnswer:
    """An item with who has it, what the caller can do about it, and what was done with it."""
    site, by = site_of(request), _caller(request)
    return _shown(by, await site.calling(lambda: inbox.get(site.here, by, item)))


@post("/v1/inbox/{item:str}/act", may=DOES, responses=WRITES, status_code=200, tags=TAG)
async def act_on_item(
    request: AnyRequest,
    item: ItemRef,
    data: JSONBody[NewItemAct],
    idempotency_key: IdempotencyKey = None,
) -> Response[ItemAnswer]:
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


def _step_route(step: ItemStep) -> HTTPRouteHandler:
    """The route of a step."""

    async def act(
        request: AnyRequest,
        item: str,
        data: Any,  # noqa: ANN401 as the step takes it
        idempotency_key: str | None = None,
    ) -> Response[Any]:
        here = site_of(request).here
        return await _step(
            request, idempotency_key, lambda by, once: step.does(here, by, item, data, once)
        )

    body: Any = JSONBody
    types = {"request": AnyRequest, "item": ItemRef, "data": body[step.takes]}
    optional = {"idempotency_key": IdempotencyKey}
    declare(act, step.operation, step.about, types, optional, Response[ItemAnswer])
    return post(
        f"/v1/inbox/{{item:str}}/{step.name}",
        may=DOES,
        responses=WRITES,
        status_code=200,
        tags=TAG,
    )(act)


async def _step(
    request: AnyRequest,
    key: str | None,
    does: Callable[[StaffMember, IdempotentCall | None], InboxResult],
) -> Response[ItemAnswer]:
    by, once = _caller(request), await shell.once_of(request, key)
    done = await site_of(request).calling(lambda: does(by, once))
    return Response(
        _shown(by, done.seen, done.said), headers=shell.REPLAYED if done.replayed else {}
    )


def _shown(by: StaffMember, seen: ItemSeen, said: str = "") -> ItemAnswer:
    possible = inbox_verbs.acts(by, seen.item) if seen.waits is not None else []
    return ItemAnswer(
        item=seen.item,
        kind=seen.kind,
        waits=seen.waits,
        holder=seen.holder,
        taken_at=seen.taken_at,
        said=said,
        acts=tuple(
            PossibleAct(
                act=one.name,
                means=one.means,
                fields=("reason", *(field.value for field in one.fields)),
                codes=one.codes,
            )
            for one in possible
        ),
        steps=tuple(
            StepShown(
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
    *map(_step_route, STEPS),
    act_on_item,
]
