"""The benches that have a size, three sizes of each, and how their figures grow with it.

A figure that is a cost of one unit should not grow: its exponent is the slope of its logarithm over
that of the size, fitted through the three, so 0 is constant and 1 in proportion. Of a rate, "a
second", a falling one is the bad one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bench import Row

# of each bench its first argument: the smallest is for the tests
SIZES: Mapping[str, tuple[int, int, int]] = {
    "building": (200, 2_000, 20_000),
    "cold": (200, 2_000, 20_000),
    "counted": (100, 1_000, 10_000),
    "curation": (500, 5_000, 50_000),
    "erasing": (200, 2_000, 20_000),
    "evidence": (4, 8, 16),
    "fairness": (20, 200, 2_000),
    "gdprbench": (50, 500, 5_000),
    "importing": (1, 4, 16),
    "inbox": (500, 5_000, 50_000),
    "leftovers": (20, 200, 2_000),
    "lineage": (10, 100, 1_000),
    "plan": (1_000, 10_000, 100_000),
    "population": (1_000, 10_000, 100_000),
    "proofs": (500, 5_000, 50_000),
    "release_load": (500, 5_000, 50_000),
    "rotation": (200, 2_000, 20_000),
    "sealing": (60, 600, 6_000),
    "series": (200, 2_000, 20_000),
    "shown": (200, 2_000, 20_000),
    "streaming": (500, 5_000, 50_000),
    "sweep": (100, 1_000, 10_000),
    "tables": (1_000, 10_000, 100_000),
    "training": (500, 2_000, 8_000),
    "verifying": (500, 5_000, 50_000),
}
# what follows the size, where a bench has further arguments
BESIDE: Mapping[str, tuple[str, ...]] = {
    "evidence": ("20", "20"),  # records of a restore, and changes by turns
    "gdprbench": ("0.2",),  # seconds of a mix
    "lineage": ("4", "2000"),  # releases, and rows of each
    "release_load": ("150", "50"),  # words of a row, and rows of the installation
}
_NUMBER = re.compile(r"[0-9][0-9,]*(?:\.[0-9]+)?")


def arguments_of(name: str, size: int) -> list[str]:
    """The arguments of a bench at one of its sizes."""
    return [str(size), *BESIDE.get(name, ())]


class Growth(NamedTuple):
    """One figure at each size that has it, and its exponent; None where it cannot be told."""

    what: str
    figures: tuple[str, ...]
    exponent: float | None


def growth(sizes: Sequence[int], runs: Sequence[Sequence[Row]]) -> list[Growth]:
    """How each figure of a bench grows; ``runs`` are its rows at each of the ``sizes``. A row is
    known by its words: its numbers are of the size.
    """
    found: dict[str, list[tuple[int, str]]] = {}
    for size, rows in zip(sizes, runs, strict=True):
        for what, figure in {
            _NUMBER.sub("_", row.what).strip(): row.figure for row in rows
        }.items():
            found.setdefault(what, []).append((size, figure))
    return [
        Growth(what, tuple(figure for _, figure in own), _exponent(own))
        for what, own in found.items()
    ]


def _exponent(points: Sequence[tuple[int, str]]) -> float | None:
    read = [
        (math.log(size), math.log(value))
        for size, figure in points
        if (number := _NUMBER.search(figure)) and (value := float(number[0].replace(",", ""))) > 0
    ]
    if len(read) < 2:
        return None
    middle, mean = (sum(each) / len(read) for each in zip(*read, strict=True))
    across = sum((size - middle) ** 2 for size, _ in read)
    slope: float = sum((size - middle) * (value - mean) for size, value in read) / across
    return slope
