"""Language negotiation: the best available language for an ``Accept-Language`` header.

Lookup of RFC 4647, section 3.4, with two additions: traditional and simplified Chinese are
distinguished by the script that a region implies and never substituted for each other, and another
region's variant of a language is preferred to English.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

ENGLISH = "en"
ACCEPTED_MAX = 20
TAGS_REMEMBERED_MAX = 1_000
TAG = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z]{4})?(?:-(?:[A-Za-z]{2}|[0-9]{3}))?")
_TRADITIONAL = frozenset({"TW", "HK", "MO"})
_RIGHT_TO_LEFT = frozenset({"ar", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"})
_OLD = {"iw": "he", "in": "id", "ji": "yi"}  # what some browsers still send
_UNDETERMINED = re.compile(r"[-_]")


def direction(tag: str) -> str:
    """``rtl`` for a language that is written from right to left, ``ltr`` for any other: the value
    of ``dir``.
    """
    return "rtl" if tag.partition("-")[0] in _RIGHT_TO_LEFT else "ltr"


def rank_tags(header: str) -> list[str]:
    """The tags of a header by descending quality, without those with ``q=0`` or malformed."""
    ranked = []
    for place, part in enumerate(header.split(",")[:ACCEPTED_MAX]):
        name, _, weight = part.strip().partition(";")
        try:
            quality = float(weight.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        if quality > 0 and TAG.match(name.strip()):
            ranked.append((-quality, place, name.strip()))
    return [name for _, _, name in sorted(ranked)]


def lookup(tags: Iterable[str], available: Sequence[str]) -> str:
    """The tag of ``available`` that matches the first of ``tags`` with a match; otherwise English."""
    for tag in tags:
        for known_tag in (
            one for step in (_same, _wider, _is_sibling) for one in available if step(tag, one)
        ):
            return known_tag
    return ENGLISH


@lru_cache(maxsize=TAGS_REMEMBERED_MAX)
def fallbacks(tag: str) -> tuple[str, ...]:
    """The fallback chain of ``tag``: pt-BR, pt, en. Never another script."""
    language, script, _ = _parts(tag)
    wider = [tag, f"{language}-{script}", language if not script else tag, ENGLISH]
    return tuple(
        [
            one
            for place, one in enumerate(wider)
            if not one.endswith("-") and one not in wider[:place]
        ]
    )


def _same(tag: str, available: str) -> bool:
    return _parts(tag) == _parts(available)


def _wider(tag: str, available: str) -> bool:
    """Whether ``available`` is the same language and script for every region."""
    return _parts(tag)[:2] == _parts(available)[:2] and not _parts(available)[2]


def _is_sibling(tag: str, available: str) -> bool:
    """Whether ``available`` is the same language and script in another region."""
    return _parts(tag)[:2] == _parts(available)[:2]


# a lookup holds each tag against every language, three times
@lru_cache(maxsize=TAGS_REMEMBERED_MAX)
def _parts(tag: str) -> tuple[str, str, str]:
    """Language, script and region; a script only for Chinese, where a region that only implies it
    is left out.
    """
    first, *more = _UNDETERMINED.split(tag)
    language = _OLD.get(first.lower(), first.lower())
    script = next((part.title() for part in more if len(part) == 4 and part.isalpha()), "")
    region = next((part.upper() for part in more if len(part) == 2 or part.isdigit()), "")
    if language == "zh":
        return language, script or ("Hant" if region in _TRADITIONAL else "Hans"), ""
    return language, script, region
