"""Mutants of what changed: they are of the functions that differ, other ones each day, and one that
nobody notices fails.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from bench._mutations import Mutant

from bench import _changed_mutants as changed
from bench import mutants as bench

BEFORE = """
def stays(a: int) -> bool:
    return a > 3


class Thing:
    def grows(self, a: int) -> int:
        def inner(b: int) -> int:
            return b + 1

        return inner(a)
"""
AFTER = BEFORE.replace("b + 1", "b + 2")


def git(root: Path, *words: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    return subprocess.run(
        ["git", *who, *words], cwd=root, capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A module that was committed, and then changed in one function."""
    file = tmp_path / "src" / "licet" / "room" / "thing.py"
    file.parent.mkdir(parents=True)
    file.write_text(BEFORE)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "one")
    file.write_text(AFTER)
    return tmp_path


def of(repository: Path, commit: str = "HEAD", day: int = 1, count: int = 100) -> list[Mutant]:
    files = changed.lines_changed(commit, repository)
    return changed.drawn(files, repository / "src" / "licet", day, count)


def test_mutants_are_drawn_from_the_innermost_functions_that_differ(repository: Path) -> None:
    assert changed.lines_changed("HEAD", repository) == {"room/thing.py": {9}}
    found = of(repository)
    assert {one.function for one in found} == {"Thing.grows.inner"}
    assert {one.what for one in found} >= {"+ becomes -", "off by one", "returns None"}
    (repository / "src" / "licet" / "room" / "thing.py").write_text(BEFORE)
    assert of(repository) == []


def test_everything_is_new_where_no_commit_is_a_week_old(repository: Path) -> None:
    commit = changed.a_week_ago(repository)
    assert commit == changed.NOTHING
    assert {one.function for one in of(repository, commit)} == {
        "stays",
        "Thing.grows",
        "Thing.grows.inner",
    }
    with pytest.raises(SystemExit, match="git does not say what differs from `no-such`"):
        changed.lines_changed("no-such", repository)


def test_each_day_has_its_own_and_the_same_day_the_same(repository: Path) -> None:
    days = [tuple(one.key for one in of(repository, changed.NOTHING, day, 3)) for day in range(12)]
    assert all(len(day) == 3 for day in days) and len(set(days)) > 4
    assert days[3] == tuple(one.key for one in of(repository, changed.NOTHING, 3, 3))


def test_a_mutant_that_nobody_notices_is_left_unless_it_is_explained(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, three = of(repository)[:3]
    same = {two.identity}
    monkeypatch.setattr(bench, "equivalents", lambda: same)
    survived = {"outcome": "survived"}
    assert changed.survivors({one: {"outcome": "killed"}, two: survived, three: survived}) == [
        three
    ]
    assert changed.survivors({one: {"outcome": "not executed"}}) == [one]


class Tried:
    """In place of a copy: notes the tests that are tried, of which none notices anything."""

    def __init__(self) -> None:
        self.tests: list[str] = []

    def collect(self, _modules: set[str], _files: set[str]) -> None:
        """Nothing is run."""

    def tried_in_session(
        self, _mutant: Mutant, tests: list[str], _seconds: float
    ) -> dict[str, str]:
        self.tests += tests
        return {"outcome": "survived", "test": ""}


def test_a_survivor_is_judged_again_by_the_tests_alone_that_are_new_or_have_changed(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "KEPT", repository / ".mutants")
    monkeypatch.setitem(bench.at, "tree", repository)
    file, mutant = repository / "test_thing.py", of(repository)[0]

    def judged(*tests: str) -> list[str]:
        file.write_text("".join(f"def {test}:\n    pass\n" for test in tests))
        names = [f"test_thing.py::{test.partition('(')[0]}" for test in tests]
        line = {"seconds": 0.1, "lines": {mutant.file: [mutant.line]}}
        tried: Any = Tried()
        bench.judge(tried, bench.Covered(dict.fromkeys(names, line)), [mutant])
        return tried.tests

    assert judged("test_a()", "test_b()") == ["test_thing.py::test_a", "test_thing.py::test_b"]
    assert judged("test_a()", "test_b()") == []
    assert judged("test_a()", "test_b(tmp_path)", "test_c()") == [
        "test_thing.py::test_b",
        "test_thing.py::test_c",
    ]


def test_the_tests_of_a_module_are_the_nearest_to_it() -> None:
    assert "tests/bench/test_changed_mutants.py" not in changed.nearest_tests(
        ["keys/restriction_journal.py"]
    )
    assert "tests/keys/test_restriction_journal.py" in changed.nearest_tests(
        ["keys/restriction_journal.py"]
    )
