"""Exclusion of sessions by an organisation, a project or the person. Each can restrict use; none
can widen it.

A file of an organisation (`/etc/licet/agent.toml`) or of a project (`.licet.toml`, in the folder or
above it) contains only

    keep_out = true     # recorded, and never used
    incognito = true    # not recorded at all

A file that is unreadable or contains anything else has the strictest meaning: nothing is recorded,
and the status line says why.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

LOCK = Path("/etc/licet/agent.toml")
PROJECT = ".licet.toml"
FILE_BYTES_MAX = 64 * 2**10
FOLDERS_MAX = 100


class Narrowing(msgspec.Struct, frozen=True, kw_only=True):
    """The exclusion of a session; ``by`` is its author, "" without one."""

    keep_out: bool = False
    incognito: bool = False
    by: str = ""

    def stricter(self, other: Narrowing) -> Narrowing:
        return max(self, other, key=lambda narrowing_: (narrowing_.incognito, narrowing_.keep_out))


class _File(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    keep_out: bool = False
    incognito: bool = False


def find_narrowing(folder: str, locks: Sequence[Path], own: Narrowing) -> Narrowing:
    """Returns the strictest of the person's choice ``own`` and all files that apply to
    ``folder``.
    """
    strictest = own
    for place in locks:
        strictest = strictest.stricter(_read_file(place, "the organisation"))
    for place in _above(folder):
        strictest = strictest.stricter(_read_file(place / PROJECT, f"`{PROJECT}`"))
    return strictest


def _above(folder: str) -> Iterator[Path]:
    if folder:
        path = Path(folder)
        yield from [path, *path.parents][:FOLDERS_MAX]


def _read_file(path: Path, author: str) -> Narrowing:
    try:
        with path.open("rb") as file:
            text = file.read(FILE_BYTES_MAX + 1)
    except (FileNotFoundError, NotADirectoryError):
        return Narrowing()
    except OSError:
        return Narrowing(incognito=True, by=f"{author}, whose file cannot be read")
    try:
        file_content = msgspec.convert(tomllib.loads(text[:FILE_BYTES_MAX].decode()), _File)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError):
        return Narrowing(incognito=True, by=f"{author}, whose file is invalid")
    return Narrowing(
        keep_out=file_content.keep_out,
        incognito=file_content.incognito,
        by=author if file_content.keep_out or file_content.incognito else "",
    )
