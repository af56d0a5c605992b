"""The sequencer: appends committed rows of the outbox to the log of the calendar year, with a
single writer.

Promise: every committed row gets one place in one log and is never logged twice; the rows of one
account are in the order in which its verbs committed. Rows are found by not having a place yet,
never by being newer than the last one: a transaction with a lower number may commit later. An
account's verbs hold its row lock from before they write to the outbox until they commit, so the
visible rows of an account are always a prefix of them, in the order of its numbers.

A batch takes two steps, each durable before the next begins:

    1. the database: the rows' places, and the log's content before and after the batch
    2. the log: the entries at these places, in one append, published when it returns

A crash before 1 leaves nothing. After a crash between 1 and 2 the log still ends at ``decided``,
and the batch is encoded and appended again at the same places. A batch whose append did not return
may be in the log nevertheless; then the log ends at ``size`` and its last entries have the digest
that step 1 stored. Places are given first because the encoding of a leaf cannot be repeated once
its account's key has been destroyed, so that finding it again by its bytes would fail.

A log that ends anywhere else is refused (`BrokenError`): if it is ahead of the database, the
database is an older copy than the log (`RestoredError`); if it is behind, the log was rolled back;
if it has another root, it is a fork.

One sequencer runs at a time: it holds an advisory lock on one connection, which also gives out the
places, and the log's own lock. In a bucket there is no such lock: a sequencer that lost its
connection and does not know it yet is refused by the head of the log, which its successor rewrites
first.

``clock`` provides the time; the log's time is never before that of an event or of an earlier entry.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from uuid import UUID

import msgspec
import psycopg

from licet.clock import Clock
from licet.errors import BrokenError, BusyError, NotFoundError
from licet.ledger import checkpoint as checkpoints
from licet.ledger import entries, tree
from licet.ledger.entries import LogKeySource, OutboxRow, Random
from licet.ledger.log import LogWriter
from licet.ledger.note import SignatureType, Signer
from licet.ledger.outbox import EntryKind
from licet.ledger.publication import PublishedLog
from licet.ledger.storage import LogFolder, list_names
from licet.store.connect import Pool, Transaction, translate_errors
from licet.store.rows import select

SEQUENCER_LOCK = 0x11CE7_0002
BATCH_ROWS_MAX = 4_096
WAIT_SECONDS = 0.1
RETRY_SECONDS = 1.0


class RestoredError(BrokenError):
    """The database is an older copy than the log."""


class LogPlace(msgspec.Struct, frozen=True, kw_only=True):
    """The location of an installation's logs: ``folder``/<year> for readers, ``state``/<year> for
    the writer.
    """

    folder: LogFolder
    state: LogFolder
    name: str

    def origin(self, year: int) -> str:
        return checkpoints.origin_of(self.name, year)

    def signer(self, seed: bytes, year: int) -> Signer:
        """Returns the log key of one year: the same key under the year's name."""
        return Signer(self.origin(year), SignatureType.ed25519, seed)


class LogStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A log's state in the database: a row of `logs`."""

    year: int
    origin: str
    decided: int
    root: bytes
    size: int
    digest: bytes
    logged_at: datetime


class Sequencer:
    """The only writer. After any failed step it is unusable; open it again."""

    def __init__(
        self,
        conn: Transaction,
        place: LogPlace,
        seed: bytes,
        keys: LogKeySource,
        clock: Clock,
        random: Random,
    ) -> None:
        """Called by `open_sequencer`, which holds the lock on ``conn``. Completes an interrupted
        batch.
        """
        self._conn, self._place, self._seed = conn, place, seed
        self._keys, self._clock, self._random = keys, clock, random
        self._open: tuple[int, LogWriter] | None = None
        self._dead = ""
        self._recover()

    def run_once(self) -> int:
        """Appends up to `BATCH_ROWS_MAX` waiting rows to the log; returns their number once they
        are durable.
        """
        if self._dead:
            raise BrokenError(f"the sequencer is stopped: {self._dead}", "open it again")
        try:
            return self._run_once()
        except BaseException as error:
            self._dead = f"a step failed with `{type(error).__name__}`"
            raise

    def close(self) -> None:
        self._dead = self._dead or "it was closed"
        if self._open is not None:
            self._open[1].close()
            self._open = None

    def _run_once(self) -> int:
        with self._conn.transaction():
            rows = waiting_rows(self._conn, BATCH_ROWS_MAX)
            last = self._conn.execute("SELECT max(logged_at) FROM logs").fetchone()
        if not rows:
            return 0
        times = [row.occurred_at for row in rows]
        logged_at = max([self._clock(), *times, *([last[0]] if last and last[0] else [])])
        log = self._log_of(logged_at.year)
        with self._conn.transaction():
            standing = _standings(self._conn, logged_at.year)[0]
            taken = self._with_carried(rows, logged_at)
            batch = self._encode(taken, standing.year, logged_at)
            self._set_places(taken, standing, log, batch, logged_at)
        self._append(log, standing.size, batch)
        return len(rows)

    # Places

    def _with_carried(self, rows: Sequence[OutboxRow], logged_at: datetime) -> list[OutboxRow]:
        """Returns the rows, preceded by an entry that carries over the pseudonym of each account
        new in this year.
        """
        year = logged_at.year
        speaking = {row.account for row in rows if row.account is not None}
        before = _register_accounts(self._conn, speaking, year)
        before = (
            {a: before[a] for a in self._keys.log_keys(self._conn, list(before), year)}
            if before
            else {}
        )
        if not before:
            return list(rows)
        taken: list[OutboxRow] = []
        for row in rows:
            came_from = before.pop(row.account, None) if row.account is not None else None
            if came_from is not None and row.account is not None:
                taken.append(_add_carried(self._conn, row.account, came_from, logged_at))
            taken.append(row)
        return taken

    def _encode(self, rows: Sequence[OutboxRow], year: int, logged_at: datetime) -> list[bytes]:
        accounts = {row.account for row in rows if row.account is not None}
        keys = self._keys.log_keys(self._conn, accounts, year) if accounts else {}
        previous = self._previous_pseudonyms([row for row in rows if row.kind == EntryKind.carried])
        return [
            entries.encode(
                msgspec.structs.replace(row, facts={**row.facts, "was": previous[row.outbox_id]})
                if row.outbox_id in previous
                else row,
                keys.get(row.account) if row.account is not None else None,
                logged_at,
                self._random,
            )
            for row in rows
        ]

    def _previous_pseudonyms(self, carried: Sequence[OutboxRow]) -> dict[int, str]:
        """Returns the pseudonym that each carried row commits to, unless its key was destroyed
        since.
        """
        return {
            row.outbox_id: name
            for row in carried
            if (name := previous_pseudonym(self._conn, self._keys, row)) is not None
        }

    def _set_places(
        self,
        rows: Sequence[OutboxRow],
        standing: LogStanding,
        log: LogWriter,
        batch: Sequence[bytes],
        logged_at: datetime,
    ) -> None:
        self._conn.execute(
            """UPDATE outbox o SET log_year = %(year)s, index = k.index
                 FROM unnest(%(ids)b::bigint[], %(indexes)b::bigint[]) AS k(outbox_id, index)
                WHERE o.outbox_id = k.outbox_id""",
            {
                "year": standing.year,
                "ids": [row.outbox_id for row in rows],
                "indexes": list(range(standing.size, standing.size + len(rows))),
            },
        )
        self._conn.execute(
            "UPDATE logs SET (decided, root, size, digest, logged_at) = (size, %s, size + "
            "%s, %s, %s) WHERE log_year = %s",
            [log.checkpoint.root, len(rows), digest_of(batch), logged_at, standing.year],
        )

    def _append(self, log: LogWriter, first: int, batch: Sequence[bytes]) -> None:
        if log.checkpoint.size != first:
            raise BrokenError(
                f"the log is at `{log.checkpoint.size}`, but the database gave out place `{first}`"
            )
        log.append(batch)

    # Opening

    def _recover(self) -> None:
        """Compares every log with the database and completes an interrupted batch."""
        with self._conn.transaction():
            standings = _standings(self._conn)
        known = {standing.year for standing in standings}
        for folder in (self._place.folder, self._place.state):
            for name in list_names(folder):
                if name.isdecimal() and int(name) not in known:
                    raise _restored_error(name, "knows nothing of it")
        for standing in standings:
            self._log_of(standing.year)

    def _log_of(self, year: int) -> LogWriter:
        """Opens the log of ``year``, or creates it."""
        if self._open is not None and self._open[0] == year:
            return self._open[1]
        with self._conn.transaction():
            standing = self._load_or_begin(year)
        log = self._open_log(standing)
        try:
            self._check_against(standing, log)
        except BaseException:
            log.close()
            raise
        if self._open is not None:
            self._open[1].close()
        self._open = (year, log)
        return log

    def _load_or_begin(self, year: int) -> LogStanding:
        origin = self._place.origin(year)
        standings = _standings(self._conn, year)
        if not standings:
            if any(
                str(year) in list_names(folder)
                for folder in (self._place.state, self._place.folder)
            ):
                raise _restored_error(str(year), "knows nothing of it")
            self._conn.execute(
                """INSERT INTO logs (log_year, origin, decided, root, size, digest, logged_at)
                   VALUES (%s, %s, 0, %s, 0, %s, 'epoch')""",
                [year, origin, tree.EMPTY_ROOT, digest_of(())],
            )
            standings = _standings(self._conn, year)
        if standings[0].origin != origin:
            raise BrokenError(
                f"the log of `{year}` is named `{standings[0].origin}`",
                "a log keeps its name for its year",
            )
        return standings[0]

    def _open_log(self, standing: LogStanding) -> LogWriter:
        folder = self._place.folder / str(standing.year)
        state = self._place.state / str(standing.year)
        signer = self._place.signer(self._seed, standing.year)
        try:
            return LogWriter.open(folder, state, standing.origin, signer)
        except NotFoundError as error:
            if standing.decided:  # else the log was never created
                raise BrokenError(
                    f"the log `{standing.origin}` is missing, but the database knows "
                    f"`{standing.size}` entries of it",
                    "restore the folders of the log",
                ) from error
            return LogWriter.create(folder, state, standing.origin, signer)

    def _check_against(self, standing: LogStanding, log: LogWriter) -> None:
        size = log.checkpoint.size
        if size > standing.size:
            raise _restored_error(
                standing.origin, f"knows `{standing.size}` of its `{size}` entries"
            )
        if size not in (standing.decided, standing.size):
            raise BrokenError(
                f"the log `{standing.origin}` was rolled back to `{size}`: the database "
                f"knows `{standing.size}` entries",
                "restore the log's folder and its state folder together",
            )
        verifier = self._place.signer(self._seed, standing.year).verifier
        held = PublishedLog(self._place.folder / str(standing.year), verifier)
        if held.root_at(standing.decided) != standing.root:
            raise BrokenError(
                f"the log `{standing.origin}` is forked: another root at `{standing.decided}`"
            )
        if size < standing.size:
            self._append_again(standing, log)
        elif digest_of(list(log.entries(standing.decided, size))) != standing.digest:
            raise BrokenError(
                f"the log `{standing.origin}` is forked: other entries after `{standing.decided}`"
            )

    def _append_again(self, standing: LogStanding, log: LogWriter) -> None:
        """Appends the placed batch that never reached the log."""
        with self._conn.transaction():
            rows = _rows_placed(self._conn, standing.year, standing.decided)
            if len(rows) != standing.size - standing.decided:
                raise BrokenError(f"the outbox has lost rows of the log `{standing.origin}`")
            batch = self._encode(rows, standing.year, standing.logged_at)
            self._conn.execute(
                "UPDATE logs SET digest = %s WHERE log_year = %s", [digest_of(batch), standing.year]
            )
        self._append(log, standing.decided, batch)


@contextlib.contextmanager
def open_sequencer(
    pool: Pool, place: LogPlace, seed: bytes, keys: LogKeySource, clock: Clock, random: Random
) -> Iterator[Sequencer]:
    """Yields the installation's only sequencer; `BusyError` if another one runs."""
    with translate_errors(), pool.connection() as conn:
        locked = conn.execute("SELECT pg_try_advisory_lock(%s)", [SEQUENCER_LOCK]).fetchone()
        conn.commit()
        if locked != (True,):
            raise BusyError("another sequencer is running", "one is enough: leave it running")
        sequencer: Sequencer | None = None
        try:
            sequencer = Sequencer(conn, place, seed, keys, clock, random)
            yield sequencer
        finally:
            if sequencer is not None:
                sequencer.close()
            with contextlib.suppress(psycopg.Error):  # a broken connection has released its lock
                conn.rollback()
                conn.execute("SELECT pg_advisory_unlock(%s)", [SEQUENCER_LOCK])
                conn.commit()


def run(opened: Callable[[], AbstractContextManager[Sequencer]], stop: threading.Event) -> None:
    """Appends rows to the log until ``stop``. Restarts after an unreachable database or a full
    disk; raises any other error.
    """
    while not stop.is_set():
        try:
            with opened() as sequencer:
                while not stop.is_set():
                    if sequencer.run_once() < BATCH_ROWS_MAX:
                        stop.wait(WAIT_SECONDS)
        except BusyError:
            stop.wait(RETRY_SECONDS)


# Waiting rows


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """The number of rows without a place, and since when the oldest has waited."""

    rows: int
    since: datetime | None


def count_waiting(tx: Transaction, limit: int | None = None) -> Waiting:
    """Counts the rows without a place, at most the oldest ``limit``. A row waits since it was
    added; since it occurred where an installation's clock is ahead of the database's.
    """
    (counted,) = select(
        tx,
        Waiting,
        """SELECT count(*) AS rows, min(greatest(occurred_at, added_at)) AS since
             FROM (SELECT occurred_at, added_at FROM outbox WHERE index IS NULL
               ORDER BY outbox_id LIMIT %s) w""",
        [limit],
    )
    return counted


def is_awaited(tx: Transaction, account: UUID, reached: Callable[[int], int]) -> bool:
    """Whether a leaf of the account is not published yet; ``reached`` returns the size of a year's
    published log.

    A place is not enough: after a crash before the append, the sequencer needs the account's key
    again.
    """
    rows = tx.execute(
        """(SELECT NULL, NULL FROM outbox WHERE account_id = %(account)s AND index IS NULL LIMIT 1)
           UNION ALL
           SELECT l.log_year, max(o.index) FROM logs l JOIN outbox o ON o.log_year = l.log_year
             AND o.index >= l.decided
            WHERE o.account_id = %(account)s GROUP BY l.log_year""",
        {"account": account},
    ).fetchall()
    return any(year is None or last >= reached(year) for year, last in rows)


def standings(tx: Transaction) -> list[LogStanding]:
    """Returns the state of every log in the database, by year."""
    return _standings(tx)


def previous_pseudonym(tx: Transaction, keys: LogKeySource, carried: OutboxRow) -> str | None:
    """Returns the pseudonym that a `carried` row commits to; None if its account's key is
    destroyed.
    """
    year = carried.facts["from"]
    assert carried.account is not None
    assert isinstance(year, int)
    key = keys.log_keys(tx, [carried.account], year).get(carried.account)
    return entries.pseudonym(key) if key is not None else None


_COLUMNS = "outbox_id, account_id, entry, occurred_at, payload"


def waiting_rows(tx: Transaction, limit: int | None = None) -> list[OutboxRow]:
    """Returns the first ``limit`` rows without a place, or all, in order."""
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM outbox WHERE index IS NULL ORDER BY outbox_id LIMIT %s", [limit]
    ).fetchall()
    return [read_row(row) for row in rows]


def _rows_placed(tx: Transaction, year: int, first: int) -> list[OutboxRow]:
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM outbox WHERE log_year = %s AND index >= %s ORDER BY index",
        [year, first],
    ).fetchall()
    return [read_row(row) for row in rows]


class PlacedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the outbox that is a leaf, with its log's year and its index."""

    row: OutboxRow
    year: int
    index: int


def list_leaves(tx: Transaction, account: UUID, kind: EntryKind) -> list[PlacedRow]:
    rows = tx.execute(
        f"""SELECT {_COLUMNS}, log_year, index FROM outbox
             WHERE account_id = %s AND entry = %s AND index IS NOT NULL""",
        [account, kind.value],
    ).fetchall()
    return [PlacedRow(row=read_row(row[:5]), year=row[5], index=row[6]) for row in rows]


def read_row(row: Sequence[object]) -> OutboxRow:
    """Decodes a row of `outbox_id, account_id, entry, occurred_at, payload`."""
    outbox_id, account, kind, occurred_at, payload = row
    return OutboxRow(
        outbox_id=msgspec.convert(outbox_id, int),
        account=msgspec.convert(account, UUID | None),
        kind=str(kind),
        occurred_at=msgspec.convert(occurred_at, datetime),
        facts=msgspec.json.decode(str(payload), type=dict[str, str | int | bool | None]),
    )


def _standings(tx: Transaction, year: int | None = None) -> list[LogStanding]:
    return select(
        tx,
        LogStanding,
        """SELECT log_year AS year, origin, decided, root, size, digest, logged_at FROM logs
            WHERE %(year)s::int IS NULL OR log_year = %(year)s ORDER BY log_year""",
        {"year": year},
    )


def _register_accounts(tx: Transaction, accounts: set[UUID], year: int) -> Mapping[UUID, int]:
    """Adds accounts to the log of ``year``; returns the previous year of those that are new in
    it.
    """
    if not accounts:
        return {}
    rows = tx.execute(
        """WITH fresh AS (
               INSERT INTO log_accounts (account_id, log_year)
                 SELECT unnest(%(accounts)b::uuid[]), %(year)s
               ON CONFLICT DO NOTHING RETURNING account_id
           )
           SELECT account_id, max(a.log_year) FROM fresh JOIN log_accounts a USING (account_id)
            WHERE a.log_year < %(year)s GROUP BY account_id""",
        {"accounts": sorted(accounts), "year": year},
    ).fetchall()
    return dict(rows)


def _add_carried(tx: Transaction, account: UUID, from_year: int, now: datetime) -> OutboxRow:
    facts: dict[str, str | int | bool | None] = {"from": from_year}
    row = tx.execute(
        "INSERT INTO outbox (account_id, entry, occurred_at, payload) VALUES (%s, %s, %s, "
        "%s) RETURNING outbox_id",
        [
            account,
            EntryKind.carried.value,
            now,
            msgspec.json.encode(facts, order="sorted").decode(),
        ],
    ).fetchone()
    assert row is not None
    return OutboxRow(
        outbox_id=row[0],
        account=account,
        kind=EntryKind.carried.value,
        occurred_at=now,
        facts=facts,
    )


def digest_of(batch: Sequence[bytes]) -> bytes:
    """Returns the digest that identifies a batch until the log has it."""
    return hashlib.sha256(b"".join(tree.leaf_hash(entry) for entry in batch)).digest()


def _restored_error(log: str, difference: str) -> RestoredError:
    return RestoredError(
        f"the database is an older copy than the log `{log}`: it {difference}",
        "bring it up to date: `licet restore --here` applies later withdrawals and "
        "deletions, and records that in the log",
    )
