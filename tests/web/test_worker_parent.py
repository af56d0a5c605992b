"""The rules by which `licet serve --workers` starts, replaces, kills and ends its processes, on
programs that only report.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from licet.store.outage_file import WORKERS, OutageFile, outages
from licet.web.worker_channel import WorkerChannel, WorkerReport
from licet.web.workers import (
    HUNG_SECONDS_MAX,
    LEAVE_SECONDS_MAX,
    START_SECONDS_MAX,
    StartError,
    Worker,
    Workers,
)

from ..waiting import wait_until

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
STUB = """
import socket, sys, time
end = socket.socket(fileno=int(sys.argv[1]))
end.setblocking(True)
report, ends_with, leaves = sys.argv[2:]
while True:
    if report:
        end.send(report.encode() + b"\\n")
    if ends_with:
        sys.exit(int(ends_with))
    time.sleep(0.05)
    end.setblocking(False)
    try:
        told = end.recv(65536)
    except BlockingIOError:
        told = b""
    if leaves and b'"leave":true' in told:
        sys.exit(0)
    end.setblocking(True)
"""


class Stubs:
    """Workers of a parent that is in this process. ``report`` is what they say, if anything;
    ``ends_with`` the status of those that end by themselves.
    """

    def __init__(self, count: int, *, leaves: bool, outages: OutageFile | None) -> None:
        self.report, self.started, self.now = "{}", list[subprocess.Popen[bytes]](), 1_000.0
        self.channels = list[WorkerChannel[WorkerReport]]()
        self.ends_with, self.leaves = "", "leaves" if leaves else ""
        self.workers = Workers(self.start, count, outages=outages)

    def start(self, _seat: int) -> tuple[subprocess.Popen[bytes], WorkerChannel[WorkerReport]]:
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-S",
                    "-c",
                    STUB,
                    str(theirs.fileno()),
                    self.report,
                    self.ends_with,
                    self.leaves,
                ],
                pass_fds=[theirs.fileno()],
            )
        self.started.append(process)
        self.channels.append(WorkerChannel(ours, WorkerReport))
        return process, self.channels[-1]

    def step_until(self, holds: Callable[[], bool], what: str, seconds: float = 0.2) -> None:
        """Steps, with so many seconds between two, until it holds."""

        def stepped() -> bool:
            self.now += seconds
            self.workers.step(self.now)
            return holds()

        wait_until(stepped, what)

    def running(self) -> list[subprocess.Popen[bytes]]:
        return [one for one in self.started if one.poll() is None]

    def end(self) -> None:
        for process in self.running():
            process.kill()
            process.wait(600)
        for channel in self.channels:
            channel.close()


@contextmanager
def stubs(count: int, *, leaves: bool = True, outages: OutageFile | None = None) -> Iterator[Stubs]:
    made = Stubs(count, leaves=leaves, outages=outages)
    try:
        yield made
    finally:
        made.end()


def test_a_worker_that_hangs_is_killed_and_another_takes_its_place() -> None:
    with stubs(1) as made, capture_logs() as logged:
        made.step_until(
            lambda: any(line["event"] == "worker is ready" for line in logged), "it is ready"
        )
        made.started[0].send_signal(signal.SIGSTOP)
        made.step_until(lambda: len(made.started) == 2, "another is started", 5.0)
        assert made.started[0].wait(600) == -signal.SIGKILL
    ended = [line for line in logged if line["event"] == "worker has ended"]
    assert [line["because"] for line in ended] == ["hung"]


def test_workers_that_end_again_and_again_are_replaced_after_longer_and_longer() -> None:
    with stubs(1) as made, capture_logs() as logged:
        made.step_until(
            lambda: any(line["event"] == "worker is ready" for line in logged), "it is ready"
        )
        for count in (2, 3, 4):
            made.started[-1].kill()
            # A default of a lambda has no type.
            made.step_until(lambda many=count: len(made.started) == many, "another is started")  # type: ignore[misc]
    pauses = [line["again_in_seconds"] for line in logged if line["event"] == "worker has ended"]
    assert pauses == [1.0, 2.0, 4.0]


def test_when_workers_were_missing_is_kept_for_the_doctor(tmp_path: Path) -> None:
    with stubs(2, outages=OutageFile(tmp_path)) as made, capture_logs() as logged:
        made.step_until(lambda: ready(logged) == 2, "both are ready")
        made.workers.step(made.now + 1)
        assert outages(tmp_path, EPOCH) == [], "that they start is no outage"
        made.started[0].kill()
        made.step_until(lambda: len(outages(tmp_path, EPOCH)) == 1, "one is missing", 1.0)
        made.step_until(lambda: outages(tmp_path, EPOCH)[0].ended is not None, "it is over", 1.0)
    (missing,) = outages(tmp_path, EPOCH)
    assert missing.dependency == WORKERS


def test_a_reload_whose_replacement_does_not_start_leaves_the_others_as_they_are() -> None:
    with stubs(2) as made, capture_logs() as logged:
        made.step_until(
            lambda: sum(line["event"] == "worker is ready" for line in logged) == 2,
            "both are ready",
        )
        made.report = ""
        made.workers.reload()
        made.step_until(lambda: len(made.started) == 3, "a replacement is started")
        made.started[2].kill()
        made.step_until(
            lambda: any("given up" in line["event"] for line in logged), "it is given up"
        )
        assert made.started[0].poll() is None
        assert made.started[1].poll() is None


def ready(logged: Sequence[Mapping[str, Any]]) -> int:
    return sum(line["event"] == "worker is ready" for line in logged)


def test_a_worker_has_the_whole_of_each_time_before_it_is_killed() -> None:
    with stubs(1) as made:
        worker = Worker(1, *made.start(1), 1_000.0)
        assert worker.late(1_000 + START_SECONDS_MAX) == ""
        assert worker.late(1_001 + START_SECONDS_MAX) == "it did not start"
        worker.ready, worker.heard = True, 2_000.0
        assert worker.late(2_000 + HUNG_SECONDS_MAX) == ""
        assert worker.late(2_001 + HUNG_SECONDS_MAX) == "it did not report"
        worker.leave(3_000)
        worker.leave(4_000)
        assert worker.late(3_000 + LEAVE_SECONDS_MAX) == ""
        assert worker.late(3_001 + LEAVE_SECONDS_MAX) == "it did not end"


@pytest.mark.parametrize("status", ["0", "3"])
def test_a_worker_that_served_and_ends_by_itself_has_failed_and_is_replaced(status: str) -> None:
    with stubs(1) as made, capture_logs() as logged:
        made.step_until(lambda: ready(logged) == 1, "it is ready")
        made.started[0].kill()
        made.ends_with = status
        made.step_until(lambda: len(made.started) == 4, "others take its place")
    ended = [line for line in logged if line["event"] == "worker has ended"]
    assert [line["because"] for line in ended] == ["killed", "failed", "failed"]


def test_a_server_whose_first_worker_does_not_start_ends_with_its_status() -> None:
    with stubs(1) as made:
        made.report, made.ends_with = "", "64"
        with pytest.raises(StartError) as raised:
            made.workers.run()
    assert raised.value.exit_code == 64
    assert len(made.started) == 1


def test_a_reload_waits_for_one_that_leaves_before_it_replaces_the_next() -> None:
    with stubs(2, leaves=False) as made, capture_logs() as logged:
        made.step_until(lambda: ready(logged) == 2, "both are ready")
        made.workers.reload()
        made.step_until(lambda: ready(logged) == 3, "the first replacement is ready")
        for _ in range(20):
            made.now += 0.2
            made.workers.step(made.now)
        assert len(made.started) == 3
        made.started[0].kill()
        made.step_until(lambda: ready(logged) == 4, "the second replacement is ready")
        assert not [line for line in logged if line["event"] == "worker has ended"], (
            "it left, as it was told"
        )


def test_a_reload_replaces_none_that_has_ended_meanwhile() -> None:
    with stubs(2) as made, capture_logs() as logged:
        made.step_until(lambda: ready(logged) == 2, "both are ready")
        made.workers.reload()
        made.started[1].kill()
        made.started[1].wait(600)
        made.step_until(
            lambda: ready(logged) == 4,
            "the one that ended and the other have each another in their place",
        )
        made.step_until(lambda: len(made.running()) == 2, "the old one has left")
        for _ in range(20):
            made.now += 0.2
            made.workers.step(made.now)
        assert made.running() == made.started[2:4]
