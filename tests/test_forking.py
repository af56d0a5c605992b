"""A command that is forked is as one that is started: its words, folder, environment, files, exits
and signals.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from licet.cli.command import main

from .commands import every
from .forking import FORKED, STARTED
from .tiers import share
from .waiting import heeds_ctrl_c, wait_until

WAYS = {"forked": [FORKED], "started": STARTED}
COMMANDS = sorted(" ".join(words) for words, _ in every(main))


def ran(way: str, *words: str, **more: Any) -> tuple[int, bytes, bytes]:
    done = subprocess.run(
        [*WAYS[way], *words], capture_output=True, check=False, timeout=600, **more
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("words", "given"),
    [
        ((), b""),
        (("--version",), b""),
        (("polcy",), b""),
        (("policy", "check", "missing.yaml"), b""),
        (("policy", "check", "-"), b"not a policy"),
        (("status", "--json"), b""),
        (
            (
                "policy",
                "check",
                "--json",
                "n\u00e4me \xff.yaml".encode("utf-8", "surrogateescape").decode(),
            ),
            b"",
        ),
    ],
)
def test_what_it_prints_and_ends_with_is_the_same(
    words: tuple[str, ...], given: bytes, tmp_path: Path
) -> None:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("LICET_")
    }
    first, second = (ran(way, *words, input=given, cwd=tmp_path, env=environment) for way in WAYS)
    assert first == second


@pytest.mark.parametrize("command", COMMANDS[:: max(1, len(COMMANDS) // share(len(COMMANDS)))])
def test_each_command_is_started_once_and_says_of_itself_what_its_fork_says(command: str) -> None:
    started = ran("started", *command.split(), "--help")
    assert started == ran("forked", *command.split(), "--help")
    assert started[0] == 0 and started[1]


@contextmanager
def waiting(
    way: str, folder: Path, **more: Any
) -> Iterator[tuple[subprocess.Popen[bytes], psutil.Process]]:
    """A command that waits for its input, and the process that does its work."""
    command, pipe = [*WAYS[way], "deidentify", "text", "-"], subprocess.PIPE
    with subprocess.Popen(
        command, cwd=folder, stdin=pipe, stdout=pipe, stderr=pipe, **more
    ) as program:
        found: list[psutil.Process] = []

        def works() -> bool:
            found[:] = [
                p
                for p in _below_tests()
                if _cwd(p) == str(folder) and (p.pid == program.pid) == (way == "started")
            ]
            return bool(found)

        wait_until(works, "the command runs")
        yield program, found[0]
        program.kill()


def _below_tests() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def _cwd(process: psutil.Process) -> str:
    try:
        return process.cwd()
    except psutil.Error:
        return ""


@pytest.mark.parametrize("way", WAYS)
def test_it_has_the_folder_the_umask_the_limits_and_what_its_caller_ignores(
    way: str, tmp_path: Path
) -> None:
    def set_up() -> None:
        os.umask(0o027)
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, 300))
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    with waiting(way, tmp_path, preexec_fn=set_up) as (program, works):
        status = dict(
            line.split(":\t", 1)
            for line in Path(f"/proc/{works.pid}/status").read_text("utf-8").splitlines()
        )
        assert status["Umask"] == "0027"
        assert int(status["SigIgn"], 16) & 1 << signal.SIGHUP - 1
        assert resource.prlimit(works.pid, resource.RLIMIT_NOFILE) == (200, 300)
        assert program.poll() is None


@pytest.mark.parametrize("way", WAYS)
def test_it_reads_what_is_given_and_its_reader_sees_the_end(way: str, tmp_path: Path) -> None:
    with waiting(way, tmp_path) as (program, _):
        out, err = program.communicate(b"write to anna.rossi@gmail.com\n", timeout=600)
    assert program.returncode == 0, err
    assert b"anna" not in out and b"write to" in out


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name
)
def test_a_signal_comes_to_it_and_it_ends_as_it_ends(
    way: str, number: signal.Signals, tmp_path: Path
) -> None:
    with waiting(way, tmp_path, preexec_fn=heeds_ctrl_c) as (program, works):
        wait_until(lambda: _reads(works), "it reads")
        program.send_signal(number)
        assert program.wait(600) == (130 if number is signal.SIGINT else -number)
        assert not works.is_running() or works.status() == psutil.STATUS_ZOMBIE


def _reads(process: psutil.Process) -> bool:
    return (
        "pipe" in Path(f"/proc/{process.pid}/wchan").read_text("utf-8")
        or process.status() == psutil.STATUS_SLEEPING
    )


def test_a_program_that_is_killed_takes_its_command_along(tmp_path: Path) -> None:
    with waiting("forked", tmp_path) as (program, works):
        program.kill()
        assert program.wait(600) == -signal.SIGKILL
        wait_until(
            lambda: not works.is_running() or works.status() == psutil.STATUS_ZOMBIE,
            "the command is gone",
        )


@pytest.mark.parametrize("way", WAYS)
def test_one_that_dies_of_a_signal_ends_its_program_by_it(way: str, tmp_path: Path) -> None:
    with waiting(way, tmp_path) as (program, works):
        works.send_signal(signal.SIGKILL)
        assert program.wait(600) == -signal.SIGKILL


def test_what_sets_how_python_starts_starts_it(tmp_path: Path) -> None:
    said = ran(
        "forked", "--version", cwd=tmp_path, env={**os.environ, "PYTHONPROFILEIMPORTTIME": "1"}
    )
    assert said[0] == 0 and b"licet.cli" in said[2]
