"""docs/many-hosts.md calculates from what was measured: its sums are right, each names its row,
what was tried has a test.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from licet.store.connect import Pool, transaction

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "many-hosts.md").read_text("utf-8")
SUM = re.compile(
    r"([\d,]+) (x|/) ([\d.,]+) (us|bytes|a second) = ([\d.]+) (minutes|hours|days|years|GB|TB)"
)
ONE = {"us": 1e-6, "bytes": 1.0, "a second": 1.0}
UNITS = {
    "minutes": 60.0,
    "hours": 3600.0,
    "days": 86_400.0,
    "years": 31_557_600.0,
    "GB": 1e9,
    "TB": 1e12,
}
ROUNDING = 0.006
SHARDS = re.compile(r"\bshard(?:s|ed|ing)?\b", re.IGNORECASE)


def table(heading: str) -> list[list[str]]:
    """The cells of the one table below a heading."""
    section = PAGE[PAGE.index(f"## {heading}\n") + 1 :].partition("\n## ")[0]
    rows = re.findall(r"(?m)^\| (.+) \|$", section)
    return [row.split(" | ") for row in rows[1:]]


COSTS = table("A hundred million accounts and ten billion turns")


def number(text: str) -> float:
    return float(text.replace(",", ""))


@pytest.mark.parametrize("row", COSTS, ids=lambda row: row[0])
def test_a_sum_is_right_and_is_of_the_unit_cost_beside_it(row: list[str]) -> None:
    _, cost, said, _ = row
    found = SUM.fullmatch(said)
    assert found, said
    many, sign, each, unit, result, of = found.groups()
    assert cost.startswith(each), "another cost than the one beside it"
    one = number(each) * ONE[unit]
    total = number(many) * one if sign == "x" else number(many) / one
    assert number(result) * UNITS[of] == pytest.approx(total, rel=ROUNDING)


@pytest.mark.parametrize("row", COSTS, ids=lambda row: row[0])
def test_a_unit_cost_has_a_row_among_the_results(row: list[str]) -> None:
    results = (ROOT / "bench" / "RESULTS.md").read_text("utf-8")
    named = re.fullmatch(r"`(\w+)`: (.+)", row[-1])
    assert named, row[-1]
    section = results[results.index(f"\n## {named[1]}\n") + 1 :].partition("\n## ")[0]
    assert re.search(rf"(?m)^\| +{re.escape(named[2])}", section), row[-1]


def test_what_was_tried_names_its_test() -> None:
    rows = table("What was tried")
    assert len(rows) > 3
    for *_, where in rows:
        named = re.fullmatch(r"`(tests/\S+\.py)`: `(test_\w+)`", where)
        assert named, where
        tree = ast.parse((ROOT / named[1]).read_text("utf-8"))
        assert named[2] in {
            node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)
        }


UNIQUE = """SELECT i.indexrelid::regclass::text FROM pg_index i
    JOIN pg_class c ON c.oid = i.indrelid
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'account_id' AND NOT a.attisdropped
   WHERE i.indisunique AND i.indkey[0] <> a.attnum
     AND c.relnamespace = current_schema()::regnamespace"""


def test_the_decision_has_all_that_is_unique_over_all_accounts(pool: Pool) -> None:
    decision = (ROOT / "docs" / "adr" / "0022-what-is-unique-over-all-accounts.md").read_text(
        "utf-8"
    )
    listed = re.findall(r"(?m)^\| (.+) \|", decision.partition("**What else")[2])
    with transaction(pool) as tx:
        assert {name for (name,) in tx.execute(UNIQUE)} == set(
            re.findall(r"`(\w+)`", " ".join(listed))
        )


def test_nowhere_is_it_said_that_the_store_shards() -> None:
    for name in [
        "README.md",
        "docs/install.md",
        "docs/operate.md",
        "src/licet/store/migrations/0001_schema.sql",
    ]:
        said = (ROOT / name).read_text("utf-8")
        assert not SHARDS.search(said), name
