"""A program that unseals leaves nothing of its memory on a disk: no core dump, and no swapped page
where that is allowed.
"""

from __future__ import annotations

import os
import resource
import secrets
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os, resource, sys
from licet.store.core_dumps import harden
if sys.argv[1] == "hardened":
    done = harden()
    print(int(done.memory_locked), flush=True)
else:
    print(0, flush=True)
said = bytes.fromhex(sys.argv[2]) + b" in grandmother's letter"
kept = bytearray(said * 1000)
sys.stdin.readline()
os.kill(os.getpid(), 11)
"""
PATTERN = Path("/proc/sys/kernel/core_pattern")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the control reads /proc")


def may_dump() -> None:
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))


def died(how: str, folder: Path) -> tuple[bytes, list[Path], dict[str, str], bool]:
    """What it held, the files that its death left, what the kernel said of it before, and whether
    it was locked.
    """
    folder.mkdir()
    word = secrets.token_hex(12).encode()
    command = [sys.executable, "-c", PROGRAM, how, word.hex()]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=folder, stdin=pipe, stdout=pipe, preexec_fn=may_dump
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        locked = program.stdout.readline() == b"1\n"
        lines = Path(f"/proc/{program.pid}/status").read_text().splitlines()
        program.stdin.write(b"\n")
        program.stdin.close()
        assert program.wait(600) == -signal.SIGSEGV
    return (
        word,
        list(folder.iterdir()),
        dict(line.split(":", 1) for line in lines if ":" in line),
        locked,
    )


@LINUX
def test_a_hardened_program_that_crashes_leaves_no_core_and_has_no_page_in_swap(
    tmp_path: Path,
) -> None:
    _, left, status, locked = died("hardened", tmp_path / "hardened")
    assert left == []
    unlimited = (
        resource.getrlimit(resource.RLIMIT_MEMLOCK)[1] == resource.RLIM_INFINITY
        or os.geteuid() == 0
    )
    assert (
        locked
        or not unlimited
        or resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] != resource.RLIM_INFINITY
    )
    if locked:
        assert int(status["VmLck"].split()[0]) > 0
        assert int(status["VmSwap"].split()[0]) == 0


@LINUX
def test_the_control_leaves_a_core_with_the_sentence_where_this_machine_writes_cores(
    tmp_path: Path,
) -> None:
    pattern = PATTERN.read_text().strip()
    if (
        "/" in pattern
        or pattern.startswith("|")
        or not pattern
        or resource.getrlimit(resource.RLIMIT_CORE)[1] == 0
    ):
        pytest.skip("this machine hands cores to a program, elsewhere, or writes none")
    word, left, _, _ = died("plain", tmp_path / "plain")
    assert any(word in path.read_bytes() for path in left)
