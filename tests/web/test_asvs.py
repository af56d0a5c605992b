"""docs/asvs.csv answers for every requirement of OWASP ASVS 5.0.0 at the levels 1 and 2, and its
tests exist.
"""

from __future__ import annotations

import ast
import csv
import re
from collections import Counter
from functools import cache
from pathlib import Path

from ..evidence import Function, checks, functions_of, switched_off

ROOT = Path(__file__).parent.parent.parent
COLUMNS = ["id", "level", "requirement", "status", "evidence"]
# How many requirements of the levels 1 and 2 each chapter of ASVS 5.0.0 has: 70 of the first, 183
# of the second.
CHAPTERS = {
    1: 27, 2: 11, 3: 19, 4: 10, 5: 9, 6: 35, 7: 18, 8: 7, 9: 7, 10: 29, 11: 14, 12: 9, 13: 13, 14: 9, 15: 13, 16: 16,
    17: 7,
}  # fmt: skip
LEVELS = {"1": 70, "2": 183}
WORDS_MIN = 2


@cache
def rows() -> tuple[dict[str, str], ...]:
    with (ROOT / "docs" / "asvs.csv").open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        assert reader.fieldnames == COLUMNS
        return tuple(reader)


@cache
def sections(path: Path) -> frozenset[str]:
    return frozenset(re.findall(r"(?m)^## (.+)$", path.read_text(encoding="utf-8")))


def order(number: str) -> list[int]:
    return [int(part) for part in number.split(".")]


def with_status(status: str) -> list[dict[str, str]]:
    return [row for row in rows() if row["status"] == status]


def test_every_requirement_of_the_two_levels_stands_there_once_and_in_order() -> None:
    numbers = [row["id"] for row in rows()]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", number) for number in numbers)
    assert numbers == sorted(set(numbers), key=order)
    assert Counter(order(number)[0] for number in numbers) == CHAPTERS
    assert Counter(row["level"] for row in rows()) == LEVELS


def test_every_requirement_has_a_status_and_words_of_its_own() -> None:
    for row in rows():
        assert row["status"] in {"tested", "not_applicable", "by_design"}, row["id"]
        assert len(row["requirement"].split()) >= WORDS_MIN, row["id"]
        assert not row["requirement"].startswith("Verify"), row["id"]


def test_a_requirement_that_is_tested_names_a_test_that_runs_and_can_fail() -> None:
    for evidence in {row["evidence"] for row in with_status("tested")}:
        path, _, name = evidence.partition("::")
        assert (ROOT / path).is_file(), path
        assert name.startswith("test_"), evidence
        there = functions_of(ROOT / path)
        assert name in there, evidence
        assert checks(there[name], there), f"{evidence} asserts nothing"
        assert switched_off(there[name]) == [], evidence


def test_a_test_that_asserts_nothing_is_no_evidence() -> None:
    """The control: a name alone, a call of something else and a test that does not run are found
    out.
    """
    source = (
        "@pytest.mark.skip\ndef test_a():\n    help()\ndef help():\n    return 1\ndef "
        "test_b():\n "
        "   assert 1"
    )
    there = {node.name: node for node in ast.parse(source).body if isinstance(node, Function)}
    assert [checks(there[name], there) for name in ("test_a", "test_b")] == [False, True]
    assert [bool(switched_off(there[name])) for name in ("test_a", "test_b")] == [True, False]


def test_a_requirement_without_a_test_has_a_reason_whose_pages_and_sections_exist() -> None:
    for row in with_status("not_applicable") + with_status("by_design"):
        assert len(row["evidence"].split()) >= WORDS_MIN, row["id"]
        for page in re.findall(r"\b(?:docs|tests)/[\w/.-]+\.(?:md|csv|py)\b", row["evidence"]):
            assert (ROOT / page).is_file(), (row["id"], page)
        for section in re.findall(r"docs/security\.md, ([A-Z][a-z ]+)", row["evidence"]):
            assert section.strip() in sections(ROOT / "docs" / "security.md"), (row["id"], section)


def test_most_of_what_applies_is_tested() -> None:
    """What applies is tested, unless it is a document or an operator's part: a third of it at
    most.
    """
    applies = len(with_status("tested")) + len(with_status("by_design"))
    assert len(with_status("by_design")) <= applies / 3
