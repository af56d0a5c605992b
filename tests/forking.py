"""Commands of `licet` by a fork in place of a start: a program that takes 0.02 s of the processor
and not 0.2 to 0.6.

`FORKED` is the path of a program. It hands its words, folder, environment, umask, limits and open
files to a server, which has imported what commands import, and which forks the command. The program
ends as the command ended, passes on the signals that it gets, and takes the command with it when it
is killed. It starts Python as ever where a fork would differ: on a terminal, for another user, and
where the environment sets how Python starts (`PYTHON*`, `LC_*`, `LANG`, `LD_*`).

`tests/test_forking.py` holds both ways to each other. A test that is about the start itself, or
that kills a command to see what it leaves, starts Python: `STARTED`.
"""

from __future__ import annotations

import atexit
import importlib
import os
import pkgutil
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from functools import cached_property
from pathlib import Path

STARTED = [
    sys.executable,
    "-c",
    "import sys; sys.argv[0] = 'licet'; from licet.cli import main; main()",
]
HERE = Path(__file__).parent
NOT_PRELOADED = (
    "licet.train",
    "licet.plugins",
    "licet.host",
    "licet.verifier",
    "licet.curate.worker_start",
)


class Forked:
    """A program that a server forks; the server starts when its path is first asked for, and ends
    with this process.
    """

    def __init__(self, *words: str) -> None:
        self._words = words

    def __fspath__(self) -> str:
        return self._program

    def __str__(self) -> str:
        return self._program

    @cached_property
    def _program(self) -> str:
        folder, listening = _server()
        path = Path(folder) / "-".join(("licet", *self._words))
        client = (HERE / "forked_client.py").read_text("utf-8")
        setting = f"SOCKET, PYTHON, USER = {listening!r}, {sys.executable!r}, {os.geteuid()}"
        text = client.replace('SOCKET, PYTHON, USER = "", "", 0', setting)
        path.write_text(f"#!{sys.executable} -IS\n{text}", encoding="utf-8")
        path.chmod(0o755)
        return str(path)


FORKED = Forked()
_started: list[tuple[str, str]] = []


def _server() -> tuple[str, str]:
    if not _started:
        folder = tempfile.mkdtemp(prefix="licet-forks-")
        Path(folder).chmod(0o755)
        address = f"{folder}/socket"
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(address)
        listening.listen(64)
        ours, theirs = os.pipe()  # the server ends when nobody holds the writing end any more
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.fork_server", str(listening.fileno()), str(ours)],
            cwd=HERE.parent,
            pass_fds=(listening.fileno(), ours),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env={
                name: value for name, value in os.environ.items() if not name.startswith("LICET_")
            },
        )
        listening.close()
        os.close(ours)
        atexit.register(_end, server, theirs, folder)
        _started.append((folder, address))
    return _started[0]


def _end(server: subprocess.Popen[bytes], held: int, folder: str) -> None:
    os.close(held)
    server.send_signal(signal.SIGTERM)
    server.wait()
    shutil.rmtree(folder, ignore_errors=True)


def preload() -> None:
    """Imports what commands import when they are asked to do something."""
    import licet

    for module in pkgutil.walk_packages(licet.__path__, "licet.", onerror=lambda _name: None):
        if not module.name.startswith(NOT_PRELOADED) and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
