"""The formats that can be brought in, and the reading of a file or of a folder of them.

A format is one module with a `name`, `recognises` and `read`, listed once in READERS; the first that recognises a
file reads it. A folder is walked in the order of its sorted names, without following links to folders; files in
it that fit no format (pictures, indexes, notes) are Skipped by name. All files of a folder are one pass: what a
resumed session copied is yielded once. The bytes that ``progress`` hears of sum up to ``size``.

Nothing is read before all files are found and recognised, so a wrong path raises at once and not half-way.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from licet.errors import InputError
from licet.intake import chatgpt, claude_code, messages
from licet.intake.lines import head
from licet.intake.reading import Read, Skipped
from licet.intake.records import Pass, Progress

FILES_MAX = 1_000_000


class Reader(Protocol):
    """A format.

    ``recognises`` looks at the path and at the first bytes of the file, unpacked and perhaps cut off within a
    record; it answers for its own format only and never raises. ``read`` yields every record in the order of the
    file, in bounded memory, and yields Broken where others would raise.
    """

    @property
    def name(self) -> str: ...

    def recognises(self, path: Path, head: bytes) -> bool: ...

    def read(self, path: Path, one_pass: Pass | None = None) -> Iterator[Read]: ...


READERS: tuple[Reader, ...] = (claude_code, chatgpt, messages)


class _Found(NamedTuple):
    path: Path
    reader: Reader | None
    skipped: str


def names() -> tuple[str, ...]:
    """The names of all formats, in the order in which they are tried."""
    return tuple(reader.name for reader in READERS)


def detect(path: Path) -> Reader:
    """The format of a file, or of the first file in a folder that has one; InputError where nothing fits."""
    return next(found.reader for found in _found(path) if found.reader)


def size(path: Path) -> int:
    """How many bytes `read` will read, as they lie on disk."""
    return sum(found.path.stat().st_size for found in _found(path) if found.reader)


def read(path: Path, progress: Progress | None = None) -> Iterator[Read]:
    """All that a file or a folder holds; InputError, before anything is yielded, where nothing in it fits."""
    return _read(_found(path), Pass(progress) if progress else Pass())


def _read(files: list[_Found], one_pass: Pass) -> Iterator[Read]:
    for found in files:
        if found.reader:
            yield from found.reader.read(found.path, one_pass)
        else:
            yield Skipped(place=str(found.path), reason=found.skipped)


def _found(path: Path) -> list[_Found]:
    """Every file and its reader; at least one has one."""
    if not path.exists():
        raise InputError("there is no such file or folder", file=str(path))
    found = [_recognised(file) for file in _files(path)]
    if not any(file.reader for file in found):
        what = "no file in it is of a known format" if path.is_dir() else found[0].skipped
        raise InputError(what, f"the formats are {', '.join(f'`{name}`' for name in names())}", file=str(path))
    return found


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files: list[Path] = []
    for folder, folders, file_names in os.walk(path):
        folders.sort()
        # Only what is a file: opening a pipe that lies in the folder would wait for ever.
        files += [file for file in (Path(folder, name) for name in sorted(file_names)) if file.is_file()]
        if len(files) > FILES_MAX:
            raise InputError(f"there are more than {FILES_MAX} files in it", "bring parts of it in", file=str(path))
    return files


def _recognised(path: Path) -> _Found:
    try:
        start = head(path)
    except OSError:
        return _Found(path, None, "the file cannot be opened")
    reader = next((reader for reader in READERS if reader.recognises(path, start)), None)
    return _Found(path, reader, "" if reader else "the file is of no known format")
