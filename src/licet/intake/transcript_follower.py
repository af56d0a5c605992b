"""Follows a growing Claude Code transcript: the records since a mark, as `licet import` reads them.

* A turn has the id that an import of the whole file gives it.
* A line that is still being written is left for the next time.
* Reading begins at the last record in which the person spoke before the mark, so that a tool's
  result knows its call and a side thread its beginning; what lies before the mark is not given.
* A file that is shorter than its mark is another file: it is read from its beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from licet.intake import claude_code
from licet.intake.lines import LINE_BYTES_MAX
from licet.intake.read_turn import BrokenRecord, Read, ReadTurn
from licet.intake.records import Pass
from licet.policy.state import TurnRole


class ReadMark(NamedTuple):
    """``offset`` bytes were read; reading resumes at ``base``, after ``base_lines`` lines."""

    base: int = 0
    base_lines: int = 0
    offset: int = 0


class Step(NamedTuple):
    """One record: its first byte, its items, and the mark after it."""

    start: int
    items: tuple[Read, ...]
    mark: ReadMark


def end(path: Path) -> int:
    """The size of a file; 0 where there is none yet."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def follow(path: Path, mark: ReadMark) -> Iterator[Step]:
    """The complete records after ``mark``; none if there is no file yet."""
    if mark.offset > end(path):
        mark = ReadMark()
    try:
        opened = path.open("rb")
    except FileNotFoundError:
        return
    file, one_pass = claude_code.begin(path), Pass()
    with opened:
        opened.seek(mark.base)
        start, number, base, base_lines = mark.base, mark.base_lines, mark.base, mark.base_lines
        while True:
            size, raw = _line(opened.readline, LINE_BYTES_MAX)
            if not size:
                return
            number += 1
            items = tuple(_read_records(file, one_pass, f"{path}:{number}", number, raw))
            if any(isinstance(item, ReadTurn) and item.role is TurnRole.user for item in items):
                base, base_lines = start, number - 1
            if start >= mark.offset:
                yield Step(start, items, ReadMark(base, base_lines, start + size))
            start += size


def _line(readline: Callable[[int], bytes], bytes_max: int) -> tuple[int, bytes | None]:
    """The size and bytes of the next whole line, None for a line that is too long; (0, ..) without
    a whole line.
    """
    piece = readline(bytes_max)
    size, raw = len(piece), piece
    while piece and not piece.endswith(b"\n"):
        piece = readline(bytes_max)
        size += len(piece)
    if not piece:
        return 0, None
    return size, raw if size == len(raw) else None


def _read_records(
    file: claude_code.SessionFile, one_pass: Pass, place: str, number: int, raw: bytes | None
) -> Iterator[Read]:
    if raw is None:
        yield BrokenRecord(place=place, message="the line is too long")
        return
    stripped = raw.strip(b" \t\r\n").removeprefix(b"\xef\xbb\xbf")
    if stripped:
        yield from claude_code.read_record(file, one_pass, place, number, stripped)
