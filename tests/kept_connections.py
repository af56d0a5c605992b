"""Connections of the tests' own to the database of a worker, kept while it lives: what is planned
on one is planned once.

To connect for each test took the server more than to empty its tables, and the plan of the
invariants ten times that. Triggers do not fire on it, as it empties tables that forbid deletion:
to set that for each test threw every plan away.
"""

from __future__ import annotations

import select

import psycopg

OPTIONS = "-c session_replication_role=replica -c plan_cache_mode=force_generic_plan"
_kept: dict[str, psycopg.Connection] = {}


def kept_connection(dsn: str) -> psycopg.Connection:
    """The connection to ``dsn``, each statement of it its own transaction; a new one where the
    server ended the last.
    """
    conn = _kept.get(dsn)
    if conn is None or conn.closed or _has_ended(conn):
        conn = _kept[dsn] = psycopg.connect(dsn, autocommit=True, options=OPTIONS)
    return conn


def close_kept_connection(dsn: str) -> None:
    """Closes the connection to ``dsn``, if one is kept."""
    if conn := _kept.pop(dsn, None):
        conn.close()


def _has_ended(conn: psycopg.Connection) -> bool:
    """Whether the server said something that nobody asked for: its last words."""
    poll = select.poll()
    poll.register(conn.fileno(), select.POLLIN)
    if not poll.poll(0):
        return False
    conn.close()
    return True
