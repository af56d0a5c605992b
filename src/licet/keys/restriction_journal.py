"""The restriction journal: withdrawals, deletions and other restrictions, stored outside the database and its backups.

Promise: every acknowledged restriction is in this journal, durable. Restrictions are a deletion, a refusal or
withdrawal, keeping out, a closure, a plan, age or region that was set, the overturning of a flag, a hold or its end,
taking feedback back, and the revocation of a key. A database that is restored from a backup stays behind the fence until
they have been applied to it again.

The order is: the database commits, the journal is fsynced, the caller is answered. A crash between the first two leaves
a restriction that was acknowledged to nobody and that only a restore could lose; the next opening finds it in the
database and adds it (`catch_up`). The reverse order would leave restrictions here that the database refused, and such a
database could not be distinguished from one that is older than its journal. After a failed write or fsync nothing more
is written: the content of the disk is unknown then, and a restriction that cannot be recorded is refused.

Records contain Licet's own ids, closed names and numbers; the matter of a hold is sealed under a key derived from the
installation's. Never content.

It is stored in a folder, by the class below, or in a bucket (`keys.journal_bucket`). In a folder:

    segment = "licet restrictions v1\n" || journal id (16) || frame*          files 00000001.log, 00000002.log, ...
    frame   = length (4) || CRC-32 of the length (4) || CRC-32 of the payload (4) || payload: JSON of `Restriction`

Numbers are big-endian. A damaged frame at the end of the newest segment with nothing intact after it is a torn write,
which was acknowledged to nobody: it is cut off. Damage anywhere else is an error (`BrokenError`).

A restore writes the life that it begins before it reads the records. A change that was committed before that, but not
yet recorded, is refused from then on: it is neither in the database nor read, and it was acknowledged to nobody.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol
from uuid import UUID

import msgspec

from licet.errors import BrokenError, BusyError, RefusedError
from licet.keys.material import Random
from licet.store.files import make_folder, sync

NEWEST_RECORDS_MAX = 1_000  # an opening looks no further back: an earlier opening recorded the rest
SEGMENT_BYTES_MAX = 4 * 2**20
FRAME_BYTES_MAX = 256 * 2**10
TORN_BYTES_MAX = 2**20  # no write is longer, so a longer damaged end is not a torn write
MAGIC = b"licet restrictions v1\n"
_HEAD = len(MAGIC) + 16
_FRAME = struct.Struct(">III")


class RestrictionKind(StrEnum):
    """The kind of a restriction."""

    plan = "plan"
    age = "age"
    region = "region"
    refused = "refused"
    closed = "closed"
    deleted = "deleted"
    narrowed = "narrowed"
    project_kept_out = "project_kept_out"
    unflagged = "unflagged"
    held = "held"
    unheld = "unheld"
    feedback_taken_back = "feedback_taken_back"
    policy = "policy"
    backup = "backup"
    key_revoked = "key_revoked"
    key_limited = "key_limited"
    life = "life"  # a restore or a failover began another life: restricts nothing, and keeps its number from being used again


class Restriction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One record. ``life`` and ``seq`` are its position: the life of the database, and the account's number after it.

    ``matter`` is sealed; ``erasure`` is the id that its person was given; ``document`` is a policy version's, which is
    public, or the limits of a key, whose version ``seq`` then is; ``until`` is when a backup expires or a hold must be
    reviewed, ``base`` whether a backup is of pages;
    ``key`` is the id of a service's key; ``reason`` is a hold's, which ``untold`` keeps from its person. ``question``
    is what a no answers, empty for all, and ``kept`` the scopes that it left in force, as `project:<hex>` or
    `conversation:<hex>`; ``host`` is the HMAC by which the host's project is known. ``server`` is the server on which a
    life is lived (`licet.store.primary.ServerIdentity`), empty for an embedded one.
    """

    v: int = 1
    life: int
    kind: RestrictionKind
    at: datetime
    account: UUID | None = None
    seq: int = 0
    conversation: UUID | None = None
    feedback: UUID | None = None
    plan: str = ""
    age: int | None = None
    region: str | None = None
    matter: bytes = b""
    erasure: UUID | None = None
    document: str = ""
    by: str = ""
    backup: UUID | None = None
    until: datetime | None = None
    base: bool = False
    key: UUID | None = None
    reason: str = ""
    untold: bool = False
    question: str = ""
    project: UUID | None = None
    host: bytes = b""
    kept: tuple[str, ...] = ()
    server: str = ""


class JournalLife(NamedTuple):
    """The newest life that the journal knows, and the server on which it is lived."""

    life: int
    server: str


_NO_KIND = "a record has an unknown kind"
_encode = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder(Restriction, strict=True).decode


class LivedRecord(msgspec.Struct):
    """What a writer needs of a record that somebody else wrote."""

    life: int = 0
    kind: str = ""
    server: str = ""


_decode_life = msgspec.json.Decoder(LivedRecord).decode


class SeenLife:
    """The newest life among the records that a storage has seen, and its server, if it has seen where it began."""

    def __init__(self) -> None:
        self.life = 0
        self._begun = JournalLife(-1, "")

    def note(self, records: Iterable[LivedRecord | Restriction]) -> None:
        for one in records:
            self.life = max(self.life, one.life)
            if one.kind == RestrictionKind.life and one.life == self.life:
                self._begun = JournalLife(one.life, one.server)

    def note_frames(self, frames: bytes) -> None:
        """Notes what one caller has written."""
        self.note(lives_in(frames_in(frames, "a batch", is_last=False), "a batch"))

    def told(self, batches: Callable[[], Iterator[list[Restriction]]]) -> JournalLife:
        """The life and its server, looked for in ``batches``, the newest first, if it was not seen."""
        if self._begun.life != self.life:
            servers = (
                one.server
                for batch in batches()
                for one in reversed(batch)
                if one.kind is RestrictionKind.life and one.life == self.life
            )
            self._begun = JournalLife(self.life, next(servers, ""))
        return self._begun


class WaitingFrames(NamedTuple):
    """What one caller wants to have written: all of it, or, where the life is over, nothing."""

    ticket: int
    life: int
    frames: bytes


class JournalStorage(Protocol):
    """Where a journal is stored."""

    @property
    def id(self) -> UUID:
        """The journal's own id."""

    def write(self, waiting: Sequence[WaitingFrames]) -> set[int]:
        """Promise: on return all frames are durable at the end, in order, but for the tickets returned: a newer life had
        begun before they were written. BusyError: they may be written or not, and may be written again.
        """

    def newest_life(self) -> JournalLife:
        """Promise: the newest life that was durable before the call, whichever process began it."""

    def batches(self, *, newest_first: bool = False) -> Iterator[list[Restriction]]:
        """Promise: every record that was durable before the call, batch by batch; each batch oldest first."""

    def close(self) -> None:
        """Frees what is held open."""


class Journal:
    """One journal, in a folder of its own or in a storage. Any thread and any process may append."""

    def __init__(
        self, storage: Path | JournalStorage, random: Random = os.urandom, *, segment_bytes_max: int = SEGMENT_BYTES_MAX
    ) -> None:
        """Opens the journal, or begins one; cuts off a torn end. BrokenError if it is damaged."""
        self.storage = FolderSegments(storage, random, segment_bytes_max) if isinstance(storage, Path) else storage
        self._gate, self._turn = threading.Lock(), threading.Lock()
        self._waiting: list[WaitingFrames] = []
        self._asked = self._done = self._tried = 0
        self._late: set[int] = set()
        self._dead = ""

    @property
    def id(self) -> UUID:
        return self.storage.id

    def append(self, records: Sequence[Restriction]) -> None:
        """Adds ``records``; they are durable when this returns. Callers that arrive during a write are written with the
        next one.

        RefusedError if a restore or a failover has begun a newer life than theirs. BusyError if
        the storage does not answer: they are written with the next ones.
        """
        if not records:
            return
        frames, life = b"".join(map(_framed, records)), max(record.life for record in records)
        with self._gate:
            ticket = self._asked
            self._waiting.append(WaitingFrames(ticket, life, frames))
            self._asked += 1
        with self._turn:
            self.check()
            if self._done <= ticket:
                if ticket < self._tried:  # whoever wrote for this caller too was not answered
                    raise BusyError("the restriction journal does not answer", "make the change again")
                self._write_waiting()
            if ticket in self._late:
                self._late.remove(ticket)
                raise RefusedError(
                    "the database was restored or failed over meanwhile, and may lack the change",
                    "make the change again, with the same idempotency key", because="restored",
                )  # fmt: skip

    def _write_waiting(self) -> None:
        with self._gate:
            waiting, self._waiting, last = self._waiting, [], self._asked
        try:
            self._late |= self.storage.write(waiting)
        except BusyError:
            with self._gate:
                self._waiting[:0] = waiting
            self._tried = last
            raise
        except BaseException as error:
            self._dead = f"a write failed with `{type(error).__name__}`"
            raise
        self._done = last

    def check(self) -> None:
        """BrokenError once a write has failed: then no restriction may be accepted."""
        if self._dead:
            raise BrokenError(f"the restriction journal is stopped: {self._dead}", "repair the disk and start again")

    def accept(self) -> None:
        """`check`, before a restriction is accepted; BusyError as long as what was accepted before cannot be written."""
        self.check()
        if self._done < self._tried:
            with self._turn:
                if self._done < self._tried:
                    self._write_waiting()

    def records(self) -> Iterator[Restriction]:
        """Every record, oldest first."""
        for batch in self.storage.batches():
            yield from batch

    def newest_life(self) -> JournalLife:
        """The newest life, whichever process began it."""
        with self._turn:
            return self.storage.newest_life()

    def newest(self, count: int) -> list[Restriction]:
        """The last ``count`` records, oldest first."""
        found: deque[Restriction] = deque(maxlen=count)
        for batch in self.storage.batches(newest_first=True):
            found.extendleft(reversed(batch[-(count - len(found)) :]))
            if len(found) == count:
                break
        return list(found)

    def close(self) -> None:
        self.storage.close()


class FolderSegments:
    """A journal in a folder: segments that any process of the machine appends to."""

    def __init__(self, folder: Path, random: Random, segment_bytes_max: int) -> None:
        self.folder, self._segment_bytes_max = folder, segment_bytes_max
        self._file = -1
        self._number = self._size = 0
        self._seen = SeenLife()
        make_folder(folder, 0o700)
        with self._locked():
            if not _segments(folder):
                self._begin(1, random(16))
            self._settle()
            self.id = UUID(bytes=self._read_head(folder / _name(self._number)))

    def write(self, waiting: Sequence[WaitingFrames]) -> set[int]:
        with self._locked():
            self._settle()
            late = {one.ticket for one in waiting if one.life < self._seen.life}
            taken = [one.frames for one in waiting if one.ticket not in late]
            self._write(taken)
            for frames in taken:
                self._seen.note_frames(frames)
        return late

    def newest_life(self) -> JournalLife:
        with self._locked():
            self._settle()
            return self._seen.told(lambda: self.batches(newest_first=True))

    def batches(self, *, newest_first: bool = False) -> Iterator[list[Restriction]]:
        numbers = _segments(self.folder)
        for number in reversed(numbers) if newest_first else numbers:
            yield list(self._read(number))

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Nobody appends until the block ends; a torn end is cut off."""
        with self._locked():
            self._settle()
            yield

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _begin(self, number: int, ident: bytes) -> None:
        draft, target = self.folder / "draft", self.folder / _name(number)
        file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, MAGIC + ident)
            os.fsync(file)
        finally:
            os.close(file)
        draft.rename(target)
        sync(self.folder)

    def _settle(self) -> None:
        """Moves to the end of the newest segment, whoever wrote it; under the lock, so that a torn end belongs to a
        dead writer.
        """
        number = _segments(self.folder)[-1]
        if number != self._number:
            self.close()
            self._file = os.open(self.folder / _name(number), os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
            self._number, self._size = number, _HEAD
        size = os.fstat(self._file).st_size
        if size == _HEAD and number > 1:  # the first record of a segment states the life, and is not written yet
            self._seen.note(self._read(number - 1))
        if size == self._size:
            return
        self._read_head(self.folder / _name(number))
        data = os.pread(self._file, size - self._size, self._size)
        payloads = list(frames_in(data, _name(number), is_last=True))
        self._size += sum(_FRAME.size + len(payload) for payload in payloads)
        self._seen.note(lives_in(payloads, _name(number)))
        if self._size < size:
            os.ftruncate(self._file, self._size)
            os.fsync(self._file)

    def _write(self, batch: Sequence[bytes]) -> None:
        for frames in _gathered(batch):
            if self._size + len(frames) > self._segment_bytes_max and self._size > _HEAD:
                self._begin(self._number + 1, self.id.bytes)
                self._settle()
            rest = memoryview(frames)
            while rest:
                rest = rest[os.write(self._file, rest) :]
            self._size += len(frames)
            os.fsync(self._file)

    def _read(self, number: int) -> Iterator[Restriction]:
        path = self.folder / _name(number)
        self._read_head(path)
        is_last = number == _segments(self.folder)[-1]
        for payload in frames_in(path.read_bytes()[_HEAD:], path.name, is_last=is_last):
            yield decoded(payload, path.name)

    def _read_head(self, path: Path) -> bytes:
        with path.open("rb") as file:
            head = file.read(_HEAD)
        if len(head) != _HEAD or not head.startswith(MAGIC):
            raise damaged(path.name, "it does not begin with the header of a segment")
        ident = head[len(MAGIC) :]
        if hasattr(self, "id") and ident != self.id.bytes:
            raise damaged(path.name, "it belongs to another journal")
        return ident


def decoded(payload: bytes, name: str) -> Restriction:
    """A record; BrokenError, which names the file, if it has an unknown kind."""
    try:
        return _decode(payload)
    except msgspec.MsgspecError:
        raise damaged(name, _NO_KIND) from None


def lives_in(payloads: Iterable[bytes], name: str) -> Iterator[LivedRecord]:
    """The lives of records; BrokenError, which names the file, for what is none."""
    for payload in payloads:
        try:
            yield _decode_life(payload)
        except msgspec.MsgspecError:
            raise damaged(name, _NO_KIND) from None


def _framed(record: Restriction) -> bytes:
    payload = _encode(record)
    if len(payload) > FRAME_BYTES_MAX:
        raise BrokenError(f"a restriction has `{len(payload)}` bytes: at most {FRAME_BYTES_MAX}")
    length = len(payload).to_bytes(4, "big")
    return _FRAME.pack(len(payload), zlib.crc32(length), zlib.crc32(payload)) + payload


def _gathered(batch: Sequence[bytes]) -> Iterator[bytes]:
    """The batch in writes of at most `TORN_BYTES_MAX`, split between frames of different callers."""
    part = b""
    for frames in batch:
        for piece in _split(frames):
            if part and len(part) + len(piece) > TORN_BYTES_MAX:
                yield part
                part = b""
            part += piece
    if part:
        yield part


def _split(frames: bytes) -> Iterator[bytes]:
    """One caller's frames, together if they fit into one write, else frame by frame."""
    if len(frames) <= TORN_BYTES_MAX:
        yield frames
        return
    for payload in frames_in(frames, "a batch", is_last=False):
        length = len(payload).to_bytes(4, "big")
        yield _FRAME.pack(len(payload), zlib.crc32(length), zlib.crc32(payload)) + payload


def frames_in(data: bytes, name: str, *, is_last: bool) -> Iterator[bytes]:
    """The payloads in ``data``; stops at a torn end, BrokenError for other damage."""
    place = 0
    while place < len(data):
        payload = _frame_at(data, place)
        if payload is None:
            rest = data[place:]
            if not is_last or len(rest) > TORN_BYTES_MAX or _holds_a_frame(rest):
                raise damaged(name, f"a record at byte `{_HEAD + place}` cannot be read")
            return
        yield payload
        place += _FRAME.size + len(payload)


def _frame_at(data: bytes, place: int) -> bytes | None:
    """The complete frame that begins at ``place``, or None."""
    if place + _FRAME.size > len(data):
        return None
    length, length_crc, crc = _FRAME.unpack_from(data, place)
    start = place + _FRAME.size
    if zlib.crc32(data[place : place + 4]) != length_crc or length > FRAME_BYTES_MAX or start + length > len(data):
        return None
    payload = data[start : start + length]
    return payload if zlib.crc32(payload) == crc else None


def _holds_a_frame(rest: bytes) -> bool:
    """Whether a complete frame follows the damage: then it was not a torn end."""
    return any(_frame_at(rest, place) for place in range(1, len(rest)))


def segment_files(folder: Path) -> list[Path]:
    """The segments of a journal's folder, the oldest first; none where there is no journal."""
    return [folder / _name(number) for number in _segments(folder)]


def _segments(folder: Path) -> list[int]:
    found = sorted(int(path.stem) for path in folder.glob("*.log") if path.stem.isdecimal())
    if found and found != list(range(1, len(found) + 1)):
        raise BrokenError("a segment of the restriction journal is missing", f"restore every file of `{folder.name}`")
    return found


def _name(number: int) -> str:
    return f"{number:08}.log"


def damaged(name: str, how: str) -> BrokenError:
    """The error for a file, or an object, that is not what was written."""
    return BrokenError(
        f"the restriction journal is damaged in `{name}`: {how}",
        "restore the file from a copy of the journal: only the journal has these withdrawals and deletions",
    )
