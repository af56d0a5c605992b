"""Shared parts of all formats: decoding of records, times, ids, bounds.

A record of the wrong shape is `UnreadableRecord` with a message that names keys and never values. A
lone surrogate such as ``"\\ud800"`` is legal in JSON (RFC 8259, 8.2) and cannot be written as
UTF-8, so it is read as U+FFFD. A time that is invalid or has no zone is None: guessing a zone would
shift a date that retention and consent depend on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TypeAlias, TypeVar

import msgspec

from licet.intake.read_turn import BrokenRecord, Read, ReadTurn, SkippedRecord
from licet.policy.state import ConversationKind, TurnRole
from licet.undecodable import UNDECODABLE
from licet.vault.content import TURN_BYTES_MAX, Content

T = TypeVar("T")
Progress: TypeAlias = Callable[[int], None]

SEEN_MAX = 4_000_000
CALLS_MAX = 10_000
# escapes mended per record; one with more is decoded unmended or refused
MENDED_ESCAPES_MAX = 200_000

# What is no escape of a surrogate is passed over in one step. Each step ends at one, at a pair of
# them, or at the end of the text, so that nothing is looked at twice.
_OTHER = rb"(?:[^\\]++|\\(?!u[dD][89a-fA-F][0-9a-fA-F]{2}).)*+"
_PAIR = rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPE = re.compile(
    rb"("
    + _OTHER
    + rb"(?:"
    + _PAIR
    + rb")?+)((?!"
    + _PAIR
    + rb")\\u[dD][89a-fA-F][0-9a-fA-F]{2}|\\?\Z|)",
    re.S,
)
_REPLACEMENT = rb"\ufffd"

# Replaces a string over the size bound: noncharacters, which no text is
# exchanged with (Unicode, 23.7). A file that holds it nevertheless loses that turn and nothing
# else.
OVER_LONG = "\U0010fffe over the bound \U0010fffe"


@dataclass(frozen=True, slots=True)
class UnreadableRecord:
    """Why a record cannot be decoded, without quoting it."""

    message: str


@dataclass(slots=True)
class Recent:
    """The last ``keys_max`` keys with a value each; the oldest are dropped first."""

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
    """A pass over a file or a folder: its progress callback, and the records yielded so far.

    ``seen`` holds 16 bytes a record and forgets the oldest beyond SEEN_MAX; the vault recognises a
    copy that is yielded again.
    """

    progress: Progress = _unheard
    seen: Recent = field(default_factory=lambda: Recent(SEEN_MAX))


def decode(
    raw: bytes, decoder: msgspec.json.Decoder[T], *, in_parts: bool = False
) -> T | UnreadableRecord:
    """The value of one record's JSON. Lone surrogates are mended only if decoding fails.

    A decoder does not check what it skips; so the bytes are checked to be UTF-8, except those of a
    record that is decoded ``in_parts``, each of which is checked.
    """
    if not in_parts and not valid_utf8(raw):
        return UnreadableRecord("not valid UTF-8")
    try:
        return decoder.decode(raw)
    except UNDECODABLE as error:
        mended = mend(raw) if 0 < raw.count(b"\\u") <= MENDED_ESCAPES_MAX else raw
        if mended == raw:
            return _unreadable(error)
    try:
        return decoder.decode(mended)
    except UNDECODABLE as error:
        return _unreadable(error)


def read_each(
    items: Iterable[tuple[str, bytes | BrokenRecord]],
    decoder: msgspec.json.Decoder[T],
    read: Callable[[str, T, bytes], Iterator[Read]],
    *,
    in_parts: bool = False,
) -> Iterator[Read]:
    """Decodes each record and passes it to ``read`` with its place and bytes; Broken if it cannot
    be decoded.
    """
    for place, raw in items:
        if isinstance(raw, BrokenRecord):
            yield raw
            continue
        value = decode(raw, decoder, in_parts=in_parts)
        if isinstance(value, UnreadableRecord):
            yield BrokenRecord(place=place, message=value.message)
        else:
            yield from read(place, value, raw)


def json_text(raw: msgspec.Raw) -> str:
    return mend(bytes(raw)).decode()


def valid_utf8(raw: bytes) -> bool:
    """Whether a whole record is UTF-8: a decoder does not validate keys that it skips."""
    if raw.isascii():
        return True
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def decode_or(raw: bytes, decoder: msgspec.json.Decoder[T], otherwise: T) -> T:
    """For a first pass: the second one reports errors."""
    value = decode(raw, decoder)
    return otherwise if isinstance(value, UnreadableRecord) else value


def parts_of(raw: msgspec.Raw, decoder: msgspec.json.Decoder[str | list[T] | None]) -> list[T]:
    """The parts of a tool's result that is a list; empty for a text, which is not decoded."""
    data = bytes(raw)
    parts = decode_or(data, decoder, None) if data.startswith(b"[") else None
    return parts if isinstance(parts, list) else []


def mend(raw: bytes) -> bytes:
    """JSON text with each lone surrogate escape as U+FFFD."""
    return _ESCAPE.sub(lambda found: found[1] + (_REPLACEMENT if found[2][1:] else found[2]), raw)


def moment(value: object) -> datetime | None:
    """Aware UTC of an ISO 8601 text with a zone, or of epoch seconds or milliseconds; else None."""
    try:
        if isinstance(value, str):
            read = datetime.fromisoformat(value)
            return read.astimezone(UTC) if read.tzinfo else None
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(
                value / 1000 if abs(value) >= _MILLISECONDS_FROM else value, UTC
            )
    except (ValueError, OverflowError, OSError):
        return None
    return None


# As seconds this is the year 5138, as milliseconds it is March 1973: no conversation is at either.
_MILLISECONDS_FROM = 1e11


def stable_id(raw: bytes) -> str:
    """An id from the record's bytes, so that the same record in two files has one id."""
    return blake2b(raw, digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class RecordedPart:
    """One author's part of a record, before it has an id."""

    role: TurnRole
    origin: str
    content: Content


def part_of_role(role: TurnRole, content: Content) -> RecordedPart:
    """A part with the origin of its role; attachments of a person without text are an upload."""
    origins = {
        TurnRole.user: "typed" if content.text else "upload",
        TurnRole.assistant: "assistant",
        TurnRole.tool: "tool",
        TurnRole.system: "system",
    }
    return RecordedPart(role, origins[role], content)


@dataclass(frozen=True, slots=True)
class Setting:
    """The properties shared by the turns of one conversation."""

    host_conversation: str
    kind: ConversationKind
    surface: str
    title: str = ""
    host_account: str = ""
    incognito: bool = False
    kept_out: bool = False
    project: str = ""
    project_title: str = ""

    def turns(
        self, place: str, host_turn: str, said_at: datetime | None, parts: Iterable[RecordedPart]
    ) -> Iterator[Read]:
        """The parts of one record as turns: the first with the record's own id, then ``id#2`` and
        so on.
        """
        number = 0
        for part in parts:
            content = part.content
            has_content = content.text or content.tool_calls or content.attachments or content.tools
            if part.role is not TurnRole.tool and not has_content:
                continue
            number += 1
            yield limit_turn(
                ReadTurn(
                    place=place,
                    host_conversation=self.host_conversation,
                    host_turn=host_turn if number == 1 else f"{host_turn}#{number}",
                    at=said_at,
                    role=part.role,
                    origin=part.origin,
                    kind=self.kind,
                    surface=self.surface,
                    content=content,
                    title=self.title,
                    host_account=self.host_account,
                    incognito=self.incognito,
                    kept_out=self.kept_out,
                    project=self.project,
                    project_title=self.project_title,
                )
            )
        if not number:
            yield empty_record(place)


def branch(parents: Mapping[str, str | None], tip: str | None) -> list[str]:
    """The ids from the root to ``tip``; stops at a cycle."""
    chain: dict[str, None] = {}
    while tip is not None and tip in parents and tip not in chain:
        chain[tip] = None
        tip = parents[tip]
    return list(reversed(chain))


def join_texts(texts: Iterable[str | None]) -> str:
    """Joins the texts that are not blank, one below the other."""
    return "\n".join(text for text in texts if text and text.strip())


def elsewhere(place: str) -> SkippedRecord:
    return SkippedRecord(place=place, reason="on a branch that is not shown")


def limit_turn(turn: ReadTurn) -> ReadTurn | BrokenRecord:
    """The turn, or Broken if its content exceeds TURN_BYTES_MAX."""
    texts = (
        turn.content.text,
        turn.content.tools,
        *(call.arguments for call in turn.content.tool_calls),
    )
    if sum(map(_utf8_bytes, texts)) > TURN_BYTES_MAX or any(OVER_LONG in text for text in texts):
        return BrokenRecord(
            place=turn.place, message=f"the turn is over {format_bytes(TURN_BYTES_MAX)}"
        )
    return turn


def format_bytes(count: int) -> str:
    """A number of bytes, formatted for people."""
    return f"{count // 2**20} MiB" if count and count % 2**20 == 0 else f"{count} bytes"


def empty_record(place: str) -> SkippedRecord:
    return SkippedRecord(place=place, reason="nothing is said in it")


THINKING = "thinking, which was not part of the answer that was shown"
UNKNOWN_PART = "a block of a type that is not known"


def unread(place: str, reasons: Iterable[str]) -> Iterator[SkippedRecord]:
    """The skipped parts of a record: one item for each reason that is not empty."""
    return (SkippedRecord(place=place, reason=reason) for reason in reasons if reason)


def _utf8_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _short(key: str) -> bytes:
    return blake2b(key.encode(), digest_size=16).digest()


def _unreadable(error: Exception) -> UnreadableRecord:
    match error:
        case UnicodeDecodeError():
            return UnreadableRecord("not valid UTF-8")
        case RecursionError():
            return UnreadableRecord("nested too deeply")
        case msgspec.ValidationError():
            return UnreadableRecord(f"not as expected: {_lower(str(error))}")
        case _:
            return UnreadableRecord("not valid JSON: write one whole object a line")


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]
