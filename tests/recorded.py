"""What each test of a run cost, in processor and clock seconds: `build/tests/costs.json`, or what
TESTS_COSTS says.

Processor time counts whatever a test started and still runs or was waited for: commands, browsers,
servers. The shared database is a child of the worker that started it, so its time is taken apart: a
run's line `database` has it.
"""

from __future__ import annotations

import json
import os
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .tiers import WHOLE

ROOT = Path(__file__).parent.parent
COSTS = Path(os.environ.get("TESTS_COSTS") or ROOT / "build" / "tests" / "costs.json")
TICKS = os.sysconf("SC_CLK_TCK")
DATABASE = "database"  # the name under which the shared server's seconds stand
database = 0.0  # what the shared server had cost when this process left it


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of the processor and of the clock that one test took, its fixtures included."""

    processor: float
    clock: float
    outcome: str = "passed"


class Meter:
    """Seconds since it was last read: of this process, of those below it, without the tree of
    ``apart``.
    """

    def __init__(self) -> None:
        self.apart: int | None = None
        self._spent, self._clock = self.spent(), time.monotonic()

    def spent(self) -> float:
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (
            time.process_time()
            + ended.ru_utime
            + ended.ru_stime
            + sum(seconds_of(pid) for pid in _descendants(self.apart))
        )

    def read(self) -> tuple[float, float]:
        spent, clock = self.spent(), time.monotonic()
        since = max(0.0, spent - self._spent), clock - self._clock
        self._spent, self._clock = spent, clock
        return since


def seconds_of(pid: int) -> float:
    """Processor seconds of a process and of its ended children; 0 where it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / TICKS


def tree(pid: int) -> Iterator[int]:
    """A process and all below it that run."""
    yield pid
    for child in _children(f"/proc/{pid}/task/{pid}/children"):
        yield from tree(child)


def _descendants(apart: int | None) -> Iterator[int]:
    try:
        threads = os.listdir("/proc/self/task")
    except OSError:  # no Linux: what still runs is not counted
        return
    for thread in threads:
        for child in _children(f"/proc/self/task/{thread}/children"):
            if child != apart:
                yield from tree(child)


def _children(path: str) -> list[int]:
    try:
        with open(path, "rb") as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return []


def write(costs: dict[str, Cost], database: float) -> None:
    """Writes what a run cost, for `tests.budget` and the table of docs/testing.md."""
    COSTS.parent.mkdir(parents=True, exist_ok=True)
    tests = {
        name: [round(cost.processor, 3), round(cost.clock, 3), cost.outcome]
        for name, cost in costs.items()
    }
    whole = {DATABASE: round(database, 1), "whole": WHOLE, "tests": tests}
    new = COSTS.with_suffix(".new")
    new.write_text(json.dumps(whole, indent=0) + "\n", encoding="utf-8")
    new.replace(COSTS)
