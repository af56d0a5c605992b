"""The restriction journal's heads in the database: how far the journal had come, and its chain
value.

A change commits before its record is written, so its transaction stores the newest record then
known to be durable: one before its own. An UPDATE for each would slow a no by a quarter, so every
32nd record stores one (`vault.restriction.REMEMBERED_EVERY`), as do every opening, every backup,
and each hour's leaf. The crash orders that this survives:

    commit, crash, no record         the next opening finds the change in the database and writes the record
    commit, record, crash            the record follows the stored one; its chain says so, and it is accepted
    record durable, then lost        by the disk or the bucket, or removed: the next opening, the doctor or a restore misses the
                                     stored record, and names it

So the stored head is never ahead of the durable journal, and a journal that ends before it was
changed or lost records.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from licet.keys.journal_frames import JournalHead
from licet.store.connect import Transaction
from licet.store.rows import Change, change


def load_head(tx: Transaction, journal: UUID) -> list[JournalHead]:
    """Returns the journal's newest head in the database, if it has a record."""
    rows = tx.execute(
        "SELECT number, chain FROM journal_heads WHERE journal = %s AND number > 0", [journal]
    ).fetchall()
    return [JournalHead(number, bytes(chain)) for number, chain in rows]


def load_restart(tx: Transaction, journal: UUID) -> JournalHead | None:
    """Returns the record with which an operator restarted the journal's chain, or None."""
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
    """Returns `save_head_if_free` as a change for one statement with others."""
    return Change(
        """UPDATE journal_heads h SET (number, chain) = (%s, %b)
             FROM (SELECT journal FROM journal_heads WHERE journal = %s AND number < %s
                      FOR NO KEY UPDATE SKIP LOCKED) free
            WHERE h.journal = free.journal""",
        [head.number, head.chain, journal, head.number],
    )


def is_due(tx: Transaction, journal: UUID, head: JournalHead, before: datetime) -> bool:
    """Whether the journal has grown since its head was logged, before ``before`` or never."""
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
