"""What was signed before there were questions is proved as it was then, and its lies are found.

The files were written by the version of then (`before_questions/README.md`); the lies of
`release_lies` and `lies` are told in its form as well.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from licet import verifier

from .shipped import shipped

BEFORE = Path(__file__).parent / "before_questions"
PUBLISHED = BEFORE / "published"
KEYS = dict(zip(("2025", "2026"), (PUBLISHED / "vkeys.txt").read_text().split(), strict=True))
RELEASES = {"improve": "2025", "safety": "2025", "later": "2026"}
RECEIPTS = sorted((BEFORE / "receipts").iterdir())
BOTH = pytest.mark.parametrize("by", [verifier, shipped()], ids=["the package", "the one file"])


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def entries(year: str) -> list[dict[str, Any]]:
    """The entries of a log that fits into one tile."""
    (bundle,) = (PUBLISHED / year / "tile" / "entries").glob("000.p/*")
    data, at, found = bundle.read_bytes(), 0, []
    while at < len(data):
        length = int.from_bytes(data[at : at + 2], "big")
        found.append(json.loads(data[at + 2 : at + 2 + length]))
        at += 2 + length
    return found


def test_they_are_of_before() -> None:
    for name in RELEASES:
        rows = lines(BEFORE / name / "proof" / "rows.jsonl.gz")
        assert rows and all(row["v"] == 1 and "question" not in row for row in rows)
        assert all("widening" in source for row in rows for source in row["sources"])
        assert all(
            "covers" in one["choice"]
            for one in lines(BEFORE / name / "proof" / "policies.jsonl.gz")
        )
    told = [entry for year in KEYS for entry in entries(year)]
    assert not any({"question", "scope"} & entry["facts"].keys() for entry in told)
    assert {
        "choice",
        "grant_begun",
        "grant_affirmed",
        "grant_ended",
        "grant_stands",
        "carried",
        "narrowed",
        "widened",
    } <= {entry["t"] for entry in told}


@BOTH
@pytest.mark.parametrize("year", KEYS)
def test_a_log_is_proved(by: ModuleType, year: str) -> None:
    trusted = by.trust(KEYS[year])
    report = by.check_log(
        by.FolderFiles(PUBLISHED / year), trusted, (), by.new_story(trusted.origin)
    )
    assert (report.answer, report.findings) == ("proved", [])


@BOTH
@pytest.mark.parametrize("name", RELEASES)
def test_a_release_is_proved_but_for_its_parts(by: ModuleType, name: str) -> None:
    """Of parts of then some columns are compressed, which this file cannot read: `licet verify`
    opens them.
    """
    year = RELEASES[name]
    folder, log = by.FolderFiles(BEFORE / name), by.FolderFiles(PUBLISHED / year)
    report = by.check_release(folder, by.trust(KEYS[year]), log)
    assert (report.answer, report.findings) == ("not proved", [])
    assert {lack.why for lack in report.lacks} == {"some of its columns are compressed"}
    lacking = [part.what for part in report.parts if part.answer == "not proved"]
    assert lacking == ["rows in the parts"]


@BOTH
@pytest.mark.parametrize("path", RECEIPTS, ids=lambda path: path.stem)
def test_a_receipt_is_proved_but_for_its_policy(by: ModuleType, path: Path) -> None:
    year = "2026" if path.stem in ("ben-1", "ben-2") else "2025"
    report = by.check_receipt(path.read_bytes(), by.trust(KEYS[year]))
    assert (report.answer, report.findings) == ("not proved", [])
    assert [lack.why for lack in report.lacks] == ["its entry commits to no policy"]


@BOTH
def test_a_person_finds_their_conversations_in_a_release(by: ModuleType) -> None:
    mine = json.loads((BEFORE / "handles.json").read_text())
    salt, folder = bytes.fromhex(mine.pop("salt")), by.FolderFiles(BEFORE / "improve")
    logs = [(by.trust(KEYS["2025"]), by.FolderFiles(PUBLISHED / "2025"))]
    found = {}
    for chat, handle in mine.items():
        report, seen, _ = by.check_conversation_in(folder, handle, salt, None, logs)
        assert (report.answer, report.findings) == ("proved", [])
        found[chat] = (seen.turns_in, seen.why)
    assert found == {
        "kept": (2, {"origin": 1}),
        "out": (0, {"narrowed": 2}),
        "gone": (0, {"deleted": 2}),
    }
