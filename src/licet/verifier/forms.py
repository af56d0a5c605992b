"""Strict reading of text, numbers and JSON, and the types of fields.

One spelling each: canonical base64, decimals without leading zeros, RFC 8785 JSON, UTC times.
Promise: a field is present and of its type before it is compared, because a missing field equals
another missing one and `true` equals 1.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any, NoReturn

from licet.verifier.answer import ContradictionError

SIZE_MAX = 2**63 - 1
_NUMBER = re.compile(r"(?:0|[1-9][0-9]{0,18})\Z", re.ASCII)


def decode_base64(text: str, place: str, promise: str) -> bytes:
    """Decodes canonical base64 only."""
    try:
        data = base64.b64decode(text.encode(), validate=True)
    except ValueError:
        raise ContradictionError(place, promise) from None
    if base64.b64encode(data) != text.encode():
        raise ContradictionError(place, promise)
    return data


def parse_number(text: str, place: str, promise: str) -> int:
    if not _NUMBER.match(text) or int(text) > SIZE_MAX:
        raise ContradictionError(place, promise)
    return int(text)


def read_json(
    raw: bytes, place: str, error: type[ContradictionError] = ContradictionError
) -> dict[str, Any]:
    """Parses a JSON object in canonical form (RFC 8785): sorted keys, no duplicates or extra
    bytes.
    """
    try:
        decoder, encoder = _strict_json()
        value = decoder.decode(raw.decode())
        again = encoder.encode(value).encode()
    except (ValueError, RecursionError):
        raise error(place, "it is canonical JSON") from None
    if not isinstance(value, dict) or again != raw:
        raise error(place, "it is canonical JSON")
    return value


def _refuse_number(text: str) -> NoReturn:
    raise ValueError(f"`{text}` is not a whole number")


@lru_cache(maxsize=1)
def _strict_json() -> tuple[json.JSONDecoder, json.JSONEncoder]:
    """Made once: json.loads and json.dumps make one for each call with options."""
    return (
        json.JSONDecoder(parse_float=_refuse_number, parse_constant=_refuse_number),
        json.JSONEncoder(
            sort_keys=True, separators=(",", ":"), ensure_ascii=False, check_circular=False
        ),
    )


# A shape is one of: the name of a type below, with a final `?` if null is allowed; a frozenset of
# the allowed words; a list with the shape of every element; a tuple with a shape for each position;
# or a mapping of keys to shapes. In a mapping a key that ends in `?` may be missing, `*` gives the
# shape of every other key, and `...` allows other keys of any shape.
Shape = Any
YEAR_MIN = 2000  # earlier dates are errors
TIME = r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{6})?Z"
_TIME = re.compile(TIME, re.ASCII)
_TIME_WIDTH = len("2026-03-01T10:15:31Z")
HEX = re.compile(r"[0-9a-f]{64}")
_ID = re.compile(r"[0-9a-f]{32}")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_QUESTION = re.compile(r"[a-z][a-z0-9_]{0,31}")
_SCOPES = ("account", "project", "conversation")
_DAY = re.compile(r"[2-9][0-9]{3}-[0-9]{2}-[0-9]{2}", re.ASCII)
PERIOD = re.compile(r"P([1-9][0-9]{0,5})([DWMY])", re.ASCII)


@dataclass(frozen=True, slots=True)
class Null:
    """A shape or null."""

    shape: Shape


@dataclass(frozen=True, slots=True)
class Either:
    """One shape for mappings, another for other values."""

    mapping: Shape
    other: Shape


def find_misfit(value: object, shape: Shape, path: str = "") -> str | None:
    """The path at which a value first differs from its shape; None if it fits."""
    match shape:
        case str():
            fits = (value is None and shape[-1] == "?") or fits_kind(value, shape)
            return None if fits else path or "."
        case frozenset():
            return None if isinstance(value, str) and value in shape else path or "."
        case Null(inner):
            return None if value is None else find_misfit(value, inner, path)
        case Either(mapping, other):
            return find_misfit(value, mapping if isinstance(value, dict) else other, path)
        case list() | tuple():
            if not isinstance(value, list) or (
                isinstance(shape, tuple) and len(value) != len(shape)
            ):
                return path or "."
            inners = shape if isinstance(shape, tuple) else shape * len(value)
            places = (
                find_misfit(element, inner, f"{path}.{n}")
                for n, (element, inner) in enumerate(zip(value, inners, strict=True))
            )
            return next((place for place in places if place), None)
        case _:
            return _misfit_keys(value, shape, path)


def _misfit_keys(value: object, shape: dict[str, Shape], path: str) -> str | None:
    if not isinstance(value, dict):
        return path or "."
    expected, other = set(), shape.get("*", shape.get("...", ""))
    for key, inner in shape.items():
        name = key.rstrip("?")
        expected.add(name)
        if key in ("*", "...") or (name not in value and key != name):
            continue
        if name not in value:
            return f"{path}.{name}"
        if misfit := find_misfit(value[name], inner, f"{path}.{name}"):
            return misfit
    for key, element in value.items():
        if key not in expected and (
            other == "" or (other is not None and find_misfit(element, other))
        ):
            return f"{path}.{key}"
    return None


def check_shape(
    value: object,
    shape: Shape,
    place: str,
    kind: str,
    error: type[ContradictionError] = ContradictionError,
) -> None:
    """Raises ``error`` unless the value has the fields of ``kind``, each of its type."""
    misfit = find_misfit(value, shape)
    if misfit:
        raise error(place, f"it has the fields of {kind}: `{misfit.lstrip('.') or kind}`")


def fits_kind(value: object, shape: str) -> bool:
    if isinstance(value, str):  # the most frequent: strings, mostly hashes
        kind = shape.rstrip("?")
        return HEX.fullmatch(value) is not None if kind == "hash" else _is_text(value, kind)
    match shape.rstrip("?"):
        case "int":
            return type(value) is int and value >= 0
        case "signed":
            return type(value) is int
        case "pos":
            return type(value) is int and value >= 1
        case "one":
            return type(value) is int and value == 1
        case "two":
            return type(value) is int and value == 2
        case "bool":
            return isinstance(value, bool)
        case _:
            return False


@lru_cache(maxsize=1 << 14)
def _is_text(value: str, kind: str) -> bool:
    match kind:
        case "id":
            return _ID.fullmatch(value) is not None
        case "word":
            return _WORD.fullmatch(value) is not None
        case "question":
            return _QUESTION.fullmatch(value) is not None
        case "scope":
            return value in _SCOPES
        case "period":
            return PERIOD.fullmatch(value) is not None
        case "time":
            return _TIME.fullmatch(value) is not None and is_real_day(value[:10])
        case "day":
            return _DAY.fullmatch(value) is not None and is_real_day(value)
        case "text":
            return bool(value.strip())
        case _:
            return False


@lru_cache(maxsize=1 << 14)
def is_real_day(value: str) -> bool:
    """Whether the day exists in the calendar and is not before ``YEAR_MIN``."""
    try:
        return date.fromisoformat(value).year >= YEAR_MIN
    except ValueError:
        return False


def read_time(value: object, place: str, name: str) -> datetime:
    if not isinstance(value, str) or not _is_text(value, "time"):
        raise ContradictionError(place, f"`{name}` is a time in UTC")
    return datetime.fromisoformat(value)


def time_text(time: str) -> str:
    """A valid time to the microsecond, so that texts sort as instants."""
    return time if len(time) > _TIME_WIDTH else f"{time[:-1]}.000000Z"
