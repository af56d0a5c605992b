"""Writes `turns.txt` from what the tests cost when they last ran: `python -m tests.turns`.

A test takes turns if it takes over SECONDS of the processor with all its parameters, no promise of
docs/promises.csv names it, and it stands for no other in `whole.csv`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Set

from . import promises, tiers
from .recorded import COSTS

SECONDS = 0.25
# Who may do what: the day on which that changes is the day to see it.
ALWAYS = frozenset({"tests/web/test_matrix.py::test_the_matrix_is_the_golden_one"})


def needed() -> set[str]:
    """The tests that each run takes: ALWAYS, and those that promises and left-out tests rest on."""
    held = {tiers.name_of(test) for row in promises.rows() for test in row.tests}
    return ALWAYS | held | {row.stands_in for row in tiers.table().values() if row.stands_in}


def taking_turns(seconds: Mapping[str, float], needed: Set[str]) -> list[str]:
    """The tests that take turns, of ``seconds`` by node id."""
    whole: Counter[str] = Counter()
    for nodeid, cost in seconds.items():
        whole[tiers.name_of(nodeid)] += cost
    return sorted(test for test, cost in whole.items() if cost > SECONDS and test not in needed)


def main() -> None:
    costs = json.loads(COSTS.read_text("utf-8"))["tests"]
    found = taking_turns({test: cost[0] for test, cost in costs.items()}, needed())
    tiers.TURNS.write_text("\n".join(found) + "\n", encoding="utf-8")
    print(f"{len(found)} tests take turns: {tiers.TURNS.name}")


if __name__ == "__main__":
    main()
