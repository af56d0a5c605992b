"""Migrations run once, in order, whole; a changed or newer history is refused."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from licet.errors import BrokenError
from licet.store.migrate import Migration, drift, dump_schema, migrate, migrations, pending

BIRDS = Migration(
    1, "birds", b"CREATE TABLE birds (id int PRIMARY KEY); CREATE TABLE nests (id int);"
)
COLOURS = Migration(2, "colours", b"ALTER TABLE birds ADD colour text NOT NULL DEFAULT 'grey';")
BROKEN = Migration(3, "broken", b"CREATE TABLE eggs (id int); SELECT no_such_thing();")


@pytest.fixture
def conn(databases: Callable[..., str]):
    with psycopg.connect(databases(migrated=False)) as conn:
        yield conn


@pytest.fixture
def other(databases: Callable[..., str]):
    with psycopg.connect(databases(migrated=False)) as conn:
        yield conn


def test_each_step_is_applied_once_and_in_order(conn) -> None:
    assert pending(conn, (BIRDS, COLOURS)) == (BIRDS, COLOURS)
    assert migrate(conn, (BIRDS,)) == (BIRDS,)
    assert pending(conn, (BIRDS, COLOURS)) == (COLOURS,)
    assert migrate(conn, (BIRDS, COLOURS)) == (COLOURS,)
    assert migrate(conn, (BIRDS, COLOURS)) == ()
    assert conn.execute("SELECT number, name FROM migrations ORDER BY number").fetchall() == [
        (1, "birds"),
        (2, "colours"),
    ]


def test_a_step_that_fails_leaves_the_ones_before_it_and_nothing_of_itself(conn) -> None:
    with pytest.raises(BrokenError, match=r"`3` \(`broken`\) failed: function no_such_thing"):
        migrate(conn, (BIRDS, COLOURS, BROKEN))
    assert pending(conn, (BIRDS, COLOURS, BROKEN)) == (BROKEN,)
    assert conn.execute("SELECT to_regclass('eggs')").fetchone() == (None,)


def test_a_step_may_not_end_its_transaction(conn) -> None:
    with pytest.raises(BrokenError, match="ended its transaction"):
        migrate(conn, (Migration(1, "early", b"CREATE TABLE early (id int); COMMIT"),))


def test_a_database_that_is_newer_than_the_code_is_refused(conn) -> None:
    migrate(conn, (BIRDS, COLOURS))
    for verb in (migrate, pending):
        with pytest.raises(
            BrokenError, match="at migration `2`, this version of licet knows `1`"
        ) as caught:
            verb(conn, (BIRDS,))
        assert caught.value.hint


def test_a_migration_whose_text_changed_is_refused(conn) -> None:
    migrate(conn, (BIRDS,))
    changed = Migration(1, "birds", BIRDS.sql + b" ")
    for verb in (migrate, pending):
        with pytest.raises(BrokenError, match="is not the one that was applied") as caught:
            verb(conn, (changed, COLOURS))
        assert caught.value.hint
    assert pending(conn, (BIRDS, COLOURS)) == (COLOURS,)


def test_many_may_migrate_at_once(databases: Callable[..., str]) -> None:
    dsn = databases(migrated=False)
    done: list[Migration] = []

    def one() -> None:
        with psycopg.connect(dsn) as conn:
            done.extend(migrate(conn, (BIRDS, COLOURS)))

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(step.number for step in done) == [1, 2]


@pytest.mark.parametrize(
    "names", [["0002_a.sql"], ["0001_a.sql", "0001_b.sql"], ["1_a.sql"], ["0001_A.sql"]]
)
def test_misnamed_migrations_are_refused(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1")
    with pytest.raises(BrokenError):
        migrations(tmp_path)


def test_migrations_are_read_in_order(tmp_path: Path) -> None:
    for name in ("0002_b.sql", "0001_a.sql", "README.md"):
        (tmp_path / name).write_text(name)
    assert [(step.number, step.name) for step in migrations(tmp_path)] == [(1, "a"), (2, "b")]


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE t ADD c int",
        "ALTER TABLE t ALTER a DROP NOT NULL",
        "ALTER TABLE t ALTER b SET DEFAULT 2",
        "ALTER TABLE t ALTER b SET STATISTICS 0",
        "ALTER TABLE t DROP CONSTRAINT b_is_positive",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY mine ON t USING (a = 1)",
        "CREATE INDEX ON t (b) WHERE b > 3",
        "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 2'",
        (
            "CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION "
            "suppress_redundant_updates_trigger()"
        ),
        "CREATE OR REPLACE VIEW v AS SELECT a, b FROM t WHERE b > 2",
        "ALTER TYPE mood ADD VALUE 'calm' BEFORE 'glad'",
        "ALTER SEQUENCE s INCREMENT 5",
        "CREATE TABLE part_2 PARTITION OF whole FOR VALUES IN (2)",
        "GRANT SELECT ON t TO PUBLIC",
        "CREATE SCHEMA aside",
    ],
)
def test_drift_sees(conn, other, change: str) -> None:
    base = """
        CREATE TABLE t (a int PRIMARY KEY, b int DEFAULT 1 CONSTRAINT b_is_positive CHECK (b > 0));
        CREATE VIEW v AS SELECT a, b FROM t WHERE b > 1;
        CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';
        CREATE TYPE mood AS ENUM ('glad', 'sad');
        CREATE SEQUENCE s;
        CREATE TABLE whole (k int) PARTITION BY LIST (k);
        ALTER TABLE t ALTER a SET NOT NULL;
    """
    if "DROP NOT NULL" in change:
        base = base.replace("a int PRIMARY KEY", "a int")
    for each in (conn, other):
        each.execute(base.encode())
        each.commit()
    assert drift(conn, other) == ""
    other.execute(change.encode())
    other.commit()
    differ = drift(conn, other)
    assert differ != ""
    assert {line[0] for line in differ.splitlines()} <= {"-", "+", "@"}, "nothing that is alike"


def test_the_road_to_a_schema_does_not_show(conn, other) -> None:
    migrate(
        conn,
        (
            BIRDS,
            COLOURS,
            Migration(3, "fewer", b"ALTER TABLE birds DROP colour; ALTER TABLE birds ADD wing int"),
        ),
    )
    other.execute("CREATE TABLE nests (id int); CREATE TABLE birds (id int PRIMARY KEY, wing int)")
    other.commit()
    assert drift(conn, other) == ""


def test_a_dump_is_the_same_twice(conn) -> None:
    migrate(conn, (BIRDS, COLOURS))
    assert dump_schema(conn) == dump_schema(conn)
    assert "birds.colour" not in dump_schema(conn)
    assert "migrations" not in dump_schema(conn)
