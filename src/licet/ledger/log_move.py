"""Copies the folder of the logs into a bucket, before they are opened there.

Promise: on return every file of the folder is in the bucket as `ledger.storage.BucketFiles` reads
it, and was read back and compared; what an earlier run left is replaced. The folder is not changed.
The caller holds the sequencer's lock.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from pathlib import Path

from licet.ledger.storage import FSYNC_THREADS_MAX, MARK_BYTES, BucketFolder, is_fixed, list_files

LOCK = "lock"


def names(folder: Path) -> list[str]:
    """The files of the logs, or of their state, without the locks."""
    return sorted(name for name in list_files(folder, "") if name.rpartition("/")[2] != LOCK)


def copy(folder: Path, target: BucketFolder, report: Callable[[int], None]) -> None:
    """Copies every file; ``report`` gets the bytes of each."""
    one = partial(_copy, folder, target)
    with ThreadPoolExecutor(FSYNC_THREADS_MAX) as pool:
        for size in pool.map(one, names(folder)):
            report(size)


def _copy(folder: Path, target: BucketFolder, name: str) -> int:
    data = (folder / name).read_bytes()
    is_plain = not target.is_marked or is_fixed(name.partition("/")[2])
    content = data if is_plain else sha256(name.encode() + data).digest()[:MARK_BYTES] + data
    target.bucket.put_compared(target.prefix + name, content)
    return len(data)
