"""The index of a proof file, which finds one line and its Merkle path without reading the others.

A proof file is gzip members of 256 lines each, followed by empty members, which hold the index in
their extra field (RFC 1952, subfield "Li") and add no line, so that a reader of the whole file can
ignore them. An entry is the first handle that it covers (32 bytes), its offset (8) and length (4),
and the root of its subtree (32); integers are big-endian. A group is up to 256 entries: first of
blocks of lines, then of groups, until one group is left. The last member has 22 bytes: the version
1, offset (8) and length (4) of that group, the number of levels (1), and of lines (8).

The index is not trusted: a found line must lead to the manifest's root, or the file is read whole.
"""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_left
from typing import NamedTuple, Protocol, runtime_checkable

from licet.verifier.tree import leaf, path_of

LINES_EACH, GROUP_BYTES_MAX, BLOCK_BYTES_MAX, LEVELS_MAX = 256, 1 << 16, 1 << 28, 5
INDEX_HEAD, INDEX_TAIL, INDEX_FIELD = b"\x1f\x8b\x08\x04\0\0\0\0\0\xff", b"\x03\0" + bytes(8), b"Li"
INDEX_ENTRY, INDEX_END = struct.Struct(">32sQI32s"), struct.Struct(">BQIBQ")
END_BYTES = len(INDEX_HEAD) + 6 + INDEX_END.size + len(INDEX_TAIL)


class NoIndexError(Exception):
    """The file has no usable index."""


@runtime_checkable
class SeekableFiles(Protocol):
    """Files that can be read in parts; ``start`` counts from the end if negative."""

    def read_part(self, path: str, start: int, length: int) -> bytes: ...


class IndexEntry(NamedTuple):
    """The index entry of a block of lines, or of a group."""

    first: bytes
    start: int
    length: int
    root: bytes


class IndexedLines:
    """Looks up lines in a proof file of ``size`` lines. Every method may raise `NoIndexError`."""

    def __init__(self, files: SeekableFiles, path: str, size: int) -> None:
        self._files, self._path, self.size = files, path, size
        self._groups: dict[tuple[int, int], list[IndexEntry]] = {}
        self._blocks: dict[int, list[bytes]] = {}
        end = _read_index_field(files.read_part(path, -END_BYTES, END_BYTES))
        if len(end) != INDEX_END.size:
            raise NoIndexError
        version, start, length, self._levels, lines = INDEX_END.unpack(end)
        if version != 1 or lines != size or not 1 <= self._levels <= LEVELS_MAX:
            raise NoIndexError
        self._top = IndexEntry(b"", start, length, b"")

    def block_of(self, handle: bytes) -> int:
        """The first line of the block with the handle's first line, or the one before it."""
        number = 0
        for level in range(self._levels, 0, -1):
            firsts = [entry.first for entry in self._group(level, number)]
            number = number * LINES_EACH + max(0, bisect_left(firsts, handle) - 1)
        return number * LINES_EACH

    def line(self, index: int) -> bytes:
        return self._block(index // LINES_EACH)[index % LINES_EACH]

    def path(self, index: int) -> list[bytes]:
        """PATH(index, D[size]) of RFC 6962: within its block, then its group, and so on."""
        number, place = divmod(index, LINES_EACH)
        path = path_of(place, [leaf(line) for line in self._block(number)])
        for level in range(1, self._levels + 1):
            number, place = divmod(number, LINES_EACH)
            path += path_of(place, [entry.root for entry in self._group(level, number)])
        return path

    def _group(self, level: int, number: int) -> list[IndexEntry]:
        if (level, number) not in self._groups:
            at = self._top if level == self._levels else self._entry(level + 1, number)
            if at.length > GROUP_BYTES_MAX:
                raise NoIndexError
            field = _read_index_field(self._files.read_part(self._path, at.start, at.length))
            if not field or len(field) % INDEX_ENTRY.size:
                raise NoIndexError
            self._groups[level, number] = [
                IndexEntry(*entry) for entry in INDEX_ENTRY.iter_unpack(field)
            ]
        return self._groups[level, number]

    def _entry(self, level: int, number: int) -> IndexEntry:
        group = self._group(level, number // LINES_EACH)
        if number % LINES_EACH >= len(group):
            raise NoIndexError
        return group[number % LINES_EACH]

    def _block(self, number: int) -> list[bytes]:
        if number not in self._blocks:
            at = self._entry(1, number)
            if at.length > BLOCK_BYTES_MAX:
                raise NoIndexError
            try:
                text = zlib.decompressobj(31).decompress(
                    self._files.read_part(self._path, at.start, at.length), BLOCK_BYTES_MAX
                )
            except zlib.error:
                raise NoIndexError from None
            lines = text.split(b"\n")
            if lines.pop() or len(lines) != min(LINES_EACH, self.size - number * LINES_EACH):
                raise NoIndexError
            self._blocks[number] = lines
        return self._blocks[number]


def _read_index_field(member: bytes) -> bytes:
    head = len(INDEX_HEAD)
    extra, name, length = struct.unpack_from("<H2sH", member.ljust(head + 6, b"\0"), head)
    is_whole = member[:head] == INDEX_HEAD and member[head + 6 + length :] == INDEX_TAIL
    if not is_whole or name != INDEX_FIELD or extra != length + 4:
        raise NoIndexError
    return member[head + 6 : head + 6 + length]
