"""How much of what is drawn at random a run of the tests tries: a quarter, another one each day; TESTS_WHOLE=1 all of it.

TESTS_QUARTER, from 0 to 3, chooses the quarter: a run that failed says at its end which it was. With TESTS_QUICK=1, as in
`./run check`, the first fourth of that quarter is tried.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime

WHOLE = os.environ.get("TESTS_WHOLE") == "1"
QUICK = os.environ.get("TESTS_QUICK") == "1" and not WHOLE
# Written into the environment, so that every worker and program of one run tries the same.
QUARTER = 0 if WHOLE else int(os.environ.setdefault("TESTS_QUARTER", str(datetime.now(UTC).toordinal() % 4)))


def share(count: int) -> int:
    """How many of ``count`` this run tries."""
    return count if WHOLE else max(1, count // (16 if QUICK else 4))


def seeds(count: int, begin: int = 0) -> range:
    """The seeds of this run's part of ``count`` draws: four quarters side by side are the whole."""
    first = begin + QUARTER * max(1, count // 4)
    return range(first, first + share(count))
