"""Stores the last computed figures of a release for the console: numbers and closed words, no text.

Computing them reads every row, or all usable content, which is too slow for a page. A command
computes and stores them with their time; the next computation replaces them.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar
from uuid import UUID

import msgspec

from licet.store.connect import Transaction

Figures = TypeVar("Figures", bound=msgspec.Struct)


class FiguresKind(StrEnum):
    """The kind of figures (`release.stats`, `release.duplicates`)."""

    stats = "stats"
    duplicates = "duplicates"


class StoredFigures(msgspec.Struct, Generic[Figures], frozen=True, kw_only=True):
    """Stored figures with their time."""

    counted_at: datetime
    figures: Figures


def store_figures(
    tx: Transaction, release_id: UUID, kind: FiguresKind, figures: msgspec.Struct, now: datetime
) -> None:
    tx.execute(
        """INSERT INTO release_figures (release_id, counted, counted_at, figures)
           VALUES (%s, %s, %s, %s)
           ON CONFLICT (release_id, counted) DO UPDATE
             SET counted_at = excluded.counted_at, figures = excluded.figures""",
        [release_id, kind, now, msgspec.json.encode(figures)],
    )


def load_figures(
    tx: Transaction, release_id: UUID, kind: FiguresKind, form: type[Figures]
) -> StoredFigures[Figures] | None:
    """The last stored figures of a kind, whose type is ``form``; None if there are none."""
    row = tx.execute(
        "SELECT counted_at, figures FROM release_figures WHERE release_id = %s AND counted = %s",
        [release_id, kind],
    ).fetchone()
    return (
        StoredFigures(counted_at=row[0], figures=msgspec.json.decode(row[1], type=form))
        if row is not None
        else None
    )
