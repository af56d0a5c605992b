"""The fence: blocks a database that may lack withdrawals or deletions.

Promise: while the fence is up no bucket key is unwrapped, so no process reads, leases, builds or
writes content. The fence's row is in no backup, so that restoring one cannot remove it. A database
begins with life 0, and another life with each restore, whose restrictions are applied before the
fence is lowered. `vault.journal_state` determines what a database lacks of its restriction journal.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from licet.errors import RefusedError
from licet.keys.restriction_journal import Journal
from licet.store.connect import Transaction

READERS_SECONDS_MAX = 20
# Columns for other statements: whether the fence is up, and the database's present life.
STANDS = "EXISTS (SELECT FROM fence)"
LIFE = "(SELECT coalesce(max(life), 0) FROM lives)"
_TABLE = """CREATE TABLE IF NOT EXISTS fence (
    one      boolean PRIMARY KEY DEFAULT true CONSTRAINT there_is_one_fence CHECK (one),
    begun_at timestamptz NOT NULL
)"""


class FencedError(RefusedError):
    """The database is being restored: try again when that has ended."""

    status = 503


def fenced_error() -> FencedError:
    return FencedError(
        "the database was restored, and later withdrawals and deletions have not been "
        "applied to it yet",
        "finish the restore: `licet restore`",
        because="fenced",
    )


def raise_fence(tx: Transaction, now: datetime) -> None:
    """Raises the fence, in a database that may be empty; a raised one stays."""
    tx.execute(_TABLE)
    tx.execute("INSERT INTO fence (begun_at) VALUES (%s) ON CONFLICT DO NOTHING", [now])


def wait_for_readers(tx: Transaction) -> None:
    """Waits until all transactions that checked the fence before it was raised have ended;
    ContentionError if that takes too long.

    Runs in its own transaction after the fence is raised, with no other lock, so that it cannot
    deadlock.
    """
    tx.execute("SELECT set_config('lock_timeout', %s, true)", [f"{READERS_SECONDS_MAX}s"])
    tx.execute("LOCK TABLE fence IN ACCESS EXCLUSIVE MODE")


def lift_fence(tx: Transaction) -> None:
    tx.execute("DELETE FROM fence")


def is_standing(tx: Transaction) -> bool:
    row = tx.execute(f"SELECT {STANDS}").fetchone()
    return row is None or bool(row[0])


def check(tx: Transaction) -> None:
    """Raises RefusedError while the fence is up: for changes and erasures that need no key."""
    if is_standing(tx):
        raise fenced_error()


def check_before_snapshot(tx: Transaction) -> None:
    """`check`, as the first statements of a snapshot transaction.

    The lock precedes the snapshot. After a SELECT, a restore could begin between snapshot and lock,
    and the transaction would not see the fence.
    """
    tx.execute("LOCK TABLE fence IN ACCESS SHARE MODE")
    check(tx)


# Lives


def current_life(tx: Transaction) -> int:
    """Returns the number of the database's present life."""
    row = tx.execute(f"SELECT {LIFE}").fetchone()
    return int(row[0]) if row else 0


def begin(
    tx: Transaction,
    number: int,
    journal: Journal,
    now: datetime,
    position: int,
    backup: UUID | None = None,
) -> None:
    """Begins another life; ``position`` is the end of the accounts' journal before it."""
    tx.execute(
        "INSERT INTO lives (life, journal, begun_at, backup, position) VALUES (%s, %s, %s, %s, %s)",
        [number, journal.id, now, backup, position],
    )


class DatabaseLife(NamedTuple):
    """A life of the database; ``position`` is the end of the accounts' journal when it began."""

    life: int
    journal: UUID
    position: int


def newest_life(tx: Transaction) -> DatabaseLife | None:
    """Returns the present life; None before the first one."""
    row = tx.execute(
        "SELECT life, journal, position FROM lives ORDER BY life DESC LIMIT 1"
    ).fetchone()
    return DatabaseLife(*row) if row else None


def lock_lives(tx: Transaction) -> None:
    """Prevents a new life from beginning until ``tx`` ends."""
    tx.execute("LOCK TABLE lives IN SHARE ROW EXCLUSIVE MODE")


def begun_at(tx: Transaction) -> datetime | None:
    """Returns when this installation's first life began."""
    row = tx.execute("SELECT min(begun_at) FROM lives").fetchone()
    return None if row is None else row[0]
