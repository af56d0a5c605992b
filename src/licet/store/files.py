"""What is written to a file or a folder is on the disk: the one way in which everything of ours is made durable.

The plugins, which run in other programs, have their own.
"""

from __future__ import annotations

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Makes the bytes of a file durable, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Makes a folder where there is none, and its parents; on return its name and those made with it are on the disk.

    Its own name is synced even where it was there: a process killed before its fsync may have made it.
    """
    missing = [p for p in (folder, *folder.parents) if not p.exists()]
    folder.mkdir(mode=mode, parents=True, exist_ok=True)
    for made in missing or [folder]:
        sync(made.parent)
