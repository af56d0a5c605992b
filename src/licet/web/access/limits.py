"""Limits of requests, and the rate of each caller.

The rate uses the generic cell rate algorithm (ITU-T I.371): one timestamp per caller, so that a burst of a sixth of a
minute's requests passes and the long-term rate is not exceeded. It is kept in memory, for this process only.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager

from licet.errors import BusyError
from licet.web.api.problems import BodyTooLargeError, RateLimitedError

BODY_BYTES_MAX = 256 * 2**10
TURN_REQUEST_BYTES_MAX = 8 * 2**20
BULK_BYTES_MAX = 64 * 2**20
BULK_LINES_MAX = 10_000
OTLP_BYTES_MAX = 16 * 2**20
OTLP_INFLATED_BYTES_MAX = 32 * 2**20
HEAVY_AT_ONCE = 2
HEAVY_BYTES_MAX = 512 * 2**20
PAGE_ROWS_MAX = 200
PAGE_ROWS = 50
CALLERS_MAX = 100_000
BURST_SECONDS = 10


class Heavy:
    """Requests with many turns: the total bytes of their bodies are limited, and `HEAVY_AT_ONCE` are processed at a
    time.

    A request that would exceed the total is refused, so that many callers use no more memory than a few.
    """

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(HEAVY_AT_ONCE)
        self._bytes = 0

    @asynccontextmanager
    async def body(self, stream: AsyncIterable[bytes], lines_max: int = 0) -> AsyncIterator[bytes]:
        """The whole body, counted while it is in use; TooLargeError as soon as it has more lines than ``lines_max``."""
        held, lines = bytearray(), 0
        try:
            async for piece in stream:
                lines += piece.count(b"\n") if lines_max else 0
                if lines_max and lines + (not piece.endswith(b"\n")) > lines_max and piece:
                    raise BodyTooLargeError(f"more than {lines_max} lines", "send the rest in a request of its own")
                self._bytes += len(piece)
                held += piece
                if self._bytes > HEAVY_BYTES_MAX:
                    raise BusyError("the bodies of other requests take all the memory there is for them", "try again")
            yield bytes(held)
        finally:
            self._bytes -= len(held)

    def working(self) -> asyncio.Semaphore:
        """Limits how many such requests are processed at a time."""
        return self._slots


class Rates:
    """The rate of each caller. The caller that has been idle longest is forgotten first, which only favours them."""

    def __init__(self) -> None:
        self._due: OrderedDict[bytes, float] = OrderedDict()

    def take(self, caller: bytes, per_minute: int, now: float, count: int = 1) -> None:
        """Counts requests of ``caller`` at ``now`` seconds; RateLimitedError, with the time to retry, above the rate."""
        step = 60 / per_minute
        due = max(self._due.get(caller, now), now)
        early = due - now - max(BURST_SECONDS, step)
        if early > 0:
            raise RateLimitedError(math.ceil(early))
        self._due[caller] = due + step * count
        self._due.move_to_end(caller)
        if len(self._due) > CALLERS_MAX:
            self._due.popitem(last=False)
