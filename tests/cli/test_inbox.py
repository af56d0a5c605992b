"""The inbox by commands: listed, taken, noted, handed on and given back, and by whom that was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .test_command import Run, error, run, simulated

__all__ = ["run", "simulated"]  # fixtures

NOTE = "she called twice about the ferry to Kihnu"
ADA, BO = "ada@example.org", "bo@example.org"


@pytest.fixture
def words(tmp_path: Path) -> Path:
    path = tmp_path / "note.txt"
    path.write_text(f"{NOTE}\n", "utf-8")
    return path


@pytest.fixture
def item(simulated: Run, words: Path) -> str:
    """A request that waits, and two officers."""
    for email in (ADA, BO):
        simulated("staff", "add", email, "--role", "privacy_officer")
    enter = [
        "request",
        "enter",
        "access",
        "--words",
        words,
        "--identity",
        words,
        "--region",
        "FR",
        "--json",
    ]
    return f"request:{answer(simulated(*enter))['id']}"


def answer(result: Any) -> Any:
    return json.loads(result.stdout)


def test_an_item_is_taken_noted_handed_on_and_given_back(
    simulated: Run, item: str, words: Path
) -> None:
    listed = simulated("inbox", "list", "--by", ADA).stdout
    assert item in listed and NOTE not in listed
    simulated("inbox", "take", item, "--by", ADA)
    assert item not in simulated("inbox", "list", "--by", BO, "--held", "nobody").stdout
    assert item in simulated("inbox", "list", "--by", ADA, "--held", "me").stdout
    text, _ = error(simulated("inbox", "take", item, "--by", BO, code=1))
    assert ADA in text
    simulated("inbox", "note", item, "--by", ADA, "--reason", words)
    simulated("inbox", "hand", item, "--by", ADA, "--to", BO, "--reason", words)
    simulated("inbox", "give-back", item, "--by", BO)
    steps = answer(simulated("inbox", "show", item, "--by", BO, "--json"))["steps"]
    assert [one["step"] for one in steps] == ["taken", "noted", "handed", "given_back"]
    assert NOTE in simulated("inbox", "show", item, "--by", BO).stdout
    assert item in simulated("inbox", "list", "--by", ADA, "--held", "nobody").stdout


def test_who_has_no_role_for_an_item_neither_sees_nor_takes_it(simulated: Run, item: str) -> None:
    simulated("staff", "add", "cy@example.org", "--role", "curator")
    assert item not in simulated("inbox", "list", "--by", "cy@example.org").stdout
    error(simulated("inbox", "take", item, "--by", "cy@example.org", code=1))
    text, hint = error(simulated("inbox", "list", "--by", "nobody@example.org", code=1))
    assert "no member of staff" in text and "licet staff add" in hint


def test_what_is_overdue_in_the_inbox_is_an_answer_of_no(simulated: Run, item: str) -> None:
    simulated("inbox", "list", "--by", ADA)
    late = simulated("inbox", "list", "--by", ADA, "--overdue", "--at", "2027-01-01", code=1)
    assert item in late.stdout
