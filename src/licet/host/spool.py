"""A sealed, bounded spool on disk. What it accepts is delivered, even if this process or Licet
dies.

* `put` answers after the record is on disk (write, fsync; for a new file its folder too), or raises
  SpoolFullError: the bound refuses the newest, it never drops the oldest.
* Records are in files of about `FILE_BYTES_MAX`. A file is delivered as a whole and then unlinked.
  After a crash in between it is delivered again, so every record must have an id by which the
  receiver recognises it.
* No content is stored in clear text. Bytes of a file: `licet-spool-1` and a line feed, then
  records, each a length (4 bytes, big endian), a nonce (12), and AES-256-GCM (NIST SP 800-38D) with
  the header, the file's number and the record's place as associated data, so that none can be moved
  or put elsewhere. The key is 32 bytes in a file of mode 0600, beside the spool or wherever the
  host keeps its secrets. Random nonces hold for 2^32 records under one key.
* A truncated record at the end of a file was never acknowledged and is ignored. A complete record
  that cannot be decrypted is counted, and its file is renamed to `..unreadable` for examination;
  delivery continues.

Each process writes to its own folder: it locks the first free folder `0`, `1`, .. of the spool,
trying those with records first. A later process takes the folder of a killed one.
"""

from __future__ import annotations

import fcntl
import os
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from errno import ENOSPC
from io import FileIO
from pathlib import Path
from typing import BinaryIO

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from licet.client.failures import SetupError
from licet.client.reasons import ReasonCode
from licet.errors import BusyError

HEADER = b"licet-spool-1\n"
KEY_BYTES, NONCE_BYTES, TAG_BYTES, LENGTH_BYTES = 32, 12, 16, 4
RECORD_BYTES_MAX = 16 * 2**20
FILE_BYTES_MAX = 2**20
GATHER_RECORDS_MAX = 256
PROCESSES_MAX = 64
_SUFFIX = ".spool"


class SpoolFullError(BusyError):
    """The spool has reached its size limit."""

    because = ReasonCode.spool_full


class SpoolDiskError(SpoolFullError):
    """The disk refuses writes."""

    because = ReasonCode.spool_disk


class _File(msgspec.Struct, frozen=True, kw_only=True):
    """A closed file. ``size`` counts towards the limit until delivery."""

    number: int
    path: Path
    size: int


class TakenItem(msgspec.Struct, frozen=True, kw_only=True):
    """The records of one file, oldest first. ``unreadable`` records were acknowledged and cannot be
    decrypted.
    """

    file: _File
    records: tuple[bytes, ...]
    unreadable: int


class Spool:
    """The spool of this process under ``folder``. ``key_file`` is created if there is none."""

    def __init__(
        self,
        folder: Path,
        key_file: Path,
        bytes_max: int,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        try:
            _make_folder(folder)
            self._cipher, self._random, self._bytes_max = (
                AESGCM(key_of(key_file, random)),
                random,
                bytes_max,
            )
            self._place, self._held = _locked_place(folder)
        except OSError as error:
            message = f"{folder}: {error.strerror or type(error).__name__}"
            raise SetupError(ReasonCode.spool_unwritable, message) from None
        self._lock = threading.Lock()  # of the files; held while one is written and synced
        self._size_lock = threading.Lock()  # of `_bytes` alone: `put` waits for no disk
        self._closed = sorted(_files(self._place), key=lambda file: file.number)
        self._next = max((file.number for file in self._closed), default=0) + 1
        self._bytes = sum(file.size for file in self._closed)
        self._open: tuple[int, FileIO, int, int] | None = None  # number, file, bytes, records
        self._waiting: queue.SimpleQueue[tuple[bytes, Future[None]] | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="licet-spool", daemon=True)
        self._writer.start()

    @property
    def size(self) -> int:
        """Bytes in it, or queued for it."""
        return self._bytes

    def put(self, record: bytes) -> Future[None]:
        """Queues a record; the future is done once it is on disk. SpoolFullError at once if it does
        not fit.
        """
        size = _framed(record)
        if size > RECORD_BYTES_MAX:
            raise SpoolFullError(f"a record of more than {RECORD_BYTES_MAX} bytes")
        with self._size_lock:
            if self._bytes + size > self._bytes_max:
                raise SpoolFullError(f"the spool holds `{self._bytes}` of {self._bytes_max} bytes")
            self._bytes += size
        done: Future[None] = Future()
        self._waiting.put((record, done))
        return done

    def take(self) -> TakenItem | None:
        """Returns the oldest file's records, or None; the same ones again until `delivered`."""
        with self._lock:
            if not self._closed:
                self._close_file()
            if not self._closed:
                return None
            file = self._closed[0]
        records, unreadable = [], 0
        for place, sealed in enumerate(_records(file.path)):
            try:
                records.append(self._unsealed(file.number, place, sealed))
            except (InvalidTag, ValueError):
                unreadable += 1
        return TakenItem(file=file, records=tuple(records), unreadable=unreadable)

    def delivered(self, item: TakenItem) -> None:
        """Removes a file; sets one with an unreadable record aside. After a crash before this it is
        delivered again.
        """
        if item.unreadable:
            item.file.path.rename(item.file.path.with_suffix(_SUFFIX + ".unreadable"))
        else:
            item.file.path.unlink()
        with self._lock:
            self._closed.remove(item.file)
        self._grow(-item.file.size)

    def close(self) -> None:
        """Writes queued records and releases the folder to another process."""
        self._waiting.put(None)
        self._writer.join()
        with self._lock:
            self._close_file()
        self._held.close()

    def _write(self) -> None:
        """Writes queued records, on a thread; one fsync serves all of a batch."""
        more = True
        while more:
            batch = [self._waiting.get()]
            while len(batch) < GATHER_RECORDS_MAX and not self._waiting.empty():
                batch.append(self._waiting.get())
            more = batch[-1] is not None
            writing = [item for item in batch if item is not None]
            if not writing:
                continue
            try:
                with self._lock:
                    self._append([record for record, _ in writing])
            except OSError as error:
                self._grow(-sum(map(_framed, (record for record, _ in writing))))
                for _, done in writing:
                    done.set_exception(
                        SpoolDiskError(f"the disk does not take it: {error.strerror}")
                    )
            else:
                for _, done in writing:
                    done.set_result(None)

    def _grow(self, size: int) -> None:
        with self._size_lock:
            self._bytes += size

    def _append(self, records: list[bytes]) -> None:
        if self._open is None:
            made = os.open(self._path(self._next), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            self._open, self._next = (self._next, FileIO(made, "wb"), 0, 0), self._next + 1
        number, file, size, count = self._open
        sealed = [
            self._sealed(number, place, record) for place, record in enumerate(records, start=count)
        ]
        framed = b"".join(len(record).to_bytes(LENGTH_BYTES, "big") + record for record in sealed)
        whole = framed if count else HEADER + framed
        try:
            written = file.write(whole)
            if written != len(whole):
                raise OSError(ENOSPC, os.strerror(ENOSPC))
            os.fsync(file.fileno())
            if count == 0:
                _fsync_folder(self._place)
        except OSError:
            with suppress(OSError):
                file.truncate(size)
            # later records go to a new file: the end of this one is unknown
            self._close_file()
            raise
        if count == 0:
            self._grow(len(HEADER))
        self._open = (number, file, size + len(whole), count + len(records))
        if size + len(whole) >= FILE_BYTES_MAX:
            self._close_file()

    def _close_file(self) -> None:
        if self._open is None:
            return
        number, file, size, _ = self._open
        file.close()
        self._open = None
        self._closed.append(_File(number=number, path=self._path(number), size=size))

    def _path(self, number: int) -> Path:
        return self._place / f"{number:016x}{_SUFFIX}"

    def _sealed(self, number: int, place: int, record: bytes) -> bytes:
        nonce = self._random(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, record, _bound(number, place))

    def _unsealed(self, number: int, place: int, sealed: bytes) -> bytes:
        return self._cipher.decrypt(
            sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _bound(number, place)
        )


def key_of(path: Path, random: Callable[[int], bytes] = os.urandom) -> bytes:
    """The key in a file, which is created with mode 0600 if there is none; UsageError for one that
    others may read.
    """
    if not path.exists():
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        # left by a crashed process of the same number
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(random(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # another process was first
            os.link(fresh, path)
        fresh.unlink()
        _fsync_folder(path.parent)
    if path.stat().st_mode & 0o077:
        raise SetupError(ReasonCode.spool_key_readable, path.name)
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise SetupError(ReasonCode.spool_key_size, path.name)
    return key


def _locked_place(folder: Path) -> tuple[Path, BinaryIO]:
    """Locks a folder for this process; returns it and the lock's file."""
    places = [folder / str(number) for number in range(PROCESSES_MAX)]
    for place in sorted(places, key=lambda place: not any(_files(place))):
        _make_folder(place)
        held = (place / "lock").open("ab")
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held.close()
            continue
        return place, held
    raise BusyError(f"{PROCESSES_MAX} processes use the spool `{folder.name}` already")


def _files(place: Path) -> Iterator[_File]:
    for path in place.glob(f"*{_SUFFIX}"):
        yield _File(number=int(path.stem, 16), path=path, size=path.stat().st_size)


def _framed(record: bytes) -> int:
    """Returns the bytes of a record in its file."""
    return LENGTH_BYTES + NONCE_BYTES + len(record) + TAG_BYTES


def _records(path: Path) -> Iterator[bytes]:
    """Returns the sealed records of a file, up to a truncated end. An impossible record is replaced
    by one that no key can open.
    """
    with path.open("rb") as file:
        header = file.read(len(HEADER))
        if header != HEADER:
            if len(header) == len(HEADER):
                yield b""
            return
        while len(length := file.read(LENGTH_BYTES)) == LENGTH_BYTES:
            size = int.from_bytes(length, "big")
            if not NONCE_BYTES + TAG_BYTES <= size <= RECORD_BYTES_MAX:
                yield b""
                return
            sealed = file.read(size)
            if len(sealed) < size:
                return
            yield sealed


def _bound(number: int, place: int) -> bytes:
    return HEADER + number.to_bytes(8, "big") + place.to_bytes(8, "big")


def _make_folder(folder: Path) -> None:
    """Creates a folder and its parents; on return the new names are on the disk, as in
    `store.files`.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for made in missing or [folder]:
        _fsync_folder(made.parent)


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
