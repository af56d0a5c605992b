"""A test that answers otherwise in another circumstance is named, and every circumstance is run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from . import trust
from .trust import Circumstance, circumstances, differences, main, outcomes
from .waiting import wait_until


def test_a_test_that_answers_otherwise_is_named() -> None:
    before = {
        "tests/a.py::test_x": "passed",
        "tests/a.py::test_y": "passed",
        "tests/a.py::test_z[1]": "passed",
    }
    assert differences(before, dict(before)) == []
    now = before | {"tests/a.py::test_y": "failed"}
    del now["tests/a.py::test_z[1]"]
    assert differences(before, now) == ["tests/a.py::test_y: passed, now failed"]
    assert differences(before, {}) == ["nothing ran"]


def test_orders_locales_time_zones_and_the_background_are_among_them() -> None:
    made = list(circumstances(3))
    assert made[0] == Circumstance("as ever")
    assert [one.environment["TESTS_ORDER"] for one in made if "TESTS_ORDER" in one.environment] == [
        "1",
        "2",
        "3",
    ]
    assert {"LC_ALL", "TZ"} <= {name for one in made for name in one.environment}
    assert [one.prefix for one in made if one.background] == [("nohup",)]


def test_a_locale_that_is_not_installed_is_said_to_be_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert trust.is_installed("C")
    assert not trust.is_installed("xx_XX.UTF-8")
    for has in (True, False):
        monkeypatch.setattr(trust, "is_installed", lambda _, has=has: has)
        assert any(one.name == "locale tr_TR" for one in circumstances(0)) is has
        assert ("not tried: locale tr_TR.UTF-8" in capsys.readouterr().err) is not has


def test_other_fonts_are_one_family_of_those_that_are_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if not trust.font_families({}):
        pytest.skip("fc-list is not installed, or no font is")
    assert trust.font_families(trust.ONE_FONT) == {"DejaVu Serif"} < trust.font_families({})
    for has in (True, False):
        monkeypatch.setattr(
            trust, "font_families", lambda _, has=has: {"DejaVu Serif"} if has else set()
        )
        assert any(one.environment == trust.ONE_FONT for one in circumstances(0)) is has
        assert ("not tried: other fonts" in capsys.readouterr().err) is not has


def test_at_load_8_eight_processes_are_busy_for_as_long_as_the_run_takes() -> None:
    count = (
        "import os, psutil, sys\n"
        "beside = psutil.Process(os.getppid()).children()\n"
        "print(*(one.pid for one in beside if one.pid != os.getpid()))\n"
        "sys.exit(3)"
    )
    (prefix,) = [one.prefix for one in circumstances(0) if one.name == "load 8"]
    done = subprocess.run([*prefix, sys.executable, "-c", count], capture_output=True, check=False)
    busy = [int(pid) for pid in done.stdout.split()]
    assert (len(busy), done.returncode, done.stderr) == (8, 3, b"")
    wait_until(lambda: not any(map(psutil.pid_exists, busy)), "the busy processes end")


def test_a_run_that_differs_ends_with_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def answered(circumstance: Circumstance, _paths: object) -> dict[str, str]:
        return {
            "tests/a.py::test_x": "failed" if "LC_ALL" in circumstance.environment else "passed"
        }

    monkeypatch.setattr(trust, "outcomes", answered)
    assert main(["--orders", "1"]) == 1
    assert "locale C: 1 tests, 1 answer otherwise" in capsys.readouterr().out


@pytest.mark.parametrize(("word", "status"), [("--help", 0), ("--no-such-option", 2)])
def test_an_option_runs_no_test(
    word: str, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(trust, "outcomes", lambda *_: pytest.fail("a test was run"))
    with pytest.raises(SystemExit) as ended:
        main([word])
    assert ended.value.code == status
    assert "--orders" in "".join(capsys.readouterr())


def test_a_run_in_the_background_answers_as_one_on_a_terminal() -> None:
    here = str(Path(__file__).parent / "test_needs.py")
    found = outcomes(Circumstance("background", prefix=("nohup",), background=True), [here])
    assert len(found) == 3 and set(found.values()) == {"passed"}
