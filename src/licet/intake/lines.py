"""The bytes of a file in bounded memory: chunks, lines, and its head. A name that ends in `.gz` is unpacked.

A file is a path, or a member of an archive; both are read alike.

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
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from re import Pattern
from typing import NamedTuple, TypeAlias

from licet.intake.archives import Member, Unpacked
from licet.intake.reading import Broken
from licet.intake.records import Progress, sized, valid_utf8

CHUNK_BYTES = 2**20
LINE_BYTES_MAX = 256 * 2**20
HEAD_BYTES = 2**16

OWNER_BYTES_MAX = 1024

_MARK = b"\xef\xbb\xbf"
_DAMAGE = (EOFError, OSError, zlib.error)

Source: TypeAlias = Path | Member


class Line(NamedTuple):
    """One line that is not empty. ``number`` counts from 1, empty lines included."""

    number: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class _Opened:
    """An open file: its bytes, unpacked, and the file below, which knows how much of it was consumed."""

    stream: BufferedReader | gzip.GzipFile | Unpacked
    below: BufferedReader | Unpacked

    def consumed(self) -> int:
        return self.below.consumed if isinstance(self.below, Unpacked) else self.below.tell()

    def size(self) -> int:
        if isinstance(self.below, Unpacked):
            return self.below.member.packed_bytes
        return os.fstat(self.below.fileno()).st_size


@contextmanager
def _open(path: Source) -> Iterator[_Opened]:
    if isinstance(path, Member):
        with path.open() as member:
            yield _Opened(member, member)
    else:
        with path.open("rb") as file:
            packed = path.suffix == ".gz"
            yield _Opened(gzip.GzipFile(fileobj=file, mode="rb") if packed else file, file)


def head(path: Source) -> bytes:
    """The first bytes of a file, unpacked, without a byte order mark; raises OSError where it cannot be opened."""
    start = b""
    with _open(path) as opened:
        try:
            while len(start) < HEAD_BYTES and (more := opened.stream.read1(HEAD_BYTES)):
                start += more
        except _DAMAGE:
            pass  # what can be read is enough to recognise a file; its reader says where the damage is
    return start[:HEAD_BYTES].removeprefix(_MARK)


def chunks(path: Source, progress: Progress) -> Iterator[bytes | Broken]:
    """The bytes of a file in order, at most CHUNK_BYTES at a time; at most one Broken, and that is the last."""
    with ExitStack() as stack:
        try:
            opened = stack.enter_context(_open(path))
        except OSError:
            yield Broken(place=str(path), message="the file cannot be opened")
            return
        consumed, first = 0, True
        while True:
            try:
                # One read of the file below at most, so that what was unpacked before damage is not lost with it.
                chunk = opened.stream.read1(CHUNK_BYTES)
            except _DAMAGE:
                yield Broken(place=str(path), message="the file ends early or is damaged")
                break
            if not chunk:
                break
            yield chunk.removeprefix(_MARK) if first else chunk
            first = False
            progress(opened.consumed() - consumed)
            consumed = opened.consumed()
        progress(opened.size() - consumed)


def has_several(path: Source, owner: Pattern[bytes]) -> bool:
    """Whether a file names more than one owner, by what the first group of ``owner`` finds in its bytes.

    Asked before a file is read, because its first conversation must not be taken for somebody else's. Content is
    quoted in JSON and cannot look like a key; if it did, the file would count as several people's, which only narrows.
    """
    found: set[bytes] = set()
    tail = b""
    for chunk in chunks(path, lambda _consumed: None):
        if isinstance(chunk, Broken):
            break
        text = tail + chunk
        found.update(match[1] for match in owner.finditer(text))
        if len(found) > 1:
            return True
        tail = text[-OWNER_BYTES_MAX:]
    return False


def lines(path: Source, progress: Progress, line_bytes_max: int = LINE_BYTES_MAX) -> Iterator[Line | Broken]:
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


def _line(path: Source, number: int, pieces: list[bytes], held: int, line_bytes_max: int) -> Iterator[Line | Broken]:
    if held > line_bytes_max:
        yield Broken(place=f"{path}:{number}", message=f"the line is over {sized(line_bytes_max)}")
        return
    raw = b"".join(pieces).strip(b" \t\r")
    if not raw:
        return
    if not valid_utf8(raw):
        yield Broken(place=f"{path}:{number}", message="not valid UTF-8")
        return
    yield Line(number, raw)
