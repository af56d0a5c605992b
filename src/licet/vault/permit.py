"""Permits, the only way to read content: each requires a decision, or is for the content's own
person.

A `Permit` to use turns of a segment cannot be created unless the rule allows the use, and `open`
accepts nothing else. It opens their content where the decision says: the segment's own, or the
safety copy of flagged content. Turns that share a permit share a key: a segment is decided, sealed
and erased as a unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain, groupby
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from licet.errors import DeniedError
from licet.keys.keyring import Keyring
from licet.keys.material import (
    SLOTS_PER_PAGE,
    WRAPPED_BYTES,
    AccountKeys,
    KeyMaterial,
    safety_place,
    unseal_each,
    unwrap_account_keys,
    unwrap_slot,
)
from licet.masked import Masked
from licet.policy.decide import Decision, DecisionReason
from licet.policy.state import ConversationState
from licet.store.connect import Transaction
from licet.store.rows import unnest_sql, unnest_values
from licet.vault import blocks, cold_tier
from licet.vault.content import Content, decode_each, packed_bytes
from licet.vault.copies import CopyPlace
from licet.vault.tables import AccountRow, ConversationRow

ENVELOPE_BYTES = 128  # at most what sealing and packing add to a turn's content
_STORED = {
    CopyPlace.vault: ("turns", "t.size"),
    CopyPlace.safety: ("safety_bodies", "octet_length(t.sealed)"),
}


class Permit(msgspec.Struct, frozen=True, kw_only=True):
    """The right to open ``turns`` of a segment, by number. ``place`` is where their content is
    stored, ``slot`` that of its key.
    """

    account: AccountRow
    conversation: UUID
    segment: int
    turns: Sequence[int]
    place: CopyPlace
    slot: int

    @classmethod
    def from_decision(
        cls,
        decision: Decision,
        account: AccountRow,
        row: ConversationRow,
        segment: int,
        turns: Sequence[int],
    ) -> Permit:
        """The permit for a decision that is the same for all of ``turns``; DeniedError if it does
        not allow use.
        """
        if not decision.use:
            raise DeniedError(f"this may not be used: `{decision.because.value}`")
        place = CopyPlace.safety if decision.because is DecisionReason.flagged else CopyPlace.vault
        keys = row.keys[segment]
        slot = keys.safety_slot if place is CopyPlace.safety else keys.key_slot
        if slot is None:
            raise DeniedError("the content has been erased, or was never stored")
        return cls(
            account=account,
            conversation=row.conversation_id,
            segment=segment,
            turns=turns,
            place=place,
            slot=slot,
        )

    @staticmethod
    def readable(state: ConversationState, segment: int, now: datetime) -> bool:
        """Whether its own person may still read a segment: neither deleted nor past its period. A
        hold keeps content only for its matter, so it makes nothing readable.
        """
        return state.deleted_at is None and now < state.segments[segment].keep_until

    @classmethod
    def to_owner(
        cls,
        account: AccountRow,
        row: ConversationRow,
        state: ConversationState,
        segment: int,
        turns: Sequence[int],
        now: datetime,
    ) -> Permit:
        """The permit of the conversation's own person, for whom reading is not a use. ``state`` is
        the conversation brought to ``now``. DeniedError for another person's, or for content that
        must be erased.
        """
        slot = row.keys[segment].key_slot
        if (
            account.account_id != row.account_id
            or not cls.readable(state, segment, now)
            or slot is None
        ):
            raise DeniedError("the content has been erased, or is not this account's to read")
        return cls(
            account=account,
            conversation=row.conversation_id,
            segment=segment,
            turns=turns,
            place=CopyPlace.vault,
            slot=slot,
        )

    @classmethod
    def of_safety_copy(
        cls,
        account: AccountRow,
        row: ConversationRow,
        state: ConversationState,
        segment: int,
        turns: Sequence[int],
        now: datetime,
    ) -> Permit:
        """The permit of the person whose words a safety copy contains, while it is kept.
        DeniedError for another person's, or for a copy past its period.
        """
        slot, until = row.keys[segment].safety_slot, state.segments[segment].safety_until
        if account.account_id != row.account_id or slot is None or until is None or now >= until:
            raise DeniedError("the copy has been erased, or is not this account's to read")
        return cls(
            account=account,
            conversation=row.conversation_id,
            segment=segment,
            turns=turns,
            place=CopyPlace.safety,
            slot=slot,
        )


class OpenedTurns(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """The contents that a permit opened, one per turn, and the key, for callers that seal them
    again.
    """

    permit: Permit
    contents: Sequence[Content]
    key: KeyMaterial


def open(tx: Transaction, keyring: Keyring, permits: Sequence[Permit]) -> list[OpenedTurns]:
    """Opens the content of each permit, in order; DeniedError if a key was destroyed after the
    decision.
    """
    return [
        OpenedTurns(permit=permit, contents=decode_each(envelopes), key=key)
        for permit, key, envelopes in _unsealed(tx, keyring, permits)
    ]


def contents_by_turn(opened: Sequence[OpenedTurns]) -> dict[int, Content]:
    """The content of one conversation's turns, by number."""
    return {
        turn: content
        for one in opened
        for turn, content in zip(one.permit.turns, one.contents, strict=True)
    }


def content_bytes(tx: Transaction, keyring: Keyring, permits: Sequence[Permit], limit: int) -> int:
    """The unpacked size of what the permits open, without unpacking; if the stored bytes exceed
    ``limit``, reads nothing and returns the stored size.
    """
    stored = sum(_stored_bytes(tx, permits, where) for where in _STORED)
    # packing saves bytes, except for a few that it adds
    if stored - sum(len(permit.turns) for permit in permits) * ENVELOPE_BYTES > limit:
        return stored
    unsealed = _unsealed(tx, keyring, permits)
    return sum(packed_bytes(envelope) for _, _, envelopes in unsealed for envelope in envelopes)


def _stored_bytes(tx: Transaction, permits: Sequence[Permit], where: CopyPlace) -> int:
    runs = [run for run in _group_by_key(permits) if run[0].place is where]
    if not runs:
        return 0
    table, size = _STORED[where]
    row = tx.execute(
        f"""SELECT coalesce(sum(t.size), 0)
              FROM (SELECT * FROM {unnest_sql(_RUNS)} AS k({", ".join(_RUNS)}) LIMIT %(runs)s) k
             CROSS JOIN LATERAL (SELECT sum({size}) AS size FROM {table} t
                                  WHERE t.account_id = k.account_id
                                    AND t.conversation_id = k.conversation_id
                                    AND t.turn = ANY(k.turns::int4[])) t""",
        _run_parameters(dict(enumerate(runs))),
    ).fetchone()
    assert row is not None
    return int(row[0])


def _unsealed(
    tx: Transaction, keyring: Keyring, permits: Sequence[Permit]
) -> Iterator[tuple[Permit, KeyMaterial, list[bytes]]]:
    together = _group_by_key(permits)
    fetched = _fetch_sealed(tx, keyring, together)
    sealed = [
        (key, sealed.bytes, _place(run[0], sealed))
        for run, (key, each) in zip(together, fetched, strict=True)
        for sealed in each
    ]
    opened = unseal_each(sealed)
    for run, (key, each) in zip(together, fetched, strict=True):
        envelopes: dict[int, bytes] = {}
        for one in each:
            envelopes |= _envelopes(one, next(opened))
        for permit in run:
            try:
                own = [envelopes[turn] for turn in permit.turns]
            except KeyError:
                raise DeniedError(
                    "the turn was stored without content, or its content has been erased"
                ) from None
            yield permit, key, own


_SHARED = attrgetter("account", "conversation", "segment", "place", "slot")


def _group_by_key(permits: Sequence[Permit]) -> list[list[Permit]]:
    """The permits in order, grouped by the key that opens them."""
    return [list(run) for _, run in groupby(permits, _SHARED)]


class _Sealed(NamedTuple):
    """A sealed value: a block, or a turn of a safety copy, which has no sizes."""

    first_turn: int
    sizes: bytes | None
    bytes: bytes


def _place(permit: Permit, sealed: _Sealed) -> bytes:
    """The associated data of what the permit opens."""
    account = permit.account.account_id
    if sealed.sizes is None:
        return safety_place(account, permit.conversation, permit.segment, sealed.first_turn)
    return blocks.associated_data(
        account, permit.conversation, permit.segment, sealed.first_turn, sealed.sizes
    )


def _envelopes(sealed: _Sealed, opened: bytes) -> dict[int, bytes]:
    """The envelopes in an opened value, by turn."""
    if sealed.sizes is None:
        return {sealed.first_turn: opened}
    return blocks.envelopes(sealed.first_turn, sealed.sizes, opened)


# Reads keys and sealed content in one statement, as of one moment. Cuts the key out of its page, which
# is thirty-two times as long.
_RUNS = {
    "account_id": "uuid",
    "conversation_id": "uuid",
    "segment": "int2",
    "turns": "text",
    "first": "int4",
    "last": "int4",
    "slot": "int4",
    "number": "int4",
}


def _find(sealed: str) -> str:
    return f"""
        SELECT k.number, a.wrapped_key, u.bucket, u.epoch, u.wrapped,
               EXISTS (SELECT FROM fence),
               substring(p.slots FROM k.slot %% {SLOTS_PER_PAGE} * {WRAPPED_BYTES} + 1 FOR {WRAPPED_BYTES}), b.*
          FROM (SELECT * FROM {unnest_sql(_RUNS)} AS k({", ".join(_RUNS)}) LIMIT %(runs)s) k
          JOIN accounts a USING (account_id) JOIN buckets u USING (bucket)
          LEFT JOIN key_pages p ON p.account_id = k.account_id
            AND p.page = k.slot / {SLOTS_PER_PAGE}
          LEFT JOIN LATERAL ({sealed}) b ON true ORDER BY k.number"""


_FOUND = {
    CopyPlace.vault: _find(
        f"""SELECT b.first_turn, b.sizes, {cold_tier.PLACED} FROM blocks b
             WHERE b.account_id = k.account_id AND b.conversation_id = k.conversation_id
               AND b.first_turn BETWEEN k.first - {blocks.TURNS_MAX} AND k.last
               AND b.segment = k.segment AND b.sizes IS NOT NULL AND EXISTS (
                   SELECT FROM unnest(k.turns::int4[]) t
                    WHERE t BETWEEN b.first_turn AND b.first_turn + length(b.roles) - 1)"""
    ),
    CopyPlace.safety: _find(
        """SELECT b.turn AS first_turn, NULL::bytea AS sizes, b.sealed, NULL::uuid AS object_id,
                  NULL::int8 AS object_offset, NULL::int4 AS object_length FROM safety_bodies b
            WHERE b.account_id = k.account_id AND b.conversation_id = k.conversation_id
              AND b.segment = k.segment AND b.turn = ANY(k.turns::int4[])"""
    ),
}


def _run_parameters(runs: Mapping[int, Sequence[Permit]]) -> dict[str, Any]:
    """The parameters of a statement about groups of permits, by group number."""
    turns = [list(chain.from_iterable(permit.turns for permit in run)) for run in runs.values()]
    columns = unnest_values(
        _RUNS,
        {
            "account_id": [run[0].account.account_id for run in runs.values()],
            "conversation_id": [run[0].conversation for run in runs.values()],
            "segment": [run[0].segment for run in runs.values()],
            "turns": [f"{{{','.join(map(str, own))}}}" for own in turns],
            "first": list(map(min, turns)),
            "last": list(map(max, turns)),
            "slot": [run[0].slot for run in runs.values()],
            "number": runs,
        },
    )
    return {
        **columns,
        "runs": len(runs),
    }  # a limit, for the reason that `store.rows.keys_sql` gives


def _fetch_sealed(
    tx: Transaction, keyring: Keyring, together: Sequence[Sequence[Permit]]
) -> list[tuple[KeyMaterial, list[_Sealed]]]:
    """The key of each group of permits, and its sealed content; DeniedError if a key was
    destroyed.
    """
    fetched: dict[int, tuple[KeyMaterial, list[_Sealed]]] = {}
    for where, statement in _FOUND.items():
        runs = {number: run for number, run in enumerate(together) if run[0].place is where}
        if not runs:
            continue
        rows = tx.cursor(binary=True).execute(statement, _run_parameters(runs)).fetchall()
        chains = {row[0]: row[1:7] for row in rows}
        keys = _keys(keyring, [(runs[number][0], chain) for number, chain in chains.items()])
        if len(keys) < len(runs):
            raise DeniedError("the key was destroyed after the decision")
        fetched |= {number: (key, []) for number, key in zip(chains, keys, strict=True)}
        stored = [row for row in rows if row[7] is not None]
        sealed = cold_tier.contents(keyring.cold, [row[9:] for row in stored])
        for row, content in zip(stored, sealed, strict=True):
            fetched[row[0]][1].append(_Sealed(row[7], row[8], content))
    return [fetched[number] for number in range(len(together))]


def _keys(keyring: Keyring, chains: Sequence[tuple[Permit, Sequence[Any]]]) -> list[KeyMaterial]:
    """The key of each permit, from its key chain; omits destroyed keys."""
    accounts: dict[UUID, AccountKeys] = {}
    keys: dict[tuple[UUID, int], KeyMaterial | None] = {}
    for permit, (wrapped, *bucket, slot) in chains:
        account = permit.account.account_id
        if account not in accounts and any(wrapped):
            accounts[account] = unwrap_account_keys(keyring.bucket_key(*bucket), account, wrapped)
        if (account, permit.slot) not in keys:
            is_there = account in accounts and slot is not None
            keys[account, permit.slot] = (
                unwrap_slot(slot, account, accounts[account].slots, permit.slot)
                if is_there
                else None
            )
    mine = [keys[permit.account.account_id, permit.slot] for permit, _ in chains]
    return [key for key in mine if key is not None]
