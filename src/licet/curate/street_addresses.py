"""Street addresses in running text: a street by its language's words, a house number, a town.

Promise: a span begins and ends with a whole word, lies in one line, and holds a number. The
patterns: street_addresses.yaml.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

_UPPER = r"[^\W\d_a-zа-яёіїєґß-öø-ÿ]"
_WORD = rf"{_UPPER}[^\W\d_]+(?:['’\-][^\W\d_]+)*"
_SLOTS = {
    "{N}": r"\d{1,5}(?: ?[a-zA-Z]\b)?(?:[-/]\d{1,4})?",
    "{WS}": rf"(?:{_WORD} ){{1,3}}",
    "{WS1}": rf"{_WORD}(?: (?:(?:de|del|da|do|di|la|las|los|van|von|della|dei) )?{_WORD}){{0,3}}",
    "{W}": _WORD,
    "{Z}": rf"(?:,? (?:[A-Z]{{1,2}}-)?\d{{4,5}}(?:-\d{{3,4}})?(?: [A-Z]{{2}})?(?: {_WORD}){{0,2}}"
    rf"|,? \d{{2,3}}[ \-]\d{{2,3}} {_WORD}(?: {_WORD})?|(?:, {_WORD}(?: {_WORD})?){{1,2}}"
    rf"(?:,? [A-Z]{{2}})?(?: (?:\d{{5}}(?:-\d{{4}})?|[A-Z]{{1,2}}\d{{1,2}}[A-Z]? \d[A-Z]{{2}}))?)?",
}


@cache
def _load_phrases() -> dict[str, Any]:
    phrases: dict[str, Any] = yaml.safe_load(
        (files("licet.curate") / "street_addresses.yaml").read_bytes()
    )
    return phrases


@cache
def _public() -> tuple[str, ...]:
    return tuple(_load_phrases()["public"].split("|"))


@cache
def _patterns() -> list[re.Pattern[str]]:
    out = []
    for pattern in _load_phrases()["patterns"]:
        for slot, value in _SLOTS.items():
            pattern = pattern.replace(slot, value)
        out.append(re.compile(rf"(?<![\w\-/.]){pattern}(?![\w])"))
    return out


_NUMBER = re.compile(r"\d")


def addresses(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of each address, pattern by pattern."""
    if _NUMBER.search(text) is None:
        return
    last = -1
    spans = sorted(found.span() for pattern in _patterns() for found in pattern.finditer(text))
    for start, end in spans:
        if start >= last and not text.startswith(_public(), start):
            yield start, end
            last = end
