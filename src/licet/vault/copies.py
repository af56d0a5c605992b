"""The register of copies: every place that holds content, or something derived from it.

A copy is registered in the transaction that writes it, so that an erasure cannot miss any place.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from licet.store.connect import Transaction
from licet.store.rows import arrays, unnested

NO_REFERENCE = UUID(int=0)


class CopyPlace(StrEnum):
    vault = "vault"
    safety = "safety"
    feedback = "feedback"
    release = "release"
    export = "export"  # in clear, with a recipient: no key protects it, so it is recalled


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """One segment's content in one place; ``reference`` names the feedback, release or export that contains it."""

    account: UUID
    conversation: UUID
    segment: int
    place: CopyPlace
    reference: UUID = NO_REFERENCE


_COPIES = {
    "account_id": "uuid", "conversation_id": "uuid", "segment": "int2", "place": "text", "reference": "uuid",
    "registered_at": "timestamptz",
}  # fmt: skip


def register(tx: Transaction, copies: Sequence[Copy], at: datetime) -> None:
    """Registers ``copies``; an existing registration is unchanged, and an ended one begins anew."""
    register_each(tx, dict.fromkeys(copies, at))


def register_each(tx: Transaction, copies: Mapping[Copy, datetime]) -> None:
    """`register` for copies with a time each, in one statement."""
    if not copies:
        return
    tx.execute(
        f"""
        INSERT INTO copies ({", ".join(_COPIES)}) SELECT * FROM {unnested(_COPIES)}
        ON CONFLICT (account_id, conversation_id, segment, place, reference) DO UPDATE SET ended_at = NULL
        """,
        arrays(_COPIES, {
            "account_id": [c.account for c in copies],
            "conversation_id": [c.conversation for c in copies],
            "segment": [c.segment for c in copies],
            "place": [c.place.value for c in copies],
            "reference": [c.reference for c in copies],
            "registered_at": copies.values(),
        }),
    )  # fmt: skip


def register_exported(tx: Transaction, release: UUID, ordinals: Sequence[int], export: UUID, at: datetime) -> None:
    """Registers the sources of the release rows with these ordinals as copies in an export."""
    tx.execute(
        """
        INSERT INTO copies (account_id, conversation_id, segment, place, reference, registered_at)
        SELECT DISTINCT r.account_id, r.conversation_id, s.segment, 'export', %(export)s::uuid, %(at)s::timestamptz
          FROM release_rows r CROSS JOIN LATERAL unnest(r.key_segments) AS s(segment)
         WHERE r.release_id = %(release)s AND r.ordinal = ANY(%(ordinals)b::int[])
        """,
        {"release": release, "ordinals": list(ordinals), "export": export, "at": at},
    )


def end_exported_rows(
    tx: Transaction, release: UUID, export: UUID, deleted: Sequence[int], left: Sequence[int], at: datetime
) -> None:
    """The recipient of an export has deleted some of its rows: ends the copies that no row in ``left`` was made from."""
    tx.execute(
        """
        UPDATE copies c SET ended_at = %(at)s
         WHERE c.place = 'export' AND c.reference = %(export)s AND c.ended_at IS NULL
           AND EXISTS (SELECT FROM release_rows r WHERE r.account_id = c.account_id AND r.conversation_id = c.conversation_id
                          AND r.release_id = %(release)s AND r.ordinal = ANY(%(deleted)b::int[])
                          AND c.segment = ANY(r.key_segments))
           AND NOT EXISTS (SELECT FROM release_rows r WHERE r.account_id = c.account_id
                              AND r.conversation_id = c.conversation_id AND r.release_id = %(release)s
                              AND r.ordinal = ANY(%(left)b::int[]) AND c.segment = ANY(r.key_segments))
        """,
        {"release": release, "export": export, "deleted": list(deleted), "left": list(left), "at": at},
    )


def end_whole(tx: Transaction, place: CopyPlace, reference: UUID, at: datetime) -> None:
    """Ends all copies at ``reference``: a build was discarded, or an export deleted."""
    tx.execute(
        "UPDATE copies SET ended_at = %s WHERE place = %s AND reference = %s AND ended_at IS NULL",
        [at, place.value, reference],
    )


def end_rowless(
    tx: Transaction, release: UUID, accounts: Collection[UUID], conversations: Collection[UUID], at: datetime
) -> None:
    """Rows of these accounts and conversations left a release: ends the copies that no remaining row was made from."""
    tx.execute(
        """UPDATE copies c SET ended_at = %(at)s
            WHERE c.place = 'release' AND c.reference = %(release)s
              AND c.account_id = ANY(%(accounts)s) AND c.conversation_id = ANY(%(conversations)s)
              AND NOT EXISTS (SELECT FROM release_rows r WHERE r.account_id = c.account_id
                                 AND r.release_id = c.reference AND r.conversation_id = c.conversation_id
                                 AND c.segment = ANY(r.key_segments))""",
        {"at": at, "release": release, "accounts": sorted(accounts), "conversations": sorted(conversations)},
    )
