"""What axe finds on a page: violations of WCAG 2.2 AA or, without ``wcag``, of every rule that axe
has.

Of the rules that a page passes only one element each is gone into (`resultTypes`), which makes it
cheaper (https://github.com/dequelabs/axe-core/blob/develop/doc/API.md#options-parameter).

A page that was found clean is not gone into again by every rule when it comes in another size or in
other colours with the same elements, and the same of them visible: in another size the rules of
sizes are asked. The rule of contrast is asked where words stand in colours, a weight and a size
that it has not been asked about yet, on whichever page those were. The whole (`tests/tiers.py`)
asks every rule each time.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Error

from ..tiers import WHOLE
from .browsing import DESKTOP, PHONE

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
CONTRAST = "color-contrast"
OF_COLOURS = ["link-in-text-block"]
OF_SIZES = ["target-size", "scrollable-region-focusable"]
LOOKS = ((PHONE, "light"), (DESKTOP, "dark"))
# Ids, tokens, times of day and numbers.
VARIES = re.compile(
    rb'[0-9a-f-]{12,}|eyJ[\w.-]+|(?<=name="csrf" value=")[^"]*|\d\d:\d\d(:\d\d)?|(?<=>)\d+(?=<)'
)
_axe = Axe()
_clean: set[tuple[object, ...]] = set()
# how words were painted that the rule of contrast found nothing wrong with
_readable: set[str] = set()
# What is built and visible; the colours that are asked for; how words are painted, by all that the
# rule of contrast looks at.
_BUILT = """() => {
  const seen = [], painted = new Set();
  const above = (e) => e.assignedSlot || e.parentElement || (e.getRootNode().host ?? null);
  const behind = (e) => { const found = []; for (; e; e = above(e)) { const s = getComputedStyle(e);
    found.push(s.backgroundColor + s.backgroundImage + s.opacity + s.filter + s.mixBlendMode + s.position); }
    return found.filter((one, n) => one !== found[n - 1]).join('|'); };
  const walk = (root) => { for (const e of root.querySelectorAll('*')) {
    const visible = e.checkVisibility({ visibilityProperty: true });
    seen.push(visible ? 1 : 0);
    if (visible && (e.value || [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))) {
      const s = getComputedStyle(e);
      painted.add([s.color, s.fontSize, s.fontWeight, s.textShadow, behind(e)].join()); }
    if (e.shadowRoot) { seen.push(e.shadowRoot.innerHTML); walk(e.shadowRoot); } } };
  walk(document);
  const asks = ['(prefers-color-scheme: dark)', '(forced-colors: active)', '(prefers-contrast: more)'];
  const colours = asks.map((ask) => matchMedia(ask).matches).join();
  return [document.documentElement.outerHTML + seen.join(''), colours, [...painted]];
}"""


def faults(page: Any) -> list[tuple[str, ...]]:
    """What axe finds on a page in each of two looks, and by how much it is too wide; by the scheme
    of colours.
    """
    found: list[tuple[str, ...]] = []
    for size, scheme in LOOKS:
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=scheme)
        found += [(scheme, *violation) for violation in violations(page)]
        wide = page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
        if wide > 0:
            found.append((scheme, f"{wide} px too wide"))
    return found


def violations(page: Any, *, wcag: bool = True) -> list[tuple[str, str]]:
    """The rule and the first element of each violation."""
    try:
        return _violations(page, wcag)
    except Error:  # another page came meanwhile: it is the one to look at
        page.wait_for_load_state()
        return _violations(page, wcag)


def _violations(page: Any, wcag: bool) -> list[tuple[str, str]]:
    text, colours, painted = page.evaluate(_BUILT)
    built = hashlib.sha256(VARIES.sub(b"", text.encode())).digest()
    size = tuple(page.viewport_size.values()) if page.viewport_size else ()
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if WHOLE or (built, wcag) not in _clean:
        options |= {"runOnly": WCAG} if wcag else {}
        if not WHOLE and _readable.issuperset(painted):
            options["rules"] = {CONTRAST: {"enabled": False}}
    elif rules := list(_rules(built, wcag, colours, size, painted)):
        options["runOnly"] = {"type": "rule", "values": rules}
    else:
        return []
    found = _axe.run(page, options=options).response["violations"]
    if not found:
        _clean.update([(built, wcag), (built, wcag, colours), (built, wcag, size)])
        _readable.update(painted)
    return [(one["id"], one["nodes"][0]["html"]) for one in found]


def _rules(
    built: bytes, wcag: bool, colours: str, size: tuple[int, ...], painted: Sequence[str]
) -> Iterator[str]:
    """Of a page that was clean, the rules that may find something that they did not find before."""
    if (built, wcag, colours) not in _clean:
        yield from OF_COLOURS
    if (built, wcag, size) not in _clean:
        yield from OF_SIZES
    if not _readable.issuperset(painted):
        yield CONTRAST
