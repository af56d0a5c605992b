"""Each room of `src/licet` stays within its bytes of Python: `tests/weight.csv` is the budget, one
line a room.

A change that needs more raises its line there, with the reason in the commit; a change that takes
away lowers it, so that what was saved is not spent in silence. `python -m tests.test_weight` writes
the file as the tree is, rounded up to whole kilobytes.
"""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "src" / "licet"
BUDGET = Path(__file__).with_name("weight.csv")
SPARE = 2_000  # bytes by which a room may lie below its line before the line has to follow


def weights() -> Counter[str]:
    """Bytes of Python by room; modules beside the rooms count as the room `.`."""
    found: Counter[str] = Counter()
    for path in SOURCE.rglob("*.py"):
        place = path.relative_to(SOURCE)
        found[place.parts[0] if len(place.parts) > 1 else "."] += path.stat().st_size
    return found


def budget() -> dict[str, int]:
    with BUDGET.open(encoding="utf-8", newline="") as file:
        return {row["room"]: int(row["bytes"]) for row in csv.DictReader(file)}


def test_no_room_is_heavier_than_its_budget_and_no_budget_is_loose() -> None:
    allowed, found = budget(), weights()
    assert set(allowed) == set(found)
    heavy = {room: (size, allowed[room]) for room, size in found.items() if size > allowed[room]}
    assert heavy == {}, "make it smaller, or raise its line in tests/weight.csv and say why"
    loose = {
        room: (size, allowed[room]) for room, size in found.items() if size < allowed[room] - SPARE
    }
    assert loose == {}, "lower its line in tests/weight.csv: `python -m tests.test_weight`"


if __name__ == "__main__":
    with BUDGET.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(["room", "bytes"])
        lines.writerows(
            (room, -(-size // 1_000) * 1_000) for room, size in sorted(weights().items())
        )
