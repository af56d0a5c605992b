"""What a hold keeps of a conversation, what other holds keep, and what happens to the rest.

The same comparison as the sweep's (`vault.expiry`): a hold keeps a segment or feedback that was
kept when it was placed, and every safety copy. What had expired by then waits for the next sweep,
whatever holds are on the conversation.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from licet.store.connect import Transaction


class HoldCount(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a conversation: segments, their turns, feedback, and safety copies of segments."""

    segments: int = 0
    turns: int = 0
    feedback: int = 0
    safety_copies: int = 0


class HoldCoverage(msgspec.Struct, frozen=True, kw_only=True):
    """All content of a conversation at a moment, each item counted once. ``held`` is kept by the
    hold, ``held_by_others`` only by holds of other matters. The rest is under no hold: ``dated``
    has a future end date, ``due`` goes with the next sweep, ``erased`` is gone.
    """

    held: HoldCount
    held_by_others: HoldCount
    dated: HoldCount
    due: HoldCount
    erased: HoldCount


# `until` is what a hold's day is compared with, `ends` when the item is due without one.
_ITEMS = """
    SELECT account_id, conversation_id, 'segments' AS kind, keep_until AS until, keep_until AS ends,
           erased_at IS NOT NULL AS is_erased, last_turn - first_turn + 1 AS turns FROM segments
     UNION ALL
    SELECT account_id, conversation_id, 'feedback', keep_until, keep_until, erased_at IS NOT NULL, 0
      FROM feedback
     UNION ALL
    SELECT account_id, conversation_id, 'safety_copies', 'infinity', safety_until, false, 0
      FROM segments
     WHERE safety_slot IS NOT NULL"""
_HOLDS_OF = (
    "SELECT FROM holds h WHERE h.account_id = k.account_id AND h.conversation_id = "
    "k.conversation_id"
)
_COVERAGE = f"""
    SELECT k.account_id, k.conversation_id, i.kind,
           CASE WHEN i.is_erased THEN 'erased'
                WHEN k.placed_at < i.until THEN 'held'
                WHEN EXISTS ({_HOLDS_OF} AND h.matter_hmac <> %(matter)s AND h.placed_at < i.until)
                  THEN 'held_by_others'
                WHEN i.ends > %(now)s THEN 'dated' ELSE 'due' END AS place,
           count(*), sum(i.turns)
      FROM (SELECT n.*, CASE WHEN %(placing)s THEN coalesce(
                (SELECT h.placed_at FROM holds h WHERE h.account_id = n.account_id
                    AND h.conversation_id = n.conversation_id AND h.matter_hmac = %(matter)s),
                (SELECT %(now)s::timestamptz WHERE EXISTS (SELECT FROM segments s WHERE s.account_id = n.account_id
                    AND s.conversation_id = n.conversation_id AND s.erased_at IS NULL
                      AND s.keep_until > %(now)s)))
            END AS placed_at
              FROM unnest(%(accounts)s::uuid[], %(conversations)s::uuid[]) AS n(account_id,
                conversation_id)) k
      JOIN LATERAL (SELECT * FROM ({_ITEMS}) a
             WHERE a.account_id = k.account_id AND a.conversation_id = k.conversation_id) i ON true
     GROUP BY 1, 2, 3, 4"""


def coverage(
    tx: Transaction,
    conversations: Sequence[tuple[UUID, UUID]],
    matter: bytes,
    now: datetime,
    *,
    placing: bool,
) -> dict[tuple[UUID, UUID], HoldCoverage]:
    """The coverage of each conversation, by account and conversation; ``matter`` is the keyed hash
    of the matter.

    With ``placing`` by its hold, or one placed ``now``; otherwise by the holds of other matters
    alone.
    """
    rows = tx.execute(
        _COVERAGE,
        {
            "accounts": [account for account, _ in conversations],
            "conversations": [conversation for _, conversation in conversations],
            "matter": matter,
            "now": now,
            "placing": placing,
        },
    ).fetchall()
    amounts: dict[tuple[UUID, UUID], dict[str, dict[str, int]]] = {
        name: {} for name in conversations
    }
    for account, conversation, kind, place, count, turns in rows:
        counts = amounts[account, conversation].setdefault(place, {})
        counts[kind] = int(count)
        if kind == "segments":
            counts["turns"] = int(turns)
    return {
        name: msgspec.convert(_all_places(places), HoldCoverage) for name, places in amounts.items()
    }


def _all_places(places: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    return {place: places.get(place, {}) for place in HoldCoverage.__struct_fields__}


_ENDINGS = {
    "held": "held",
    "held_by_others": "kept by another hold alone",
    "dated": "not held: kept until their own date",
    "due": "not held: past their time, erased by the next sweep",
    "erased": "erased already",
}


def describe_coverage(coverage: HoldCoverage) -> str:
    """Describes the coverage in one line, held content first."""
    parts = [(_amount(getattr(coverage, place)), words) for place, words in _ENDINGS.items()]
    return (
        "; ".join(f"{amount} {words}" for amount, words in parts if amount)
        or "nothing of it is stored"
    )


def _amount(count: HoldCount) -> str:
    amounts = [
        (count.turns, "turn", "turns"),
        (count.feedback, "rating", "ratings"),
        (count.safety_copies, "safety copy", "safety copies"),
    ]
    return ", ".join(
        f"{number:,} {one if number == 1 else many}" for number, one, many in amounts if number
    )
