"""`licet serve --workers N`: one socket, processes that are replaced when they end, and nothing
that was acknowledged lost.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from licet.cli.serve import WORKERS_MAX
from licet.client import Client, choose, delete, open_account, say
from licet.errors import LicetError
from licet.keys.restriction_journal import Journal, RestrictionKind
from licet.web.access import rates, tokens
from licet.web.access.rates import BURST_SECONDS, WAYS, Rates
from licet.web.worker import pool_size

from ..journals import lying
from ..tiers import WHOLE
from ..waiting import wait_until
from .served import TOKEN_KEY
from .test_serve import LICET, answers, free_port, licet

WORKERS = 2
KILLS = 3 if WHOLE else 1
IDLE_SECONDS = 0.02  # of a connection between two requests: one that is closed then loses the next


class Served:
    """A real `licet serve --workers`, and what its parent has logged so far."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, log: Path) -> None:
        self.process, self.url, self._log = process, url, log

    def lines(self) -> list[dict[str, Any]]:
        *whole, _ = self._log.read_text("utf-8").split("\n")
        return [json.loads(line) for line in whole]

    def told(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line["event"] == event]

    def workers(self) -> set[int]:
        """The processes that serve now."""
        found = psutil.Process(self.process.pid).children()
        return {one.pid for one in found if "licet.web.worker" in " ".join(one.cmdline())}

    def gauge(self, name: str) -> float:
        text = httpx.get(f"{self.url}/metrics", timeout=600).text
        return next(
            float(line.split()[-1])
            for line in text.splitlines()
            if line.split("{")[0].split(" ")[0] == name
        )

    def wait_ready(self) -> None:
        def ready() -> bool:
            try:
                return self.gauge("licet_workers_ready") == WORKERS
            except (httpx.TransportError, StopIteration):
                return False

        wait_until(ready, "every worker is ready", alive=lambda: self.process.poll() is None)


class Place:
    """An installation, and a key for everything that a host does."""

    def __init__(self, data: Path, dsn: str) -> None:
        data.mkdir()
        self.data, self.dsn = data, dsn
        (data / "token.key").write_bytes(TOKEN_KEY)
        assert licet(data, dsn, "init", "--preset", "article-2025").returncode == 0
        scopes = [
            "accounts:write",
            "turns:write",
            "conversations:read",
            "conversations:write",
            "choices:write",
            "gate:read",
        ]
        words = [word for scope in scopes for word in ("--scope", scope)]
        self.key = json.loads(
            licet(data, dsn, "api-key", "create", "host", *words, "--json").stdout
        )["key"]

    @contextmanager
    def serving(self, program: Sequence[str | Path] = LICET, **settings: str) -> Iterator[Served]:
        port = free_port()
        command = [
            *program,
            "serve",
            "--workers",
            str(WORKERS),
            "--data",
            str(self.data),
            "--port",
            str(port),
        ]
        told = {
            "LICET_DATABASE_URL": self.dsn,
            "LICET_WEB__TOKEN_KEY_FILE": str(self.data / "token.key"),
            **settings,
        }
        log = self.data / "server.log"
        with (
            log.open("ab") as out,
            subprocess.Popen(command, env={**os.environ, **told}, stdout=out) as process,
        ):
            served = Served(process, f"http://127.0.0.1:{port}", log)
            try:
                # Set when the server was started.
                answers(process, served.url)  # type: ignore[arg-type]
                served.wait_ready()
                yield served
            finally:
                below = psutil.Process(process.pid).children() if process.poll() is None else []
                process.kill()
                psutil.wait_procs(below, 600)  # they end by themselves when their parent is gone

    def open(self, url: str) -> None:
        with Client(url, self.key) as client:
            client.send(open_account("ana", "pro"))
            client.send(choose("host:ana", allow=True))

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn) as conn:
            return conn.execute(statement).fetchall()


@pytest.fixture
def place(tmp_path: Path, dsn: str) -> Place:
    return Place(tmp_path / "data", dsn)


@contextmanager
def at_once(*works: Callable[[threading.Event], None]) -> Iterator[None]:
    """Each work on a thread of its own until the block ends; raises what one of them raised."""
    stop, errors = threading.Event(), list[BaseException]()

    def run(work: Callable[[threading.Event], None]) -> None:
        try:
            work(stop)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=[work], daemon=True) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(600)
    assert errors == []


def test_sighup_replaces_every_worker_under_load_and_no_request_fails(place: Place) -> None:
    """Clients keep their connections, open new ones, and do not repeat anything."""
    statuses: list[int] = []

    def kept(stop: threading.Event) -> None:
        with httpx.Client(base_url=served.url, headers=head, timeout=600) as client:
            while not stop.wait(IDLE_SECONDS):
                body = {"account": "host:ana", "conversation": "host:c", "text": "hello"}
                statuses.append(client.post("/v1/turns", json=body).status_code)

    def fresh(stop: threading.Event) -> None:
        while not stop.is_set():
            statuses.append(
                httpx.get(
                    f"{served.url}/v1/accounts/host:ana/gate", headers=head, timeout=600
                ).status_code
            )

    head = {"authorization": f"Bearer {place.key}"}
    with place.serving() as served:
        place.open(served.url)
        before = served.workers()
        with at_once(kept, kept, fresh):
            served.process.send_signal(signal.SIGHUP)
            wait_until(lambda: len(served.told("worker has left")) == WORKERS, "both have left")
            wait_until(lambda: len(statuses) > 50, "there was load")
        after = served.workers()
        assert len(after) == WORKERS
        assert not before & after
        assert served.gauge("licet_workers_ready") == WORKERS
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(600) == 0
    assert set(statuses) <= {200, 201}
    assert served.told("worker has ended") == []
    said = [line for line in served.told("answered") if line["route"] == "/v1/turns"]
    assert len({line["worker"] for line in said}) > 1
    assert len({line["request"] for line in said}) == len(said)


def test_a_server_that_ends_refuses_who_comes_and_answers_whom_it_has(place: Place) -> None:
    """A balancer then asks another host; a connection that is taken would wait for the end."""
    body = json.dumps({"account": "host:ana", "conversation": "host:c", "text": "hello"}).encode()
    head = (
        f"POST /v1/turns HTTP/1.1\r\nhost: licet\r\nauthorization: Bearer {place.key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    with place.serving() as served:
        place.open(served.url)
        at = ("127.0.0.1", int(served.url.rpartition(":")[2]))

        def refuses() -> bool:
            try:
                socket.create_connection(at).close()
            except ConnectionRefusedError:
                return True
            return False

        with socket.create_connection(at) as begun:
            begun.sendall(head.encode() + body[:-1])
            begun.settimeout(600)
            served.process.send_signal(signal.SIGTERM)
            wait_until(refuses, "new connections are refused")
            assert served.process.poll() is None
            begun.sendall(body[-1:])
            assert begun.recv(65536).startswith(b"HTTP/1.1 201 ")
        assert served.process.wait(600) == 0


def test_workers_are_killed_under_load_and_nothing_acknowledged_is_lost_and_nothing_deleted_returns(
    place: Place,
) -> None:
    """A caller repeats a request whose answer was lost, with its key: it is done once."""
    said: list[str] = []
    deleted: list[str] = []

    def talk(stop: threading.Event) -> None:
        with Client(served.url, place.key, attempts_max=50) as client:
            while not stop.is_set():
                n = len(said)
                answer = client.send(say("host:ana", f"turn {n}", conversation=f"host:c{n}"))
                assert answer.conversation is not None
                said.append(answer.conversation)
                if n % 2:
                    client.send(delete(answer.conversation, "host:ana"))
                    deleted.append(answer.conversation)

    def goes_on() -> None:
        many = len(said) + 5
        wait_until(lambda: len(said) >= many, "the load goes on")

    with place.serving() as served:
        place.open(served.url)
        with at_once(talk):
            for kills in range(1, KILLS + 1):
                goes_on()
                served.wait_ready()
                os.kill(min(served.workers()), signal.SIGKILL)
                wait_until(
                    lambda many=kills: len(served.told("worker has ended")) == many, "it is seen"
                )
            goes_on()
        served.wait_ready()
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(600) == 0
    assert [line["because"] for line in served.told("worker has ended")] == ["killed"] * KILLS
    kept = {
        f"conv_{row[0].hex}"
        for row in place.rows("SELECT conversation_id FROM conversations WHERE deleted_at IS NULL")
    }
    assert kept == set(said) - set(deleted)
    assert place.rows(
        "SELECT count(*) FROM turns JOIN conversations USING (conversation_id) WHERE "
        "deleted_at IS NULL"
    ) == [(len(kept),)]
    journal = Journal(place.data / "restrictions")
    recorded = {
        f"conv_{one.conversation.hex}"
        for one in lying(journal)
        if one.kind is RestrictionKind.deleted and one.conversation
    }
    journal.close()
    assert recorded == set(deleted)


def test_a_limit_a_session_and_a_failed_disk_are_the_same_for_all_workers(place: Place) -> None:
    """Each request has a connection of its own, which any worker may take."""
    with place.serving(LICET_WEB__PERSON_REQUESTS_PER_MINUTE="1") as served:
        place.open(served.url)
        now = datetime.now(UTC).timestamp()
        person = {"authorization": f"Bearer {tokens.sign_token(TOKEN_KEY, 'ana', 'licet', now)}"}
        statuses = [
            httpx.get(f"{served.url}/v1/me", headers=person, timeout=600).status_code
            for _ in range(40)
        ]
        assert set(statuses) == {200, 429}
        answered = [line for line in served.told("answered") if line["route"] == "/v1/me"]
        for _ in range(400):  # on a busy machine one worker may take them all for a while
            if len({line["worker"] for line in answered}) > 1:
                break
            httpx.get(f"{served.url}/v1/me", headers=person, timeout=600)
            answered = [line for line in served.told("answered") if line["route"] == "/v1/me"]
        first, *_, last = sorted(datetime.fromisoformat(line["at"]) for line in answered)
        assert statuses.count(200) <= 3 + (last - first).total_seconds() / 60, (
            "what one worker would allow"
        )
        assert len({line["worker"] for line in answered}) > 1, "one worker took every request"

        told = licet(
            place.data, place.dsn, "staff", "bootstrap", "ana@example.org", "--url", served.url
        ).stdout.strip()
        entered = httpx.post(
            f"{served.url}/sign-in/link",
            data={"secret": told.rpartition("/")[2]},
            headers={"origin": served.url},
            timeout=600,
        )
        cookie = {"cookie": entered.headers["set-cookie"].partition(";")[0]}
        pages = [
            httpx.get(f"{served.url}/console", headers=cookie, timeout=600).status_code
            for _ in range(40)
        ]
        assert set(pages) == {200, 429}, "known to all; and the limit of staff is the same"

        with Client(served.url, place.key, attempts_max=1) as client:
            conversation = client.send(
                say("host:ana", "to be deleted", conversation="host:c")
            ).conversation
            assert conversation is not None
            # no worker can record a restriction from now on
            shutil.rmtree(place.data / "restrictions")
            with pytest.raises(LicetError):
                client.send(delete(conversation, "host:ana"))
        assert served.process.wait(600) == 70
    assert "restriction journal" in served.told("every worker is stopped")[0]["because"]


# The table of rates


def test_processes_that_share_a_table_allow_together_what_one_would() -> None:
    code = """
import sys
from licet.web.access.rates import Rates
from licet.web.api.problems import RateLimitedError
shared, taken = Rates(int(sys.argv[1])), 0
print("ready", flush=True)
sys.stdin.readline()
for _ in range(8_000):
    try:
        shared.take(b"ana", 61_440, 100.0)
        taken += 1
    except RateLimitedError:
        pass
print(taken)
"""
    table = rates.shared_table()
    try:
        running = [
            subprocess.Popen(
                [sys.executable, "-c", code, str(table)],
                pass_fds=[table],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            for _ in range(3)
        ]
        for one in running:
            assert one.stdout is not None
            assert one.stdout.readline() == b"ready\n"
        for one in running:
            assert one.stdin is not None
            one.stdin.write(b"\n")
            one.stdin.flush()
        taken = [int(one.communicate(timeout=600)[0]) for one in running]
    finally:
        os.close(table)
    assert sum(taken) == 1_024 * BURST_SECONDS + 1


def test_a_full_bucket_forgets_whoever_has_been_idle_longest() -> None:
    own = Rates()
    own.take(b"idle", 60, 0.0, 11)
    for number in range(rates.CALLERS_MAX * 4):  # as many as fill every bucket several times
        own.take(number.to_bytes(4, "big"), 60, 50.0)
    own.take(b"idle", 60, 0.0)
    assert WAYS > 1


def test_the_pools_of_all_workers_fit_into_an_ordinary_postgresql() -> None:
    assert all(
        pool_size(count) * count <= 80 and pool_size(count) >= 8
        for count in range(1, WORKERS_MAX + 1)
    )
