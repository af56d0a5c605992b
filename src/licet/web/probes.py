"""What anybody may ask as often as they like: asked of the database at most once a second, and answered within one.

A probe that everybody can call is otherwise a way to keep the database busy. Whoever asks meanwhile hears the answer of
the last second, or waits for the question that is under way; while the database does not answer, nobody waits long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Generic, TypeVar

from licet.errors import BusyError, LicetError

Answer = TypeVar("Answer")

REMEMBERED_SECONDS = 1.0
WAITED_SECONDS_MAX = 1.0


class Probe(Generic[Answer]):
    """Asks with ``ask``, and remembers an answer or a refusal for `REMEMBERED_SECONDS`."""

    def __init__(self, ask: Callable[[], Awaitable[Answer]]) -> None:
        self._ask = ask
        self._known: tuple[float, Answer | LicetError] | None = None
        self._asking: asyncio.Task[None] | None = None

    async def answer(self) -> Answer:
        """The answer, at most a second old; BusyError where none comes in time."""
        known = self._known
        if known is None or known[0] <= monotonic():
            if self._asking is None or self._asking.done():
                self._asking = asyncio.create_task(self._asked())
            await asyncio.wait([self._asking], timeout=WAITED_SECONDS_MAX)
            if not self._asking.done():
                raise BusyError("the database does not answer", "see that it runs, and that it is reached")
            self._asking.result()  # what broke is raised
            known = self._known
        assert known is not None
        if isinstance(known[1], LicetError):
            raise known[1]
        return known[1]

    async def _asked(self) -> None:
        until = monotonic() + REMEMBERED_SECONDS  # from before it was asked
        try:
            answer: Answer | LicetError = await self._ask()
        except LicetError as error:
            answer = error
        self._known = (max(until, monotonic() + REMEMBERED_SECONDS / 2), answer)
