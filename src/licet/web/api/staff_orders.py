"""What owners order about the system itself, over the API: work in the background, and endpoints of
events.

    /v1/orders                 a rotation of the keys, epochs to destroy, a drill of a backup, asking the witnesses
    /v1/webhooks               the endpoints; ``../secret``, ``pause``, ``resume``, ``replay``, ``remove``

The acts are those of the console's pages, with the same roles; each needs a reason, which stays on
record.
"""

from __future__ import annotations

from typing import Annotated

from litestar import get
from litestar.params import PathParameter

from licet.access.roles import TEAM, may
from licet.service import endpoint_verbs, orders
from licet.service.order_verbs import OrderAnswer
from licet.service.staff_verb import VerbAnswer
from licet.vault.ids import Prefix, parse
from licet.web.api import shared as shell
from licet.web.api.references import site_of
from licet.web.api.shared import AnyRequest
from licet.web.api.verb_routes import EndpointRef
from licet.webhooks import endpoints
from licet.webhooks.endpoints import EndpointBacklog

EVERY = may(staff=TEAM)
TAG = ["staff"]
ORDERS_MAX, OF_ENDPOINT_MAX = 100, 20

OrderRef = Annotated[
    str, PathParameter(description="The order, `ord_..`.", min_length=1, max_length=64)
]


class OrderAnswers(VerbAnswer, frozen=True, kw_only=True):
    items: tuple[OrderAnswer, ...]


class EndpointAnswers(VerbAnswer, frozen=True, kw_only=True):
    items: tuple[EndpointBacklog, ...]


class EndpointWhole(VerbAnswer, frozen=True, kw_only=True):
    """An endpoint with its orders, newest first."""

    endpoint: EndpointBacklog
    orders: tuple[OrderAnswer, ...]


@get("/v1/orders", may=EVERY, responses=shell.refusals(), tags=TAG)
async def list_orders(request: AnyRequest) -> OrderAnswers:
    """The newest hundred orders of staff, with their reasons and outcomes."""
    site = site_of(request)
    found = await site.calling(lambda: orders.newest(site.installation, limit=ORDERS_MAX))
    return OrderAnswers(items=tuple(map(OrderAnswer.from_order, found)))


@get("/v1/orders/{order:str}", may=EVERY, responses=shell.refusals(404), tags=TAG)
async def get_order(request: AnyRequest, order: OrderRef) -> OrderAnswer:
    """One order and its outcome."""
    site, named = site_of(request), parse(Prefix.order, order)
    return OrderAnswer.from_order(await site.calling(lambda: orders.get(site.installation, named)))


# Endpoints of events


@get("/v1/webhooks", may=EVERY, responses=shell.refusals(), tags=TAG)
async def list_webhooks(request: AnyRequest) -> EndpointAnswers:
    """The endpoints by name, with their backlogs."""
    site = site_of(request)

    def read() -> EndpointAnswers:
        return EndpointAnswers(items=tuple(endpoints.list_backlogs(site.installation)))

    return await site.calling(read)


@get("/v1/webhooks/{endpoint:str}", may=EVERY, responses=shell.refusals(404), tags=TAG)
async def get_webhook(request: AnyRequest, endpoint: EndpointRef) -> EndpointWhole:
    """One endpoint: its backlog, its last answer, and its orders."""
    site = site_of(request)

    def read() -> EndpointWhole:
        seen = endpoints.backlog_of(site.installation, endpoint)
        given = orders.newest(site.installation, endpoint_verbs.KINDS, OF_ENDPOINT_MAX, endpoint)
        return EndpointWhole(endpoint=seen, orders=tuple(map(OrderAnswer.from_order, given)))

    return await site.calling(read)


ROUTES = [list_orders, get_order, list_webhooks, get_webhook]
