"""The pages where people are asked, in Debian's Firefox: they are read, answered and taken back
there too.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from ..waiting import wait_until
from .browsing import Site, browser, existing, site
from .firefox import Firefox, firefox
from .test_everybody import CUT, WIDE

__all__ = ["browser", "site"]

FOCUS = "return [document.activeElement.id, document.activeElement.getAttribute('role')]"


def call(arrow: str) -> str:
    return f"return ({arrow})()"


def entered(site: Site, page: Firefox, path: str) -> None:
    """Signed in, at a path; the entrance goes on to it by itself."""
    page.go(site.entrance("ana", path))
    wait_until(lambda: page.run("return location.pathname") == path, "the entrance goes on")
    page.go(site.url + path)


def text(page: Firefox) -> str:
    return str(page.run("return document.querySelector('main').innerText"))


def test_a_notice_is_read_answered_and_taken_back_in_firefox(site: Site, tmp_path: Path) -> None:
    existing(site)
    with firefox(tmp_path) as page:
        entered(site, page, "/notice")
        assert "May we use your chats and coding sessions to improve our models?" in text(page)
        page.click("button[value=save]")
        assert page.run("return document.title").startswith("Error: ")
        assert page.run(FOCUS) == ["faults", "alert"]
        page.click("#terms")
        page.click("#allow-no")
        page.click("button[value=save]")
        assert page.run(FOCUS) == ["flash", "status"]
        assert site.town.standing("ana") == "declined"
        page.go(f"{site.url}/settings")
        page.click("button[value=yes]")
        assert (site.town.standing("ana"), page.run(FOCUS)) == ("granted", ["flash", "status"])
        page.click(".toast button")
        assert (site.town.standing("ana"), page.run(FOCUS)) == ("withdrawn", ["flash", "status"])


@pytest.mark.parametrize("path", ["/notice", "/settings", "/design"])
def test_nothing_is_cut_and_nothing_scrolls_sideways_in_firefox(
    site: Site, tmp_path: Path, path: str
) -> None:
    existing(site)
    with firefox(tmp_path) as page:
        entered(site, page, "/settings")
        page.go(site.url + path)
        page.size(500, 800)  # it has no narrower window
        assert page.run(call(WIDE)) <= 0
        assert page.run(call(CUT)) == []
