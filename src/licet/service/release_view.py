"""A release for staff: from candidates to rows, usable rows, recipients, and models
trained on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from pathlib import Path

import msgspec
from pyroaring import BitMap

from licet.erasure import recall_register
from licet.erasure.recall_register import RecipientHandout, ReleaseHandout
from licet.errors import LicetError, NotFoundError
from licet.release import catalog, figures, manifest, registry, release_store
from licet.release.duplicates import DuplicateClusters
from licet.release.figures import FiguresKind, StoredFigures
from licet.release.registry import Release
from licet.release.stats import ReleaseStats
from licet.store.connect import transaction
from licet.train import export_files, gate_files, model_registry, withdrawn_rows
from licet.train.export_files import Export
from licet.train.gate_files import LeaseGiven, LeasesGiven
from licet.train.model_registry import RecordedModel
from licet.vault.installation import Installation


class ReleaseSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A release, from its folder and the database."""

    folder: Path
    manifest: manifest.ReleaseManifest
    state: str
    rows_usable_now: int


def show(installation: Installation, name: str) -> ReleaseSeen:
    """Returns a release by its name or folder, and the number of its usable rows."""
    folder, known = catalog.find_release(installation, name)
    promised, _ = manifest.read_manifest(folder)
    usable = (
        promised.rows - len(export_files.withdrawn_ordinals(installation, known.release_id))
        if known.state == "sealed"
        else 0
    )
    return ReleaseSeen(folder=folder, manifest=promised, state=known.state, rows_usable_now=usable)


class FunnelStep(msgspec.Struct, frozen=True, kw_only=True):
    """Turns left out for one reason, and candidates remaining after it."""

    reason: str
    out: int
    left: int


class ReleaseView(msgspec.Struct, frozen=True, kw_only=True):
    """``usable`` of the ``rows`` may be used now; ``live`` are those at the seal, after each day on
    which some ended, and now. ``funnel`` is ordered by turns left out; ``contents`` are the counts
    at the seal; ``stats`` and ``duplicates`` the last figures computed by command.
    """

    candidates: int
    included: int
    funnel: tuple[FunnelStep, ...]
    live: tuple[tuple[datetime, int], ...]
    rows: int
    usable: int
    built_at: datetime
    looked_for_names: bool
    handouts: tuple[ReleaseHandout, ...]
    leases: tuple[LeasesGiven, ...]
    exports: tuple[Export, ...]
    models: tuple[RecordedModel, ...]
    contents: manifest.ReleaseContents | None
    stats: StoredFigures[ReleaseStats] | None
    duplicates: StoredFigures[DuplicateClusters] | None


def view(installation: Installation, release: Release) -> ReleaseView:
    """Returns the view of a sealed release whose folder is on this host."""
    promised = release_store.find_manifest(installation, release)
    assert promised is not None
    gone = export_files.withdrawn_ordinals(installation, release.release_id)
    with transaction(installation.pool) as tx:
        handouts = recall_register.handouts_by_release(tx, release.release_id, installation.clock())
        leases = gate_files.leases_by_recipient(tx, release.release_id)
        models = model_registry.list_all(tx)
        stats = figures.load_figures(tx, release.release_id, FiguresKind.stats, ReleaseStats)
        duplicates = figures.load_figures(
            tx, release.release_id, FiguresKind.duplicates, DuplicateClusters
        )
    return ReleaseView(
        candidates=promised.counts.candidates,
        included=promised.counts.included,
        funnel=tuple(_funnel(promised)),
        live=tuple(_live(installation, release, promised.rows, gone)),
        rows=promised.rows,
        usable=rows_left(release, gone),
        built_at=promised.built_at,
        looked_for_names=promised.looked_for_names,
        handouts=tuple(handouts),
        leases=tuple(leases),
        exports=tuple(export_files.list_exports(installation, release=release.release_id)),
        models=tuple(model for model in models if model.release == release.name),
        contents=promised.contents
        if promised.rows and promised.contents is not msgspec.UNSET
        else None,
        stats=stats,
        duplicates=duplicates,
    )


def _live(
    installation: Installation, release: Release, rows: int, gone: BitMap
) -> Iterator[tuple[datetime, int]]:
    assert release.sealed_at is not None
    ended = withdrawn_rows.first_endings(installation.pool, release)
    ends = sorted(ended[row] for row in gone if row in ended)
    yield release.sealed_at, rows
    for _, day in groupby(ends, key=datetime.date):
        *_, last = moments = list(day)
        rows -= len(moments)
        yield last, rows
    yield installation.clock(), rows_left(release, gone)


def rows_left(release: Release, gone: BitMap) -> int:
    """Returns a release's rows that are not withdrawn."""
    return (release.rows or 0) - len(gone)


def _funnel(promised: manifest.ReleaseManifest) -> list[FunnelStep]:
    left, steps = promised.counts.candidates, list[FunnelStep]()
    for reason, out in sorted(
        promised.counts.dropped.items(), key=lambda item: (-item[1], item[0])
    ):
        left -= out
        steps.append(FunnelStep(reason=reason, out=out, left=left))
    return steps


HANDOUTS_MAX = 50
USABLE_MAX = 20  # releases whose usable rows are counted for one page
LEASES_MAX = 20


class GivenRelease(msgspec.Struct, frozen=True, kw_only=True):
    """``usable`` of its ``rows`` may be used now, None if not counted."""

    handout: RecipientHandout
    name: str
    rows: int
    usable: int | None


class RecipientView(msgspec.Struct, frozen=True, kw_only=True):
    """A recipient's releases, leases and exports, newest first."""

    recipient: str
    releases: tuple[GivenRelease, ...]
    leases: tuple[tuple[str, LeaseGiven], ...]
    exports: tuple[Export, ...]


def recipient(installation: Installation, name: str) -> RecipientView:
    """Returns a recipient; NotFoundError if it was given nothing."""
    with transaction(installation.pool) as tx:
        handouts = recall_register.handouts_by_recipient(
            tx, name, installation.clock(), HANDOUTS_MAX
        )
        leases = gate_files.newest_leases(tx, name, LEASES_MAX)
        if not handouts:
            raise NotFoundError(f"no recipient `{name}` was given anything")
        released = {
            *(handout.release_id for handout in handouts),
            *(lease.release_id for lease in leases),
        }
        names = registry.names(tx, list(released))
        known = {handout.release_id: registry.get(tx, handout.release_id) for handout in handouts}
    counted = {
        handout.release_id: usable_rows(installation, known[handout.release_id])
        for handout in handouts[:USABLE_MAX]
    }
    return RecipientView(
        recipient=name,
        releases=tuple(
            GivenRelease(
                handout=handout,
                name=names[handout.release_id],
                rows=known[handout.release_id].rows or 0,
                usable=counted.get(handout.release_id),
            )
            for handout in handouts
        ),
        leases=tuple((names[lease.release_id], lease) for lease in leases),
        exports=tuple(export_files.list_exports(installation, name)[:HANDOUTS_MAX]),
    )


def usable_rows(installation: Installation, release: Release) -> int | None:
    """Returns the number of usable rows; None if it cannot be determined, as for a discarded
    release.
    """
    try:
        gone = export_files.withdrawn_ordinals(installation, release.release_id)
        return rows_left(release, gone)
    except LicetError:
        return None
