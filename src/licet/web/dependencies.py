"""What the server depends on, and whether it answers: the database, the disk of the data folder,
the bucket, the key provider, the identity provider; and the endpoints and witnesses of others.

Promise: a request waits for a database that does not answer for at most `SILENT_SECONDS` and the
second until that is noticed; then it and all that come after are answered 503 with the name of what
is silent, until it answers again. The others are guarded by a circuit breaker each, which is probed
here, so that no request waits to find out whether they are back. No request waits for an endpoint
or a witness: their callers report to ``outside``.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from time import monotonic

from licet.clock import utc_now
from licet.errors import BusyError, LicetError
from licet.keys.openbao import BaoProvider
from licet.keys.pkcs11 import Pkcs11Provider
from licet.store import bucket as buckets
from licet.store import files
from licet.store.circuit import CallWatch, CircuitBreaker
from licet.store.connect import OutcomeUnknownError, Pool, UnreachableError, heartbeat
from licet.store.database_activity import DatabaseActivity
from licet.store.outage_file import DATABASE_LOCKED, DATABASE_SLOW, OutageFile
from licet.vault.installation import Installation
from licet.web.access.oidc import Discovery

DATABASE, BUCKET, KEY_PROVIDER = "database", "bucket", "key_provider"
IDENTITY_PROVIDER, DISK = "identity_provider", "disk"
OUTSIDE = ("endpoint", "witness")
ASK_SECONDS = 0.5  # between two questions to the database
SILENT_SECONDS = 1.5  # without an answer
PROBE_SECONDS = 1.0  # between probes of a guarded service that is silent
CALM_PROBE_SECONDS = 2.0  # and of one that answers
IDENTITY_PROBE_SECONDS = 5.0  # another organisation's service
PROBE_SECONDS_MAX = 2.5  # without an answer to a probe
ACTIVITY_SECONDS = 10.0  # for which a slow or locked database counts as one
DISK_HINT = "make room on it, or repair it"
_HINT = "see that PostgreSQL runs and can be reached; what was sent may be sent again"


class _Guarded:
    """A service behind a circuit breaker, and its probe, for one thread."""

    def __init__(
        self,
        name: str,
        circuit: CircuitBreaker,
        probe: Callable[[], None],
        calm_seconds: float = CALM_PROBE_SECONDS,
    ) -> None:
        self.name, self.circuit = name, circuit
        self._probe, self._calm_seconds = probe, calm_seconds
        self._begun: float | None = None

    @property
    def is_silent(self) -> bool:
        begun = self._begun
        hangs = begun is not None and monotonic() > begun + PROBE_SECONDS_MAX
        return hangs or self.circuit.is_failing

    def watch(self, stop: threading.Event) -> None:
        while not stop.wait(PROBE_SECONDS if self.circuit.is_failing else self._calm_seconds):
            self._begun = monotonic()
            try:
                with suppress(BusyError):
                    self._probe()
            finally:
                self._begun = None


class Dependencies:
    """The state of the server's dependencies, from `running` on; until then all count as
    answering.
    """

    def __init__(self, installation: Installation, discovery: Discovery | None = None) -> None:
        self._pool: Pool = installation.pool
        self._journal = installation.keyring.restrictions
        self._is_silent = False
        self._activity_seen: dict[str, float] = {}
        self._waiting: set[asyncio.Task[object]] = set()
        self._cut: set[asyncio.Task[object]] = set()
        self.outside = CallWatch()
        config = installation.config
        self.folders = {"data": config.data}
        if config.store.url is None and not config.journal.is_relative_to(config.data):
            self.folders["journal"] = config.journal
        disks = CircuitBreaker("the disk", DISK_HINT, "disk_failed")
        self._guarded = [_Guarded(DISK, disks, partial(self._probe_disk, disks))]
        bucket = buckets.open_bucket(config.store)
        if bucket is not None and (circuit := bucket.guarded.circuit) is not None:
            self._guarded.append(_Guarded(BUCKET, circuit, bucket.guarded.probe))
        provider = installation.keyring.provider
        if isinstance(provider, BaoProvider | Pkcs11Provider):
            self._guarded.append(_Guarded(KEY_PROVIDER, provider.circuit, provider.probe))
        issuer = config.web.oidc_issuer
        if discovery is not None and issuer is not None:
            ask = partial(discovery.probe, issuer)
            calm = IDENTITY_PROBE_SECONDS
            self._guarded.append(_Guarded(IDENTITY_PROVIDER, discovery.circuit, ask, calm))

    def _probe_disk(self, circuit: CircuitBreaker) -> None:
        with circuit.calling(probes=True):
            for folder in self.folders.values():
                files.probe_disk(folder)
            if self._journal is not None and self._journal.is_stopped:
                raise BusyError("the restriction journal is stopped", DISK_HINT)

    @property
    def silent(self) -> tuple[str, ...]:
        """The names of the dependencies that do not answer."""
        names = [one.name for one in self._guarded if one.is_silent]
        return tuple([DATABASE] * self._is_silent + names + sorted(self.outside.silent))

    @property
    def watched(self) -> tuple[str, ...]:
        """The names of all that `silent` may name."""
        return (DATABASE, *(one.name for one in self._guarded), *OUTSIDE)

    @property
    def held_up_by(self) -> str:
        """The code of the dependency that delays a change, as far as known: its record in the
        restriction journal, else a silent one.
        """
        bucket = next((one for one in self._guarded if one.name == BUCKET), None)
        if self._journal is not None and self._journal.is_writing:
            return bucket.circuit.because if bucket is not None else "disk_failed"
        if self._is_silent:
            return UnreachableError.because
        return next((one.circuit.because for one in self._guarded if one.is_silent), "")

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
                    "the database does not answer: whether the change was made is not known",
                    _HINT,
                    because=UnreachableError.because,
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
        threads = ThreadPoolExecutor(2 + len(self._guarded), "licet-watch")
        loop = asyncio.get_running_loop()
        for one in self._guarded:
            one.circuit.is_probed = True
            threads.submit(one.watch, stop)
        threads.submit(self._record, stop)
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

    def _record(self, stop: threading.Event) -> None:
        """Records outages and their ends, for `licet doctor --since`."""
        kept = OutageFile(self.folders["data"])
        while not stop.wait(ASK_SECONDS):
            since = monotonic() - ACTIVITY_SECONDS
            busy = [name for name, seen in self._activity_seen.items() if seen > since]
            kept.note((*self.silent, *busy), utc_now())
        kept.note((), utc_now())

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
                    self._note_activity(await asked)
                    self._is_silent = False
                except LicetError:
                    self._fall_silent()
                await asyncio.sleep(ASK_SECONDS)

    def _note_activity(self, activity: DatabaseActivity) -> None:
        if activity.slow:
            self._activity_seen[DATABASE_SLOW] = monotonic()
        if activity.blocking:
            self._activity_seen[DATABASE_LOCKED] = monotonic()

    def _fall_silent(self) -> None:
        self._is_silent = True
        for task in self._waiting - self._cut:
            self._cut.add(task)
            task.cancel()
