"""What the database remembers of its restriction journal: how far it had come, and the chain value
there.

A change commits before its record is written, so its transaction cannot know the record's number.
It remembers the newest record that its process knew to be durable: one before. An UPDATE with each
would make a no a quarter slower, so every 32nd record does it
(`vault.restriction.REMEMBERED_EVERY`), and every opening, every backup, and the leaf of each hour.
The crash orders that this survives:

    commit, crash, no record      the next opening finds the change in the database and writes the record
    commit, record, crash         the record follows the remembered one; its chain says so, and it is accepted
    record durable, then lost     the disk or the bucket lost it, or somebody took it out: the next opening, the doctor or
                                  a restore misses the remembered record, and names it

So what is remembered is never ahead of what is durable, and a journal that ends before it was
changed or lost records.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from licet.keys.journal_frames import JournalHead
from licet.store.connect import Transaction
from licet.store.rows import Change, change


def load_head(tx: Transaction, journal: UUID) -> list[JournalHead]:
    """The journal's newest head in the database; empty before its first record."""
    rows = tx.execute(
        "SELECT number, chain FROM journal_heads WHERE journal = %s AND number > 0", [journal]
    ).fetchall()
    return [JournalHead(number, bytes(chain)) for number, chain in rows]


def load_restart(tx: Transaction, journal: UUID) -> JournalHead | None:
    """The record with which an operator restarted the journal's chain, None if none did."""
    row = tx.execute(
        "SELECT since, since_chain FROM journal_heads WHERE journal = %s AND since IS NOT NULL",
        [journal],
    ).fetchone()
    return JournalHead(row[0], bytes(row[1])) if row is not None else None


def record_restart(tx: Transaction, journal: UUID, head: JournalHead) -> None:
    """Records that the journal's chain restarts with ``head``, which is saved already."""
    tx.execute(
        "UPDATE journal_heads SET (since, since_chain) = (%s, %s) WHERE journal = %s",
        [head.number, head.chain, journal],
    )


def save_head(tx: Transaction, journal: UUID, head: JournalHead) -> None:
    """Saves ``head``, which must be durable, unless a newer one is saved."""
    tx.execute(
        """INSERT INTO journal_heads (journal, number, chain) VALUES (%s, %s, %s)
           ON CONFLICT (journal) DO UPDATE SET (number, chain) = (excluded.number, excluded.chain)
            WHERE journal_heads.number < excluded.number""",
        [journal, head.number, head.chain],
    )


def save_head_if_free(tx: Transaction, journal: UUID, head: JournalHead) -> None:
    """`save_head`, skipped if another transaction holds the row: a change never waits for
    another.
    """
    change(tx, [save_head_change(journal, head)])


def save_head_change(journal: UUID, head: JournalHead) -> Change:
    """`save_head_if_free` as a change for one statement with others."""
    return Change(
        """UPDATE journal_heads h SET (number, chain) = (%s, %b)
             FROM (SELECT journal FROM journal_heads WHERE journal = %s AND number < %s
                      FOR NO KEY UPDATE SKIP LOCKED) free
            WHERE h.journal = free.journal""",
        [head.number, head.chain, journal, head.number],
    )


def is_due(tx: Transaction, journal: UUID, head: JournalHead, before: datetime) -> bool:
    """Whether the journal has grown since its head was logged, and that was before ``before`` or
    never.
    """
    row = tx.execute(
        "SELECT logged, logged_at FROM journal_heads WHERE journal = %s", [journal]
    ).fetchone()
    return head.number > 0 and (
        row is None or (row[0] < head.number and (row[1] is None or row[1] <= before))
    )


def record_logged(tx: Transaction, journal: UUID, head: JournalHead, now: datetime) -> None:
    """Records that ``head`` is in the outbox."""
    tx.execute(
        "UPDATE journal_heads SET (logged, logged_at) = (%s, %s) WHERE journal = %s",
        [head.number, now, journal],
    )
