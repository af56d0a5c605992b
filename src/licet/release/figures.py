"""What was counted last of a release, kept for pages that could not wait for it: numbers and closed
words, no text.

Counting reads every row, or everything that may be used, and so takes as long as there is to read.
A command counts, and keeps the result with its moment; a page shows both. Counting again replaces
them.
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
    """What was counted (`release.stats`, `release.duplicates`)."""

    stats = "stats"
    duplicates = "duplicates"


class KeptFigures(msgspec.Struct, Generic[Figures], frozen=True, kw_only=True):
    """Figures, and when they were counted."""

    counted_at: datetime
    figures: Figures


def keep(
    tx: Transaction, release_id: UUID, kind: FiguresKind, figures: msgspec.Struct, now: datetime
) -> None:
    tx.execute(
        """INSERT INTO release_figures (release_id, counted, counted_at, figures)
           VALUES (%s, %s, %s, %s)
           ON CONFLICT (release_id, counted) DO UPDATE
             SET counted_at = excluded.counted_at, figures = excluded.figures""",
        [release_id, kind, now, msgspec.json.encode(figures)],
    )


def kept(
    tx: Transaction, release_id: UUID, kind: FiguresKind, form: type[Figures]
) -> KeptFigures[Figures] | None:
    """The figures as they were counted last, of the ``form`` of this kind; None where nobody has
    counted yet.
    """
    row = tx.execute(
        "SELECT counted_at, figures FROM release_figures WHERE release_id = %s AND counted = %s",
        [release_id, kind],
    ).fetchone()
    return (
        KeptFigures(counted_at=row[0], figures=msgspec.json.decode(row[1], type=form))
        if row is not None
        else None
    )
