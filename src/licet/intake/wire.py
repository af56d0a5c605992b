"""Counts the fields of a protobuf message on the wire, before decoding it.

A field of two bytes becomes an object of a hundred in a decoder, so a small body can ask for any
amount of memory, and the decoder does not let another thread run meanwhile. Here the fields of a
body are counted from their tags and lengths alone (Protocol Buffers, "Encoding"), into every
message that the decoder would make; past a bound counting stops.
"""

from __future__ import annotations

from functools import cache
from typing import TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from licet.errors import UsageError

DEPTH_MAX = 100  # as deep as the decoder goes
_VARINT_BYTES_MAX = 10
_VARINT, _FIXED64, _MESSAGE, _FIXED32 = 0, 1, 2, 5

Tree: TypeAlias = "dict[int, Tree]"


class MalformedError(UsageError):
    """Bytes that are no protobuf message."""


@cache
def message_tree(descriptor: Descriptor) -> Tree:
    """The inner messages of a message type, by field number; a recursive type is one tree."""
    return _tree(descriptor, {})


def _tree(descriptor: Descriptor, known: dict[str, Tree]) -> Tree:
    if descriptor.full_name in known:
        return known[descriptor.full_name]
    known[descriptor.full_name] = made = {}
    for field in descriptor.fields:
        if field.type == FieldDescriptor.TYPE_MESSAGE and field.message_type is not None:
            made[field.number] = _tree(field.message_type, known)
    return made


def count_fields(raw: bytes, within: Tree, fields_max: int) -> int:
    """The number of fields in ``raw``, or ``fields_max`` + 1 for more; MalformedError if it is no
    message.
    """
    try:
        return _count(raw, within, fields_max)
    except IndexError:
        raise MalformedError("the body is cut short") from None


def _count(raw: bytes, within: Tree, fields_max: int) -> int:
    found = 0
    waiting = [(0, len(raw), within, 0)]
    while waiting:
        at, end, known, depth = waiting.pop()
        while at < end:
            found += 1
            if found > fields_max:
                return found
            tag = raw[at]
            at += 1
            if tag > 0x7F:
                tag, at = _varint(raw, at - 1)
            kind = tag & 7
            if kind == _MESSAGE:
                size = raw[at]
                at += 1
                if size > 0x7F:
                    size, at = _varint(raw, at - 1)
                inner = known.get(tag >> 3)
                if inner is not None and size:
                    waiting.append((at, at + size, inner, depth + 1))
                at += size
            elif kind == _VARINT:
                _, at = _varint(raw, at)
            elif kind in (_FIXED32, _FIXED64):
                at += 4 if kind == _FIXED32 else 8
            else:
                raise MalformedError("a field is of no kind that is used here")
        if at != end or depth > DEPTH_MAX:
            raise MalformedError("a field ends elsewhere than what it is in")
    return found


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    """A varint, and the position after it."""
    value = 0
    for place in range(_VARINT_BYTES_MAX):
        byte = raw[at + place]
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, at + place + 1
    raise MalformedError("a number has no end")
