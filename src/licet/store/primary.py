"""Admission of database servers: only a primary is used, and only the newest known one.

Promise: no statement is sent over a pooled connection before its server was examined. Replicas,
which may lag, and read-only servers are refused. `guarded` adds an examination that tells a former
primary from the present one; when it finds a newer timeline, every older connection is cut, in use
or not, so that statements on a superseded server fail.

A server is identified by its system identifier, which all members of a cluster share, and its
timeline, which grows with each promotion. Both are read from the server itself, so a pooler or
proxy does not change them.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any, Self
from weakref import WeakKeyDictionary

import msgspec
import psycopg

from licet.errors import BusyError, LicetError

ServerConnection = psycopg.Connection[Any]
Examination = Callable[[ServerConnection], int]


class ReplicaError(BusyError):
    """The server is a replica, or read-only. No statement was sent to it."""


class ServerIdentity(msgspec.Struct, frozen=True):
    """A server's cluster and timeline; written `7512034876120348761/3`."""

    system: int
    timeline: int

    def __str__(self) -> str:
        return f"{self.system}/{self.timeline}"

    @classmethod
    def parse(cls, text: str) -> Self:
        system, _, timeline = text.partition("/")
        return cls(int(system), int(timeline))


def identity(conn: ServerConnection) -> ServerIdentity:
    """Returns the server's identity; ReplicaError if it is read-only.

    `pg_control_checkpoint` names the old timeline until the first checkpoint after a promotion; the
    name of the present WAL file, which a replica cannot tell, names the new one at once.
    """
    row = conn.execute(
        """SELECT system_identifier,
                  CASE WHEN pg_is_in_recovery()
                    OR current_setting('default_transaction_read_only')::boolean THEN NULL
                       ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END
             FROM pg_control_system()"""
    ).fetchone()
    if row is None or row[1] is None:
        raise replica_error()
    return ServerIdentity(int(row[0]), int(row[1], 16))


def replica_error() -> ReplicaError:
    return ReplicaError(
        "the server of the connection only reads: it is a replica, or was made read-only",
        "connect to the primary: docs/failover.md says how a connection follows it",
    )


def refuse_replica(conn: ServerConnection) -> int:
    """The default examination: ReplicaError if the server is read-only."""
    identity(conn)
    return 0


class Admission:
    """The admitted connections of a pool, and the reason of the last refusal."""

    def __init__(self) -> None:
        self.fault: LicetError | None = None
        self._lock = threading.Lock()
        self._examine: Examination = refuse_replica
        self._admitted: WeakKeyDictionary[ServerConnection, tuple[Examination, int]] = (
            WeakKeyDictionary()
        )
        self._newest: tuple[Examination, int] = (refuse_replica, 0)

    def check(self, conn: ServerConnection) -> None:
        """Examines the server of ``conn`` once; closes the connection and raises if it is
        refused.
        """
        with self._lock:
            if self._admitted.get(conn) == self._newest:
                return
            examine = self._examine
        try:
            life = examine(conn)
            conn.rollback()
        except BaseException as error:
            self.fault = error if isinstance(error, LicetError) else None
            conn.close()
            raise
        self._admit(conn, (examine, life))

    @contextlib.contextmanager
    def guarded(self, examine: Examination) -> Iterator[None]:
        """Lets ``examine`` admit each connection within the block; it returns the server's life."""
        before = self._examine
        self._follow(examine)
        try:
            yield
        finally:
            self._follow(before)

    def _follow(self, examine: Examination) -> None:
        with self._lock:
            self._examine, self._newest, self.fault = examine, (examine, -1), None

    def _admit(self, conn: ServerConnection, examination: tuple[Examination, int]) -> None:
        examine, life = examination
        with self._lock:
            self.fault = None
            if examine is self._newest[0] and life > self._newest[1]:
                stale = [
                    conn
                    for conn, known in self._admitted.items()
                    if known[0] is examine and known[1] < life
                ]
                self._newest = examination
            else:
                stale = []
            self._admitted[conn] = examination
            for old in stale:
                del self._admitted[old]
        for old in stale:
            _cut(old)


def _cut(conn: ServerConnection) -> None:
    """Ends a connection on which another thread may be waiting; `close` would leave it waiting."""
    with (
        contextlib.suppress(OSError, psycopg.Error),
        socket.socket(fileno=os.dup(conn.fileno())) as wire,
    ):
        wire.shutdown(socket.SHUT_RDWR)
