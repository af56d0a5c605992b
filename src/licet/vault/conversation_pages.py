"""Every conversation, page by page, for readers of all of them, such as the build of a release.

A page is bounded in conversations and in bytes of content. A caller that reads several pages as of
one moment passes a transaction that is REPEATABLE READ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias
from uuid import UUID

from licet.store.connect import Transaction
from licet.vault import blocks, cold_tier
from licet.vault.blocks import TurnColumns

PAGE_CONVERSATIONS_MAX = 256
TURN_BYTES = 512  # the memory of a turn without its content

Place: TypeAlias = tuple[UUID, UUID]  # an account and a conversation of it
START: Place = (UUID(int=0), UUID(int=0))


def page_after(tx: Transaction, after: Place, *, bytes_max: int) -> list[Place]:
    """The next conversations by account and id, up to a page's number and bytes. A larger
    conversation gets a page of its own.
    """
    weights = " + ".join(
        f"""(SELECT coalesce(sum({size}), 0) FROM {table} b
              WHERE b.account_id = c.account_id AND b.conversation_id = c.conversation_id)"""
        for table, size in (
            ("blocks", f"coalesce({cold_tier.SIZE} + {TURN_BYTES} * length(b.roles), 0)"),
            ("safety_bodies", f"octet_length(b.sealed) + {TURN_BYTES}"),
        )
    )
    rows = tx.execute(
        f"""SELECT c.account_id, c.conversation_id, {weights} FROM conversations c
             WHERE (c.account_id, c.conversation_id) > (%s, %s)
               ORDER BY c.account_id, c.conversation_id LIMIT %s""",
        [*after, PAGE_CONVERSATIONS_MAX],
    ).fetchall()
    page: list[Place] = []
    total = 0
    for account, conversation, weight in rows:
        total += int(weight)
        if page and total > bytes_max:
            break
        page.append((account, conversation))
    return page


def turns_with_content(tx: Transaction, places: Sequence[Place]) -> dict[UUID, list[TurnColumns]]:
    """The turns of these conversations whose content is stored, in order, block by block."""
    # by place, not id: a UUID would be built and hashed for each block
    blocks_by_place: dict[int, list[TurnColumns]] = {}
    rows = tx.cursor(binary=True).execute(
        f"""
        SELECT k.place, {blocks.PACKED},
               (SELECT array_agg(y.turn) FROM safety_bodies y WHERE y.account_id = b.account_id
                   AND y.conversation_id = b.conversation_id AND y.segment = b.segment)
          FROM blocks b
          JOIN (SELECT * FROM unnest(%(account)b::uuid[], %(conversation)b::uuid[]) WITH ORDINALITY
                          AS k(account_id, conversation_id, place)) k USING (account_id,
                            conversation_id)
         ORDER BY b.account_id, b.conversation_id, b.first_turn
        """,
        {
            "account": [account for account, _ in places],
            "conversation": [conversation for _, conversation in places],
        },
    )
    for place, *packed, copied in rows.fetchall():
        turns, numbers = blocks.columns(*packed), set(copied or ())
        stored = [
            nth
            for nth, (number, size) in enumerate(zip(turns.numbers, turns.sizes, strict=True))
            if (size or number in numbers) and number != blocks.TITLE
        ]
        if stored:
            blocks_by_place.setdefault(place, []).append(turns.select(stored))
    return {places[place - 1][1]: turns for place, turns in blocks_by_place.items()}
