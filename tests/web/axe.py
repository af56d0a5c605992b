"""What axe finds on a page: violations of WCAG 2.2 AA or, without ``wcag``, of every rule that axe has.

Of the rules that a page passes only one element each is gone into (`resultTypes`), which makes it cheaper
(https://github.com/dequelabs/axe-core/blob/develop/doc/API.md#options-parameter).

A page that was found clean is not gone into again by every rule when it comes in another size or in other colours with the
same elements, and the same of them visible: in other colours the rules of contrast are asked, in another size those of
sizes. The whole (`tests/tiers.py`) asks every rule each time.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Error

from ..tiers import WHOLE

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
OF_COLOURS = ["color-contrast", "link-in-text-block"]
OF_SIZES = ["target-size", "scrollable-region-focusable"]
VARIES = re.compile(rb"[0-9a-f-]{12,}|eyJ[\w.-]+|\d\d:\d\d(:\d\d)?")  # ids, tokens and times of day
_axe = Axe()
_clean: set[tuple[object, ...]] = set()
_BUILT = """() => {
  const seen = [];
  const walk = (root) => { for (const e of root.querySelectorAll('*')) {
    seen.push(e.checkVisibility({ visibilityProperty: true }) ? 1 : 0);
    if (e.shadowRoot) { seen.push(e.shadowRoot.innerHTML); walk(e.shadowRoot); } } };
  walk(document);
  const asks = ['(prefers-color-scheme: dark)', '(forced-colors: active)', '(prefers-contrast: more)'];
  return [document.documentElement.outerHTML + seen.join(''), asks.map((ask) => matchMedia(ask).matches).join()];
}"""


def violations(page: Any, *, wcag: bool = True) -> list[tuple[str, str]]:
    """The rule and the first element of each violation."""
    try:
        return _violations(page, wcag)
    except Error:  # another page came meanwhile: it is the one to look at
        page.wait_for_load_state()
        return _violations(page, wcag)


def _violations(page: Any, wcag: bool) -> list[tuple[str, str]]:
    text, colours = page.evaluate(_BUILT)
    built = hashlib.sha256(VARIES.sub(b"", text.encode())).digest()
    size = tuple(page.viewport_size.values()) if page.viewport_size else ()
    rules = None if WHOLE else _rules(built, wcag, colours, size)
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if rules is not None:
        if not rules:
            return []
        options["runOnly"] = {"type": "rule", "values": rules}
    elif wcag:
        options["runOnly"] = WCAG
    found = _axe.run(page, options=options).response["violations"]
    if not found:
        _clean.update([(built, wcag), (built, wcag, colours), (built, wcag, size)])
    return [(one["id"], one["nodes"][0]["html"]) for one in found]


def _rules(built: bytes, wcag: bool, colours: str, size: tuple[int, ...]) -> list[str] | None:
    """The rules that may find something that they did not find before; None for all."""
    if (built, wcag) not in _clean:
        return None
    known = {(built, wcag, colours): OF_COLOURS, (built, wcag, size): OF_SIZES}
    return [rule for key, rules in known.items() if key not in _clean for rule in rules]
