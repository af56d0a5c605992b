"""Writes a proof file: blocks of lines, each a gzip member, followed by an index of conversations.

`verifier.line_index` reads this layout; the writer shares no code with it, so that one mistake
cannot pass both. Files without conversations have no index.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

import msgspec

from licet.ledger.tree import leaf_hash
from licet.release import merkle
from licet.release.manifest import ProofFile
from licet.store.files import replacing

LEVEL = 6
LINES_EACH = 256  # in a block, and entries in an index group
_EXTRA = 4  # the flag of a member that has an extra field
_EMPTY = zlib.compress(b"", wbits=-15)
_ENTRY, _END = struct.Struct(">32sQI32s"), struct.Struct(">BQIBQ")
INDEX_VERSION = 1


class _Keyed(msgspec.Struct):
    """A line's fields for the index."""

    conversation: str | None = None


_decode = msgspec.json.Decoder(_Keyed).decode
HANDLE_BYTES = 32
NO_HANDLE = bytes(HANDLE_BYTES)


def write_lines(folder: Path, name: str, lines: Iterable[bytes]) -> ProofFile:
    """Writes ``lines`` as a gzip file, atomically, durably and deterministically."""
    count, roots, index = 0, list[bytes](), list[bytes]()
    path = folder / name
    with replacing(path) as file:
        out = _Out(file)
        for block in _blocks(lines):
            place = out.member(b"\n".join(block) + b"\n")
            roots.append(merkle.root_over(map(leaf_hash, block)))
            index.append(_ENTRY.pack(_conversation_bytes(block[0]), *place, roots[-1]))
            count += len(block)
        if count == 0:
            out.member(b"")
        if all(entry[:HANDLE_BYTES] != NO_HANDLE for entry in index) and index:
            _write_index(out, index, count)
    return ProofFile(
        file=name,
        sha256=out.digest.hexdigest(),
        bytes=out.end,
        lines=count,
        root=merkle.root_over(roots).hex(),
    )


class _Out:
    """A file of gzip members, with its running hash."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.end, self.digest = file, 0, sha256()

    def member(self, text: bytes, field: bytes = b"") -> tuple[int, int]:
        """Writes a member; returns its offset and length."""
        packer = zlib.compressobj(LEVEL, wbits=-15)
        packed = packer.compress(text) + packer.flush() if text else _EMPTY
        extra = struct.pack("<H2sH", len(field) + 4, b"Li", len(field)) + field if field else b""
        head = b"\x1f\x8b\x08" + bytes([_EXTRA * bool(field), 0, 0, 0, 0, 0, 255])
        member = (
            head + extra + packed + struct.pack("<II", zlib.crc32(text), len(text) & 0xFFFFFFFF)
        )
        place = (self.end, len(member))
        self._file.write(member)
        self.digest.update(member)
        self.end += len(member)
        return place


def _blocks(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    block: list[bytes] = []
    for line in lines:
        block.append(line)
        if len(block) == LINES_EACH:
            yield block
            block = []
    if block:
        yield block


def _conversation_bytes(line: bytes) -> bytes:
    """The conversation handle of a line."""
    try:
        handle = bytes.fromhex(_decode(line).conversation or "")
    except ValueError:
        return NO_HANDLE
    return handle if len(handle) == HANDLE_BYTES else NO_HANDLE


def _write_index(out: _Out, entries: list[bytes], lines: int) -> None:
    """Writes groups of entries level by level up to one root; the last member has its place."""
    levels = 1
    while len(entries) > LINES_EACH:
        entries, levels = [_group(out, each) for each in _group_entries(entries)], levels + 1
    start, length = out.member(b"", b"".join(entries))
    out.member(b"", _END.pack(INDEX_VERSION, start, length, levels, lines))


def _group_entries(entries: list[bytes]) -> Iterator[list[bytes]]:
    for start in range(0, len(entries), LINES_EACH):
        yield entries[start : start + LINES_EACH]


def _group(out: _Out, entries: list[bytes]) -> bytes:
    place = out.member(b"", b"".join(entries))
    return _ENTRY.pack(
        entries[0][:HANDLE_BYTES],
        *place,
        merkle.root_over(entry[-HANDLE_BYTES:] for entry in entries),
    )
