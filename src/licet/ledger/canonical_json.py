"""Canonical JSON as of RFC 8785, of values for which it needs no care: no fractions, keys in ASCII.

One value has one text, so that its hash and its signature can be computed again by anybody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import msgspec

from licet.errors import BrokenError

NUMBER_MAX = 2**53 - 1

Fact: TypeAlias = str | int | bool | None
Canonical: TypeAlias = "Fact | Sequence[Canonical] | Mapping[str, Canonical]"


def canonical(value: Canonical) -> bytes:
    """The only text of a value, RFC 8785; BrokenError for a value outside the restricted set."""
    _check(value)
    return msgspec.json.encode(value, order="sorted")


def _check(value: object) -> None:
    if value is None or isinstance(value, str | bool):
        return
    if isinstance(value, int):
        if abs(value) > NUMBER_MAX:
            raise BrokenError("a number in an entry is beyond 2**53 - 1")
    elif isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str) or not key.isascii():
                raise BrokenError("a key in an entry is not ASCII")
            _check(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _check(inner)
    else:
        raise BrokenError(f"a `{type(value).__name__}` is not allowed in canonical JSON")
