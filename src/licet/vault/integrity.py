"""States that must not occur: a key without its content, content without its key, or an
unregistered copy.

Each is a count over whole tables, independent of the code that wrote them; a sound vault answers 0
to all.
"""

from __future__ import annotations

from licet.store.connect import Transaction


def blocks_without_segment(tx: Transaction) -> int:
    """Blocks without a segment."""
    return _count(
        tx,
        """SELECT count(*) FROM blocks b WHERE NOT EXISTS (SELECT FROM segments s
              WHERE s.account_id = b.account_id
              AND s.conversation_id = b.conversation_id AND s.segment = b.segment)""",
    )


def blocks_without_key(tx: Transaction) -> int:
    """Sealed blocks, and records of name places, whose key is destroyed."""
    return _count(
        tx,
        """SELECT count(*) FROM (SELECT account_id, conversation_id, segment FROM blocks
                                   WHERE sizes IS NOT NULL UNION ALL
                                  SELECT account_id, conversation_id, segment FROM found_names) b
             JOIN segments s USING (account_id, conversation_id, segment)
            WHERE s.key_slot IS NULL OR s.erased_at IS NOT NULL""",
    )


def keys_without_block(tx: Transaction) -> int:
    """Keys of segments without a sealed block."""
    return _count(
        tx,
        """SELECT count(*) FROM segments s WHERE s.key_slot IS NOT NULL AND NOT EXISTS (
               SELECT FROM blocks b WHERE b.sizes IS NOT NULL AND b.account_id = s.account_id
                 AND b.conversation_id = s.conversation_id
                  AND b.segment = s.segment)""",
    )


def segments_unregistered(tx: Transaction) -> int:
    """Kept segments missing from the register of copies."""
    return _count(
        tx,
        """SELECT count(*) FROM segments s WHERE s.key_slot IS NOT NULL AND NOT EXISTS (
               SELECT FROM copies c WHERE c.account_id = s.account_id
                 AND c.conversation_id = s.conversation_id
                  AND c.segment = s.segment AND c.place = 'vault' AND c.ended_at IS NULL)""",
    )


def segments_erased(tx: Transaction) -> int:
    """Segments whose content is erased: only their row remains."""
    return _count(tx, "SELECT count(*) FROM segments WHERE erased_at IS NOT NULL")


def _count(tx: Transaction, statement: str) -> int:
    row = tx.execute(statement).fetchone()
    return int(row[0]) if row else 0
