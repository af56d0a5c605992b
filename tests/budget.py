"""What a run cost beside what it may: `python -m tests.budget [--table] [--set]`, of the last run
(`recorded.py`).

Each line of `budget.csv` is a group: a folder of tests, the files beside the folders, or the shared
database; with the seconds of the processor that it may take in a run. It ends with 1 where a group
took more. `--table` writes the table of docs/testing.md, `--set` a budget of a quarter more than
the run took.
"""

from __future__ import annotations

import csv
import json
import math
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from .recorded import COSTS, DATABASE

ROOT = Path(__file__).parent.parent
PAGE, BUDGET = ROOT / "docs" / "testing.md", Path(__file__).with_name("budget.csv")
TABLE = re.compile(r"(?<=<!-- costs -->\n).*?(?=<!-- /costs -->)", re.DOTALL)
BESIDE = "tests"


def group_of(nodeid: str) -> str:
    """The folder of a test's file."""
    return nodeid.partition("::")[0].rpartition("/")[0]


def budget() -> dict[str, int]:
    with BUDGET.open(encoding="utf-8", newline="") as file:
        return {row["group"]: int(row["seconds"]) for row in csv.DictReader(file)}


def summed(run: dict[str, Any]) -> dict[str, tuple[int, float, float]]:
    """By group: tests, seconds of the processor, seconds of the clock; dearest first."""
    tests: Counter[str] = Counter()
    processor: Counter[str] = Counter()
    clock: Counter[str] = Counter()
    for nodeid, (spent, waited, _) in run["tests"].items():
        group = group_of(nodeid)
        tests[group] += 1
        processor[group] += spent
        clock[group] += waited
    if run[DATABASE]:
        processor[DATABASE] = run[DATABASE]
    return {group: (tests[group], spent, clock[group]) for group, spent in processor.most_common()}


def above(groups: dict[str, tuple[int, float, float]], limits: dict[str, int]) -> list[str]:
    """What took more than it may, or stands in no line of the budget."""
    found = []
    for group, (_, spent, _) in groups.items():
        if group not in limits:
            found.append(f"{group} has no line in tests/budget.csv")
        elif spent > limits[group]:
            found.append(
                f"{group} took {spent:.0f} s of the processor, and may take "
                f"{limits[group]}: tests/budget.csv"
            )
    return found


def table(groups: dict[str, tuple[int, float, float]]) -> str:
    """The table of docs/testing.md."""
    whole = sum(spent for _, spent, _ in groups.values()) or 1.0
    lines = [
        "| group | tests | processor seconds | % | worker seconds |",
        "| --- | --- | --- | --- | --- |",
    ]
    for group, (tests, spent, waited) in groups.items():
        name = f"`{group}`" if group != BESIDE else "the files beside the folders"
        name = "the shared database" if group == DATABASE else name
        lines.append(
            f"| {name} | {tests:,} | {spent:,.0f} | {100 * spent / whole:.1f} | {waited:,.0f} |"
        )
    return "\n".join(lines) + "\n"


def main(words: list[str]) -> int:
    run = json.loads(COSTS.read_text("utf-8"))
    groups = summed(run)
    for group, (tests, spent, waited) in groups.items():
        print(
            f"{spent:8.1f} s of the processor {waited:8.1f} s of workers {tests:6} tests  {group}"
        )
    if "--table" in words:
        text = PAGE.read_text("utf-8")
        assert TABLE.search(text), f"{PAGE} has no place for the table"
        PAGE.write_text(TABLE.sub(lambda _: table(groups), text), encoding="utf-8")
    if run["whole"]:
        return 0
    if "--set" in words:
        lines = [
            f"{group},{max(5, math.ceil(1.25 * spent))}\n"
            for group, (_, spent, _) in sorted(groups.items())
        ]
        BUDGET.write_text("group,seconds\n" + "".join(lines), encoding="utf-8")
    for fault in (wrong := above(groups, budget())):
        print(fault, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
