"""A pass over everything lets the other work of a server take turns with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from licet.errors import BrokenError
from licet.service.housekeeping import DailySteps
from licet.store.connect import Pool
from licet.vault.installation import Installation

from ..installed import House


@pytest.fixture
def here(pool: Pool, tmp_path: Path) -> Installation:
    return House(pool, tmp_path / "data").here


def test_a_round_takes_a_few_steps_of_a_pass_the_next_goes_on_and_a_day_has_one_pass(
    here: Installation,
) -> None:
    taken: list[int] = []

    def begin(_: Installation) -> Iterator[int]:
        for step in range(5):
            taken.append(step)
            yield step

    work, rounds = DailySteps(begin, steps_max=2), []
    for _ in range(5):
        work(here)
        rounds.append(len(taken))
    assert rounds == [2, 4, 5, 5, 5]


def test_a_pass_that_fails_is_over_for_the_day(here: Installation) -> None:
    def begin(_: Installation) -> Iterator[int]:
        yield 1
        raise BrokenError("a segment does not open")

    work = DailySteps(begin, steps_max=1)
    work(here)
    with pytest.raises(BrokenError):
        work(here)
    work(here)
    work(here)
