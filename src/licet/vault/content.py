"""What is sealed of a turn: one author's words and what belongs to them, as one versioned envelope.

Bytes: one version byte, then one zstd frame over MessagePack of `Content`. Never two authors in one frame:
compression across authors would let the length of one tell something of the other (CRIME, Rizzo and Duong 2012).
A version byte is never reused; an unknown one is an error, so old content never decodes as something else.

What holds content or a key is `Masked`: a traceback or a log line that prints it shows nothing of it.
"""

from __future__ import annotations

import threading

import msgspec
import zstandard

from licet.errors import BrokenError, UsageError
from licet.masked import Masked

ENVELOPE_V1 = b"\x01"
TURN_BYTES_MAX = 64 * 2**20
_LEVEL = 3


class ToolCall(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A call that the assistant asked for. ``arguments`` is JSON text, as in the OpenAI messages shape."""

    id: str
    name: str
    arguments: str


class Content(Masked, msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything of a turn that came from outside and is not a closed enumeration.

    ``thread`` is empty for the conversation itself and names a subagent's side thread otherwise;
    ``tool_call_id`` says which call a tool's turn answers. The rest is context that a transcript carries.
    """

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    tool_name: str = ""
    thread: str = ""
    attachments: tuple[str, ...] = ()
    model: str = ""
    folder: str = ""
    branch: str = ""


class _Contexts(threading.local):
    """A zstd context serves one thread at a time, and making one costs more than a turn."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=_LEVEL)
        self.decompressor = zstandard.ZstdDecompressor()


_contexts = _Contexts()
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Content)


def encode(content: Content) -> bytes:
    """The envelope of ``content``, ready to be sealed; UsageError for text that is no Unicode."""
    try:
        packed = _encoder.encode(content)
    except UnicodeEncodeError:
        # Not chained: the error carries the text.
        raise UsageError("the text holds half a surrogate pair, which is no character") from None
    return ENVELOPE_V1 + _contexts.compressor.compress(packed)


def packed_bytes(envelope: bytes) -> int:
    """How many bytes an envelope unpacks to, without unpacking it."""
    try:
        return zstandard.frame_content_size(envelope[1:])
    except zstandard.ZstdError as error:
        raise BrokenError("content envelope does not decode") from error


def decode(envelope: bytes) -> Content:
    """The content of an envelope; BrokenError for an unknown version or bytes that are not one."""
    if envelope[:1] != ENVELOPE_V1:
        raise BrokenError(f"unknown content envelope `{envelope[:1].hex()}`")
    try:
        packed = _contexts.decompressor.decompress(envelope[1:], max_output_size=2 * TURN_BYTES_MAX)
        return _decoder.decode(packed)
    except (zstandard.ZstdError, msgspec.DecodeError) as error:
        raise BrokenError("content envelope does not decode") from error
