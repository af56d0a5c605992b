"""Durable files: the steps of a durable write, and the lock for a single writer.

Promise of `Durable.write`: when it returns, every file is completely on the disk, under its name,
reachable from the root; otherwise each name has its former content or already the new bytes. A
failed step is never retried, because after a failed fsync the kernel may have dropped those bytes:
the caller stops. A write without room raises BusyError before any name is changed, and the caller
writes all of it anew.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Protocol, TypeVar

from licet.errors import BrokenError, BusyError
from licet.store.bucket import Bucket
from licet.store.files import make_folder, sync, write_some

TMP = ".tmp"
FILE_BYTES_MAX = 1 << 28
FSYNC_THREADS_MAX = 16
MARK_BYTES = 16

_T = TypeVar("_T")


class Backend(Protocol):
    """A folder, by relative paths with `/`; the root is the empty path. Any step may raise
    `OSError`, and `create` BusyError where there is no room for the files.
    """

    def create(self, files: Mapping[str, bytes]) -> None:
        """Promise: on return the bytes of every file are on the disk. Creates the parents; the
        names need not exist.
        """

    def rename(self, old: str, new: str) -> None:
        """Promise: the new name has either its former content or the complete file, never a
        mixture.
        """

    def fsync_dirs(self, paths: Sequence[str]) -> None:
        """Promise: on return the names in each of these folders are on the disk; the folders' own
        names may not be.
        """

    def read(self, path: str) -> bytes | None:
        """Promise: the bytes that a reader sees now, durable or not; None if there is no such
        file.
        """


class Prunable(Protocol):
    """A folder from which obsolete files can be removed."""

    def names(self, path: str) -> list[str]:
        """Promise: the names in this folder, sorted; empty if it is missing."""

    def remove(self, path: str) -> None:
        """Promise: a file or an empty folder is gone for readers; a crash may bring it back."""


class Folder:
    """The file system below one folder: a `Backend` and `Prunable`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        make_folder(root)

    def create(self, files: Mapping[str, bytes]) -> None:
        self._run_parallel(self._create, list(files.items()))

    def _create(self, file: tuple[str, bytes]) -> None:
        path, data = file
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(target, flags, 0o644)
        try:
            view = memoryview(data)
            while view:
                view = view[write_some(descriptor, view, "the log") :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, old: str, new: str) -> None:
        (self.root / old).replace(self.root / new)

    def fsync_dirs(self, paths: Sequence[str]) -> None:
        self._run_parallel(lambda path: sync(self.root / path), paths)

    def read(self, path: str) -> bytes | None:
        try:
            with (self.root / path).open("rb") as file:
                data = file.read(FILE_BYTES_MAX + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        if len(data) > FILE_BYTES_MAX:
            raise OSError(f"`{path}` has more than `{FILE_BYTES_MAX}` bytes")
        return data

    @staticmethod
    def _run_parallel(step: Callable[[_T], None], items: Sequence[_T]) -> None:
        """Runs the steps in parallel: concurrent fsyncs share one commit of the file system's
        journal.
        """
        if len(items) < 3:
            for item in items:
                step(item)
            return
        with ThreadPoolExecutor(min(len(items), FSYNC_THREADS_MAX)) as pool:
            for _ in pool.map(step, items):
                pass

    def names(self, path: str) -> list[str]:
        try:
            return sorted(entry.name for entry in (self.root / path).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []

    def remove(self, path: str) -> None:
        target = self.root / path
        with suppress(FileNotFoundError):
            target.rmdir() if target.is_dir() else target.unlink()


class Durable:
    """Writes files of a backend durably."""

    def __init__(self, backend: Backend) -> None:
        self.read = backend.read
        self._backend = backend
        self._anchored: set[str] = set()

    def write(self, files: Mapping[str, bytes]) -> None:
        """Writes every file under a temporary name, then renames them, then syncs each folder
        concerned.
        """
        self._backend.create({path + TMP: data for path, data in files.items()})
        for path in files:
            self._backend.rename(path + TMP, path)
        folders = self._folders_to_sync(files)
        self._backend.fsync_dirs(folders)
        self._anchored.update(folders)

    def _folders_to_sync(self, files: Mapping[str, bytes]) -> list[str]:
        """Returns the parents of the files, and every folder above them that this object has not
        synced yet.

        An existing folder may not be durable: a process killed before its fsync may have created
        it.
        """
        folders = set()
        for path in files:
            folder = _parent(path)
            folders.add(folder)
            while folder and folder not in self._anchored:
                folder = _parent(folder)
                folders.add(folder)
        return sorted(folders)


@dataclass(frozen=True, slots=True)
class BucketFolder:
    """A log's folder in a bucket: ``prefix`` ends with `/`. ``is_marked`` for the state, which no
    reader reads.
    """

    bucket: Bucket
    prefix: str
    is_marked: bool = False

    @property
    def name(self) -> str:
        return self.prefix.rstrip("/").rpartition("/")[2]

    def __truediv__(self, name: str) -> BucketFolder:
        return BucketFolder(self.bucket, f"{self.prefix}{name}/", self.is_marked)


LogFolder = Path | BucketFolder


class LogFiles(Protocol):
    """The files of a log."""

    def read(self, path: str) -> bytes | None:
        """Promise: the bytes that a reader sees now; None if there is no such file."""

    def write(self, files: Mapping[str, bytes]) -> None:
        """Promise: on return every file is durable; otherwise each has its former content or
        already the new one.
        """


class BucketFiles:
    """The files of a log in a bucket: `LogFiles`, and `Prunable`."""

    def __init__(self, folder: BucketFolder) -> None:
        self._folder = folder
        self._tags: dict[str, str | None] = {}

    def read(self, path: str) -> bytes | None:
        bucket, name = self._folder.bucket, self._folder.prefix + path
        if is_fixed(path):
            return bucket.read_fixed(name)
        content = bucket.read(name)
        self._tags[path] = content.tag if content is not None else None
        return content.content[self._mark_bytes :] if content is not None else None

    def write(self, files: Mapping[str, bytes]) -> None:
        fixed = [path for path in files if is_fixed(path)]
        with ThreadPoolExecutor(FSYNC_THREADS_MAX) as pool:
            list(pool.map(lambda path: self._create(path, files[path]), fixed))
        for path in files.keys() - set(fixed):
            self._exchange(path, files[path])

    def names(self, path: str) -> list[str]:
        return self._folder.bucket.below(
            f"{self._folder.prefix}{path}/" if path else self._folder.prefix
        )

    def remove(self, path: str) -> None:
        self._folder.bucket.delete(self._folder.prefix + path)

    @property
    def _mark_bytes(self) -> int:
        return MARK_BYTES if self._folder.is_marked else 0

    def _create(self, path: str, data: bytes) -> None:
        if self._folder.bucket.create(self._folder.prefix + path, data) is None:
            raise BrokenError(
                f"`{path}` of the log `{self._folder.name}` is in the bucket with other bytes"
            )

    def _exchange(self, path: str, data: bytes) -> None:
        if path not in self._tags:
            self.read(path)
        bucket, name, tag = self._folder.bucket, self._folder.prefix + path, self._tags[path]
        content = os.urandom(self._mark_bytes) + data
        done = bucket.create(name, content) if tag is None else bucket.replace(name, content, tag)
        if done is None:
            raise BusyError(
                f"another writer has written `{path}` of the log `{self._folder.name}`",
                "open the log again",
            )
        self._tags[path] = done


def is_fixed(path: str) -> bool:
    """Whether a file never changes a byte."""
    return path.startswith("tile/")


def open_files(folder: LogFolder) -> Durable | BucketFiles:
    """Opens the files of a log's folder, which is created if it is on a disk."""
    return BucketFiles(folder) if isinstance(folder, BucketFolder) else Durable(Folder(folder))


def open_prunable(folder: LogFolder) -> Prunable:
    """Opens a folder from which files can be removed."""
    return BucketFiles(folder) if isinstance(folder, BucketFolder) else Folder(folder)


def list_names(folder: LogFolder, path: str = "") -> list[str]:
    """Lists the names in a log's folder, sorted; empty if it is missing, which is not created."""
    if isinstance(folder, BucketFolder):
        return BucketFiles(folder).names(path)
    return (
        sorted(child.name for child in (folder / path).iterdir())
        if (folder / path).is_dir()
        else []
    )


def list_files(folder: LogFolder, path: str) -> list[str]:
    """Lists the paths of all finished files below one, at any depth."""
    if isinstance(folder, BucketFolder):
        return [f"{path}/{name}" for name in folder.bucket.names(f"{folder.prefix}{path}/")]
    return [
        child.relative_to(folder).as_posix()
        for child in (folder / path).glob("**/*")
        if child.is_file() and child.suffix != TMP
    ]


def folder_exists(folder: LogFolder) -> bool:
    return bool(list_names(folder)) if isinstance(folder, BucketFolder) else folder.is_dir()


def lock_folder(folder: LogFolder) -> Lock | None:
    """Locks a folder; a bucket needs no lock: see the promise of `BucketFiles`."""
    return Lock(Folder(folder).root) if isinstance(folder, Path) else None


class Lock:
    """One writer at a time, over all processes of this machine, until `close` or the end of the
    process.
    """

    def __init__(self, folder: Path) -> None:
        self._descriptor = os.open(
            folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
        )
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise BusyError(
                f"`{folder.name}` is open in another process", "stop it: a log has only one writer"
            ) from None

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def log_files(folder: Path) -> list[str]:
    """Lists the files of the logs, or of their state, without the locks."""
    return sorted(name for name in list_files(folder, "") if name.rpartition("/")[2] != "lock")


def copy_to_bucket(folder: Path, target: BucketFolder, report: Callable[[int], None]) -> None:
    """Copies the logs' folder into a bucket, before they are opened there; ``report`` gets each
    file's bytes.

    Promise: on return every file is in the bucket as `BucketFiles` reads it, and was read back and
    compared; leftovers of an earlier run are replaced. The folder is unchanged. The caller holds
    the sequencer's lock.
    """
    copy_file = partial(_copy_file, folder, target)
    with ThreadPoolExecutor(FSYNC_THREADS_MAX) as pool:
        for size in pool.map(copy_file, log_files(folder)):
            report(size)


def _copy_file(folder: Path, target: BucketFolder, name: str) -> int:
    data = (folder / name).read_bytes()
    is_plain = not target.is_marked or is_fixed(name.partition("/")[2])
    content = data if is_plain else sha256(name.encode() + data).digest()[:MARK_BYTES] + data
    target.bucket.put_compared(target.prefix + name, content)
    return len(data)
