"""Endpoints of events in the console: what waits for each, what came back last, and what an owner
does with one (`service.endpoint_verbs`).

    /console/webhooks                          the endpoints, and the form that adds one
    /console/webhooks/{endpoint}               one, with its backlog
    ../secret  pause  resume  replay  remove   each asks first and needs a reason

A new secret is in the answer itself, once, and never in an address. Whoever sends the confirmed
form again is refused: the name exists, or the endpoint was changed since the page that asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litestar import Response
from litestar.params import FromPath

from licet.errors import LicetError, UsageError
from licet.service.endpoint_verbs import ADD, KINDS, ROTATE
from licet.vault.host_events import EventKind
from licet.web.console import shared as shell
from licet.web.console import verb_forms as forms
from licet.web.console.shared import OWNS, STAFF, RouteVisit, Visit
from licet.web.console.tables import Fields
from licet.web.pages.shared import NO_FAULTS, Faults, get_page, post_page, seen_other
from licet.webhooks import endpoints
from licet.webhooks.endpoints import (
    BACKLOG_MAX,
    OVERLAP_HOURS,
    OVERLAP_HOURS_MAX,
    AddedEndpoint,
    RotatedSecret,
)

SECTION = "/console/webhooks"


@get_page("/console/webhooks", may=STAFF)
def webhooks(visit: RouteVisit) -> Response[Any]:
    """The endpoints and their orders."""
    return _listed(visit)


def _listed(
    visit: Visit,
    *,
    made: AddedEndpoint | None = None,
    faults: Faults = NO_FAULTS,
    kept: Mapping[str, str] | None = None,
) -> Response[Any]:
    """The endpoints and the form; ``made`` is a just added one, with its secret."""
    return shell.page(
        "console_webhooks.html",
        visit,
        errors=faults,
        hosts=endpoints.list_backlogs(visit.installation),
        orders=visit.orders(*KINDS),
        most=BACKLOG_MAX,
        made=made,
        all_kinds=tuple(EventKind),
        kept=kept or {"name": "", "url": "", "kinds": " ".join(EventKind)},
    )


@post_page("/console/webhooks", may=OWNS)
def add(visit: RouteVisit, data: Fields) -> Response[Any]:
    """Adds an endpoint, after the confirmation, and shows its secret, once."""
    if not forms.many(data, "kinds"):
        return _not_added(visit, "", data, UsageError("pick at least one event"))
    return forms.take(visit, ADD, data, then=_added, refused=_not_added)


def _added(visit: Visit, _: object, made: AddedEndpoint) -> Response[Any]:
    return _listed(visit, made=made) if made.url else seen_other(f"{SECTION}?flash={ADD.name}")


def _not_added(visit: Visit, _: str, data: Mapping[str, Any], error: LicetError) -> Response[Any]:
    kept = {name: " ".join(forms.many(data, name)) for name in ("name", "url", "kinds")}
    return _listed(visit, faults=shell.fault("endpoint-name", error), kept=kept)


@get_page("/console/webhooks/{endpoint:str}", may=STAFF)
def show_endpoint(visit: RouteVisit, endpoint: FromPath[str]) -> Response[Any]:
    """An endpoint with its backlog; NotFoundError for an unknown one."""
    return _shown(visit, endpoint)


def _shown(visit: Visit, endpoint: str, *, made: RotatedSecret | None = None) -> Response[Any]:
    """An endpoint; ``made`` is its just created secret."""
    seen = endpoints.backlog_of(visit.installation, endpoint)
    return shell.page(
        "console_webhook.html",
        visit,
        title=f"Endpoint {endpoint}",
        seen=seen,
        orders=visit.orders(*KINDS, target=endpoint),
        most=BACKLOG_MAX,
        made=made,
        overlap=OVERLAP_HOURS,
        overlap_max=OVERLAP_HOURS_MAX,
    )


ROUTES = (
    webhooks,
    add,
    show_endpoint,
    forms.form_of(ROTATE, lambda visit, call, made: _shown(visit, call.target, made=made)),
)
