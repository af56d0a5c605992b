"""Finds repetitions of a conversation's names, so that a name replaced once is replaced throughout.

Promise: every whole, identical occurrence of a found value is given, except what is already covered
and code (code_strings.py). Each word of a person's name found with certainty counts by itself,
except short and common words: `Will` and `May` begin sentences. Conversations without names are not
read.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from licet.curate.code_strings import readable
from licet.curate.detect import DetectedSpan
from licet.curate.rules import IdentifierKind
from licet.curate.spaceless import estimate

VALUES_MAX = 2_000
WORD_LETTERS_MIN = 3
SURE = 0.5
NAMES = frozenset(
    {
        IdentifierKind.PERSON,
        IdentifierKind.ADDRESS,
        IdentifierKind.PLACE,
        IdentifierKind.ORGANISATION,
    }
)
# found everywhere by its own rule
_FOUND_BARE = re.compile(r"[a-z]{2,15}_[a-z]{2,15}_\d{4}")
_WORD = re.compile(r"[^\W\d_]+(?:['’\-][^\W\d_]+)*")
_USUAL_WORDS = """
ace alba amber amor angel april art ash august autumn bear bill bob booker brook brown bush carol chance charity chase
chip christian cliff coco crystal daisy dawn day dean del der destiny diamond don dot drew duke earl eden ember eve
faith fern field ford fox frank gay gene ginger glen grace grant gray green guy hand harmony heath heather holly hope
hunter iris ivy jack jade jasmine jay jewel johnson jordan joy july june king lance lane lily major march maria marina
mark mars mason max may mercy miles mill miller misty moon morning norm nova olive page park pat pearl penny piper
poppy price prince queen rain ray reed rich river rob robin rocky rod rose rosemary royal ruby rusty sage sally sandy
sky smith star stone storm sue summer sunny tom tony trinity van victor violet von wade ward way west will willow wing
winter wolf wood woods world young
"""
_USUAL = frozenset(_USUAL_WORDS.split())


def find_repeated(
    texts: Sequence[str],
    covers: Sequence[Sequence[DetectedSpan]],
    found: Sequence[Sequence[DetectedSpan]],
) -> list[list[DetectedSpan]]:
    """Other occurrences of the ``found`` values in each text, outside ``covers``."""
    values: dict[str, DetectedSpan] = {}
    for text, spans in zip(texts, found, strict=True):
        for span in spans:
            if span.kind in NAMES or span.rule == "named_user":
                for value in _values(text[span.start : span.end], span):
                    values.setdefault(value, span)
    if not values:
        return [[] for _ in texts]
    pattern = _pattern(sorted(values, key=lambda value: (-len(value), value))[:VALUES_MAX])
    return [
        readable(text, list(_places(text, pattern, values, [*covering, *own])))
        for text, covering, own in zip(texts, covers, found, strict=True)
    ]


def _values(value: str, span: DetectedSpan) -> Iterator[str]:
    if span.kind is IdentifierKind.USERNAME and _FOUND_BARE.fullmatch(value):
        return
    if len(value) >= (2 if estimate(value) else WORD_LETTERS_MIN) and (
        not value.isalpha() or not _is_usual(value)
    ):
        yield value
    if span.kind is IdentifierKind.PERSON and span.score >= SURE and not value.isalpha():
        for word in _WORD.findall(value):
            if len(word) >= WORD_LETTERS_MIN and word[0].isupper() and not _is_usual(word):
                yield word


def _is_usual(word: str) -> bool:
    return word.casefold() in _USUAL or word.islower()


def _pattern(values: Sequence[str]) -> re.Pattern[str]:
    """A pattern of all values, longest first; in scripts without spaces, without word
    boundaries.
    """
    apart = [re.escape(value) for value in values if not estimate(value)]
    together = [re.escape(value) for value in values if estimate(value)]
    begins = "".join(sorted({re.escape(value[0]) for value in values}))
    parts = [rf"(?<![\w\-])(?:{'|'.join(apart)})(?!\w)"] if apart else []
    return re.compile(rf"(?=[{begins}])(?:{'|'.join([*parts, *together])})")


def _places(
    text: str,
    pattern: re.Pattern[str],
    values: dict[str, DetectedSpan],
    covers: Sequence[DetectedSpan],
) -> Iterator[DetectedSpan]:
    taken = sorted((span.start, span.end) for span in covers)
    for match in pattern.finditer(text):
        at = bisect_left(taken, (match.end(),))
        if not any(end > match.start() for _, end in taken[max(0, at - 2) : at]):
            like = values[match[0]]
            yield DetectedSpan(match.start(), match.end(), like.kind, like.score, like.rule)
