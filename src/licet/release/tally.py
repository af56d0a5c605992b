"""The counts of a build: its rows by ordinal, and turns included and excluded.

Invariant: candidates = included + dropped, after every page and every removed row. Memory: 68 bytes
a row; no content.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta

from licet.release import merkle
from licet.release.contents import ContentTally
from licet.release.draft import StoredPage
from licet.release.part import EPOCH
from licet.release.quality_counts import QualityTally

_NEVER = 2**63 - 1


class Tally:
    """Counts rows in order of ordinals; `take_out` removes one. ``gone``: the removed ones."""

    def __init__(self) -> None:
        self.candidates = self.included = 0
        self.dropped: Counter[str] = Counter()
        self.replaced: Counter[str] = Counter()
        self.changes: Counter[str] = Counter()
        self.unread: Counter[str] = Counter()  # conversations left out for their language
        self.splits = array("H")  # of each row, by its number
        self._splits: dict[str, int] = {}  # their numbers
        self.carried = bytearray()  # of each row, 1 if it was curated in the base
        self.contents = ContentTally()
        self.quality = QualityTally()
        self.gone: set[int] = set()
        self._leaves = bytearray()
        self._untils = array("q")

    @property
    def rows(self) -> int:
        """The number of assigned ordinals, removed rows included."""
        return len(self._untils)

    def add(self, leaf: bytes, until_us: int) -> None:
        self._leaves += leaf
        self._untils.append(until_us)

    def skip(self) -> None:
        """Adds the next row as removed: it keeps its ordinal."""
        self._leaves += bytes(32)
        self._untils.append(_NEVER)

    def cut(self, rows: int) -> None:
        """Drops the rows from the ordinal ``rows`` on."""
        del self._leaves[32 * rows :], self._untils[rows:]

    def count(
        self, candidates: int, dropped: Mapping[str, int], replaced: Mapping[str, int]
    ) -> None:
        """Counts a page's candidate turns, the excluded ones, and the replacements in the
        others.
        """
        self.candidates += candidates
        self.included += candidates - sum(dropped.values())
        self.dropped.update(dropped)
        self.replaced.update(replaced)

    def count_page(self, page: StoredPage) -> None:
        """Counts all of a page except its rows, which are added one by one."""
        self.count(page.candidates, page.dropped, page.replaced)
        self.changes.update(page.changes)
        self.unread.update(page.unread)
        self.splits.extend(
            [self._splits.setdefault(split, len(self._splits)) for split in page.splits]
        )
        self.carried += bytes(page.carried)
        for figures in page.figures:
            self.contents.add(figures)
        self.quality.add(page.judged)

    def take_out(self, ordinal: int, reasons: Mapping[str, int]) -> None:
        """Removes a row: counts its turns by the reason against them."""
        self.dropped.update(reasons)
        self.included -= sum(reasons.values())
        self.gone.add(ordinal)

    def until_us(self, ordinal: int) -> int:
        return self._untils[ordinal]

    def due(self, now: datetime) -> set[int]:
        """The ordinals of remaining rows that are past their own end."""
        now_us = microseconds(now)
        return {n for n, until in enumerate(self._untils) if until <= now_us} - self.gone

    def root(self) -> bytes:
        """The root over the remaining rows."""
        left = (ordinal for ordinal in range(self.rows) if ordinal not in self.gone)
        return merkle.root_over(
            bytes(self._leaves[32 * ordinal : 32 * ordinal + 32]) for ordinal in left
        )

    def runs(self) -> dict[str, tuple[tuple[int, int], ...]]:
        """The remaining rows of each split, as runs of a first and a last ordinal."""
        runs: dict[str, list[tuple[int, int]]] = {}
        before, names = "", list(self._splits)
        for ordinal, number in enumerate(self.splits):
            if ordinal not in self.gone:
                split = names[number]
                own = runs.setdefault(split, [])
                first = own.pop()[0] if split == before else ordinal
                own.append((first, ordinal))
                before = split
        return {name: tuple(own) for name, own in sorted(runs.items())}


def microseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)
