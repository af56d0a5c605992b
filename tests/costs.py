"""What each room of the tests costs in seconds of processor time: `python -m tests.costs [PATH
...]`, one after the other.

Processor time and not the clock, so that it says the same on a machine that does something else
besides. It counts whatever a test started, servers and browsers too: this process adopts what is
left behind (Linux's "child subreaper"), and a process is in the figure of the one that waits for
it. `docs/testing.md` shows the figures of one such run.
"""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from .waiting import wait_until

HERE = Path(__file__).parent
ROOT = HERE.parent
PR_SET_CHILD_SUBREAPER = 36
PYTEST = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist")


def rooms() -> Iterator[Path]:
    """The folders of tests, then the files beside them."""
    yield from sorted({path.parent for path in HERE.glob("*/**/test_*.py")})
    yield from sorted(HERE.glob("test_*.py"))


def cost(path: Path) -> str:
    """A row of the table: the room, its tests, its processor time in seconds, and what pytest said
    at its end.
    """
    before = os.times()
    ran = subprocess.run(
        [*PYTEST, str(path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    wait_until(_is_alone, "what the tests started has ended")
    after = os.times()
    spent = (
        after.children_user + after.children_system - before.children_user - before.children_system
    )
    told = ran.stdout.strip().splitlines()[-1:] or ["nothing"]
    tests = sum(map(int, re.findall(r"(\d+) (?:passed|failed|skipped)", told[0])))
    return f"| `{path.relative_to(ROOT)}` | {tests} | {spent:.0f} |" + (
        "" if ran.returncode == 0 else f" {told[0]}"
    )


def _is_alone() -> bool:
    """Whether nothing that the tests started runs any more; takes in what has ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0] != 0:
            pass
    except ChildProcessError:
        return True
    return False


def main(words: Sequence[str]) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "no child subreaper here")
    for path in [Path(word).resolve() for word in words] or list(rooms()):
        print(cost(path), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
