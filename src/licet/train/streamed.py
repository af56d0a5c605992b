"""A release in an object store, read through a local folder of bounded size.

`folder` makes a folder with the manifest, the addenda of purges and `stream.json`, which names the store. Everything that
reads a release by position takes that folder as any other: a part comes into it when a row of it is read, whole, because its
hash is compared before any row is opened, and goes again when the cache is full, the one that was used longest ago first.
Which ordinals a part has is read from the store by ranges.

The cache may be shared by all processes of a machine: one of them fetches a part while the others wait. It holds
`bytes_max`, or the part that is read, if that is more; a part that a process has open is read to its end after it was
removed.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from hashlib import sha256
from io import SEEK_CUR, SEEK_END, SEEK_SET, BufferedReader, RawIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from licet.errors import BrokenError, NotFoundError
from licet.release import manifest
from licet.release.manifest import MANIFEST_BYTES_MAX
from licet.release.part import replacing
from licet.release.purge import PURGES_MAX
from licet.release.push import fetched, store_at, unreachable

if TYPE_CHECKING:
    from obstore.store import ObjectStore

FILE = "stream.json"
LOCK_FILE = "stream.lock"
PARTS = "part-*.parquet"
AHEAD_BYTES = 64 * 2**10  # of a range that is read


class _Stream(msgspec.Struct, frozen=True, kw_only=True):
    """What `stream.json` says."""

    url: str
    bytes_max: int


def is_address(release: str | Path) -> bool:
    """Whether a release is named by the address of an object store."""
    return "://" in str(release)


def folder(url: str, cache: Path, bytes_max: int) -> Path:
    """The local folder of the release at ``url``, with its manifest and addenda; NotFoundError if none lies there.

    BrokenError where another release lay at this address before.
    """
    place = cache / sha256(url.rstrip("/").encode()).hexdigest()[:32]
    store = store_at(url)
    data = fetched(store, manifest.FILE, MANIFEST_BYTES_MAX)
    if data is None:
        raise NotFoundError(f"no release lies at `{url}`", "`licet release push` copies one there")
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(place):
        own = place / manifest.FILE
        if own.exists() and own.read_bytes() != data:
            raise BrokenError(f"another release lies at `{url}` than before", f"delete `{place}` if that is meant")
        _write(place / FILE, msgspec.json.encode(_Stream(url=url.rstrip("/"), bytes_max=bytes_max)))
        if not own.exists():
            _write(own, data)
        _renew(store, place)
    return place


def parts_of(place: Path) -> LocalParts | Streamed:
    """How the parts of the release in a folder are reached."""
    file = place / FILE
    if not file.is_file():
        return LocalParts(place)
    return Streamed(place, msgspec.json.decode(file.read_bytes(), type=_Stream))


class LocalParts:
    """The parts of a release that lies in its folder whole."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def provide(self, file: str) -> None:
        """It is there, or nowhere."""

    def opened(self, file: str) -> AbstractContextManager[BinaryIO]:
        """A part, unverified; FileNotFoundError if it is not there."""
        return (self._place / file).open("rb")

    def renew(self, file: str) -> None:
        """Whoever purges renews it."""


class Streamed:
    """The parts of a release in an object store, as the folder of `folder` has them. It can be pickled."""

    def __init__(self, place: Path, stream: _Stream) -> None:
        self._place, self._stream = place, stream
        self._store: ObjectStore | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_store": None}

    def provide(self, file: str) -> None:
        """Brings a part into the folder unless it is there, and makes room for it. A part that is not in the store either
        stays away: all of its rows were purged, or it is missing.
        """
        path = self._place / file
        with _locked(self._place):
            if not path.exists():
                self._fetch(file)
            if path.exists():
                now = time.time_ns()  # finer than the kernel's own idea of now
                os.utime(path, ns=(now, now))
                self._make_room(path)

    @contextmanager
    def opened(self, file: str) -> Iterator[BinaryIO]:
        """A part in the store, of which only the ranges that are read are fetched; FileNotFoundError if it is not there."""
        with BufferedReader(_StoredPart(self._at(), file), AHEAD_BYTES) as reader:
            yield reader

    def renew(self, file: str) -> None:
        """After a purge: the addenda anew, and the part from the store."""
        with _locked(self._place):
            _renew(self._at(), self._place)
            (self._place / file).unlink(missing_ok=True)
        self.provide(file)

    def _at(self) -> ObjectStore:
        if self._store is None:
            self._store = store_at(self._stream.url)
        return self._store

    def _fetch(self, file: str) -> None:
        import obstore

        try:
            with replacing(self._place / file) as target:
                for chunk in obstore.get(self._at(), file).stream():
                    target.write(chunk)
        except (obstore.exceptions.NotFoundError, FileNotFoundError):
            return
        except (obstore.exceptions.BaseError, OSError) as error:
            raise unreachable("read", error) from None

    def _make_room(self, kept: Path) -> None:
        """Removes parts of any release in this cache, the one used longest ago first, until the rest fits."""
        found = []
        for path in self._place.parent.glob(f"*/{PARTS}"):
            try:
                seen = path.stat()
            except FileNotFoundError:
                continue
            found.append((seen.st_mtime_ns, seen.st_size, path))
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= self._stream.bytes_max:
                return
            if path != kept:
                path.unlink(missing_ok=True)
                total -= size


class _StoredPart(RawIOBase):
    """An object as a file that is read by ranges."""

    def __init__(self, store: ObjectStore, name: str) -> None:
        import obstore

        self._store, self._name, self._place = store, name, 0
        try:
            self._size = int(obstore.head(store, name)["size"])
        except (obstore.exceptions.NotFoundError, FileNotFoundError):
            raise FileNotFoundError(name) from None
        except (obstore.exceptions.BaseError, OSError) as error:
            raise unreachable("read", error) from None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = SEEK_SET, /) -> int:
        self._place = offset + {SEEK_SET: 0, SEEK_CUR: self._place, SEEK_END: self._size}[whence]
        return self._place

    def readinto(self, into: Any, /) -> int:  # noqa: ANN401 a writable buffer
        import obstore

        wanted = min(len(into), max(self._size - self._place, 0))
        if wanted:
            try:
                into[:wanted] = bytes(obstore.get_range(self._store, self._name, start=self._place, length=wanted))
            except (obstore.exceptions.BaseError, OSError) as error:
                raise unreachable("read", error) from None
            self._place += wanted
        return wanted


def _renew(store: ObjectStore, place: Path) -> None:
    """Fetches the addenda that the folder lacks; with a new one the parts of before go, which may have dead rows."""
    for number in range(1, PURGES_MAX + 1):
        name = f"purge-{number}.json"
        if (place / name).exists():
            continue
        data = fetched(store, name, MANIFEST_BYTES_MAX)
        if data is None:
            return
        _write(place / name, data)
        for part in place.glob(PARTS):
            part.unlink()


def _write(path: Path, data: bytes) -> None:
    with replacing(path) as file:
        file.write(data)


@contextmanager
def _locked(place: Path) -> Iterator[None]:
    """One process of the cache at a time; the kernel drops the lock of one that dies."""
    with (place.parent / LOCK_FILE).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
