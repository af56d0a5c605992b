"""`licet serve` and a LiteLLM proxy, really running beside each other, and what may be asked of
them.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import pytest
from bench.outages import pids_below

from licet.client import Client, choose, open_account
from licet.web.access import tokens

from .. import seaweed
from ..forking import FORKED, STARTED
from ..keys import bao
from ..waiting import wait_until

ROOT = Path(__file__).parents[2]
LITELLM = ROOT / ".venv-litellm" / "bin" / "litellm"
MASTER_KEY = "sk-3f9c1d5a77e24d0b8f6f3c2a"
TOKEN_KEY = b"the host application's key, for tests"
ANSWER = "In November, with its roots spread wide."
CONFIG = f"""
model_list:
  - model_name: mock
    litellm_params:
      model: openai/mock
      api_key: none
      mock_response: "{ANSWER}"
      configurable_clientside_auth_params: [turn_off_message_logging]
  - model_name: tooled
    litellm_params:
      model: openai/mock
      api_key: none
      mock_response: ""
      mock_tool_calls: [{{id: call_1, type: function, function: {{name: weather, arguments: '{{"city":"Bonn"}}'}}}}]
  - model_name: streaming
    litellm_params: {{model: openai/streaming, api_key: none, api_base: "UPSTREAM"}}
litellm_settings:
  callbacks: licet.plugins.litellm.callback
general_settings:
  master_key: {MASTER_KEY}
"""
_LICET = STARTED


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def needed() -> None:
    """Skips, or fails in CI, where the proxy's environment was not made."""
    if LITELLM.exists():
        return
    if os.environ.get("CI") == "true":
        pytest.fail("`.venv-litellm` is missing: `./run test` makes it")
    pytest.skip("`.venv-litellm` is missing: `./run test` makes it")


class Model(BaseHTTPRequestHandler):
    """A model that streams a call of a tool, in pieces, as LiteLLM's mock cannot."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        function = {"name": "weather", "arguments": ""}
        deltas = [
            {
                "role": "assistant",
                "tool_calls": [
                    {"index": 0, "id": "call_1", "type": "function", "function": function}
                ],
            },
            *(
                {"tool_calls": [{"index": 0, "function": {"arguments": part}}]}
                for part in ('{"city":', '"Bonn"}')
            ),
            {},
        ]
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for delta in deltas:
            choice = {"index": 0, "delta": delta, "finish_reason": None if delta else "tool_calls"}
            chunk = {
                "id": "1",
                "object": "chat.completion.chunk",
                "created": 1,
                "model": "m",
                "choices": [choice],
            }
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Licet:
    """An installation of its own, and its server; or another host of the installation ``first``."""

    def __init__(
        self,
        folder: Path,
        dsn: str,
        settings: Mapping[str, str] = MappingProxyType({}),
        first: Licet | None = None,
    ) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "token.key").write_bytes(TOKEN_KEY)
        self.dsn = dsn
        self.environment = {
            **os.environ,
            "LICET_DATABASE_URL": dsn,
            "LICET_WEB__TOKEN_KEY_FILE": str(folder / "token.key"),
            **settings,
        }
        self._server: subprocess.Popen[bytes] | None = None
        if first is not None:
            (folder / "data").mkdir()
            self.key_file, self.host_key = first.key_file, first.host_key
            return
        self.command("init", "--preset", "article-2025")
        self.key_file = folder / "proxy.key"
        self.key_file.write_text(self.key("proxy", "gate:read", "turns:write"))
        self.host_key = self.key("host", "accounts:write", "choices:write", "conversations:write")

    @property
    def urls(self) -> list[str]:
        return [self.url]

    def command(self, *words: str) -> str:
        ran = subprocess.run(
            [FORKED, *words, "--data", str(self.folder / "data")],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=6000,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def key(self, name: str, *scopes: str) -> str:
        asked = [word for scope in scopes for word in ("--scope", scope)]
        made: str = json.loads(self.command("api-key", "create", name, *asked, "--json"))["key"]
        return made

    def start(self) -> None:
        self._server = subprocess.Popen(
            [*_LICET, "serve", "--data", str(self.folder / "data"), "--port", str(self.port)],
            env=self.environment,
            stdout=subprocess.DEVNULL,
        )
        wait_until(
            lambda: answers(f"{self.url}/readyz"),
            "Licet",
            alive=lambda: self._server is not None and self._server.poll() is None,
        )

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self._server is not None:
            self._server.send_signal(how)
            self._server.wait(600)
            self._server = None

    def upgrade(self) -> None:
        """Ends the server, upgrades the schema, and starts it again: what is done where the whole
        machine is replaced.
        """
        self.stop()
        self.command("upgrade")
        self.start()

    def pids(self) -> list[int]:
        """The server's process and those that it runs."""
        return pids_below(self._server.pid) if self._server is not None else []

    def open(self, name: str, allow: bool | None = None) -> None:
        with Client(self.url, self.host_key) as client:
            client.send(open_account(name, "pro", 30))
            if allow is not None:
                client.send(choose(f"host:{name}", allow=allow))

    def _as(self, name: str, path: str) -> Any:
        signed = tokens.sign_token(TOKEN_KEY, name, "licet", time.time(), 600)
        read = httpx.get(f"{self.url}{path}", headers={"authorization": f"Bearer {signed}"})
        return read.json() if read.status_code == 200 else None

    def kept(self, name: str, conversation: str) -> list[tuple[str, str]]:
        return [(turn["role"], turn["text"]) for turn in self.turns(name, conversation)]

    def turns(self, name: str, conversation: str) -> list[dict[str, Any]]:
        """The turns of a conversation, as their person reads them."""
        page = self._as(name, f"/v1/conversations/host:{conversation}/turns?limit=200")
        return page["items"] if page else []

    def conversations(self, name: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            more = f"?cursor={cursor}" if cursor else ""
            page = self._as(name, f"/v1/accounts/me/conversations{more}")
            items += page["items"]
            cursor = page["next"]
        return items

    def gates_asked(self) -> int:
        lines = httpx.get(f"{self.url}/metrics").text.splitlines()
        asked = [
            line for line in lines if line.startswith("licet_requests_total{") and "/gate" in line
        ]
        return round(sum(float(line.rpartition(" ")[2]) for line in asked))


class TwoHosts:
    """Two hosts of one installation, with folders of their own."""

    def __init__(self, first: Licet, second: Licet) -> None:
        self._hosts, self.key_file = (first, second), first.key_file

    @property
    def urls(self) -> list[str]:
        return [host.url for host in self._hosts]

    def start(self) -> None:
        for host in self._hosts:
            host.start()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        for host in self._hosts:
            host.stop(how)

    def upgrade(self) -> None:
        """One after the other, so that one serves all the time."""
        for host in self._hosts:
            host.upgrade()

    def pids(self) -> list[int]:
        return [pid for host in self._hosts for pid in host.pids()]

    def open(self, name: str, allow: bool | None = None) -> None:
        self._hosts[0].open(name, allow)

    def conversations(self, name: str) -> list[dict[str, Any]]:
        return self._hosts[1].conversations(name)


@contextlib.contextmanager
def two_hosts(folder: Path, dsn: str) -> Iterator[TwoHosts]:
    """Two hosts that serve one database, with a bucket and an OpenBao of their own."""
    for name in ("weed", "bao"):
        (folder / name).mkdir(parents=True)
    with seaweed.running(folder / "weed") as server, bao.running(folder / "bao") as vault:
        settings = {
            **server.settings("STORE", "two"),
            "LICET_KEYS__PROVIDER": "bao",
            "LICET_KEYS__ADDRESS": vault.address,
            "LICET_KEYS__TOKEN_FILE": str(vault.token_file),
        }
        first = Licet(folder / "first", dsn, settings)
        pair = TwoHosts(first, Licet(folder / "second", dsn, settings, first))
        try:
            pair.start()
            yield pair
        finally:
            pair.stop(signal.SIGKILL)


class Proxy:
    """A LiteLLM proxy with the callback, whose models are mocks."""

    def __init__(self, folder: Path, licet: Licet, callback: bool = True) -> None:
        self.port, self.folder, self.spool = free_port(), folder, folder / "spool"
        self.url = f"http://127.0.0.1:{self.port}"
        folder.mkdir(parents=True, exist_ok=True)
        lines = (
            CONFIG
            if callback
            else CONFIG.replace(
                "litellm_settings:\n  callbacks: licet.plugins.litellm.callback\n", ""
            )
        )
        self._model = ThreadingHTTPServer(("127.0.0.1", 0), Model)
        threading.Thread(target=self._model.serve_forever, daemon=True).start()
        lines = lines.replace("UPSTREAM", f"http://127.0.0.1:{self._model.server_port}/v1")
        (folder / "config.yaml").write_text(lines)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("LICET_")},
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_LICET_URL": licet.url,
            "LITELLM_LICET_SURFACE": "app",
            "LITELLM_LICET_KEY_FILE": str(licet.key_file),
            "LITELLM_LICET_SPOOL": str(self.spool),
        }
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [
                    str(LITELLM),
                    "--config",
                    "config.yaml",
                    "--host",
                    "127.0.0.1",
                    "--port",
                    str(self.port),
                ],
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        wait_until(
            lambda: self._server.poll() is None and answers(f"{self.url}/health/liveliness"),
            "the proxy",
        )

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self._server is not None:
            self._server.send_signal(how)
            self._server.wait(600)
            self._server = None

    def close(self) -> None:
        self.end()
        self._model.shutdown()
        self._model.server_close()

    def ask(
        self, user: str, session: str, *messages: tuple[str, str] | dict[str, Any], **more: Any
    ) -> httpx.Response:
        """A call of the proxy, in the name of one of its users; a proxy that a test before killed
        is started again.
        """
        if self._server is None:
            self.start()
        headers = {"authorization": f"Bearer {MASTER_KEY}", **more.pop("headers", {})}
        said = [
            one if isinstance(one, dict) else {"role": one[0], "content": one[1]}
            for one in messages
        ]
        body = {
            "model": "mock",
            "user": user,
            "litellm_session_id": session,
            "messages": said,
            **more,
        }
        return httpx.post(
            f"{self.url}/v1/chat/completions", json=body, headers=headers, timeout=600
        )

    def spooled(self) -> int:
        """Bytes that lie in the spool."""
        return sum(path.stat().st_size for path in self.spool.rglob("*.spool"))


def answers(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(url, timeout=600).status_code == 200
    return False


@contextlib.contextmanager
def running(folder: Path, dsn: str) -> Iterator[tuple[Licet, Proxy]]:
    """Both, on a database of their own."""
    licet = Licet(folder / "licet", dsn)
    proxy = Proxy(folder / "proxy", licet)
    try:
        licet.start()
        proxy.start()
        yield licet, proxy
    finally:
        proxy.close()
        licet.stop()
