"""What owners order about the system itself, over the API: work in the background, and endpoints of
events.

    /v1/orders                 a rotation of the keys, epochs to destroy, a drill of a backup, asking the witnesses
    /v1/webhooks               the endpoints; ``../secret``, ``pause``, ``resume``, ``replay``, ``remove``

The acts are those of the console's pages, with the same roles; each needs a reason, which stays on
record.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from litestar import Response, get, post
from litestar.params import JSONBody, PathParameter

from licet.access.roles import Staff, StaffRole, may
from licet.access.staff_orders import OrderKind, StaffOrder
from licet.service import endpoint_orders, orders
from licet.vault.ids import Prefix, parse, shown
from licet.web.api import orders_schema as schema
from licet.web.api import shared as shell
from licet.web.api.references import site_of
from licet.web.api.shared import Acted, AnyRequest, IdempotencyKey
from licet.web.site import Site
from licet.webhooks import endpoints
from licet.webhooks.endpoints import EndpointBacklog

EVERY = may(staff=tuple(StaffRole))
OWNS = may(staff=(StaffRole.owner,))
TAG = ["staff"]
ACTS = shell.refusals(404, 409, 413, 422)
ORDERS_MAX, OF_ENDPOINT_MAX = 100, 20

OrderRef = Annotated[
    str, PathParameter(description="The order, `ord_..`.", min_length=1, max_length=64)
]
EndpointRef = Annotated[
    str, PathParameter(description="The name of the endpoint.", min_length=1, max_length=64)
]


@get("/v1/orders", may=EVERY, responses=shell.refusals(), tags=TAG)
async def list_orders(request: AnyRequest) -> schema.OrderAnswers:
    """The newest hundred orders of staff, with their reasons and how they ended."""
    site = site_of(request)
    found = await site.calling(lambda: orders.newest(site.here, limit=ORDERS_MAX))
    return schema.OrderAnswers(items=tuple(map(_order, found)))


@get("/v1/orders/{order:str}", may=EVERY, responses=shell.refusals(404), tags=TAG)
async def get_order(request: AnyRequest, order: OrderRef) -> schema.OrderAnswer:
    """One order, and how its work ended."""
    site, named = site_of(request), parse(Prefix.order, order)
    return _order(await site.calling(lambda: orders.get(site.here, named)))


@post("/v1/orders", may=OWNS, responses=ACTS, tags=TAG)
async def give_order(
    request: AnyRequest, data: JSONBody[schema.NewOrder], idempotency_key: IdempotencyKey = None
) -> Response[schema.OrderGiven]:
    """Orders work that runs in the background, by the verbs of `licet keys` and `licet backup
    drill`. 409 where one of its kind has not ended, or where nothing is due. A dry run says what it
    would do.
    """
    site, by, kind = site_of(request), _by(request), OrderKind(data.kind)

    def give() -> Acted[schema.OrderGiven]:
        would = orders.forecast(site.here, kind, data.about)
        if data.dry_run:
            return Acted(schema.OrderGiven(would=would.would, order=None))
        named = orders.submit(site.here, kind, would.about, reason=data.reason, actor=by)
        return Acted(
            schema.OrderGiven(would=would.would, order=_order(orders.get(site.here, named))),
            named.hex,
        )

    def again(made: str) -> schema.OrderGiven:
        given = _order(orders.get(site.here, parse(Prefix.order, f"ord_{made}"))) if made else None
        return schema.OrderGiven(would=(), order=given)

    return await shell.acted(request, idempotency_key, give, again, 201)


# Endpoints of events


@get("/v1/webhooks", may=EVERY, responses=shell.refusals(), tags=TAG)
async def list_webhooks(request: AnyRequest) -> schema.EndpointAnswers:
    """The endpoints of events by name, and what waits for each."""
    site = site_of(request)

    def read() -> schema.EndpointAnswers:
        return schema.EndpointAnswers(items=tuple(endpoints.backlogs(site.here)))

    return await site.calling(read)


@get("/v1/webhooks/{endpoint:str}", may=EVERY, responses=shell.refusals(404), tags=TAG)
async def get_webhook(request: AnyRequest, endpoint: EndpointRef) -> schema.EndpointWhole:
    """One endpoint: what waits for it, what came back last, and what was ordered of it."""
    site = site_of(request)

    def read() -> schema.EndpointWhole:
        seen = endpoints.backlog_of(site.here, endpoint)
        given = orders.newest(site.here, endpoint_orders.KINDS, OF_ENDPOINT_MAX, endpoint)
        return schema.EndpointWhole(endpoint=seen, orders=tuple(map(_order, given)))

    return await site.calling(read)


@post("/v1/webhooks", may=OWNS, responses=ACTS, tags=TAG)
async def add_webhook(
    request: AnyRequest, data: JSONBody[schema.NewEndpoint], idempotency_key: IdempotencyKey = None
) -> Response[schema.EndpointMade]:
    """Adds an endpoint, whose secret is in this answer alone. It hears what happens from now on."""
    site, by = site_of(request), _by(request)

    def add() -> Acted[schema.EndpointMade]:
        made = endpoint_orders.add(
            site.here, data.name, data.url, data.kinds, reason=data.reason, actor=by
        )
        return Acted(_made(site, data.name, made.secret))

    return await shell.acted(
        request, idempotency_key, add, lambda _: _made(site, data.name, None), 201
    )


@post("/v1/webhooks/{endpoint:str}/secret", may=OWNS, responses=ACTS, status_code=200, tags=TAG)
async def rotate_webhook(
    request: AnyRequest,
    endpoint: EndpointRef,
    data: JSONBody[schema.NewSecret],
    idempotency_key: IdempotencyKey = None,
) -> Response[schema.EndpointMade]:
    """Gives an endpoint a new secret, which is in this answer alone. For a while messages are
    signed with both.
    """
    site, by = site_of(request), _by(request)

    def rotate() -> Acted[schema.EndpointMade]:
        made = endpoint_orders.rotate(
            site.here, endpoint, data.overlap_hours, reason=data.reason, actor=by
        )
        return Acted(_made(site, endpoint, made.secret))

    return await shell.acted(
        request, idempotency_key, rotate, lambda _: _made(site, endpoint, None)
    )


@post("/v1/webhooks/{endpoint:str}/pause", may=OWNS, responses=ACTS, status_code=200, tags=TAG)
async def pause_webhook(
    request: AnyRequest,
    endpoint: EndpointRef,
    data: JSONBody[schema.EndpointAct],
    idempotency_key: IdempotencyKey = None,
) -> Response[schema.EndpointActed]:
    """Stops sending to an endpoint until it is resumed; its events wait."""
    site, by = site_of(request), _by(request)

    def pause() -> schema.EndpointActed:
        if data.dry_run:
            done = endpoints.pause(site.here, endpoint, dry_run=True)
        else:
            done = endpoint_orders.pause(site.here, endpoint, reason=data.reason, actor=by)
        return schema.EndpointActed(endpoint=endpoint, unsent=done.unsent)

    return await _acted(request, idempotency_key, endpoint, pause)


@post("/v1/webhooks/{endpoint:str}/resume", may=OWNS, responses=ACTS, status_code=200, tags=TAG)
async def resume_webhook(
    request: AnyRequest,
    endpoint: EndpointRef,
    data: JSONBody[schema.EndpointAct],
    idempotency_key: IdempotencyKey = None,
) -> Response[schema.EndpointActed]:
    """Sends what waits for an endpoint now, and enables one that was paused or disabled."""
    site, by = site_of(request), _by(request)

    def resume() -> schema.EndpointActed:
        if data.dry_run:
            done = endpoints.replay(site.here, endpoint, dry_run=True)
        else:
            done = endpoint_orders.resume(site.here, endpoint, reason=data.reason, actor=by)
        return schema.EndpointActed(endpoint=endpoint, events=done.events)

    return await _acted(request, idempotency_key, endpoint, resume)


@post("/v1/webhooks/{endpoint:str}/replay", may=OWNS, responses=ACTS, status_code=200, tags=TAG)
async def replay_webhook(
    request: AnyRequest,
    endpoint: EndpointRef,
    data: JSONBody[schema.EndpointReplay],
    idempotency_key: IdempotencyKey = None,
) -> Response[schema.EndpointActed]:
    """Sends every event after a cursor again, also those that the endpoint took."""
    site, by = site_of(request), _by(request)

    def replay() -> schema.EndpointActed:
        if data.dry_run:
            done = endpoints.replay(site.here, endpoint, data.since, dry_run=True)
        else:
            done = endpoint_orders.replay(
                site.here, endpoint, data.since, reason=data.reason, actor=by
            )
        return schema.EndpointActed(endpoint=endpoint, events=done.events)

    return await _acted(request, idempotency_key, endpoint, replay)


@post("/v1/webhooks/{endpoint:str}/remove", may=OWNS, responses=ACTS, status_code=200, tags=TAG)
async def remove_webhook(
    request: AnyRequest,
    endpoint: EndpointRef,
    data: JSONBody[schema.EndpointAct],
    idempotency_key: IdempotencyKey = None,
) -> Response[schema.EndpointActed]:
    """Removes an endpoint and destroys its secrets, for good. What it was told stays on record."""
    site, by = site_of(request), _by(request)

    def remove() -> schema.EndpointActed:
        if data.dry_run:
            done = endpoints.remove(site.here, endpoint, dry_run=True)
        else:
            done = endpoint_orders.remove(site.here, endpoint, reason=data.reason, actor=by)
        return schema.EndpointActed(
            endpoint=endpoint, unsent=done.unsent, unanswered=done.unanswered
        )

    return await _acted(request, idempotency_key, endpoint, remove)


async def _acted(
    request: AnyRequest, key: str | None, endpoint: str, act: Callable[[], schema.EndpointActed]
) -> Response[schema.EndpointActed]:
    return await shell.acted(
        request, key, lambda: Acted(act()), lambda _made: schema.EndpointActed(endpoint=endpoint)
    )


def _made(site: Site, endpoint: str, secret: str | None) -> schema.EndpointMade:
    seen: EndpointBacklog = endpoints.backlog_of(site.here, endpoint)
    return schema.EndpointMade(endpoint=seen, secret=secret)


def _by(request: AnyRequest) -> str:
    caller = request.auth
    assert isinstance(caller, Staff)
    return caller.recorded_as


def _order(one: StaffOrder) -> schema.OrderAnswer:
    return schema.OrderAnswer(
        order=shown(Prefix.order, one.order_id),
        kind=one.kind,
        about=one.about,
        reason=one.reason,
        at=one.ordered_at,
        by=one.ordered_by,
        ended_at=one.ended_at,
        outcome=one.outcome,
        said=one.said,
    )


ROUTES = [
    list_orders,
    get_order,
    give_order,
    list_webhooks,
    get_webhook,
    add_webhook,
    rotate_webhook,
    pause_webhook,
    resume_webhook,
    replay_webhook,
    remove_webhook,
]
