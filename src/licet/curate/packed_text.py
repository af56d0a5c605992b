"""Recognises compressed data by its first bytes, and unpacks the text in it.

Unreadable data is distinguished from data without text: an archive, damage after the first bytes,
or more than ``UNPACKED_BYTES_MAX`` may hide anything, so a conversation with it is left out of a
release.

Formats: gzip (RFC 1952), zlib (RFC 1950), bzip2, xz and Zstandard (RFC 8878) are unpacked; zip, 7z,
rar, lz4 and PDF are only recognised.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Protocol

import zstandard

UNPACKED_BYTES_MAX = 2**20
MEMORY_BYTES_MAX = 64 * 2**20
_CHUNK = 1024
_GZIP, _BZIP2, _XZ, _ZSTD = b"\x1f\x8b\x08", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"
_ARCHIVES = (b"PK\x03\x04", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"\x04\x22\x4d\x18", b"%PDF-")


class _Unpacks(Protocol):
    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """At most so many more bytes."""


def is_packed(data: bytes) -> bool:
    """Whether ``data`` begins like compressed data. One in a thousand random strings begins like
    zlib's.
    """
    return data.startswith((_GZIP, _BZIP2, _XZ, _ZSTD, *_ARCHIVES)) or _is_zlib(data)


def unpack(data: bytes) -> bytes | None:
    """The unpacked ``data``, as far as it goes if its end is missing; None if unreadable, empty if
    it is not compressed.
    """
    if data.startswith(_GZIP):
        return _read(zlib.decompressobj(wbits=31).decompress, data)
    if _is_zlib(data):
        return _read(zlib.decompressobj().decompress, data, is_sure=False)
    if data.startswith(_BZIP2):
        return _read(
            bz2.BZ2Decompressor().decompress,
            data,
            is_sure=data[3:4].isdigit() and data[4:10] == b"1AY&SY",
        )
    if data.startswith(_XZ):
        return _read(lzma.LZMADecompressor(memlimit=MEMORY_BYTES_MAX).decompress, data)
    return _of_zstd(data) if data.startswith(_ZSTD) else None


def _is_zlib(data: bytes) -> bool:
    return data[:1] == b"\x78" and len(data) > 2 and data[1] in (0x01, 0x5E, 0x9C, 0xDA)


def _read(
    unpack: Callable[[bytes, int], bytes], data: bytes, *, is_sure: bool = True
) -> bytes | None:
    """``is_sure``: the first bytes prove compression, so that damaged data is unreadable."""
    out = bytearray()
    try:
        for at in range(0, len(data), _CHUNK):
            out += unpack(data[at : at + _CHUNK], UNPACKED_BYTES_MAX + 1 - len(out))
            if len(out) > UNPACKED_BYTES_MAX:
                return None
    except (zlib.error, lzma.LZMAError, OSError, EOFError):
        return None if is_sure or out else b""
    return bytes(out)


def _of_zstd(data: bytes) -> bytes | None:
    try:
        with zstandard.ZstdDecompressor(max_window_size=MEMORY_BYTES_MAX).stream_reader(
            data
        ) as reader:
            out = reader.read(UNPACKED_BYTES_MAX + 1)
    except zstandard.ZstdError:
        return None
    return out if len(out) <= UNPACKED_BYTES_MAX else None
