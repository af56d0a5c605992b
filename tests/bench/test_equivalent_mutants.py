"""Each mutant that bench/mutants_equivalent.csv explains can be made from the source as it is."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator

import pytest
from bench._mutations import mutants
from bench._removals import removals

from bench import mutants as bench

Explained = tuple[str, str, str, str, int]


def explained() -> list[Explained]:
    with bench.EQUIVALENT.open(encoding="utf-8", newline="") as file:
        return [
            (row["file"], row["line"], row["mutation"], row["put"], int(row["nth"]))
            for row in csv.DictReader(file)
        ]


def possible(file: str) -> Iterator[Explained]:
    source = (bench.licet() / file).read_bytes()
    for one in [*mutants(file, source), *removals(file, source)]:
        yield one.file, one.text, one.what, one.put, one.nth


@pytest.mark.parametrize("file", sorted({row[0] for row in explained()}))
def test_each_explained_mutant_can_be_made_from_the_source(file: str) -> None:
    made = set(possible(file))
    assert [row for row in explained() if row[0] == file and row not in made] == []


def test_no_mutant_is_explained_twice() -> None:
    assert [row for row, count in Counter(explained()).items() if count > 1] == []
