"""Log retention: which years may be removed, why others are kept, and the removal.

Promise: unless the operator has published a retention period, no entry is removed
(c2sp.org/tlog-tiles requires this). A year's log is removed as a whole, oldest first, once the
period has passed since its end and it proves nothing in force: no grant logged in it is in force or
ended within the period, no policy version logged in it was in force within the period, and no
release sealed in it is registered. The database rows that it was made from are removed with it. Its
last checkpoint is kept for ever: proofs can still be shown, and nobody can be shown another log of
that year.

Partial tiles may be removed once the full tile exists: readers fall back to it.

A year is removed in four steps. After a crash between any two of them, the same call continues:

    1. its last checkpoint is copied to `pruned`
    2. its folders are renamed: from here on the sequencer finds them missing and refuses to start
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
from licet.store.connect import Transaction, transaction, translated
from licet.store.files import sync
from licet.vault.installation import Installation, policies

RETENTION_BYTES_MAX = 100
_GONE = ".pruned"


class YearSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A year's log. It may be removed if ``kept_because`` is empty; its retention ends at
    ``until``.
    """

    year: int
    entries: int
    until: datetime | None
    kept_because: tuple[str, ...]


class PrunedLogs(msgspec.Struct, frozen=True, kw_only=True):
    """What was removed: whole years, and superseded partial tiles in the others."""

    years: tuple[int, ...]
    tiles: int


def retention(installation: Installation) -> Period | None:
    """The published retention of a year's log after its end, from ``retention.txt`` in the
    installation's folder.
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
    """Each year that has a log, oldest first, and why it is kept."""
    period = retention(installation)
    seen: list[YearSeen] = []
    with transaction(installation.pool) as tx:
        versions = policies(installation)
        for year in map(int, years(installation)):
            reasons = list(_kept_because(tx, versions, year, period, installation.clock()))
            if any(before.kept_because for before in seen):
                reasons.append("an earlier year is kept")
            entries = PublishedLog(
                place(installation).folder / str(year), key(installation, year)
            ).checkpoint.size
            until = period.after(_end(year)) if period is not None else None
            seen.append(
                YearSeen(year=year, entries=entries, until=until, kept_because=tuple(reasons))
            )
    return tuple(seen)


def prune(installation: Installation) -> PrunedLogs:
    """Removes years that may be removed, and superseded partial tiles in the others; BusyError
    while a sequencer runs.
    """
    with _alone(installation):
        at = place(installation)
        if isinstance(at.folder, Path) and isinstance(at.state, Path):
            _finish(installation, at.folder, at.state)
        going = [seen.year for seen in plan(installation) if not seen.kept_because]
        for year in going:
            if not (isinstance(at.folder, Path) and isinstance(at.state, Path)):
                raise UsageError(
                    f"the log of `{year}` is in a bucket",
                    "years are removed from a log in folders only",
                )
            _take_away(installation, year, at.folder, at.state)
        tiles = 0
        for kept in years(installation):
            folder = at.folder / kept
            tiles += prune_overtaken(
                open_prunable(folder),
                PublishedLog(folder, key(installation, int(kept))).checkpoint.size,
            )
    return PrunedLogs(years=tuple(going), tiles=tiles)


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
    if any(_in_force(versions, number, period, now) for number in outbox.logged_versions(tx, year)):
        yield "a policy version logged in it is in force, or was within the retention period"
    if releases := registry.names(tx, outbox.logged_releases(tx, year)):
        yield f"{len(releases):,} releases sealed in it are registered"


def _in_force(versions: Policies, number: int, period: Period, now: datetime) -> bool:
    """Whether the version is the newest, or was in force within the retention period."""
    return number + 1 >= len(versions) or period.after(versions[number + 1].effective) > now


def _end(year: int) -> datetime:
    return datetime(year + 1, 1, 1, tzinfo=UTC)


@contextmanager
def _alone(installation: Installation) -> Iterator[None]:
    """Holds the sequencer's lock."""
    with translated(), installation.pool.connection() as conn:
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


def _take_away(installation: Installation, year: int, folder: Path, state: Path) -> None:
    shown = PublishedLog(folder / str(year), key(installation, year))
    last = shown.note
    if shown.cosigned is not None and shown.cosigned[1] == shown.checkpoint:
        last = shown.cosigned[0]
    Durable(Folder(folder)).write({f"{PRUNED}/{year}": last})
    for parent in (folder, state):
        _rename(parent / str(year), parent / f"{year}{_GONE}")
    _forget(installation, year, folder, state)


def _forget(installation: Installation, year: int, folder: Path, state: Path) -> None:
    with transaction(installation.pool) as tx:
        outbox.forget_year(tx, year)
    for parent in (folder, state):
        shutil.rmtree(parent / f"{year}{_GONE}", ignore_errors=True)


def _finish(installation: Installation, folder: Path, state: Path) -> None:
    """Completes a removal interrupted after its folders were renamed."""
    for gone in sorted(
        {path.stem for parent in (folder, state) for path in parent.glob(f"*{_GONE}")}
    ):
        if not (folder / PRUNED / gone).is_file():
            raise UsageError(
                f"`{gone}{_GONE}` was not made by Licet", "move it out of the folder of the logs"
            )
        for parent in (folder, state):
            _rename(parent / gone, parent / f"{gone}{_GONE}")
        _forget(installation, int(gone), folder, state)


def _rename(old: Path, new: Path) -> None:
    if old.exists():
        old.rename(new)
    sync(old.parent)
