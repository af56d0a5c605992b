"""Zip archives (PKWARE APPNOTE 6.3), each member read like a file of its own and unpacked as a
stream.

The central directory is at the end, so a truncated download has none: then the local headers are
read, and the members that are complete are used. Nothing is unpacked to disk, and memory is bounded
by one chunk, whatever sizes an archive claims. A member that is encrypted, or neither stored nor
deflated, cannot be opened.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import NamedTuple

MAGIC = b"PK\x03\x04"
MEMBERS_MAX = 1_000_000
PIECE_BYTES = 2**16

_FIXED = struct.Struct("<4s5H3L2H")
_ENCRYPTED, _SIZES_BEHIND, _NAME_IS_UTF8 = 0x1, 0x8, 0x800
_STORED, _DEFLATED = 0, 8
_IN_ZIP64 = 0xFFFFFFFF
_DESCRIPTOR_BYTES_MAX = 24


class _Header(NamedTuple):
    """The local header of a member. ``packed_bytes`` is None if it follows the data."""

    flags: int
    method: int
    packed_bytes: int | None
    path: str
    data_offset: int


@dataclass(frozen=True, slots=True)
class ArchiveMember:
    """``packed_bytes`` is its size in the archive; ``crc`` is None if unknown."""

    archive: Path
    path: str
    offset: int
    packed_bytes: int
    crc: int | None = None

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.path).suffix

    @property
    def parent(self) -> PurePosixPath:
        return PurePosixPath(self.path).parent

    def __str__(self) -> str:
        return f"{self.archive}/{self.path}"

    def open(self) -> Unpacked:
        """The member's bytes; OSError where it cannot be opened."""
        file = self.archive.open("rb")
        header = _header(file, self.offset)
        if header is None or header.flags & _ENCRYPTED or header.method not in (_STORED, _DEFLATED):
            file.close()
            raise OSError("the member cannot be opened")
        file.seek(header.data_offset)
        return Unpacked(file, self, deflated=header.method == _DEFLATED)


@dataclass(slots=True)
class Unpacked:
    """A member's bytes as a stream; ``consumed`` counts the packed bytes read for them."""

    file: BufferedReader
    member: ArchiveMember
    deflated: bool
    consumed: int = 0
    _crc: int = 0
    _ended: bool = False
    _inflate: zlib._Decompress = field(default_factory=lambda: zlib.decompressobj(-zlib.MAX_WBITS))

    def __enter__(self) -> Unpacked:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.file.close()

    def read1(self, bytes_max: int) -> bytes:
        """Some bytes, or none at the end; EOFError, OSError or zlib.error if it is cut off or
        damaged.
        """
        while not self._ended:
            plain = self._next(bytes_max)
            self._crc = zlib.crc32(plain, self._crc)
            if plain:
                return plain
        if self.member.crc not in (None, self._crc):
            raise OSError("the member is damaged")
        return b""

    def _next(self, bytes_max: int) -> bytes:
        packed = self._inflate.unconsumed_tail or self._packed()
        if not self.deflated:
            self._ended = not packed
            if self._ended and self.consumed < self.member.packed_bytes:
                raise EOFError
            return packed
        plain = self._inflate.decompress(packed, bytes_max)
        if self._inflate.eof:
            self._ended = True
            self.consumed -= len(self._inflate.unused_data)
        elif not packed and not plain:
            raise EOFError
        return plain

    def _packed(self) -> bytes:
        piece = self.file.read1(min(PIECE_BYTES, self.member.packed_bytes - self.consumed))
        self.consumed += len(piece)
        return piece


def is_archive(path: Path) -> bool:
    """Whether a file begins as a zip archive does; raises OSError where it cannot be opened."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def list_members(archive: Path) -> tuple[list[ArchiveMember], bool]:
    """At most MEMBERS_MAX + 1 files of an archive in its order, and whether its end is missing."""
    try:
        with zipfile.ZipFile(archive) as listed:
            return [
                ArchiveMember(
                    archive, item.filename, item.header_offset, item.compress_size, item.CRC
                )
                for item in listed.infolist()[: MEMBERS_MAX + 1]
                if not item.is_dir()
            ], False
    except (zipfile.BadZipFile, RuntimeError, ValueError):
        return list(_walk_headers(archive)), True


def _walk_headers(archive: Path) -> Iterator[ArchiveMember]:
    """Members by their local headers, for a truncated archive; the last one may be incomplete."""
    size, at = archive.stat().st_size, 0
    with archive.open("rb") as file:
        for _ in range(MEMBERS_MAX + 1):
            header = _header(file, at)
            if header is None:
                return
            left = size - header.data_offset
            member = ArchiveMember(archive, header.path, at, max(left, 0))
            packed_bytes = (
                _measure_member(member)
                if header.packed_bytes is None
                else min(header.packed_bytes, left)
            )
            if not header.path.endswith("/"):
                yield ArchiveMember(archive, header.path, at, packed_bytes)
            at = header.data_offset + packed_bytes
            if header.packed_bytes is None:
                file.seek(at)
                at += max(0, file.read(_DESCRIPTOR_BYTES_MAX + len(MAGIC)).find(MAGIC))


def _measure_member(member: ArchiveMember) -> int:
    """The packed size of a member without one in its header, found by unpacking it."""
    try:
        with member.open() as stream:
            if not stream.deflated:
                return member.packed_bytes
            while stream.read1(PIECE_BYTES):
                continue
            return stream.consumed
    except (EOFError, OSError, zlib.error):
        return member.packed_bytes


def _header(file: BufferedReader, offset: int) -> _Header | None:
    file.seek(offset)
    fixed = file.read(_FIXED.size)
    if len(fixed) < _FIXED.size or not fixed.startswith(MAGIC):
        return None
    _, _, flags, method, _, _, _, packed_bytes, _, name_bytes, extra_bytes = _FIXED.unpack(fixed)
    name, extra = file.read(name_bytes), file.read(extra_bytes)
    path = name.decode("utf-8" if flags & _NAME_IS_UTF8 else "cp437", "replace")
    unknown = bool(flags & _SIZES_BEHIND) and packed_bytes in (0, _IN_ZIP64)
    known = None if unknown else _zip64(extra) if packed_bytes == _IN_ZIP64 else packed_bytes
    return _Header(flags, method, known, path, file.tell())


def _zip64(extra: bytes) -> int:
    """The packed size from a header's extended information; 0 if that is damaged."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == 1 and at + 20 <= len(extra):
            return int.from_bytes(extra[at + 12 : at + 20], "little")
        at += 4 + length
    return 0
