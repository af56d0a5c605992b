"""Runs the tests of one mutant after another, each in a fork of a process that has imported all but
the source.

It reads one order a line, `{"tests": [...], "name": ..., "cpu": seconds}`, and answers each with
one line, `{"outcome": "killed" | "survived" | "hung", "test": ..., "seconds": ...}`. The source is
imported anew in each fork, so a mutation of a constant counts as much as one within a function.

    python bench/_mutant_server.py FOLDER MODULES.json
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import re
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any

IDLE_SECONDS_MAX = 20.0  # without any processor time
WALL_SECONDS_MAX = 900.0
NOT_AHEAD = re.compile(
    r"^(ray|daft|bench|playwright|__main__|sitecustomize|xdist|antigravity|this|idlelib|turtle)\b"
)


def main(folder: Path, modules: Path) -> None:
    # the repository, as pytest has it, in place of this file's folder
    sys.path[0] = str(Path.cwd())
    for name in json.loads(modules.read_text("utf-8")):
        if not NOT_AHEAD.match(name):
            with contextlib.suppress(Exception):
                importlib.import_module(name)
    assert not any(name.split(".")[0] == "licet" for name in sys.modules), (
        "the source was imported ahead"
    )
    gc.collect()
    # pytest collects garbage at each end, and so would look at all that was imported once a mutant
    gc.freeze()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        answers.write(json.dumps(answer(folder, json.loads(line))) + "\n")
        answers.flush()


def answer(folder: Path, order: dict[str, Any]) -> dict[str, Any]:
    output = folder / "output"
    child = os.fork()
    if child == 0:
        in_child(folder, order, output)
    hung, cpu = wait(child, order["name"], order["cpu"])
    told = output.read_text("utf-8", "replace")
    if hung is None:
        return {"outcome": "hung", "test": "", "seconds": cpu, "output": told[-2000:]}
    failed = re.search(r"^(?:FAILED|ERROR) (\S.*?)(?: - .*)?$", told, re.M)
    outcome = "survived" if hung == 0 else "killed"
    return {
        "outcome": outcome,
        "test": failed[1] if failed else "",
        "seconds": cpu,
        "code": hung,
        "output": told[-3000:],
    }


class Worker:
    """What a worker of xdist has, whose name the run bears so that its database is its own."""

    def pytest_configure(self, config: Any) -> None:
        config.workeroutput = {}


def in_child(folder: Path, order: dict[str, Any], output: Path) -> None:
    code = 70
    try:
        os.setsid()
        file = os.open(output, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        os.dup2(file, 1)
        os.dup2(file, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        cpu = int(order["cpu"])
        resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 5))
        os.environ["PYTEST_XDIST_WORKER"] = order["name"]
        os.environ["MUTANTS_RUN"] = order["name"]
        sys.dont_write_bytecode = True
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        import pytest

        quiet = [
            "-x",
            "-q",
            "--no-header",
            "--tb=short",
            "-rfE",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
        ]
        quiet += [
            "-W",
            "ignore::pytest.PytestAssertRewriteWarning",
            "-W",
            "ignore::DeprecationWarning",
        ]
        arguments = [*quiet, f"--basetemp={folder / order['name']}", *order["tests"]]
        code = int(pytest.main(arguments, plugins=[Worker()]))
        sys.stdout.flush()
    finally:
        os._exit(code)


def wait(child: int, name: str, cpu: float) -> tuple[int | None, float]:
    """The exit code, or None of one that stood still or took more than ``cpu`` seconds; and its
    processor time.

    The kernel's own bound on processor time is not kept everywhere. Nothing that the child started
    is left.
    """
    began = time.monotonic()
    moved, last = began, 0.0
    pause = 0.01
    while True:
        pid, status, usage = os.wait4(child, os.WNOHANG)
        if pid:
            end_started(name)
            return os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime
        time.sleep(pause)
        pause = min(pause * 1.5, 0.5)
        now = time.monotonic()
        if now - moved > IDLE_SECONDS_MAX / 4 or pause < 0.5:
            used = sum(cpu_of(one) for one in started(name) | {child})
            if used > last + 0.05:
                moved, last = now, used
        spent = cpu_of(child) > cpu
        if spent or now - moved > IDLE_SECONDS_MAX or now - began > WALL_SECONDS_MAX:
            os.killpg(child, signal.SIGKILL)
            _, _, usage = os.wait4(child, 0)
            end_started(name)
            return None, usage.ru_utime + usage.ru_stime


def cpu_of(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def started(name: str) -> set[int]:
    """The processes that this mutant's tests started, by a mark in their environment."""
    found, mark = set(), f"MUTANTS_RUN={name}\0".encode()
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if mark in path.read_bytes():
                found.add(int(path.parent.name))
    return found - {os.getpid()}


def end_started(name: str) -> None:
    for pid in started(name):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
