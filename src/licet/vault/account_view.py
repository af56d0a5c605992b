"""Reading: an account and its conversations as the rule sees them at a moment.

Nothing is locked and nothing is written: the account is brought to the moment in memory, so that a version that
became effective ends a grant in the answer even before any verb has written so.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from msgspec.structs import replace

from licet.policy import fold
from licet.policy.decide import Decision, Gate, decide, gate
from licet.policy.file import Policies
from licet.policy.state import AccountState, ConversationState, TurnRole, TurnState
from licet.store.connect import Transaction
from licet.vault import tables
from licet.vault.tables import ACCOUNT_COLUMNS, AccountRow, ConversationRow


class AccountView(msgspec.Struct, frozen=True, kw_only=True):
    """One conversation and its account, brought to a moment. ``said`` are its turns, where they were asked for."""

    account: AccountRow
    state: AccountState
    conversation: ConversationRow
    turns: ConversationState
    at: datetime
    said: tuple[TurnState, ...] = ()

    def decide(self, turn: TurnState | None, policies: Policies, purpose: str) -> Decision:
        return decide(self.state, self.turns, turn, policies, purpose, self.at)


def brought(account: AccountRow, policies: Policies, at: datetime) -> fold.AccountChange:
    """The account at ``at``, or at its newest event where that is later."""
    return fold.advance(account.state, policies, max(at, account.state.last_at))


def accounts(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, AccountRow]:
    rows = tx.execute(f"SELECT {ACCOUNT_COLUMNS} FROM accounts WHERE account_id = ANY(%s)", [list(ids)]).fetchall()
    return {row[0]: tables.read_account(row) for row in rows}


def account_by_host(tx: Transaction, host: bytes) -> UUID | None:
    row = tx.execute("SELECT account_id FROM accounts WHERE host_hmac = %s", [host]).fetchone()
    return row[0] if row else None


def owner(tx: Transaction, conversation: UUID) -> UUID | None:
    """Whose conversation it is."""
    row = tx.execute("SELECT account_id FROM conversations WHERE conversation_id = %s", [conversation]).fetchone()
    return row[0] if row else None


def seen(
    tx: Transaction, keys: Sequence[tuple[UUID, UUID]], policies: Policies, at: datetime, *, with_turns: bool = False
) -> dict[UUID, AccountView]:
    """The conversations with these (account, conversation) ids at ``at``, by conversation; read in one statement."""
    if not keys:
        return {}
    loaded = tables.load(tx, keys, turns=with_turns)
    states = {account: brought(row, policies, at) for account, row in loaded.accounts.items()}
    result = {}
    for row in loaded.conversations:
        changed, holder = states[row.account_id], loaded.accounts[row.account_id]
        turns = row.state
        for ending in changed.endings:
            turns = fold.shortened(turns, ending.content_until)
        result[row.conversation_id] = AccountView(
            account=holder,
            state=replace(changed.account, last_at=holder.state.last_at),
            conversation=row,
            turns=turns,
            at=at,
            said=loaded.turns.get(row.conversation_id, ()),
        )
    return result


def turns(tx: Transaction, account: UUID, conversation: UUID) -> list[TurnState]:
    """The turns of a conversation, in order, erased ones included."""
    rows = tx.execute(
        """SELECT turn, segment, role, origin FROM turns
            WHERE account_id = %s AND conversation_id = %s ORDER BY turn""",
        [account, conversation],
    ).fetchall()
    return [
        TurnState(number=number, segment=segment, role=TurnRole(role), origin=origin)
        for number, segment, role, origin in rows
    ]


def gate_of(tx: Transaction, account: UUID, policies: Policies, at: datetime) -> Gate | None:
    """The gate of an account at ``at``; None for one that does not exist."""
    row = accounts(tx, [account]).get(account)
    return None if row is None else gate(brought(row, policies, at).account, policies, at)
