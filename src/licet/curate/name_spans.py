"""Found names of one text as bytes: as they travel between the steps of a plan, and as a vault
keeps them.

The bytes hold no text. They are a MessagePack array of a span's start, end, kind, score and rule;
no bytes at all mean that the text was not read. `FORMAT` is part of what identifies a finder, so
that bytes of another format are never read.
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
    """The spans that were packed; none of a text that was not read."""
    if packed == UNREAD:
        return []
    return [DetectedSpan(s.start, s.end, s.kind, s.score, s.rule) for s in _decoder.decode(packed)]


def known(packed: bytes, text: str) -> list[DetectedSpan] | None:
    """What was found in ``text``; None where it was not read, or where these cannot be its spans:
    then it is read again.
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
