"""Transactions keep all or nothing, in UTC, and their errors are ours and quote nothing."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from licet.config import Configuration
from licet.errors import BusyError, UsageError
from licet.store.connect import (
    RETRY_ATTEMPTS_MAX,
    SILENT_SECONDS_MAX,
    ContentionError,
    Pool,
    StatementError,
    UnreachableError,
    database,
    open_pool,
    retrying,
    snapshot,
    transaction,
)

PLANTED = "the heron waits"


@pytest.fixture(scope="module")
def words(databases: Callable[..., str]):
    with open_pool(databases(migrated=False)) as pool:
        with transaction(pool) as tx:
            tx.execute(
                "CREATE TABLE words (word text CONSTRAINT a_word_is_kept_once PRIMARY KEY, "
                "n int DEFAULT 0)"
            )
        yield pool


@pytest.fixture(autouse=True)
def no_words(words: Pool) -> None:
    with transaction(words) as tx:
        tx.execute("TRUNCATE words")


def kept(words: Pool) -> list[str]:
    with transaction(words) as tx:
        return [word for (word,) in tx.execute("SELECT word FROM words ORDER BY word")]


def test_a_transaction_that_raises_leaves_nothing(words: Pool) -> None:
    with pytest.raises(ZeroDivisionError), transaction(words) as tx:
        tx.execute("INSERT INTO words VALUES ('half')")
        _ = 1 / 0
    assert kept(words) == []


def test_both_sides_of_a_connection_notice_that_the_other_vanished_within_a_bound(
    words: Pool,
) -> None:
    """What PostgreSQL and libpq are told; on a local socket, as here, the system has nothing to
    ask.
    """
    with transaction(words) as tx:
        told = tx.info.get_parameters()
        asked = tx.execute(
            "SELECT name FROM pg_settings WHERE name LIKE 'tcp%' AND source = 'session' "
            "ORDER BY name"
        )
        assert [name for (name,) in asked] == [
            "tcp_keepalives_count",
            "tcp_keepalives_idle",
            "tcp_keepalives_interval",
            "tcp_user_timeout",
        ]
    idle, interval, count = (
        int(told[f"keepalives_{name}"]) for name in ("idle", "interval", "count")
    )
    assert idle + interval * count <= SILENT_SECONDS_MAX == int(told["tcp_user_timeout"]) / 1_000


def test_a_transaction_is_read_committed_in_utc_with_typed_values(words: Pool) -> None:
    with transaction(words) as tx:
        asked = (
            "SELECT current_setting('transaction_isolation'), '2025-10-08 "
            "12:00+02'::timestamptz, gen_random_uuid()"
        )
        isolation, when, number = tx.execute(asked).fetchone() or ()
    assert isolation == "read committed"
    assert isinstance(when, datetime)
    assert when.utcoffset() == timedelta(0)
    assert when.hour == 10
    assert isinstance(number, UUID)


def test_a_snapshot_sees_one_moment_and_writes_nothing(words: Pool) -> None:
    counted = "SELECT count(*) FROM words"
    with snapshot(words) as tx:
        before = tx.execute(counted).fetchone()
        with transaction(words) as other:
            other.execute("INSERT INTO words VALUES ('meanwhile')")
        assert tx.execute(counted).fetchone() == before == (0,)
    with pytest.raises(StatementError), snapshot(words) as tx:
        tx.execute("INSERT INTO words VALUES ('never')")
    with transaction(words) as tx:  # the connection is as it was
        tx.execute("INSERT INTO words VALUES ('after')")
    assert kept(words) == ["after", "meanwhile"]


def test_a_snapshot_that_records_appends_beside_whoever_changes_what_it_refers_to(
    pool: Pool,
) -> None:
    """A row that refers to another one is appended, though that one was changed since the snapshot
    began.
    """
    with transaction(pool) as tx:
        tx.execute("CREATE TABLE people (person int PRIMARY KEY, count int)")
        tx.execute("CREATE TABLE seen (person int REFERENCES people)")
        tx.execute("INSERT INTO people VALUES (1, 0)")
    try:
        with snapshot(pool, records=True) as tx:
            assert tx.execute("SELECT count FROM people").fetchone() == (0,)
            with transaction(pool) as other:
                other.execute("UPDATE people SET count = 1")
            tx.execute("INSERT INTO seen VALUES (1)")
            assert tx.execute("SELECT count FROM people").fetchone() == (0,)
        with transaction(pool) as tx:
            assert tx.execute(
                "SELECT count, (SELECT count(*) FROM seen) FROM people"
            ).fetchall() == [(1, 1)]
    finally:
        with transaction(pool) as tx:
            tx.execute("DROP TABLE seen, people")


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        ("INSERT INTO words VALUES (%(word)s)", "a_word_is_kept_once"),
        ("SELECT %(word)s::uuid", ""),
        ("SELECT no_such_column, %(word)s FROM words", ""),
    ],
)
def test_a_refused_statement_names_the_rule_and_quotes_nothing(
    words: Pool, statement: str, constraint: str
) -> None:
    with transaction(words) as tx:
        tx.execute("INSERT INTO words VALUES (%s)", (PLANTED,))
    with pytest.raises(StatementError) as caught, transaction(words) as tx:
        tx.execute(statement, {"word": PLANTED})
    assert caught.value.constraint == constraint
    assert len(caught.value.sqlstate) == 5
    assert PLANTED not in "".join(traceback.format_exception(caught.value))


def test_a_deadlock_is_contention_and_is_retried_until_both_are_done(words: Pool) -> None:
    with transaction(words) as tx:
        tx.execute("INSERT INTO words VALUES ('a'), ('b')")
    attempts = 0

    def one() -> None:
        nonlocal attempts
        attempts += 1
        with transaction(words) as tx:
            tx.execute("UPDATE words SET n = n + 1 WHERE word = 'a'")
            if attempts == 1:
                raise_deadlock(words)
            tx.execute("UPDATE words SET n = n + 1 WHERE word = 'b'")

    retrying(one)
    assert attempts == 2
    with transaction(words) as tx:
        assert tx.execute("SELECT word, n FROM words ORDER BY word").fetchall() == [
            ("a", 1),
            ("b", 1),
        ]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("53100", "the disk of the database is full: nothing was changed"),
        ("53300", "the database is not available: sqlstate `53300`"),
        ("57P03", "the database is not available: sqlstate `57P03`"),
        ("08006", "the database is not available: sqlstate `08006`"),
    ],
)
def test_what_the_server_says_of_its_own_trouble_is_passed_on(
    words: Pool, state: str, said: str
) -> None:
    with pytest.raises(UnreachableError) as caught, transaction(words) as tx:
        tx.execute(f"DO $$ BEGIN RAISE EXCEPTION 'planted' USING ERRCODE = '{state}'; END $$")
    assert caught.value.message == said


def raise_deadlock(words: Pool) -> None:
    """Wait for a lock that the caller's transaction holds, for no time: contention as the server
    tells it.
    """
    with transaction(words) as tx:
        tx.execute("SELECT FROM words WHERE word = 'a' FOR UPDATE NOWAIT")


def test_retrying_ends_and_its_last_error_says_busy() -> None:
    waits: list[float] = []
    calls = 0

    def never() -> None:
        nonlocal calls
        calls += 1
        raise ContentionError("another transaction was in the way")

    with pytest.raises(BusyError):
        retrying(never, sleep=waits.append)
    assert calls == RETRY_ATTEMPTS_MAX
    assert waits == sorted(waits)
    assert len(waits) == RETRY_ATTEMPTS_MAX - 1


def test_only_contention_is_retried() -> None:
    calls = 0

    def broken() -> None:
        nonlocal calls
        calls += 1
        raise UnreachableError("gone")

    with pytest.raises(UnreachableError):
        retrying(broken)
    assert calls == 1


def test_a_connection_cut_within_a_transaction_is_busy_and_the_pool_mends(words: Pool) -> None:
    with pytest.raises(UnreachableError) as caught, transaction(words) as tx:
        tx.execute("INSERT INTO words VALUES ('lost')")
        cut(words, tx.info.backend_pid)
        tx.execute("SELECT 1")
    assert caught.value.hint
    assert kept(words) == []


def test_connections_cut_while_idle_are_not_noticed(words: Pool) -> None:
    for _ in range(3):
        with transaction(words) as tx:
            pid = tx.info.backend_pid
        with psycopg.connect(tx.info.dsn, password=tx.info.password, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 1000)", (pid,))
        assert kept(words) == []


def cut(words: Pool, pid: int) -> None:
    with transaction(words) as other:
        other.execute("SELECT pg_terminate_backend(%s, 1000)", (pid,))


def test_no_server_is_busy_with_the_reason(tmp_path: Path) -> None:
    with (
        pytest.raises(UnreachableError, match="cannot connect") as caught,
        open_pool(f"host={tmp_path} dbname=x"),
    ):
        pass
    assert "try again" in caught.value.hint
    assert "No such file or directory" in caught.value.message, "the cause, not libpq's question"


def test_a_connection_string_that_cannot_be_read_is_not_quoted() -> None:
    config = Configuration.from_environment({"LICET_DATABASE_URL": "postgres//licet:hunter2@host"})
    with pytest.raises(UsageError) as caught, database(config):
        pass
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_a_full_pool_is_busy(databases: Callable[..., str]) -> None:
    with open_pool(databases(migrated=False), size_max=1) as pool, transaction(pool):
        pool.timeout = 0.05
        with pytest.raises(UnreachableError, match="became free"), transaction(pool):
            pass


def test_a_given_url_is_used_and_no_server_is_started(
    databases: Callable[..., str], tmp_path: Path
) -> None:
    environment = {
        "LICET_DATABASE_URL": databases(migrated=False),
        "LICET_DATA": str(tmp_path / "data"),
    }
    with database(Configuration.from_environment(environment)) as pool, transaction(pool) as tx:
        assert tx.execute("SELECT 1").fetchone() == (1,)
    assert not (tmp_path / "data").exists()


def test_the_environment_has_defaults() -> None:
    assert Configuration.from_environment({"LICET_DATABASE_URL": ""}) == Configuration()
