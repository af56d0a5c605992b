"""Confusable characters: folds a text for the detection rules, with a map back to the original.

Full-width and other digits, look-alikes of @, hyphens, stops and blanks, and mathematical and
circled letters are read as ASCII; zero-width characters, combining marks and tag characters are
removed. A character becomes one character or none, so the places of removed ones are the whole map.
Few texts have any of these: one scan tells.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from functools import cache

import numpy as np
import re2  # type: ignore[import-untyped]  # google-re2 ships neither stubs nor py.typed
from numpy.typing import NDArray

_BELOW = 0x1FC00  # above all folded or removed characters but the tag characters
_TAGS = (0xE0000, 0xE007F)
_INVISIBLE = (
    (0xAD, 0xAD), (0x300, 0x36F), (0x61C, 0x61C), (0x180E, 0x180E), (0x200B, 0x200F), (0x202A, 0x202E),
    (0x2060, 0x2069), (0x20D0, 0x20FF), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF),
)  # fmt: skip
_LOOKALIKES = {
    **dict.fromkeys((0xA0, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000), " "),
    **dict.fromkeys((0x2010, 0x2011, 0x2012, 0x2013, 0x2212, 0xFE58, 0xFE63), "-"),
    **{point: chr(point - 0xFEE0) for point in range(0xFF01, 0xFF5F)},
    **{
        ord(mark): plain
        for mark, plain in zip("\u2024\u3002\ufe52\uff61\ufe6b\u2044\u2215", "....@//", strict=True)
    },
}
_DIGITS = {
    point: str(unicodedata.decimal(chr(point)))
    for point in range(0x80, _BELOW)
    if unicodedata.category(chr(point)) == "Nd"
}
_STYLED = {  # letters of mathematics and in circles, by Unicode's compatibility forms
    point: plain
    for point in (*range(0x1D400, 0x1D7CE), *range(0x2460, 0x2469), *range(0x24B6, 0x24EA))
    if (plain := unicodedata.normalize("NFKC", chr(point))).isascii()
}
_READ_AS = _DIGITS | _LOOKALIKES | _STYLED


def _class() -> str:
    ranges = "".join(f"\\x{{{first:x}}}-\\x{{{last:x}}}" for first, last in (*_INVISIBLE, _TAGS))
    return f"[{ranges}{''.join(map(chr, _READ_AS))}]"


_ODD = re2.compile(_class().encode())


@cache
def _tables() -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
    """The fold of each code point below ``_BELOW``, and whether it is removed."""
    read = np.arange(_BELOW, dtype=np.uint32)
    read[list(_READ_AS)] = [ord(plain) for plain in _READ_AS.values()]
    taken = np.zeros(_BELOW, np.bool_)
    for first, last in _INVISIBLE:
        taken[first : last + 1] = True
    return read, taken


def is_odd(data: bytes) -> bool:
    """Whether folding changes a text in UTF-8."""
    return _ODD.search(data) is not None


def fold(text: str) -> tuple[str, list[int]]:
    """The folded text, and the place of each removed character, less the number removed before it.
    ``text`` has no lone surrogates.
    """
    if text.isascii():
        return text, []
    read, taken = _tables()
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    low = codes < _BELOW
    known = np.where(low, codes, 0)
    gone = taken[known] | ((codes >= _TAGS[0]) & (codes <= _TAGS[1]))
    removed = np.flatnonzero(gone)
    clean = np.where(low, read[known], codes)[~gone]
    return clean.astype("<u4").tobytes().decode("utf-32-le"), (
        removed - np.arange(len(removed))
    ).tolist()


def original_place(removed: Sequence[int], place: int) -> int:
    """The place in the original of the character at ``place`` of a folded text."""
    return place + bisect_right(removed, place)
