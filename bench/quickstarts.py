"""The quickstarts, typed by the letter from an empty folder, and how long each takes.

    ./run bench quickstarts [PAGE ...]

The folder has the clone's files and no environment: the blocks of the page are typed in order, so
that what it installs is downloaded and installed, with the installation of Licet itself before it
(the server's lock, into an environment of its own). A page ends with its gate asked, its notice
answered and its first turns read back: `tests/walkthrough.py` stops at the first block that does
not print what the page shows. Claude Code and Open WebUI are there already, as their readers have
them: hooks and function are called as these programs call them, and what the function
needs is installed into an environment of its own. Minutes of the network and the disk are in it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import Row, limited

ROOT = Path(__file__).parents[1]
PAGES = ("claude-code.md", "litellm.md", "open-webui.md", "opentelemetry.md")
SECONDS_MAX = 600


def install_seconds(folder: Path) -> float:
    """How long an environment with Licet's server takes."""
    begun = time.monotonic()
    lock = ROOT / "requirements.lock"
    _install(folder, "--require-hashes", "--requirement", str(lock))
    return time.monotonic() - begun


def page_seconds(page: str, folder: Path) -> float:
    """How long it takes to do what a page says, on the embedded database."""
    # here: the walks are of the tests
    from tests import test_quickstart
    from tests.person import allows
    from tests.walkthrough import Walk

    begun = time.monotonic()
    match page:
        case "claude-code.md":
            test_quickstart.do_claude_code(folder, None)
        case "open-webui.md":
            _install(folder.with_name("open-webui's"), "cryptography", "httpx2", "msgspec")
            test_quickstart.do_open_webui(folder, None)
        case _:
            with Walk(folder, person=allows) as walk:
                walk.do(ROOT / "docs" / "quickstart" / page)
                return time.monotonic() - begun
    return time.monotonic() - begun


def main(arguments: list[str]) -> list[Row]:
    with tempfile.TemporaryDirectory() as scratch:
        installed = install_seconds(Path(scratch) / "licet")
        rows = [Row("installing Licet's server, seconds", f"{installed:.0f}")]
        for page in arguments or PAGES:
            seconds = page_seconds(page, Path(scratch) / page.removesuffix(".md"))
            what = f"{page}, from an empty folder to the first turns read back, seconds"
            page_alone = f"{what}; of them {seconds:.0f} for the page"
            rows.append(limited(page_alone, installed + seconds, SECONDS_MAX, 0))
    return rows


def _install(folder: Path, *words: str) -> None:
    """Makes an environment and installs into it."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, *words], check=True)
