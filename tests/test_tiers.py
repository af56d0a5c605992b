"""What a run leaves out is stood for by a test that it runs, and no promise is left out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from . import promises, tiers, turns
from .tiers import COLLECTED, WholeTest, faults, left_out, name_of

A, B = "tests/a.py::test_a", "tests/a.py::test_b"


def items(*names: str) -> list[Any]:
    return [SimpleNamespace(nodeid=name) for name in names]


def test_each_promise_has_a_test_in_a_run(request: pytest.FixtureRequest) -> None:
    """Of the files that this run has collected."""
    collected = request.config.stash[COLLECTED]
    left = left_out(collected, tiers.table())
    running = {name_of(item.nodeid) for item in collected if item.nodeid not in left}
    alone = {name_of(nodeid) for nodeid in left} - running
    lacking = [
        row for row in promises.rows() if row.tests and alone.issuperset(map(name_of, row.tests))
    ]
    assert not lacking, [(row.line, row.held_by) for row in lacking]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (WholeTest(), "which test stands for"),
        (WholeTest(stands_in="tests/a.py::test_gone"), "does not run in the place of"),
        (WholeTest(stands_in=A), "does not run in the place of"),
        (WholeTest(in_a_run="no-such-name"), "which test stands for"),
    ],
)
def test_a_row_that_leaves_a_test_out_with_none_in_its_place_is_found(
    row: WholeTest, said: str
) -> None:
    assert [said in fault for fault in faults(items(A, B), {A: row})] == [True]


def test_a_row_of_a_test_that_is_gone_is_found() -> None:
    assert faults(items(B), {A: WholeTest(stands_in=B)}) == [f"whole.csv: there is no `{A}`"]
    # its file was not asked for
    assert faults(items("tests/b.py::test_b"), {A: WholeTest(stands_in=B)}) == []


def test_a_sound_row_has_no_fault() -> None:
    assert faults(items(A, B), {A: WholeTest(stands_in=B)}) == []
    assert faults(items(f"{A}[x]", f"{A}[y]"), {A: WholeTest(in_a_run="x")}) == []


def test_of_a_test_with_parameters_those_run_that_are_named_or_that_the_day_draws(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cases = items(*(f"{A}[{name}]" for name in "abcdefgh"))
    assert left_out(cases, {A: WholeTest("b c")}) == {f"{A}[{name}]" for name in "adefgh"}
    seen: set[str] = set()
    for day in range(tiers.SIXTEENTHS):
        monkeypatch.setenv("TESTS_SIXTEENTH", str(day))
        left = left_out(cases, {A: WholeTest("3")})
        assert len(left) == 5
        seen |= {case.nodeid for case in cases} - left
    assert len(seen) == 8


def test_nothing_that_a_promise_or_a_test_left_out_rests_on_waits_for_its_turn() -> None:
    assert turns.needed() & tiers.turns() == set()
    assert tiers.turns(), "some tests take long"


def test_a_test_that_takes_turns_is_one_of_its_file() -> None:
    gone = [
        test
        for test in sorted(tiers.turns())
        if test.partition("::")[2] not in promises.tests_of(test.partition("::")[0])
    ]
    assert gone == []


def test_in_sixteen_days_every_test_has_its_turn_once_with_all_its_parameters() -> None:
    found = items(*(f"tests/a.py::test_{n}[{way}]" for n in range(40) for way in "xy"), B)
    taking = {name_of(item.nodeid) for item in found} - {B}
    ran = [
        {item.nodeid for item in found} - tiers.awaiting_turn(found, taking, day)
        for day in range(tiers.SIXTEENTHS)
    ]
    assert all(B in day for day in ran)
    assert sorted(nodeid for day in ran for nodeid in day - {B}) == sorted(
        item.nodeid for item in found[:-1]
    )
    assert all(f"{name_of(nodeid)}[x]" in day for day in ran for nodeid in day - {B})


def test_what_takes_long_and_is_not_needed_takes_turns() -> None:
    cost = turns.SECONDS
    seconds = {
        f"{A}[x]": cost / 2 + 0.1,
        f"{A}[y]": cost / 2,
        B: cost + 1,
        "tests/c.py::test_c": cost,
    }
    assert turns.taking_turns(seconds, set()) == [A, B]
    assert turns.taking_turns(seconds, {B}) == [A]


def test_the_parts_of_what_a_run_leaves_out_are_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found, alone = [], [f"tests/a.py::test_{n}" for n in range(40)]
    rows = {name: WholeTest(stands_in=B) for name in alone}
    for part in range(tiers.SIXTEENTHS):
        monkeypatch.setattr(tiers, "PART", f"{part}/{tiers.SIXTEENTHS}")
        taken, left = tiers.selected(items(*alone, B), rows)
        assert len(taken) + len(left) == 41
        found += [item.nodeid for item in taken]
    assert sorted(found) == sorted(alone)


def test_no_part_has_more_of_the_tests_that_take_longest_than_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counts = []
    for part in range(tiers.SIXTEENTHS):
        monkeypatch.setattr(tiers, "PART", f"{part}/{tiers.SIXTEENTHS}")
        rows = {name: WholeTest() for name in tiers.table()}
        counts.append(len(tiers.selected(items(*rows), rows)[0]))
    assert sum(counts) == len(tiers.table()) and max(counts) - min(counts) <= 1


def test_sixteen_runs_or_four_parts_side_by_side_draw_what_the_whole_draws(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for shares in (tiers.SIXTEENTHS, 4, 1):
        drawn: list[int] = []
        monkeypatch.setattr(tiers, "SHARES", shares)
        for day in range(shares):
            monkeypatch.setattr(tiers, "SIXTEENTH", day)
            drawn += tiers.seeds(320, 7)
        assert drawn == list(range(7, 327))
    monkeypatch.setattr(tiers, "SHARES", tiers.SIXTEENTHS)
    assert tiers.share(320, least=50) == 50 and tiers.share(30, least=50) == 30
