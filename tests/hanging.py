"""Servers whose every dependency really runs behind a wire: see `bench.hanging`."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from bench.hanging import (
    BLACK_HOLE,
    DEAD,
    FULL,
    IDENTITY_PROVIDER,
    SLOW,
    STOPPED,
    AskedServer,
    HangingService,
    stopped,
)
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from licet.store import embedded

from . import seaweed
from .forking import FORKED, STARTED
from .keys import bao, softhsm
from .waiting import HANG_SECONDS, wait_until
from .web.test_serve import free_port
from .wires import ServiceWire

DISK_BYTES, PAGE_RECORDS_MAX = 32 << 20, 100
CHANGES = frozenset({"yes", "no", "account"})
# keys are held in memory for a minute
SEALED = CHANGES | {"turn", "explain"}
EVERYTHING = frozenset({*CHANGES, "gate", "turn", "explain", "sign-in"})


def licet(environment: dict[str, str], data: Path, *words: str) -> str:
    return licet_without_data(environment, *words, "--data", str(data))


def licet_without_data(environment: dict[str, str], *words: str) -> str:
    done = subprocess.run(
        [FORKED, *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def is_success(ask: Callable[[], httpx.Response]) -> bool:
    return ask().is_success


@contextmanager
def other_program(source: str) -> Iterator[tuple[int, int]]:
    """The process and the port of a small HTTP server."""
    with subprocess.Popen(
        [sys.executable, "-c", source], stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        try:
            yield program.pid, int(program.stdout.readline())
        finally:
            program.kill()


@contextmanager
def witness(
    environment: dict[str, str], data: Path, folder: Path
) -> Iterator[tuple[list[int], int]]:
    """The processes and the port of a witness of the installation's log."""
    key_file, state = folder / "witness.key", folder / "witness"
    licet_without_data(environment, "witness", "key", str(key_file), "--name", "w")
    words = ["witness", "serve", "--state", str(state), "--key", str(key_file), "--port", "0"]
    log = licet(environment, data, "ledger", "key").strip()
    with subprocess.Popen(
        [*STARTED, *words, "--log", log], stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        try:
            line = program.stdout.readline()
            yield [program.pid], urlsplit(line.split()[-1]).port or 0
        finally:
            program.kill()


def wired(
    name: str,
    wire: ServiceWire,
    pids: Callable[[], list[int]],
    because: str,
    may_stop: frozenset[str] = frozenset(),
    title: str = "",
) -> HangingService:
    harms = {
        STOPPED: lambda: stopped(*pids()),
        BLACK_HOLE: partial(wire.harmed, BLACK_HOLE),
        SLOW: partial(wire.harmed, SLOW),
    }
    return HangingService(name, harms, because, may_stop, title)


def is_ready(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"{url}/readyz", timeout=HANG_SECONDS).status_code == 200
    return False


@contextmanager
def serving(environment: dict[str, str], data: Path) -> Iterator[AskedServer]:
    """The server of a new installation, and a key with people."""
    scopes = ("accounts:write", "turns:write", "choices:write", "gate:read", "accounts:read")
    asked = [word for scope in scopes for word in ("--scope", scope)]
    key = json.loads(licet(environment, data, "api-key", "create", "host", *asked, "--json"))["key"]
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    running: list[subprocess.Popen[bytes]] = []

    def start() -> int:
        server = subprocess.Popen(
            [*STARTED, "serve", "--data", str(data), "--port", str(port)],
            env=environment,
            stdout=subprocess.DEVNULL,
        )
        running.append(server)
        wait_until(lambda: is_ready(url), "the server", alive=lambda: server.poll() is None)
        return server.pid

    def end() -> None:
        server = running.pop()
        server.send_signal(signal.SIGTERM)
        assert server.wait(HANG_SECONDS) == 0

    def restart() -> int:
        end()
        return start()

    try:
        pid = start()
        for name in ("turns", "yes", "no"):
            headers = {"authorization": f"Bearer {key}"}
            body = {"host": name, "plan": "pro", "age": 30}
            with httpx.Client(base_url=url, headers=headers, timeout=HANG_SECONDS) as client:
                path = f"/v1/accounts/host:{name}/choices"
                for to, sent in (("/v1/accounts", body), (path, {"allow": True})):
                    # on a machine that is busy a service may be taken to be silent
                    change = partial(client.post, to, json=sent)
                    wait_until(partial(is_success, change), "it takes changes")
        yield AskedServer(url, key, restart, pid)
        end()
    finally:
        for server in running:
            server.kill()
            server.wait(HANG_SECONDS)


@contextmanager
def world(folder: Path) -> Iterator[tuple[AskedServer, list[HangingService]]]:
    """A server whose database, bucket, key provider, identity provider, endpoint and witness are
    each behind a wire.
    """
    with ExitStack() as stack:
        data = folder / "data"
        dsn = stack.enter_context(embedded.running(folder / "postgres"))
        named = conninfo_to_dict(dsn)
        socket = f"{named['host']}/.s.PGSQL.{named.get('port', 5432)}"
        database = ServiceWire(socket)
        (folder / "s3").mkdir()
        s3 = stack.enter_context(seaweed.running(folder / "s3"))
        split = urlsplit(s3.endpoint)
        bucket = ServiceWire((split.hostname or "", split.port or 0))
        vault = stack.enter_context(bao.running(folder / "bao"))
        provider = ServiceWire(("127.0.0.1", urlsplit(vault.address).port or 0))
        people, people_port = stack.enter_context(other_program(IDENTITY_PROVIDER))
        identities = ServiceWire(("127.0.0.1", people_port))
        host, host_port = stack.enter_context(other_program(IDENTITY_PROVIDER))
        endpoint = ServiceWire(("127.0.0.1", host_port))
        for wire in (database, bucket, provider, identities, endpoint):
            stack.callback(wire.close)
        environment = {
            **os.environ,
            **s3.settings("STORE", "own"),
            "LICET_STORE__ENDPOINT": f"http://127.0.0.1:{bucket.port}",
            "LICET_DATABASE_URL": make_conninfo(
                dsn, host="127.0.0.1", port=database.port, sslmode="disable"
            ),
            "LICET_KEYS__PROVIDER": "bao",
            "LICET_KEYS__ADDRESS": f"http://127.0.0.1:{provider.port}",
            "LICET_KEYS__TOKEN_FILE": str(vault.token_file),
            "LICET_WEB__OIDC_ISSUER": f"http://127.0.0.1:{identities.port}",
            "LICET_WEB__OIDC_CLIENT_ID": "licet",
            "LICET_WEBHOOKS__INSIDE": "127.0.0.1",
        }
        licet(environment, data, "init", "--preset", "article-2025")
        watching, watching_port = stack.enter_context(witness(environment, data, folder))
        witnessed = ServiceWire(("127.0.0.1", watching_port))
        stack.callback(witnessed.close)
        key = licet_without_data(
            environment, "witness", "key", str(folder / "witness.key"), "--name", "w"
        )
        (data / "witnesses.txt").write_text(
            f"witness w {key.strip()} http://127.0.0.1:{witnessed.port}\nquorum w\n"
        )
        with serving(environment, data) as server:
            licet(
                environment,
                data,
                "webhooks",
                "add",
                "host",
                "--url",
                f"http://127.0.0.1:{endpoint.port}",
            )
            cluster = folder / "postgres" / embedded.CLUSTER
            yield (
                server,
                [
                    wired(
                        "database",
                        database,
                        lambda: embedded.workers(cluster),
                        "database_silent",
                        EVERYTHING,
                    ),
                    wired("bucket", bucket, lambda: [s3.process.pid], "bucket_silent", CHANGES),
                    wired(
                        "key_provider",
                        provider,
                        lambda: [vault.pid],
                        "key_provider_silent",
                        SEALED,
                    ),
                    wired(
                        "identity_provider",
                        identities,
                        lambda: [people],
                        "identity_provider_silent",
                        frozenset({"sign-in"}),
                    ),
                    wired("endpoint", endpoint, lambda: [host], ""),
                    wired("witness", witnessed, lambda: watching, ""),
                ],
            )


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[None]:
    """A disk of its own at ``folder``; the test is skipped where none can be mounted."""
    folder.mkdir(exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)]
    if subprocess.run(words, check=False).returncode:
        pytest.skip("no disk can be mounted here: that needs root, and the right to mount")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@contextmanager
def filled(folder: Path, server: AskedServer) -> Iterator[None]:
    """While a disk takes nothing more, the last page of the restriction journal included."""
    file = folder / "full"
    with suppress(OSError), file.open("wb", buffering=0) as full:
        while True:
            full.write(bytes(4_096))
    try:
        path, body = "/v1/accounts/host:no/choices", {"allow": False}
        tries = (server.ask("no", "POST", path, body) for _ in range(PAGE_RECORDS_MAX))
        assert any(one.status >= 500 for one in tries)
        yield
    finally:
        file.unlink()


@contextmanager
def failing_fsync(pid: int) -> Iterator[None]:
    """While each fsync of a process ends with EIO."""
    program = shutil.which("strace")
    if program is None:
        pytest.skip("strace is not here: apt-get install --no-install-recommends strace")
    inject = "--inject=fsync:error=EIO"
    with subprocess.Popen(
        [program, "-f", "-p", str(pid), "--trace=fsync", inject],
        stderr=subprocess.PIPE,
        text=True,
    ) as tracer:
        assert tracer.stderr is not None
        try:
            if "attached" not in tracer.stderr.readline():
                pytest.skip("strace may not trace here")
            threading.Thread(target=tracer.stderr.read, daemon=True).start()
            yield
        finally:
            tracer.terminate()
            tracer.wait(HANG_SECONDS)


@contextmanager
def token_world(folder: Path) -> Iterator[tuple[AskedServer, list[HangingService]]]:
    """A server whose keys are in a token that another process holds, behind a wire, and whose
    restriction journal has a disk of its own.
    """
    with ExitStack() as stack:
        disk = folder / "disk"
        stack.enter_context(small_disk(disk, DISK_BYTES))
        token = stack.enter_context(softhsm.running(folder / "token"))
        wire = ServiceWire(str(token.socket), folder / "wire")
        stack.callback(wire.close)
        environment = {
            **os.environ,
            **token.settings(),
            "P11_KIT_SERVER_ADDRESS": f"unix:path={folder / 'wire'}",
            "LICET_RESTRICTIONS": str(disk / "journal"),
        }
        data = folder / "data"
        licet(environment, data, "init", "--preset", "article-2025")
        with serving(environment, data) as server:
            because, title = "key_provider_silent", "token"
            full = {FULL: lambda: filled(disk, server)}
            dead = {DEAD: lambda: failing_fsync(server.pid)}
            yield (
                server,
                [
                    wired("key_provider", wire, lambda: token.pids, because, SEALED, title),
                    HangingService("disk", full, "disk_full", CHANGES),
                    HangingService("disk", dead, "disk_failed", CHANGES),
                ],
            )
