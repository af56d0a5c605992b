"""Runs PostgreSQL's programs: the embedded server's, else the system's.

Connection parameters are passed in the environment, because every user of the machine can read
command lines.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from licet.errors import BrokenError
from licet.store import embedded

OUTPUT_CHARACTERS_MAX = 400


def run_program(command: list[str], dsn: str = "", hint: str = "") -> None:
    """Runs a program to its end; BrokenError with ``hint`` if it fails."""
    wait_program(start_program(command, dsn), hint)


def start_program(
    command: list[str],
    dsn: str = "",
    stdout: int = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Starts a program without waiting for it."""
    program = embedded.binaries() / command[0]
    arguments = [str(program) if program.is_file() else command[0], *command[1:]]
    return subprocess.Popen(  # noqa: S603 PostgreSQL's programs, with arguments of ours
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=_environment(dsn),
    )


def wait_program(running: subprocess.Popen[bytes], hint: str = "") -> None:
    """Waits for a program's end; BrokenError with ``hint`` if it failed."""
    output = running.stderr.read() if running.stderr is not None else b""
    if running.stderr is not None:
        running.stderr.close()
    if running.wait() != 0:
        # Later output may quote rows, so only the first line with an error is reported.
        lines = output.decode("utf-8", "replace").splitlines()
        named = [line for line in lines if "error" in line.lower()] or lines or ["no reason given"]
        program = Path(
            str(running.args[0] if isinstance(running.args, list) else running.args)
        ).name
        raise BrokenError(f"`{program}` failed: {named[0][:OUTPUT_CHARACTERS_MAX]}", hint)


def _environment(dsn: str) -> dict[str, str]:
    named = conninfo_to_dict(dsn)
    variables = {
        option.keyword.decode(): option.envvar.decode()
        for option in psycopg.pq.Conninfo.get_defaults()
        if option.envvar is not None
    }
    environment = {variables[key]: str(value) for key, value in named.items() if key in variables}
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name in ("PATH", "HOME", "LD_LIBRARY_PATH")
    }
    return {**inherited, **environment, "LC_ALL": "C.UTF-8"}
