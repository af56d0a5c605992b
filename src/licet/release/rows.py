"""A row of a release, and the encoding of its plaintext.

Labels have a plaintext of their own, so that selecting rows opens no message: the version byte
`LABELS_V1`, then MessagePack of ``{"split", "language", "topic", "quality", "scores"}``.

Bytes of a row's plaintext: one version byte, then one zstd frame (with its content size, without a
checksum: the seal is one) over MessagePack of ``{"kind", "messages", "sources"}``, keys in that
order, then those of ``"gaps"``, ``"results_left_out"``, ``"replaced"`` and ``"surrogates"`` that
the row has. ``messages`` has the shape of OpenAI's chat format and TRL, without absent fields, so
that trainers can use it unchanged. ``gaps`` are the positions of messages before which a turn is
missing; ``results_left_out`` those where only results of the preceding calls are, at least one a
call. ``replaced`` counts replacements by kind, and ``surrogates`` is `surrogates_mark` of the
surrogates' key: both serve the next release (`release.base`).

The version is 6; only it is read, and a version byte is never reused. The MessagePack is canonical;
the frame is canonical for one zstd release, which is enough: another frame is another plaintext
with another nonce.

Invariants: a row has the text of one account, so that one frame never compresses two authors
together; its id (`derive_row_id`) follows from release and ordinal, reveals nothing else and links
no rows of two releases; ordinals are dense in the release as built. ``repr`` is masked.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from typing import Literal, NotRequired, TypedDict, cast

import msgspec
import zstandard

from licet.errors import BrokenError
from licet.masked import Masked
from licet.policy.state import ConversationKind, TurnRole
from licet.undecodable import UNDECODABLE

PLAINTEXT_V6 = b"\x06"
LABELS_V1 = b"\x81"
ROW_ID_BYTES = 16
ROW_BYTES_MAX = 64 * 2**20
ROWS_MAX = 2**32
MESSAGES_MAX = 100_000
SOURCES_MAX = 10_000
MARK_BYTES = 8
# Level -1 stores literals uncompressed. Rows are a few KiB, and Huffman tables would dominate the
# time of reading one: level 3 made frames a quarter smaller and opened a row 1.5 times as slowly
# (bench/release_load.py).
_LEVEL = -1


class CalledFunction(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A called function; ``arguments`` is JSON text."""

    name: str
    arguments: str


class RowCall(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A tool call in a message."""

    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


class RowMessage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A turn as trainers read it. ``tool_call_id`` and ``name`` identify the call that a tool's
    message answers; ``tools``: in the host's instructions, the offered tools as JSON text.
    """

    role: TurnRole
    content: str
    tool_calls: tuple[RowCall, ...] = ()
    tool_call_id: str = ""
    name: str = ""
    tools: str = ""

    def __repr__(self) -> str:
        return f"Message({self.role}, sealed, {len(self.content)} characters)"


class Quality(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Quality signals. Shares are 0 if there is nothing to count, except ``alphabetic``, 1."""

    words: int
    word_letters: float  # the mean length of a word, in characters
    symbols: float  # `#` and ellipses, to a word
    alphabetic: float  # of words with a letter
    bullets: float  # of lines that begin with one
    ellipses: float  # of lines that end with one
    repeated_lines: float  # of lines that occurred before in the same turn
    repeated_fives: float  # of runs of five words that occurred before in the same turn


class Labels(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Properties of a row by which to select or mix rows: closed words and numbers, never its text.

    ``language`` is an ISO 639 code, ``und`` if unknown; ``scores`` are those of plugged-in scorers,
    by name.
    """

    split: str
    language: str
    topic: str
    quality: Quality
    scores: Mapping[str, float]


class QualityShape(TypedDict):
    words: int
    word_letters: float
    symbols: float
    alphabetic: float
    bullets: float
    ellipses: float
    repeated_lines: float
    repeated_fives: float


class LabelsShape(TypedDict):
    """`Labels` as a plain dictionary, which any data set library accepts."""

    split: str
    language: str
    topic: str
    quality: QualityShape
    scores: dict[str, float]


class ReleaseRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row before it is sealed. ``sources``: the number of segments from whose keys its key is
    derived; ``gaps``: the positions of messages before which a turn was left out, in order;
    ``results_left_out``: those where only results of the preceding calls are missing.
    """

    row_id: bytes
    ordinal: int
    until: datetime
    messages: tuple[RowMessage, ...]
    kind: ConversationKind
    sources: int
    gaps: tuple[int, ...] = ()
    results_left_out: tuple[int, ...] = ()
    replaced: Mapping[str, int] = {}
    surrogates: bytes = b""
    labels: Labels | None = None

    def __post_init__(self) -> None:
        if len(self.row_id) != ROW_ID_BYTES:
            raise BrokenError(f"a row id has `{ROW_ID_BYTES}` bytes, not `{len(self.row_id)}`")
        if not 0 <= self.ordinal < ROWS_MAX:
            raise BrokenError(f"ordinal `{self.ordinal}` is not below `{ROWS_MAX}`")
        if self.until.utcoffset() != timedelta(0):
            raise BrokenError(f"row `{self.ordinal}` has an end that is not in UTC")
        if not 1 <= len(self.messages) <= MESSAGES_MAX:
            raise BrokenError(
                f"row `{self.ordinal}` has `{len(self.messages)}` messages, not 1 to "
                f"`{MESSAGES_MAX}`"
            )
        if not 1 <= self.sources <= SOURCES_MAX:
            raise BrokenError(
                f"row `{self.ordinal}` has `{self.sources}` sources, not 1 to `{SOURCES_MAX}`"
            )
        if self.gaps and not _are_places(self.gaps, len(self.messages)):
            raise BrokenError(
                f"row `{self.ordinal}` has a gap before none of its messages, or twice"
            )
        if not set(self.results_left_out) <= set(self.gaps):
            raise BrokenError(f"row `{self.ordinal}` has results left out where there is no gap")

    def __repr__(self) -> str:
        return (
            f"Row({self.ordinal}, {self.kind}, sealed, {len(self.messages)} messages, "
            f"{self.sources} sources)"
        )


class FunctionShape(TypedDict):
    name: str
    arguments: str


class ToolCallShape(TypedDict):
    id: str
    type: Literal["function"]
    function: FunctionShape


class MessageShape(TypedDict):
    role: Literal["user", "assistant", "tool", "system"]
    content: str
    tool_calls: NotRequired[list[ToolCallShape]]
    tool_call_id: NotRequired[str]
    name: NotRequired[str]
    tools: NotRequired[str]


class ConversationShape(TypedDict):
    """A row's conversation as a plain dictionary."""

    messages: list[MessageShape]
    gaps: NotRequired[list[int]]
    results_left_out: NotRequired[list[int]]


class Payload(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """The content and labels of a row, as plain dictionaries."""

    kind: ConversationKind
    messages: list[MessageShape]
    sources: int
    gaps: list[int] = []
    results_left_out: list[int] = []
    replaced: dict[str, int] = {}
    surrogates: bytes = b""
    labels: LabelsShape | msgspec.UnsetType = msgspec.UNSET  # returned by readers unchanged

    def __repr__(self) -> str:
        return (
            f"Payload({self.kind}, sealed, {len(self.messages)} messages, {self.sources} sources)"
        )


class _Contexts(threading.local):
    """zstd contexts: each serves one thread at a time, and creating one costs more than a row."""

    def __init__(self) -> None:
        self.compress: Callable[[bytes], bytes] = zstandard.ZstdCompressor(level=_LEVEL).compress
        self.decompress: Callable[[bytes], bytes] = zstandard.ZstdDecompressor().decompress


_contexts = _Contexts()
_frame_content_size = zstandard.frame_content_size
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Payload).decode
_decode_labels = msgspec.msgpack.Decoder(LabelsShape).decode


def surrogates_mark(release_id: bytes, key: bytes) -> bytes:
    """A hash of the surrogates' ``key``, specific to the release, so that it links no two."""
    return sha256(b"licet surrogates mark" + release_id + key).digest()[:MARK_BYTES]


def derive_row_id(release_id: bytes, ordinal: int) -> bytes:
    """The id of a row, derived from release and ordinal, so that it need not be stored."""
    return sha256(b"licet row id" + release_id + ordinal.to_bytes(4, "big")).digest()[:ROW_ID_BYTES]


def encode(row: ReleaseRow) -> bytes:
    """The plaintext of ``row``; BrokenError above ``ROW_BYTES_MAX`` uncompressed bytes."""
    try:
        packed = _encode(
            Payload(
                kind=row.kind,
                messages=cast("list[MessageShape]", row.messages),  # encoded in this shape
                sources=row.sources,
                gaps=list(row.gaps),
                results_left_out=list(row.results_left_out),
                replaced=dict(sorted(row.replaced.items())),
                surrogates=row.surrogates,
            )
        )
    except UnicodeEncodeError:  # half of a surrogate pair; the exception's cause has the text
        raise BrokenError(f"row `{row.ordinal}` has text that is not Unicode") from None
    if len(packed) > ROW_BYTES_MAX:
        raise BrokenError(
            f"row `{row.ordinal}` has `{len(packed)}` bytes, more than `{ROW_BYTES_MAX}`"
        )
    return PLAINTEXT_V6 + _contexts.compress(packed)


def encode_labels(labels: Labels | None) -> bytes:
    """The plaintext of a row's labels; empty without any."""
    return b"" if labels is None else LABELS_V1 + _encode(labels)


def decode_labels(plaintext: bytes) -> LabelsShape:
    """Decodes labels; BrokenError for an unknown version or other bytes."""
    if not plaintext.startswith(LABELS_V1):
        raise BrokenError(f"unknown labels `{plaintext[:1].hex()}`")
    try:
        return _decode_labels(plaintext[1:])
    except UNDECODABLE:
        raise BrokenError("the labels of a row cannot be decoded") from None


def decode(plaintext: bytes) -> Payload:
    """Decodes a row's plaintext; BrokenError for an unknown version or other bytes."""
    if not plaintext.startswith(PLAINTEXT_V6):
        raise BrokenError(f"unknown row plaintext `{plaintext[:1].hex()}`")
    frame = plaintext[1:]
    try:
        # the frame's stated size is allocated at once, so it is bounded first; a frame without one
        # is not decompressed
        if _frame_content_size(frame) > ROW_BYTES_MAX:
            raise BrokenError(f"row plaintext claims more than `{ROW_BYTES_MAX}` bytes")
        payload = _decode(_contexts.decompress(frame))
    except (zstandard.ZstdError, *UNDECODABLE):
        # a decoder's error quotes content
        raise BrokenError("row plaintext cannot be decoded") from None
    if payload.labels is not msgspec.UNSET:
        raise BrokenError("row plaintext has labels, which have a plaintext of their own")
    if payload.gaps and not _are_places(payload.gaps, len(payload.messages)):
        raise BrokenError("row plaintext has a gap before none of its messages, or twice")
    if payload.results_left_out and not _is_part(payload.results_left_out, payload.gaps):
        raise BrokenError("row plaintext has results left out where there is no gap, or twice")
    return payload


def _are_places(gaps: Sequence[int], messages: int) -> bool:
    return all(one < other for one, other in pairwise((-1, *gaps, messages)))


def _is_part(places: Sequence[int], gaps: Sequence[int]) -> bool:
    return set(places) <= set(gaps) and all(one < other for one, other in pairwise(places))
