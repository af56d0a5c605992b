"""Reads a person's stored feedback and what they shared with it, for that person alone.

Feedback is kept until its date has passed and a sweep has erased it, or longer under a legal hold
of its conversation. Its copy has a key of its own (`vault.safety_copies`), so it is read here and
not by a permit for a turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from licet.keys.keyring import Keyring
from licet.keys.material import unseal
from licet.masked import Masked
from licet.policy.state import Feedback, Share
from licet.store.connect import Transaction
from licet.vault.content import Content, decode
from licet.vault.writes import feedback_place

FEEDBACK_ROWS_MAX = 1_000
COMMENT = 0  # the turn number of the person's own comment


class FeedbackRow(msgspec.Struct, frozen=True, kw_only=True):
    """One feedback. ``turn`` is the rated answer, 0 for the conversation; ``key_slot`` is None if
    nothing was shared. ``check`` is empty except for a host's check, which may have a ``score``.
    """

    account: UUID
    feedback: UUID
    conversation: UUID
    rating: str
    turn: int
    given_at: datetime
    taken_back_at: datetime | None
    key_slot: int | None
    check: str
    score: float | None
    state: Feedback


class SharedFeedback(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """The content of a feedback's copy: the comment, and the shared turns by number."""

    comment: str
    turns: tuple[tuple[int, Content], ...]


def list_stored(
    tx: Transaction,
    account: UUID,
    *,
    before: UUID | None = None,
    limit: int = FEEDBACK_ROWS_MAX,
) -> list[FeedbackRow]:
    """The account's feedback with any stored content, newest first, given before the named one."""
    rows = tx.execute(
        """SELECT account_id, feedback_id, conversation_id, rating, share, turn, given_at,
                  taken_back_at, key_slot,
                  check_name, score, version, narrowed, grant_no, grant_narrowing, keep_until
             FROM feedback
            WHERE account_id = %(account)s AND erased_at IS NULL
              AND (%(before)s::uuid IS NULL OR feedback_id < %(before)s)
            ORDER BY feedback_id DESC LIMIT %(limit)s""",
        {"account": account, "before": before, "limit": limit},
    ).fetchall()
    return [_parse_feedback(row) for row in rows]


def conversation_of(tx: Transaction, account: UUID, feedback: UUID) -> UUID | None:
    """The conversation of an account's feedback; None for one that the account never gave."""
    row = tx.execute(
        "SELECT conversation_id FROM feedback WHERE account_id = %s AND feedback_id = %s",
        [account, feedback],
    ).fetchone()
    return row[0] if row else None


def _parse_feedback(row: Sequence[Any]) -> FeedbackRow:
    (
        account,
        feedback,
        conversation,
        rating,
        share,
        turn,
        given_at,
        taken_back_at,
        slot,
        check,
        score,
        *state,
    ) = row
    version, narrowed, grant, narrowing, keep_until = state
    return FeedbackRow(
        account=account,
        feedback=feedback,
        conversation=conversation,
        rating=rating,
        turn=turn,
        given_at=given_at,
        taken_back_at=taken_back_at,
        key_slot=slot,
        check=check,
        score=score,
        state=Feedback(
            share=Share(share),
            version=version,
            narrowed=narrowed,
            keep_until=keep_until,
            grant=grant,
            narrowing=narrowing or 0,
        ),
    )


def open_shared(
    tx: Transaction, keyring: Keyring, rows: Sequence[FeedbackRow], now: datetime
) -> dict[UUID, SharedFeedback]:
    """Opens the content shared with each feedback, for its own person; nothing after its period,
    even under a hold.
    """
    mine = {
        row.feedback: row for row in rows if row.key_slot is not None and row.state.keep_until > now
    }
    wanted = [(row.account, row.key_slot) for row in mine.values() if row.key_slot is not None]
    keys = keyring.slot_keys(tx, wanted) if wanted else {}
    bodies = tx.execute(
        """SELECT b.feedback_id, b.turn, b.sealed FROM feedback_bodies b
             JOIN (SELECT * FROM unnest(%(account)b::uuid[], %(feedback)b::uuid[]) AS k(account_id, feedback_id)) k
            USING (account_id, feedback_id) ORDER BY b.feedback_id, b.turn""",
        {"account": [row.account for row in mine.values()], "feedback": list(mine)},
    ).fetchall()
    shared: dict[UUID, list[tuple[int, Content]]] = {}
    for feedback, turn, sealed in bodies:
        row = mine[feedback]
        key = keys.get((row.account, row.key_slot)) if row.key_slot is not None else None
        if key is not None:
            content = decode(unseal(key, sealed, feedback_place(feedback, turn)))
            shared.setdefault(feedback, []).append((turn, content))
    return {
        feedback: SharedFeedback(
            comment=next((content.text for turn, content in contents if turn == COMMENT), ""),
            turns=tuple((turn, content) for turn, content in contents if turn != COMMENT),
        )
        for feedback, contents in shared.items()
    }
