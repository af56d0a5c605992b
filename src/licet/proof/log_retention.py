"""The retention of the log: what of it may go, why the rest stays, and taking it away.

Promise: without a retention that was published nothing of a log's entries goes, as c2sp.org/tlog-tiles asks. A year's
log goes as a whole, oldest first, when that retention has passed since its end and nothing that it proves is still in
force: no grant told in it runs or ended within the retention, no policy version told in it was in force within it,
and no release sealed in it is registered. With it go the rows it was made from. Its last checkpoint stays for ever,
so that everybody who holds a proof from it can go on showing it, and nobody can be shown another log of that year.

What may always go are partial tiles that a full one has overtaken: readers fall back to the full one.

A year is taken away in four steps, each of which may be the last before a crash, and the same call goes on from it:

    1. its last checkpoint, under `pruned`
    2. its folders get another name: from here on the sequencer, which finds them gone, refuses to begin
    3. the database forgets the log and the rows that stand in it, in one transaction
    4. the renamed folders go

The sequencer must not work meanwhile: this holds its lock.
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
from licet.ledger.storage import Durable, Folder
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
    """The log of a year. It may go where nothing is in ``kept_because``; ``until`` is when the retention lets it."""

    year: int
    entries: int
    until: datetime | None
    kept_because: tuple[str, ...]


class PrunedLogs(msgspec.Struct, frozen=True, kw_only=True):
    """What went: years as a whole, and how many overtaken partial tiles of the others."""

    years: tuple[int, ...]
    tiles: int


def retention(here: Installation) -> Period | None:
    """How long after its end a year's log is kept, as ``retention.txt`` of the installation's folder publishes it."""
    file = here.config.data / RETENTION_FILE
    if not file.is_file():
        return None
    try:
        return parse_period(file.read_bytes()[:RETENTION_BYTES_MAX].decode("ascii", "replace").strip())
    except ValueError as error:
        raise InputError(str(error), "it holds one period, as P6Y", file=str(file)) from None


def plan(here: Installation) -> tuple[YearSeen, ...]:
    """Every year of which there is a log, oldest first, and why it stays."""
    period = retention(here)
    seen: list[YearSeen] = []
    with transaction(here.pool) as tx:
        known = policies(here)
        for year in map(int, years(here)):
            reasons = list(_kept_because(tx, known, year, period, here.clock()))
            if any(before.kept_because for before in seen):
                reasons.append("a year before it stays")
            entries = PublishedLog(place(here).folder / str(year), key(here, year)).checkpoint.size
            until = period.after(_end(year)) if period is not None else None
            seen.append(YearSeen(year=year, entries=entries, until=until, kept_because=tuple(reasons)))
    return tuple(seen)


def prune(here: Installation) -> PrunedLogs:
    """Takes away every year that may go, and the overtaken partial tiles of the others; BusyError beside a sequencer."""
    with _alone(here):
        _finish(here)
        going = [seen.year for seen in plan(here) if not seen.kept_because]
        for year in going:
            _take_away(here, year)
        tiles = 0
        for kept in years(here):
            folder = place(here).folder / kept
            tiles += prune_overtaken(Folder(folder), PublishedLog(folder, key(here, int(kept))).checkpoint.size)
    return PrunedLogs(years=tuple(going), tiles=tiles)


def _kept_because(tx: Transaction, known: Policies, year: int, period: Period | None, now: datetime) -> Iterator[str]:
    if period is None:
        yield f"no retention was published: there is no {RETENTION_FILE}"
        return
    if period.after(_end(year)) > now:
        yield "its retention has not passed"
    running, ended_last = outbox.told_grants(tx, year)
    if running:
        yield f"{running:,} grants told in it run"
    if ended_last is not None and period.after(ended_last) > now:
        yield "a grant told in it ended within the retention"
    if any(_in_force(known, number, period, now) for number in outbox.told_versions(tx, year)):
        yield "a policy version told in it is in force, or was within the retention"
    if releases := registry.names(tx, outbox.told_releases(tx, year)):
        yield f"{len(releases):,} releases sealed in it are registered"


def _in_force(known: Policies, number: int, period: Period, now: datetime) -> bool:
    """Whether the version is the newest, or was until less than the retention ago."""
    return number + 1 >= len(known) or period.after(known[number + 1].effective) > now


def _end(year: int) -> datetime:
    return datetime(year + 1, 1, 1, tzinfo=UTC)


@contextmanager
def _alone(here: Installation) -> Iterator[None]:
    """Holds the sequencer's lock."""
    with translated(), here.pool.connection() as conn:
        if not _locked(conn):
            raise BusyError("the sequencer is at work", "stop `licet serve` and `licet ledger append --follow` first")
        try:
            yield
        finally:
            conn.rollback()
            conn.execute("SELECT pg_advisory_unlock(%s)", [SEQUENCER_LOCK])
            conn.commit()


def _locked(conn: Connection[tuple[object, ...]]) -> bool:
    found = conn.execute("SELECT pg_try_advisory_lock(%s)", [SEQUENCER_LOCK]).fetchone()
    conn.commit()
    return found == (True,)


def _take_away(here: Installation, year: int) -> None:
    at = place(here)
    shown = PublishedLog(at.folder / str(year), key(here, year))
    last = shown.note
    if shown.cosigned is not None and shown.cosigned[1] == shown.checkpoint:
        last = shown.cosigned[0]
    Durable(Folder(at.folder)).write({f"{PRUNED}/{year}": last})
    for parent in (at.folder, at.state):
        _rename(parent / str(year), parent / f"{year}{_GONE}")
    _forget(here, year)


def _forget(here: Installation, year: int) -> None:
    with transaction(here.pool) as tx:
        outbox.forget_year(tx, year)
    for parent in (place(here).folder, place(here).state):
        shutil.rmtree(parent / f"{year}{_GONE}", ignore_errors=True)


def _finish(here: Installation) -> None:
    """Goes on where a crash ended an earlier call: a renamed folder had been decided on."""
    at = place(here)
    for gone in sorted({path.stem for parent in (at.folder, at.state) for path in parent.glob(f"*{_GONE}")}):
        if not (at.folder / PRUNED / gone).is_file():
            raise UsageError(f"`{gone}{_GONE}` is none of ours", "it lies among the logs: move it elsewhere")
        for parent in (at.folder, at.state):
            _rename(parent / gone, parent / f"{gone}{_GONE}")
        _forget(here, int(gone))


def _rename(old: Path, new: Path) -> None:
    if old.exists():
        old.rename(new)
    sync(old.parent)
