"""Measures a page in a browser: its controls with sizes, positions and colours, and what moves by
itself.

Uses Playwright, which is an optional dependency: without it UsageError says how to install it.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from licet.consent.lint import (
    Control,
    LintFinding,
    RenderedPage,
    lint_page,
    lint_source,
    parse_markup,
)
from licet.errors import UsageError
from licet.policy.file import Policy

# The shell draws as Chromium does, without its windows, for half the processor time.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome")
WATCHED_MILLISECONDS = 1_300
SETTLES_MILLISECONDS = 1_000


def find_chromium(environment: Mapping[str, str]) -> str | None:
    """The browser executable: `CHROMIUM`, or one on the path; None for Playwright's own."""
    named = environment.get("CHROMIUM")
    if named:
        return named
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def _script() -> str:
    text = (files("licet.consent") / "measure.js").read_text(encoding="utf-8")
    return text[text.index("() =>") :]


def measure(page: Any) -> RenderedPage:  # noqa: ANN401 Playwright's page, an optional import
    """Measures the page's controls, watching it for a moment for movement."""
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


def measure_address(address: str, environment: Mapping[str, str]) -> RenderedPage:
    """Opens a URL or a file in a browser and measures it; UsageError without a browser."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        raise UsageError(
            "measuring a page needs Playwright", "pip install playwright, or lint its markup"
        ) from None
    url = address if "://" in address else Path(address).resolve().as_uri()
    try:
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=find_chromium(environment))
            page = browser.new_page()
            page.goto(url)
            page.wait_for_timeout(SETTLES_MILLISECONDS)  # a sign-in redirects to its page
            page.wait_for_load_state("networkidle")
            return measure(page)
    except Error as error:
        raise UsageError(f"the page cannot be shown: {error.message.splitlines()[0]}") from None


def lint_notice(
    target: str, settings: str | None, environment: Mapping[str, str], policy: Policy | None = None
) -> list[LintFinding]:
    """Lints a notice's source, a page's markup, or a page in a browser. ``policy``: see
    `lint.lint_source`.
    """
    if target.endswith(".md"):
        return lint_source(_text_of(target), policy)
    return lint_page(
        _page_of(target, environment),
        settings=_page_of(settings, environment) if settings is not None else None,
    )


def _page_of(target: str, environment: Mapping[str, str]) -> RenderedPage:
    if target.startswith(("http://", "https://")):
        return measure_address(target, environment)
    return parse_markup(_text_of(target))


def _text_of(target: str) -> str:
    try:
        return Path(target).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"`{target}` cannot be read", "name a file, or an address that begins with https://"
        ) from error
