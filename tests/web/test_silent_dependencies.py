"""What the server depends on hangs: what needs it is answered soon, with its name, and everything
else goes on; once it is back, so is everything, and nothing that was acknowledged is lost.

A service is stopped by SIGSTOP, so that it takes connections and answers none: anyone who waits for
it waits until the test lets it go on.
"""

from __future__ import annotations

import ast
import importlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from bench.hanging import READY_SECONDS, stopped

from licet.proof import documents
from licet.store import circuit, embedded
from licet.web import dependencies

from .. import seaweed
from ..forking import FORKED, STARTED
from ..hanging import DISK_BYTES, failing_fsync, small_disk
from ..waiting import HANG_SECONDS, wait_until
from .test_serve import answers, free_port

TEXT = "How do I plant a pear tree?"
# Of an answer that does not depend on what is stopped, on a machine that is busy.
ANSWER_SECONDS = HANG_SECONDS / 2
PAGE_RECORDS_MAX = 100
ROOT = Path(__file__).parents[2]
OPERATE = ROOT / "docs" / "operate.md"
# the rows of the table of docs/operate.md, in its order
TIME_OUTS = (
    "web.dependencies.SILENT_SECONDS",
    "store.connect.WAIT_SECONDS_MAX",
    "store.connect.CONNECT_SECONDS_MAX",
    "store.connect.SILENT_SECONDS_MAX",
    "store.writer.WAIT_SECONDS_MAX",
    "web.site.CHANGE_SECONDS_MAX",
    "store.bucket.PROMPT_SECONDS_MAX",
    "store.bucket.CONNECT_SECONDS_MAX",
    "store.bucket.REQUEST_SECONDS_MAX",
    "keys.openbao.TIMEOUT_SECONDS_MAX",
    "keys.pkcs11.TIMEOUT_SECONDS_MAX",
    "web.access.oidc.TIMEOUT_SECONDS",
    "web.access.oidc.PROBE_SECONDS_MAX",
    "web.dependencies.PROBE_SECONDS_MAX",
    "webhooks.outbound_http.CONNECT_SECONDS",
    "webhooks.outbound_http.ANSWER_SECONDS",
    "ledger.witness_http.ASK_SECONDS_MAX",
    "ledger.witness_http.GATHER_SECONDS_MAX",
)
# waits for nothing outside the process and its database's own locks
OTHER_WAITS = {
    "cli.witness.GRACE_SECONDS",  # requests under way when a server ends
    "web.serve.GRACE_SECONDS",
    "web.serve.IDLE_SECONDS",  # a connection of a caller's
    "web.probes.WAITED_SECONDS_MAX",  # what /readyz waits for the probe of the first row
    "curate.ray_workers.START_SECONDS_MAX",  # a build on a cluster, no server
    "keys.fence.READERS_SECONDS_MAX",  # locks of tables
    "release.page_worker.LOCK_SECONDS_MAX",
    "store.migrate.LOCK_MILLISECONDS_MAX",
    "vault.primary.LOCK_SECONDS_MAX",
    "service.preview.WAIT_SECONDS_MAX",  # another preview
    "webhooks.outbound_http.DISCARD_SECONDS",  # the rest of a response that was read
}
# programs beside a server, with settings of their own
PROGRAMS = {"agent", "client", "demo", "host", "plugins", "train", "verifier"}


class Host:
    """A server of an installation with a database of its own, and a client with its key."""

    def __init__(self, data: Path, **settings: str) -> None:
        self.data, self.environment = data, {**os.environ, **settings}
        self.licet("init", "--preset", "article-2025")
        made = self.licet(
            *("api-key", "create", "host", "--json"),
            *("--scope", "accounts:write", "--scope", "turns:write", "--scope", "choices:write"),
            *("--scope", "gate:read"),
        )
        self.headers = {"authorization": f"Bearer {json.loads(made)['key']}"}
        self.url, self.pid = "", 0

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [FORKED, *words, "--data", str(self.data)],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
        )

    def licet(self, *words: str) -> str:
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def serving(self) -> Iterator[None]:
        port = free_port()
        with subprocess.Popen(
            [*STARTED, "serve", "--data", str(self.data), "--port", str(port)],
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
        ) as server:
            self.url, self.pid = f"http://127.0.0.1:{port}", server.pid
            try:
                answers(server, self.url)
                yield
                server.send_signal(signal.SIGTERM)
                server.communicate(timeout=HANG_SECONDS)
                assert server.returncode == 0
            finally:
                server.kill()

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> httpx.Response:
        return httpx.request(
            method,
            self.url + path,
            json=body,
            headers={**self.headers, **headers},
            timeout=ANSWER_SECONDS,
        )

    def open(self, name: str) -> None:
        body = {"host": name, "plan": "pro", "age": 30}
        assert self.ask("POST", "/v1/accounts", body).status_code == 201
        assert self.choose(name, True).status_code == 201

    def choose(self, name: str, allow: bool) -> httpx.Response:
        return self.ask("POST", f"/v1/accounts/host:{name}/choices", {"allow": allow})

    def say(self, name: str, turn: str) -> httpx.Response:
        body = {
            "account": f"host:{name}",
            "conversation": "host:chat",
            "id": turn,
            "role": "user",
            "text": TEXT,
        }
        return self.ask("POST", "/v1/turns", body)

    def gate(self, name: str) -> httpx.Response:
        return self.ask("GET", f"/v1/accounts/host:{name}/gate")

    def ready(self) -> httpx.Response:
        return self.ask("GET", "/readyz")

    def shows_silent(self, name: str) -> bool:
        metrics = self.ask("GET", "/metrics").text
        return f'licet_dependency_silent{{dependency="{name}"}} 1.0' in metrics


def test_a_database_that_hangs_is_named_in_each_answer_and_all_goes_on_when_it_is_back(
    tmp_path: Path,
) -> None:
    host = Host(tmp_path / "data")
    with host.serving():
        host.open("ana")
        assert host.say("ana", "before").status_code == 201
        processes = embedded.workers(tmp_path / "data" / "postgres" / embedded.CLUSTER)
        assert processes
        with stopped(*processes), ThreadPoolExecutor(8) as threads:
            # under way when it falls silent, and afterwards
            for _ in range(2):
                asked = [
                    threads.submit(host.gate, "ana"),
                    threads.submit(host.say, "ana", "meanwhile"),
                    threads.submit(host.choose, "ana", False),
                ]
                calls = [one.result() for one in asked]
                assert [one.status_code for one in calls] == [503] * 3
                assert all("the database does not answer" in one.json()["detail"] for one in calls)
            assert host.ready().status_code == 503
            assert host.ask("GET", "/healthz").status_code == 200
            wait_until(lambda: host.shows_silent("database"), "the metric says it")
        wait_until(lambda: host.ready().status_code == 200, "it is ready again")
        assert not host.shows_silent("database")
        assert host.say("ana", "before").json()["outcome"] == "duplicate", "it was kept"
        assert host.say("ana", "meanwhile").status_code == 201
        assert host.say("ana", "after").status_code == 201
        assert host.choose("ana", False).status_code == 201
    assert json.loads(host.licet("status", "--json"))["turns_kept"] == 3
    lately = json.loads(host.licet("doctor", "--since", "1h", "--json"))
    (fault,) = lately["faults"]
    assert fault["what"] == "database"
    assert fault["began"] < fault["ended"]
    assert fault["next"].startswith("licet db status")
    assert lately["unknown"]


def test_a_bucket_that_hangs_stops_restrictions_alone_and_is_named_to_them(tmp_path: Path) -> None:
    (tmp_path / "s3").mkdir()
    with seaweed.running(tmp_path / "s3") as bucket:
        host = Host(tmp_path / "data", **bucket.settings("STORE", "own"))
        with host.serving():
            for name in ("ana", "ben", "eva"):
                host.open(name)
            with stopped(bucket.process.pid), ThreadPoolExecutor(8) as threads:
                first = threads.submit(host.choose, "ana", False)
                turns = [threads.submit(host.say, "ben", f"t{n}") for n in range(20)]
                assert {one.result().status_code for one in turns} == {201}
                lost = first.result()
                assert lost.status_code == 503
                assert lost.json()["type"] == "urn:licet:problem:outcome_unknown"
                wait_until(lambda: host.shows_silent("bucket"), "a probe finds out")
                refused = host.choose("ben", False)
                assert refused.status_code == 503
                assert refused.json()["type"].rpartition(":")[2] in ("busy", "outcome_unknown")
                assert host.gate("ana").status_code == 200
                assert host.say("ben", "still").status_code == 201
                ready = host.ready()
                assert ready.status_code == 200
                assert ready.json()["silent"] == ["bucket"]
                assert host.shows_silent("bucket")
            wait_until(lambda: "silent" not in host.ready().json(), "it answers again")
            assert host.choose("ben", False).status_code == 201
            assert host.choose("ana", False).status_code == 201
            assert host.say("eva", "after").status_code == 201
        with stopped(bucket.process.pid):
            refused_start = host.run("serve", "--port", str(free_port()))
        assert refused_start.returncode == 75
        assert "s3://licet/own" in refused_start.stderr


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "small", DISK_BYTES):
        yield tmp_path / "small"


def test_a_full_disk_of_the_journal_is_named_and_room_is_used_at_once(
    tmp_path: Path, disk: Path
) -> None:
    host = Host(tmp_path / "data", LICET_RESTRICTIONS=str(disk / "journal"))
    with host.serving():
        for name in ("ana", "ben"):
            host.open(name)
        with suppress(OSError), (disk / "full").open("wb", buffering=0) as full:
            while True:
                full.write(bytes(4_096))
        # the last page of the journal has some room
        tries = (host.choose("ana", False) for _ in range(PAGE_RECORDS_MAX))
        refused = next(one for one in tries if one.status_code != 201)
        assert refused.status_code == 503
        assert refused.json()["because"] == "disk_full"
        assert refused.json()["type"] == "urn:licet:problem:outcome_unknown"
        again = host.choose("ben", False)
        assert again.status_code == 503
        assert again.json()["because"] == "disk_full"
        assert host.gate("ana").status_code == 200
        assert host.say("ben", "still").status_code == 201
        wait_until(lambda: host.ready().json().get("silent") == ["disk"], "it is named")
        wait_until(lambda: host.shows_silent("disk"), "the metric says it")
        (disk / "full").unlink()
        assert host.choose("ben", False).status_code == 201, "without a restart"
        assert host.choose("ana", False).status_code == 201
        wait_until(lambda: "silent" not in host.ready().json(), "it has room")
    findings = json.loads(host.run("doctor", "--json").stdout)
    (journal,) = [one for one in findings if one["what"] == "restriction journal"]
    assert journal["state"] == "well", journal


def test_a_dead_disk_of_the_journal_is_named_and_nothing_more_is_acknowledged(
    tmp_path: Path,
) -> None:
    """Each fsync of the server fails, as on a disk that is dying."""
    host = Host(tmp_path / "data")
    with host.serving():
        for name in ("ana", "ben"):
            host.open(name)
        with failing_fsync(host.pid):
            lost = host.choose("ana", False)
            assert lost.status_code == 503
            assert lost.json()["because"] == "disk_failed"
            wait_until(lambda: host.shows_silent("disk"), "the metric says it")
            wait_until(lambda: "disk" in host.ready().text, "it is named")
        refused = host.choose("ben", False)
        assert refused.status_code == 503
        assert refused.json()["because"] == "disk_failed"
        assert host.gate("ben").status_code == 200
        assert host.say("ben", "still").status_code == 201
        assert "disk" in host.ready().text
    with host.serving():
        assert host.choose("ben", False).status_code == 201


def test_what_is_asked_seldom_is_named_within_ten_seconds() -> None:
    """By `/readyz`, and by `licet doctor --since`, which reads what the server wrote of it."""
    ask = dependencies.ASK_SECONDS
    assert documents.WITNESS_SECONDS + circuit.LATE_SECONDS + ask < READY_SECONDS - 1
    identities = dependencies.IDENTITY_PROBE_SECONDS + dependencies.PROBE_SECONDS_MAX
    assert identities + ask < READY_SECONDS - 1


def test_the_table_of_time_outs_is_that_of_the_code() -> None:
    section = OPERATE.read_text("utf-8").split("## Time-outs\n")[1].split("\nEach of")[0]
    rows = [line.split("|")[2].strip() for line in section.splitlines() if line.startswith("| ")]
    assert [float(seconds) for seconds in rows[1:]] == [_value(name) for name in TIME_OUTS]


def test_every_wait_of_the_code_for_something_outside_is_in_the_table() -> None:
    folder = ROOT / "src" / "licet"
    found = set[str]()
    for path in folder.rglob("*.py"):
        module = path.relative_to(folder).with_suffix("")
        if module.parts[0] not in PROGRAMS:
            named = ".".join(module.parts)
            found |= {f"{named}.{name}" for name in _waited(ast.parse(path.read_text("utf-8")))}
    # a module's own names; one of another module is found there
    own = {name for name in found if _value(name) is not None}
    assert own <= {*TIME_OUTS, *OTHER_WAITS}
    assert own >= OTHER_WAITS


def _value(name: str) -> float | None:
    module, _, constant = name.rpartition(".")
    value: float | None = getattr(importlib.import_module(f"licet.{module}"), constant, None)
    return value


def _waited(tree: ast.Module) -> Iterator[str]:
    """The constants of seconds that are given as a time-out of something."""
    for node in ast.walk(tree):
        given: list[ast.expr] = []
        match node:
            case ast.keyword(arg=str(name), value=value) if "timeout" in name:
                given = [value]
            case ast.Dict(keys=keys, values=values):
                given = [
                    value
                    for key, value in zip(keys, values, strict=True)
                    if isinstance(key, ast.Constant) and "timeout" in str(key.value)
                ]
            case ast.Call(func=ast.Attribute(attr="settimeout" | "create_connection"), args=args):
                given = args
            case ast.Call(args=args) if any("_timeout" in ast.unparse(one) for one in args):
                given = args
        for name in (inner for one in given for inner in ast.walk(one)):
            if isinstance(name, ast.Name) and "SECONDS" in name.id:
                yield name.id
