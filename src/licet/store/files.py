"""Durable files and folders: the only functions that fsync.

The plugins, which run in other programs, have their own.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from licet.errors import BusyError

_ROOM_BYTES_MIN = 16 * 2**20  # a segment of PostgreSQL's log
_PAGE_BYTES = 4_096


def sync(path: Path) -> None:
    """Makes the bytes of a file durable, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_some(descriptor: int, data: memoryview, name: str) -> int:
    """Writes and returns the number of bytes written; BusyError, naming ``name``, if the disk has
    no room.

    Nothing of a refused write is left to sync, so the caller may retry. An error of a later fsync
    stays an OSError: the kernel may have dropped earlier writes.
    """
    try:
        return os.write(descriptor, data)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise BusyError(
            f"the disk of {name} is full",
            "make room on it, then make the change again",
            because="disk_full",
        ) from None


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Creates a folder and its parents; on return the new names are on the disk.

    The folder's own name is synced even if it existed: a process killed before its fsync may have
    created it.
    """
    missing = [p for p in (folder, *folder.parents) if not p.exists()]
    folder.mkdir(mode=mode, parents=True, exist_ok=True)
    for made in missing or [folder]:
        sync(made.parent)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Yields a file that atomically and durably replaces ``path`` at the end of the block."""
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


def probe_disk(folder: Path) -> None:
    """Writes and syncs a page of an unnamed file in ``folder``. BusyError, with `disk_full` or
    `disk_failed`, if that fails or hardly any room is left.
    """
    try:
        free = shutil.disk_usage(folder).free
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            file.write(bytes(_PAGE_BYTES))
            os.fsync(file.fileno())
    except OSError as error:
        raise BusyError(
            f"the disk of `{folder}` takes nothing: {error.strerror}",
            "make room on it, or repair it",
            because="disk_failed",
        ) from None
    if free < _ROOM_BYTES_MIN:
        raise BusyError(f"the disk of `{folder}` is full", "make room on it", because="disk_full")
