"""The models on record: what each learnt from, how much of that was withdrawn since, and those that
are used no more.

/console/models                   every model
/console/models/{model}           one: its release and run, what was withdrawn since, its canary
audits /console/models/{model}/retire    states that it is used no more
"""

from __future__ import annotations

from typing import Any

from litestar import Response, get
from litestar.params import FromPath

from licet.service import model_view
from licet.service.release_verbs import RETIRE
from licet.web.console import shared as shell
from licet.web.console import verb_forms as forms
from licet.web.console.shared import STAFF
from licet.web.pages.shared import AnyRequest

SECTION = "/console/models"


@get("/console/models", may=STAFF, sync_to_thread=True, include_in_schema=False)
def models(request: AnyRequest) -> Response[Any]:
    """Every model on record."""
    visit = shell.opened(request)
    values = {
        "models": model_view.models(visit.here),
        "retires": visit.allows(RETIRE.may),
        "saved": forms.said_of(request),
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
        "retires": visit.allows(RETIRE.may),
        "saved": forms.said_of(request),
    }
    return shell.page(
        "console_model.html",
        visit,
        title=f"Model {found.seen.model.name}",
        section=SECTION,
        values=values,
    )


ROUTES = (models, one)
