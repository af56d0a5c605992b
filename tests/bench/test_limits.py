"""A bench whose figure is above its limit fails, and names the row."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from bench.__main__ import exit_status

from bench import Row, hanging, limited

HELD = hanging.HangFigures(
    dependency="disk",
    harm=hanging.FULL,
    because="disk_full",
    may_stop=frozenset({"no"}),
    answers=(
        hanging.RouteAnswer("no", 503, "disk_full", 2.0),
        hanging.RouteAnswer("gate", 200, "", 0.1),
    ),
    named_seconds=9.0,
    alert_seconds=59.0,
    back_seconds=59.0,
    acknowledged=10,
    lost=0,
)


@pytest.mark.parametrize(
    "change, named",
    [
        ({"answers": (hanging.RouteAnswer("gate", 200, "", 3.1),)}, "the slowest answer"),
        ({"named_seconds": 10.1}, "`/readyz`"),
        ({"alert_seconds": 60.1}, "an alert"),
        ({"back_seconds": float("inf")}, "all as before"),
        ({"lost": 1}, "acknowledged and lost"),
        ({"answers": (hanging.RouteAnswer("no", 503, "busy", 1.0),)}, "other codes"),
        ({"answers": (hanging.RouteAnswer("gate", 503, "disk_full", 1.0),)}, "other codes"),
        ({"answers": (hanging.RouteAnswer("no", 500, "disk_full", 1.0),)}, "other codes"),
    ],
)
def test_a_limit_of_hanging_dependencies_that_is_not_held_fails_the_bench(
    change: dict[str, Any], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_status(list(hanging.rows(HELD))) == 0
    broken = list(hanging.rows(msgspec.structs.replace(HELD, **change)))
    assert exit_status(broken) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert named in line


def test_a_figure_without_a_limit_fails_nothing() -> None:
    assert exit_status([Row("a figure", "9", "1", "9.00"), limited("a count", 0, 0)]) == 0
    assert exit_status([limited("a count", 1, 0)]) == 1
