"""What every format needs once its bytes are cut into records: decoding, times, ids, bounds.

Strict where it protects and mild where it costs nothing. A record of the wrong shape is `Unreadable` with a
message that names keys and never values. A lone surrogate such as ``"\\ud800"`` is legal in JSON (RFC 8259, 8.2)
and cannot be written as UTF-8, so it is read as U+FFFD; everything else of the record survives. A time that is
no time, or has no zone, is None: guessing a zone would move a date that retention and consent depend on.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TypeAlias, TypeVar

import msgspec

from licet.intake.reading import Broken, ReadTurn, Skipped
from licet.vault.content import TURN_BYTES_MAX

T = TypeVar("T")
Progress: TypeAlias = Callable[[int], None]

SEEN_MAX = 4_000_000
CALLS_MAX = 10_000

_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.S
)
_REPLACEMENT = rb"\ufffd"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a record does not decode, without a word of it."""

    message: str


@dataclass(slots=True)
class Recent:
    """The last ``keys_max`` keys and what was noted of each. The oldest is forgotten first, so memory is bounded."""

    keys_max: int
    _notes: dict[bytes, str] = field(default_factory=dict)

    def note(self, key: str, value: str = "") -> None:
        self._notes[_short(key)] = value
        if len(self._notes) > self.keys_max:
            del self._notes[next(iter(self._notes))]

    def get(self, key: str) -> str | None:
        return self._notes.get(_short(key))

    def __contains__(self, key: str) -> bool:
        return _short(key) in self._notes


def _unheard(_consumed: int) -> None:
    return


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass over a file or over a folder: who hears of consumed bytes, and which records were yielded in it.

    ``seen`` holds 16 bytes a record and forgets the oldest beyond SEEN_MAX. A copy that is met later than that
    is yielded again, which the vault, being idempotent by (conversation, turn), takes for the same turn.
    """

    progress: Progress = _unheard
    seen: Recent = field(default_factory=lambda: Recent(SEEN_MAX))


def decode(raw: bytes, decoder: msgspec.json.Decoder[T]) -> T | Unreadable:
    """The value of one record's JSON. Lone surrogates are mended only where decoding fails, so others pay nothing."""
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        mended = mend(raw)
        if mended == raw:
            return _unreadable(error)
    try:
        return decoder.decode(mended)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return _unreadable(error)


def mend(raw: bytes) -> bytes:
    """JSON text with each lone surrogate escape as U+FFFD; a pair and an escaped backslash stay as they are."""
    return _ESCAPE.sub(lambda found: _REPLACEMENT if found[1] else found[0], raw)


def moment(value: object) -> datetime | None:
    """Aware UTC of an ISO 8601 text with a zone, or of epoch seconds (or milliseconds); None for anything else."""
    try:
        if isinstance(value, str):
            read = datetime.fromisoformat(value)
            return read.astimezone(UTC) if read.tzinfo else None
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000 if abs(value) >= _MILLISECONDS_FROM else value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


# As seconds this is the year 5138, as milliseconds it is March 1973: no conversation is at either.
_MILLISECONDS_FROM = 1e11


def stable_id(raw: bytes) -> str:
    """An id made of the record itself, so that the same record in two files has one id."""
    return blake2b(raw, digest_size=16).hexdigest()


def bounded(turn: ReadTurn) -> ReadTurn | Broken:
    """The turn, or Broken if what it says is over TURN_BYTES_MAX."""
    content = turn.content
    if _utf8_bytes(content.text) + sum(_utf8_bytes(call.arguments) for call in content.tool_calls) > TURN_BYTES_MAX:
        return Broken(place=turn.place, message=f"the turn is over {TURN_BYTES_MAX} bytes")
    return turn


def nothing_said(place: str) -> Skipped:
    return Skipped(place=place, reason="nothing is said in it")


def _utf8_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _short(key: str) -> bytes:
    return blake2b(key.encode(), digest_size=16).digest()


def _unreadable(error: Exception) -> Unreadable:
    match error:
        case UnicodeDecodeError():
            return Unreadable("not valid UTF-8")
        case RecursionError():
            return Unreadable("nested too deeply")
        case msgspec.ValidationError():
            return Unreadable(f"not as expected: {_lower(str(error))}")
        case _:
            return Unreadable("not valid JSON")


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]
