"""The commands: a key is shown once and revoked, the first owner gets a link, and the server ends
as it should.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from licet.client import Client, open_account
from licet.errors import UsageError
from licet.web.access.connections import bind_socket

from ..forking import FORKED, STARTED
from ..waiting import wait_until

LICET = STARTED


def licet(data: Path, dsn: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [FORKED, *words, "--data", str(data)],
        env={**os.environ, "LICET_DATABASE_URL": dsn},
        capture_output=True,
        text=True,
        timeout=600,
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def test_keys_and_the_first_owner_are_made_at_the_machine_and_the_server_knows_them(
    tmp_path, dsn
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    assert licet(data, dsn, "init").returncode == 0
    assert (
        licet(data, dsn, "api-key", "create", "assistant", "--scope", "nonsense").returncode == 64
    )
    made = licet(data, dsn, "api-key", "create", "assistant", "--scope", "accounts:write", "--json")
    key = json.loads(made.stdout)["key"]
    listed = licet(data, dsn, "api-key", "list").stdout
    assert "assistant" in listed
    assert key not in listed
    link = licet(data, dsn, "staff", "bootstrap", "ana@example.org").stdout.strip()
    assert link.startswith("http://127.0.0.1:8787/sign-in/link/")
    port, command = free_port(), [*LICET, "serve", "--data", str(data), "--port"]
    with subprocess.Popen(
        [*command, str(port)],
        env={**os.environ, "LICET_DATABASE_URL": dsn},
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        url = f"http://127.0.0.1:{port}"
        answers(server, url)
        with Client(url, key) as client:
            assert client.send(open_account("ana", "pro")).outcome == "done"
        assert httpx.get(link.replace("http://127.0.0.1:8787", url)).status_code == 200
        assert licet(data, dsn, "api-key", "revoke", "assistant").returncode == 0
        time.sleep(1.1)  # for as long a key that was looked up is remembered
        refused = httpx.get(f"{url}/v1/me", headers={"authorization": f"Bearer {key}"})
        assert refused.status_code == 401
        server.send_signal(signal.SIGTERM)
        out, _ = server.communicate(timeout=600)
        assert server.returncode == 0
    routes = [json.loads(line)["route"] for line in out.splitlines()]
    assert "/sign-in/link/{secret}" in routes
    assert "/v1/accounts" in routes


@pytest.mark.parametrize(
    "words", [["serve"], ["status"], ["api-key", "list"], ["sweep"]], ids=" ".join
)
def test_a_folder_that_nobody_made_an_installation_in_is_left_as_it_is(tmp_path, words) -> None:
    """No command but `init` makes one, so that a wrong `--data` is not a second installation."""
    data = tmp_path / "data"
    for there in (False, True):
        if there:
            data.mkdir()
        refused = subprocess.run(
            [FORKED, *words, "--data", str(data)], capture_output=True, text=True, timeout=600
        )
        assert refused.returncode == 64, refused.stderr
        assert "there is no installation in" in refused.stderr
        assert "licet init" in refused.stderr
        assert data.exists() is there
        assert not there or list(data.iterdir()) == []


def test_serving_before_a_policy_is_applied_is_refused(tmp_path, dsn) -> None:
    data = tmp_path / "data"
    data.mkdir()
    refused = licet(data, dsn, "serve", "--port", str(free_port()))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "licet init" in refused.stderr


def test_an_address_that_cannot_be_listened_on_is_named_before_anything_serves(
    tmp_path, dsn
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    assert licet(data, dsn, "init").returncode == 0
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = licet(data, dsn, "serve", "--port", port)
    assert (refused.returncode, refused.stdout) == (64, "")
    assert f"`127.0.0.1:{port}`: another process has it" in refused.stderr
    assert "--port" in refused.stderr.partition("hint:")[2]
    assert "serving on" not in refused.stderr
    assert "Errno" not in refused.stderr


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_address_that_is_named_is_answered_and_before_nobody_is_kept_waiting(
    tmp_path, dsn, workers
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    assert licet(data, dsn, "init", "--preset", "article-2025").returncode == 0
    with bind_socket("127.0.0.1", 0) as listener, pytest.raises(ConnectionRefusedError):
        socket.create_connection(listener.getsockname())
    with subprocess.Popen(
        [*LICET, "serve", "--data", str(data), "--port", "0", "--workers", workers],
        env={**os.environ, "LICET_DATABASE_URL": dsn},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        line = server.stderr.readline().strip()
        assert line.startswith("serving on http://127.0.0.1:")
        assert httpx.get(f"{line.removeprefix('serving on ')}/healthz").status_code == 200
        server.send_signal(signal.SIGTERM)
        assert server.wait(600) == 0


@pytest.mark.parametrize("host", ["203.0.113.9", "no.such.host.invalid"])
def test_an_address_of_another_machine_is_refused(host: str) -> None:
    with pytest.raises(UsageError) as refused:
        bind_socket(host, 0)
    assert host in refused.value.message
    assert "--host" in refused.value.hint


def answers(server: subprocess.Popen[str], url: str) -> None:
    def ready() -> bool:
        try:
            return httpx.get(f"{url}/readyz").status_code == 200
        except httpx.TransportError:
            return False

    wait_until(ready, "the server starts", alive=lambda: server.poll() is None)
