"""Registered models for staff: training data, later withdrawals, and canary audits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from licet.errors import BrokenError
from licet.release import registry
from licet.store.connect import transaction
from licet.train import canary_register, consumption, lineage, model_registry
from licet.train.canary_register import AuditResult, RecordedAudit
from licet.train.consumption import GateState, Steps
from licet.train.lineage import Affected
from licet.train.model_registry import RecordedModel
from licet.vault.ids import Prefix, parse
from licet.vault.installation import Installation


class ModelView(msgspec.Struct, frozen=True, kw_only=True):
    """``affected`` is None if none of its rows was withdrawn or erased since; ``audited_at`` and
    ``audit`` without a canary audit.
    """

    model: RecordedModel
    affected: Affected | None
    release_id: UUID
    audited_at: datetime | None
    audit: AuditResult | None


class ConsumedShare(msgspec.Struct, frozen=True, kw_only=True):
    """``withdrawn_meanwhile`` rows were withdrawn during the run, under ``gates`` signed gate
    states.
    """

    consumed: int
    release_rows: int
    first_step: int
    last_step: int
    gates: int
    withdrawn_meanwhile: int


class ModelDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A model with its run and its canary audits, newest first."""

    seen: ModelView
    run: ConsumedShare
    audits: tuple[RecordedAudit, ...]


def list_models(installation: Installation) -> list[ModelView]:
    """Returns all registered models, newest first, with later withdrawals."""
    since = {
        affected.model: affected for affected in lineage.models_affected(installation, retired=True)
    }
    with transaction(installation.pool) as tx:
        known, audited = model_registry.list_all(tx), canary_register.newest_by_model(tx)
        ids = {release.name: release.release_id for release in registry.list_all(tx)}
    result = []
    for model in known:
        at, verdict = audited.get(parse(Prefix.model, model.model), (None, None))
        result.append(
            ModelView(
                model=model,
                affected=since.get(model.model),
                release_id=ids[model.release],
                audited_at=at,
                audit=verdict,
            )
        )
    return result


def show(installation: Installation, name: str) -> ModelDetail:
    """Returns a model by its id, `model_..`; NotFoundError."""
    named = parse(Prefix.model, name)
    with transaction(installation.pool) as tx:
        known, raw = model_registry.get(tx, named), model_registry.get_consumed(tx, named)
        audits = canary_register.list_by_model(tx, named)
        release = registry.find(tx, known.release)
        assert release is not None
    newest = audits[0] if audits else None
    seen = ModelView(
        model=known,
        affected=lineage.affected_by_model(installation, named),
        release_id=release.release_id,
        audited_at=newest.audited_at if newest else None,
        audit=newest.verdict if newest else None,
    )
    return ModelDetail(seen=seen, run=_run(known, raw, release.rows or 0), audits=tuple(audits))


def _run(model: RecordedModel, raw: bytes, release_rows: int) -> ConsumedShare:
    found, whole = consumption.parse(raw)
    if whole != len(raw):
        raise BrokenError("the record of a model is incomplete")
    steps = [frame for frame in found.frames if isinstance(frame, Steps)]
    gates: Sequence[GateState] = [frame for frame in found.frames if isinstance(frame, GateState)]
    return ConsumedShare(
        consumed=model.rows,
        release_rows=release_rows,
        first_step=min((step.first for step in steps), default=0),
        last_step=max((step.last for step in steps), default=0),
        gates=len(gates),
        withdrawn_meanwhile=sum(len(gate.added) for gate in gates[1:]),
    )
