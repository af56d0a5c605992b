"""The accounts' journal: the events of each account, numbered per account (`seq`) and over all
accounts (`position`).

An ending is an event that takes rows out of a release (`ends`).

Promise: under the endings lock taken exclusively, every ending up to `last_position` is committed
and visible, and its leaf stands before any leaf that is added under the lock. Anyone who appends an
ending holds that lock shared until it commits, and numbers its leaves under it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from licet.errors import BrokenError
from licet.ledger import outbox
from licet.ledger.outbox import Entry
from licet.store.connect import Transaction
from licet.store.rows import INSERTED_ROWS_MAX, Change, by_column, change, rows_sql, rows_values

ENDINGS_LOCK = 0x11CE7_0001


class JournalRow(NamedTuple):
    """One event of an account. ``conversation`` is None for an event of the whole account."""

    account: UUID
    seq: int
    occurred_at: datetime
    event: str
    conversation: UUID | None
    ends: bool


class JournalEnding(NamedTuple):
    """An account with an ending, and the conversation, None for the whole account."""

    account: UUID
    conversation: UUID | None


_COLUMNS = {
    "account_id": "uuid", "seq": "int8", "occurred_at": "timestamptz", "event": "text", "conversation_id": "uuid",
    "ends": "bool",
}  # fmt: skip
_PLACES = {"account": "uuid", "conversation": "uuid"}
_APPEND = f"""
    INSERT INTO journal ({", ".join(_COLUMNS)}, position)
    SELECT {", ".join(_COLUMNS)}, nextval('journal_position')
      FROM (SELECT k.* FROM {rows_sql(_COLUMNS)} WITH ORDINALITY AS k({", ".join(_COLUMNS)}, place){{}} ORDER BY place) k"""
# The lock that appending an ending needs. A query that joins it has no row, and so takes no number,
# before the lock is held.
_SHARED = f"shared AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared({ENDINGS_LOCK}))"


def block_endings(tx: Transaction) -> None:
    """Waits until no ending is in progress, and prevents new ones until ``tx`` ends."""
    tx.execute("SELECT pg_advisory_xact_lock(%s)", [ENDINGS_LOCK])


def append_changes(
    tx: Transaction, rows: Sequence[JournalRow], leaves: Sequence[Entry]
) -> list[Change]:
    """The changes that append already numbered ``rows`` of locked accounts, in order, and the
    leaves.
    """
    ends = any(row.ends for row in rows)
    text, shared = (_APPEND.format(", shared"), _SHARED) if ends else (_APPEND.format(""), "")
    made = (
        [Change(text, rows_values(_COLUMNS, by_column(_COLUMNS, rows)), shared=shared)]
        if rows
        else []
    )
    return [*made, *(_ending_leaf_changes if ends else outbox.append_changes)(tx, leaves)]


def _ending_leaf_changes(tx: Transaction, leaves: Sequence[Entry]) -> list[Change]:
    """The changes that append the leaves of endings, numbered under the lock too."""
    if len(leaves) > INSERTED_ROWS_MAX:  # they are copied at once
        tx.execute("SELECT pg_advisory_xact_lock_shared(%s)", [ENDINGS_LOCK])
    return [
        Change(f"{one.text}, shared", one.values, shared=_SHARED)
        for one in outbox.append_changes(tx, leaves)
    ]


def append_endings(
    tx: Transaction,
    event: str,
    now: datetime,
    places: Sequence[tuple[UUID, UUID | None]],
    leaves: Sequence[Entry] = (),
) -> None:
    """Takes the next numbers of locked accounts, and appends an ending for each `(account,
    conversation)`, with ``leaves``.

    ``now`` becomes part of the account's history: no later event may be dated before it.
    """
    if not places:
        outbox.append(tx, leaves)
        return
    values = rows_values(_PLACES, by_column(_PLACES, places))
    change(
        tx,
        [
            *_ending_leaf_changes(tx, leaves),
            Change(_APPEND_NEXT, [*values, now, event], _NEXT, _SHARED),
        ],
    )


_NEXT = f"""places AS (
        SELECT account_id, conversation_id, row_number() OVER (PARTITION BY account_id) AS place
          FROM {rows_sql(_PLACES)} AS k(account_id, conversation_id), shared
    ), moved AS (
        UPDATE accounts a SET last_seq = a.last_seq + c.count, last_at = greatest(a.last_at, %s)
          FROM (SELECT account_id, count(*) FROM places GROUP BY account_id) c
         WHERE a.account_id = c.account_id
        RETURNING a.account_id, a.last_seq - c.count AS base, a.last_at
    ), numbered AS (
        SELECT account_id, base + place AS seq, last_at, conversation_id FROM places
          JOIN moved USING (account_id)
         ORDER BY account_id, place
    )"""
_APPEND_NEXT = """
    INSERT INTO journal (account_id, seq, position, occurred_at, event, conversation_id, ends)
    SELECT account_id, seq, nextval('journal_position'), last_at, %s, conversation_id, true
      FROM numbered"""


def last_position(tx: Transaction) -> int:
    """The newest position assigned, 0 before the first."""
    row = tx.execute("SELECT last_value, is_called FROM journal_position").fetchone()
    if row is None:
        raise BrokenError("the journal has no sequence")
    return int(row[0]) if row[1] else 0


def skip_positions(tx: Transaction, count: int) -> None:
    """Skips ``count`` positions, for a restored database that may lack the newest ones."""
    tx.execute("SELECT setval('journal_position', nextval('journal_position') + %s)", [count])


def endings_after(tx: Transaction, position: int) -> list[JournalEnding]:
    """The endings after ``position``, unordered, each place once."""
    rows = tx.execute(
        "SELECT DISTINCT account_id, conversation_id FROM journal WHERE ends AND position > %s",
        [position],
    )
    return [JournalEnding(*row) for row in rows]


def first(
    tx: Transaction, account: UUID, event: str, conversation: UUID | None
) -> tuple[int, datetime] | None:
    """`(seq, time)` of the first ``event`` of the account, or of its conversation if one is
    given.
    """
    return tx.execute(
        """SELECT seq, occurred_at FROM journal
            WHERE account_id = %s AND event = %s AND conversation_id IS NOT DISTINCT FROM %s
              ORDER BY seq LIMIT 1""",
        [account, event, conversation],
    ).fetchone()


def newest_times(
    tx: Transaction, account: UUID, event: str, conversations: Collection[UUID]
) -> dict[UUID, datetime]:
    """The time of the newest ``event`` of each of these conversations; conversations without one
    are absent.
    """
    rows = tx.execute(
        """SELECT conversation_id, max(occurred_at) FROM journal
            WHERE account_id = %s AND event = %s AND conversation_id = ANY(%s) GROUP BY 1""",
        [account, event, list(conversations)],
    )
    return dict(rows.fetchall())


class JournalEvent(NamedTuple):
    """An event as its person may see it; ``conversation`` is None for one of the whole account."""

    seq: int
    at: datetime
    event: str
    conversation: UUID | None


def list_by_account(
    tx: Transaction,
    account: UUID,
    events: Collection[str],
    limit: int,
    *,
    until: datetime | None = None,
) -> list[JournalEvent]:
    """The newest ``limit`` of these ``events`` of the account up to ``until``, newest first."""
    rows = tx.execute(
        """SELECT seq, occurred_at, event, conversation_id FROM journal
            WHERE account_id = %(account)s AND event = ANY(%(events)s)
              AND (%(until)s::timestamptz IS NULL OR occurred_at <= %(until)s)
                ORDER BY seq DESC LIMIT %(limit)s""",
        {"account": account, "events": list(events), "until": until, "limit": limit},
    )
    return [JournalEvent(*row) for row in rows]


def lapses_after(tx: Transaction, account: UUID, seq: int) -> list[tuple[datetime, str | None]]:
    """When grants of the account lapsed after ``seq``, in order, each with the immediately
    preceding event if it has the same time.
    """
    return tx.execute(
        """SELECT j.occurred_at, b.event FROM journal j
             LEFT JOIN journal b ON b.account_id = j.account_id AND b.seq = j.seq - 1
               AND b.occurred_at = j.occurred_at
            WHERE j.account_id = %s AND j.event = 'ended_lapsed' AND j.seq > %s ORDER BY j.seq""",
        [account, seq],
    ).fetchall()
