"""The only way to content: a permit, which requires a decision, or belongs to the content's own person.

A `Permit` to use a turn cannot be created unless the rule allows the use, and `open` accepts nothing else. It opens the
turn's content where the decision says: the segment's own, or the safety copy of flagged content.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from licet.errors import DeniedError
from licet.keys.keyring import Keyring
from licet.keys.material import (
    SLOTS_PER_PAGE,
    WRAPPED_BYTES,
    AccountKeys,
    KeyMaterial,
    turn_in_place,
    turns_place,
    unseal_each,
    unwrap_account_keys,
    unwrap_slot,
)
from licet.masked import Masked
from licet.policy.decide import Decision, DecisionReason
from licet.policy.state import ConversationState, TurnState
from licet.store.connect import Transaction
from licet.store.rows import arrays, few
from licet.vault import cold_tier
from licet.vault.content import Content, decode, packed_bytes
from licet.vault.copies import CopyPlace
from licet.vault.tables import AccountRow, ConversationRow

ENVELOPE_BYTES = 128  # at most what sealing and packing add to a turn's content
_STORED = {CopyPlace.vault: ("bodies", cold_tier.SIZE), CopyPlace.safety: ("safety_bodies", "octet_length(b.sealed)")}


class Permit(msgspec.Struct, frozen=True, kw_only=True):
    """The right to open one turn. ``place`` is where its content is stored, ``slot`` that of the key that opens it."""

    account: AccountRow
    conversation: UUID
    segment: int
    turn: int
    place: CopyPlace
    slot: int

    @classmethod
    def of(cls, decision: Decision, account: AccountRow, row: ConversationRow, turn: TurnState) -> Permit:
        """The permit for a decision; DeniedError if the decision does not allow use."""
        if not decision.use:
            raise DeniedError(f"this may not be used: `{decision.because.value}`")
        place = CopyPlace.safety if decision.because is DecisionReason.flagged else CopyPlace.vault
        keys = row.keys[turn.segment]
        slot = keys.safety_slot if place is CopyPlace.safety else keys.key_slot
        if slot is None:
            raise DeniedError("the content has been erased, or was never stored")
        return cls(
            account=account, conversation=row.conversation_id, segment=turn.segment, turn=turn.number,
            place=place, slot=slot,
        )  # fmt: skip

    @staticmethod
    def readable(state: ConversationState, segment: int, at: datetime) -> bool:
        """Whether its own person may still read a segment: it is neither deleted nor past its period.

        A hold keeps content for its matter alone, so it makes nothing readable again.
        """
        return state.deleted_at is None and at < state.segments[segment].keep_until

    @classmethod
    def to_owner(
        cls, account: AccountRow, row: ConversationRow, state: ConversationState, turn: TurnState, at: datetime
    ) -> Permit:
        """The permit of the person whose conversation it is: reading one's own words is not a use of them.

        ``state`` is the conversation brought to ``at``. DeniedError for another person's, or for content that must be
        erased.
        """
        slot = row.keys[turn.segment].key_slot
        if account.account_id != row.account_id or not cls.readable(state, turn.segment, at) or slot is None:
            raise DeniedError("the content has been erased, or is not this account's to read")
        return cls(
            account=account, conversation=row.conversation_id, segment=turn.segment, turn=turn.number,
            place=CopyPlace.vault, slot=slot,
        )  # fmt: skip

    @classmethod
    def of_safety_copy(
        cls, account: AccountRow, row: ConversationRow, state: ConversationState, turn: TurnState, at: datetime
    ) -> Permit:
        """The permit of the person whose words a safety copy holds, while it is kept: they may see what is kept about
        them. DeniedError for another person's, or for a copy whose period is over.
        """
        slot, until = row.keys[turn.segment].safety_slot, state.segments[turn.segment].safety_until
        if account.account_id != row.account_id or slot is None or until is None or at >= until:
            raise DeniedError("the copy has been erased, or is not this account's to read")
        return cls(
            account=account, conversation=row.conversation_id, segment=turn.segment, turn=turn.number,
            place=CopyPlace.safety, slot=slot,
        )  # fmt: skip


class OpenedTurn(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """What a permit opened, and the key that opened it, for callers that seal it again."""

    permit: Permit
    content: Content
    key: KeyMaterial


def source_keys(
    tx: Transaction, keyring: Keyring, wanted: Sequence[tuple[AccountRow, int]]
) -> dict[tuple[UUID, int], KeyMaterial | None]:
    """The keys in (account, slot), None if one was destroyed. Used to lease rows."""
    return keyring.slot_keys(tx, [(account.account_id, slot) for account, slot in wanted])


def open(tx: Transaction, keyring: Keyring, permits: Sequence[Permit]) -> list[OpenedTurn]:
    """Opens the content of each permit, in order; DeniedError if a key was destroyed after the decision."""
    unsealed = _unsealed(tx, keyring, permits)
    return [OpenedTurn(permit=permit, content=decode(envelope), key=key) for permit, key, envelope in unsealed]


def content_bytes(tx: Transaction, keyring: Keyring, permits: Sequence[Permit], most: int) -> int:
    """The number of content bytes that the permits open, without unpacking any; if the stored bytes exceed ``most``,
    nothing is read, and the stored size is returned.
    """
    stored = sum(_stored_bytes(tx, permits, where) for where in _STORED)
    if stored - len(permits) * ENVELOPE_BYTES > most:  # packing saves bytes, except for a few that it adds
        return stored
    return sum(packed_bytes(envelope) for _, _, envelope in _unsealed(tx, keyring, permits))


def _stored_bytes(tx: Transaction, permits: Sequence[Permit], where: CopyPlace) -> int:
    mine = [permit for permit in permits if permit.place is where]
    if not mine:
        return 0
    table, size = _STORED[where]
    row = tx.execute(
        f"""SELECT coalesce(sum({size}), 0)
              FROM (SELECT * FROM unnest(%(accounts)b::uuid[], %(conversations)b::uuid[], %(turns)b::int4[])
                        AS k(account_id, conversation_id, turn)) k
              JOIN {table} b USING (account_id, conversation_id, turn)""",
        {
            "accounts": [permit.account.account_id for permit in mine],
            "conversations": [permit.conversation for permit in mine], "turns": [permit.turn for permit in mine],
        },
    ).fetchone()  # fmt: skip
    assert row is not None
    return int(row[0])


def _unsealed(
    tx: Transaction, keyring: Keyring, permits: Sequence[Permit]
) -> Iterator[tuple[Permit, KeyMaterial, bytes]]:
    found: dict[int, tuple[KeyMaterial, bytes]] = {}
    for where in (CopyPlace.vault, CopyPlace.safety):
        there = [(number, permit) for number, permit in enumerate(permits) if permit.place is where]
        if there:
            found |= _found(tx, keyring, there, where)
    mine = [found[number] for number in range(len(permits))]
    opened = unseal_each((key, sealed, place) for (key, sealed), place in zip(mine, _places(permits), strict=True))
    for permit, (key, _), envelope in zip(permits, mine, opened, strict=True):
        yield permit, key, envelope


def _places(permits: Sequence[Permit]) -> Iterator[bytes]:
    """The associated data of what each permit opens; turns of one conversation mostly follow each other."""
    conversation, begins = None, b""
    for permit in permits:
        if permit.conversation is not conversation:
            conversation = permit.conversation
            begins = turns_place(permit.account.account_id, conversation)
        place = begins + turn_in_place(permit.segment, permit.turn)
        yield b"y" + place if permit.place is CopyPlace.safety else place


# Keys and what they open in one statement: the chain at one moment. The key is cut out of its page here: a
# page is thirty-two times as long.
_PERMITS = {"account_id": "uuid", "conversation_id": "uuid", "turn": "int4", "slot": "int4", "number": "int4"}


def _find(table: str, body: str) -> str:
    return f"""
        SELECT k.number, a.wrapped_key, u.bucket, u.epoch, u.wrapped,
               EXISTS (SELECT FROM fence),
               substring(p.slots FROM k.slot %% {SLOTS_PER_PAGE} * {WRAPPED_BYTES} + 1 FOR {WRAPPED_BYTES}), {body}
          FROM {few(_PERMITS)} k
          JOIN accounts a USING (account_id) JOIN buckets u USING (bucket)
          LEFT JOIN key_pages p ON p.account_id = k.account_id AND p.page = k.slot / {SLOTS_PER_PAGE}
          LEFT JOIN {table} b
            ON b.account_id = k.account_id AND b.conversation_id = k.conversation_id AND b.turn = k.turn"""


_FOUND = {
    CopyPlace.vault: _find("bodies", cold_tier.PLACED),
    CopyPlace.safety: _find("safety_bodies", "b.sealed, NULL, NULL, NULL"),
}


def _found(
    tx: Transaction, keyring: Keyring, permits: Sequence[tuple[int, Permit]], where: CopyPlace
) -> dict[int, tuple[KeyMaterial, bytes]]:
    """The key and the sealed bytes of each permit, by its number; DeniedError if one no longer has any."""
    key = arrays(_PERMITS, {
        "account_id": [p.account.account_id for _, p in permits],
        "conversation_id": [p.conversation for _, p in permits],
        "turn": [p.turn for _, p in permits],
        "slot": [p.slot for _, p in permits],
        "number": [number for number, _ in permits],
    })  # fmt: skip
    key["few"] = len(permits)
    rows = tx.cursor(binary=True).execute(_FOUND[where], key).fetchall()
    asked = dict(permits)
    keys: dict[tuple[int, int], KeyMaterial | None] = {}  # by slot, of an account that is told by its row: see below
    chains: dict[UUID, AccountKeys] = {}
    opens: list[KeyMaterial] = []
    for number, wrapped, *chain in rows:
        slot, row = asked[number].slot, asked[number].account
        known = keys.get((id(row), slot))  # asked once a turn: the id of an account is hashed in Python
        if known is None and (id(row), slot) not in keys:
            account = row.account_id
            if account not in chains and any(wrapped):
                chains[account] = unwrap_account_keys(keyring.bucket_key(*chain[:4]), account, wrapped)
            is_there = account in chains and chain[4] is not None
            known = unwrap_slot(chain[4], account, chains[account].slots, slot) if is_there else None
            keys[id(row), slot] = known
        if known is not None:
            opens.append(known)
    if len(opens) < len(permits):
        raise DeniedError("the key was destroyed after the decision")
    if any(row[7] is None and row[8] is None for row in rows):
        raise DeniedError("the turn was stored without content, or its content has been erased")
    sealed = cold_tier.contents(keyring.cold, [row[7:] for row in rows])
    return {row[0]: (key, body) for row, key, body in zip(rows, opens, sealed, strict=True)}
