"""A batched writer for callers on an event loop: many requests, one transaction.

The event loop never waits for a lock: what the writer cannot accept at once is refused (503), and a
whole batch of answers wakes the loop once. See `vault.requests`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from licet.errors import BusyError
from licet.store.connect import OutcomeUnknownError, Pool, Transaction, transaction
from licet.store.writer import BatchWriter, Begin, Bounds

Item = TypeVar("Item")
Result = TypeVar("Result")

UNDER_WAY_MAX = 4_000  # below the writer's own bound, so that submitting never blocks
WRITING = Bounds(gather_seconds=0.001)
ASKING = Bounds(gather_seconds=0.0)


class Batches(Generic[Item, Result]):
    """A `BatchWriter` for callers on an event loop. Answers come back in whole batches."""

    def __init__(
        self,
        pool: Pool,
        apply: Callable[[Transaction, Sequence[Item]], Sequence[Result]],
        bounds: Bounds,
        name: str,
        begin: Begin = transaction,
    ) -> None:
        self._writer: BatchWriter[Item, Result] = BatchWriter(pool, apply, bounds, name, begin)
        self._done: deque[tuple[asyncio.Future[Result], Future[Result]]] = deque()
        self._waking = False
        self._under_way = 0

    async def submit(self, item: Item, seconds_max: float | None = None) -> Result:
        """The result for ``item``, after the commit; BusyError if too many are in progress.
        OutcomeUnknownError after ``seconds_max``: the item goes on without its caller.
        """
        if self._under_way >= UNDER_WAY_MAX:
            raise BusyError(
                f"`{self._under_way}` requests are under way already", "try again in a moment"
            )
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[Result] = loop.create_future()
        self._under_way += 1
        try:
            self._writer.submit(item).add_done_callback(
                lambda future: self._answered(loop, waiting, future)
            )
        except BaseException:
            self._under_way -= 1
            raise
        if seconds_max is None:
            return await waiting
        timer = loop.call_later(seconds_max, _give_up, waiting)
        try:
            return await waiting
        finally:
            timer.cancel()

    def _answered(
        self,
        loop: asyncio.AbstractEventLoop,
        waiting: asyncio.Future[Result],
        future: Future[Result],
    ) -> None:
        """Runs on the writer's thread."""
        self._done.append((waiting, future))
        if not self._waking:
            self._waking = True
            loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        # before the queue is read, so that a later request wakes the loop again
        self._waking = False
        while self._done:
            waiting, future = self._done.popleft()
            self._under_way -= 1
            if waiting.done():  # its caller has gone
                continue
            error = future.exception()
            if error is not None:
                waiting.set_exception(error)
            else:
                waiting.set_result(future.result())

    def close(self) -> None:
        self._writer.close()


def _give_up(waiting: asyncio.Future[Any]) -> None:
    if not waiting.done():
        waiting.set_exception(
            OutcomeUnknownError(
                "the change is not durable everywhere yet: it may be in force",
                "send it again, with the same Idempotency-Key",
            )
        )
