"""A page as a browser shows it: the controls with their measured sizes, places and colours, and
what moves by itself.

Playwright drives the browser. It is no dependency of the product: without it UsageError says how to
get it.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from licet.consent.lint import Control, LintFinding, RenderedPage, judge, markup, source
from licet.errors import UsageError
from licet.policy.file import Policy

# The shell draws as Chromium does, without its windows, for half the processor time.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome")
WATCHED_MILLISECONDS = 1_300
SETTLES_MILLISECONDS = 1_000


def chromium(environment: Mapping[str, str]) -> str | None:
    """The browser to drive: `CHROMIUM`, or one on the path; None leaves it to Playwright's own."""
    named = environment.get("CHROMIUM")
    if named:
        return named
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


def _script() -> str:
    text = (files("licet.consent") / "measure.js").read_text(encoding="utf-8")
    return text[text.index("() =>") :]


# a Playwright page, which is imported only where it is used
def measure(page: Any) -> RenderedPage:  # noqa: ANN401
    """What a browser's page shows now, watched for a moment to see what moves by itself."""
    script = _script()
    first = page.evaluate(script)
    page.wait_for_timeout(WATCHED_MILLISECONDS)
    second = page.evaluate(script)
    before = set(first["texts"])
    moving = [
        text for text in second["texts"] if text not in before and any(c.isdigit() for c in text)
    ]
    return RenderedPage(
        controls=msgspec.convert(second["controls"], tuple[Control, ...]),
        text=second["text"],
        timers=tuple(second["timers"]),
        moving=tuple(f"`{text[:40]}`" for text in moving[:5]),
    )


def look(address: str, environment: Mapping[str, str]) -> RenderedPage:
    """Opens an address or a file in a browser and measures it; UsageError where there is no browser
    to drive.
    """
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        raise UsageError(
            "measuring a page needs Playwright", "pip install playwright, or lint its markup"
        ) from None
    url = address if "://" in address else Path(address).resolve().as_uri()
    try:
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=chromium(environment))
            page = browser.new_page()
            page.goto(url)
            page.wait_for_timeout(SETTLES_MILLISECONDS)  # a sign-in goes on to the page it is for
            page.wait_for_load_state("networkidle")
            return measure(page)
    except Error as error:
        raise UsageError(f"the page cannot be shown: {error.message.splitlines()[0]}") from None


def lint_notice(
    target: str, settings: str | None, environment: Mapping[str, str], policy: Policy | None = None
) -> list[LintFinding]:
    """What presses in a notice's source, a page's markup, or a page as a browser shows it.
    ``policy``: see `lint.source`.
    """
    if target.endswith(".md"):
        return source(_text_of(target), policy)
    return judge(
        _page_of(target, environment),
        settings=_page_of(settings, environment) if settings is not None else None,
    )


def _page_of(target: str, environment: Mapping[str, str]) -> RenderedPage:
    if target.startswith(("http://", "https://")):
        return look(target, environment)
    return markup(_text_of(target))


def _text_of(target: str) -> str:
    try:
        return Path(target).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"`{target}` cannot be read", "name a file, or an address that begins with https://"
        ) from error
