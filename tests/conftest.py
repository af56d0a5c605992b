"""One PostgreSQL a session, shared by the workers of xdist; one database a worker; clean tables for each test.

The server is the product's own launcher at work: the first worker starts it, the last one to leave stops it. It runs
without fsync; a test that is about crashes starts its own. `TESTS_BINARIES` names the folder of another
PostgreSQL's programs to run the suite on. `TESTS_ORDER` is a seed: files, and the tests of each, run in an order drawn from it.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import itertools
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from licet.store import embedded
from licet.store.connect import Pool, opened
from licet.store.migrate import migrate

from .quarters import QUARTER, WHOLE
from .state_hook import MADE, check, forget

# The settings of whoever starts the tests are not theirs; what a test sets, it sets itself.
for setting in [name for name in os.environ if name.startswith("LICET_")]:
    del os.environ[setting]

# No test says how fast anything is: on a busy machine an example that takes a millisecond takes half a second.
hypothesis.settings.register_profile("licet", deadline=None)
hypothesis.settings.load_profile("licet")

TEMPLATE = "licet_template"
# The files that take longest begin first, so that no worker is left with one of them at the end.
LONGEST = (
    "test_crash_anywhere.py", "test_killed.py", "test_faults.py", "test_races.py", "test_mutants.py", "test_quickstart.py",
    "test_trainers.py", "test_kernels.py", "test_build_races.py", "test_schema.py", "test_base_backup.py", "test_bad_days.py",
    "test_order.py", "test_browser_safety.py", "test_crash.py", "test_failover.py", "test_lost_commits.py",
    "test_three_hosts.py",
)  # fmt: skip
Databases = Callable[..., str]
FILE_BYTES_MAX = 256 * 1024  # of a table that is emptied row by row


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if terminalreporter.stats.get("failed") or terminalreporter.stats.get("error"):
        drawn = "TESTS_WHOLE=1 tried all" if WHOLE else f"TESTS_QUARTER={QUARTER} chooses the quarter"
        terminalreporter.write_line(f"of what is drawn at random: {drawn}")


def pytest_sessionstart() -> None:
    gc.disable()


def pytest_collection_finish() -> None:
    """What was imported and collected stays until the end: to look for garbage there took a sixth of the collection."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if seed := os.environ.get("TESTS_ORDER"):
        drawn = random.Random(seed)
        # By file, so that what the tests of a file share is made once.
        place = {path: drawn.random() for path in sorted({item.path for item in items})}
        items.sort(key=lambda item: (place[item.path], drawn.random()))
        return
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path.name, len(ranks)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """A test that left the state of a vault broken fails; see `state_hook.py`."""
    yield
    check(item)


def pytest_runtest_teardown(item: pytest.Item) -> None:
    forget(item)


@pytest.fixture(scope="session", autouse=True)
def _names_where_they_are_asked_for() -> Iterator[None]:
    """Models of names cost a hundred times what they are built beside: tests of theirs ask for them by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LICET_CURATE__NAMES", "off")
        yield


@pytest.fixture(scope="session")
def binaries() -> Path | None:
    """The PostgreSQL to test on, when it is not the product's choice."""
    return Path(os.environ["TESTS_BINARIES"]) if os.environ.get("TESTS_BINARIES") else None


@pytest.fixture(scope="session")
def fast(binaries: Path | None) -> embedded.Options:
    """How a test starts a server of its own that need not survive the loss of power."""
    return embedded.Options(durable=False, binaries=binaries)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory, fast: embedded.Options) -> Iterator[str]:
    """The session's server, holding a migrated template database."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with embedded.running(shared / "postgres", fast) as dsn:
        with file_lock(shared / "template.lock"):
            make_template(dsn)
        yield dsn


@contextlib.contextmanager
def file_lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def make_template(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        if conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", (TEMPLATE,)).fetchone():
            return
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
    with psycopg.connect(dsn, dbname=TEMPLATE) as conn:
        migrate(conn)


@pytest.fixture(scope="session")
def databases(postgres: str) -> Iterator[Databases]:
    """Make a database and return its connection string: migrated, or empty with ``migrated=False``."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "single")
    names = (f"licet_{worker}_{count}" for count in itertools.count())
    made = []

    def make(*, migrated: bool = True) -> str:
        name = next(names)
        template = sql.Identifier(TEMPLATE if migrated else "template0")
        with psycopg.connect(postgres, autocommit=True) as conn:
            conn.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), template))
        made.append(name)
        known = make_conninfo(postgres, dbname=name)
        if migrated:
            MADE.append(known)
        return known

    yield make
    with psycopg.connect(postgres, autocommit=True) as conn:
        for name in made:
            conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def worker_dsn(databases: Databases) -> str:
    return databases()


@pytest.fixture(scope="session")
def worker_pool(worker_dsn: str) -> Iterator[Pool]:
    with opened(worker_dsn) as pool:
        yield pool


@pytest.fixture
def dsn(worker_dsn: str) -> str:
    """The worker's migrated database, its tables empty."""
    empty_tables(worker_dsn)
    return worker_dsn


@pytest.fixture
def pool(worker_pool: Pool, dsn: str) -> Pool:
    """A pool on `dsn`."""
    assert dsn
    return worker_pool


def empty_tables(dsn: str) -> None:
    """Empty every table but `migrations`, and begin the sequences anew.

    Rows are deleted, which takes a twentieth of the time of TRUNCATE: that makes a file anew for each table and each of
    its indexes. A table whose file has grown is truncated, so that dead rows never gather.
    """
    with psycopg.connect(dsn) as conn:
        conn.execute(EMPTY_TABLES)


# Triggers that forbid deletion are part of what is tested, not of the tests' own cleaning.
EMPTY_TABLES = f"""
DO $$
DECLARE
  full_table regclass;
BEGIN
  SET LOCAL session_replication_role = replica;
  FOR full_table IN
    SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname !~ '^(pg_|information_schema)' AND c.relname <> 'migrations'
      AND pg_relation_size(c.oid) > 0
    ORDER BY pg_relation_size(c.oid) DESC
  LOOP
    IF pg_relation_size(full_table) > {FILE_BYTES_MAX} THEN
      EXECUTE format('TRUNCATE %s CASCADE', full_table);
    ELSE
      EXECUTE format('DELETE FROM %s', full_table);
    END IF;
  END LOOP;
  PERFORM setval(format('%I.%I', schemaname, sequencename), start_value, false)
  FROM pg_sequences WHERE last_value IS NOT NULL;
END $$
"""
