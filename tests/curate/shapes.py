"""Draws strings that a pattern matches: for patterns of literals, classes, groups, alternatives and
counted repeats.
"""

from __future__ import annotations

import re
from random import Random

# The standard library's own parser, which typeshed leaves out.
from re import _constants as codes
from re import _parser

_DIGIT = "0123456789"


def drawn(pattern: str, choose: Random) -> str:
    """One string that ``pattern`` matches as a whole."""
    plain = pattern.replace(r"\p{Greek}", "[ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ]")
    text = _of(_parser.parse(plain), choose)
    assert re.fullmatch(plain, text), (pattern, text)
    return text


def _of(parsed, choose: Random) -> str:
    return "".join(_one(op, value, choose) for op, value in parsed)


def _one(op, value, choose: Random) -> str:
    if op is codes.LITERAL:
        return chr(value)
    if op is codes.IN:
        return choose.choice(_class(value))
    if op is codes.MAX_REPEAT:
        low, high, inner = value
        return "".join(_of(inner, choose) for _ in range(choose.randint(low, min(high, low + 3))))
    if op is codes.SUBPATTERN:
        return _of(value[3], choose)
    if op is codes.BRANCH:
        return _of(choose.choice(value[1]), choose)
    raise AssertionError(f"a shape has `{op}`")


def _class(parts) -> str:
    out = ""
    for op, value in parts:
        if op is codes.LITERAL:
            out += chr(value)
        elif op is codes.RANGE:
            out += "".join(map(chr, range(value[0], value[1] + 1)))
        elif op is codes.CATEGORY and value is codes.CATEGORY_DIGIT:
            out += _DIGIT
        else:
            raise AssertionError(f"a class has `{op}`")
    return out
