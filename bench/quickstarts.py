"""The quickstarts, typed by the letter from an empty folder, and how long each takes.

    ./run bench quickstarts

The folder has the clone's files and no environment: the blocks of the page are typed in order, so
that what it installs is downloaded and installed, with the installation of Licet itself before it
(the server's lock, into an environment of its own). A page ends with its gate asked, its notice
answered and its first turns read back: `tests/walkthrough.py` stops at the first block that does
not print what the page shows. Minutes of the network and the disk are in it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import Row

ROOT = Path(__file__).parents[1]
PAGES = ("litellm.md", "opentelemetry.md")
MINUTES_MAX = 10


def install_seconds(folder: Path) -> float:
    """How long an environment with Licet's server takes."""
    begun = time.monotonic()
    lock = ROOT / "requirements.lock"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "--require-hashes", "--requirement", lock], check=True)
    return time.monotonic() - begun


def page_seconds(page: str, folder: Path) -> float:
    """How long it takes to do what a page says, on the embedded database."""
    # here: the walk is of the tests
    from tests.person import allows
    from tests.walkthrough import Walk

    begun = time.monotonic()
    with Walk(folder, person=allows) as walk:
        walk.do(ROOT / "docs" / "quickstart" / page)
        return time.monotonic() - begun


def main(_: list[str]) -> list[Row]:
    with tempfile.TemporaryDirectory() as scratch:
        installed = install_seconds(Path(scratch) / "licet")
        rows = [Row("installing Licet's server, seconds", f"{installed:.0f}")]
        for page in PAGES:
            seconds = installed + page_seconds(page, Path(scratch) / page.removesuffix(".md"))
            rows.append(
                Row(
                    f"{page}, from an empty folder to the first turns read back, seconds (goal: "
                    f"{MINUTES_MAX * 60})",
                    f"{seconds:.0f}",
                )
            )
    return rows
