"""A pass over everything lets the other work of a server take turns with it, and a work that fails
holds up none of the others.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from licet.errors import BrokenError
from licet.service import housekeeping
from licet.service.housekeeping import DailySteps
from licet.store.connect import Pool
from licet.vault.installation import Installation

from ..installed import House


@pytest.fixture
def installation(pool: Pool, tmp_path: Path) -> Installation:
    return House(pool, tmp_path / "data").installation


def test_a_round_takes_a_few_steps_of_a_pass_the_next_goes_on_and_a_day_has_one_pass(
    installation: Installation,
) -> None:
    taken: list[int] = []

    def begin(_: Installation) -> Iterator[int]:
        for step in range(5):
            taken.append(step)
            yield step

    work, rounds = DailySteps(begin, steps_max=2), []
    for _ in range(5):
        work(installation)
        rounds.append(len(taken))
    assert rounds == [2, 4, 5, 5, 5]


def test_a_pass_that_fails_is_over_for_the_day(installation: Installation) -> None:
    def begin(_: Installation) -> Iterator[int]:
        yield 1
        raise BrokenError("a segment does not open")

    work = DailySteps(begin, steps_max=1)
    work(installation)
    with pytest.raises(BrokenError):
        work(installation)
    work(installation)
    work(installation)


def test_a_defect_of_one_work_is_logged_by_its_places_and_the_others_are_done(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, done = threading.Event(), list[str]()

    def broken(_: Installation) -> None:
        raise KeyError("words of a person")

    def next_one(_: Installation) -> None:
        done.append("next")
        if len(done) == 2:
            stop.set()

    monkeypatch.setattr(housekeeping, "_WORK", {"first": broken, "second": next_one})
    monkeypatch.setattr(housekeeping, "_collect", lambda _: None)
    fast = msgspec.structs.replace(installation.config.sweep, every_seconds=0.01)
    config = msgspec.structs.replace(installation.config, sweep=fast)
    with capture_logs() as logs:
        housekeeping.keep_sweeping(msgspec.structs.replace(installation, config=config), stop)
    found = [line for line in logs if line["event"] == "broken"]
    assert done == ["next", "next"]
    assert [(line["work"], line["kind"]) for line in found] == [("first", "KeyError")] * 2
    assert all(line["places"][-1].endswith(" broken") for line in found)
    assert "person" not in str(found)
