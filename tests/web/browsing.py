"""A browser for the tests of pages: Debian's headless shell of Chromium, driven by Playwright;
without one they fail.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

import pytest

from licet.access.roles import StaffRole
from licet.consent import rendered_page
from licet.store.connect import Pool

from .people import NOTICE, Town, application, serving

MILLISECONDS_MAX = 600_000  # for a page to show what it is to: no load of a machine takes that long
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


def resting_browser() -> Iterator[tuple[Any, Any]]:
    """A browser and the loop of its driver, which is at rest until a test asks for `browser`: one
    for a worker.
    """
    with launched() as started:
        loop = asyncio.get_running_loop()
        asyncio._set_running_loop(None)
        yield started, loop
        asyncio._set_running_loop(loop)


@pytest.fixture(scope="module")
def browser(worker_browser: tuple[Any, Any]) -> Iterator[Any]:
    """A browser for the tests of one file. Its driver's loop runs in this thread meanwhile, in
    which no other can be run.
    """
    started, loop = worker_browser
    asyncio._set_running_loop(loop)
    try:
        yield started
        for context in started.contexts:
            context.close()
    finally:
        asyncio._set_running_loop(None)


@contextmanager
def launched() -> Iterator[Any]:
    """A browser; its driver runs a loop in this thread for as long, in which no other can be
    run.
    """
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        absent("Playwright is not installed")
    with sync_playwright() as driver:
        try:
            started = driver.chromium.launch(
                executable_path=rendered_page.find_chromium(os.environ)
            )
        except Error as error:
            absent(f"no browser: {error.message.splitlines()[0]}")
        yield started
        started.close()


def absent(why: str) -> NoReturn:
    """Skips, saying how to get a browser; in CI a page that nobody looked at is a failure."""
    message = (
        f"{why}; apt-get install --no-install-recommends chromium-headless-shell, or set CHROMIUM"
    )
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


class Site:
    """The town's pages on a port, and a browser to visit them with."""

    def __init__(self, town: Town, url: str, browser: Any) -> None:
        self.town, self.url, self._browser = town, url, browser
        self._contexts: list[Any] = []

    def blank(self, **more: Any) -> Any:
        """An empty page, in a browser of its own."""
        context = self._browser.new_context(viewport=more.pop("viewport", DESKTOP), **more)
        context.set_default_timeout(MILLISECONDS_MAX)
        self._contexts.append(context)
        return context.new_page()

    def visit(self, name: str | None, path: str, **more: Any) -> Any:
        """A page that ``name`` has opened, in a browser of its own."""
        page = self.blank(**more)
        page.goto(self.url + path if name is None else self.entrance(name, path))
        if name is not None:
            page.wait_for_url(self.url + path)
        return page

    def visit_as(self, roles: tuple[StaffRole, ...], path: str, **more: Any) -> Any:
        """A page that staff with these roles have opened, in a browser that has just signed in by a
        link.
        """
        page = self.blank(**more)
        page.goto(f"{self.url}/sign-in/link/{self.town.staff_link(roles)}")
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{self.url}/console")
        if path != "/console":
            page.goto(self.url + path)
        return page

    def entrance(self, name: str, path: str) -> str:
        """The link by which the host application sends its person here, signed in."""
        return f"{self.url}/enter?token={self.town.link_token(name)}&to={quote(path, safe='/')}"

    def close(self) -> None:
        for context in self._contexts:
            context.close()


@pytest.fixture
def site(
    request: pytest.FixtureRequest, pool: Pool, tmp_path: Path, browser: Any
) -> Iterator[Site]:
    """The pages under `article-2025`, or under the preset that a test is parametrized with, or in
    the languages after it.
    """
    folder = tmp_path / "data"
    folder.mkdir()
    preset, *languages = getattr(request, "param", "article-2025").split()
    town = Town(pool, folder, preset, languages=languages)
    with serving(application(town)) as url:
        made = Site(town, url, browser)
        yield made
        made.close()


def existing(site: Site, name: str = "ana") -> None:
    """An account from before the terms, at a moment when the notice can be put off."""
    site.town.open(name)
    site.town.say(name, "Pear trees")
    site.town.clock.set(NOTICE)


def unfold(page: Any) -> None:
    """Opens everything on a page that is folded away."""
    page.locator("details.fold").evaluate_all("(all) => all.forEach((each) => (each.open = true))")
