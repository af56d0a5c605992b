"""The one way to content: a permit, which only a decision gives, or which its own person has.

A `Permit` to use a turn cannot be made unless the rule allows it, and `open` takes nothing else. It opens the
turn's content where the decision says: the segment's own, or the safety copy of what was flagged.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from licet.errors import DeniedError
from licet.policy.decide import Because, Decision
from licet.policy.state import Conversation, Turn
from licet.store.connect import Transaction
from licet.vault import cold
from licet.vault.content import Content, Masked, decode
from licet.vault.copies import Place
from licet.vault.keyring import Keyring
from licet.vault.keys import Key, turn_place, unseal
from licet.vault.tables import AccountRow, ConversationRow


class Permit(msgspec.Struct, frozen=True, kw_only=True):
    """The right to open one turn. ``place`` is where its content lies, ``slot`` the key that opens it."""

    account: AccountRow
    conversation: UUID
    segment: int
    turn: int
    place: Place
    slot: int

    @classmethod
    def of(cls, decision: Decision, account: AccountRow, row: ConversationRow, turn: Turn) -> Permit:
        """The permit that a decision gives; DeniedError for any decision that does not allow use."""
        if not decision.use:
            raise DeniedError(f"this may not be used: `{decision.because.value}`")
        place = Place.safety if decision.because is Because.flagged else Place.vault
        keys = row.keys[turn.segment]
        slot = keys.safety_slot if place is Place.safety else keys.key_slot
        if slot is None:
            raise DeniedError("the content has been erased, or was never stored")
        return cls(
            account=account, conversation=row.conversation_id, segment=turn.segment, turn=turn.number,
            place=place, slot=slot,
        )  # fmt: skip

    @staticmethod
    def readable(state: Conversation, segment: int, at: datetime) -> bool:
        """Whether its own person may still read a segment: it is neither deleted nor out of its time.

        A hold keeps what it keeps for the matter alone, so it makes nothing readable again.
        """
        return state.deleted_at is None and at < state.segments[segment].keep_until

    @classmethod
    def to_owner(
        cls, account: AccountRow, row: ConversationRow, state: Conversation, turn: Turn, at: datetime
    ) -> Permit:
        """The permit of the person whose conversation it is: reading one's own words is no use of them.

        ``state`` is the conversation brought to ``at``. DeniedError for another's, or for what is to be gone.
        """
        slot = row.keys[turn.segment].key_slot
        if account.account_id != row.account_id or not cls.readable(state, turn.segment, at) or slot is None:
            raise DeniedError("the content has been erased, or is not this account's to read")
        return cls(
            account=account, conversation=row.conversation_id, segment=turn.segment, turn=turn.number,
            place=Place.vault, slot=slot,
        )  # fmt: skip


class Opened(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """What a permit opened, and the key that opened it, for whoever seals it again."""

    permit: Permit
    content: Content
    key: Key


def source_keys(
    tx: Transaction, keyring: Keyring, wanted: Sequence[tuple[AccountRow, int]]
) -> dict[tuple[UUID, int], Key | None]:
    """The keys in (account, slot), None where one was destroyed. For `open` and for whoever leases rows."""
    return keyring.slot_keys(tx, [(account.account_id, slot) for account, slot in wanted])


def open(tx: Transaction, keyring: Keyring, permits: Sequence[Permit]) -> list[Opened]:
    """The content of each permit, in order; DeniedError where a key died after the decision."""
    keys = source_keys(tx, keyring, [(p.account, p.slot) for p in permits])
    bodies = _bodies(tx, keyring, permits, Place.vault) | _bodies(tx, keyring, permits, Place.safety)
    result = []
    for permit in permits:
        key = keys[permit.account.account_id, permit.slot]
        if key is None:
            raise DeniedError("the key was destroyed after the decision")
        sealed = bodies.get((permit.place, permit.conversation, permit.turn))
        if sealed is None:
            raise DeniedError("the turn came without content, or it has been erased")
        place = turn_place(permit.account.account_id, permit.conversation, permit.segment, permit.turn)
        if permit.place is Place.safety:
            place = b"y" + place
        result.append(Opened(permit=permit, content=decode(unseal(key, sealed, place)), key=key))
    return result


def _bodies(
    tx: Transaction, keyring: Keyring, permits: Sequence[Permit], place: Place
) -> dict[tuple[Place, UUID, int], bytes]:
    mine = [p for p in permits if p.place is place]
    if not mine:
        return {}
    table, columns = (
        ("bodies", cold.PLACED) if place is Place.vault else ("safety_bodies", "b.sealed, NULL, NULL, NULL")
    )
    rows = (
        tx.cursor(binary=True)
        .execute(
            f"""
        SELECT b.conversation_id, b.turn, {columns} FROM {table} b
          JOIN (SELECT * FROM unnest(%(account)b::uuid[], %(conversation)b::uuid[], %(turn)b::int[])
                         AS k(account_id, conversation_id, turn)) k USING (account_id, conversation_id, turn)
        """,
            {
                "account": [p.account.account_id for p in mine],
                "conversation": [p.conversation for p in mine],
                "turn": [p.turn for p in mine],
            },
        )
        .fetchall()
    )
    sealed = cold.contents(keyring.cold, [row[2:] for row in rows])
    return {(place, row[0], row[1]): one for row, one in zip(rows, sealed, strict=True)}
