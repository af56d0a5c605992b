"""A fault at every place where a command writes: a clean end that tells no lie, and the same
command is right again.

A first run of each command under strace finds the places: each system call on each kind of file.
Then one run for each, with the error laid into that one call, at up to 4 places of a command,
ENOSPC and EIO by turns; TESTS_FAULTS=all tries both everywhere, and the commands that take long.
The database is a process of its own and is spared: what it does with its disk is its own.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from licet.access import service_keys
from licet.access.roles import Scope
from licet.backup import archives
from licet.config import Configuration
from licet.curate import release_build
from licet.erasure import certificates, epochs, sweeper
from licet.erasure.key_rotation import Rotation
from licet.errors import BusyError
from licet.keys import fence
from licet.keys.keyring import Keyring
from licet.proof import documents
from licet.release import catalog
from licet.service import policy_changes, verification
from licet.store.connect import Pool, retrying, transaction
from licet.vault import apply
from licet.vault import commands as do
from licet.vault.installation import Installation, load_host_key, load_policies, open_installation

from ..installed import House
from ..terms import preset

CALLS = (
    "write",
    "pwrite64",
    "writev",
    "fsync",
    "fdatasync",
    "rename",
    "renameat",
    "renameat2",
    "ftruncate",
    "mkdir",
)
ERRORS = ("ENOSPC", "EIO")
RECIPIENT = "lab"
BOTH = os.environ.get("TESTS_FAULTS") == "all"
COMMANDS = {
    "rotate": ("keys", "rotate", "--daily"),
    "append": ("ledger", "append"),
    "backup": ("backup", "make", "{folder}/backups"),
    "revoke": ("api-key", "revoke", "k{n}"),
    "erase": ("erase", "run", "--now"),
    "publish": ("ledger", "publish", "{folder}/published"),
}
if BOTH:  # each run takes a second or more
    COMMANDS |= {
        "build": ("release", "build", "r{n}", "--purpose", "improve_models"),
        "purge": ("release", "purge", "r{n}"),
        "export": (
            "export",
            "release",
            "r{n}",
            "--format",
            "trl",
            "--to",
            RECIPIENT,
            "--out",
            "{folder}/export-{n}",
        ),
        "restore": ("restore", "{kept}"),
    }
PLACES_MAX = 4  # of each command, unless all are asked for


class Ended:
    """How a command ended, and what it wrote on the way."""

    def __init__(self, code: int, out: str, said: str, trace: str) -> None:
        self.code, self.out, self.said, self.trace = code, out, said, trace
        assert "Traceback" not in said + out, said

    def sites(self) -> list[tuple[str, int]]:
        """The first call of each kind on each kind of file, as the call and its number in its own
        thread.
        """
        seen: set[tuple[str, str]] = set()
        found: list[tuple[str, int]] = []
        counts: Counter[tuple[str, str]] = Counter()
        for thread, call, rest in re.findall(r"^(\d+) +(\w+)\((.*)$", self.trace, re.MULTILINE):
            counts[thread, call] += 1
            named = re.search(r'<(/[^>]*)>|"(/?[^"]*)"', rest)
            place = re.sub(r"[0-9a-f]{6,}|\d+", "#", (named[1] or named[2] or "") if named else "")
            if place.startswith("/dev/") or (call, place) in seen:
                continue
            seen.add((call, place))
            found.append((call, counts[thread, call]))
        return found


class Lived:
    """An installation of somebody who allowed everything, and commands in it, with a fault or
    without.
    """

    def __init__(self, folder: Path, dsn: str) -> None:
        self.folder, self.number, self.kept = folder, 0, folder
        self.config = Configuration(data=folder / "data", database_url=dsn)
        self.clean = {
            key: value for key, value in os.environ.items() if not key.startswith("LICET_")
        }
        environment = {
            **self.clean,
            "LICET_DATA": str(self.config.data),
            "LICET_DATABASE_URL": dsn,
            "LICET_CURATE__NAMES": "off",
        }
        self.program = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("faulting.py"))],
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def run(self, command: str, fault: str = "") -> Ended:
        named = {"n": self.number, "folder": self.folder, "kept": self.kept}
        argv = [part.format(**named) for part in COMMANDS[command]]
        out, said, trace = (self.folder / name for name in ("out", "said", "trace"))
        assert self.program.stdin is not None
        assert self.program.stdout is not None
        self.program.stdin.write(
            json.dumps({"argv": argv, "out": str(out), "said": str(said)}) + "\n"
        )
        self.program.stdin.flush()
        pid = int(self.program.stdout.readline())
        tracing = subprocess.Popen(
            [
                "strace",
                "-f",
                "-y",
                "-s",
                "0",
                "-e",
                f"trace={','.join(CALLS)}",
                *(["-e", f"inject={fault}"] if fault else []),
                "-o",
                str(trace),
                "-p",
                str(pid),
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert tracing.stderr is not None
        assert "attached" in tracing.stderr.readline()
        os.kill(pid, signal.SIGCONT)
        code = int(self.program.stdout.readline())
        tracing.communicate(timeout=600)
        return Ended(code, out.read_text(), said.read_text(), trace.read_text())


@pytest.fixture(scope="module")
def lived(
    databases: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lived]:
    if shutil.which("strace") is None:
        message = "strace is not here: `apt-get install strace`"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    lived = Lived(tmp_path_factory.mktemp("faults"), databases())
    with open_installation(lived.config) as installation:
        policy_changes.apply_policy(
            installation,
            msgspec.structs.replace(preset("article-2025"), recipients=frozenset({RECIPIENT})),
            actor="test",
        )
    yield lived
    assert lived.program.stdin is not None
    lived.program.stdin.close()
    lived.program.wait(600)


def prepare(lived: Lived, command: str) -> None:
    """Something to rotate for, to tell, to build, to erase and to revoke, and what the command
    works on.
    """
    lived.number += 1
    now = datetime.now(UTC)
    release = f"r{lived.number}"
    with open_installation(lived.config, lambda: now) as installation:
        home = At(installation, now)
        home.open(f"p{lived.number}", allow=True)
        home.talk(f"p{lived.number}", f"c{lived.number}")
        home.talk(f"p{lived.number}", f"d{lived.number}")
        if command in ("purge", "export"):
            release_build.build_release(installation, name=release, purpose="improve_models")
        home.about(do.Delete, f"p{lived.number}", f"d{lived.number}")
        if command != "erase":
            certificates.advance_erasures(installation, at_once=True)
        service_key(installation, f"k{lived.number}")
        if command == "restore":
            lived.kept = archives.back_up(installation, lived.folder / "backups").folder


class At(House):
    """A `House` over an opened installation."""

    def __init__(self, installation: Installation, now: datetime) -> None:
        self.now, self.installation = now, installation
        self.accounts: dict[str, UUID] = {}
        self.chats: dict[str, UUID] = {}
        self._turns: dict[str, int] = {}
        self._host_key = load_host_key(installation)


def service_key(installation: Installation, name: str) -> None:
    with transaction(installation.pool) as tx:
        service_keys.create_key(
            tx, name, [Scope.gate_read], installation.clock(), installation.keyring.random
        )


@pytest.mark.parametrize("command", COMMANDS)
def test_a_fault_at_any_place_where_a_command_writes_is_a_clean_error_and_then_it_is_right_again(
    lived: Lived, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(lived, command)
    first = lived.run(command)
    assert first.code == 0, first.said
    found = first.sites()
    assert found, "the command writes somewhere"
    sites = found if BOTH else found[:: -(-len(found) // PLACES_MAX)]
    codes: Counter[int] = Counter()
    for place, (call, number) in enumerate(sites):
        for error in ERRORS if BOTH else ERRORS[place % 2 :][:1]:
            prepare(lived, command)
            hit = lived.run(command, f"{call}:error={error}:when={number}")
            if "(INJECTED)" not in hit.trace:  # threads share the work differently each time
                assert hit.code == 0, hit.said
                continue
            codes[hit.code] += 1
            assert hit.code in (0, 70, 75), (call, number, error, hit.code, hit.said)
            if hit.code:
                if not re.search(r"write\(2<.*INJECTED", hit.trace):  # else nobody could be told
                    assert len(re.findall(r"^error: ", hit.said, re.MULTILINE)) == 1, (
                        call,
                        number,
                        hit.said,
                    )
                again = lived.run(command)
                assert again.code == 0, (call, number, error, hit.said, again.said)
            check(lived, command)
    assert codes.total() * 2 >= len(sites), "most of the faults were met"
    with capsys.disabled():
        print(f"\n  {command}: {len(sites)} of {len(found)} places, ended with {dict(codes)}")


def check(lived: Lived, command: str) -> None:
    """What the command is for is there, whole."""
    with open_installation(lived.config) as installation:
        documents.append(installation)
        status = epochs.status(installation)
        assert status.unfinished is None
        if command in ("build", "purge"):
            assert catalog.verify_release(installation, f"r{lived.number}") == []
        if command == "erase":
            assert certificates.list_unfinished(installation) == []
        if command == "publish":
            assert (
                verification.verify(
                    lived.folder / "published", (documents.key(installation).vkey,)
                ).broken
                == ()
            )
        if command == "restore":
            with transaction(installation.pool) as tx:
                fence.check(tx)
        if command == "backup":
            for kept in archives.list_backups(installation, lived.folder / "backups"):
                if kept.whole:
                    archives.verify(installation.config, kept.folder)
        if command == "revoke":
            assert installation.keyring.restrictions is not None
            revoked = {one.key for one in installation.keyring.restrictions.records() if one.key}
            with transaction(installation.pool) as tx:
                rows = tx.execute(
                    "SELECT key_id FROM api_keys WHERE revoked_at IS NOT NULL"
                ).fetchall()
            assert {row[0] for row in rows} <= revoked, "what is revoked stays so after a restore"


def test_a_database_without_a_free_connection_is_busy_and_then_it_is_right_again(
    lived: Lived, databases: Callable[..., str]
) -> None:
    dsn = databases()
    name = conninfo_to_dict(dsn)["dbname"]
    config = Configuration(data=lived.folder / "crowded", database_url=dsn)
    with open_installation(config) as installation:
        policy_changes.apply_policy(installation, preset("article-2025"), actor="test")
    set_limit = f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS '
    with psycopg.connect(lived.config.database_url or "", autocommit=True) as conn:
        conn.execute(set_limit + "false")
        try:
            with pytest.raises(BusyError), open_installation(config):
                pass
        finally:
            conn.execute(set_limit + "true")
    with open_installation(config) as installation:
        assert documents.append(installation) > 0


class Away:
    """A key provider that cannot be reached."""

    def __getattr__(self, name: str) -> Any:
        def away(*_: object, **__: object) -> Any:
            raise BusyError("the key provider is away", "try again")

        return away


def test_without_its_key_provider_nothing_is_opened_or_lost_and_then_it_is_right_again(
    pool: Pool, tmp_path: Path
) -> None:
    house = House(pool, tmp_path / "data")
    house.open("ana", allow=True)
    house.talk("ana", "chat")
    there, before = house.installation, house.query("SELECT count(*) FROM journal")
    away: Any = Away()
    house.installation = msgspec.structs.replace(there, keyring=Keyring(away))
    for refused in (
        lambda: house.say("ana", "chat", "more"),
        lambda: epochs.rotate(house.installation, Rotation.daily),
        lambda: release_build.build_release(
            house.installation, name="one", purpose="improve_models"
        ),
    ):
        with pytest.raises(BusyError):
            refused()
    assert house.query("SELECT count(*) FROM journal") == before
    house.installation = there
    house.say("ana", "chat", "more")
    assert epochs.rotate(house.installation, Rotation.daily).left == 0


def test_a_clock_that_jumps_back_orders_what_comes_after_what_was_there(
    pool: Pool, tmp_path: Path
) -> None:
    house = House(pool, tmp_path / "data")
    house.open("ana", allow=True)
    house.talk("ana", "chat")
    house.passes(-300)
    house.choose("ana", False)
    house.about(do.Delete, "ana", "chat")
    times = [
        row[0] for row in house.query("SELECT occurred_at FROM journal ORDER BY account_id, seq")
    ]
    assert times == sorted(times)
    kept = house.query("SELECT keep_until FROM segments")
    assert all(until > max(times) for (until,) in kept), (
        "a period counts from what was there, not from the clock's error"
    )
    assert sweeper.sweep(house.installation).segments == 0, "and nothing is due before its time"
    certificates.advance_erasures(house.installation, at_once=True)
    assert house.query("SELECT count(*) FROM blocks WHERE sealed IS NOT NULL") == [(0,)]


def test_a_transaction_that_is_in_anothers_way_is_made_again(pool: Pool, tmp_path: Path) -> None:
    """Serialization failures and deadlocks are of the class that is retried, and the verb is done
    once.
    """
    house = House(pool, tmp_path / "data")
    house.open("ana")
    tries = 0

    def choose() -> None:
        nonlocal tries
        tries += 1
        with transaction(pool) as tx:
            apply.apply(
                tx,
                house.installation.keyring,
                load_policies(house.installation),
                [do.Choose(account=house.accounts["ana"], at=house.now, allow=True)],
            )
            if tries < 3:
                tx.execute(
                    "DO $$ BEGIN RAISE EXCEPTION 'in the way' USING ERRCODE = '40001'; END $$"
                )

    retrying(choose)
    assert tries == 3
    assert house.query("SELECT count(*) FROM choices") == [(1,)]
