"""Canonical JSON (RFC 8785) for a subset of values: no fractions, ASCII keys.

A value has exactly one encoding, so that anyone can recompute its hash and signature.
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
    """Encodes a value as RFC 8785; BrokenError for a value outside the subset."""
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
