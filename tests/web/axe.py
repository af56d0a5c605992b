"""What axe finds on a page: violations of WCAG 2.2 AA or, without ``wcag``, of every rule that axe has.

Of the rules that a page passes only one element each is gone into (`resultTypes`), which makes it cheaper
(https://github.com/dequelabs/axe-core/blob/develop/doc/API.md#options-parameter).
"""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Error

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
_axe = Axe()


def violations(page: Any, *, wcag: bool = True) -> list[tuple[str, str]]:
    """The rule and the first element of each violation."""
    options: dict[str, Any] = {"resultTypes": ["violations"], **({"runOnly": WCAG} if wcag else {})}
    try:
        found = _axe.run(page, options=options).response["violations"]
    except Error:  # another page came meanwhile: it is the one to look at
        page.wait_for_load_state()
        found = _axe.run(page, options=options).response["violations"]
    return [(one["id"], one["nodes"][0]["html"]) for one in found]
