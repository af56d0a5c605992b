"""Events for the host's servers: read from a cursor, with long polling, and acknowledged.

`GET /v1/events` is the same list that webhooks are sent from (`licet webhooks`), for a host that
prefers to poll. With ``wait``, a response without events is held back until one comes or the time
is over. At most `WAITS_MAX` callers of a process wait at once; any further one is answered at once.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

from litestar import get, post
from litestar.params import JSONBody, QueryParameter

from licet.access.roles import Scope, Service, may
from licet.web.api import schema
from licet.web.api import shared as shell
from licet.web.api.references import site_of
from licet.web.api.shared import AnyRequest, id_parameter
from licet.webhooks import feed
from licet.webhooks.acknowledgements import HostDelivery
from licet.webhooks.feed import EventPage

TAG = ["events"]
WAIT_SECONDS_MAX = 15  # below the grace period of a server that shuts down
WAITS_MAX = 64
LOOK_SECONDS = 0.5
EVENTS = 100

EventRef = Annotated[str, id_parameter("`evt_..`, as an event names itself.")]
Since = Annotated[
    str,
    QueryParameter(
        name="since",
        required=False,
        max_length=18,
        description="`next` of the answer before, or an event's `cursor`.",
    ),
]
HowMany = Annotated[
    int,
    QueryParameter(
        name="limit", ge=1, le=feed.EVENTS_MAX, required=False, description="Events at most."
    ),
]
Wait = Annotated[
    int,
    QueryParameter(
        name="wait",
        ge=0,
        le=WAIT_SECONDS_MAX,
        required=False,
        description="Seconds to wait for an event.",
    ),
]


@get("/v1/events", may=may(scope=Scope.events_read), responses=shell.refusals(409), tags=TAG)
async def list_events(
    request: AnyRequest, since: Since = "0", limit: HowMany = EVENTS, wait: Wait = 0
) -> EventPage:
    """The events after a cursor, oldest first. Every committed event before `next` is in the
    list.
    """
    site, state = site_of(request), request.app.state
    page = await site.calling(lambda: feed.events_after(site.installation, since, limit))
    if page.items or not wait or state.get("waiting", 0) >= WAITS_MAX:
        return page
    state.waiting = state.get("waiting", 0) + 1
    try:
        for _ in range(round(wait / LOOK_SECONDS)):
            await asyncio.sleep(LOOK_SECONDS)
            page = await site.calling(lambda: feed.events_after(site.installation, since, limit))
            if page.items:
                break
    finally:
        state.waiting -= 1
    return page


@post(
    "/v1/events/{event:str}/acknowledge",
    may=may(scope=Scope.events_acknowledge),
    responses=shell.refusals(404, 409, 413),
    status_code=200,
    tags=TAG,
)
async def acknowledge(
    request: AnyRequest, event: EventRef, data: JSONBody[schema.Acknowledged]
) -> HostDelivery:
    """Records that the host removed the content named by a `conversation.must_leave`, as the
    certificate of erasure will state. A key can do so only for the endpoint to which it is bound.
    """
    caller, site = request.auth, site_of(request)
    assert isinstance(caller, Service)
    bound = caller.bound.endpoint
    assert bound is not None, "a key with this scope is bound to an endpoint"
    return await site.calling(
        lambda: feed.acknowledge(site.installation, event, data.endpoint, bound)
    )


ROUTES = [list_events, acknowledge]
