"""How slow this machine is at this moment, for a bound that is stated in seconds of processor time.

Processor time is not the same on every machine, nor on one machine at all times: a core that is
shared with another thread, or whose caches somebody else uses, takes up to twice as long for the
same work. A bound of so many seconds is therefore of the machine on which it was stated, and a
fixed piece of work done beside what is bounded says how the two compare. Work that takes longer
than it should is not hidden by that: it grows, and the fixed piece does not.
"""

from __future__ import annotations

import json
import re
import time

ROUNDS = 12
STATED_SECONDS = 0.1  # what the work takes on the machine on which the bounds were stated
TEXT = json.dumps(
    [{"id": n, "text": f"bees in garden {n}", "kept": n % 3 == 0} for n in range(2_000)]
)
WORD = re.compile(r'"(\w+)"|\d+')


def work() -> int:
    """What a program in Python does: it parses, matches, counts and makes objects."""
    total = 0
    for _ in range(ROUNDS):
        total += sum(len(one["text"]) for one in json.loads(TEXT))
        total += sum(found.end() - found.start() for found in WORD.finditer(TEXT))
    return total


def slowness() -> float:
    """How many times longer the work takes now than where the bounds were stated; at least 1."""
    began = time.process_time()
    work()
    return max(1.0, (time.process_time() - began) / STATED_SECONDS)
