"""What a build has so far: its rows by ordinal, and turns counted in and out.

Invariant: candidates = included + dropped, whenever a page or a row that went out has been counted. Memory: some 50 bytes
a row; no content.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta

from licet.release import merkle
from licet.release.part import EPOCH

_NEVER = 2**63 - 1


class Tally:
    """Rows enter in the order of their ordinals; `take_out` takes one out again. ``gone`` are those that went."""

    def __init__(self) -> None:
        self.candidates = self.included = 0
        self.dropped: Counter[str] = Counter()
        self.replaced: Counter[str] = Counter()
        self.splits: list[str] = []  # of each row
        self.gone: set[int] = set()
        self._leaves = bytearray()
        self._untils = array("q")
        self._nearest = _NEVER
        self._root: tuple[int, bytes] = (-1, b"")

    @property
    def rows(self) -> int:
        """How many ordinals were given, those of rows that went included."""
        return len(self._untils)

    def add(self, leaf: bytes, until_us: int) -> None:
        """The next row, as it lies in its part."""
        self._leaves += leaf
        self._untils.append(until_us)
        self._nearest = min(self._nearest, until_us)

    def skip(self) -> None:
        """The next row, of one that went: it keeps its ordinal."""
        self._leaves += bytes(32)
        self._untils.append(_NEVER)

    def cut(self, rows: int) -> None:
        """Forgets the rows from the ordinal ``rows`` on."""
        del self._leaves[32 * rows :], self._untils[rows:]

    def count(self, candidates: int, dropped: Mapping[str, int], replaced: Mapping[str, int]) -> None:
        """A page: the turns asked about, those left out, and what was replaced in the others."""
        self.candidates += candidates
        self.included += candidates - sum(dropped.values())
        self.dropped.update(dropped)
        self.replaced.update(replaced)

    def take_out(self, ordinal: int, reasons: Mapping[str, int]) -> None:
        """Counts a row out: its turns by the reason against them."""
        self.dropped.update(reasons)
        self.included -= sum(reasons.values())
        self.gone.add(ordinal)

    def until_us(self, ordinal: int) -> int:
        return self._untils[ordinal]

    def due(self, now: datetime) -> list[int]:
        """The ordinals of rows that are past their own end."""
        now_us = microseconds(now)
        if now_us < self._nearest:
            return []
        left = [(until, n) for n, until in enumerate(self._untils) if n not in self.gone]
        self._nearest = min((until for until, _ in left if until > now_us), default=_NEVER)
        return [n for until, n in left if until <= now_us]

    def root(self) -> bytes:
        """The root over the rows that are left; computed anew only when some have gone."""
        if self._root[0] != len(self.gone):
            tree = merkle.Tree()
            for ordinal in range(self.rows):
                if ordinal not in self.gone:
                    tree.append(bytes(self._leaves[32 * ordinal : 32 * ordinal + 32]))
            self._root = (len(self.gone), tree.root())
        return self._root[1]

    def runs(self) -> dict[str, tuple[tuple[int, int], ...]]:
        """The rows of each split that are left, as runs of a first and a last ordinal."""
        runs: dict[str, list[tuple[int, int]]] = {}
        before = ""
        for ordinal, split in enumerate(self.splits):
            if ordinal not in self.gone:
                own = runs.setdefault(split, [])
                first = own.pop()[0] if split == before else ordinal
                own.append((first, ordinal))
                before = split
        return {name: tuple(own) for name, own in sorted(runs.items())}


def microseconds(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)
