"""Whether a disk takes what is written to it."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from licet.errors import BusyError

ROOM_BYTES_MIN = 16 * 2**20  # a segment of PostgreSQL's log
PAGE_BYTES = 4_096


def probe(folder: Path) -> None:
    """Writes a page to a file without a name in ``folder`` and has it on disk. BusyError, with
    `disk_full` or `disk_failed`, if that cannot be, or if there is hardly room for anything else.
    """
    try:
        free = shutil.disk_usage(folder).free
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            file.write(bytes(PAGE_BYTES))
            os.fsync(file.fileno())
    except OSError as error:
        raise BusyError(
            f"the disk of `{folder}` takes nothing: {error.strerror}",
            "make room on it, or repair it",
            because="disk_failed",
        ) from None
    if free < ROOM_BYTES_MIN:
        raise BusyError(f"the disk of `{folder}` is full", "make room on it", because="disk_full")
