"""An upgrade while programs serve: a step lets go of what it waits for, and older programs go on
where it only expands.
"""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from licet.client import Client, delete, gate, say
from licet.errors import BrokenError
from licet.store.migrate import LOCK_PAUSE_SECONDS, Migration, migrate, migrations, pending

from ..waiting import wait_until
from ..web.test_workers import Place, at_once

BIRDS = Migration(1, "birds", b"CREATE TABLE birds (id int PRIMARY KEY);")
COLOURS = Migration(
    2, "colours", b"-- expand: a colour\nALTER TABLE birds ADD colour text NOT NULL DEFAULT 'grey';"
)
FEWER = Migration(3, "fewer", b"-- contract: no colour\nALTER TABLE birds DROP colour;")
# What no step does that says that it expands: an older program would fail, or the step takes as
# long as a table is large.
CONTRACTS = re.compile(
    r"\bDROP\s+(TABLE|COLUMN|TYPE|FUNCTION)|\bRENAME\b|\bSET\s+NOT\s+NULL|\bALTER\s+(COLUMN\s+)?\w+\s+(SET\s+DATA\s+)?TYPE\b"
    r"|\bADD\s+(COLUMN\s+)?(?!CONSTRAINT)\w+\s[^,;]*\bNOT\s+NULL\b(?![^,;]*DEFAULT)(?![^,;]*GENERATED)"
    r"|\bADD\s+CONSTRAINT(?![^;]*NOT\s+VALID)|\bDELETE\s+FROM|\bTRUNCATE\b",
    re.I,
)


def contracts(step: Migration) -> bool:
    return CONTRACTS.search(re.sub(r"--[^\n]*", "", step.sql.decode())) is not None


def test_a_step_that_waits_lets_others_write_and_goes_on_when_it_can(
    databases: Callable[..., str],
) -> None:
    dsn, pauses = databases(migrated=False), list[float]()
    with (
        psycopg.connect(dsn) as conn,
        psycopg.connect(dsn) as reader,
        psycopg.connect(dsn, autocommit=True) as writer,
    ):
        migrate(conn, (BIRDS,))
        conn.commit()
        reader.execute("SELECT * FROM birds")

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            writer.execute("INSERT INTO birds VALUES (%s)", [len(pauses)])
            if len(pauses) == 2:
                reader.commit()

        assert migrate(conn, (BIRDS, COLOURS), pause) == (COLOURS,)
        conn.commit()
        assert pauses == [LOCK_PAUSE_SECONDS] * 2
        assert writer.execute("SELECT id, colour FROM birds ORDER BY id").fetchall() == [
            (1, "grey"),
            (2, "grey"),
        ]


def test_a_newer_schema_that_only_expands_is_used_and_one_that_contracts_is_refused(
    databases: Callable[..., str],
) -> None:
    with psycopg.connect(databases(migrated=False)) as conn:
        migrate(conn, (BIRDS, COLOURS))
        assert pending(conn, (BIRDS,)) == ()
        assert migrate(conn, (BIRDS,)) == ()
        migrate(conn, (BIRDS, COLOURS, FEWER))
        assert pending(conn, (BIRDS, COLOURS, FEWER)) == ()
        for verb in (migrate, pending):
            with pytest.raises(
                BrokenError, match="at migration `3`, this version of licet knows `1`"
            ):
                verb(conn, (BIRDS,))


def test_each_new_step_says_what_it_does_and_does_no_more() -> None:
    for step in migrations():
        first = step.sql.decode().splitlines()[0]
        if step.number > 1:
            assert re.match(r"-- (expand|contract): \w", first), (
                f"`{step.number}`: say `-- expand: ..` or `-- contract: ..`"
            )
        assert not (step.expands and contracts(step)), f"`{step.number}` contracts, or takes long"


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE birds",
        "ALTER TABLE birds DROP COLUMN colour",
        "ALTER TABLE birds RENAME TO fowl",
        "ALTER TABLE birds ALTER colour SET NOT NULL",
        "ALTER TABLE birds ALTER COLUMN id TYPE bigint",
        "ALTER TABLE birds ADD wing int NOT NULL",
        "ALTER TABLE birds ADD CONSTRAINT c CHECK (id > 0)",
        "DELETE FROM birds",
    ],
)
def test_what_contracts_is_known(sql: str) -> None:
    assert contracts(Migration(1, "x", f"-- expand: x\n{sql};".encode()))


def test_what_expands_is_known() -> None:
    for sql in (
        "CREATE TABLE a (id int NOT NULL)",
        "ALTER TABLE a ADD b int",
        "ALTER TABLE a ADD b int NOT NULL DEFAULT 1",
        "ALTER TABLE a ADD CONSTRAINT c CHECK (id > 0) NOT VALID",
        "CREATE INDEX i ON a (id)",
    ):
        assert not contracts(Migration(1, "x", sql.encode())), sql


def test_servers_that_do_not_know_a_step_serve_while_it_is_taken_and_after_it(
    databases: Callable[..., str], tmp_path: Path
) -> None:
    place, steps = Place(tmp_path / "data", databases()), migrations()
    number = len(steps)
    newer = (
        *steps,
        Migration(
            number + 1,
            "notes",
            b"-- expand: notes\nCREATE TABLE notes (note text); CREATE INDEX ON notes (note);",
        ),
        Migration(
            number + 2,
            "moods",
            b"-- expand: a mood\nALTER TABLE accounts ADD mood text NOT NULL DEFAULT 'calm';",
        ),
        Migration(
            number + 3,
            "tones",
            b"-- expand: a tone\nALTER TABLE blocks ADD tone text; ALTER TABLE choices ADD tone text;",
        ),
    )
    said, asked = list[str](), list[str]()

    def talk(stop: threading.Event) -> None:
        with Client(served.url, place.key, attempts_max=50) as client:
            while not stop.is_set():
                answer = client.send(say("host:ana", "boils", conversation=f"host:c{len(said)}"))
                assert answer.conversation is not None
                client.send(delete(answer.conversation, "host:ana"))
                said.append(answer.conversation)

    def ask(stop: threading.Event) -> None:
        with Client(served.url, place.key, attempts_max=50) as client:
            while not stop.is_set():
                asked.append(client.send(gate("host:ana")).gate)

    def goes_on() -> None:
        many = len(said) + 5, len(asked) + 5
        wait_until(
            lambda: (len(said), len(asked)) >= many and len(asked) >= many[1], "the load goes on"
        )

    with place.serving() as served:
        place.open(served.url)
        with at_once(talk, ask):
            for taken in range(number + 1, number + 4):
                goes_on()
                with psycopg.connect(place.dsn) as conn:
                    assert migrate(conn, newer[:taken]) == (newer[taken - 1],)
            goes_on()
        assert [line for line in served.told("answered") if line["status"] >= 500] == []
        os.kill(min(served.workers()), signal.SIGKILL)
        wait_until(lambda: len(served.told("worker has ended")) == 1, "it is seen")
        served.wait_ready()  # a worker that begins anew does not know the steps either
    assert set(asked) == {"open"}
    assert place.rows("SELECT count(*), min(mood) FROM accounts") == [(1, "calm")]
    assert place.rows("SELECT count(*) FROM conversations WHERE deleted_at IS NOT NULL") == [
        (len(said),)
    ]
