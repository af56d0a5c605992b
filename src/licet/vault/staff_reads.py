"""Reading by staff: only with a reason, recorded before anything is opened, and visible to the
person.

A record, its leaf and the opening share one transaction: nothing can be read without a record. A
reviewer opens what a standing flag covers, from the safety copy; a privacy officer opens what the
person could read. Nobody else opens anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from licet.errors import DeniedError, UsageError
from licet.keys.keyring import Keyring
from licet.ledger import outbox
from licet.ledger.outbox import Entry, EntryKind
from licet.policy.state import TurnState
from licet.store.connect import Transaction
from licet.store.keyset import (
    KeyColumn,
    KeyType,
    ListChoice,
    ListFilter,
    Listing,
    newest_and_oldest,
    read_name,
)
from licet.vault.account_view import AccountView
from licet.vault.content import Content
from licet.vault.copies import CopyPlace
from licet.vault.ids import uuid7
from licet.vault.list_filters import BY_ACCOUNT, by_day_of_id
from licet.vault.permit import Permit, contents_by_turn
from licet.vault.permit import open as open_content

# The reason for reading rows of a release, never a conversation: so it cannot be given for one.
RELEASE_REVIEW = "release_review"
TICKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/#-]{0,63}")


class ReadReason(StrEnum):
    """Why staff read content."""

    misuse_review = "misuse_review"
    person_request = "person_request"
    legal_matter = "legal_matter"
    incident = "incident"


class ReaderRole(StrEnum):
    """The role of the reading staff, which determines what they may open."""

    reviewer = "reviewer"
    privacy_officer = "privacy_officer"


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """A request to read: the member of staff, their role, reason, and ticket."""

    staff: UUID
    role: ReaderRole
    reason: ReadReason
    ticket: str


class ReadNoted(msgspec.Struct, frozen=True, kw_only=True):
    """A reading to record: of ``turns`` turns of one conversation."""

    account: UUID
    conversation: UUID
    staff: UUID
    role: ReaderRole
    reason: str
    ticket: str
    turns: int
    at: datetime


class StaffRead(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded reading."""

    read_id: UUID
    account: UUID
    conversation: UUID
    staff: UUID
    role: str
    reason: str
    ticket: str
    turns: int
    at: datetime


def read(
    tx: Transaction,
    keyring: Keyring,
    view: AccountView,
    turns: Sequence[TurnState],
    reading: Reading,
    random: Callable[[int], bytes],
) -> dict[int, Content]:
    """Records a reading of ``turns`` and opens those that ``reading.role`` may open, by number;
    DeniedError if there are none.
    """
    if TICKET.fullmatch(reading.ticket) is None:
        raise UsageError(f"`ticket` must match {TICKET.pattern}")
    permits = [
        permit for turn in turns if (permit := _permit(view, turn, reading.role)) is not None
    ]
    if not permits:
        raise DeniedError(f"a {reading.role.value} may open nothing of this conversation")
    row = view.conversation
    note = ReadNoted(
        account=row.account_id,
        conversation=row.conversation_id,
        staff=reading.staff,
        role=reading.role,
        reason=reading.reason.value,
        ticket=reading.ticket,
        turns=len(permits),
        at=view.at,
    )
    record(tx, note, random)
    return contents_by_turn(open_content(tx, keyring, permits))


def record(tx: Transaction, note: ReadNoted, random: Callable[[int], bytes]) -> None:
    """Records a reading with its leaf, in the transaction that opens the content."""
    tx.execute(
        """INSERT INTO staff_reads (account_id, read_id, conversation_id, staff_id, role, reason,
           ticket, turns, read_at)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [
            note.account,
            uuid7(note.at, random(10)),
            note.conversation,
            note.staff,
            note.role.value,
            note.reason,
            note.ticket,
            note.turns,
            note.at,
        ],
    )
    facts: dict[str, str | int | bool | None] = {
        "conversation": note.conversation.hex,
        "role": note.role.value,
        "reason": note.reason,
        "turns": note.turns,
    }
    outbox.append(
        tx,
        [
            Entry(
                kind=EntryKind.content_read, occurred_at=note.at, account=note.account, facts=facts
            )
        ],
    )


def _permit(view: AccountView, turn: TurnState, role: ReaderRole) -> Permit | None:
    row, keys = view.conversation, view.conversation.keys[turn.segment]
    if role is ReaderRole.privacy_officer:
        if keys.key_slot is None or not Permit.readable(view.turns, turn.segment, view.at):
            return None
        of = turn.segment, [turn.number]
        return Permit.to_owner(view.account, row, view.turns, *of, view.at)
    segment = view.turns.segments[turn.segment]
    standing = segment.safety_until is not None and view.at < segment.safety_until
    if not standing or turn.number > segment.flagged_turn or keys.safety_slot is None:
        return None
    return Permit(
        account=view.account,
        conversation=row.conversation_id,
        segment=turn.segment,
        turns=[turn.number],
        place=CopyPlace.safety,
        slot=keys.safety_slot,
    )


def newest(
    tx: Transaction,
    limit: int,
    *,
    account: UUID | None = None,
    conversation: UUID | None = None,
    before: UUID | None = None,
) -> list[StaffRead]:
    """The newest ``limit`` readings before ``before``: of all content, an account's, or one
    conversation's.
    """
    tests = {"account_id =": account, "conversation_id =": conversation, "read_id <": before}
    conditions = {test: value for test, value in tests.items() if value is not None}
    where = " AND ".join([f"{test} %s" for test in conditions] or ["true"])
    rows = tx.execute(
        f"""SELECT read_id, account_id, conversation_id, staff_id, role, reason, ticket, turns,
             read_at FROM staff_reads
             WHERE {where} ORDER BY read_id DESC LIMIT %s""",
        [*conditions.values(), limit],
    )
    return [StaffRead(**dict(zip(StaffRead.__struct_fields__, row, strict=True))) for row in rows]


LISTING = Listing(
    columns=(
        "t.read_at, t.staff_id, t.role, t.reason, t.ticket, t.turns, t.conversation_id, "
        "t.account_id"
    ),
    source="FROM staff_reads t",
    orders=newest_and_oldest((KeyColumn("t.read_id", KeyType.uuid),)),
    filters={
        "reason": ListFilter(
            label="Reason",
            choices={
                one: ListChoice(label=one.replace("_", " "), kept=f"t.reason = '{one}'")
                for one in (*(reason.value for reason in ReadReason), RELEASE_REVIEW)
            },
        ),
        "role": ListFilter(
            label="Role",
            choices={
                one.value: ListChoice(
                    label=one.value.replace("_", " "), kept=f"t.role = '{one.value}'"
                )
                for one in ReaderRole
            },
        ),
        "ticket": ListFilter(
            label="Ticket", sql="t.ticket = %(value)s", read=read_name, hint="REQ-17"
        ),
        **by_day_of_id("Read from", "t.read_id"),
        **BY_ACCOUNT,
    },
)
