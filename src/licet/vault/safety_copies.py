"""Copies with keys of their own: the safety copy of flagged content, and what a feedback shares.

A safety copy outlives a deletion of the conversation, for investigation, until its own end; a
feedback's copy lives for the feedback's period. Both end with their own key, never with the
segment's.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from licet.keys.material import safety_place, seal, unseal
from licet.policy.state import Share
from licet.store.connect import Transaction
from licet.store.keyset import (
    KeyColumn,
    KeyType,
    ListChoice,
    ListFilter,
    Listing,
    ListOrder,
    newest_and_oldest,
)
from licet.vault import blocks, cold_tier
from licet.vault.copies import NO_REFERENCE, CopyPlace
from licet.vault.list_filters import BY_ACCOUNT, BY_CONVERSATION, by_day
from licet.vault.tables import AccountRow, ConversationRow
from licet.vault.writes import Writes


def open_bodies(
    writes: Writes, account: AccountRow, row: ConversationRow, now: datetime
) -> list[tuple[int, int, bytes]]:
    """(turn, segment, content) of every turn whose content is stored and has not expired, in order.
    Expired content is not copied, even if it is held or not erased yet: a copy would outlive its
    date.
    """
    result = []
    rows = writes.tx.execute(
        f"""SELECT b.first_turn, b.segment, b.sizes, {cold_tier.PLACED} FROM blocks b
             WHERE b.account_id = %s AND b.conversation_id = %s AND b.sizes IS NOT NULL
             ORDER BY b.first_turn""",
        [row.account_id, row.conversation_id],
    ).fetchall()
    contents = cold_tier.contents(writes.keyring.cold, [row[3:] for row in rows])
    for (first_turn, segment, sizes, *_), sealed in zip(rows, contents, strict=True):
        slot = row.keys[segment].key_slot
        if slot is not None and row.state.segments[segment].keep_until > now:
            key = writes.slot_key(account, slot)
            place = blocks.associated_data(
                row.account_id, row.conversation_id, segment, first_turn, sizes
            )
            envelopes = blocks.envelopes(first_turn, sizes, unseal(key, sealed, place))
            result += [
                (turn, segment, envelope)
                for turn, envelope in envelopes.items()
                if turn != blocks.TITLE
            ]
    return result


def copied_turns(tx: Transaction, account: UUID, conversation: UUID) -> set[int]:
    """The turns of a conversation in a safety copy."""
    rows = tx.execute(
        "SELECT turn FROM safety_bodies WHERE account_id = %s AND conversation_id = %s",
        [account, conversation],
    )
    return {row[0] for row in rows}


_SUBJECT = (
    KeyColumn("t.conversation_id", KeyType.uuid),
    KeyColumn("t.seq", KeyType.bigint),
)
_FLAGGED = (KeyColumn("t.flagged_at", KeyType.timestamptz), *_SUBJECT)
_LOOKED_AT = "coalesce(t.upheld_at, t.flagged_at)"
FLAG_REVIEW_DAYS = 90  # after which somebody should look whether a flag still holds
_LAST = """NOT EXISTS (SELECT FROM flags l WHERE l.account_id = t.account_id
    AND l.conversation_id = t.conversation_id
    AND l.overturned_at IS NULL AND (l.flagged_at, l.seq) > (t.flagged_at, t.seq))"""
FLAGS = Listing(
    columns="""t.conversation_id, t.flagged_at, t.score, t.upheld_at, t.overturned_at,
        c.safety_until, t.score_until, t.account_id""",
    source="FROM flags t",
    joins=(
        "JOIN conversations c ON c.account_id = t.account_id AND c.conversation_id = "
        "t.conversation_id"
    ),
    orders={
        **newest_and_oldest(_FLAGGED),
        "review": ListOrder(
            label="to be reviewed first",
            columns=(KeyColumn(_LOOKED_AT, KeyType.timestamptz), *_SUBJECT),
        ),
    },
    filters={
        "state": ListFilter(
            label="State",
            choices={
                "stands": ListChoice(label="stands", kept="t.overturned_at IS NULL"),
                "copied": ListChoice(
                    label="stands, with a safety copy",
                    kept="t.overturned_at IS NULL AND c.safety_until > %(at)s",
                ),
                "overturned": ListChoice(label="overturned", kept="t.overturned_at IS NOT NULL"),
                "due": ListChoice(
                    label="to be reviewed",
                    looked=f"{_LOOKED_AT} <= %(at)s - interval '{FLAG_REVIEW_DAYS} days'",
                    kept=f"t.overturned_at IS NULL AND c.safety_until > %(at)s AND {_LAST}",
                ),
            },
        ),
        **by_day("Flagged from", "t.flagged_at"),
        **BY_CONVERSATION,
        **BY_ACCOUNT,
    },
)


def standing_flags(
    tx: Transaction, now: datetime, limit: int
) -> list[tuple[UUID, UUID, datetime, datetime]]:
    """`(account, conversation, last flagged, end of the safety copy)` of the conversations flagged
    at ``now``, oldest first.
    """
    return tx.execute(
        """SELECT f.account_id, f.conversation_id, max(f.flagged_at), max(c.safety_until)
             FROM flags f JOIN conversations c USING (account_id, conversation_id)
            WHERE f.overturned_at IS NULL AND c.safety_until > %s GROUP BY 1, 2
              ORDER BY 3 LIMIT %s""",
        [now, limit],
    ).fetchall()


def copy(writes: Writes, account: AccountRow, row: ConversationRow, now: datetime) -> None:
    """Copies flagged content that no earlier flag has copied, under a key per segment."""
    known = copied_turns(writes.tx, row.account_id, row.conversation_id)
    for turn, segment, content in open_bodies(writes, account, row, now):
        if turn in known or turn > row.state.segments[segment].flagged_turn:
            continue
        keys = row.keys[segment]
        if keys.safety_slot is None:
            keys.safety_slot, key = writes.new_slot(account)
            writes.register(row, {segment}, CopyPlace.safety, NO_REFERENCE, now)
        else:
            key = writes.slot_key(account, keys.safety_slot)
        place = safety_place(row.account_id, row.conversation_id, segment, turn)
        sealed = seal(key, content, place, writes.random)
        writes.safety_body(row, segment, turn, sealed)
    writes.conversations[row.conversation_id] = row


def end(writes: Writes, row: ConversationRow, now: datetime) -> int:
    """Ends every safety copy of the conversation, the keys first, then the rows; returns the erased
    turns.
    """
    tx = writes.tx
    writes.destroy_slots(
        row.account_id, [keys.safety_slot for keys in row.keys if keys.safety_slot is not None]
    )
    for keys in row.keys:
        keys.safety_slot = None
    key = [row.account_id, row.conversation_id]
    tx.execute(
        "UPDATE segments SET safety_slot = NULL, safety_bytes = 0 WHERE account_id = %s AND "
        "conversation_id = %s",
        key,
    )
    tx.execute(
        """UPDATE flags SET overturned_at = %s
            WHERE account_id = %s AND conversation_id = %s AND overturned_at IS NULL""",
        [now, *key],
    )
    tx.execute(
        """UPDATE copies SET ended_at = %s
            WHERE account_id = %s AND conversation_id = %s AND place = 'safety'
              AND ended_at IS NULL""",
        [now, *key],
    )
    return tx.execute(
        "DELETE FROM safety_bodies WHERE account_id = %s AND conversation_id = %s", key
    ).rowcount


def uphold(tx: Transaction, account: UUID, conversation: UUID, now: datetime) -> bool:
    """Records that the standing flags of a conversation were upheld in a review; False without
    flags.
    """
    return bool(
        tx.execute(
            """UPDATE flags SET upheld_at = %s
                WHERE account_id = %s AND conversation_id = %s AND overturned_at IS NULL""",
            [now, account, conversation],
        ).rowcount
    )


def shared_bodies(
    writes: Writes,
    account: AccountRow,
    row: ConversationRow,
    share: Share,
    turn: int,
    now: datetime,
) -> list[tuple[int, int, bytes]]:
    """The content that a feedback shares: nothing, the rated answer, or all turns so far."""
    match share:
        case Share.rating:
            return []
        case Share.reply:
            return [body for body in open_bodies(writes, account, row, now) if body[0] == turn]
        case Share.conversation:
            return open_bodies(writes, account, row, now)
