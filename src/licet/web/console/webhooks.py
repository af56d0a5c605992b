"""Endpoints of events in the console: what waits for each, what came back last, and the pause that an owner orders.

    /console/webhooks                          the endpoints
    /console/webhooks/{endpoint}               one, with its backlog
    ../pause  resume  replay  remove           orders: each asks first and needs a reason

An endpoint is added, and its secret replaced, over the API or on the machine: a secret is shown once, to whoever configures
the receiver.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath, URLEncodedBody

from licet.access import staff_orders
from licet.errors import UsageError
from licet.service import endpoint_orders as work
from licet.service.endpoint_orders import KINDS
from licet.store.connect import transaction
from licet.web.console import orders
from licet.web.console import shared as shell
from licet.web.console.orders import ORDERS_SHOWN_MAX, OrderAsked, OrderForm
from licet.web.console.shared import OWNS, STAFF, Visit
from licet.web.pages.shared import AnyRequest
from licet.webhooks import endpoints
from licet.webhooks.endpoints import BACKLOG_MAX

SECTION = "/console/webhooks"
_SAID = {
    "paused": "It is paused: nothing is sent to it until it is resumed.",
    "resumed": "It is resumed: what waits is sent now.",
    "replayed": "Ordered: those events are sent again.",
    "removed": "It is removed: nothing more is sent to it.",
}


@get("/console/webhooks", may=STAFF, sync_to_thread=True, include_in_schema=False)
def webhooks(request: AnyRequest) -> Response[Any]:
    """The endpoints, and what was ordered."""
    visit = shell.opened(request)
    with transaction(visit.here.pool) as tx:
        names, given = endpoints.names(tx), staff_orders.newest(tx, KINDS, ORDERS_SHOWN_MAX)
    values = {
        "hosts": [endpoints.backlog_of(visit.here, name) for name in names], "orders": given, "most": BACKLOG_MAX,
        "saved": _SAID.get(request.query_params.get("said", ""), ""),
    }  # fmt: skip
    return shell.page("console_webhooks.html", visit, title="Webhooks", section=SECTION, values=values)


@get("/console/webhooks/{endpoint:str}", may=STAFF, sync_to_thread=True, include_in_schema=False)
def one(request: AnyRequest, endpoint: FromPath[str]) -> Response[Any]:
    """An endpoint with its backlog; NotFoundError for one that there is not."""
    visit = shell.opened(request)
    seen = endpoints.backlog_of(visit.here, endpoint)
    with transaction(visit.here.pool) as tx:
        given = staff_orders.newest(tx, KINDS, ORDERS_SHOWN_MAX, endpoint)
    values = {
        "seen": seen, "orders": given, "owns": visit.allows(OWNS), "most": BACKLOG_MAX,
        "saved": _SAID.get(request.query_params.get("said", ""), ""),
    }  # fmt: skip
    return shell.page("console_webhook.html", visit, title=f"Endpoint {endpoint}", section=SECTION, values=values)


@post("/console/webhooks/{endpoint:str}/pause", may=OWNS, sync_to_thread=True, include_in_schema=False)
def pause(request: AnyRequest, endpoint: FromPath[str], data: URLEncodedBody[OrderForm]) -> Response[Any]:
    """Stops sending to an endpoint, after the confirmation."""
    visit = shell.opened(request)
    would = endpoints.pause(visit.here, endpoint, dry_run=True)
    asked = _asked(
        endpoint, "pause", "Pause",
        "Nothing is sent to it until it is resumed. What it is to delete is not deleted there meanwhile.",
        f"{would.unsent:,} events wait, and those that follow.",
    )  # fmt: skip

    return _taken(
        visit, data, asked, lambda why: work.pause(visit.here, endpoint, reason=why, by=orders.by(visit)), "paused"
    )


@post("/console/webhooks/{endpoint:str}/resume", may=OWNS, sync_to_thread=True, include_in_schema=False)
def resume(request: AnyRequest, endpoint: FromPath[str], data: URLEncodedBody[OrderForm]) -> Response[Any]:
    """Sends what waits, and enables an endpoint that was disabled, after the confirmation."""
    visit = shell.opened(request)
    would = endpoints.replay(visit.here, endpoint, dry_run=True)
    asked = _asked(
        endpoint, "resume", "Resume", "It is enabled, and what waits is sent now, in order for each account.",
        f"{would.events:,} events are sent.",
    )  # fmt: skip

    return _taken(
        visit, data, asked, lambda why: work.resume(visit.here, endpoint, reason=why, by=orders.by(visit)), "resumed"
    )


@post("/console/webhooks/{endpoint:str}/replay", may=OWNS, sync_to_thread=True, include_in_schema=False)
def replay(request: AnyRequest, endpoint: FromPath[str], data: URLEncodedBody[OrderForm]) -> Response[Any]:
    """Sends every event after a cursor again, after the confirmation; UsageError for what is no cursor."""
    visit, since = shell.opened(request), data.about.strip()
    if not since.isdecimal():
        raise UsageError("a cursor is a number", "an event has the cursor to go on from")
    would = endpoints.replay(visit.here, endpoint, since, dry_run=True)
    asked = _asked(
        endpoint, "replay", "Send them again", f"Every event after the cursor {since} is sent again, also those it took.",
        f"{would.events:,} events are sent.", fields={"about": since},
    )  # fmt: skip

    return _taken(
        visit,
        data,
        asked,
        lambda why: work.replay(visit.here, endpoint, since, reason=why, by=orders.by(visit)),
        "replayed",
    )


@post("/console/webhooks/{endpoint:str}/remove", may=OWNS, sync_to_thread=True, include_in_schema=False)
def remove(request: AnyRequest, endpoint: FromPath[str], data: URLEncodedBody[OrderForm]) -> Response[Any]:
    """Removes an endpoint and its secrets, after the confirmation."""
    visit = shell.opened(request)
    would = endpoints.remove(visit.here, endpoint, dry_run=True)
    asked = _asked(
        endpoint, "remove", "Remove it", "It is sent nothing more, and its secrets are destroyed. It cannot be taken back.",
        f"{would.unsent:,} events are not sent; {would.unanswered:,} answers will not come.", destroys=True,
    )  # fmt: skip

    return _taken(
        visit,
        data,
        asked,
        lambda why: work.remove(visit.here, endpoint, reason=why, by=orders.by(visit)),
        "removed",
        SECTION,
    )


def _asked(
    endpoint: str, act: str, label: str, means: str, would: str, *, destroys: bool = False,
    fields: dict[str, str] | None = None,
) -> OrderAsked:  # fmt: skip
    page = f"{SECTION}/{endpoint}"
    return OrderAsked(
        title=f"{label}: {endpoint}", label=label, means=means, would=(would,), action=f"{page}/{act}", section=SECTION,
        back=page, destroys=destroys, fields=fields or {},
    )  # fmt: skip


def _taken(
    visit: Visit, data: OrderForm, asked: OrderAsked, act: Callable[[str], object], said: str, then: str = ""
) -> Response[Any]:
    return orders.take(visit, data, asked, act, f"{then or asked.back}?said={said}")


ROUTES = (webhooks, one, pause, resume, replay, remove)
