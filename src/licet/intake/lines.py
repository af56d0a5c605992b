"""The bytes of a file or an archive's member in bounded memory: chunks, lines, and its head. A name
that ends in `.gz` is unpacked.

Nothing raises once a file is open: damage becomes one `BrokenRecord` with the place, and what was
whole before it is kept. A line ends with a line feed; a carriage return before it, a byte order
mark at the start and empty lines are not content (RFC 8259). A line over ``line_bytes_max`` or one
that is not UTF-8 is Broken by its number, and reading goes on behind it. In a long line of JSON a
string of more than TURN_BYTES_MAX becomes OVER_LONG.

Progress counts bytes of the file on disk, so that the sum over a file is its size, packed or not.
"""

from __future__ import annotations

import gzip
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from re import Pattern
from typing import NamedTuple, TypeAlias

from licet.intake.archives import ArchiveMember, Unpacked
from licet.intake.read_turn import BrokenRecord
from licet.intake.records import OVER_LONG, Progress, format_bytes, valid_utf8
from licet.vault.content import TURN_BYTES_MAX

CHUNK_BYTES = 2**20
LINE_BYTES_MAX = 256 * 2**20
HEAD_BYTES = 2**16
LONG_LINE_BYTES = 16 * 2**20
# To the quote that ends a string, or to a backslash that a chunk cuts off. Possessive, so nothing
# is tried again.
REST_OF_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.S)

OWNER_BYTES_MAX = 1024

_EMPTY_LINES = re.compile(rb"\n++")
_MARK = b"\xef\xbb\xbf"
_DAMAGE = (EOFError, OSError, zlib.error)

Source: TypeAlias = Path | ArchiveMember


class TextLine(NamedTuple):
    """One line that is not empty. ``number`` counts from 1, empty lines included."""

    number: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class _OpenFile:
    """``stream`` has the unpacked bytes; ``below`` counts the consumed ones."""

    stream: BufferedReader | gzip.GzipFile | Unpacked
    below: BufferedReader | Unpacked

    def bytes_consumed(self) -> int:
        return self.below.consumed if isinstance(self.below, Unpacked) else self.below.tell()

    def size(self) -> int:
        if isinstance(self.below, Unpacked):
            return self.below.member.packed_bytes
        return os.fstat(self.below.fileno()).st_size


@contextmanager
def _open(path: Source) -> Iterator[_OpenFile]:
    if isinstance(path, ArchiveMember):
        with path.open() as member:
            yield _OpenFile(member, member)
    else:
        with path.open("rb") as file:
            packed = path.suffix == ".gz"
            yield _OpenFile(gzip.GzipFile(fileobj=file, mode="rb") if packed else file, file)


def head(path: Source) -> bytes:
    """The first bytes of a file, unpacked, without a byte order mark; OSError if it cannot be
    opened.
    """
    start = b""
    with _open(path) as opened:
        try:
            while len(start) < HEAD_BYTES and (more := opened.stream.read1(HEAD_BYTES)):
                start += more
        except _DAMAGE:
            # enough to recognise a file; its reader reports the place of the damage
            pass
    return start[:HEAD_BYTES].removeprefix(_MARK)


def chunks(path: Source, progress: Progress) -> Iterator[bytes | BrokenRecord]:
    """The bytes of a file, at most CHUNK_BYTES at a time; at most one Broken, the last."""
    with ExitStack() as stack:
        try:
            opened = stack.enter_context(_open(path))
        except OSError:
            yield BrokenRecord(place=str(path), message="the file cannot be opened")
            return
        consumed, first = 0, True
        while True:
            try:
                # One read of the file below at most, so that what was unpacked before damage is not
                # lost with it.
                chunk = opened.stream.read1(CHUNK_BYTES)
            except _DAMAGE:
                yield BrokenRecord(place=str(path), message="the file ends early or is damaged")
                break
            if not chunk:
                break
            yield chunk.removeprefix(_MARK) if first else chunk
            first = False
            progress(opened.bytes_consumed() - consumed)
            consumed = opened.bytes_consumed()
        progress(opened.size() - consumed)


def has_several(path: Source, owner: Pattern[bytes]) -> bool:
    """Whether a file names more than one owner, by the first group of ``owner`` in its bytes:
    checked first, so that no conversation is assigned to the wrong person. Quoted content cannot
    look like a key; if it did, that would only narrow.
    """
    owners: set[bytes] = set()
    tail = b""
    for chunk in chunks(path, lambda _consumed: None):
        if isinstance(chunk, BrokenRecord):
            break
        text = tail + chunk
        owners.update(match[1] for match in owner.finditer(text))
        if len(owners) > 1:
            return True
        tail = text[-OWNER_BYTES_MAX:]
    return False


def lines(
    path: Source, progress: Progress, line_bytes_max: int = LINE_BYTES_MAX
) -> Iterator[TextLine | BrokenRecord]:
    """Every line of a file that is not empty, or its damage."""
    number, line = 1, _LineBuffer(line_bytes_max)
    damage: list[BrokenRecord] = []
    for chunk in chunks(path, progress):
        if isinstance(chunk, BrokenRecord):
            damage.append(chunk)
            break
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            if end == start and not line.held:  # however many empty lines, one step
                empty = _EMPTY_LINES.match(chunk, start)
                assert empty is not None, "a line feed stands here"
                number, start = number + len(empty[0]), empty.end()
                continue
            line.add(chunk[start:end])
            yield from _line(path, number, line)
            number, line, start = number + 1, _LineBuffer(line_bytes_max), end + 1
        line.add(chunk[start:])
    yield from _line(path, number, line)
    yield from damage


@dataclass(slots=True)
class _LineBuffer:
    """A line being read. Beyond its bound nothing is stored: it is Broken. Over LONG_LINE_BYTES
    only the bounds of its strings are tracked: ``string_from`` and ``string_held`` are of the open
    one.
    """

    bytes_max: int
    held: int = 0
    pieces: list[bytes] = field(default_factory=list)
    long: bytearray | None = None
    in_string: bool = False
    escaped: bool = False
    string_from: int = 0
    string_held: int = 0

    def add(self, piece: bytes) -> None:
        if self.held > self.bytes_max:
            return
        if self.long is None and self.held + len(piece) > LONG_LINE_BYTES:
            self.long, pieces, self.pieces = bytearray(), self.pieces, []
            for each in pieces:
                self._shorten(each, self.long)
        if self.long is None:
            self.pieces.append(piece)
            self.held += len(piece)
        else:
            self._shorten(piece, self.long)
            self.held = len(self.long)
        if self.held > self.bytes_max:
            self.pieces, self.long = [], bytearray()

    def raw(self) -> bytes:
        return b"".join(self.pieces) if self.long is None else bytes(self.long)

    def _shorten(self, piece: bytes, into: bytearray) -> None:
        at = 0
        while at < len(piece):
            if not self.in_string:
                end = piece.find(b'"', at) + 1
                into += piece[at : end or len(piece)]
                at = end or len(piece)
                self.in_string, self.string_from, self.string_held = end > 0, len(into), 0
                continue
            begin = at
            if self.escaped:
                self.escaped, at = False, at + 1
            match = REST_OF_STRING.match(piece, at)
            assert match is not None, "a pattern that may be empty always matches"
            stop = piece[match.end() : match.end() + 1]
            at = match.end() + len(stop)
            self.in_string, self.escaped = stop != b'"', stop == b"\\"
            self._keep_string(piece[begin : at if self.in_string else match.end()], into)
            if not self.in_string:
                into += stop

    def _keep_string(self, piece: bytes, into: bytearray) -> None:
        before, self.string_held = self.string_held, self.string_held + len(piece)
        if self.string_held <= TURN_BYTES_MAX:
            into += piece
        elif before <= TURN_BYTES_MAX:
            into[self.string_from :] = OVER_LONG.encode()


def _line(path: Source, number: int, line: _LineBuffer) -> Iterator[TextLine | BrokenRecord]:
    if line.held > line.bytes_max:
        yield BrokenRecord(
            place=f"{path}:{number}", message=f"the line is over {format_bytes(line.bytes_max)}"
        )
        return
    raw = line.raw().strip(b" \t\r")
    if not raw:
        return
    if not valid_utf8(raw):
        yield BrokenRecord(place=f"{path}:{number}", message="not valid UTF-8")
        return
    yield TextLine(number, raw)
