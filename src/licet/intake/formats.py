"""The formats that can be imported, and reading a file, a zip archive or a folder in them.

A format is one module with a `name`, `recognises` and `read`, listed once in READERS; the first
that recognises a file reads it. A folder is walked in the order of its sorted names, without
following links, and an archive in its own order, without the archives in it; files of no format are
reported as skipped, by name. All files of a folder are one pass, so that records copied by a
resumed session are yielded once. The bytes reported to ``progress`` add up to ``size``.

All files are found and recognised before any is read, so that a wrong path raises at once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from licet.errors import InputError
from licet.intake import (
    archives,
    chatbot_ui,
    chatgpt,
    claude_ai,
    claude_code,
    cline,
    librechat,
    litellm,
    messages,
    open_webui,
)
from licet.intake.archives import ArchiveMember
from licet.intake.lines import Source, head
from licet.intake.read_turn import BrokenRecord, Read, SkippedRecord
from licet.intake.records import Pass, Progress

FILES_MAX = 1_000_000


class FormatReader(Protocol):
    """A format. ``recognises`` looks at the path and the first bytes, unpacked and perhaps cut off
    within a record; it never raises. ``read`` yields every record in the order of the file as
    turns, Skipped or Broken, in bounded memory, and never raises.
    """

    @property
    def name(self) -> str: ...

    def recognises(self, path: Source, head: bytes) -> bool: ...

    def read(self, path: Source, one_pass: Pass | None = None) -> Iterator[Read]: ...


READERS: tuple[FormatReader, ...] = (
    claude_code,
    claude_ai,
    chatgpt,
    librechat,
    open_webui,
    chatbot_ui,
    cline,
    litellm,
    messages,
)


class _FoundFile(NamedTuple):
    """A file or an archive member with its reader, or the reason why it has none."""

    path: Source
    reader: FormatReader | None
    unread: BrokenRecord | SkippedRecord | None = None


def names() -> tuple[str, ...]:
    """The names of all formats, in the order of detection."""
    return tuple(reader.name for reader in READERS)


def detect(path: Path) -> FormatReader:
    """The format of a file, or of the first file in a folder that has one; else InputError."""
    return next(file.reader for file in _find_files(path) if file.reader)


def size(path: Path) -> int:
    """The number of bytes on disk that `read` will read."""
    return sum(_disk_path(file.path).stat().st_size for file in _distinct_files(_find_files(path)))


def read(path: Path, progress: Progress | None = None) -> Iterator[Read]:
    """Reads a file or a folder; InputError, before anything is yielded, if no file has a format."""
    return _read(_find_files(path), Pass(progress) if progress else Pass())


def _read(files: list[_FoundFile], one_pass: Pass) -> Iterator[Read]:
    for file in files:
        if file.reader:
            yield from file.reader.read(file.path, one_pass)
        if file.unread:
            yield file.unread
    for file in _distinct_files(files):
        if isinstance(file.path, ArchiveMember):
            # The bytes between members, and of members that were skipped.
            archive = file.path.archive
            in_it = (
                f.path
                for f in files
                if f.reader and isinstance(f.path, ArchiveMember) and f.path.archive == archive
            )
            one_pass.progress(archive.stat().st_size - sum(member.packed_bytes for member in in_it))


def _distinct_files(files: list[_FoundFile]) -> list[_FoundFile]:
    """The files on disk from which something is read, each once."""
    return list({_disk_path(file.path): file for file in files if file.reader}.values())


def _disk_path(path: Source) -> Path:
    return path.archive if isinstance(path, ArchiveMember) else path


def _find_files(path: Path) -> list[_FoundFile]:
    """Every file and its reader; at least one file has a reader."""
    if not path.exists():
        raise InputError("there is no such file or folder", "name one that exists", file=str(path))
    found = [recognised for file in _files(path) for recognised in _list_members(file)]
    if not any(file.reader for file in found):
        alone = found[0].unread if len(found) == 1 else None
        what = (
            alone.reason
            if isinstance(alone, SkippedRecord)
            else "no file in it is of a known format"
        )
        raise InputError(
            what, f"the formats are {', '.join(f'`{name}`' for name in names())}", file=str(path)
        )
    return found


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files: list[Path] = []
    for folder, folders, file_names in os.walk(path):
        folders.sort()
        # Regular files only: opening a named pipe would block.
        # A link could lead out of the folder.
        named = (Path(folder, name) for name in sorted(file_names))
        files += [file for file in named if file.is_file() and not file.is_symlink()]
        if len(files) > FILES_MAX:
            raise InputError(
                f"there are more than {FILES_MAX} files in it",
                "bring parts of it in",
                file=str(path),
            )
    return files


def _list_members(path: Path) -> list[_FoundFile]:
    try:
        if not archives.is_archive(path):
            return [_recognise(path)]
        members, cut = archives.list_members(path)
    except OSError:
        return [_skip_file(path, "the file cannot be opened")]
    if len(members) > archives.MEMBERS_MAX:
        raise InputError(
            f"there are more than {archives.MEMBERS_MAX} files in it", "unpack it", file=str(path)
        )
    recognised = [_recognise(member) for member in members]
    if cut:
        end = BrokenRecord(
            place=str(path), message="the archive is cut off: what lies behind its end is not here"
        )
        recognised.append(_FoundFile(path, None, end))
    return recognised


def _recognise(path: Source) -> _FoundFile:
    try:
        start = head(path)
    except OSError:
        return _skip_file(path, "the file cannot be opened")
    for reader in READERS:
        if reader.recognises(path, start):
            return _FoundFile(path, reader)
    return _skip_file(path, "the file is of no known format" if start else "the file is empty")


def _skip_file(path: Source, reason: str) -> _FoundFile:
    return _FoundFile(path, None, SkippedRecord(place=str(path), reason=reason))
