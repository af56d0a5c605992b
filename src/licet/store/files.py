"""Durable files and folders: the only functions that fsync.

The plugins, which run in other programs, have their own.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from licet.errors import BusyError


def sync(path: Path) -> None:
    """Makes the bytes of a file durable, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_some(descriptor: int, data: memoryview, what: str) -> int:
    """How many bytes of ``data`` were written; BusyError where the disk of ``what`` has no room.

    Nothing of a refused write is left to be synced, so that it may be tried again. What only an
    fsync reports stays an OSError: the kernel may have dropped what was written before.
    """
    try:
        return os.write(descriptor, data)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise BusyError(
            f"the disk of {what} is full",
            "make room on it, then make the change again",
            because="disk_full",
        ) from None


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Creates a folder and its parents if they do not exist; on return its name and those created
    with it are on the disk.

    Its own name is synced even if it existed: a process killed before its fsync may have created
    it.
    """
    missing = [p for p in (folder, *folder.parents) if not p.exists()]
    folder.mkdir(mode=mode, parents=True, exist_ok=True)
    for made in missing or [folder]:
        sync(made.parent)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that atomically and durably replaces ``path`` when the block ends."""
    beside = path.with_name(f".{path.name}.tmp")
    try:
        with beside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    sync(path.parent)
