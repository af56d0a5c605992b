"""An installation of the first version comes to today's schema and answers as it did: from a dump that never changes.

`dumps/town-0005.sql` is a small town of the demonstration at migrations 0001 to 0005; `town-0005.json` beside it holds
what that version answered, and the key that its content lies under. Commands are real processes.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from licet.config import Configuration
from licet.errors import DeniedError
from licet.policy.decide import IMPROVE
from licet.release import registry
from licet.service import answers as service_answers
from licet.store.connect import transaction
from licet.store.migrate import drift, migrate, migrations, pending
from licet.vault import account_view, installation
from licet.vault.ids import Prefix, parse
from licet.vault.installation import Installation
from licet.vault.permit import Permit
from licet.vault.permit import open as open_permits
from licet.vault.simulated_clock import SimulatedClock, save

from ..forking import FORKED
from ..waiting import wait_until

DUMPS = Path(__file__).parent / "dumps"
RECORDED: dict[str, Any] = json.loads((DUMPS / "town-0005.json").read_text(encoding="utf-8"))
AT = datetime.fromisoformat(RECORDED["at"])
# A migration that stops on its way until its process is killed; the lock goes with its connection, soon after.
SLOW = """
import sys, psycopg
from licet.store.migrate import Migration, migrate, migrations
steps = migrations()
sql = b"CREATE TABLE half (id int); SELECT pg_sleep(2)"
with psycopg.connect(sys.argv[1]) as conn:
    print("begun", flush=True)
    migrate(conn, (*steps, Migration(len(steps) + 1, "slow", sql)))
"""


def instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


@pytest.fixture
def old(databases: Callable[..., str], tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The town as the first version left it: its database, and its folder with its key and its clock."""
    dsn, data = databases(migrated=False), tmp_path / "data"
    with psycopg.connect(dsn) as conn:
        conn.execute((DUMPS / "town-0005.sql").read_bytes())
    (data / "keys").mkdir(parents=True, mode=0o700)
    key = data / "keys" / "epoch-000001.key"
    key.write_bytes(bytes.fromhex(RECORDED["epoch_key"]))
    key.chmod(0o600)
    save(data, SimulatedClock(AT))
    yield dsn, data


def started(dsn: str, data: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "LICET_DATABASE_URL": dsn, "LICET_DATA": str(data)}
    return subprocess.Popen(
        [FORKED, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def ended(running: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, said = running.communicate(timeout=600)
    return running.returncode, out, said


def licet(old: tuple[str, Path], *arguments: str) -> tuple[int, str, str]:
    return ended(started(*old, *arguments))


def applied(dsn: str) -> int:
    with psycopg.connect(dsn) as conn:
        row = conn.execute("SELECT max(number) FROM migrations").fetchone()
    assert row is not None
    return int(row[0])


def answers(here: Installation) -> dict[str, Any]:
    """What is answered for every recorded conversation, as it was recorded."""
    result = {}
    for name in RECORDED["conversations"]:
        seen = service_answers.explain(here, name)
        assert isinstance(seen, service_answers.ConversationSeen)
        result[name] = {
            "account": seen.account,
            "keep_until": seen.keep_until, "safety_until": seen.safety_until,
            "held": seen.held, "kept_out": seen.kept_out, "erased": seen.erased,
            "answers": [[a.turn, a.turns, a.purpose, a.because.value, a.until, a.policy] for a in seen.answers],
        }  # fmt: skip
    return result


def recorded_answers() -> dict[str, Any]:
    result = {}
    for name, was in RECORDED["conversations"].items():
        said = [[*answer[:4], instant(answer[4]), answer[5]] for answer in was["answers"]]
        dates = {"keep_until": instant(was["keep_until"]), "safety_until": instant(was["safety_until"])}
        result[name] = {**was, **dates, "answers": said}
    return result


def opened(old: tuple[str, Path]) -> Any:
    dsn, data = old
    return installation.installation(Configuration(data=data, database_url=dsn), lambda: AT)


def test_the_town_has_something_of_every_kind() -> None:
    reasons = {answer[3] for was in RECORDED["conversations"].values() for answer in was["answers"]}
    assert reasons >= {
        "permitted", "declined", "withdrawn", "undecided", "narrowed", "deleted", "expired", "out_of_scope",
        "closed", "incognito", "flagged",
    }  # fmt: skip
    assert {gate for _, _, gate, *_ in RECORDED["accounts"].values()} >= {"open", "must_decide", "not_asked", "closed"}
    assert any(was["held"] for was in RECORDED["conversations"].values())


def test_after_the_upgrade_every_answer_is_the_recorded_one(old: tuple[str, Path]) -> None:
    code, out, said = licet(old, "upgrade")
    assert (code, said) == (0, "")
    assert out.startswith(f"the schema is at migration {len(migrations()):04} ")
    with opened(old) as here:
        assert answers(here) == recorded_answers()
        for name, was in RECORDED["accounts"].items():
            seen = service_answers.explain(here, name)
            assert isinstance(seen, service_answers.AccountSeen)
            (asked,) = seen.questions  # the one that there was is `training`
            assert asked.question == "training"
            kept = [seen.plan, asked.standing, seen.gate.value, asked.answered, len(seen.choices), seen.conversations]
            assert kept == was, name


def test_after_the_upgrade_what_may_be_used_opens_and_nothing_else_does(old: tuple[str, Path]) -> None:
    assert licet(old, "upgrade")[0] == 0
    texts, refused = [], 0
    with opened(old) as here, transaction(here.pool) as tx:
        known = installation.policies(here)
        for name in RECORDED["conversations"]:
            conversation = parse(Prefix.conversation, name)
            account = account_view.owner(tx, conversation)
            assert account is not None
            seen = account_view.seen(tx, [(account, conversation)], known, AT)[conversation]
            for turn in account_view.turns(tx, account, conversation):
                decision = seen.decide(turn, known, IMPROVE)
                if not decision.use:
                    with pytest.raises(DeniedError):
                        Permit.of(decision, seen.account, seen.conversation, turn)
                    refused += 1
                    continue
                permit = Permit.of(decision, seen.account, seen.conversation, turn)
                texts += [one.content.text for one in open_permits(tx, here.keyring, [permit])]
    assert len(texts) > 20
    assert all(texts)
    assert refused > 100


def test_the_road_from_the_dump_leads_to_the_schema_of_today(old: tuple[str, Path], databases: Any) -> None:
    assert licet(old, "upgrade")[0] == 0
    with psycopg.connect(old[0]) as theirs, psycopg.connect(databases()) as ours:
        assert drift(ours, theirs) == ""


def test_the_hosts_ids_name_the_accounts_that_they_named(old: tuple[str, Path]) -> None:
    with psycopg.connect(old[0]) as conn:
        was = set(conn.execute("SELECT host_hmac, account_id FROM accounts").fetchall())
    assert licet(old, "upgrade")[0] == 0
    with opened(old) as here, transaction(here.pool) as tx:
        found = account_view.accounts_by_host(tx, [host for host, _ in was])
    assert set(found.items()) == was and len(was) > 10


def test_without_an_upgrade_no_command_migrates_in_passing(old: tuple[str, Path]) -> None:
    if len(migrations()) == 5:
        pytest.skip("there is no migration after the dump yet")
    code, out, said = licet(old, "status")
    assert (code, out) == (1, "")
    assert "error: the database's schema is older" in said
    assert "licet upgrade" in said
    assert applied(old[0]) == 5


def test_two_upgrades_at_once_make_one(old: tuple[str, Path]) -> None:
    both = [started(*old, "upgrade") for _ in range(2)]
    assert [(code, said) for code, _, said in map(ended, both)] == [(0, "")] * 2
    assert applied(old[0]) == len(migrations())
    with opened(old) as here:
        assert answers(here) == recorded_answers()


def test_an_upgrade_killed_in_the_middle_leaves_a_whole_step_and_goes_on(old: tuple[str, Path]) -> None:
    dsn = old[0]
    with subprocess.Popen([sys.executable, "-c", SLOW, dsn], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "begun\n"
        sleeping = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
        with psycopg.connect(dsn, autocommit=True) as conn:
            wait_until(lambda: conn.execute(sleeping).fetchone() == (1,), "the slow step begins")
        running.send_signal(signal.SIGKILL)
    assert licet(old, "upgrade")[0] == 0
    assert applied(dsn) == len(migrations())
    with psycopg.connect(dsn) as conn:
        assert conn.execute("SELECT to_regclass('half')").fetchone() == (None,)
        assert pending(conn) == ()
    with opened(old) as here:
        assert answers(here) == recorded_answers()


@pytest.mark.parametrize("command", ["status", "upgrade", "sweep"])
def test_a_schema_newer_than_the_program_is_refused_and_nothing_is_touched(old: tuple[str, Path], command: str) -> None:
    dsn, newer = old[0], len(migrations()) + 1
    with psycopg.connect(dsn) as conn:
        migrate(conn)
        conn.execute("INSERT INTO migrations (number, name, sha256) VALUES (%s, 'of_tomorrow', %s)", [newer, bytes(32)])
    code, out, said = licet(old, command)
    assert (code, out) == (70, "")
    assert f"error: the database is at migration `{newer}`, this version of licet knows `{newer - 1}`" in said
    assert "hint: install the version of licet that wrote it, or a newer one" in said
    with psycopg.connect(dsn) as conn:
        assert conn.execute("SELECT count(*) FROM segments WHERE erased_at IS NULL").fetchone() != (0,)


def test_the_rows_of_its_releases_are_what_they_were_and_keep_their_ids(old: tuple[str, Path]) -> None:
    with psycopg.connect(old[0]) as conn:
        was = conn.execute(
            """SELECT release_id, ordinal, account_id, conversation_id, row_id, key_segments, key_places, source_segments,
                      source_origins, source_turns, source_counts FROM release_rows ORDER BY release_id, ordinal"""
        ).fetchall()
    assert licet(old, "upgrade")[0] == 0
    found = []
    with opened(old) as here, transaction(here.pool) as tx:
        kept = tx.execute(
            "SELECT release_id, ordinal, row_id FROM release_rows ORDER BY release_id, ordinal"
        ).fetchall()
        for release in sorted({row[0] for row in was}):
            for row in registry.rows_at(tx, release, range(len(was))):
                keys, sources = zip(*row.keys, strict=True), row.sources
                found.append((
                    release, row.ordinal, row.account, row.conversation, *map(list, keys), [s.segment for s in sources],
                    [s.origin for s in sources], [s.turn for s in sources], [s.count for s in sources],
                ))  # fmt: skip
    assert found == [(*row[:4], *row[5:]) for row in was] and len(found) > 10
    assert kept == [(row[0], row[1], row[4]) for row in was]
