"""The list of the fast tests is honest: each file is there, and none of its tests asks for a
database or a browser.
"""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from .fast import FAST, HERE

SLOW = {"postgres", "browser"}


def slow(items: list[Any]) -> list[str]:
    """The tests of the fast files that ask for what is slow, by themselves or by a fixture."""
    return [
        item.nodeid
        for item in items
        if item.path in FAST and SLOW & set(getattr(item, "fixturenames", ()))
    ]


def test_every_fast_file_is_there_and_the_program_prints_each() -> None:
    assert [path for path in FAST if not path.is_file()] == []
    printed = subprocess.run(
        [sys.executable, HERE / "fast.py"], capture_output=True, text=True, check=True
    ).stdout
    assert printed.split() == [str(path.relative_to(HERE.parent)) for path in FAST]


def test_no_fast_test_asks_for_a_database_or_a_browser(request: pytest.FixtureRequest) -> None:
    assert slow(request.session.items) == []


def test_one_that_does_would_be_found(request: pytest.FixtureRequest) -> None:
    asking = SimpleNamespace(
        path=request.node.path, nodeid="this one", fixturenames=("dsn", "postgres")
    )
    elsewhere = SimpleNamespace(
        path=HERE / "test_audit.py", nodeid="another", fixturenames=("postgres",)
    )
    assert slow([asking, elsewhere, request.node]) == ["this one"]
