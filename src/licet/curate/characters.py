"""Tables of character classes and scripts over all code points, to classify texts without objects.

A table is built on first use from the `str` methods and expressions of the plain code.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

POINTS = 0x110000
# the planes with letters and blanks; above are tags, selectors and private use
NAMED = 0x40000
SPACE, BREAK, ALPHA, BULLET, WORD = 1, 2, 4, 8, 16  # bits of a class
UNSPACED_SHIFT = 5  # bit position of script numbers (`label_columns`)
BULLETS = frozenset("-*•‣▪")


@cache
def classes() -> NDArray[np.uint8]:
    """The class of each code point, by `str.isspace`, `str.splitlines`, `str.isalpha`, ``BULLETS``
    and `\\w`.
    """
    table = np.zeros(POINTS, np.uint8)
    every = _classify_all()
    for bit, is_one in ((SPACE, str.isspace), (ALPHA, str.isalpha), (WORD, str.isalnum)):
        table[:NAMED][np.fromiter(map(is_one, every), np.bool_, NAMED)] |= bit
    table[[ord(one) for one in "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"]] |= BREAK
    table[list(map(ord, BULLETS))] |= BULLET
    table[ord("_")] |= WORD
    return table


def _classify_all() -> str:
    return "".join(map(chr, range(NAMED)))
