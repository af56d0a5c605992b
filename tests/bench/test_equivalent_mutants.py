"""Each mutant that bench/mutants_equivalent.csv explains can be made from the source as it is."""

from __future__ import annotations

from collections import Counter

import pytest
from bench._mutations import Mutant, mutants
from bench._removals import removals

from bench import mutants as bench

EXPLAINED = [identity for identity, _ in bench.read_equivalents()]


def possible(file: str) -> list[Mutant]:
    source = (bench.licet() / file).read_bytes()
    return [*mutants(file, source), *removals(file, source)]


@pytest.mark.parametrize("file", sorted({file for file, *_ in EXPLAINED}))
def test_each_explained_mutant_can_be_made_from_the_source(file: str) -> None:
    made = {mutant.identity for mutant in possible(file)}
    assert [
        identity for identity in EXPLAINED if identity[0] == file and identity not in made
    ] == []


def test_no_mutant_is_explained_twice() -> None:
    assert [row for row, count in Counter(EXPLAINED).items() if count > 1] == []


def test_a_row_explains_one_of_several_refusals_that_read_alike() -> None:
    refusals = [
        mutant
        for mutant in possible("web/api/references.py")
        if (mutant.text, mutant.what) == ("raise not_found()", "authorization removed")
    ]
    assert {mutant.function for mutant in refusals} == {
        "account_of",
        "conversation_of",
        "require_account",
    }
    explained = [mutant for mutant in refusals if mutant.identity in bench.equivalents()]
    assert [(mutant.function, mutant.nth) for mutant in explained] == [("conversation_of", 1)]
