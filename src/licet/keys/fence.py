"""The fence: a database that may be older than what was promised to people gives out nothing.

Promise: while the fence stands no bucket key is unwrapped, and a key is the only way to content: nothing is read,
leased, built or written, by no process, whenever it was started. The row that is the fence is never part of a backup,
so that restoring one cannot lift it.

A database lives: life 0 from its beginning, another from each restore, whose restrictions were applied before the fence
was lifted. What a database lacks of its restriction journal is told by `vault.journal_state`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from licet.errors import RefusedError
from licet.keys.restriction_journal import Journal
from licet.store.connect import Transaction

READERS_SECONDS_MAX = 20
_TABLE = """CREATE TABLE IF NOT EXISTS fence (
    one      boolean PRIMARY KEY DEFAULT true CONSTRAINT there_is_one_fence CHECK (one),
    begun_at timestamptz NOT NULL
)"""


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


def check_before_snapshot(tx: Transaction) -> None:
    """`check`, as the first statements of a transaction that sees one moment.

    The lock comes before the moment is fixed. With a SELECT first, a restore could begin between its moment and its
    lock, and the transaction would not see the fence that it has waited for.
    """
    tx.execute("LOCK TABLE fence IN ACCESS SHARE MODE")
    check(tx)


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


def begin(
    tx: Transaction, number: int, journal: Journal, at: datetime, position: int, backup: UUID | None = None
) -> None:  # fmt: skip
    """Begins another life; ``position`` is how far the accounts' journal had come before it."""
    tx.execute(
        "INSERT INTO lives (life, journal, begun_at, backup, position) VALUES (%s, %s, %s, %s, %s)",
        [number, journal.id, at, backup, position],
    )


class DatabaseLife(NamedTuple):
    """A life of the database; ``position`` is how far the accounts' journal had come when it began."""

    life: int
    journal: UUID
    position: int


def newest_life(tx: Transaction) -> DatabaseLife | None:
    """The present life; None before the first."""
    row = tx.execute("SELECT life, journal, position FROM lives ORDER BY life DESC LIMIT 1").fetchone()
    return DatabaseLife(*row) if row else None


def lock_lives(tx: Transaction) -> None:
    """No other life begins until ``tx`` ends."""
    tx.execute("LOCK TABLE lives IN SHARE ROW EXCLUSIVE MODE")
