"""The register of copies: every place that holds content, or something derived from it.

A copy is registered in the transaction that writes it, so that an erasure cannot miss any place.
What lies in a release is registered by its rows (`release_rows`), and has no row here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from licet.store.connect import Transaction
from licet.store.rows import unnest_sql, unnest_values

NO_REFERENCE = UUID(int=0)


class CopyPlace(StrEnum):
    vault = "vault"
    safety = "safety"
    feedback = "feedback"
    release = "release"
    export = "export"  # in clear, with a recipient: no key protects it, so it is recalled


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """One segment's content in one place; ``reference`` names the feedback or export that contains
    it.
    """

    account: UUID
    conversation: UUID
    segment: int
    place: CopyPlace
    reference: UUID = NO_REFERENCE


_COPIES = {
    "account_id": "uuid", "conversation_id": "uuid", "segment": "int2", "place": "text", "reference": "uuid",
    "registered_at": "timestamptz",
}  # fmt: skip


def register(tx: Transaction, copies: Mapping[Copy, datetime]) -> None:
    """Registers each copy at its time, in one statement; an existing registration is unchanged, and
    an ended one begins anew.
    """
    if not copies:
        return
    tx.execute(
        f"""
        INSERT INTO copies ({", ".join(_COPIES)}) SELECT * FROM {unnest_sql(_COPIES)}
        ON CONFLICT (account_id, conversation_id, segment, place, reference) DO UPDATE
          SET ended_at = NULL
        """,
        unnest_values(
            _COPIES,
            {
                "account_id": [c.account for c in copies],
                "conversation_id": [c.conversation for c in copies],
                "segment": [c.segment for c in copies],
                "place": [c.place.value for c in copies],
                "reference": [c.reference for c in copies],
                "registered_at": copies.values(),
            },
        ),
    )


def register_exported(
    tx: Transaction, release: UUID, ordinals: Sequence[int], export: UUID, now: datetime
) -> None:
    """Registers the sources of the release rows with these ordinals as copies in an export."""
    tx.execute(
        """
        INSERT INTO copies (account_id, conversation_id, segment, place, reference, registered_at)
        SELECT DISTINCT r.account_id, r.conversation_id, k.segment, 'export', %(export)s::uuid,
          %(at)s::timestamptz
          FROM release_rows r CROSS JOIN LATERAL release_row_keys(r.sources) k
         WHERE r.release_id = %(release)s AND r.block = ANY(release_blocks(%(ordinals)b::int[]))
           AND r.ordinal = ANY(%(ordinals)b::int[])
        """,
        {"release": release, "ordinals": list(ordinals), "export": export, "at": now},
    )


def end_exported_rows(
    tx: Transaction,
    release: UUID,
    export: UUID,
    deleted: Sequence[int],
    remaining: Sequence[int],
    now: datetime,
) -> None:
    """The recipient of an export has deleted some of its rows: ends the copies that no row in
    ``remaining`` was made from.
    """
    tx.execute(
        """
        UPDATE copies c SET ended_at = %(at)s
         WHERE c.place = 'export' AND c.reference = %(export)s AND c.ended_at IS NULL
           AND EXISTS (SELECT FROM release_rows r CROSS JOIN LATERAL release_row_keys(r.sources) k
                        WHERE r.account_id = c.account_id AND r.conversation_id = c.conversation_id
                          AND r.release_id = %(release)s AND r.ordinal = ANY(%(deleted)b::int[])
                            AND k.segment = c.segment)
           AND NOT EXISTS (SELECT FROM release_rows r CROSS
             JOIN LATERAL release_row_keys(r.sources) k
                            WHERE r.account_id = c.account_id
                              AND r.conversation_id = c.conversation_id
                              AND r.release_id = %(release)s AND r.ordinal = ANY(%(left)b::int[])
                                AND k.segment = c.segment)
        """,
        {
            "release": release,
            "export": export,
            "deleted": list(deleted),
            "left": list(remaining),
            "at": now,
        },
    )


def end_whole(tx: Transaction, place: CopyPlace, reference: UUID, now: datetime) -> None:
    """Ends all copies at ``reference``, as when an export was deleted."""
    tx.execute(
        "UPDATE copies SET ended_at = %s WHERE place = %s AND reference = %s AND ended_at IS NULL",
        [now, place.value, reference],
    )
