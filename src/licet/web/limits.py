"""Bounds of requests, and how many a caller may make.

The rate is kept by the generic cell rate algorithm (ITU-T I.371): one time a caller, so that a burst of a sixth of a
minute's requests passes and the long run does not exceed the rate. It is kept in memory, by this process alone.
"""

from __future__ import annotations

import math
from collections import OrderedDict

from licet.web.problems import RateLimitedError

BODY_BYTES_MAX = 256 * 2**10
TURN_REQUEST_BYTES_MAX = 8 * 2**20
BULK_BYTES_MAX = 256 * 2**20
BULK_LINES_MAX = 100_000
OTLP_BYTES_MAX = 16 * 2**20
OTLP_INFLATED_BYTES_MAX = 64 * 2**20
PAGE_ROWS_MAX = 200
PAGE_ROWS = 50
CALLERS_MAX = 100_000
BURST_SECONDS = 10


class Rates:
    """The rate of each caller. Who has not called for longest is forgotten first, which only ever favours them."""

    def __init__(self) -> None:
        self._due: OrderedDict[bytes, float] = OrderedDict()

    def take(self, caller: bytes, per_minute: int, now: float, count: int = 1) -> None:
        """Counts requests of ``caller`` at ``now`` seconds; RateLimitedError, with when to come again, past the rate."""
        step = 60 / per_minute
        due = max(self._due.get(caller, now), now)
        early = due - now - max(BURST_SECONDS, step)
        if early > 0:
            raise RateLimitedError(math.ceil(early))
        self._due[caller] = due + step * count
        self._due.move_to_end(caller)
        if len(self._due) > CALLERS_MAX:
            self._due.popitem(last=False)
