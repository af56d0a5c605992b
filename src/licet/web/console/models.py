"""The models on record: what each learnt from, how much of that was withdrawn since, and those that
are used no more.

/console/models                   every model
/console/models/{model}           one: its release and run, what was withdrawn since, its canary
audits /console/models/{model}/retire    states that it is used no more
"""

from __future__ import annotations

from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath, URLEncodedBody

from licet.access.roles import StaffRole, may
from licet.service import model_view
from licet.store.connect import transaction
from licet.train import lineage, model_registry
from licet.vault.ids import Prefix, parse
from licet.web.console import shared as shell
from licet.web.console.shared import STAFF, ConfirmForm
from licet.web.pages.shared import NO_FAULTS, AnyRequest, seen_other

SECTION = "/console/models"
RETIRES = may(staff=(StaffRole.owner, StaffRole.curator))
_SAID = {"retired": "It is retired, and on record as that."}


@get("/console/models", may=STAFF, sync_to_thread=True, include_in_schema=False)
def models(request: AnyRequest) -> Response[Any]:
    """Every model on record."""
    visit = shell.opened(request)
    values = {
        "models": model_view.models(visit.here),
        "retires": visit.allows(RETIRES),
        "saved": _SAID.get(request.query_params.get("said", ""), ""),
    }
    return shell.page("console_models.html", visit, title="Models", section=SECTION, values=values)


@get("/console/models/{model:str}", may=STAFF, sync_to_thread=True, include_in_schema=False)
def one(request: AnyRequest, model: FromPath[str]) -> Response[Any]:
    """A model: what it learnt from, what of that was withdrawn since, and its canary audits;
    NotFoundError.
    """
    visit = shell.opened(request)
    found = model_view.show(visit.here, model)
    values = {
        "model": found.seen.model,
        "affected": found.seen.affected,
        "release_id": found.seen.release_id.hex,
        "run": found.run,
        "audits": found.audits,
        "retires": visit.allows(RETIRES),
        "saved": _SAID.get(request.query_params.get("said", ""), ""),
    }
    return shell.page(
        "console_model.html",
        visit,
        title=f"Model {found.seen.model.name}",
        section=SECTION,
        values=values,
    )


@post(
    "/console/models/{model:str}/retire", may=RETIRES, sync_to_thread=True, include_in_schema=False
)
def retire(
    request: AnyRequest, model: FromPath[str], data: URLEncodedBody[ConfirmForm]
) -> Response[Any]:
    """States that a model is used no more, after the confirmation, with a reason."""
    visit, faults = shell.opened(request), NO_FAULTS
    with transaction(visit.here.pool) as tx:
        known = model_registry.get(tx, parse(Prefix.model, model))
    if data.confirmed == "yes" and not (faults := shell.reason_faults(data.reason)):
        lineage.retire(visit.here, known.model, actor=visit.staff.recorded_as, reason=data.reason)
        return seen_other(f"{SECTION}/{known.model}?said=retired")
    return shell.confirm(
        visit,
        title=f"Retire {known.name}",
        section=SECTION,
        label="Retire it",
        asks_reason=True,
        errors=faults,
        back=f"{SECTION}/{known.model}",
        action=f"{SECTION}/{known.model}/retire",
        about=f"{known.name} stays on record, and nobody is told of rows that are withdrawn from "
        "it any more."
        " Retire it when its weights are deleted.",
    )


ROUTES = (models, one, retire)
