"""Waiting for something to happen, for as long as a busy machine needs: the only place in the tests
that reads a clock.

No test says how fast anything is; a wait that is given up is a program that hangs, and its limit is
one that no load of a machine explains.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable

import psutil

HANG_SECONDS = 600.0


def wait_until(
    holds: Callable[[], object],
    what: str = "it comes to be",
    *,
    alive: Callable[[], object] = lambda: True,
    step: float = 0.1,
) -> None:
    """Returns when ``holds``; fails with ``what`` was waited for when anyone who should do it is
    not ``alive`` any more.
    """
    limit, pause = time.monotonic() + HANG_SECONDS, 0.002
    while not holds():
        gone = not alive()
        if gone and holds():
            return
        assert not gone, f"{what}: anyone who was to do it has ended"
        assert time.monotonic() < limit, f"{what}: not within {HANG_SECONDS:.0f} s"
        time.sleep(pause)
        pause = min(pause * 1.5, step)


def ended_within(program: subprocess.Popen[bytes], seconds: float) -> float | None:
    """How long a program took from here to its end, or None for one that was killed as it had not
    ended by then.
    """
    began = time.monotonic()
    try:
        program.wait(seconds)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait()
        return None
    return time.monotonic() - began


def cpu_seconds(pid: int) -> float:
    """The processor time of a program and of those that it runs: how far it is, on whatever
    machine.
    """
    try:
        program = psutil.Process(pid)
        return sum(sum(one.cpu_times()[:2]) for one in (program, *program.children(recursive=True)))
    except psutil.NoSuchProcess:
        return float("inf")


def heeds_ctrl_c() -> None:
    """For a child before its program starts: one that was started with SIGINT or SIGHUP ignored, as
    in the background or under nohup, ignores them.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
