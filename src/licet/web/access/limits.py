"""Bounds of requests, and how many a caller may make.

The rate is kept by the generic cell rate algorithm (ITU-T I.371): one time a caller, so that a burst of a sixth of a
minute's requests passes and the long run does not exceed the rate. It is kept in memory, by this process alone.
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
    """Requests of many turns: their bodies are held to a sum of bytes, and `HEAVY_AT_ONCE` are worked on at a time.

    One that would pass the sum is refused, so that many callers ask for no more memory than a few.
    """

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(HEAVY_AT_ONCE)
        self._bytes = 0

    @asynccontextmanager
    async def body(self, stream: AsyncIterable[bytes], lines_max: int = 0) -> AsyncIterator[bytes]:
        """The whole body, while its bytes count; TooLargeError as soon as it has more lines than ``lines_max``."""
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
        """What a request holds while it is worked on."""
        return self._slots


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
