"""One PostgreSQL a session, shared by the workers of xdist; one database a worker; clean tables for
each test.

The server is the product's own launcher at work: the first worker starts it, the last one to leave
stops it. It runs without fsync; a test that is about crashes starts its own. `TESTS_BINARIES` names
the folder of another PostgreSQL's programs to run the suite on. `TESTS_ORDER` is a seed: files, and
the tests of each, run in an order drawn from it.
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
from typing import TYPE_CHECKING, Any

import hypothesis
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from licet.keys.keyring import Keyring
from licet.keys.material import FileProvider
from licet.store import embedded
from licet.store.connect import Pool, Transaction, open_pool
from licet.store.migrate import migrate

from . import recorded, tiers, touched
from .descriptors import Descriptors
from .kept_connections import close_kept_connection, kept_connection
from .state_hook import MADE, check, forget

if TYPE_CHECKING:
    from .installed import House

# The settings of anyone who starts the tests are not theirs; what a test sets, it sets itself.
for setting in [name for name in os.environ if name.startswith("LICET_")]:
    del os.environ[setting]

# No test says how fast anything is: on a busy machine an example that takes a millisecond takes
# half a second. Examples that failed are kept in the folder that the tests run in, unless it is
# another user's: to be told so is a warning, which fails a test.
HOME = Path(".hypothesis") if Path(".hypothesis").exists() else Path.cwd()
KEPT: dict[str, Any] = {} if os.access(HOME, os.W_OK) else {"database": None}
hypothesis.settings.register_profile("licet", deadline=None, **KEPT)
hypothesis.settings.load_profile("licet")

TEMPLATE = "licet_template"
TRUST = "local all all trust\nlocal replication all trust\n"
METER = recorded.Meter()
DESCRIPTORS = Descriptors()
IN_A_TEST = "PYTEST_CURRENT_TEST" in os.environ  # a test started this run
OUTCOMES: dict[str, str] = {}
RAN: dict[str, set[str]] = {}  # by module of tests, the modules of ours that they ran
COSTS: dict[str, recorded.Cost] = {}
# The files that take longest begin first, so that no worker is left with one of them at the end.
LONGEST = (
    "test_walkthrough.py",
    "test_outages.py",
    "test_build_workers.py",
    "test_litellm.py",
    "test_planted_sentence.py",
    "test_matrix.py",
    "test_step_mask.py",
    "test_bad_days.py",
    "test_hanging.py",
    "test_examples.py",
    "test_backup.py",
    "test_altered.py",
    "test_base_backup.py",
    "test_crash_anywhere.py",
    "test_killed.py",
    "test_faults.py",
    "test_resume.py",
    "test_base.py",
    "test_silent_dependencies.py",
    "test_races.py",
    "test_mutants.py",
    "test_quickstart.py",
    "test_trainers.py",
    "test_canaries.py",
    "test_sequence_parallel.py",
    "test_host_package.py",
    "test_files_that_stay.py",
    "test_kernels.py",
    "test_build_races.py",
    "test_schema.py",
    "test_console_pages.py",
    "test_workers.py",
    "test_order.py",
    "test_browser_safety.py",
    "test_crash.py",
    "test_failover.py",
    "test_lost_commits.py",
    "test_three_hosts.py",
)
Databases = Callable[..., str]
FILE_BYTES_MAX = 256 * 1024  # of a table that is emptied row by row


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if terminalreporter.stats.get("failed") or terminalreporter.stats.get("error"):
        terminalreporter.write_line(f"of what is drawn at random: {tiers.DRAWN}")


def pytest_sessionstart() -> None:
    gc.disable()
    METER.read()


def pytest_collection_finish() -> None:
    """What was imported and collected stays until the end: to look for garbage there took a sixth
    of the collection.
    """
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    config.stash[tiers.COLLECTED] = list(items)
    if not any("::" in word for word in config.args):  # a test that is asked for by its name runs
        if wrong := tiers.faults(items, tiers.table()):
            raise pytest.UsageError("\n".join(wrong))
        items[:], left = tiers.selected(items)
        config.hook.pytest_deselected(items=left)
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
    if touched.RECORDS:
        with touched.Listener() as heard:
            yield
        item.user_properties.append(("touched", list(heard.modules())))
    else:
        yield
    check(item)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    DESCRIPTORS.begin(item.path)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    forget(item)
    yield
    if nextitem is None or nextitem.path != item.path:
        DESCRIPTORS.check()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    if call.when == "teardown":
        report.user_properties.append(("cost", METER.read()))
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """In the process that reports: what each test cost, and whether it failed anywhere."""
    if report.outcome != "passed" or report.nodeid not in OUTCOMES:
        OUTCOMES[report.nodeid] = report.outcome
    for name, cost in report.user_properties:
        if name == "touched":
            RAN.setdefault(touched.module_of(report.nodeid), set()).update(cost)
        if name == "cost":
            COSTS[report.nodeid] = recorded.Cost(*cost, OUTCOMES[report.nodeid])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: some of the time of a test it waits."""
    return int(os.environ.get("TESTS_WORKERS") or len(os.sched_getaffinity(0)) + 1)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """The last worker to leave the shared database has seen all that it cost."""
    recorded.database = max(
        recorded.database, getattr(node, "workeroutput", {}).get("database", 0.0)
    )


def pytest_sessionfinish(session: pytest.Session) -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        # an attribute that xdist adds
        session.config.workeroutput["database"] = recorded.database  # type: ignore[attr-defined]
    elif COSTS and not IN_A_TEST:
        if RAN:
            touched.write(RAN)
        recorded.write(
            COSTS, recorded.database if session.config.pluginmanager.hasplugin("dsession") else 0.0
        )


@pytest.fixture(scope="session", autouse=True)
def _names_where_they_are_asked_for() -> Iterator[None]:
    """Models of names cost a hundred times what they are built beside: tests of theirs ask for them
    by name.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LICET_CURATE__NAMES", "off")
        yield


@pytest.fixture(scope="session")
def worker_browser() -> Iterator[tuple[object, object]]:
    """One browser for all tests of this worker; they ask for `browser` of `web/browsing.py`."""
    from .web.browsing import resting_browser

    yield from resting_browser()


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
            ask_no_password(dsn, shared / "postgres")
            make_template(dsn)
        server = int(
            next((shared / "postgres").rglob("postmaster.pid")).read_text("utf-8").split()[0]
        )
        METER.apart = server if "PYTEST_XDIST_WORKER" in os.environ else None
        yield dsn
        recorded.database = sum(map(recorded.seconds_of, recorded.tree(server)))


@contextlib.contextmanager
def file_lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def ask_no_password(dsn: str, folder: Path) -> None:
    """To prove the password takes a client ten times what the rest of a connection takes; the
    socket is in our folder.
    """
    hba = next(folder.rglob("pg_hba.conf"))
    if hba.read_text("utf-8") != TRUST:
        hba.write_text(TRUST, encoding="utf-8")
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.execute("SELECT pg_reload_conf()")


def make_template(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        if conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", (TEMPLATE,)).fetchone():
            return
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
    with psycopg.connect(dsn, dbname=TEMPLATE) as conn:
        migrate(conn)


@pytest.fixture(scope="session")
def databases(postgres: str) -> Iterator[Databases]:
    """Make a database and return its connection string: migrated, or empty with
    ``migrated=False``.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "single")
    names = (f"licet_{worker}_{count}" for count in itertools.count())
    made = []

    def make(*, migrated: bool = True) -> str:
        name = next(names)
        template = sql.Identifier(TEMPLATE if migrated else "template0")
        with psycopg.connect(postgres, autocommit=True) as conn:
            conn.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), template)
            )
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
def worker_dsn(databases: Databases) -> Iterator[str]:
    dsn = databases()
    yield dsn
    close_kept_connection(dsn)


@pytest.fixture(scope="session")
def worker_pool(worker_dsn: str) -> Iterator[Pool]:
    with open_pool(worker_dsn) as pool:
        yield pool


@pytest.fixture(scope="session")
def provider(tmp_path_factory: pytest.TempPathFactory) -> FileProvider:
    return FileProvider(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session")
def keyring(provider: FileProvider) -> Keyring:
    """A keyring for each worker."""
    return Keyring(provider)


@pytest.fixture
def conn(pool: Pool) -> Iterator[Transaction]:
    """One connection. What needs no second one works in savepoints and is rolled back: no tables to
    clean.
    """
    with pool.connection() as connection:
        yield connection
        connection.rollback()


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


@pytest.fixture
def house(pool: Pool, tmp_path: Path) -> House:
    """An installation with the sample policy; a file whose tests need a story in it fills this one by a
    `house` of its own that takes it.
    """
    from .installed import House  # half of the product: not before a test asks for it

    return House(pool, tmp_path / "data")


def empty_tables(dsn: str) -> None:
    """Empty every table but `migrations`, and begin the sequences anew.

    Rows are deleted, which takes a twentieth of the time of TRUNCATE: that makes a file anew for
    each table and each of its indexes. A table whose file has grown is truncated, so that dead rows
    never gather.
    """
    kept_connection(dsn).execute(EMPTY_TABLES)


# Triggers that forbid deletion are part of what is tested, not of the tests' own cleaning: they do
# not fire on the kept connection.
EMPTY_TABLES = f"""
DO $$
DECLARE
  full_table regclass;
BEGIN
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
