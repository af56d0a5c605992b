"""Answers that anybody may request at any rate: the database is queried at most once a second, or
less often.

Otherwise a public probe would be a way to keep the database busy. Other requests within that time
get the cached answer, or wait for the query in progress. If the database does not answer, they wait
at most `WAITED_SECONDS_MAX`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Generic, TypeVar

from licet.errors import LicetError
from licet.store.connect import UnreachableError

Answer = TypeVar("Answer")

REMEMBERED_SECONDS = 1.0
WAITED_SECONDS_MAX = 1.0


class Probe(Generic[Answer]):
    """Calls ``ask``, and caches its result or error for ``remembered_seconds``."""

    def __init__(
        self, ask: Callable[[], Awaitable[Answer]], remembered_seconds: float = REMEMBERED_SECONDS
    ) -> None:
        self._ask, self._remembered_seconds = ask, remembered_seconds
        self._known: tuple[float, Answer | LicetError] | None = None
        self._asking: asyncio.Task[None] | None = None

    async def answer(self) -> Answer:
        """The answer, no older than it may be; UnreachableError if none comes in time."""
        known = self._known
        if known is None or known[0] <= monotonic():
            if self._asking is None or self._asking.done():
                self._asking = asyncio.create_task(self._asked())
            await asyncio.wait([self._asking], timeout=WAITED_SECONDS_MAX)
            if not self._asking.done():
                hint = "see that it runs, and that it is reached"
                raise UnreachableError("the database does not answer", hint)
            self._asking.result()  # raises its error
            known = self._known
        assert known is not None
        if isinstance(known[1], LicetError):
            raise known[1]
        return known[1]

    async def _asked(self) -> None:
        until = monotonic() + self._remembered_seconds  # counted from before the query
        try:
            answer: Answer | LicetError = await self._ask()
        except LicetError as error:
            answer = error
        self._known = (max(until, monotonic() + self._remembered_seconds / 2), answer)
