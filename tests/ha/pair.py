"""A primary and its replica, without anything that watches over them: who promotes is the test."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg

from licet.store import embedded

from .cluster import DATABASE, free_ports, unprivileged

QUIET = (
    "log_min_messages = fatal\nunix_socket_directories = ''\nfsync = off\nlisten_addresses = "
    "'127.0.0.1'\n"
)


class Server:
    """One PostgreSQL of the pair."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port

    @property
    def dsn(self) -> str:
        return f"host=127.0.0.1 port={self.port} user=postgres dbname={DATABASE}"

    def do(self, program: str, *arguments: str) -> None:
        command = unprivileged(str(embedded.binaries() / program), *arguments)
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr

    def _control(self, *arguments: str) -> None:
        self.do(
            "pg_ctl",
            "-D",
            str(self.folder),
            "-w",
            "-t",
            "600",
            "-l",
            f"{self.folder}.log",
            *arguments,
        )

    def start(self) -> None:
        self._control("-o", f"-p {self.port}", "start")

    def stop(self) -> None:
        self._control("-m", "immediate", "stop")

    def promote(self) -> None:
        self._control("promote")

    def rows(self, statement: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            return conn.execute(statement).fetchall()

    def set(self, name: str, value: str) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            conn.execute(f"ALTER SYSTEM SET {name} = '{value}'")
            conn.execute("SELECT pg_reload_conf()")


@contextlib.contextmanager
def pair(folder: Path) -> Iterator[tuple[Server, Server]]:
    """Both run; commits wait for nobody, as in a PostgreSQL that nobody has told to."""
    first, second = (
        Server(folder / name, port)
        for name, port in zip(("first", "second"), free_ports(2), strict=True)
    )
    first.do(
        "initdb",
        "-D",
        str(first.folder),
        "--username=postgres",
        "--auth=trust",
        "--encoding=UTF8",
        "--no-sync",
    )
    with (first.folder / "postgresql.conf").open("a", encoding="utf-8") as conf:
        conf.write(QUIET)
    try:
        first.start()
        with psycopg.connect(first.dsn, dbname="postgres", autocommit=True) as conn:
            conn.execute(f"CREATE DATABASE {DATABASE}")
        second.do(
            "pg_basebackup",
            "-D",
            str(second.folder),
            "-d",
            f"host=127.0.0.1 port={first.port} user=postgres",
            "--checkpoint=fast",
            "--no-sync",
            "--write-recovery-conf",
        )
        second.start()
        yield first, second
    finally:
        for one in (first, second):
            with contextlib.suppress(AssertionError):
                one.stop()
