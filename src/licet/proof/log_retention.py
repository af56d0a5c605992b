"""Log retention: which years may be removed, why others are kept, and the removal.

Promise: unless the operator has published a retention period, no entry is removed
(c2sp.org/tlog-tiles requires this). A year's log is removed as a whole, oldest first, once the
period has passed since its end and it proves nothing in force: no grant logged in it is in force or
ended within the period, no policy version logged in it was in force within the period, and no
release sealed in it is registered. Its database rows are removed with it. Its last checkpoint is
kept for ever: issued proofs stay verifiable, and no other log of that year can be presented.

Partial tiles may be removed once the full tile exists: readers fall back to it.

A year is removed in four steps. After a crash between any two, the next call continues:

1. its last checkpoint is copied to `pruned`
2. its folders are renamed: the sequencer then finds them missing and refuses to start
3. the log and the rows in it are deleted from the database, in one transaction
4. the renamed folders are deleted

In a bucket, where nothing can be renamed, only partial tiles are removed.

Holds the sequencer's lock throughout.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from psycopg import Connection

from licet.errors import BusyError, InputError, UsageError
from licet.ledger import outbox
from licet.ledger.log import prune as prune_overtaken
from licet.ledger.publication import PublishedLog
from licet.ledger.sequence import SEQUENCER_LOCK
from licet.ledger.storage import Durable, Folder, open_prunable
from licet.policy.file import Policies
from licet.policy.period import Period, parse_period
from licet.proof.documents import PRUNED, RETENTION_FILE, key, place, years
from licet.release import registry
from licet.store.connect import Transaction, transaction, translate_errors
from licet.store.files import sync
from licet.vault.installation import Installation, load_policies

RETENTION_BYTES_MAX = 100
_RENAMED_SUFFIX = ".pruned"


class YearSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A year's log. It is removable if ``kept_because`` is empty; its retention ends at
    ``until``.
    """

    year: int
    entries: int
    until: datetime | None
    kept_because: tuple[str, ...]


class PrunedLogs(msgspec.Struct, frozen=True, kw_only=True):
    """Removed years, and the number of superseded partial tiles removed from the others."""

    years: tuple[int, ...]
    tiles: int


def retention(installation: Installation) -> Period | None:
    """Reads the published retention after a year's end from ``retention.txt`` in the data
    folder.
    """
    file = installation.config.data / RETENTION_FILE
    if not file.is_file():
        return None
    try:
        return parse_period(
            file.read_bytes()[:RETENTION_BYTES_MAX].decode("ascii", "replace").strip()
        )
    except ValueError as error:
        raise InputError(
            str(error), "it must contain one period, such as P6Y", file=str(file)
        ) from None


def plan(installation: Installation) -> tuple[YearSeen, ...]:
    """Lists each year with a log, oldest first, and why it is kept."""
    period = retention(installation)
    years_seen: list[YearSeen] = []
    with transaction(installation.pool) as tx:
        versions = load_policies(installation)
        for year in map(int, years(installation)):
            reasons = list(_kept_because(tx, versions, year, period, installation.clock()))
            if any(before.kept_because for before in years_seen):
                reasons.append("an earlier year is kept")
            entries = PublishedLog(
                place(installation).folder / str(year), key(installation, year)
            ).checkpoint.size
            until = period.after(_end(year)) if period is not None else None
            years_seen.append(
                YearSeen(year=year, entries=entries, until=until, kept_because=tuple(reasons))
            )
    return tuple(years_seen)


def prune(installation: Installation) -> PrunedLogs:
    """Removes removable years, and superseded partial tiles of the others; BusyError while a
    sequencer runs.
    """
    with _lock_sequencer(installation):
        logs = place(installation)
        folders = [folder for folder in (logs.folder, logs.state) if isinstance(folder, Path)]
        if folders:
            _resume_removals(installation, *folders)
        removable = [planned.year for planned in plan(installation) if not planned.kept_because]
        for year in removable:
            if not folders:
                raise UsageError(
                    f"the log of `{year}` is in a bucket",
                    "years are removed from a log in folders only",
                )
            _remove_year(installation, year, *folders)
        tiles = 0
        for kept in years(installation):
            folder = logs.folder / kept
            tiles += prune_overtaken(
                open_prunable(folder),
                PublishedLog(folder, key(installation, int(kept))).checkpoint.size,
            )
    return PrunedLogs(years=tuple(removable), tiles=tiles)


def _kept_because(
    tx: Transaction, versions: Policies, year: int, period: Period | None, now: datetime
) -> Iterator[str]:
    if period is None:
        yield f"no retention was published: there is no {RETENTION_FILE}"
        return
    if period.after(_end(year)) > now:
        yield "its retention period has not passed"
    running, ended_last = outbox.count_logged_grants(tx, year)
    if running:
        yield f"{running:,} grants logged in it are in force"
    if ended_last is not None and period.after(ended_last) > now:
        yield "a grant logged in it ended within the retention period"
    if any(
        _was_in_force(versions, number, period, now) for number in outbox.logged_versions(tx, year)
    ):
        yield "a policy version logged in it is in force, or was within the retention period"
    if releases := registry.names(tx, outbox.logged_releases(tx, year)):
        yield f"{len(releases):,} releases sealed in it are registered"


def _was_in_force(versions: Policies, number: int, period: Period, now: datetime) -> bool:
    """Whether the version is the newest, or was in force within the retention period."""
    return number + 1 >= len(versions) or period.after(versions[number + 1].effective) > now


def _end(year: int) -> datetime:
    return datetime(year + 1, 1, 1, tzinfo=UTC)


@contextmanager
def _lock_sequencer(installation: Installation) -> Iterator[None]:
    """Holds the sequencer's lock."""
    with translate_errors(), installation.pool.connection() as conn:
        if not _try_lock(conn):
            raise BusyError(
                "a sequencer is running",
                "stop `licet serve` and `licet ledger append --follow` first",
            )
        try:
            yield
        finally:
            conn.rollback()
            conn.execute("SELECT pg_advisory_unlock(%s)", [SEQUENCER_LOCK])
            conn.commit()


def _try_lock(conn: Connection[tuple[object, ...]]) -> bool:
    found = conn.execute("SELECT pg_try_advisory_lock(%s)", [SEQUENCER_LOCK]).fetchone()
    conn.commit()
    return found == (True,)


def _remove_year(installation: Installation, year: int, folder: Path, state: Path) -> None:
    shown = PublishedLog(folder / str(year), key(installation, year))
    last = shown.note
    if shown.cosigned is not None and shown.cosigned[1] == shown.checkpoint:
        last = shown.cosigned[0]
    Durable(Folder(folder)).write({f"{PRUNED}/{year}": last})
    for parent in (folder, state):
        _rename(parent / str(year), parent / f"{year}{_RENAMED_SUFFIX}")
    _delete_year(installation, year, folder, state)


def _delete_year(installation: Installation, year: int, folder: Path, state: Path) -> None:
    with transaction(installation.pool) as tx:
        outbox.forget_year(tx, year)
    for parent in (folder, state):
        shutil.rmtree(parent / f"{year}{_RENAMED_SUFFIX}", ignore_errors=True)


def _resume_removals(installation: Installation, folder: Path, state: Path) -> None:
    """Completes a removal that was interrupted after step 2."""
    for gone in sorted(
        {path.stem for parent in (folder, state) for path in parent.glob(f"*{_RENAMED_SUFFIX}")}
    ):
        if not (folder / PRUNED / gone).is_file():
            raise UsageError(
                f"`{gone}{_RENAMED_SUFFIX}` was not created by Licet",
                "move it out of the log folder",
            )
        for parent in (folder, state):
            _rename(parent / gone, parent / f"{gone}{_RENAMED_SUFFIX}")
        _delete_year(installation, int(gone), folder, state)


def _rename(old: Path, new: Path) -> None:
    if old.exists():
        old.rename(new)
    sync(old.parent)
