"""How much a run of the tests tries. `./run test` tries each promise at least once, `./run test
--whole` everything.

In a run that is not whole:

* a test of `whole.csv` is left out, and the test that its row names as `stands_in` runs in its
  place;
* where the row says so in `in_a_run`, so many of its parameters run, others each day, or those that
  it names, parted by blanks;
* of what is drawn at random a sixteenth is tried, another one each day: `share`, `seeds`;
* the tests of `turns.txt` take turns, a sixteenth of them each day: no promise
  of docs/promises.csv and no row of `whole.csv` rests on them. Who asks for a file or a test by its
  name has all of it.

TESTS_SIXTEENTH, from 0 to 15, chooses the sixteenth and the parameters: a run that failed says at
its end which it was. TESTS_WHOLE=1 tries all. TESTS_PART=2/16 runs, of what a run leaves out, the
third of sixteen parts, as CI does in turns; of what is drawn at random it tries a quarter, another
one each time that the parts begin anew. The tests of `whole.csv`, which take longest, are dealt out
to the parts one by one, in the order of its rows, and all others by their names.
"""

from __future__ import annotations

import csv
import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

SIXTEENTHS = 16
TABLE = Path(__file__).with_name("whole.csv")
TURNS = Path(__file__).with_name("turns.txt")
IN_TURNS = os.environ.get("TESTS_TURNS") == "1"
PART = os.environ.get("TESTS_PART", "")
WHOLE = bool(PART) or os.environ.get("TESTS_WHOLE") == "1"
SHARES = (4 if PART else 1) if WHOLE else SIXTEENTHS  # of what is drawn a run tries one
DAY = datetime.now(UTC).toordinal() // (SIXTEENTHS if PART else 1)
# Written into the environment, so that every worker and program of one run tries the same.
SIXTEENTH = (
    int(os.environ.setdefault("TESTS_SIXTEENTH", str(DAY % SIXTEENTHS))) if SHARES > 1 else 0
)
DRAWN = (
    f"TESTS_SIXTEENTH={SIXTEENTH} chooses the share" if SHARES > 1 else "TESTS_WHOLE=1 tried all"
)
COLLECTED = pytest.StashKey[list[pytest.Item]]()  # all that was found, before the tier chose


def share(count: int, *, least: int = 1) -> int:
    """How many of ``count`` this run tries, ``least`` of them at any rate: what is asserted of few
    may need some.
    """
    return min(count, max(least, count // SHARES))


def seeds(count: int, begin: int = 0, *, least: int = 1) -> range:
    """The seeds of this run's part of ``count`` draws: SHARES runs side by side are the whole."""
    first = begin + SIXTEENTH % SHARES * max(1, count // SHARES)
    return range(first, first + share(count, least=least))


def seeds_of(variable: str, count: int, *, least: int = 1) -> range:
    """The seeds from 0 on that the environment's ``variable`` counts, or this run's part of
    ``count``.
    """
    return (
        range(int(os.environ[variable])) if os.environ.get(variable) else seeds(count, least=least)
    )


def seeds_until(
    enough: Callable[[], bool], variable: str, count: int, *, least: int
) -> Iterator[int]:
    """The seeds of `seeds_of`, and those after them until what they drew is ``enough`` for what is
    asserted of all.
    """
    mine = seeds_of(variable, count, least=least)
    yield from mine
    for seed in range(mine.stop, mine.start + count):
        if enough():
            return
        yield seed % count


@dataclass(frozen=True, slots=True)
class WholeTest:
    """A row of `whole.csv`: how much of a test a run takes, and which test stands for the rest."""

    in_a_run: str = ""
    stands_in: str = ""

    def taken(self, cases: Sequence[pytest.Item]) -> list[pytest.Item]:
        """Of a test's parameters those that a run takes."""
        if self.in_a_run.isdecimal():
            count = min(int(self.in_a_run), len(cases))
            first = int(os.environ.get("TESTS_SIXTEENTH", "0")) * count
            return [cases[(first + number) % len(cases)] for number in range(count)]
        names = self.in_a_run.split()
        return [case for case in cases if case.nodeid.partition("[")[2].removesuffix("]") in names]


@cache
def table() -> dict[str, WholeTest]:
    """The rows of `whole.csv` by their test."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return {
            row["test"]: WholeTest(row["in_a_run"], row["stands_in"])
            for row in csv.DictReader(file)
        }


def name_of(nodeid: str) -> str:
    """A test's name without its parameters."""
    return nodeid.partition("[")[0]


def selected(
    items: Sequence[pytest.Item], rows: Mapping[str, WholeTest] | None = None
) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """The tests that this run takes, and those that it leaves out."""
    left = left_out(items, table() if rows is None else rows)
    if IN_TURNS:
        left |= awaiting_turn(items, turns())
    if PART:
        part, parts = (int(number) for number in PART.split("/"))
        left = {
            item.nodeid for item in items if item.nodeid not in left or _part(item, parts) != part
        }
    elif WHOLE:
        left = set()
    return [item for item in items if item.nodeid not in left], [
        item for item in items if item.nodeid in left
    ]


def left_out(items: Sequence[pytest.Item], rows: Mapping[str, WholeTest]) -> set[str]:
    """What runs in the whole alone."""
    cases: dict[str, list[pytest.Item]] = {}
    for item in items:
        if name_of(item.nodeid) in rows:
            cases.setdefault(name_of(item.nodeid), []).append(item)
    taken = {item.nodeid for name, found in cases.items() for item in rows[name].taken(found)}
    return {item.nodeid for found in cases.values() for item in found} - taken


@cache
def turns() -> frozenset[str]:
    """The tests of `turns.txt`."""
    return frozenset(TURNS.read_text("utf-8").split())


def awaiting_turn(items: Sequence[pytest.Item], names: Set[str], day: int = SIXTEENTH) -> set[str]:
    """What takes turns and has its turn on another day; by the test and not by its parameters."""
    return {
        item.nodeid
        for item in items
        if name_of(item.nodeid) in names
        and zlib.crc32(name_of(item.nodeid).encode()) % SIXTEENTHS != day % SIXTEENTHS
    }


def faults(items: Sequence[pytest.Item], rows: Mapping[str, WholeTest]) -> list[str]:
    """What is wrong with the rows whose files were collected: each names a test, and one that runs
    in its place.
    """
    left, names = left_out(items, rows), {name_of(item.nodeid) for item in items}
    files = {name.partition("::")[0] for name in names}
    running = {name_of(item.nodeid) for item in items if item.nodeid not in left}
    found = []
    for test, row in rows.items():
        if test.partition("::")[0] not in files:
            continue
        if test not in names:
            found.append(f"whole.csv: there is no `{test}`")
        elif test not in running and "::" not in row.stands_in:
            found.append(f"whole.csv: which test stands for `{test}` in a run?")
        if (
            row.stands_in
            and row.stands_in.partition("::")[0] in files
            and row.stands_in not in running
        ):
            found.append(f"whole.csv: `{row.stands_in}` does not run in the place of `{test}`")
    return found


def _part(item: pytest.Item, parts: int) -> int:
    """By the test and not by its parameters, so that what they share is made once."""
    name = name_of(item.nodeid)
    return _places().get(name, zlib.crc32(name.encode())) % parts


@cache
def _places() -> dict[str, int]:
    """The places of the rows of `whole.csv` by their test."""
    return {name: place for place, name in enumerate(table())}
