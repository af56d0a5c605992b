"""A run that takes more than its budget fails, and the table of docs/testing.md is made of what a
run recorded.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from . import budget, recorded
from .budget import above, main, summed, table
from .recorded import Cost, Meter

RUN = {
    "database": 7.5,
    "whole": False,
    "tests": {"tests/web/test_a.py::test_x[1]": [2.0, 3.0, "passed"], "tests/web/test_a.py::test_y": [1.5, 1.0, "passed"],
              "tests/test_b.py::test_z": [0.5, 9.0, "failed"]},
}  # fmt: skip


def test_groups_are_folders_and_the_dearest_comes_first() -> None:
    assert summed(RUN) == {
        "database": (0, 7.5, 0.0),
        "tests/web": (2, 3.5, 4.0),
        "tests": (1, 0.5, 9.0),
    }


def test_a_group_above_its_line_and_one_without_a_line_are_found() -> None:
    assert above(summed(RUN), {"database": 8, "tests/web": 4, "tests": 1}) == []
    found = above(summed(RUN), {"database": 8, "tests/web": 3})
    assert [fault.split()[0] for fault in found] == ["tests/web", "tests"]


def test_every_group_of_the_tests_has_a_line() -> None:
    folders = {
        path.parent.relative_to(budget.ROOT).as_posix()
        for path in Path(__file__).parent.rglob("test_*.py")
    }
    assert budget.budget().keys() == {*folders, recorded.DATABASE}


def test_a_run_above_the_budget_fails_and_the_table_goes_where_the_page_has_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in (
        ("costs.json", json.dumps(RUN)),
        ("budget.csv", "group,seconds\ndatabase,8\ntests/web,3\ntests,1\n"),
        ("page.md", "a\n<!-- costs -->\nold\n<!-- /costs -->\nb\n"),
    ):
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(budget, "COSTS", tmp_path / "costs.json")
    monkeypatch.setattr(budget, "BUDGET", tmp_path / "budget.csv")
    monkeypatch.setattr(budget, "PAGE", tmp_path / "page.md")
    assert main(["--table"]) == 1
    assert capsys.readouterr().err.startswith("tests/web took 4 s of the processor, and may take 3")
    made = table(summed(RUN))
    assert "| `tests/web` | 2 | 4 | 30.4 | 4 |" in made
    assert (tmp_path / "page.md").read_text(
        "utf-8"
    ) == f"a\n<!-- costs -->\n{made}<!-- /costs -->\nb\n"


def test_a_budget_is_set_a_quarter_above_what_the_run_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "costs.json").write_text(json.dumps(RUN), encoding="utf-8")
    monkeypatch.setattr(budget, "COSTS", tmp_path / "costs.json")
    monkeypatch.setattr(budget, "BUDGET", tmp_path / "budget.csv")
    assert main(["--set"]) == 0
    assert budget.budget() == {"database": 10, "tests": 5, "tests/web": 5}


def test_what_a_started_program_costs_is_counted_while_it_runs_and_once_it_has_ended() -> None:
    import subprocess
    import sys

    meter = Meter()
    busy = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True); input()"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", busy], stdin=pipe, stdout=pipe) as program:
        assert program.stdout is not None
        program.stdout.readline()
        assert meter.read()[0] >= 0.25
        program.communicate(b"\n")
    assert meter.read()[0] < 0.25


def test_a_run_is_written_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "COSTS", tmp_path / "build" / "costs.json")
    recorded.write({"tests/a.py::test_x": Cost(1.23456, 2.0, "failed")}, 0.5)
    assert json.loads(recorded.COSTS.read_text("utf-8"))["tests"] == {
        "tests/a.py::test_x": [1.235, 2.0, "failed"]
    }
