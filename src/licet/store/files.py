"""Durable files and folders: the only functions that fsync.

The plugins, which run in other programs, have their own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def sync(path: Path) -> None:
    """Makes the bytes of a file durable, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
