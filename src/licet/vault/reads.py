"""Reading by staff: only with a reason, recorded before anything is opened, and listed for the person.

A record, its leaf and the opening share one transaction: what was read without a record cannot be. A reviewer opens
what a standing flag covers, from the safety copy; a privacy officer what its own person could read. Nobody else opens
anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from licet.errors import DeniedError, UsageError
from licet.ledger import outbox
from licet.ledger.outbox import Entry, Told
from licet.policy.state import Turn
from licet.store.connect import Transaction
from licet.vault.copies import Place
from licet.vault.ids import uuid7
from licet.vault.keyring import Keyring
from licet.vault.open import Opened, Permit
from licet.vault.open import open as open_content
from licet.vault.view import Seen

TICKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/#-]{0,63}")


class ReadReason(StrEnum):
    """Why staff read content."""

    misuse_review = "misuse_review"
    person_request = "person_request"
    legal_matter = "legal_matter"
    incident = "incident"


class Reader(StrEnum):
    """As what staff read: it says what they may open."""

    reviewer = "reviewer"
    privacy_officer = "privacy_officer"


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """Who reads, as what, why, and under which ticket of their own books."""

    staff: UUID
    role: Reader
    reason: ReadReason
    ticket: str


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """A reading that took place."""

    read_id: UUID
    conversation: UUID
    role: str
    reason: str
    turns: int
    at: datetime


def read(
    tx: Transaction, keyring: Keyring, seen: Seen, turns: Sequence[Turn], reading: Reading,
    random: Callable[[int], bytes],
) -> list[Opened]:  # fmt: skip
    """Records a reading of ``turns`` and opens those that ``reading.role`` may open; DeniedError for none at all."""
    if TICKET.fullmatch(reading.ticket) is None:
        raise UsageError(f"`ticket` is no name: it must match {TICKET.pattern}")
    permits = [permit for turn in turns if (permit := _permit(seen, turn, reading.role)) is not None]
    if not permits:
        raise DeniedError(f"a {reading.role.value} may open nothing of this conversation")
    row, read_id = seen.conversation, uuid7(seen.at, random(10))
    tx.execute(
        """INSERT INTO staff_reads (account_id, read_id, conversation_id, staff_id, role, reason, ticket, turns, read_at)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [
            row.account_id, read_id, row.conversation_id, reading.staff, reading.role.value, reading.reason.value,
            reading.ticket, len(permits), seen.at,
        ],
    )  # fmt: skip
    facts: dict[str, str | int | bool | None] = {
        "conversation": row.conversation_id.hex, "role": reading.role.value, "reason": reading.reason.value,
        "turns": len(permits),
    }  # fmt: skip
    entry = Entry(told=Told.content_read, occurred_at=seen.at, account=row.account_id, facts=facts)
    outbox.append(tx, [entry])
    return open_content(tx, keyring, permits)


def _permit(seen: Seen, turn: Turn, role: Reader) -> Permit | None:
    row, keys = seen.conversation, seen.conversation.keys[turn.segment]
    if role is Reader.privacy_officer:
        if keys.key_slot is None or not Permit.readable(seen.turns, turn.segment, seen.at):
            return None
        return Permit.to_owner(seen.account, row, seen.turns, turn, seen.at)
    segment = seen.turns.segments[turn.segment]
    standing = segment.safety_until is not None and seen.at < segment.safety_until
    if not standing or turn.number > segment.flagged_turn or keys.safety_slot is None:
        return None
    return Permit(
        account=seen.account, conversation=row.conversation_id, segment=turn.segment, turn=turn.number,
        place=Place.safety, slot=keys.safety_slot,
    )  # fmt: skip


def every(tx: Transaction, account: UUID, *, before: UUID | None = None, limit: int) -> list[Read]:
    """The readings of an account's content, newest first."""
    rows = tx.execute(
        """SELECT read_id, conversation_id, role, reason, turns, read_at FROM staff_reads
            WHERE account_id = %(account)s AND (%(before)s::uuid IS NULL OR read_id < %(before)s)
            ORDER BY read_id DESC LIMIT %(limit)s""",
        {"account": account, "before": before, "limit": limit},
    ).fetchall()
    return [
        Read(read_id=read_id, conversation=conversation, role=role, reason=reason, turns=turns, at=at)
        for read_id, conversation, role, reason, turns, at in rows
    ]
