"""`licet deidentify measure`: what would change in texts of one's own, labelled or not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from licet.cli.command import main
from licet.curate import name_models

PROSE = (
    "the ferry leaves from the third quay at six in the morning and comes back at ten in the "
    "evening. "
)
LABELLED = """== en
My name is [[Xqar Vundle]] and I live at {{12 Mill Lane, Derby}}.
The tide is low at noon and high at six in the evening.
Please ask about the [[Qzxv]] today, as it is on the list.
== de
Ich heiße [[Xqar Vundle]] und wohne in der {{Lindenstraße 14, 50674 Köln}}.
"""


def measure(*arguments: object, names: str = "built-in") -> Result:
    runner = CliRunner(env={"LICET_CURATE__NAMES": names})
    return runner.invoke(main, ["deidentify", "measure", *map(str, arguments)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "chats"
    made.mkdir()
    return made


def test_texts_without_labels_give_the_words_that_change_and_their_places(folder: Path) -> None:
    (folder / "one.txt").write_text(f"My name is Xqar Vundle. {PROSE}", "utf-8")
    (folder / "two.md").write_text(f"Nobody is here. {PROSE}", "utf-8")
    (folder / "three.csv").write_text("My name is Xqar Vundle.", "utf-8")
    shown = measure(folder)
    assert shown.exit_code == 0 and shown.stdout.startswith("2 texts of 48 words\n")
    assert "person in prose of `en`: 4.17 % of 48 words (2)" in shown.stdout
    assert "person, prose of `en`:  'My name is Xqar Vundle. the ferry" in shown.stdout
    made = json.loads(measure(folder, "--json").stdout)
    assert (made["texts"], made["words"], made["labelled"], made["skipped"], made["unusual"]) == (
        2,
        48,
        [],
        {},
        [],
    )
    assert made["changed"] == [
        {"kind": "person", "language": "en", "place": "prose", "changed": 2, "words": 48}
    ]
    (sample,) = made["samples"]
    assert (sample["kind"], sample["language"], sample["place"]) == ("person", "en", "prose")
    assert (
        "Xqar Vundle" in sample["before"]
        and "Xqar" not in sample["after"]
        and "Vundle" not in sample["after"]
    )


def test_labelled_texts_give_the_shares_that_are_found_and_right_by_language(folder: Path) -> None:
    (folder / "labelled.txt").write_text(LABELLED, "utf-8")
    shown = measure(folder)
    assert shown.exit_code == 0
    assert "messages-en: person 0.500 (1 of 2 found)" in shown.stdout
    assert "messages-en: precision 1.000 (6 of 6 replaced words are right)" in shown.stdout
    assert "messages-de: person 1.000 (1 of 1 found)" in shown.stdout
    assert "[[" not in shown.stdout and "{{" not in shown.stdout
    made = json.loads(measure(folder, "--json").stdout)
    figures = {
        (one["slice"], one["kind"]): (one["found"], one["labelled"]) for one in made["labelled"]
    }
    assert figures["messages-en", "address"] == figures["messages-de", "address"] == (1, 1)


def test_more_than_is_usual_exits_1_and_says_what(folder: Path) -> None:
    (folder / "one.txt").write_text(f"My name is Xqar Vundle. {PROSE} " * 150, "utf-8")
    shown = measure(folder)
    assert shown.exit_code == 1
    assert "unusual: person in prose of `all`: 8.00 % of 3,750 words" in shown.stdout
    unusual = json.loads(measure(folder, "--json").stdout)["unusual"]
    assert {(one["kind"], one["place"]) for one in unusual} == {("person", "prose")}
    assert unusual[0]["language"] == "all"
    assert all(one["changed"] / one["words"] > 0.03 for one in unusual)


def test_a_language_that_is_not_looked_at_is_counted(folder: Path) -> None:
    (folder / "one.txt").write_text("저는 김민수입니다. 도와주세요.", "utf-8")
    assert "not looked at: 1 texts in `ko`" in measure(folder).stdout
    assert json.loads(measure(folder, "--json").stdout)["unread"] == {"ko": 1}


def test_a_file_that_is_no_text_is_skipped_and_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(name_models, "FILE_BYTES_MAX", 500)
    (folder / "one.txt").write_text(PROSE, "utf-8")
    (folder / "picture.txt").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    (folder / "long.txt").write_text(PROSE * 10, "utf-8")
    (folder / "nul.md").write_bytes(b"a\0b")
    shown = measure(folder)
    assert shown.exit_code == 0 and shown.stdout.startswith("1 texts of ")
    assert json.loads(measure(folder, "--json").stdout)["skipped"] == {
        "picture.txt": "not UTF-8 at byte 0",
        "long.txt": "longer than 500 bytes",
        "nul.md": "holds a NUL character",
    }
    assert "skipped: `picture.txt`: not UTF-8 at byte 0" in shown.stdout


def test_without_anything_that_looks_for_names_the_rules_are_measured(folder: Path) -> None:
    (folder / "one.txt").write_text("My name is Xqar Vundle, write to xv@acme.io", "utf-8")
    made = json.loads(measure(folder, "--json", names="off").stdout)
    assert [one["kind"] for one in made["changed"]] == ["email"] and made["unread"] == {}


@pytest.mark.parametrize("as_json", [False, True])
def test_an_empty_folder_and_no_folder_are_usage(folder: Path, as_json: bool) -> None:
    (folder / "one.csv").write_text("x", "utf-8")
    options = ["--json"] if as_json else []
    for given, said in (([folder], "holds no text"), ([], "give a folder, or `--labelled`")):
        refused = measure(*given, *options)
        assert refused.exit_code == 64 and said in refused.stderr
        assert not as_json or json.loads(refused.stderr)["exit"] == 64
    assert measure(folder / "nowhere").exit_code == 64
    assert measure(folder, "--labelled", "a=b").exit_code == 64


def test_labels_that_cannot_be_read_are_refused_with_their_place(folder: Path) -> None:
    (folder / "labelled.txt").write_text("== \nMy name is [[Xqar]].\n", "utf-8")
    refused = measure(folder)
    assert refused.exit_code == 64 and "labelled.txt" in refused.stderr
