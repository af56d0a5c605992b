"""Reads a release in an object store through a local cache folder of bounded size.

`cached_folder` creates a folder with the manifest, the purge addenda and `stream.json`, which names
the store; whatever reads releases by position takes it like any other. A part is fetched whole when
a row of it is read, because its hash is checked before any row is opened, and evicted least
recently used first when the cache is full. Which ordinals a part has is read from the store by
ranges.

The store is one that `licet release push` copied the release to, under its file names, or the
bucket shared by an installation's hosts (`release.release_store`), where objects are named by hash:
`stream-files.json` then maps the names, and is read again when an object is gone.

All processes of a machine may share the cache: one fetches a part while the others wait. It holds
`bytes_max`, or the part being read if larger; a part that a process has open can be read to its end
after its removal.
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

from licet.config import Store
from licet.errors import BrokenError, NotFoundError
from licet.release import manifest
from licet.release.manifest import MANIFEST_BYTES_MAX
from licet.release.purge import PURGES_MAX
from licet.release.push import (
    INDEX_BYTES_MAX,
    INDEX_FILE,
    FileIndex,
    decode_index,
    fetch_object,
    open_store,
    store_error,
)
from licet.store.bucket import Bucket, open_bucket, options
from licet.store.files import replacing

if TYPE_CHECKING:
    from obstore.store import ObjectStore

FILE = "stream.json"
NAMES_FILE = "stream-files.json"
LOCK_FILE = "stream.lock"
PARTS = "part-*.parquet"
AHEAD_BYTES = 64 * 2**10  # of a range that is read


class _Stream(msgspec.Struct, frozen=True, kw_only=True):
    """`stream.json`. ``shared``: the settings of a hosts' bucket, with the path of its secret."""

    url: str
    bytes_max: int
    shared: Store | None = None


class _ReleaseStore:
    """The objects of a release, by file name."""

    def __init__(self, place: Path, stream: _Stream) -> None:
        self._place, self._is_shared = place, stream.shared is not None
        if stream.shared is None:
            self.store = open_store(stream.url)
        else:
            self.store = Bucket(stream.url, options(stream.shared, "object store")).store

    def key(self, file: str) -> str:
        """The object of a file; FileNotFoundError if the release has no such file."""
        if not self._is_shared:
            return file
        try:
            return msgspec.json.decode(
                (self._place / NAMES_FILE).read_bytes(), type=FileIndex
            ).files[file]
        except KeyError:
            raise FileNotFoundError(file) from None

    def fetch(self, file: str) -> bytes | None:
        """A small file; None if the release has none of this name."""
        try:
            return fetch_object(self.store, self.key(file), MANIFEST_BYTES_MAX)
        except FileNotFoundError:
            return None

    def reload_names(self) -> bool:
        """Reads the names again; returns whether they changed."""
        if not self._is_shared:
            return False
        data, file = fetch_object(self.store, INDEX_FILE, INDEX_BYTES_MAX), self._place / NAMES_FILE
        if data is None or (file.exists() and file.read_bytes() == data):
            return False
        decode_index(data)
        _write(file, data)
        return True


def is_address(release: str | Path) -> bool:
    """Whether a release is named by an object store's URL."""
    return "://" in str(release)


def cached_folder(url: str, cache: Path, bytes_max: int) -> Path:
    """The local folder of the release at ``url``, with its manifest and addenda; NotFoundError if
    there is none.

    BrokenError if another release was at this address before.
    """
    place = cache / sha256(url.rstrip("/").encode()).hexdigest()[:32]
    return _prepare_folder(place, _Stream(url=url.rstrip("/"), bytes_max=bytes_max))


def shared_folder(name: str, shared: Store, cache: Path, bytes_max: int) -> Path:
    """The local folder of the release called ``name`` in the bucket shared by an installation's
    hosts.

    The bucket has releases by id, so manifests are read until one has the name; afterwards only its
    own.
    """
    assert shared.url is not None
    place = cache / sha256(f"{shared.url.rstrip('/')}#{name}".encode()).hexdigest()[:32]
    file = place / FILE
    known = _read(file).url if file.is_file() else None
    url = known or f"{shared.url.rstrip('/')}/releases/{_id_of(name, shared)}"
    return _prepare_folder(place, _Stream(url=url, bytes_max=bytes_max, shared=shared))


def _id_of(name: str, shared: Store) -> str:
    bucket = open_bucket(shared)
    assert bucket is not None
    for ident in bucket.below("releases/"):
        index = bucket.read(f"releases/{ident}/{INDEX_FILE}")
        if index is None:  # it is being written, or its writer was killed
            continue
        hashed = decode_index(index.content).get(manifest.FILE)
        data = bucket.read_fixed(f"releases/{ident}/{hashed}")
        if (
            data is not None
            and sha256(data).hexdigest() == hashed
            and manifest.decode(data).name == name
        ):
            return ident
    raise NotFoundError(
        f"no release `{name}` is in the bucket of this installation",
        "`licet status` lists releases",
    )


def _prepare_folder(place: Path, stream: _Stream) -> Path:
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    store = _ReleaseStore(place, stream)
    with _locked(place):
        store.reload_names()
        data = (
            store.fetch(manifest.FILE)
            if not stream.shared or (place / NAMES_FILE).exists()
            else None
        )
        if data is None:
            raise NotFoundError(
                f"no release lies at `{stream.url}`", "`licet release push` copies one there"
            )
        own = place / manifest.FILE
        if own.exists() and own.read_bytes() != data:
            raise BrokenError(
                f"another release lies at `{stream.url}` than before",
                f"delete `{place}` if that is meant",
            )
        _write(place / FILE, msgspec.json.encode(stream, enc_hook=os.fspath))
        if not own.exists():
            _write(own, data)
        _fetch_addenda(store, place)
    return place


def open_parts(place: Path) -> LocalParts | Streamed:
    """Opens the parts of the release in a folder."""
    file = place / FILE
    if not file.is_file():
        return LocalParts(place)
    return Streamed(place, _read(file))


class LocalParts:
    """The parts of a release whose folder is complete."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def provide(self, file: str) -> None:
        """Does nothing: the folder is complete."""

    def open_part(self, file: str) -> AbstractContextManager[BinaryIO]:
        """A part, unverified; FileNotFoundError if it is not there."""
        return (self._place / file).open("rb")

    def renew(self, file: str) -> None:
        """Does nothing: the purging process replaces the part."""


class Streamed:
    """The parts of a release in an object store, through the cache of `cached_folder`. It can be
    pickled.
    """

    def __init__(self, place: Path, stream: _Stream) -> None:
        self._place, self._stream = place, stream
        self._store: _ReleaseStore | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_store": None}

    def provide(self, file: str) -> None:
        """Fetches a part into the cache and makes room for it. A part that is not in the store is
        skipped: it was purged or is missing.
        """
        path = self._place / file
        with _locked(self._place):
            if not path.exists():
                self._fetch(file)
            if path.exists():
                now = time.time_ns()  # finer than the kernel's file times
                os.utime(path, ns=(now, now))
                self._make_room(path)

    @contextmanager
    def open_part(self, file: str) -> Iterator[BinaryIO]:
        """A part in the store, read by ranges; FileNotFoundError if it is not there."""
        with BufferedReader(self._ranges(file), AHEAD_BYTES) as reader:
            yield reader

    def renew(self, file: str) -> None:
        """After a purge: fetches the addenda and the part again."""
        with _locked(self._place):
            _fetch_addenda(self._release_store(), self._place)
            (self._place / file).unlink(missing_ok=True)
        self.provide(file)

    def _release_store(self) -> _ReleaseStore:
        if self._store is None:
            self._store = _ReleaseStore(self._place, self._stream)
        return self._store

    def _ranges(self, file: str) -> _StoredPart:
        store = self._release_store()
        try:
            return _StoredPart(store.store, store.key(file))
        except FileNotFoundError:
            with _locked(self._place):
                if not store.reload_names():
                    raise
            return _StoredPart(store.store, store.key(file))

    def _fetch(self, file: str) -> None:
        import obstore

        store = self._release_store()
        try:
            with replacing(self._place / file) as target:
                for chunk in obstore.get(store.store, store.key(file)).stream():
                    target.write(chunk)
        except (obstore.exceptions.NotFoundError, FileNotFoundError):
            if store.reload_names():  # purged meanwhile, under another name
                self._fetch(file)
        except (obstore.exceptions.BaseError, OSError) as error:
            raise store_error("read", error) from None

    def _make_room(self, part: Path) -> None:
        """Evicts parts of any release, least recently used first, until the cache fits."""
        cached = []
        for path in self._place.parent.glob(f"*/{PARTS}"):
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue
            cached.append((stat.st_mtime_ns, stat.st_size, path))
        total = sum(size for _, size, _ in cached)
        for _, size, path in sorted(cached):
            if total <= self._stream.bytes_max:
                return
            if path != part:
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
            raise store_error("read", error) from None

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
                into[:wanted] = bytes(
                    obstore.get_range(self._store, self._name, start=self._place, length=wanted)
                )
            except (obstore.exceptions.BaseError, OSError) as error:
                raise store_error("read", error) from None
            self._place += wanted
        return wanted


def _fetch_addenda(store: _ReleaseStore, place: Path) -> None:
    """Fetches missing addenda; a new one evicts older parts, which may have dead rows."""
    store.reload_names()
    for number in range(1, PURGES_MAX + 1):
        name = f"purge-{number}.json"
        if (place / name).exists():
            continue
        data = store.fetch(name)
        if data is None:
            return
        _write(place / name, data)
        for part in place.glob(PARTS):
            part.unlink()


def _read(file: Path) -> _Stream:
    return msgspec.json.decode(
        file.read_bytes(), type=_Stream, dec_hook=lambda kind, value: kind(value)
    )


def _write(path: Path, data: bytes) -> None:
    with replacing(path) as file:
        file.write(data)


@contextmanager
def _locked(place: Path) -> Iterator[None]:
    """A lock for one process of the cache; the kernel releases it if the process dies."""
    with (place.parent / LOCK_FILE).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
