"""Tables over all code points, for what is counted in a text without a Python object for a word: its class, its script.

A table is made when it is first asked for, by the very methods of `str` and the expressions that plain code uses.
"""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import re2  # type: ignore[import-untyped]  # google-re2 ships neither stubs nor py.typed
from numpy.typing import NDArray

POINTS = 0x110000
NAMED = 0x40000  # the planes that have letters and blanks; what is above are tags, selectors and private use
SPACE, BREAK, ALPHA, BULLET, WORD = 1, 2, 4, 8, 16  # bits of a class
UNSPACED_SHIFT, SCRIPT_SHIFT = 5, 8  # where the numbers of scripts stand beside them (`label_columns`)
BULLETS = frozenset("-*•‣▪")
LETTERS = r"[^\W\d_]+"
# Scripts of one common language each. Japanese comes before Chinese, since it writes both.
SCRIPTS = {
    "ja": r"[\p{Hiragana}\p{Katakana}]+", "ko": r"\p{Hangul}+", "zh": r"\p{Han}+", "th": r"\p{Thai}+",
    "hi": r"\p{Devanagari}+", "el": r"\p{Greek}+", "he": r"\p{Hebrew}+", "ka": r"\p{Georgian}+",
    "hy": r"\p{Armenian}+", "bn": r"\p{Bengali}+", "ta": r"\p{Tamil}+",
}  # fmt: skip


def coded(text: str) -> NDArray[np.uint32]:
    """The code points of a text, lone surrogates too."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


@cache
def classes() -> NDArray[np.uint8]:
    """The class of each code point: what `str.isspace`, `str.splitlines`, `str.isalpha`, ``BULLETS`` and `\\w` say."""
    table = np.zeros(POINTS, np.uint8)
    every = _every()
    for bit, is_one in ((SPACE, str.isspace), (ALPHA, str.isalpha), (WORD, str.isalnum)):
        table[:NAMED][np.fromiter(map(is_one, every), np.bool_, NAMED)] |= bit
    table[[ord(one) for one in "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"]] |= BREAK
    table[list(map(ord, BULLETS))] |= BULLET
    table[ord("_")] |= WORD
    return table


@cache
def letters() -> NDArray[np.bool_]:
    """Whether each code point is a letter as ``LETTERS`` has it."""
    table = np.zeros(POINTS, np.bool_)
    for match in re.finditer(LETTERS, _every()):
        table[match.start() : match.end()] = True
    return table


@cache
def folded() -> NDArray[np.uint32]:
    """Each letter in lower case, and 0 for all else. The one that becomes two characters, an I with a dot, is an i."""
    table = np.zeros(POINTS, np.uint32)
    lowered = coded(_every().replace("\u0130", "i").lower())
    table[:NAMED] = np.where(letters()[:NAMED], lowered, 0)
    return table


@cache
def scripts() -> NDArray[np.uint8]:
    """Of each code point 2 and more for a letter of one of ``SCRIPTS``, in their order, 1 for another letter, or 0."""
    table = letters().astype(np.uint8)
    for first, last in ((0, 0xD800), (0xE000, 0x32000)):  # without surrogates, and as far as letters go
        every = "".join(map(chr, range(first, last)))
        for number, pattern in enumerate(SCRIPTS.values(), 2):
            for match in re2.compile(pattern).finditer(every):
                own = table[first + match.start() : first + match.end()]
                own[own > 0] = number
    return table


def _every() -> str:
    return "".join(map(chr, range(NAMED)))
