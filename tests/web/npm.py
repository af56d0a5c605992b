"""npm for the tests that need what it installs; loudly absent in development, never in CI."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest
from tools import client_package, host_package

SECONDS_MAX = 600


def built_packages(factory: pytest.TempPathFactory) -> Path:
    """A folder with the compilers in `compiler` and our client and host in `node_modules/@licet`,
    made once a run. Whoever writes beside them has a copy.
    """
    base = factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "npm"
    shared.mkdir(exist_ok=True)
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "made").exists():
            ours = shared / "node_modules" / "@licet"
            try:
                client_package.install(shared / "compiler")
            except (OSError, subprocess.CalledProcessError) as error:
                absent(f"npm ci failed: {error}")
            client_package.write(ours / "client", shared / "compiler")
            host_package.write(ours / "host", shared / "compiler", ours / "client")
            (shared / "made").touch()
    return shared


def run(folder: Path, *words: str) -> str:
    """What `npm` prints in a folder; absent where there is no npm, or what it needs cannot be
    had.
    """
    npm = shutil.which("npm")
    if npm is None:
        absent("npm is not installed")
    quiet = ["--no-audit", "--no-fund", "--no-update-notifier"] if words[0] == "install" else []
    ran = subprocess.run(
        [npm, *words, *quiet], cwd=folder, capture_output=True, text=True, timeout=SECONDS_MAX
    )
    if ran.returncode and words[0] == "install":
        absent(f"npm install failed: {ran.stderr.strip()[-300:]}")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def absent(why: str) -> NoReturn:
    """Skips, saying how to get it; in CI an example that nobody ran is a failure."""
    message = f"{why}; apt-get install --no-install-recommends npm, and let it reach its registry"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)
