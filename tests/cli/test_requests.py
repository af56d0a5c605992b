"""Requests of people by commands: entered, listed by due date, acted on, and nothing written in a
list.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from licet.policy.period import instant
from licet.vault.simulated_clock import SimulatedClock, save

from .test_command import Run, error, run, simulated

__all__ = ["run", "simulated"]  # fixtures

SENTENCE = "my niece paints the buoys of Muhu"


@pytest.fixture
def words(tmp_path: Path) -> Path:
    path = tmp_path / "letter.txt"
    path.write_text(f"{SENTENCE}\n", "utf-8")
    return path


def answer(result: Any) -> Any:
    return json.loads(result.stdout)


def test_a_letter_is_entered_asked_about_and_answered(
    simulated: Run, words: Path, tmp_path: Path
) -> None:
    assert simulated("request", "list").stdout == "no requests\n"
    enter = ["request", "enter", "erasure", "--words", words, "--identity", words, "--region", "FR"]
    made = answer(
        simulated(*enter, "--received", "2025-12-10", "--by", "ada@example.org", "--json")
    )
    name = made["id"]
    assert (made["due_at"], made["laws"], made["account"]) == (
        "2026-01-10T00:00:00Z",
        ["GDPR"],
        None,
    )
    assert {one["by"] for one in made["steps"]} == {"user:ada@example.org"}
    listed = simulated("request", "list").stdout
    assert (
        f"{name} erasure open, due 2026-01-10T00:00:00Z, no account" in listed
        and SENTENCE not in listed
    )
    simulated("request", "acknowledge", name)
    assert (
        "clock stopped"
        in simulated("request", "pause", name, "--reason", "identity", "--words", words).stdout
    )
    save(tmp_path / "data", SimulatedClock(instant("2025-12-20")))
    assert "due 2026-01-15" in simulated("request", "resume", name).stdout
    extended = answer(
        simulated("request", "extend", name, "--reason", "number", "--words", words, "--json")
    )
    assert extended["due_at"] == "2026-03-15T00:00:00Z"
    shown = simulated("request", "show", name).stdout
    assert SENTENCE in shown and "extended (number) by user:" in shown
    assert (
        "answered, ended 2025-12-20"
        in simulated("request", "answer", name, "--words", words).stdout
    )
    assert simulated("request", "list").stdout == "no requests\n"
    assert (
        answer(simulated("request", "list", "--state", "answered", "--json"))["items"][0]["id"]
        == name
    )
    text, hint = error(
        simulated("request", "refuse", name, "--reason", "unfounded", "--words", words, code=1)
    )
    assert text == "the request is answered already" and hint == ""


def test_what_is_overdue_is_an_answer_of_no(simulated: Run, words: Path, tmp_path: Path) -> None:
    for _ in range(2):
        simulated(
            "request", "enter", "access", "--words", words, "--identity", words, "--region", "GB"
        )
    save(tmp_path / "data", SimulatedClock(instant("2026-02-01")))
    assert simulated("request", "list", code=1).stdout.count("OVERDUE") == 2
    first = answer(simulated("request", "list", "--limit", "1", "--json", code=1))
    rest = answer(simulated("request", "list", "--after", first["next"], "--json", code=1))
    assert len(rest["items"]) == 1 and rest["next"] is None and rest["items"] != first["items"]


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (["--region", "France"], "`France` is no region"),
        (["--received", "soon"], "is not a time"),
        (["--received", "2031-01-01"], "in the future"),
        (["--words", "nowhere.txt"], "cannot be read"),
        (["--by", "Ada L"], "no name without blanks"),
    ],
)
def test_what_does_not_hold_is_refused_by_name(
    simulated: Run, words: Path, wrong: list[str], text: str
) -> None:
    enter = ["request", "enter", "access", "--words", words, "--identity", words]
    assert text in error(simulated(*enter, *wrong, code=64))[0]
    assert simulated("request", "list").stdout == "no requests\n"


def test_a_request_that_is_not_there_is_named(simulated: Run, words: Path) -> None:
    name = f"req_{'0' * 32}"
    for command in (["show", name], ["answer", name, "--words", words], ["list", "--after", name]):
        assert f"no request `{name}`" in error(simulated("request", *command, code=1))[0]
