"""The server of `forking.py`: `python -m tests.fork_server LISTENING HELD`, its socket and the pipe
that it ends with, by number.

It has no thread, so a fork is whole. A command's threads are waited for and what is registered for
its end is called, as where Python ends; that its modules are taken apart is left out, which would
take seven times the time of the fork.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import resource
import select
import signal
import socket
import sys
import threading
import time
from dataclasses import dataclass
from typing import NoReturn

from .forking import preload

LIMITS = (
    resource.RLIMIT_FSIZE,
    resource.RLIMIT_NOFILE,
    resource.RLIMIT_CORE,
    resource.RLIMIT_AS,
    resource.RLIMIT_NPROC,
)
FROM_A_SHELL = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
DECIDES_THE_START = (b"PYTHON", b"LC_", b"LANG", b"LD_", b"TZ")


@dataclass(frozen=True, slots=True)
class Call:
    """What the program was called with."""

    folder: bytes
    mask: int
    limits: tuple[tuple[int, int], ...]
    ignored: tuple[int, ...]
    words: tuple[bytes, ...]
    start_settings: tuple[bytes, ...]
    environment: tuple[bytes, ...]

    @classmethod
    def parsed(cls, text: bytes) -> Call:
        folder, mask, limits, ignored, count, *rest = text.split(b"\0")
        words, rest = rest[: int(count)], rest[int(count) :]
        settings = int(rest[0])
        pairs = (pair.split(b":") for pair in limits.split())
        return cls(
            folder,
            int(mask),
            tuple((int(soft), int(hard)) for soft, hard in pairs),
            tuple(map(int, ignored.split())),
            tuple(words),
            tuple(rest[1 : settings + 1]),
            tuple(rest[settings + 1 :]),
        )


def serve(listening: socket.socket, held: int) -> Call | None:
    """Forks a command for each that asks. Returns its call in the fork; None here, once the tests
    have ended.
    """
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    asked: dict[int, socket.socket] = {}  # by the pid of the command
    while True:
        ready, _, _ = select.select([listening, held, woken, *asked.values()], [], [])
        if held in ready:
            for pid in asked:
                _kill(pid, signal.SIGKILL)
            return None
        if woken in ready:
            os.read(woken, 4096)
            _answer_ended(asked)
        for pid, connection in list(asked.items()):
            if connection in ready:
                _pass_on(pid, connection)
        if listening in ready:
            connection = listening.accept()[0]
            call, files = _received(connection)
            if call is None:
                connection.close()
                continue
            pid = os.fork()
            if pid == 0:
                for other in (*asked.values(), connection, listening):
                    other.close()
                for number in (woken, wakes, held):
                    os.close(number)
                _become(call, files)
                return call
            for number in files:
                os.close(number)
            asked[pid] = connection


def _received(connection: socket.socket) -> tuple[Call | None, list[int]]:
    head, files, _, _ = socket.recv_fds(connection, 8, 3)
    if len(head) < 8 or len(files) != 3:
        return None, files
    size, parts = int.from_bytes(head, "big"), bytearray()
    while len(parts) < size:
        part = connection.recv(size - len(parts))
        if not part:
            return None, files
        parts += part
    return Call.parsed(bytes(parts)), files


def _pass_on(pid: int, connection: socket.socket) -> None:
    """The signals that the program got; one that is gone was killed, and its command goes with what
    it started.
    """
    try:
        numbers = connection.recv(64)
    except ConnectionError:
        numbers = b""
    for number in numbers:
        _kill(pid, number)
    if not numbers:
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            _kill(pid, signal.SIGKILL)


def _kill(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _answer_ended(asked: dict[int, socket.socket]) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        if connection := asked.pop(pid, None):
            with contextlib.suppress(OSError):
                connection.sendall(status.to_bytes(4, "big"))
            connection.close()


def _become(call: Call, files: list[int]) -> None:
    """The fork is as the program was: its files, folder, environment, umask, limits and what it
    ignores.
    """
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    for number, file in enumerate(files):
        os.dup2(file, number)
    for file in files:
        if file > 2:
            os.close(file)
    os.chdir(call.folder)
    os.umask(call.mask)
    for limit, pair in zip(LIMITS, call.limits, strict=True):
        if resource.getrlimit(limit) != pair:
            resource.setrlimit(limit, pair)
    for number in call.ignored:
        signal.signal(number, signal.SIG_IGN)
    for number in FROM_A_SHELL:  # what runs in the background was started with them ignored
        if number not in call.ignored and signal.getsignal(number) is signal.SIG_IGN:
            default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
            signal.signal(number, default)
    os.environ.clear()
    for pair in call.environment:
        name, _, value = pair.partition(b"=")
        os.environb[name] = value
    if set(call.start_settings) != set(START_SETTINGS):
        _start(call)
    time.tzset()
    sys.stdin = open(0, encoding="utf-8")  # noqa: SIM115 they are open until the end
    sys.stdout = open(1, "w", encoding="utf-8")  # noqa: SIM115  # open as long as the command runs
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1)  # noqa: SIM115 open until the end
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr
    sys.argv[:] = ["licet", *(os.fsdecode(word) for word in call.words)]
    sys.modules["__main__"].__package__ = ""  # the command's name is its program's
    gc.enable()


def _start(call: Call) -> NoReturn:
    code = "import sys; sys.argv[0] = 'licet'; from licet.cli import main; main()"
    os.execv(sys.executable, [sys.executable, "-c", code, *map(os.fsdecode, call.words)])


def _run() -> int:
    """Runs the command as a program runs its text; what it exits with."""
    from licet.cli import main

    try:
        main()
    except SystemExit as ended:
        if ended.code is None or isinstance(ended.code, int):
            return ended.code or 0
        print(ended.code, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def end(code: int) -> NoReturn:
    """Ends as Python ends; 120 where what was printed cannot be written."""
    threading._shutdown()  # type: ignore[attr-defined]  # typeshed leaves it out
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            code = 120
    os._exit(code & 0xFF)


START_SETTINGS = [
    name + b"=" + value for name, value in os.environb.items() if name.startswith(DECIDES_THE_START)
]

if __name__ == "__main__":
    gc.disable()
    preload()
    gc.freeze()
    if serve(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])) is not None:
        end(_run())
