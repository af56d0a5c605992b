"""A server takes what commits into the log by itself: within two seconds, after another's end, and
it says when it cannot.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psycopg
import pytest

from licet import verifier
from licet.ledger import sequence
from licet.proof import documents
from licet.store.connect import transaction
from licet.web.access import tokens
from licet.web.app import create_app

from ..waiting import HANG_SECONDS, wait_until
from .served import TOKEN_KEY, ApplicationClient, World, world
from .test_serve import LICET, answers, free_port, licet

__all__ = ["world"]


class Servers:
    """Real `licet serve` processes on one installation."""

    def __init__(self, data: Path, dsn: str) -> None:
        data.mkdir()
        self.data, self.dsn = data, dsn
        key_file = data / "token.key"
        key_file.write_bytes(TOKEN_KEY)
        self.environment = {
            **os.environ,
            "LICET_DATABASE_URL": dsn,
            "LICET_WEB__TOKEN_KEY_FILE": str(key_file),
        }
        assert licet(data, dsn, "init", "--preset", "article-2025").returncode == 0
        made = licet(data, dsn, "api-key", "create", "host", "--scope", "accounts:write", "--json")
        self.key = json.loads(made.stdout)["key"]

    @contextmanager
    def running(self) -> Iterator[tuple[subprocess.Popen[str], str]]:
        port = free_port()
        command = [*LICET, "serve", "--data", str(self.data), "--port", str(port)]
        with subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, text=True
        ) as server:
            url = f"http://127.0.0.1:{port}"
            try:
                answers(server, url)
                yield server, url
            finally:
                server.kill()

    def open(self, url: str, name: str) -> str:
        body = {"host": name, "plan": "pro", "age": 30}
        headers = {"authorization": f"Bearer {self.key}"}
        account: str = httpx.post(f"{url}/v1/accounts", json=body, headers=headers).json()[
            "account"
        ]
        return account

    def choose(self, url: str, account: str, name: str) -> bytes:
        """A choice through the API, and its receipt's file once it has its proof."""
        signed = tokens.sign_token(TOKEN_KEY, name, "licet", datetime.now(UTC).timestamp())
        headers = {"authorization": f"Bearer {signed}"}
        answer = httpx.post(f"{url}/v1/accounts/me/choices", json={"allow": True}, headers=headers)
        assert answer.status_code == 201, answer.text
        (seq,) = self.numbers(account)
        path = f"/settings/receipts/{account.removeprefix('acc_')}-{seq}/receipt.json"

        def receipt() -> bytes:
            return httpx.get(url + path, headers=headers, timeout=HANG_SECONDS).content

        wait_until(lambda: proven(receipt()), "the receipt has its proof")
        return receipt()

    def numbers(self, account: str) -> list[int]:
        with psycopg.connect(self.dsn) as conn:
            return [
                row[0]
                for row in conn.execute(
                    "SELECT seq FROM choices WHERE account_id = %s", [account[4:]]
                )
            ]


def proven(receipt: bytes) -> bool:
    return bool(json.loads(receipt).get("proof"))


@pytest.fixture
def servers(tmp_path: Path, dsn: str) -> Servers:
    return Servers(tmp_path / "data", dsn)


def test_a_choice_through_the_api_of_a_real_server_stands_in_the_log_without_another_command(
    servers: Servers,
) -> None:
    with servers.running() as (server, url):
        account = servers.open(url, "ana")
        receipt = servers.choose(url, account, "ana")
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=600)
        assert server.returncode == 0
    vkey = licet(servers.data, servers.dsn, "ledger", "key").stdout.strip()
    assert verifier.check_receipt(receipt, verifier.trust(vkey), "receipt.json").answer == "proved"
    appended = licet(servers.data, servers.dsn, "ledger", "append")
    assert appended.returncode == 0, "the lock is free once the server has ended"


def test_another_server_waits_for_the_lock_and_takes_over_when_the_first_is_killed(
    servers: Servers,
) -> None:
    with servers.running() as (first, url_of_first), servers.running() as (_, url):
        account = servers.open(url_of_first, "ana")
        servers.choose(url, account, "ana")  # the first takes what the second's callers did
        first.kill()
        first.wait(600)
        other = servers.open(url, "ben")
        servers.choose(url, other, "ben")  # the second takes over
        assert httpx.get(f"{url}/readyz").status_code == 200


def test_a_sequencer_that_finds_another_log_stops_and_the_server_is_not_ready(world: World) -> None:
    # of which the database knows nothing
    (world.installation.config.data / "log" / "2019").mkdir(parents=True)
    with ApplicationClient(create_app(world.installation, world.web, sequencer=True)) as api:
        wait_until(lambda: api.get("/readyz").status_code != 200, "the server is not ready")
        answer = api.get("/readyz")
        assert answer.status_code == 503
        assert "RestoredError" in answer.json()["detail"]
        assert api.get("/healthz").status_code == 200


def test_a_server_beside_another_sequencer_is_ready_and_waits(world: World) -> None:
    world.open("ana", allow=True)
    with (
        documents.open_sequencer(world.installation),
        ApplicationClient(create_app(world.installation, world.web, sequencer=True)) as api,
    ):
        time.sleep(0.3)
        assert api.get("/readyz").status_code == 200
        with transaction(world.installation.pool) as tx:
            assert sequence.count_waiting(tx).rows > 0
