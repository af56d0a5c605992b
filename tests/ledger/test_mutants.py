"""No mutant of anything that the verifier reads is proved, unless it means the same; none ends in a traceback.

`TESTS_MUTANTS` sets how many are drawn (20,000 by default, each field's own changes included), `TESTS_SEED` where the
draw begins.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

from licet.ledger.verifier import Answer

from . import mutants
from .mutants import Artefact, Judged, artefacts, drawn, mutated

MUTANTS = int(os.environ.get("TESTS_MUTANTS", "20000"))
SEED = int(os.environ.get("TESTS_SEED", "0"))
SHARE_MIN = 0.3  # of the mutants of an artefact, at least this part is seen through; the others mean the same
SHARES = sum(one.share for one in artefacts())
SYSTEMATIC = sum(1 for one in artefacts() for _ in one.every())


def told(of: Artefact, what: object, judged: Judged) -> str:
    return f"{of.name}, {what}: {judged.answer}: {', '.join(judged.wrong)}"


@pytest.mark.parametrize("of", artefacts(), ids=lambda of: of.name)
def test_an_honest_artefact_is_proved(of: Artefact) -> None:
    judged = of.judge(of.tree)
    assert (judged.answer, judged.wrong) == (Answer.proved, ())


@pytest.mark.parametrize("of", artefacts(), ids=lambda of: of.name)
def test_no_change_of_any_one_field_is_proved_unless_it_means_the_same(of: Artefact) -> None:
    answers: Counter[Answer] = Counter()
    for number, (at, change) in enumerate(of.every()):
        judged = of.judge(mutated(of, [(at, change)], mutants.random.Random(number)))
        assert judged.wrong == (), told(of, (at, change.__name__), judged)
        answers[judged.answer] += 1
    assert answers[Answer.contradicted] + answers[Answer.unreadable] > SHARE_MIN * answers.total(), answers


@pytest.mark.parametrize("of", artefacts(), ids=lambda of: of.name)
def test_no_changes_drawn_together_are_proved_unless_they_mean_the_same(of: Artefact) -> None:
    count = max(10, (MUTANTS - SYSTEMATIC) * of.share // SHARES)
    answers: Counter[Answer] = Counter()
    for seed in range(SEED, SEED + count):
        judged = of.judge(drawn(of, seed))
        assert judged.wrong == (), told(of, f"seed {seed}", judged)
        answers[judged.answer] += 1
    assert answers[Answer.contradicted] + answers[Answer.unreadable] > SHARE_MIN * answers.total(), answers


def test_there_are_as_many_mutants_as_promised() -> None:
    assert SYSTEMATIC < MUTANTS
    assert len({one.name for one in artefacts()}) == len(artefacts()) >= 12
