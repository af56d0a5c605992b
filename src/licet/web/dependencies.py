"""What the server depends on, and whether it answers: the database, the bucket, the key provider.

Promise: a request waits for a database that does not answer for at most `SILENT_SECONDS` and the
second until that is noticed; then it and all that come after are answered 503 with the name of what
is silent, until it answers again. Bucket and key provider are guarded by a circuit breaker each,
which is probed here, so that no request waits to find out whether they are back.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import NamedTuple

from licet.errors import BusyError, LicetError
from licet.keys.openbao import BaoProvider
from licet.store import bucket as buckets
from licet.store.circuit import CircuitBreaker
from licet.store.connect import OutcomeUnknownError, Pool, UnreachableError, heartbeat
from licet.vault.installation import Installation

DATABASE, BUCKET, KEY_PROVIDER = "database", "bucket", "key_provider"
ASK_SECONDS = 0.5  # between two questions to the database
SILENT_SECONDS = 1.5  # without an answer
PROBE_SECONDS = 1.0  # between two probes of what a circuit breaker guards, while none is answered
CALM_PROBE_SECONDS = 2.0  # and while they are
_HINT = "see that PostgreSQL runs and can be reached; what was sent may be sent again"


class _Guarded(NamedTuple):
    """A service behind a circuit breaker."""

    name: str
    circuit: CircuitBreaker
    probe: Callable[[], None]


class Dependencies:
    """The state of what the server depends on, from `running` on; before, all is taken to
    answer.
    """

    def __init__(self, installation: Installation) -> None:
        self._pool: Pool = installation.pool
        self._is_silent = False
        self._waiting: set[asyncio.Task[object]] = set()
        self._cut: set[asyncio.Task[object]] = set()
        self._guarded: list[_Guarded] = []
        bucket = buckets.open_bucket(installation.config.store)
        if bucket is not None and (circuit := bucket.guarded.circuit) is not None:
            self._guarded.append(_Guarded(BUCKET, circuit, bucket.guarded.probe))
        provider = installation.keyring.provider
        if isinstance(provider, BaoProvider):
            self._guarded.append(_Guarded(KEY_PROVIDER, provider.circuit, provider.probe))

    @property
    def silent(self) -> tuple[str, ...]:
        """The names of what does not answer."""
        names = [one.name for one in self._guarded if one.circuit.is_failing]
        return tuple([DATABASE] * self._is_silent + names)

    @property
    def watched(self) -> tuple[str, ...]:
        """The names of all that `silent` may name."""
        return (DATABASE, *(one.name for one in self._guarded))

    @contextmanager
    def needing_database(self, *, changes: bool) -> Iterator[None]:
        """Surrounds a request of the current task. UnreachableError while the database is silent;
        OutcomeUnknownError for a request with ``changes`` that was under way when it fell silent.
        """
        if self._is_silent:
            raise UnreachableError("the database does not answer", _HINT)
        task = asyncio.current_task()
        assert task is not None
        self._waiting.add(task)
        try:
            yield
        except asyncio.CancelledError:
            if task not in self._cut:
                raise
            task.uncancel()
            raise (
                OutcomeUnknownError(
                    "the database does not answer: whether the change was made is not known", _HINT
                )
                if changes
                else UnreachableError("the database does not answer", _HINT)
            ) from None
        finally:
            self._waiting.discard(task)
            self._cut.discard(task)

    @asynccontextmanager
    async def running(self, _: object = None) -> AsyncIterator[None]:
        """Watches until the block ends."""
        stop = threading.Event()
        threads = ThreadPoolExecutor(1 + len(self._guarded), "licet-watch")
        loop = asyncio.get_running_loop()
        for one in self._guarded:
            one.circuit.is_probed = True
            threads.submit(_probe, one, stop)
        watching = loop.create_task(self._watch(threads))
        try:
            yield
        finally:
            stop.set()
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
            for one in self._guarded:
                one.circuit.is_probed = False
            threads.shutdown(wait=False, cancel_futures=True)

    async def _watch(self, threads: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        with heartbeat(self._pool) as beat:
            while True:
                asked = loop.run_in_executor(threads, beat)
                await asyncio.wait([asked], timeout=SILENT_SECONDS)
                # a loop that was busy for as long finds the answer and the time-out at once
                await asyncio.sleep(0)
                if not asked.done():
                    self._fall_silent()
                try:
                    await asked
                    self._is_silent = False
                except LicetError:
                    self._fall_silent()
                await asyncio.sleep(ASK_SECONDS)

    def _fall_silent(self) -> None:
        self._is_silent = True
        for task in self._waiting - self._cut:
            self._cut.add(task)
            task.cancel()


def _probe(one: _Guarded, stop: threading.Event) -> None:
    while not stop.wait(PROBE_SECONDS if one.circuit.is_failing else CALM_PROBE_SECONDS):
        with suppress(BusyError):
            one.probe()
