"""The models on record: what each learnt from, how much of that was withdrawn since, and those that are used no more."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, URLEncodedBody

from licet.access.inbox_register import WORDS_CHARACTERS_MAX
from licet.access.roles import StaffRole, may
from licet.service import inbox_verbs, release_view
from licet.service.inbox_sources import ItemKind
from licet.store.connect import transaction
from licet.train import lineage, model_registry
from licet.vault.ids import Prefix, parse
from licet.web.api.office import member_of
from licet.web.console import shared as shell
from licet.web.console.shared import STAFF
from licet.web.pages.shared import NO_FAULTS, AnyRequest, seen_other

RETIRES = may(staff=(StaffRole.owner, StaffRole.curator))
_SAID = {"retired": "It is retired, and on record as that."}


class RetireForm(msgspec.Struct, frozen=True, kw_only=True):
    """``confirmed`` is set by the page that says what it means, and asks ``why``."""

    confirmed: str = ""
    why: str = ""


@get("/console/models", may=STAFF, sync_to_thread=True, include_in_schema=False)
def models(request: AnyRequest) -> Response[Any]:
    """Every model on record."""
    visit = shell.opened(request)
    values = {
        "models": release_view.models(visit.here), "retires": visit.allows(RETIRES),
        "saved": _SAID.get(request.query_params.get("said", ""), ""),
    }  # fmt: skip
    return shell.page("console_models.html", visit, title="Models", section="/console/models", values=values)


@post("/console/models/{model:str}/retire", may=RETIRES, sync_to_thread=True, include_in_schema=False)
def retire(request: AnyRequest, model: FromPath[str], data: URLEncodedBody[RetireForm]) -> Response[Any]:
    """States that a model is used no more, after the confirmation."""
    visit = shell.opened(request)
    with transaction(visit.here.pool) as tx:
        known = model_registry.get(tx, parse(Prefix.model, model))
    faults = shell.why_faults(data.why) if data.confirmed == "yes" else NO_FAULTS
    if data.confirmed == "yes" and not faults:
        item = f"{ItemKind.model.value}:{model}"
        inbox_verbs.on_record(
            visit.here, member_of(visit.staff), item, "retire", data.why, lambda: lineage.retire(visit.here, model).name
        )  # fmt: skip
        return seen_other("/console/models?said=retired")
    values = {
        "about": f"{known.name} stays on record, and nobody is told of rows that are withdrawn from it any more."
        " Retire it when its weights are deleted.",
        "action": f"/console/models/{model}/retire", "fields": {}, "label": "Retire it", "back": "/console/models",
        "why": data.why, "why_max": WORDS_CHARACTERS_MAX,
    }  # fmt: skip
    return shell.page(
        "console_confirm.html", visit, title=f"Retire {known.name}", section="/console/models", values=values,
        errors=faults, status=422 if faults else 200,
    )  # fmt: skip


ROUTES = (models, retire)
