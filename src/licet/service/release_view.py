"""One release as staff see it: how candidates became rows, how many rows live, who has them, what learnt from them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from uuid import UUID

import msgspec

from licet.erasure import certificates
from licet.erasure.certificates import HandoutSeen
from licet.release import catalog, manifest, registry
from licet.release.registry import Release
from licet.store.connect import transaction
from licet.train import export_files, gate_files, lineage, model_registry
from licet.train.export_files import Export
from licet.train.gate_files import LeasesGiven
from licet.train.lineage import Affected
from licet.train.model_registry import RecordedModel
from licet.vault.installation import Installation


class ReleaseSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A release, as described by its folder and by the database."""

    folder: Path
    manifest: manifest.ReleaseManifest
    state: str
    rows_usable_now: int


def show(here: Installation, name: str) -> ReleaseSeen:
    """A release by its name or a folder, and how many of its rows may be used now."""
    folder, known = catalog.find_release(here, name)
    promised, _ = manifest.read(folder)
    usable = promised.rows - len(export_files.gone_rows(here, known.release_id)) if known.state == "sealed" else 0
    return ReleaseSeen(folder=folder, manifest=promised, state=known.state, rows_usable_now=usable)


class FunnelStep(msgspec.Struct, frozen=True, kw_only=True):
    """What was left out for one reason, and how many candidates were still in after it. Both count turns."""

    reason: str
    out: int
    left: int


class ReleaseView(msgspec.Struct, frozen=True, kw_only=True):
    """``usable`` is how many rows may be used now, of ``rows`` at the seal. ``funnel`` begins with what most went for."""

    candidates: int
    included: int
    funnel: tuple[FunnelStep, ...]
    rows: int
    usable: int
    built_at: datetime
    looked_for_names: bool
    handouts: tuple[HandoutSeen, ...]
    leases: tuple[LeasesGiven, ...]
    exports: tuple[Export, ...]
    models: tuple[RecordedModel, ...]


def view(here: Installation, known: Release) -> ReleaseView:
    """A sealed release whose folder is here."""
    promised, _ = manifest.read(here.config.releases / known.name)
    gone = export_files.gone_rows(here, known.release_id)
    with transaction(here.pool) as tx:
        handouts = certificates.handouts_of(tx, known.release_id, here.clock())
        leases, models = gate_files.leases_of(tx, known.release_id), model_registry.every(tx)
    return ReleaseView(
        candidates=promised.counts.candidates, included=promised.counts.included, funnel=tuple(_funnel(promised)),
        rows=promised.rows, usable=promised.rows - len(gone), built_at=promised.built_at,
        looked_for_names=promised.looked_for_names, handouts=tuple(handouts), leases=tuple(leases),
        exports=tuple(export_files.exports(here, release=known.release_id)),
        models=tuple(one for one in models if one.release == known.name),
    )  # fmt: skip


def _funnel(promised: manifest.ReleaseManifest) -> list[FunnelStep]:
    left, steps = promised.counts.candidates, list[FunnelStep]()
    for reason, out in sorted(promised.counts.dropped.items(), key=lambda one: (-one[1], one[0])):
        left -= out
        steps.append(FunnelStep(reason=reason, out=out, left=left))
    return steps


class ModelView(msgspec.Struct, frozen=True, kw_only=True):
    """A model on record; ``affected`` is None where nothing that it learnt from was withdrawn or erased since."""

    model: RecordedModel
    affected: Affected | None
    release_id: UUID


def models(here: Installation) -> list[ModelView]:
    """All models on record, the newest first, with what of theirs was withdrawn since."""
    since = {one.model: one for one in lineage.affected(here)}
    with transaction(here.pool) as tx:
        known = model_registry.every(tx)
        ids = {one.name: one.release_id for one in registry.every(tx)}
    return [ModelView(model=one, affected=since.get(one.model), release_id=ids[one.release]) for one in known]
