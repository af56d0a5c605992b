"""Removes dead rows from the folders of a release.

`purge_release` rewrites only the parts with dead rows, and signs an addendum (`release.purge`). The
same command updates any copy of the folder, and continues an interrupted purge.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import msgspec

from licet.errors import BrokenError, BusyError, RefusedError
from licet.release import croissant, manifest, purge, purge_rows, release_store
from licet.release.catalog import find_release, log_key, log_key_in
from licet.release.manifest import ReleaseManifest
from licet.release.purge import Addendum, Chain
from licet.release.registry import Release
from licet.store.connect import transaction
from licet.vault.installation import Installation

PURGE_LOCK = 0x11CE8


class PurgeResult(msgspec.Struct, frozen=True, kw_only=True):
    """The rows that a purge removed, or would remove, by part, and its ``addendum`` file.

    ``brought``: earlier addenda that this folder lacked.
    """

    folder: Path
    rows: int
    parts: dict[str, int]
    addendum: str | None
    brought: tuple[str, ...]


def purge_release(installation: Installation, name: str, *, dry_run: bool = False) -> PurgeResult:
    """Removes the dead rows from a release's folder; with ``dry_run`` it only counts them."""
    folder, known = find_release(installation, name)
    promised, sha256 = manifest.read_manifest(folder)
    if known.state != "sealed" or known.manifest_sha256 is None:
        raise RefusedError(
            f"release `{known.name}` was never sealed", "build it again", because="not_sealed"
        )
    if known.manifest_sha256.hex() != sha256:
        raise BrokenError(f"the manifest in `{folder}` is not the one that was sealed")
    with (
        _alone(installation, known),
        nullcontext() if dry_run else release_store.publish_changes(installation, known, folder),
    ):
        chain = purge.read_chain(folder, promised, sha256, log_key(installation))
        recorded = _list_recorded(installation, known, chain)
        with transaction(installation.pool) as tx:
            dead = purge_rows.list_dead(tx, known.release_id)
        if dry_run:
            return _forecast(folder, promised, chain, recorded, dead)
        return _purge(installation, known, folder, promised, chain, recorded, dead)


@contextmanager
def _alone(installation: Installation, release: Release) -> Iterator[None]:
    """Runs one purge of a release at a time, under a lock of its connection."""
    with transaction(installation.pool) as tx:
        lock = tx.execute(
            "SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))", [PURGE_LOCK, release.name]
        ).fetchone()
        if lock is None or not lock[0]:
            raise BusyError(f"release `{release.name}` is already being purged", "wait for it")
        yield


def _list_recorded(installation: Installation, release: Release, chain: Chain) -> list[Addendum]:
    """The addenda in the database, then others in the folder, if they removed only dead rows."""
    with transaction(installation.pool) as tx:
        key = log_key_in(installation, tx)
        recorded = purge_rows.list_recorded(tx, release.release_id, key)
        beyond = chain.addenda[len(recorded) :]
        parts = [part for one in beyond for part in one.purge.parts]
        gone = [n for part in parts for first, last in part.gone for n in range(first, last + 1)]
        if gone and (alive := purge_rows.find_living(tx, release.release_id, gone, key)):
            raise BrokenError(
                f"the row `{min(alive)}` was removed from the release, but is not dead"
            )
    # a database restored from before a purge has fewer addenda than the folder
    return [*recorded, *beyond]


def _forecast(
    folder: Path,
    promised: ReleaseManifest,
    chain: Chain,
    recorded: Sequence[Addendum],
    dead: Sequence[int],
) -> PurgeResult:
    brought = tuple(one.purge.file for one in recorded[len(chain.addenda) :])
    for one in recorded[len(chain.addenda) :]:
        chain = purge.follow(chain, promised, one)
    parts = purge.count(promised, chain, dead)
    number = len(chain.addenda) + 1
    return PurgeResult(
        folder=folder,
        rows=sum(parts.values()),
        parts=parts,
        addendum=f"purge-{number}.json" if parts else None,
        brought=brought,
    )


def _purge(
    installation: Installation,
    release: Release,
    folder: Path,
    promised: ReleaseManifest,
    chain: Chain,
    recorded: Sequence[Addendum],
    dead: Sequence[int],
) -> PurgeResult:
    purge.clear(folder)
    with transaction(installation.pool) as tx:
        purge_rows.adopt(tx, release.release_id, recorded)
    brought = tuple(one.purge.file for one in recorded[len(chain.addenda) :])
    for one in recorded:
        chain = purge.apply(folder, chain, promised, one)
    at = max(
        installation.clock(), chain.addenda[-1].purge.at if chain.addenda else promised.built_at
    )
    made = purge.prepare(folder, promised, chain, dead, at)
    if made is not None:
        with transaction(installation.pool) as tx:
            signed = purge.sign(made, installation.keyring.log_seed(tx))
            purge_rows.record(tx, release.release_id, signed)
        chain = purge.apply(folder, chain, promised, signed)
    croissant.write(folder, promised, chain)
    parts = (
        {part.file: sum(last - first + 1 for first, last in part.gone) for part in made.parts}
        if made
        else {}
    )
    return PurgeResult(
        folder=folder,
        rows=sum(parts.values()),
        parts=parts,
        addendum=made.file if made else None,
        brought=brought,
    )
