"""Encodes the names found in one text, for plan steps and for storage.

The bytes contain no text: a MessagePack array of each span's start, end, kind, score and rule;
empty for a text that was not searched. `FORMAT` is part of a finder's identity, so bytes of another
format are never read.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from licet.curate.detect import DetectedSpan
from licet.curate.rules import IdentifierKind
from licet.undecodable import UNDECODABLE

FORMAT = 1
UNREAD = b""


class _PackedSpan(msgspec.Struct, frozen=True, array_like=True):
    start: int
    end: int
    kind: IdentifierKind
    score: float
    rule: str


_decoder = msgspec.msgpack.Decoder(list[_PackedSpan])
_encoder = msgspec.msgpack.Encoder()


def pack(spans: Sequence[DetectedSpan]) -> bytes:
    return _encoder.encode([_PackedSpan(s.start, s.end, s.kind, s.score, s.rule) for s in spans])


def unpack(packed: bytes) -> list[DetectedSpan]:
    """Decodes spans; none for an unsearched text."""
    if packed == UNREAD:
        return []
    return [DetectedSpan(s.start, s.end, s.kind, s.score, s.rule) for s in _decoder.decode(packed)]


def spans_in(packed: bytes, text: str) -> list[DetectedSpan] | None:
    """The spans of ``text``; None if it was not searched or they cannot be its spans, so that it is
    searched again.
    """
    if packed == UNREAD:
        return None
    try:
        spans = unpack(packed)
    except UNDECODABLE:
        return None
    ends = [0, *(span.end for span in spans)]
    inside = all(end <= span.start < span.end for end, span in zip(ends, spans, strict=False))
    return spans if inside and ends[-1] <= len(text) else None
