"""CONTRIBUTING.md names places that are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAMED = re.compile(r"`((?:src|tests|docs|tools|bench)/[\w./-]+|pyproject\.toml)`")
PLACEHOLDERS = ("NAME", "SUBJECT", "CODE", "NNNN")


def test_every_place_that_a_recipe_names_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    named = set(NAMED.findall(text))
    assert len(named) > 40
    places = {name for name in named if not any(word in name for word in PLACEHOLDERS)}
    assert sorted(name for name in places if not (ROOT / name).exists()) == []
    folders = {
        (ROOT / name).parent
        for name in named - places
        if "/NAME/" not in name and not name.endswith("NAME/")
    }
    assert sorted(str(folder) for folder in folders if not folder.is_dir()) == []


def test_every_twin_of_the_rule_names_a_test_that_is_there() -> None:
    table = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("## Rules that exist twice")[2]
    rows = [line.split("|")[1:4] for line in table.splitlines() if line.startswith("| `")]
    assert len(rows) >= 5
    assert [row for row in rows if not re.search(r"`tests/[\w/]+\.py`", row[2])] == []
