"""The bytes of a file in bounded memory: chunks, lines, and its head. A name that ends in `.gz` is unpacked.

Nothing raises once a file is open: damage becomes one `Broken` with the place, and what was whole before it is
kept. A line ends with a line feed; a carriage return before it, a byte order mark at the start and empty lines
are not content (RFC 8259 forbids the mark and lets a reader ignore it). A line over ``line_bytes_max`` or one
that is not UTF-8 is Broken by its number, and reading goes on behind it.

Progress counts bytes of the file as it lies on disk, so that the sum over a file is its size, packed or not.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

from licet.intake.reading import Broken
from licet.intake.records import Progress

CHUNK_BYTES = 2**20
LINE_BYTES_MAX = 256 * 2**20
HEAD_BYTES = 2**16

_MARK = b"\xef\xbb\xbf"
_DAMAGE = (EOFError, OSError, zlib.error)


class Line(NamedTuple):
    """One line that is not empty. ``number`` counts from 1, empty lines included."""

    number: int
    raw: bytes


def head(path: Path) -> bytes:
    """The first bytes of a file, unpacked, without a byte order mark; raises OSError where it cannot be opened."""
    start = b""
    with path.open("rb") as file:
        stream = _unpacked(path, file)
        try:
            while len(start) < HEAD_BYTES and (more := stream.read1(HEAD_BYTES)):
                start += more
        except _DAMAGE:
            pass  # what can be read is enough to recognise a file; its reader says where the damage is
    return start[:HEAD_BYTES].removeprefix(_MARK)


def chunks(path: Path, progress: Progress) -> Iterator[bytes | Broken]:
    """The bytes of a file in order, at most CHUNK_BYTES at a time; at most one Broken, and that is the last."""
    try:
        file = path.open("rb")
    except OSError:
        yield Broken(place=str(path), message="the file cannot be opened")
        return
    with file:
        consumed, first = 0, True
        stream = _unpacked(path, file)
        while True:
            try:
                # One read of the file below at most, so that what was unpacked before damage is not lost with it.
                chunk = stream.read1(CHUNK_BYTES)
            except _DAMAGE:
                yield Broken(place=str(path), message="the file ends early or is damaged")
                break
            if not chunk:
                break
            yield chunk.removeprefix(_MARK) if first else chunk
            first = False
            progress(file.tell() - consumed)
            consumed = file.tell()
        progress(os.fstat(file.fileno()).st_size - consumed)


def lines(path: Path, progress: Progress, line_bytes_max: int = LINE_BYTES_MAX) -> Iterator[Line | Broken]:
    """Every line of a file that is not empty, or what is wrong with it."""
    number, held = 1, 0
    pieces: list[bytes] = []
    damage: list[Broken] = []
    for chunk in chunks(path, progress):
        if isinstance(chunk, Broken):
            damage.append(chunk)
            break
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            pieces.append(chunk[start:end])
            yield from _line(path, number, pieces, held + end - start, line_bytes_max)
            number, pieces, held, start = number + 1, [], 0, end + 1
        held += len(chunk) - start
        # Beyond the bound only the length is kept: the line is Broken whatever else it holds.
        if held <= line_bytes_max:
            pieces.append(chunk[start:])
        else:
            pieces = []
    yield from _line(path, number, pieces, held, line_bytes_max)
    yield from damage


def _line(path: Path, number: int, pieces: list[bytes], held: int, line_bytes_max: int) -> Iterator[Line | Broken]:
    if held > line_bytes_max:
        yield Broken(place=f"{path}:{number}", message=f"the line is over {line_bytes_max} bytes")
        return
    raw = b"".join(pieces).strip(b" \t\r")
    if not raw:
        return
    if not valid_utf8(raw):
        yield Broken(place=f"{path}:{number}", message="not valid UTF-8")
        return
    yield Line(number, raw)


def valid_utf8(raw: bytes) -> bool:
    """Whether bytes are UTF-8; asked of whole records, because a decoder does not look into keys that it skips."""
    if raw.isascii():
        return True
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _unpacked(path: Path, file: BufferedReader) -> BufferedReader | gzip.GzipFile:
    return gzip.GzipFile(fileobj=file, mode="rb") if path.suffix == ".gz" else file
