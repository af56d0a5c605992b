"""The benches that have a size run at a small one, and how figures grow is told by an exponent."""

from __future__ import annotations

import pytest
from bench._sizes import SIZES, arguments_of, growth

from bench import Row, measured


@pytest.mark.parametrize("name", SIZES)
def test_each_bench_with_a_size_runs_small(name: str) -> None:
    rows = measured(name, arguments_of(name, SIZES[name][0]))
    assert rows and all(row.what and row.figure for row in rows)


def test_the_exponent_is_that_of_the_figure_over_the_size() -> None:
    runs = [
        [
            Row(f"read {size:,} rows, ms", f"{size * size / 1_000:,.3f}, of it 1 of the database"),
            Row("one row, us", "7"),
            Row("none, us", "not measured"),
        ]
        for size in (10, 100, 1_000)
    ]
    squares, constant, none = growth((10, 100, 1_000), runs)
    assert squares.what == "read _ rows, ms" and squares.exponent == pytest.approx(2)
    assert constant.figures == ("7", "7", "7") and constant.exponent == pytest.approx(0)
    assert none.exponent is None
