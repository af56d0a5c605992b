"""The example hosts of examples/hosts, in a browser, as their README starts them: plain HTML, Vue
and React.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tools import elements_package

from . import npm
from .browsing import Site, browser, existing, site
from .people import application as application_of
from .people import serving

__all__ = ["browser", "site"]

HOSTS = Path(__file__).parents[2] / "examples" / "hosts"
PORT = 8788  # as examples/hosts/host.py has it where nobody says another


@contextmanager
def hosted(example: str, folder: Path, site: Site) -> Iterator[tuple[str, Any]]:
    """The address of an example that runs beside a server of Licet which knows its origin."""
    script = [
        sys.executable,
        str(folder / "host.py"),
        example,
        "--key",
        str(site.town.token_key_file),
        "--port",
    ]
    for port in range(PORT, PORT + 20):
        with serving(application_of(site.town, f"http://127.0.0.1:{port}")) as licet:
            ran = subprocess.Popen(
                [*script, str(port), "--licet", licet], stdout=subprocess.PIPE, text=True
            )
            try:
                assert ran.stdout is not None
                url = ran.stdout.readline().strip()
                if url:  # else the port is taken
                    yield url, licet
                    return
            finally:
                ran.kill()
                ran.wait()
    raise AssertionError("no port is free")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples with what npm installs for them, and the package that they depend on, made
    anew.
    """
    root = tmp_path_factory.mktemp("clone")
    elements_package.write(root / "packages" / "elements" / "build")
    folder = root / "examples" / "hosts"
    shutil.copytree(
        HOSTS,
        folder,
        ignore=shutil.ignore_patterns("node_modules", "built.js", "package-lock.json"),
    )
    for name in ("vue", "react"):
        npm.run(folder / name, "install")
    npm.run(folder / "react", "run", "build")
    return folder


def answers(page: Any) -> None:
    """Answers the notice with a no, and sees what the host says of it."""
    page.get_by_label("I accept the new terms.").check()
    page.locator("licet-notice >> input[type=radio][value=no]").check()
    page.locator("licet-notice >> button[name=act][value=save]").click()
    page.get_by_text("You answered training: no.").wait_for()


def changes(page: Any) -> None:
    """Takes it back in the settings, which have asked again since the notice told of the no."""
    page.wait_for_function(
        "() => !document.querySelector('licet-settings').hasAttribute('aria-busy')"
    )
    page.locator("licet-settings >> button[name=allow][value=yes]").click()
    page.get_by_text("You answered training: yes.").wait_for()


def test_a_host_of_plain_html_asks_is_told_and_changes_the_answer(site: Site) -> None:
    existing(site)
    with hosted("html", HOSTS, site) as (url, _):
        page = site.visit(None, "/healthz")
        page.goto(url)
        answers(page)
        page.get_by_role("button", name="Close").click()
        changes(page)
    assert [made.allow for made in site.town.seen("ana").choices] == [False, True]


@pytest.mark.parametrize("example", ["vue", "react"])
def test_a_host_of_a_framework_asks_is_told_and_changes_the_answer(
    site: Site, installed: Path, example: str
) -> None:
    existing(site)
    faults: list[str] = []
    with hosted(example, installed, site) as (url, licet):
        page = site.visit(None, "/healthz")
        page.on("pageerror", lambda error: faults.append(str(error)))
        loaded: list[str] = []
        page.on("request", lambda request: loaded.append(request.url))
        page.goto(url)
        answers(page)
        if example == "vue":
            page.get_by_role("dialog").get_by_role("button", name="Close").click()
        changes(page)
    assert faults == []
    assert not [
        one for one in loaded if one.startswith(f"{licet}/static/") and one.endswith(".js")
    ], "its own package"
    assert [made.allow for made in site.town.seen("ana").choices] == [False, True]
