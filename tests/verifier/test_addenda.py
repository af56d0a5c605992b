"""Purges, reviews and measurements: which rows a part loses, and which figures agree."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from licet.verifier.addenda import _is_upper_bound as is_upper_bound
from licet.verifier.addenda import (
    apply_purge,
    is_consistent_measurement,
    is_consistent_review,
)
from licet.verifier.answer import ContradictionError

from . import mutants

PART = {"file": "part-0.parquet", "sha256": "a", "rows": 3, "first_ordinal": 10}
NEXT_FIRST = 13
Change = Callable[[Any], Any]


def purged_part(
    gone: list[list[int]],
    rows: int,
    *,
    purged: set[int] | None = None,
    part: dict[str, Any] | None = PART,
    **after: Any,
) -> tuple[dict[str, Any] | None, set[int]]:
    """The part and all purged ordinals after a purge that leaves ``rows``."""
    purged = set() if purged is None else purged
    left = (PART | {"rows": rows, "sha256": "b"} | after) if rows else None
    change = {"file": "part-0.parquet", "was": "a", "after": left, "gone": gone}
    return apply_purge(part, NEXT_FIRST, change, purged, "purge-1.json"), purged


def test_a_part_loses_the_rows_that_an_addendum_removes() -> None:
    assert purged_part([[11, 11]], 2) == (PART | {"rows": 2, "sha256": "b"}, {11})
    assert purged_part([[10, 10], [12, 12]], 1, purged={4})[1] == {4, 10, 12}
    assert purged_part([[10, 12]], 0) == (None, {10, 11, 12})
    assert purged_part([[10, 10]], 2, first_ordinal=11)[0] is not None


@pytest.mark.parametrize(
    ("promise", "purge"),
    [
        ("reconciles", lambda: purged_part([], 3)),
        ("reconciles", lambda: purged_part([[11, 11]], 2, purged={11})),
        ("reconciles", lambda: purged_part([[11, 11]], 1)),
        ("reconciles", lambda: purged_part([[10, 11]], 0)),
        ("reconciles", lambda: purged_part([[10, 11], [11, 12]], 0)),
        ("in that part", lambda: purged_part([[9, 10]], 1)),
        ("in that part", lambda: purged_part([[12, 13]], 1)),
        ("in that part", lambda: purged_part([[11, 10]], 3)),
        ("in that part", lambda: purged_part([[10, 12]], 0, part=PART | {"rows": 2})),
        ("the stated hash", lambda: purged_part([[11, 11]], 2, part=None)),
        ("the stated hash", lambda: purged_part([[11, 11]], 2, part=PART | {"sha256": "c"})),
        ("keeps its name", lambda: purged_part([[11, 11]], 2, file="part-1.parquet")),
        ("keeps its name", lambda: purged_part([[11, 11]], 2, first_ordinal=9)),
    ],
)
def test_an_addendum_that_cannot_be_is_contradicted(
    promise: str, purge: Callable[[], object]
) -> None:
    with pytest.raises(ContradictionError) as contradiction:
        purge()
    assert promise in contradiction.value.finding.promise


@pytest.mark.parametrize(
    ("findings", "rows", "ppm"),
    [(0, 1, 950_000), (0, 3, 631_597), (1, 3, 864_650), (0, 59, 49_508), (2, 1_000, 6_283)],
)
def test_the_upper_bound_of_a_sample_is_the_smallest_share_that_is_one(
    findings: int, rows: int, ppm: int
) -> None:
    assert is_upper_bound(findings, rows, ppm)
    assert not is_upper_bound(findings, rows, ppm - 1)
    assert not is_upper_bound(findings, rows, ppm + 2)
    for impossible in (-1, 0, 1, 1_000_000, 1_000_001, 2_000_000):
        assert not is_upper_bound(findings, rows, impossible)


def test_a_bound_that_lies_between_two_millionths_by_rounding_alone_may_be_either() -> None:
    """Of one row without a finding it is 95 %, exactly."""
    assert [is_upper_bound(0, 1, ppm) for ppm in range(949_999, 950_003)] == [
        False,
        True,
        True,
        False,
    ]


def test_without_a_row_that_was_right_the_bound_is_every_row() -> None:
    for findings, rows in ((0, 0), (3, 3)):
        assert is_upper_bound(findings, rows, 1_000_000)
        assert not is_upper_bound(findings, rows, 999_999)


def put(*path: Any, value: Any) -> Change:
    def change(statement: Any) -> None:
        for step in path[:-1]:
            statement = statement[step]
        statement[path[-1]] = value

    return change


def stated(name: str, rows: int, change: Change = lambda _statement: None) -> bool:
    """Whether a statement about a release of ``rows`` rows is consistent after ``change``."""
    statement = deepcopy(mutants.since()[name])
    change(statement)
    manifest = {"built_at": "2026-03-05T12:00:00Z", "rows": rows}
    judge = is_consistent_review if name == "review" else is_consistent_measurement
    return judge(statement, manifest)


def test_a_review_is_of_as_many_rows_as_there_are_at_most() -> None:
    assert [stated("review", rows) for rows in (5, 6, 7)] == [False, True, True]


@pytest.mark.parametrize(
    "change",
    [
        put("chance", "drawn", value=4),
        put("risk", "out_of_reach", value=1),
        put("risk", "findings", value={"name": 2, "place": 2}),
        put("bound", "confidence_percent", value=94),
        put("bound", "found", value=1),
        put("bound", "rows", value=4),
        put("bound", "unread", value=1),
        put("bound", "ppm", value=631_596),
        put("bound", "worst_ppm", value=631_598),
        put("drawn_at", value="2026-03-05T11:59:59Z"),
        put("closed_at", value="2026-03-31T23:59:59Z"),
    ],
)
def test_a_review_whose_figures_disagree_is_not_consistent(change: Change) -> None:
    assert not stated("review", 9, change)


def test_a_measurement_is_of_as_many_rows_as_there_are_at_most() -> None:
    assert [stated("measurement", rows) for rows in (7, 8, 9)] == [False, True, True]


@pytest.mark.parametrize(
    "change",
    [
        put("measured_at", value="2026-03-05T11:59:59Z"),
        put("confidence_percent", value=94),
        put("code", "broken", value=3),
        put("words", "changed", value=91),
        put("held_out", "people", value=5),
        put("costs", 0, "of", value="duplicate"),
        put("costs", 0, "people", value=2),
        put("costs", 0, "low_ppm", value=-2),
        put("costs", 0, "high_ppm", value=-4),
        put("costs", 1, "rows", value=5),
        put("costs", 1, "people", value=4),
        put("costs", 1, "value", value="all"),
        lambda statement: statement["costs"].append(statement["costs"][1]),
    ],
)
def test_a_measurement_whose_figures_disagree_is_not_consistent(change: Change) -> None:
    assert not stated("measurement", 9, change)


def test_a_measurement_may_be_made_at_once_and_its_figures_may_be_the_whole() -> None:
    assert stated("measurement", 9, put("measured_at", value="2026-03-05T12:00:00Z"))
    assert stated("measurement", 9, put("code", "broken", value=2))
    assert stated("measurement", 9, put("words", "changed", value=90))
    assert stated("measurement", 9, put("costs", 1, "people", value=3))
