"""Tables over all code points, for what is counted in a text without a Python object for a word:
its class, its script.

A table is made when it is first asked for, by the very methods of `str` and the expressions that
plain code uses.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

POINTS = 0x110000
# the planes that have letters and blanks; what is above are tags, selectors and private use
NAMED = 0x40000
SPACE, BREAK, ALPHA, BULLET, WORD = 1, 2, 4, 8, 16  # bits of a class
UNSPACED_SHIFT = 5  # where the numbers of scripts stand beside them (`label_columns`)
BULLETS = frozenset("-*•‣▪")


@cache
def classes() -> NDArray[np.uint8]:
    """The class of each code point: what `str.isspace`, `str.splitlines`, `str.isalpha`,
    ``BULLETS`` and `\\w` say.
    """
    table = np.zeros(POINTS, np.uint8)
    every = _every()
    for bit, is_one in ((SPACE, str.isspace), (ALPHA, str.isalpha), (WORD, str.isalnum)):
        table[:NAMED][np.fromiter(map(is_one, every), np.bool_, NAMED)] |= bit
    table[[ord(one) for one in "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"]] |= BREAK
    table[list(map(ord, BULLETS))] |= BULLET
    table[ord("_")] |= WORD
    return table


def _every() -> str:
    return "".join(map(chr, range(NAMED)))
