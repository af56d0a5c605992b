"""The content of a turn, one author's words and their context, as one versioned envelope.

Bytes: one version byte, then one zstd frame over MessagePack of `Content`. A frame never holds two
authors: with compression across authors, the length of one text would reveal something about the
other (CRIME, Rizzo and Duong 2012). A version byte is never reused; an unknown one is an error, so
old content is never decoded as something else.

From version 2 on a frame is compressed with the dictionary of its version, which was made of public
text (`tools/turn_dictionary.py`): turns are short, and most of what repeats in them was written
elsewhere before.

Types with content or a key are `Masked`: a traceback or a log line that prints one reveals nothing
of it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
import zstandard

from licet.errors import BrokenError, UsageError
from licet.masked import Masked
from licet.undecodable import UNDECODABLE

ENVELOPE_V1, ENVELOPE_V2 = b"\x01", b"\x02"
TURN_BYTES_MAX = 64 * 2**20
_LEVEL = 3


class ToolCall(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A call that the assistant requested. ``arguments`` is JSON text, as in OpenAI's messages."""

    id: str
    name: str
    arguments: str


class Content(Masked, msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """All of a turn that came from outside and is not a closed enumeration. ``thread`` names a
    subagent's side thread, empty for the conversation itself; ``tool_call_id`` is the call that a
    tool's turn answers; ``tools`` are a system turn's descriptions of the offered tools, as JSON
    text. The other fields are context from a transcript.
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
    tools: str = ""


def offered_tools(text: str) -> list[dict[str, Any]] | None:
    """Parses the tools in the JSON text of a system turn, each a `function` in OpenAI's format;
    None unless it is a list of tools.

    Also accepts tools without that frame, as in OpenAI's older `functions` and OpenTelemetry's
    `gen_ai.tool.definitions`, and parameters as `input_schema`, as in Anthropic's.
    """
    try:
        given = msgspec.json.decode(text, type=list[dict[str, Any]])
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    tools = []
    for one in given:
        function = one.get("function", one)
        if (
            not isinstance(function, dict)
            or not isinstance(function.get("name"), str)
            or not function["name"]
        ):
            return None
        described = {
            key: function[key]
            for key in ("name", "description", "parameters", "strict")
            if key in function
        }
        if "input_schema" in function:
            described.setdefault("parameters", function["input_schema"])
        tools.append({"type": "function", "function": described})
    return tools


@cache
def dictionary() -> zstandard.ZstdCompressionDict:
    """The compression dictionary of version 2."""
    made = zstandard.ZstdCompressionDict(
        files("licet.vault").joinpath("dictionaries/turns-2.zdict").read_bytes()
    )
    made.precompute_compress(level=_LEVEL)
    return made


class _Contexts(threading.local):
    """zstd contexts: each serves one thread at a time, and creating one costs more than a turn."""

    def __init__(self) -> None:
        # The version implies the dictionary: its id would add four bytes to each frame.
        self.compressor = zstandard.ZstdCompressor(
            dict_data=dictionary(), level=_LEVEL, write_dict_id=False
        )
        self.decompressors = {
            ENVELOPE_V1[0]: zstandard.ZstdDecompressor(),
            ENVELOPE_V2[0]: zstandard.ZstdDecompressor(dict_data=dictionary()),
        }


_contexts = _Contexts()
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Content)


def encode(content: Content) -> bytes:
    """The envelope of ``content``, ready to be sealed; UsageError for text that is not Unicode."""
    try:
        packed = _encoder.encode(content)
    except UnicodeEncodeError:
        # Not chained: the original error contains the text.
        raise UsageError(
            "the text contains half a surrogate pair, which is not a character"
        ) from None
    return ENVELOPE_V2 + _contexts.compressor.compress(packed)


def packed_bytes(envelope: bytes) -> int:
    """The unpacked size of an envelope, without unpacking it."""
    try:
        return zstandard.frame_content_size(envelope[1:])
    except zstandard.ZstdError as error:
        raise BrokenError("content envelope cannot be decoded") from error


def decode(envelope: bytes) -> Content:
    """The content of an envelope; BrokenError for an unknown version or bytes that are not one."""
    return decode_each([envelope])[0]


def decode_each(envelopes: Sequence[bytes]) -> list[Content]:
    """`decode` for each, in order."""
    decompressors, read, limit = _contexts.decompressors, _decoder.decode, 2 * TURN_BYTES_MAX
    try:
        return [
            read(decompressors[envelope[0]].decompress(envelope[1:], max_output_size=limit))
            for envelope in envelopes
        ]
    except (zstandard.ZstdError, *UNDECODABLE) as error:
        raise BrokenError("content envelope cannot be decoded") from error
    except (KeyError, IndexError):
        versions = {envelope[:1].hex() for envelope in envelopes}
        unknown = sorted(versions - {version.hex() for version in (ENVELOPE_V1, ENVELOPE_V2)})
        raise BrokenError(f"unknown content envelope `{', '.join(unknown)}`") from None
