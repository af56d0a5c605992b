"""The commands: a key is shown once and revoked, the first owner gets a link, and the server ends as it should."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from licet.client import Client, open_account

LICET = [sys.executable, "-c", "from licet.cli import main; main()"]


def licet(data: Path, dsn: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*LICET, *words, "--data", str(data)],
        env={**os.environ, "LICET_DATABASE_URL": dsn}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def test_keys_and_the_first_owner_are_made_at_the_machine_and_the_server_knows_them(tmp_path, dsn) -> None:
    data = tmp_path / "data"
    data.mkdir()
    assert licet(data, dsn, "init").returncode == 0
    assert licet(data, dsn, "key", "create", "assistant", "--scope", "nonsense").returncode == 64
    made = licet(data, dsn, "key", "create", "assistant", "--scope", "accounts:write", "--json")
    key = json.loads(made.stdout)["key"]
    listed = licet(data, dsn, "key", "list").stdout
    assert "assistant" in listed
    assert key not in listed
    link = licet(data, dsn, "staff", "bootstrap", "ana@example.org").stdout.strip()
    assert link.startswith("http://127.0.0.1:8787/sign-in/link/")
    port, command = free_port(), [*LICET, "serve", "--data", str(data), "--port"]
    with subprocess.Popen(
        [*command, str(port)], env={**os.environ, "LICET_DATABASE_URL": dsn}, stdout=subprocess.PIPE, text=True
    ) as server:
        url = f"http://127.0.0.1:{port}"
        answers(server, url)
        with Client(url, key) as client:
            assert client.send(open_account("ana", "pro")).outcome == "done"
        assert httpx.get(link.replace("http://127.0.0.1:8787", url)).status_code == 200
        assert licet(data, dsn, "key", "revoke", "assistant").returncode == 0
        time.sleep(1.1)  # for as long a key that was looked up is remembered
        refused = httpx.get(f"{url}/v1/me", headers={"authorization": f"Bearer {key}"})
        assert refused.status_code == 401
        server.send_signal(signal.SIGTERM)
        out, _ = server.communicate(timeout=30)
        assert server.returncode == 0
    routes = [json.loads(line)["route"] for line in out.splitlines()]
    assert "/sign-in/link/{secret}" in routes
    assert "/v1/accounts" in routes


def answers(server: subprocess.Popen[str], url: str) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        if time.monotonic() > until or server.poll() is not None:
            pytest.fail("the server did not start")
        time.sleep(0.1)
