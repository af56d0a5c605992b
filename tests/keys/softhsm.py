"""A token of SoftHSM2 that another process holds, as a module of the network does."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bench.outages import pids_below

from ..needs import P11_KIT_CLIENT
from ..waiting import wait_until
from .bao import needed

SOFTHSM = Path("/usr/lib/softhsm/libsofthsm2.so")
LABEL = "far"


class DistantToken:
    """Its pin file, the socket of its server for p11-kit's module, and that server's process."""

    def __init__(self, pin: Path, socket: Path, pid: int) -> None:
        self.pin, self.socket, self.pid = pin, socket, pid

    @property
    def address(self) -> str:
        return f"unix:path={self.socket}"

    @property
    def pids(self) -> list[int]:
        """The server, and the process of each client."""
        return list(pids_below(self.pid))

    def settings(self) -> dict[str, str]:
        return {
            "LICET_KEYS__PROVIDER": "pkcs11",
            "LICET_KEYS__MODULE": P11_KIT_CLIENT,
            "LICET_KEYS__TOKEN": LABEL,
            "LICET_KEYS__PIN_FILE": str(self.pin),
            "P11_KIT_SERVER_ADDRESS": self.address,
        }


@contextmanager
def running(folder: Path) -> Iterator[DistantToken]:
    """The test is skipped where a program is not installed, and fails where CI counts on it."""
    needed("pkcs11", "the package python-pkcs11")
    program = shutil.which("p11-kit")
    if program is None or not Path(P11_KIT_CLIENT).exists() or not SOFTHSM.exists():
        if os.environ.get("CI") == "true":
            pytest.fail("p11-kit, p11-kit-modules or softhsm2 is not installed")
        pytest.skip("p11-kit, p11-kit-modules or softhsm2 is not installed")
    (folder / "tokens").mkdir(parents=True)
    (folder / "conf").write_text(f"directories.tokendir = {folder}/tokens\n")
    (folder / "pin").write_text("1234\n")
    own = {**os.environ, "SOFTHSM2_CONF": str(folder / "conf"), "XDG_RUNTIME_DIR": str(folder)}
    init = ["softhsm2-util", "--init-token", "--free", "--label", LABEL, "--pin", "1234"]
    subprocess.run([*init, "--so-pin", "5678"], env=own, check=True, capture_output=True)
    socket = folder / "socket"
    with subprocess.Popen(
        [program, "server", "-f", "-n", socket, "--provider", SOFTHSM, f"pkcs11:token={LABEL}"],
        env=own,
        stdout=subprocess.DEVNULL,
    ) as server:
        try:
            wait_until(socket.exists, "the token's server", alive=lambda: server.poll() is None)
            yield DistantToken(folder / "pin", socket, server.pid)
        finally:
            server.kill()
