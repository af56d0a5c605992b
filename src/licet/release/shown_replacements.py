"""Replaced names shown to readers beside the original, and the readers' marks of wrong
replacements.

The table holds numbers and kinds, no text. Only the reader who was last shown a place may mark it.
A mark changes no release and trains nothing: it is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from licet.store.connect import Transaction

KINDS = frozenset({"person", "address", "place", "organisation"})  # allowed in the table


class PlaceRef(NamedTuple):
    """A replaced name of a release: its row's ordinal, and its index within the row, from 0."""

    row: int
    place: int


class MarkCounts(msgspec.Struct, frozen=True, kw_only=True):
    """The replaced names ``shown`` to readers, and those marked as ``no_name``."""

    shown: int = 0
    no_name: int = 0


_NOTE = """INSERT INTO shown_replacements (release_id, ordinal, place, kind, staff_id, shown_at)
           VALUES (%s, %s, %s, %s, %s, %s)
           ON CONFLICT (release_id, ordinal, place)
              DO UPDATE SET staff_id = excluded.staff_id, shown_at = excluded.shown_at"""
_MARK = """UPDATE shown_replacements SET no_name_at = %s
            WHERE release_id = %s AND ordinal = %s AND place = %s AND staff_id = %s
              RETURNING place"""
_COUNTS = (
    "SELECT kind, count(*), count(no_name_at) FROM shown_replacements WHERE release_id = %s "
    "GROUP BY kind"
)


def note_shown(
    tx: Transaction,
    release: UUID,
    places: Iterable[tuple[PlaceRef, str]],
    *,
    staff: UUID,
    now: datetime,
) -> None:
    """Records the places and kinds shown to a reader, in the transaction that opens them."""
    values = [(release, *ref, kind, staff, now) for ref, kind in places]
    with tx.cursor() as cursor:
        cursor.executemany(_NOTE, values)


def mark(
    tx: Transaction, release: UUID, ref: PlaceRef, *, staff: UUID, now: datetime | None
) -> bool:
    """Marks a place as no name, or removes the mark if ``now`` is None; False for a place that the
    reader was not shown.
    """
    return tx.execute(_MARK, [now, release, *ref, staff]).fetchone() is not None


def marked(tx: Transaction, release: UUID) -> set[PlaceRef]:
    rows = tx.execute(
        "SELECT ordinal, place FROM shown_replacements WHERE release_id = %s AND no_name_at "
        "IS NOT NULL",
        [release],
    ).fetchall()
    return {PlaceRef(*one) for one in rows}


def counts(tx: Transaction, release: UUID) -> Mapping[str, MarkCounts]:
    """The counts of shown and marked places of a release, by kind."""
    rows = tx.execute(_COUNTS, [release]).fetchall()
    return {kind: MarkCounts(shown=shown, no_name=no_name) for kind, shown, no_name in sorted(rows)}
