"""A later version brings a database to its schema: by one command, whole steps at a time, and no
other command does it.

The package has one migration; the steps of later versions are made here, in a folder that the
runner reads in its place.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from licet.cli.command import main
from licet.policy.decide import IMPROVE
from licet.store import migrate as migrate_module
from licet.store.connect import Pool
from licet.store.migrate import drift, migrate, migrations, pending
from licet.vault import account_view
from licet.vault.installation import load_policies

from ..installed import House
from ..terms import preset_text
from ..waiting import wait_until

LATER = {
    "0002_notes.sql": "-- expand: notes\nCREATE TABLE notes (note text);",
    "0003_moods.sql": (
        "-- contract: a mood, of everybody\nALTER TABLE accounts ADD mood text NOT NULL DEFAULT "
        "'calm';"
    ),
}
# A migration that stops on its way until its process is killed; the lock goes with its connection,
# soon after.
SLOW = """
import sys, psycopg
from licet.store.migrate import Migration, migrate, migrations
steps = migrations()
sql = b"CREATE TABLE half (id int); SELECT pg_sleep(2)"
with psycopg.connect(sys.argv[1]) as conn:
    print("begun", flush=True)
    migrate(conn, (*steps, Migration(len(steps) + 1, "slow", sql)))
"""


@pytest.fixture
def old(databases: Callable[..., str], tmp_path: Path) -> tuple[str, House]:
    """A database of the first version in which people have chosen and talked."""
    dsn = databases()
    house = House(Pool(dsn, min_size=0, max_size=4, open=True), tmp_path / "data")
    for name, allow in (("ana", True), ("ben", False)):
        house.open(name, allow=allow)
        house.talk(name, f"{name}-chat", "how do pears grow", "slowly")
    return dsn, house


@pytest.fixture
def later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program is of a later version: it knows two steps more."""
    folder = tmp_path / "later"
    shutil.copytree(str(resources.files("licet.store") / "migrations"), folder / "migrations")
    for name, sql in LATER.items():
        (folder / "migrations" / name).write_text(sql)
    monkeypatch.setattr(migrate_module, "files", lambda _: folder)
    assert [step.number for step in migrations()] == [1, 2, 3]


def licet(old: tuple[str, House], *arguments: str) -> Result:
    dsn, house = old
    environment = {"LICET_DATABASE_URL": dsn, "LICET_DATA": str(house.installation.config.data)}
    return CliRunner(env=environment).invoke(main, list(arguments))


def decided(house: House) -> list[tuple[str, bool, str]]:
    """What is decided of every turn."""
    found, known = [], load_policies(house.installation)
    with house.installation.pool.connection() as tx:
        for chat, conversation in sorted(house.chats.items()):
            account = account_view.owner(tx, conversation)
            assert account is not None
            seen = account_view.load_views(tx, [(account, conversation)], known, house.now)[
                conversation
            ]
            for turn in account_view.list_turns(tx, account, conversation):
                decision = seen.decide(turn, known, IMPROVE)
                found.append((chat, decision.use, decision.because.value))
    return found


def applied(dsn: str) -> int:
    with psycopg.connect(dsn) as conn:
        row = conn.execute("SELECT max(number) FROM migrations").fetchone()
    assert row is not None
    return int(row[0])


def test_the_schema_is_made_by_the_migrations_of_the_package(databases: Callable[..., str]) -> None:
    with psycopg.connect(databases()) as conn, psycopg.connect(databases(migrated=False)) as other:
        for step in migrations():
            other.execute(step.sql)
        assert drift(conn, other) == ""


@pytest.mark.usefixtures("later")
def test_without_an_upgrade_no_command_migrates_in_passing(old: tuple[str, House]) -> None:
    result = licet(old, "status")
    assert result.exit_code == 1
    assert "the database's schema is older: 2 migration(s) must run" in result.output
    assert "licet upgrade" in result.output
    assert applied(old[0]) == 1


@pytest.mark.usefixtures("later")
def test_after_the_upgrade_everything_is_decided_as_before(old: tuple[str, House]) -> None:
    before = decided(old[1])
    assert {use for _, use, _ in before} == {True, False}
    planned = licet(old, "upgrade", "--contract", "--dry-run")
    would = "would take 0002 notes\nwould take 0003 moods\n"
    assert (planned.exit_code, planned.output, applied(old[0])) == (2, would, 1)
    result = licet(old, "upgrade")
    assert result.exit_code == 0
    assert result.output.startswith("took       0002 notes\nwaits      0003 moods\n")
    assert "`licet upgrade --contract`" in result.output
    assert applied(old[0]) == 2, "those of the version before serve it"
    assert licet(old, "status").exit_code == 0, "and so do those of this one"
    assert decided(old[1]) == before
    result = licet(old, "upgrade", "--contract")
    assert (result.exit_code, result.output) == (0, "took       0003 moods\n")
    result = licet(old, "upgrade")
    assert (result.exit_code, result.output) == (0, "the schema is at migration 0003\n")
    assert decided(old[1]) == before
    assert old[1].query("SELECT DISTINCT mood FROM accounts") == [("calm",)]
    assert licet(old, "status").exit_code == 0


def test_an_upgrade_killed_in_the_middle_leaves_a_whole_step_and_goes_on(
    old: tuple[str, House], request: pytest.FixtureRequest
) -> None:
    dsn, before = old[0], decided(old[1])
    with subprocess.Popen(
        [sys.executable, "-c", SLOW, dsn], stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "begun\n"
        sleeping = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
            "wait_event = 'PgSleep'"
        )
        with psycopg.connect(dsn, autocommit=True) as conn:
            wait_until(lambda: conn.execute(sleeping).fetchone() == (1,), "the slow step begins")
        running.send_signal(signal.SIGKILL)
    request.getfixturevalue("later")
    assert licet(old, "upgrade", "--contract").exit_code == 0
    with psycopg.connect(dsn) as conn:
        assert conn.execute("SELECT to_regclass('half')").fetchone() == (None,)
        assert pending(conn) == ()
    assert (applied(dsn), decided(old[1])) == (3, before)


@pytest.mark.parametrize("command", ["status", "upgrade", "sweep"])
def test_a_schema_newer_than_the_program_is_refused_and_nothing_is_touched(
    old: tuple[str, House], command: str
) -> None:
    dsn, house = old
    with psycopg.connect(dsn) as conn:
        conn.execute(
            "INSERT INTO migrations (number, name, sha256, expands) VALUES (2, "
            "'of_tomorrow', %s, false)",
            [bytes(32)],
        )
    before = house.dump()
    result = licet(old, command)
    assert result.exit_code == 70
    assert (
        "error: the database is at migration `2`, this version of licet knows `1`" in result.output
    )
    assert "hint: install the version of licet that wrote it, or a newer one" in result.output
    assert house.dump() == before


@pytest.mark.usefixtures("later")
def test_each_step_is_taken_beside_a_reader_of_every_table(old: tuple[str, House]) -> None:
    """As while a dump runs: anyone who reads all tables in one transaction holds up each step, and
    loses nothing.
    """
    dsn, steps = old[0], migrations()
    before = decided(old[1])
    with psycopg.connect(dsn) as conn, psycopg.connect(dsn) as reader:
        for place in range(1, len(steps)):
            tables = reader.execute(
                """SELECT format('%I', relname) FROM pg_class
                    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
                      AND relname <> 'migrations'"""
            )
            reader.execute(
                f"LOCK TABLE {', '.join(name for (name,) in tables.fetchall())} IN ACCESS "
                "SHARE MODE"
            )
            assert migrate(conn, steps[: place + 1], lambda _: reader.commit()) == (steps[place],)
            conn.commit()
            reader.commit()
            assert pending(conn, steps) == steps[place + 1 :]
            conn.commit()
    assert decided(old[1]) == before


def test_no_command_migrates_an_embedded_database_in_passing(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    data = str(tmp_path / "data")

    def run(*words: str) -> Result:
        return CliRunner().invoke(main, [*words, "--data", data])

    assert run("init", "--preset", "article-2025").exit_code == 0
    request.getfixturevalue("later")
    for words in (("status",), ("doctor",), ("sweep",), ("events",)):
        refused = run(*words)
        assert refused.exit_code == 1, words
        assert "2 migration(s) must run" in refused.output
        assert "`licet upgrade --dry-run`" in refused.output
    assert run("upgrade").exit_code == 0
    assert run("status").exit_code == 0


@pytest.mark.parametrize(
    "words",
    [
        "status",
        "doctor",
        "sweep",
        "events",
        "upgrade",
        "upgrade --dry-run",
        "upgrade --contract",
        "serve --port 0",
        "api-key list",
        "api-key create host --scope gate:read",
        "staff list",
        "policy proposals",
        "policy apply strict.yaml",
        "import chats.jsonl --account ana --plan pro",
        "explain host:ana",
        "backup make backups",
        "ledger publish log",
        "db recount",
    ],
)
def test_no_command_makes_an_installation_in_an_empty_database_but_those_that_are_to(
    databases: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "strict.yaml").write_text(preset_text("strict"))
    (tmp_path / "chats.jsonl").write_text("{}")
    monkeypatch.chdir(tmp_path)
    dsn = databases(migrated=False)
    runner = CliRunner(env={"LICET_DATABASE_URL": dsn, "LICET_DATA": str(tmp_path / "data")})
    refused = runner.invoke(main, words.split())
    assert refused.exit_code == 64, refused.output
    assert "there is no installation in it" in refused.output
    assert "`licet init`" in refused.output
    with psycopg.connect(dsn) as conn:
        tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        assert conn.execute(tables).fetchone() == (0,)
    assert runner.invoke(main, ["init", "--preset", "strict"]).exit_code == 0
