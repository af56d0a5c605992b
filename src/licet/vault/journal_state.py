"""Whether a database has all the restrictions of its journal.

A life of a database is the time between two restores. Within a life the numbers of an account's
events only grow: a restriction that was made in life L under number N is in a database of life L if
and only if the account is at N or later. All restrictions of earlier lives were applied when the
life began, before the fence was lowered (`keys.fence`).

    current   the database has every restriction of the journal
    older     it lacks some: it was restored by other means; `licet restore` brings it up to date
    foreign   it belongs to another journal, or its journal is gone
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from licet.keys import fence, journal_heads
from licet.keys.journal_frames import JournalHead
from licet.keys.restriction_journal import NEWEST_RECORDS_MAX, Journal, Restriction, RestrictionKind
from licet.store.connect import Transaction
from licet.vault import account_journal


class JournalState(StrEnum):
    """The state of a database relative to its restriction journal."""

    current = "current"
    older = "older"
    foreign = "foreign"


def state_of(tx: Transaction, journal: Journal, now: datetime) -> JournalState:
    """The state of the database relative to ``journal``. A fresh database and an empty journal are
    bound to each other.
    """
    fence.lock_lives(tx)
    present = fence.newest_life(tx)
    if present is not None and present.journal != journal.id:
        return JournalState.foreign  # before it is read: nothing unlocked it
    newest = journal.newest(NEWEST_RECORDS_MAX)
    if present is None:
        if newest:
            return JournalState.older
        fence.begin(tx, 0, journal, now, account_journal.last_position(tx))
        journal_heads.save_head(tx, journal.id, JournalHead(0, b""))
        return JournalState.current
    return JournalState.older if any(missing(tx, newest, present.life)) else JournalState.current


def missing(tx: Transaction, records: Sequence[Restriction], present: int) -> list[bool]:
    """For each record, whether a database in the life ``present`` lacks it."""
    accounts = {record.account for record in records if record.account is not None}
    rows = tx.execute(
        "SELECT account_id, last_seq FROM accounts WHERE account_id = ANY(%s)", [sorted(accounts)]
    ).fetchall()
    stood: dict[UUID, int] = dict(rows)
    known = {row[0] for row in tx.execute("SELECT backup_id FROM backups")}
    working: dict[UUID, int] = dict(
        tx.execute("SELECT key_id, version FROM api_keys WHERE revoked_at IS NULL").fetchall()
    )
    versions: dict[int, datetime] = dict(
        tx.execute("SELECT number, applied_at FROM policies").fetchall()
    )
    return [_is_missing(record, present, stood, known, working, versions) for record in records]


def _is_missing(
    record: Restriction,
    present: int,
    stood: dict[UUID, int],
    backups: set[UUID],
    working: dict[UUID, int],
    versions: dict[int, datetime],
) -> bool:
    if record.kind is RestrictionKind.backup:
        return record.backup not in backups
    if record.kind is RestrictionKind.key_revoked:
        return record.key in working
    if record.kind is RestrictionKind.key_limited:
        return record.key is not None and working.get(record.key, record.seq) < record.seq
    if record.life != present:
        return record.life > present
    if record.kind is RestrictionKind.policy:
        # an amendment is applied again
        return record.seq not in versions or versions[record.seq] < record.at
    return record.account is not None and stood.get(record.account, 0) < record.seq
