"""The releases of an installation: finding, showing and verifying them, reading their rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import UUID

from licet.errors import NotFoundError, RefusedError
from licet.ledger import jws
from licet.release import diff as diffs
from licet.release import (
    folder_check,
    manifest,
    measurement,
    purge_rows,
    registry,
    release_store,
    review,
    sample,
)
from licet.release.folder_check import BrokenPromise, ReleasePromise
from licet.release.live_leases import DatabaseLeases
from licet.release.purge import Living, LogKey
from licet.release.reader import LoadedRows, RowFilter
from licet.release.reader import load as load_rows
from licet.release.registry import Release
from licet.store import bucket as buckets
from licet.store.connect import Transaction, transaction
from licet.vault.installation import Installation


def list_releases(installation: Installation) -> list[Release]:
    with transaction(installation.pool) as tx:
        return registry.list_all(tx)


def list_without_names(installation: Installation) -> list[str]:
    """The names of sealed releases whose manifest states that no names were detected."""
    sealed = [
        (known.name, release_store.find_manifest(installation, known))
        for known in list_releases(installation)
        if known.state == "sealed"
    ]
    return [
        name
        for name, promised in sealed
        if promised and promised.rows and not promised.looked_for_names
    ]


def find_release(installation: Installation, name: str) -> tuple[Path, Release]:
    """The folder and record of a release, by its name or by any folder with a copy of it."""
    own = installation.config.releases / name
    if "/" not in name and buckets.open_bucket(installation.config.store) is not None:
        with transaction(installation.pool) as tx:
            shared = registry.find(tx, name)
        if (
            shared is not None
            and shared.state == "sealed"
            and (found := release_store.find_folder(installation, shared)) is not None
        ):
            return found, shared
    folder = own if own.is_dir() and "/" not in name else Path(name)
    with transaction(installation.pool) as tx:
        if folder.is_dir():
            promised, _ = manifest.read_manifest(folder)
            return folder, registry.get(tx, UUID(hex=promised.release))
        known = registry.find(tx, name)
    if known is None:
        raise NotFoundError(f"no release `{name}`", "`licet status` lists the releases")
    raise NotFoundError(
        f"the folder of release `{name}` is not at `{own}`", "name the folder instead"
    )


def sealed_release(installation: Installation, name: str) -> tuple[Path, Release]:
    """As `find_release`; RefusedError for one that was never sealed."""
    folder, known = find_release(installation, name)
    if known.state != "sealed":
        raise RefusedError(
            f"release `{known.name}` was never sealed", "build it again", because="not_sealed"
        )
    return folder, known


LEASED_ROWS_MAX = 2_000


def usable_rows(
    installation: Installation, promised: manifest.ReleaseManifest
) -> Iterator[list[int]]:
    """The ordinals of the rows that may be used now, in chunks, in order."""
    leases = DatabaseLeases(installation.pool, installation.keyring, installation.clock)
    for part in promised.parts:
        ordinals = range(
            part.first_ordinal, part.first_ordinal + _span(promised, part.first_ordinal)
        )
        for start in range(0, len(ordinals), LEASED_ROWS_MAX):
            yield sorted(
                leases.lease(
                    promised.release_id, part.number, ordinals[start : start + LEASED_ROWS_MAX]
                ).keys
            )


def _span(promised: manifest.ReleaseManifest, first: int) -> int:
    """How many ordinals a part may have: up to the next part, or a full part for the last."""
    later = [part.first_ordinal for part in promised.parts if part.first_ordinal > first]
    return min(later) - first if later else 50_000


def verify_release(installation: Installation, name: str) -> list[folder_check.BrokenPromise]:
    """Every contradiction between a release's folder and the sealed release."""
    folder, known = sealed_release(installation, name)
    sealed = known.manifest_sha256.hex() if known.manifest_sha256 else ""
    broken = folder_check.verify(
        folder,
        manifest_sha256=sealed,
        living=_living(installation, known),
        key=log_key(installation),
    )
    for kind, is_stated, promise in (
        (review.SIGNED, sample.is_stated, ReleasePromise.REVIEW),
        (measurement.SIGNED, measurement.is_stated, ReleasePromise.MEASUREMENT),
    ):
        if any(one.promise is promise for one in broken) or (stated := kind.read(folder)) is None:
            continue
        with transaction(installation.pool) as tx:
            if not is_stated(tx, known.release_id, stated.jws):
                unknown = (
                    f"a statement that this installation did not make: SHA-256 `{stated.sha256}`"
                )
                broken.append(BrokenPromise(file=kind.file, promise=promise, found=unknown))
    return broken


def open_release(
    installation: Installation,
    name: str,
    split: str = "",
    where: RowFilter | None = None,
    seed: int | None = None,
    labels: bool = True,
) -> LoadedRows:
    """The rows of a release of an open installation (`reader.load`)."""
    folder, known = find_release(installation, name)
    sealed = known.manifest_sha256.hex() if known.manifest_sha256 else ""
    leases = DatabaseLeases(installation.pool, installation.keyring, installation.clock)
    living = _living(installation, known)
    return load_rows(
        folder,
        leases,
        now=installation.clock,
        manifest_sha256=sealed,
        split=split,
        living=living,
        where=where,
        seed=seed,
        labels=labels,
    )


def _living(installation: Installation, release: Release) -> Living:
    """Finds rows that no purge may have removed, by the database."""

    def ask(ordinals: Sequence[int]) -> list[int]:
        with transaction(installation.pool) as tx:
            return purge_rows.find_living(
                tx, release.release_id, ordinals, log_key_in(installation, tx)
            )

    return ask


def log_key(installation: Installation) -> LogKey:
    """The log's public key, which verifies a purge's addendum."""

    def ask() -> bytes:
        with transaction(installation.pool) as tx:
            return log_key_in(installation, tx)()

    return ask


def log_key_in(installation: Installation, tx: Transaction) -> LogKey:
    """`log_key` in an open transaction."""
    return lambda: jws.public_key(installation.keyring.log_seed(tx))


def diff_releases(installation: Installation, old: str, new: str) -> diffs.ReleaseDiff:
    """The differences between two releases, each a name or a folder."""
    sides = []
    for name in (old, new):
        folder, known = sealed_release(installation, name)
        sides.append(
            diffs.DiffSide(folder=folder, manifest=manifest.read_manifest(folder)[0], known=known)
        )
    with transaction(installation.pool) as tx:
        return diffs.diff(tx, installation.keyring, *sides)
