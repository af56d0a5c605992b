"""The batched writer: many callers, one transaction, one commit.

A commit waits for the disk (3 ms on an ordinary one), and so does everybody who commits alone. The
writer gathers what is submitted for a moment, passes the list to ``apply`` in one transaction and
commits once for all.

Promise: nobody is answered before the commit. Items are applied in the order in which they were
submitted, so each submitter's order is kept. One bad item fails alone: when a batch fails its items
are tried singly, each in a transaction of its own, still in order. When the connection breaks
during COMMIT everybody in that batch gets `OutcomeUnknownError`: nothing is retried, because it may
have taken effect. When the database cannot be reached everybody in the batch gets
`UnreachableError`, nothing took effect, and trying each item in turn would only multiply the wait.

What must be durable elsewhere before anybody is answered (`connect.after_commit`) is done by a
second thread, batch by batch in order, while the next batch is in progress: both wait for a disk.
If it fails, every caller of that batch gets the error.

Bounds: at most ``queue_rows_max`` items wait; later callers are held back, and refused after
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
FOLLOWING_BATCHES_MAX = 4  # batches that are committed and not answered yet
GATHER_SECONDS = 0.001
WAIT_SECONDS_MAX = 10.0
_NOBODY = (UnreachableError, OutcomeUnknownError)  # after these no item of the batch is tried again


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """How much is gathered, for how long, and how much may wait."""

    batch_rows_max: int = BATCH_ROWS_MAX
    queue_rows_max: int = QUEUE_ROWS_MAX
    gather_seconds: float = GATHER_SECONDS
    wait_seconds_max: float = WAIT_SECONDS_MAX


class BatchWriter(Generic[Item, Result]):
    """Applies submitted items in batches, on a thread of its own, from construction to `close`.

    ``apply`` gets a transaction and items and returns one result per item, in order. It is called
    again for a batch that failed, so it must have no effects outside the transaction. ``begin``
    opens one.
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
        """Queues ``item``; the future is answered after the commit. `BusyError` if the queue stays
        full or is closed.
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
        """Accepts nothing more, answers everything that was accepted, then ends."""
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
        """The next batch; empty if the writer is closed and everything is answered."""
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
        """Runs the after-commit effects of each batch, then answers it; a batch stays queued until
        then.
        """
        while True:
            with self._following:
                self._following.wait_for(lambda: self._committed or self._ended)
                if not self._committed:
                    return
                batch, results, acts = self._committed[0]
            try:
                for act in acts:
                    act()
            except BaseException as error:  # it is committed: nobody is tried again
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
