"""Limits of requests: bytes, lines, rows, and how many large ones are processed at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager

from licet.errors import BusyError
from licet.web.api.problems import BodyTooLargeError

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


class Heavy:
    """Requests with many turns: the total bytes of their bodies are limited, and `HEAVY_AT_ONCE`
    are processed at a time.

    A request that would exceed the total is refused, so that many callers use no more memory than a
    few. Of several ``workers`` each has its part of the total, and takes at least one whole
    request.
    """

    def __init__(self, workers: int = 1) -> None:
        self._slots = asyncio.Semaphore(HEAVY_AT_ONCE)
        self._bytes, self._bytes_max = 0, max(HEAVY_BYTES_MAX // workers, BULK_BYTES_MAX)

    @asynccontextmanager
    async def body(self, stream: AsyncIterable[bytes], lines_max: int = 0) -> AsyncIterator[bytes]:
        """The whole body, counted while it is in use; TooLargeError as soon as it has more lines
        than ``lines_max``.
        """
        held, lines = bytearray(), 0
        try:
            async for piece in stream:
                lines += piece.count(b"\n") if lines_max else 0
                if lines_max and lines + (not piece.endswith(b"\n")) > lines_max and piece:
                    raise BodyTooLargeError(
                        f"more than {lines_max} lines", "send the rest in a request of its own"
                    )
                self._bytes += len(piece)
                held += piece
                if self._bytes > self._bytes_max:
                    raise BusyError(
                        "the bodies of other requests take all the memory there is for them",
                        "try again",
                    )
            yield bytes(held)
        finally:
            self._bytes -= len(held)

    def working(self) -> asyncio.Semaphore:
        """Limits how many such requests are processed at a time."""
        return self._slots
