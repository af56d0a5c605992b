"""The fence: a database that may be older than what was promised to people gives out nothing.

Promise: while the fence stands no bucket key is unwrapped, and a key is the only way to content: nothing is read,
leased, built or written, by no process, whenever it was started. The row that is the fence is never part of a backup,
so that restoring one cannot lift it.

A database lives: life 0 from its beginning, another from each restore. Within a life the numbers of an account's
events only grow, so a restriction that was told in life L under number N is in a database of life L exactly where the
account stands at N or later. All restrictions of the lives before were applied when the life began, before the
fence was lifted.

    current   the database holds every restriction of the journal
    older     it lacks some: it was restored by other means than ours; `licet restore` brings it forward
    foreign   it belongs to another journal, or its journal is gone
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from licet.errors import RefusedError
from licet.keys.restriction_journal import Journal, Restriction, RestrictionKind
from licet.store.connect import Transaction

NEWEST_RECORDS_MAX = 1_000
READERS_SECONDS_MAX = 20
_TABLE = """CREATE TABLE IF NOT EXISTS fence (
    one      boolean PRIMARY KEY DEFAULT true CONSTRAINT there_is_one_fence CHECK (one),
    begun_at timestamptz NOT NULL
)"""


class JournalStanding(StrEnum):
    """How a database stands to its restriction journal."""

    current = "current"
    older = "older"
    foreign = "foreign"


class FencedError(RefusedError):
    """The database is being restored: whoever asks it is to ask again when that is done."""

    status = 503


def fenced_error() -> FencedError:
    return FencedError(
        "the database was restored, and what was taken back since has not been applied to it yet",
        "finish it: `licet restore`", because="fenced",
    )  # fmt: skip


def raise_(tx: Transaction, at: datetime) -> None:
    """Puts the fence up, in a database that may be empty; standing already, it stays."""
    tx.execute(_TABLE)
    tx.execute("INSERT INTO fence (begun_at) VALUES (%s) ON CONFLICT DO NOTHING", [at])


def wait_for_readers(tx: Transaction) -> None:
    """Waits until whoever looked for the fence before it went up has ended; ContentionError if they take too long.

    In a transaction of its own, once the fence is up: nothing else is locked by it, so that nobody waits for each other.
    """
    tx.execute("SELECT set_config('lock_timeout', %s, true)", [f"{READERS_SECONDS_MAX}s"])
    tx.execute("LOCK TABLE fence IN ACCESS EXCLUSIVE MODE")


def lift(tx: Transaction) -> None:
    tx.execute("DELETE FROM fence")


def stands(tx: Transaction) -> bool:
    row = tx.execute("SELECT EXISTS (SELECT FROM fence)").fetchone()
    return row is None or bool(row[0])


def check(tx: Transaction) -> None:
    """RefusedError while the fence stands: for what changes or erases without any key."""
    if stands(tx):
        raise fenced_error()


# Lives


def life(tx: Transaction) -> int:
    """The database's present life."""
    return asking_life(tx)()


def asking_life(tx: Transaction) -> Callable[[], int]:
    """`life`, sent and not read yet; what is returned reads it."""
    asked = tx.execute("SELECT coalesce(max(life), 0) FROM lives")

    def read() -> int:
        row = asked.fetchone()
        return int(row[0]) if row else 0

    return read


def begin(tx: Transaction, number: int, journal: Journal, at: datetime, backup: UUID | None = None) -> None:
    tx.execute(
        """INSERT INTO lives (life, journal, begun_at, backup, position)
           SELECT %s, %s, %s, %s, coalesce(max(position), 0) FROM journal""",
        [number, journal.id, at, backup],
    )


def standing(tx: Transaction, journal: Journal, at: datetime) -> JournalStanding:
    """How the database stands to ``journal``. A fresh database and an empty journal become one another's."""
    tx.execute("LOCK TABLE lives IN SHARE ROW EXCLUSIVE MODE")
    row = tx.execute("SELECT journal FROM lives ORDER BY life DESC LIMIT 1").fetchone()
    newest = journal.newest(NEWEST_RECORDS_MAX)
    if row is None:
        if newest:
            return JournalStanding.older
        begin(tx, 0, journal, at)
        return JournalStanding.current
    if row[0] != journal.id:
        return JournalStanding.foreign
    return JournalStanding.older if any(missing(tx, newest, life(tx))) else JournalStanding.current


def missing(tx: Transaction, records: Sequence[Restriction], present: int) -> list[bool]:
    """For each record whether a database in the life ``present`` lacks it."""
    accounts = {record.account for record in records if record.account is not None}
    rows = tx.execute(
        "SELECT account_id, last_seq FROM accounts WHERE account_id = ANY(%s)", [sorted(accounts)]
    ).fetchall()
    stood: dict[UUID, int] = dict(rows)
    known = {row[0] for row in tx.execute("SELECT backup_id FROM backups")}
    working = {row[0] for row in tx.execute("SELECT key_id FROM api_keys WHERE revoked_at IS NULL")}
    versions: dict[int, datetime] = dict(tx.execute("SELECT number, applied_at FROM policies").fetchall())
    return [_is_missing(record, present, stood, known, working, versions) for record in records]


def _is_missing(
    record: Restriction, present: int, stood: dict[UUID, int], backups: set[UUID], working: set[UUID],
    versions: dict[int, datetime],
) -> bool:  # fmt: skip
    if record.kind is RestrictionKind.backup:
        return record.backup not in backups
    if record.kind is RestrictionKind.key_revoked:
        return record.key in working
    if record.life != present:
        return record.life > present
    if record.kind is RestrictionKind.policy:
        return record.seq not in versions or versions[record.seq] < record.at  # an amendment is applied anew
    return record.account is not None and stood.get(record.account, 0) < record.seq
