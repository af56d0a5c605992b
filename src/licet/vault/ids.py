"""Identifiers: UUIDv7 (RFC 9562) formatted with a prefix, and keyed hashes of the host's ids.

A turn is identified by its conversation and its number, so that no index over a hundred million
turns is needed. A host's own ids may be names or addresses: only their HMAC is stored, under a key
of the installation.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from licet.errors import NotFoundError, UsageError

HOST_ID_CHARACTERS_MAX = 512
ADDRESS_CHARACTERS_MAX = 254  # RFC 5321, with the brackets of a path


class Prefix(StrEnum):
    account = "acc"
    conversation = "conv"
    project = "proj"
    turn = "turn"
    feedback = "fb"
    release = "rel"
    erasure = "era"
    handout = "hand"
    backup = "bak"
    model = "model"
    export = "exp"
    event = "evt"
    request = "req"
    staff = "staff"
    proposal = "prop"
    order = "ord"


def uuid7(at: datetime, random: bytes) -> UUID:
    """A UUIDv7 at millisecond ``at`` from 10 random bytes: sortable by time, unique by chance."""
    milliseconds = int(at.timestamp() * 1000)
    value = milliseconds << 80 | int.from_bytes(random[:10], "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def format_id(prefix: Prefix, value: UUID) -> str:
    return f"{prefix.value}_{value.hex}"


def format_turn_id(conversation: UUID, turn: int) -> str:
    return f"turn_{conversation.hex}-{turn}"


def parse(prefix: Prefix, text: str) -> UUID:
    """Parses a formatted id; NotFoundError if it is malformed, as for an unknown id."""
    head, _, tail = text.partition("_")
    if head == prefix.value and len(tail) == 32:
        try:
            return UUID(hex=tail)
        except ValueError:
            pass
    raise NotFoundError(f"no {prefix.name} `{text}`")


def parse_input(prefix: Prefix, text: str) -> UUID:
    """Parses an id from a form or a filter; UsageError if it is malformed."""
    try:
        return parse(prefix, text.strip())
    except NotFoundError:
        raise UsageError(
            f"`{text[:40]}` is no id of the kind `{prefix.name}`", f"it begins with {prefix.value}_"
        ) from None


def smallest_id(at: datetime) -> UUID:
    """The smallest id made at ``at``, so that an index by id serves a filter by time."""
    return uuid7(at, bytes(10))


def parse_turn(text: str) -> tuple[UUID, int]:
    """Parses a turn's id into its conversation and number."""
    head, _, number = text.rpartition("-")
    if head.startswith("turn_") and number.isdecimal() and len(number) < 10:
        return parse(Prefix.conversation, "conv_" + head.removeprefix("turn_")), int(number)
    raise NotFoundError(f"no turn `{text}`")


def staff_address(text: str) -> str:
    """Normalises a staff member's e-mail address: ASCII, lower case; UsageError for any other.
    Other letters are not accepted, because case folding confuses addresses (the Kelvin sign becomes
    `k`).
    """
    name, _, domain = text.partition("@")
    plain = text.isascii() and text.isprintable() and " " not in text and "@" not in domain
    if not plain or not name or not domain or len(text) > ADDRESS_CHARACTERS_MAX:
        raise UsageError(
            f"`{text[:ADDRESS_CHARACTERS_MAX]}` is not an e-mail address in ASCII letters",
            "write it like ana@example.org",
        )
    return text.lower()


def host_hmac(key: bytes, kind: str, *names: str) -> bytes:
    """HMAC-SHA256 of a host's id of a ``kind``, truncated to 16 bytes; delimiters keep the parts
    distinct.
    """
    return hmac.digest(key, _message(kind, names), "sha256")[:16]


class HostHmacs:
    """`host_hmac` under one key for many names; the states after the key's blocks are computed once
    (RFC 2104, section 4).
    """

    def __init__(self, key: bytes) -> None:
        block = key.ljust(_BLOCK_BYTES, b"\0")
        assert len(block) == _BLOCK_BYTES, "a longer key would be hashed first"
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def hash(self, kind: str, *names: str) -> bytes:
        return self._end(self._inner.copy(), _message(kind, names))

    def within(self, kind: str, outer: str) -> Callable[[str], bytes]:
        """Returns `hash` for names within ``outer``, such as a conversation's turns: their common
        prefix is hashed once.
        """
        begun = self._inner.copy()
        begun.update(_message(kind, [outer]) + _BETWEEN.encode())

        def hash_inner(name: str) -> bytes:
            _check_size(len(outer) + len(name))
            return self._end(begun.copy(), _part(name).encode(*_ENCODING))

        return hash_inner

    def _end(self, inner: hashlib._Hash, message: bytes) -> bytes:
        inner.update(message)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()[:16]


_BLOCK_BYTES = 64  # of SHA-256
_BETWEEN = "\x1f"
_ENCODING = ("utf-8", "surrogatepass")


def _message(kind: str, names: Sequence[str]) -> bytes:
    _check_size(sum(map(len, names)))
    return _BETWEEN.join([kind, *map(_part, names)]).encode(*_ENCODING)


def _part(name: str) -> str:
    return f"{len(name)}:{name}"


def _check_size(characters: int) -> None:
    if characters > HOST_ID_CHARACTERS_MAX:
        raise UsageError(f"an id of the host is longer than {HOST_ID_CHARACTERS_MAX} characters")
