"""The batched writer: many callers, one transaction, one commit.

A commit waits for the disk (3 ms on an ordinary one), and so does everybody who commits alone. The
writer gathers submitted items for a moment, passes them to ``apply`` in one transaction and commits
once for all.

Promise: nothing is acknowledged before the commit. Items are applied in the order of submission.
One bad item fails alone: the items of a failed batch are retried singly, each in a transaction of
its own, in order. If the connection breaks during COMMIT, every caller of the batch gets
`OutcomeUnknownError` and nothing is retried, because it may have taken effect. If the database
cannot be reached, all get `UnreachableError`: nothing took effect, and retrying each item would
only multiply the wait.

Effects that must be durable elsewhere before the acknowledgement (`connect.after_commit`) run on a
second thread, batch by batch in order, while the next batch is in progress: both wait for a disk.
If one fails, every caller of that batch gets the error.

Bounds: at most ``queue_rows_max`` items wait; later callers block, and are refused after
``wait_seconds_max``.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Generic, Self, TypeAlias, TypeVar

import msgspec

from licet.errors import BrokenError, BusyError
from licet.store.connect import (
    OutcomeUnknownError,
    Pool,
    Transaction,
    UnreachableError,
    retrying,
    transaction,
)

Item = TypeVar("Item")
Result = TypeVar("Result")
Begin: TypeAlias = Callable[[Pool, list[Callable[[], None]]], AbstractContextManager[Transaction]]
_Committed: TypeAlias = tuple[
    list[tuple[Item, Future[Result]]], Sequence[Result], list[Callable[[], None]]
]

BATCH_ROWS_MAX = 500
QUEUE_ROWS_MAX = 5_000
FOLLOWING_BATCHES_MAX = 4  # committed, unanswered batches
GATHER_SECONDS = 0.001
WAIT_SECONDS_MAX = 10.0
_NOBODY = (UnreachableError, OutcomeUnknownError)  # no item is retried after these


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of a batch: rows, gathering time, and queue."""

    batch_rows_max: int = BATCH_ROWS_MAX
    queue_rows_max: int = QUEUE_ROWS_MAX
    gather_seconds: float = GATHER_SECONDS
    wait_seconds_max: float = WAIT_SECONDS_MAX


class BatchWriter(Generic[Item, Result]):
    """Applies submitted items in batches, on a thread of its own, from construction to `close`.

    ``apply`` gets a transaction and items and returns one result per item, in order. It is called
    again after a failed batch, so its effects must stay within the transaction. ``begin`` opens
    one.
    """

    def __init__(
        self,
        pool: Pool,
        apply: Callable[[Transaction, Sequence[Item]], Sequence[Result]],
        bounds: Bounds | None = None,
        name: str = "writer",
        begin: Begin = transaction,
    ) -> None:
        self._pool, self._begin = pool, begin
        self._apply = apply
        self._bounds = bounds or Bounds()
        self._waiting: deque[tuple[Item, Future[Result]]] = deque()
        self._committed: deque[_Committed[Item, Result]] = deque()
        self._closed = self._ended = False
        lock = threading.Lock()
        self._work = threading.Condition(lock)  # there is work
        self._room = threading.Condition(lock)  # there is room in the queue
        # the number of committed, unanswered batches has changed
        self._following = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=f"licet-{name}", daemon=True)
        self._follower = threading.Thread(
            target=self._follow, name=f"licet-{name}-after", daemon=True
        )
        self._thread.start()
        self._follower.start()

    def submit(self, item: Item) -> Future[Result]:
        """Queues ``item``; its future is set after the commit. `BusyError` if the queue stays full
        or is closed.
        """
        future: Future[Result] = Future()
        with self._room:
            if not self._room.wait_for(self._admits, self._bounds.wait_seconds_max):
                raise BusyError(
                    f"`{len(self._waiting)}` writes are waiting already", "try again in a moment"
                )
            if self._closed:
                raise BusyError("the writer is closed", "try again when licet has restarted")
            self._waiting.append((item, future))
            if len(self._waiting) in (1, self._bounds.batch_rows_max):
                self._work.notify()
        return future

    def close(self) -> None:
        """Rejects new items, answers the accepted ones, then ends."""
        with self._work:
            self._closed = True
            self._work.notify_all()
            self._room.notify_all()
        self._thread.join()
        with self._following:
            self._ended = True
            self._following.notify_all()
        self._follower.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _admits(self) -> bool:
        return self._closed or len(self._waiting) < self._bounds.queue_rows_max

    def _run(self) -> None:
        while batch := self._gather():
            live = [
                (item, future) for item, future in batch if future.set_running_or_notify_cancel()
            ]
            if live:
                self._write(live)

    def _gather(self) -> list[tuple[Item, Future[Result]]]:
        """Returns the next batch; empty once the writer is closed and drained."""
        rows_max = self._bounds.batch_rows_max
        with self._work:
            self._work.wait_for(lambda: self._waiting or self._closed)
            if len(self._waiting) < rows_max and not self._closed:
                self._work.wait_for(
                    lambda: len(self._waiting) >= rows_max or self._closed,
                    self._bounds.gather_seconds,
                )
            batch = [self._waiting.popleft() for _ in range(min(rows_max, len(self._waiting)))]
            self._room.notify_all()
        return batch

    def _write(self, batch: list[tuple[Item, Future[Result]]]) -> None:
        error = self._try(batch)
        if error is None:
            return
        if len(batch) == 1 or isinstance(error, _NOBODY):
            _fail(batch, error)
        else:
            self._write_singly(batch)

    def _try(self, batch: list[tuple[Item, Future[Result]]]) -> BaseException | None:
        """Commits the batch and queues its answers, or returns the error."""
        items = [item for item, _ in batch]
        try:
            results, acts = retrying(lambda: self._commit(items))
        except BaseException as error:  # the thread must outlive whatever ``apply`` raises
            return error
        with self._following:
            self._following.wait_for(lambda: len(self._committed) < FOLLOWING_BATCHES_MAX)
            if acts or self._committed:
                self._committed.append((batch, results, acts))
                self._following.notify_all()
                return None
        _answer(batch, results)
        return None

    def _follow(self) -> None:
        """Runs each batch's after-commit effects, then answers it; it stays queued until then."""
        while True:
            with self._following:
                self._following.wait_for(lambda: self._committed or self._ended)
                if not self._committed:
                    return
                batch, results, acts = self._committed[0]
            try:
                for act in acts:
                    act()
            except BaseException as error:  # committed already: no retry
                _fail(batch, error)
            else:
                _answer(batch, results)
            with self._following:
                self._committed.popleft()
                self._following.notify_all()

    def _write_singly(self, batch: list[tuple[Item, Future[Result]]]) -> None:
        for place, (item, future) in enumerate(batch):
            self._write([(item, future)])
            if isinstance(future.exception(), _NOBODY):
                # The others have not been tried: for them the outcome is known, and it is that
                # nothing happened.
                _fail(
                    batch[place + 1 :],
                    UnreachableError("the connection to the database broke", "try again"),
                )
                return

    def _commit(self, items: list[Item]) -> tuple[Sequence[Result], list[Callable[[], None]]]:
        acts: list[Callable[[], None]] = []
        with self._begin(self._pool, acts) as tx:
            results = self._apply(tx, items)
            if len(results) != len(items):
                raise BrokenError(f"`{len(items)}` items got `{len(results)}` results")
        return results, acts


def _answer(batch: list[tuple[Item, Future[Result]]], results: Sequence[Result]) -> None:
    for (_, future), result in zip(batch, results, strict=True):
        future.set_result(result)


def _fail(batch: list[tuple[Item, Future[Result]]], error: BaseException) -> None:
    for _, future in batch:
        future.set_exception(error)
