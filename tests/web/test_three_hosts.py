"""Three hosts with folders of their own, on one database, one bucket and one OpenBao: one is killed
again and again, under load, and nothing acknowledged is lost, nothing erased returns, and the log
has one order.

TESTS_WHOLE=1 kills sixty, ten seconds apart or more; a part of it, or who asks for the test by its
name, kills two and replaces one.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psycopg
import pytest

from licet import verifier
from licet.client import ApiRequest, Client, choose, delete, get_conversation, open_account, say
from licet.config import Configuration
from licet.errors import BusyError, RefusedError
from licet.keys import journal_bucket
from licet.keys.restriction_journal import RestrictionKind
from licet.store import bucket as buckets

from .. import seaweed
from ..forking import FORKED
from ..journals import lying
from ..keys import bao
from ..ledger.world import Held
from ..tiers import SHARES
from ..waiting import wait_until
from .test_serve import LICET, answers, free_port
from .test_workers import at_once

HOSTS, PEOPLE = 3, 3
EVERY_SECONDS = 10
KILLED = [signal.SIGKILL] * (600 // EVERY_SECONDS if SHARES == 1 else 2)
REPLACED = [signal.SIGTERM] * (HOSTS if SHARES == 1 else 1)
PAUSE_SECONDS = 0.2  # of a program between its turns: the machine has other tests to run
Result = TypeVar("Result")


@dataclass
class Host:
    """One host: a folder of its own, a port, and the process that serves there now."""

    data: Path
    environment: dict[str, str]
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def run(self, *words: str) -> str:
        done = subprocess.run(
            [FORKED, *words, "--data", str(self.data)],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self) -> None:
        with (self.data / "server.log").open("ab") as out:
            command = [*LICET, "serve", "--data", str(self.data), "--port", str(self.port)]
            self.process = subprocess.Popen(command, env=self.environment, stdout=out, stderr=out)

    def wait_ready(self) -> None:
        assert self.process is not None
        try:
            # Set when the server was started.
            answers(self.process, self.url)  # type: ignore[arg-type]
        except AssertionError:
            raise AssertionError((self.data / "server.log").read_text("utf-8")[-4_000:]) from None

    def kill(self, how: signal.Signals = signal.SIGKILL) -> int:
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(600)


class Balancer:
    """Sends each call to the next host, and to the one after it while a host does not answer."""

    def __init__(self, hosts: list[Host], key: str, first: int) -> None:
        self._clients = [Client(host.url, key, attempts_max=1) for host in hosts]
        self._next = itertools.cycle(self._clients[first:] + self._clients[:first])

    def close(self) -> None:
        for client in self._clients:
            client.close()

    def send(self, call: ApiRequest[Result]) -> Result:
        """The answer, with one idempotency key over all hosts."""
        came: list[Result] = []

        def answered() -> bool:
            try:
                came.append(next(self._next).send(call))
            except BusyError:
                return False
            except RefusedError as error:
                if error.because != "idempotency_key_running":
                    raise
            return bool(came)

        wait_until(answered, f"a host answers {call.method} {call.path}")
        return came[0]


@dataclass
class Load:
    """What one person's program was told was done."""

    person: str
    said: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    refusals: int = 0

    def begin(self, balancer: Balancer) -> None:
        account = f"host:{self.person}"
        balancer.send(open_account(self.person, "pro", 30))
        balancer.send(choose(account, allow=True))
        self.said.append(
            balancer.send(
                say(account, "before the backup", conversation=f"host:{self.person}")
            ).conversation
        )

    def run(self, balancer: Balancer, stop: threading.Event) -> None:
        account = f"host:{self.person}"
        balancer.send(delete(self.said[0], account))
        self.deleted.append(self.said[0])
        while not stop.wait(PAUSE_SECONDS):
            number = len(self.said)
            answer = balancer.send(
                say(account, f"turn {number}", conversation=f"host:{self.person}{number}")
            )
            assert answer.conversation is not None
            self.said.append(answer.conversation)
            if number % 2:
                balancer.send(delete(answer.conversation, account))
                self.deleted.append(answer.conversation)
            if number % 3 == 0:
                balancer.send(choose(account, allow=False))
                self.refusals += 1
                balancer.send(choose(account, allow=True))


class Place:
    """The hosts, and what they share."""

    def __init__(self, folder: Path, dsn: str, server: seaweed.S3Server, vault: bao.Bao) -> None:
        self.dsn = dsn
        settings = {
            **server.settings("STORE", "three"),
            "LICET_DATABASE_URL": dsn,
            "LICET_SWEEP__EVERY_SECONDS": "5",
            "LICET_KEYS__PROVIDER": "bao",
            "LICET_KEYS__ADDRESS": vault.address,
            "LICET_KEYS__TOKEN_FILE": str(vault.token_file),
        }
        self.config = Configuration.from_environment(settings, folder)
        self.hosts = [Host(folder / f"host{n}", {**os.environ, **settings}) for n in range(HOSTS)]
        for host in self.hosts:
            host.data.mkdir()
        first = self.hosts[0]
        first.run("init", "--preset", "article-2025")
        scopes = [
            "accounts:write",
            "turns:write",
            "conversations:read",
            "conversations:write",
            "choices:write",
            "gate:read",
        ]
        words = [word for scope in scopes for word in ("--scope", scope)]
        self.key = json.loads(first.run("api-key", "create", "host", *words, "--json"))["key"]

    @contextmanager
    def serving(self) -> Iterator[None]:
        try:
            for host in self.hosts:
                host.start()
            for host in self.hosts:
                host.wait_ready()
            yield
        finally:
            for host in self.hosts:
                if host.process is not None and host.process.poll() is None:
                    host.kill()

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn) as conn:
            return conn.execute(statement).fetchall()


@pytest.fixture
def place(tmp_path: Path, databases: Callable[..., str]) -> Iterator[Place]:
    with ExitStack() as stack:
        (tmp_path / "weed").mkdir()
        server = stack.enter_context(seaweed.running(tmp_path / "weed"))
        vault = stack.enter_context(bao.running(tmp_path / "bao"))
        yield Place(tmp_path, databases(migrated=False), server, vault)


def goes_on(loads: list[Load]) -> None:
    """Each program was answered a few times more."""
    many = [len(load.said) + 3 for load in loads]
    wait_until(
        lambda: all(len(load.said) >= one for load, one in zip(loads, many, strict=True)),
        "the load goes on",
    )


def end_each(place: Place, loads: list[Load]) -> None:
    """Ends one host after the other, and starts it again while the others serve."""
    for number, how in enumerate(KILLED + REPLACED):
        if SHARES == 1:
            time.sleep(EVERY_SECONDS)
        host = place.hosts[number % HOSTS]
        assert host.kill(how) == (0 if how is signal.SIGTERM else -how)
        goes_on(loads)
        host.start()
        host.wait_ready()


def test_one_of_three_hosts_is_killed_again_and_again_under_load(
    place: Place, tmp_path: Path
) -> None:
    """After the kills hosts are replaced (SIGTERM): no request fails, as a balancer tries another
    host. At last a backup from before is restored on another host than the one that made it.
    """
    loads = [Load(f"person{n}") for n in range(PEOPLE)]
    with place.serving():
        balancers = [Balancer(place.hosts, place.key, n) for n in range(PEOPLE)]
        for load, balancer in zip(loads, balancers, strict=True):
            load.begin(balancer)
        place.hosts[0].run("backup", "make", str(tmp_path / "backups"))
        works = [
            lambda stop, load=load, balancer=balancer: load.run(balancer, stop)
            for load, balancer in zip(loads, balancers, strict=True)
        ]
        with at_once(*works):
            goes_on(loads)
            end_each(place, loads)
            goes_on(loads)
        for balancer in balancers:
            balancer.close()
        wait_until(
            lambda: place.rows("SELECT count(*) FROM outbox WHERE index IS NULL") == [(0,)],
            "the log has it all",
        )
        nothing_erased_is_read(place, loads)
        for host in place.hosts:
            assert httpx.get(f"{host.url}/readyz", timeout=60).status_code == 200
            assert host.kill(signal.SIGTERM) == 0
    assert min(len(load.deleted) for load in loads) > 3
    nothing_acknowledged_is_lost(place, loads)
    the_log_has_one_order(place)
    (backup,) = (tmp_path / "backups").iterdir()
    place.hosts[1].run("restore", str(backup))
    there = place.rows("SELECT conversation_id, deleted_at IS NULL FROM conversations")
    assert {f"conv_{one.hex}" for one, _ in there} == {load.said[0] for load in loads}
    assert not any(kept for _, kept in there), "what was deleted after the backup has returned"
    place.hosts[2].run("ledger", "append")
    assert the_log_is_whole(place) > len(there)


def nothing_erased_is_read(place: Place, loads: list[Load]) -> None:
    """Every host says the same of each."""
    for host, load in zip(place.hosts, loads, strict=True):
        with Client(host.url, place.key, timeout_seconds=60) as client:
            for name in load.said[:6] + load.said[-6:]:
                seen = client.send(get_conversation(name, f"host:{load.person}"))
                assert (seen.deleted_at is not None) == (name in load.deleted)


def nothing_acknowledged_is_lost(place: Place, loads: list[Load]) -> None:
    said = {one for load in loads for one in load.said}
    deleted = {one for load in loads for one in load.deleted}
    kept = place.rows("SELECT conversation_id FROM conversations WHERE deleted_at IS NULL")
    assert {f"conv_{one.hex}" for (one,) in kept} == said - deleted
    turns = (
        "SELECT count(*) FROM turns JOIN conversations USING (conversation_id) WHERE "
        "deleted_at "
        "IS NULL"
    )
    assert place.rows(turns) == [(len(kept),)], "a turn is there twice"
    records = lying(journal_bucket.journal(place.config))
    recorded = [
        f"conv_{one.conversation.hex}"
        for one in records
        if one.kind is RestrictionKind.deleted and one.conversation
    ]
    assert set(recorded) == deleted
    refusals = {(one.account, one.seq) for one in records if one.kind is RestrictionKind.refused}
    assert len(refusals) >= sum(load.refusals for load in loads)
    assert place.rows("SELECT count(*) FROM choices WHERE NOT allow") == [(len(refusals),)]


def the_log_has_one_order(place: Place) -> None:
    """It has each row of the outbox once, and those of each account in their order."""
    placed = place.rows("SELECT index FROM outbox ORDER BY index")
    assert [row[0] for row in placed] == list(range(the_log_is_whole(place)))
    moved = (
        "SELECT account_id, array_agg(index ORDER BY outbox_id) = array_agg(index ORDER BY "
        "index) FROM outbox GROUP BY 1"
    )
    assert all(in_order for account, in_order in place.rows(moved) if account is not None)


def the_log_is_whole(place: Place) -> int:
    """A stranger verifies the log of the bucket; its size."""
    bucket = buckets.open_bucket(place.config.store)
    assert bucket is not None
    (log,) = json.loads(place.hosts[1].run("ledger", "status", "--json"))["logs"]
    folder = f"log/{log['origin'].rpartition('/')[2]}/"
    names = bucket.names(folder)
    contents = bucket.read_all([folder + name for name in names])
    report = verifier.check_log(
        Held(dict(zip(names, contents, strict=True))), verifier.trust(log["vkey"])
    )
    assert report.ok, report.findings
    return report.size


def test_a_host_without_the_keys_or_with_another_journal_is_refused_and_the_doctor_says_what_is_shared(
    tmp_path: Path, dsn: str
) -> None:
    (tmp_path / "weed").mkdir()
    with seaweed.running(tmp_path / "weed") as server:
        shared = {**os.environ, **server.settings("STORE", "keys"), "LICET_DATABASE_URL": dsn}
        one, two = (Host(tmp_path / name, shared) for name in ("one", "two"))
        for host in (one, two):
            host.data.mkdir()
        one.run("init", "--preset", "article-2025")
        one.run("ledger", "append")
        with pytest.raises(AssertionError, match="same keys"):
            two.run("status")
        (two.data / "keys").symlink_to(one.data / "keys")
        two.run("status")
        said = {line["what"]: line for line in json.loads(_doctor(two))}
        assert "s3://licet/keys" in said["places"]["seen"]
        assert said["keys of hosts"]["state"] == "warning"
        two.environment = {**shared, **server.settings("STORE", "another")}
        with pytest.raises(AssertionError, match="another restriction journal"):
            two.run("status")


def _doctor(host: Host) -> str:
    done = subprocess.run(
        [FORKED, "doctor", "--json", "--data", str(host.data)],
        env=host.environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    return done.stdout
