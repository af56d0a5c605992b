"""`licet deidentify`: a text as a release would have it, and plain refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from licet.cli.command import main


def run(*arguments: str, said: str | bytes = "") -> Result:
    return CliRunner(env={"LICET_CURATE__NAMES": "off"}).invoke(
        main, ["deidentify", *arguments], input=said
    )


def test_a_text_is_shown_as_a_release_would_have_it() -> None:
    shown = run("text", "-", said="write to bob@acme.io or bob@acme.io")
    assert shown.exit_code == 0 and "acme" not in shown.stdout
    first, second = (word for word in shown.stdout.split() if "@" in word)
    assert first == second
    assert (
        run("text", "-", said="write to bob@acme.io").stdout
        != run("text", "-", said="write to bob@acme.io").stdout
    )


def test_the_same_as_json_with_what_was_replaced(tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_bytes(b"bob@acme.io \xff")
    made = json.loads(run("text", str(letter), "--json").stdout)
    assert (made["replaced"], made["doubtful"]) == ({"email": 1}, False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["measure", "--labelled", "noisy"], "is not a name, `=` and a file"),
        (["measure", "--labelled", "noisy=/nowhere.conll"], "is not a name, `=` and a file"),
    ],
)
def test_what_cannot_be_is_refused_as_usage(arguments: list[str], said: str) -> None:
    refused = run(*arguments)
    assert refused.exit_code == 64
    assert said in refused.stderr


def test_nothing_is_measured_where_nothing_looks(tmp_path: Path) -> None:
    labelled = tmp_path / "a.conll"
    labelled.write_text("Maria\tB-person\n", "utf-8")
    refused = run("measure", "--labelled", f"noisy={labelled}", "--data", str(tmp_path))
    assert (
        refused.exit_code == 64 and "nothing is configured that looks for names" in refused.stderr
    )
