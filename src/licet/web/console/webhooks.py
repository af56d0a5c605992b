"""Endpoints of events in the console: what waits for each, what came back last, and the pause that
an owner orders.

    /console/webhooks                          the endpoints, and the form that adds one
    /console/webhooks/{endpoint}               one, with its backlog
    ../secret  pause  resume  replay  remove   orders: each asks first and needs a reason

A new secret is in the answer itself, once, and never in an address. Whoever sends the confirmed
form again is refused: the name exists, or the endpoint was changed since the page that asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath, URLEncodedBody

from licet.access import staff_orders
from licet.errors import LicetError, RefusedError, UsageError
from licet.service import endpoint_orders as work
from licet.service.endpoint_orders import KINDS
from licet.store.connect import transaction
from licet.vault.host_events import EventKind
from licet.web.console import orders
from licet.web.console import shared as shell
from licet.web.console.key_page import fault, many, number
from licet.web.console.orders import ORDERS_SHOWN_MAX, OrderAsked, OrderForm
from licet.web.console.shared import OWNS, STAFF, Visit
from licet.web.console.tables import Fields
from licet.web.pages.shared import NO_FAULTS, AnyRequest, Faults
from licet.webhooks import endpoints
from licet.webhooks.endpoints import (
    BACKLOG_MAX,
    OVERLAP_HOURS,
    OVERLAP_HOURS_MAX,
    AddedEndpoint,
    RotatedSecret,
)

SECTION = "/console/webhooks"
_SAID = {
    "added": "It is added, and reads events by itself from now on.",
    "paused": "It is paused: nothing is sent to it until it is resumed.",
    "resumed": "It is resumed: what waits is sent now.",
    "replayed": "Ordered: those events are sent again.",
    "removed": "It is removed: nothing more is sent to it.",
}


@get("/console/webhooks", may=STAFF, sync_to_thread=True, include_in_schema=False)
def webhooks(request: AnyRequest) -> Response[Any]:
    """The endpoints, and what was ordered."""
    return _listed(shell.opened(request), said=_SAID.get(request.query_params.get("said", ""), ""))


def _listed(
    visit: Visit,
    *,
    said: str = "",
    made: AddedEndpoint | None = None,
    faults: Faults = NO_FAULTS,
    kept: Mapping[str, str] | None = None,
) -> Response[Any]:
    """The endpoints and the form; ``made`` is the one that was just added, with its secret."""
    with transaction(visit.here.pool) as tx:
        given = staff_orders.list_newest(tx, KINDS, ORDERS_SHOWN_MAX)
    values = {
        "hosts": endpoints.backlogs(visit.here),
        "orders": given,
        "most": BACKLOG_MAX,
        "saved": said,
        "made": made,
        "owns": visit.allows(OWNS),
        "all_kinds": tuple(EventKind),
        "kept": {"name": "", "url": "", "kinds": " ".join(EventKind), **(kept or {})},
    }
    return shell.page(
        "console_webhooks.html",
        visit,
        title="Webhooks",
        section=SECTION,
        errors=faults,
        values=values,
        status=422 if faults else 200,
    )


@post("/console/webhooks", may=OWNS, sync_to_thread=True, include_in_schema=False)
def add(request: AnyRequest, data: Fields) -> Response[Any]:
    """Adds an endpoint, after the confirmation, and shows its secret, once."""
    visit, made = shell.opened(request), list[AddedEndpoint]()
    name, url, form = (
        str(data.get("name", "")).strip(),
        str(data.get("url", "")).strip(),
        _form(data),
    )
    kinds = many(data, "kind") or str(data.get("kinds", "")).split()
    try:
        if not kinds or not set(kinds) <= set(EventKind):
            raise UsageError("pick what it is told")
        endpoints.check_new(visit.here, name, url or None)
    except LicetError as error:
        return _listed(
            visit,
            faults=fault("endpoint-name", error),
            kept={"name": name, "url": url, "kinds": " ".join(kinds)},
        )
    heard = [EventKind(kind) for kind in kinds]
    secret = (
        "Its secret is on the page after this one, and never again."
        if url
        else "It has no secret: it reads with a key of its own."
    )
    asked = OrderAsked(
        title=f"Add an endpoint: {name}",
        label="Add it",
        action=SECTION,
        section=SECTION,
        back=SECTION,
        means=f"It is told what happens from now on, and nothing of before. {secret}",
        would=(
            f"It is sent to {url}." if url else "Nothing is sent to it: it reads by itself.",
            _hears(heard),
        ),
        fields={"name": name, "url": url, "kinds": " ".join(kinds)},
    )

    def do(why: str) -> None:
        made.append(
            work.add(visit.here, name, url or None, heard, reason=why, actor=orders.by(visit))
        )

    return orders.take(
        visit,
        form,
        asked,
        do,
        (lambda: _listed(visit, made=made[0])) if url else f"{SECTION}?said=added",
    )


def _form(data: Mapping[str, Any]) -> OrderForm:
    return OrderForm(reason=str(data.get("reason", "")), confirmed=str(data.get("confirmed", "")))


def _hears(kinds: list[EventKind]) -> str:
    return f"It is told of: {', '.join(kind.value for kind in kinds)}."


@get("/console/webhooks/{endpoint:str}", may=STAFF, sync_to_thread=True, include_in_schema=False)
def one(request: AnyRequest, endpoint: FromPath[str]) -> Response[Any]:
    """An endpoint with its backlog; NotFoundError for one that there is not."""
    return _shown(
        shell.opened(request), endpoint, said=_SAID.get(request.query_params.get("said", ""), "")
    )


def _shown(
    visit: Visit, endpoint: str, *, said: str = "", made: RotatedSecret | None = None
) -> Response[Any]:
    """An endpoint; ``made`` is the secret that it was just given."""
    seen = endpoints.backlog_of(visit.here, endpoint)
    with transaction(visit.here.pool) as tx:
        given = staff_orders.list_newest(tx, KINDS, ORDERS_SHOWN_MAX, endpoint)
    values = {
        "seen": seen,
        "orders": given,
        "owns": visit.allows(OWNS),
        "most": BACKLOG_MAX,
        "saved": said,
        "made": made,
        "overlap": OVERLAP_HOURS,
        "overlap_max": OVERLAP_HOURS_MAX,
    }
    return shell.page(
        "console_webhook.html", visit, title=f"Endpoint {endpoint}", section=SECTION, values=values
    )


@post(
    "/console/webhooks/{endpoint:str}/secret",
    may=OWNS,
    sync_to_thread=True,
    include_in_schema=False,
)
def rotate(request: AnyRequest, endpoint: FromPath[str], data: Fields) -> Response[Any]:
    """Gives an endpoint a new secret, after the confirmation, and shows it, once; RefusedError
    where the endpoint was changed since it was asked.
    """
    visit, made, form = shell.opened(request), list[RotatedSecret](), _form(data)
    seen, hours = (
        endpoints.backlog_of(visit.here, endpoint),
        number(str(data.get("hours", "")).strip(), "number of hours"),
    )
    if seen.url is None:
        raise RefusedError(
            f"endpoint `{endpoint}` reads events by itself: it has no secret", because="no_url"
        )
    if hours > OVERLAP_HOURS_MAX:
        raise UsageError(f"an overlap of `{hours}` hours: from 0 to {OVERLAP_HOURS_MAX}")
    with transaction(visit.here.pool) as tx:
        last = ",".join(
            one.order_id.hex for one in staff_orders.list_newest(tx, KINDS, 1, endpoint)
        )
    if form.confirmed == "yes" and data.get("last", "") != last:
        raise RefusedError(
            f"endpoint `{endpoint}` was changed meanwhile", "load its page again", because="changed"
        )
    old = f"for {hours:,} hours more" if hours else "no more, from now on"
    asked = _asked(
        endpoint,
        "secret",
        "Replace its secret",
        "The new secret is on the page after this one, and never again.",
        f"Messages are signed with the new secret. The old one signs too {old}; any that is "
        "older ends now.",
        destroys=True,
        fields={"hours": str(hours), "last": last},
    )

    def do(why: str) -> None:
        made.append(work.rotate(visit.here, endpoint, hours, reason=why, actor=orders.by(visit)))

    return orders.take(visit, form, asked, do, lambda: _shown(visit, endpoint, made=made[0]))


@post(
    "/console/webhooks/{endpoint:str}/pause", may=OWNS, sync_to_thread=True, include_in_schema=False
)
def pause(
    request: AnyRequest, endpoint: FromPath[str], data: URLEncodedBody[OrderForm]
) -> Response[Any]:
    """Stops sending to an endpoint, after the confirmation."""
    visit = shell.opened(request)
    would = endpoints.pause(visit.here, endpoint, dry_run=True)
    asked = _asked(
        endpoint,
        "pause",
        "Pause",
        "Nothing is sent to it until it is resumed. What it is to delete is not deleted "
        "there meanwhile.",
        f"{would.unsent:,} events wait, and those that follow.",
    )

    return _taken(
        visit,
        data,
        asked,
        lambda why: work.pause(visit.here, endpoint, reason=why, actor=orders.by(visit)),
        "paused",
    )


@post(
    "/console/webhooks/{endpoint:str}/resume",
    may=OWNS,
    sync_to_thread=True,
    include_in_schema=False,
)
def resume(
    request: AnyRequest, endpoint: FromPath[str], data: URLEncodedBody[OrderForm]
) -> Response[Any]:
    """Sends what waits, and enables an endpoint that was disabled, after the confirmation."""
    visit = shell.opened(request)
    would = endpoints.replay(visit.here, endpoint, dry_run=True)
    asked = _asked(
        endpoint,
        "resume",
        "Resume",
        "It is enabled, and what waits is sent now, in order for each account.",
        f"{would.events:,} events are sent.",
    )

    return _taken(
        visit,
        data,
        asked,
        lambda why: work.resume(visit.here, endpoint, reason=why, actor=orders.by(visit)),
        "resumed",
    )


@post(
    "/console/webhooks/{endpoint:str}/replay",
    may=OWNS,
    sync_to_thread=True,
    include_in_schema=False,
)
def replay(
    request: AnyRequest, endpoint: FromPath[str], data: URLEncodedBody[OrderForm]
) -> Response[Any]:
    """Sends every event after a cursor again, after the confirmation; UsageError for what is no
    cursor.
    """
    visit, since = shell.opened(request), data.about.strip()
    if not since.isdecimal():
        raise UsageError("a cursor is a number", "an event has the cursor to go on from")
    would = endpoints.replay(visit.here, endpoint, since, dry_run=True)
    asked = _asked(
        endpoint,
        "replay",
        "Send them again",
        f"Every event after the cursor {since} is sent again, also those it took.",
        f"{would.events:,} events are sent.",
        fields={"about": since},
    )

    return _taken(
        visit,
        data,
        asked,
        lambda why: work.replay(visit.here, endpoint, since, reason=why, actor=orders.by(visit)),
        "replayed",
    )


@post(
    "/console/webhooks/{endpoint:str}/remove",
    may=OWNS,
    sync_to_thread=True,
    include_in_schema=False,
)
def remove(
    request: AnyRequest, endpoint: FromPath[str], data: URLEncodedBody[OrderForm]
) -> Response[Any]:
    """Removes an endpoint and its secrets, after the confirmation."""
    visit = shell.opened(request)
    would = endpoints.remove(visit.here, endpoint, dry_run=True)
    asked = _asked(
        endpoint,
        "remove",
        "Remove it",
        "It is sent nothing more, and its secrets are destroyed. It cannot be taken back.",
        f"{would.unsent:,} events are not sent; {would.unanswered:,} answers will not come.",
        destroys=True,
    )

    return _taken(
        visit,
        data,
        asked,
        lambda why: work.remove(visit.here, endpoint, reason=why, actor=orders.by(visit)),
        "removed",
        SECTION,
    )


def _asked(
    endpoint: str,
    act: str,
    label: str,
    means: str,
    would: str,
    *,
    destroys: bool = False,
    fields: dict[str, str] | None = None,
) -> OrderAsked:
    page = f"{SECTION}/{endpoint}"
    return OrderAsked(
        title=f"{label}: {endpoint}",
        label=label,
        means=means,
        would=(would,),
        action=f"{page}/{act}",
        section=SECTION,
        back=page,
        destroys=destroys,
        fields=fields or {},
    )


def _taken(
    visit: Visit,
    data: OrderForm,
    asked: OrderAsked,
    act: Callable[[str], object],
    said: str,
    then: str = "",
) -> Response[Any]:
    return orders.take(visit, data, asked, act, f"{then or asked.back}?said={said}")


ROUTES = (webhooks, add, one, rotate, pause, resume, replay, remove)
