"""After each test, the whole state of every vault that it touched is sound; `conftest.py` asks
while what it made stands.

A vault is known in two ways. The databases of the tests that it was given are asked for their
tables, no matter who wrote there: a command, a server, a statement. An installation that called
`lived` is asked for its log, its releases and its restriction journal too. A test that breaks the
state on purpose says so by the mark `state_is_broken`, and must.
"""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from licet.vault.installation import Installation

from .kept_connections import kept_connection
from .state_check import faults, in_tables

# those that this test opened, or that a fixture of its file keeps open
LIVED: list[Installation] = []
SHOWN_MAX = 20
# the databases that were made since the last test, by their connection strings
MADE: list[str] = []


def lived(here: Installation) -> Installation:
    """An installation whose whole state is to be sound at the end of the test."""
    LIVED.append(here)
    return here


def emptied(pool: ConnectionPool) -> ConnectionPool:
    """A database whose tables were emptied for another installation: what lived there before in
    this test is over.
    """
    LIVED[:] = [here for here in LIVED if here.pool is not pool]
    return pool


def unlived(dsn: str) -> str:
    """A database that is only looked at for its size: its rows were made by a statement, and nobody
    lived there.
    """
    MADE.remove(dsn)
    return dsn


def check(item: pytest.Item) -> None:
    """Asserts that nothing is broken, or that something is where the test's mark says so."""
    broken = sorted(set(_broken(getattr(item, "funcargs", {}))))
    if item.get_closest_marker("state_is_broken"):
        assert broken, "the mark `state_is_broken` is not needed"
    else:
        assert broken == [], "\n".join(broken[:SHOWN_MAX])


def forget(item: pytest.Item) -> None:
    """Forgets what the next test no longer finds: the tables of the worker's database are emptied
    for it.
    """
    worker_pool = getattr(item, "funcargs", {}).get("worker_pool")
    LIVED[:] = [here for here in LIVED if here.pool is not worker_pool and not here.pool.closed]
    MADE.clear()


def _broken(given: dict[str, object]) -> Iterator[str]:
    """What is broken of the state of what a test opened; ``given`` are the fixtures that it asked
    for.
    """
    shared, pool, dsn = given.get("worker_pool"), given.get("pool"), given.get("dsn")
    for here in LIVED:
        if not here.pool.closed:
            kept = kept_connection(str(here.pool.conninfo)) if here.pool is shared else None
            yield from faults(here, kept)
    if isinstance(pool, ConnectionPool):
        if not any(here.pool is pool for here in LIVED):
            yield from in_tables(kept_connection(str(pool.conninfo)))
    elif isinstance(dsn, str):
        yield from in_tables(kept_connection(dsn))
    for made in MADE:
        with psycopg.connect(made) as conn:
            yield from in_tables(conn)
