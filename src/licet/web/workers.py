"""The parent of the processes of `licet serve --workers N`: it holds the socket, starts the workers
and watches them.

- A worker that ends is replaced, after a pause that doubles while workers end soon after they
  began. One that has not reported for `HUNG_SECONDS_MAX` is killed and replaced. Either is logged
  as an error.
- SIGHUP replaces the workers one after the other. Each replacement is ready before its predecessor
  is asked to leave: it then takes no new connection, closes each after its next answer and ends
  when none is open. If a replacement does not start, the others stay as they are. A replacement
  reads the settings' files and the program anew.
- SIGTERM and SIGINT end all of them: accepted requests are answered. The parent closes its socket
  at once, so that a new connection is refused: one that it kept open would wait for the last
  answer.
- A failed write of the restriction journal in one worker ends them all (BrokenError): no process
  may acknowledge what the disk may not hold.
- When the parent is killed, the workers end by themselves.

The work that only one process may do (sequencer, deliverer, sweeper) has locks of the database,
which a killed worker loses: see `web.background`.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import monotonic
from types import FrameType

import msgspec
import structlog

from licet.clock import utc_now
from licet.errors import BrokenError, LicetError
from licet.store.outage_file import WORKERS, OutageFile
from licet.web import metrics
from licet.web.access import rates
from licet.web.worker_channel import WorkerChannel, WorkerOrder, WorkerReport, WorkersStanding

TICK_SECONDS = 0.2
TELL_SECONDS = 1.0
START_SECONDS_MAX = 300.0
HUNG_SECONDS_MAX = 60.0
LEAVE_SECONDS_MAX = 100.0
STEADY_SECONDS = 60.0  # a worker that lived so long did not end because of how it began
PAUSE_SECONDS_MAX = 60.0
_log = structlog.get_logger("licet.workers")

Start = Callable[[int], tuple["subprocess.Popen[bytes]", WorkerChannel[WorkerReport]]]


class Worker:
    """A worker as its parent sees it. Times are monotonic seconds."""

    def __init__(
        self,
        seat: int,
        process: subprocess.Popen[bytes],
        channel: WorkerChannel[WorkerReport],
        now: float,
    ) -> None:
        self.seat, self.process, self.channel = seat, process, channel
        self.began = self.heard = now
        self.ready = self.killed = False
        self.leaving: float | None = None
        self.fault, self.silent = "", tuple[str, ...]()

    def leave(self, now: float) -> None:
        """Asks it to end when its connections have; `Workers` sends that."""
        self.leaving = self.leaving or now

    def late(self, now: float) -> str:
        """Why it must be killed, or empty."""
        if self.leaving is not None:
            return "it did not end" if now - self.leaving > LEAVE_SECONDS_MAX else ""
        if not self.ready:
            return "it did not start" if now - self.began > START_SECONDS_MAX else ""
        return "it did not report" if now - self.heard > HUNG_SECONDS_MAX else ""


class Workers:
    """The workers of a server. ``start`` starts the one of a seat, ``gone`` is called at its end,
    ``serves`` when the first one is ready, and ``stops`` when all are to end. ``outages`` records
    when too few were ready.
    """

    def __init__(
        self,
        start: Start,
        count: int,
        gone: Callable[[int], None] = lambda _seat: None,
        outages: OutageFile | None = None,
        *,
        serves: Callable[[], object] = lambda: None,
        stops: Callable[[], object] = lambda: None,
    ) -> None:
        self._start, self._count = start, count
        self._gone, self._serves, self._closes = gone, serves, stops
        self._outages = outages
        self._all: dict[int, Worker] = {}
        self._old: deque[Worker] = deque()  # still to be replaced
        self._fresh: Worker | None = None
        self._ends: Counter[str] = Counter()
        self._soon_ended = 0
        self._next_start = self._told = 0.0
        self._was_ready = self._stops = self._asked_to_stop = self._reloads = False
        self._was_complete = False
        self._error: LicetError | None = None

    def run(self) -> None:
        """Keeps the workers running until SIGTERM or SIGINT; raises why they cannot."""
        with self._signals(), selectors.DefaultSelector() as selector:
            try:
                while not (self._stops and not self._all):
                    self._wait(selector)
                    self.step(monotonic())
            finally:
                for worker in self._all.values():
                    worker.process.kill()
                    worker.process.wait()
        if self._error is not None:
            raise self._error

    def step(self, now: float) -> None:
        """Does all that is due now."""
        self._hear(now)
        self._reap(now)
        self._kill_late(now)
        if not self._stops:
            self._replace(now)
            self._fill(now)
        if now - self._told >= TELL_SECONDS:
            self._told = now
            self._tell()

    def stop(self) -> None:
        """Ends every worker after the requests that it accepted."""
        self._stops = True
        self._closes()
        for worker in self._all.values():
            worker.leave(monotonic())
            worker.process.terminate()

    def reload(self) -> None:
        """Replaces every worker that runs now."""
        self._old = deque(one for one in self._all.values() if one.leaving is None)
        _log.info("reload", workers=len(self._old))

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def stop(_number: int, _frame: FrameType | None) -> None:
            self._asked_to_stop = True

        def reload(_number: int, _frame: FrameType | None) -> None:
            self._reloads = True

        wanted = {signal.SIGTERM: stop, signal.SIGINT: stop, signal.SIGHUP: reload}
        before = {number: signal.signal(number, act) for number, act in wanted.items()}
        try:
            yield
        finally:
            for number, act in before.items():
                signal.signal(number, act)

    def _wait(self, selector: selectors.BaseSelector) -> None:
        """Waits for a worker's message or a tick, then handles signals."""
        known = {key.fileobj for key in selector.get_map().values()}
        ours = {one.channel for one in self._all.values() if not one.channel.ended}
        for gone in known - ours:
            selector.unregister(gone)
        for one in ours - known:
            selector.register(one, selectors.EVENT_READ)
        selector.select(TICK_SECONDS)
        if self._asked_to_stop and not self._stops:
            self.stop()
        if self._reloads:
            self._reloads = False
            self.reload()

    def _hear(self, now: float) -> None:
        for worker in self._all.values():
            report = worker.channel.newest()
            if report is None:
                continue
            if not worker.ready:
                _log.info("worker is ready", worker=worker.seat)
            worker.heard, worker.ready = now, True
            worker.fault, worker.silent = report.fault, report.silent
            if not self._was_ready:
                self._was_ready = True
                self._serves()
            if report.fatal and not self._stops:
                _log.error("every worker is stopped", worker=worker.seat, because=report.fatal)
                self._error = BrokenError(report.fatal, "repair the disk and start again")
                self.stop()

    def _reap(self, now: float) -> None:
        for worker in [one for one in self._all.values() if one.process.poll() is not None]:
            worker.channel.close()
            del self._all[worker.seat]
            self._gone(worker.seat)
            if worker.leaving is None:
                self._ended(worker, now)
            else:
                _log.info("worker has left", worker=worker.seat)

    def _ended(self, worker: Worker, now: float) -> None:
        """Handles the end of a worker that was not asked to end."""
        code = worker.process.returncode
        how = "hung" if worker.killed else "killed" if code < 0 else "failed"
        self._ends[how] += 1
        if worker is self._fresh and not worker.ready and self._old:
            self._old.clear()
            _log.error("reload is given up", status=code)
            self._fresh = None
        self._soon_ended = 0 if now - worker.began > STEADY_SECONDS else self._soon_ended + 1
        pause = min(2.0 ** (self._soon_ended - 1), PAUSE_SECONDS_MAX) if self._soon_ended else 0.0
        self._next_start = now + pause
        _log.error(
            "worker has ended", worker=worker.seat, because=how, status=code, again_in_seconds=pause
        )
        # it would end in the same way again
        if not self._was_ready and code > 0 and not self._stops:
            self._error = StartError(code)
            self.stop()

    def _kill_late(self, now: float) -> None:
        for worker in self._all.values():
            because = worker.late(now)
            if because and not worker.killed:
                worker.killed = True
                worker.process.kill()
                _log.error("worker is killed", worker=worker.seat, because=because)

    def _replace(self, now: float) -> None:
        """The next step of a reload."""
        if self._fresh is not None and not self._fresh.ready and self._fresh.seat in self._all:
            return
        if self._fresh is not None:
            self._fresh = None
            if self._old:
                self._old.popleft().leave(now)
                self._tell()
            return
        self._old = deque(
            one for one in self._old if self._all.get(one.seat) is one and one.leaving is None
        )
        if self._old and not any(one.leaving is not None for one in self._all.values()):
            self._fresh = self._begin(now)

    def _fill(self, now: float) -> None:
        while (
            sum(one.leaving is None for one in self._all.values()) < self._count
            and now >= self._next_start
        ):
            self._begin(now)

    def _begin(self, now: float) -> Worker:
        seat = next(number for number in range(1, 3 * self._count + 2) if number not in self._all)
        process, channel = self._start(seat)
        worker = self._all[seat] = Worker(seat, process, channel, now)
        _log.info("worker is started", worker=seat, process=process.pid)
        return worker

    def _tell(self) -> None:
        ready = [one for one in self._all.values() if one.ready and one.leaving is None]
        self._was_complete = self._was_complete or len(ready) >= self._count
        if self._outages is not None:
            is_short = self._was_complete and len(ready) < self._count and not self._stops
            self._outages.note((WORKERS,) if is_short else (), utc_now())
        for worker in self._all.values():
            standing = WorkersStanding(
                wanted=self._count,
                ready=len(ready),
                faults=tuple(sorted({one.fault for one in ready if one.fault})),
                silent=tuple(sorted({name for one in ready for name in one.silent})),
                ends=dict(self._ends),
                leave=worker.leaving is not None,
            )
            worker.channel.tell(standing)


class StartError(LicetError):
    """No worker starts; each has logged why. ``exit_code`` is theirs."""

    def __init__(self, code: int) -> None:
        super().__init__("the workers do not start", "what each of them wrote says why")
        self.exit_code = code


def serve(
    listener: socket.socket,
    data: Path,
    at: str | None,
    host: str,
    count: int,
    serves: Callable[[], object] = lambda: None,
) -> None:
    """Runs ``count`` workers on ``listener`` until SIGTERM or SIGINT; see the top of this
    module. ``serves`` is called when the first one is ready.
    """
    port = listener.getsockname()[1]
    table = rates.shared_table()
    with tempfile.TemporaryDirectory(prefix="licet-metrics-") as counters:

        def start(seat: int) -> tuple[subprocess.Popen[bytes], WorkerChannel[WorkerReport]]:
            ours, theirs = socket.socketpair()
            order = WorkerOrder(
                data=str(data),
                at=at,
                host=host,
                port=port,
                listener=listener.fileno(),
                channel=theirs.fileno(),
                rates=table,
                metrics=counters,
                seat=seat,
                workers=count,
            )
            with theirs:
                process = subprocess.Popen(
                    [
                        sys.executable,
                        "-P",
                        "-m",
                        "licet.web.worker",
                        msgspec.json.encode(order).decode(),
                    ],
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                    pass_fds=(order.listener, order.channel, order.rates),
                )
            return process, WorkerChannel(ours, WorkerReport)

        try:
            gone, outages = partial(metrics.forget, counters), OutageFile(data)
            Workers(start, count, gone, outages, serves=serves, stops=listener.close).run()
        finally:
            os.close(table)
