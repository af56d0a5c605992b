"""The restriction journal: withdrawals, deletions and other restrictions, stored outside the
database and its backups.

Promise: every acknowledged restriction is in this journal, durable. Restrictions are a deletion, a
refusal or withdrawal, keeping out, a closure, a plan, age or region that was set, the overturning
of a flag, a hold or its end, taking feedback back, and the revocation of a key. A restored database
stays behind the fence until they have been reapplied.

The order is: the database commits, the journal is fsynced, the caller is answered. A crash between
the first two leaves an unacknowledged restriction that only a restore could lose; the next opening
finds it in the database and adds it (`catch_up`). The reverse order would leave restrictions here
that the database refused, and such a database would look like one that is older than its journal.
After a failed write or fsync nothing more is written: the disk's content is unknown then, and a
restriction that cannot be recorded is refused. A full disk is no such failure: the partial record
is cut off, and written again with the next ones.

Records contain Licet's own ids, closed names and numbers; the matter of a hold is sealed under a
key derived from the installation's. Never content. Each record is numbered, chained to the one
before it, and authenticated under a key that is not stored with the journal
(`keys.journal_frames`). The journal is stored in a folder, by the class below, or in a bucket
(`keys.journal_bucket`):

    segment = "licet restrictions v2 " || journal id (16) || frame*        files 00000001.log, 00000002.log, ...

A damaged frame at the end of the newest segment with nothing intact after it is a torn write, never
acknowledged: it is cut off. Damage anywhere else is an error (`BrokenError`).

A restore writes its new life before it reads the records. A change committed before that, but not
yet recorded, is refused from then on: it is neither in the restored database nor acknowledged.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol
from uuid import UUID

import msgspec

from licet.errors import BrokenError, BusyError, DiskFailedError, RefusedError
from licet.keys.journal_frames import (
    MAGIC,
    START,
    TORN_BYTES_MAX,
    ChainWalk,
    JournalFrame,
    JournalHead,
    JournalMisfit,
    PlacedFrames,
    chain_key,
    damage_error,
    extend,
    frames_in,
    packed_size,
    refuse_long,
    strict_frames,
)
from licet.keys.material import Random
from licet.store.files import make_folder, sync, write_some
from licet.undecodable import UNDECODABLE

NEWEST_RECORDS_MAX = 1_000  # how far an opening looks back: an earlier one recorded the rest
SEGMENT_BYTES_MAX = 4 * 2**20
# on a restart of the chain: a lost number must never be reused
NUMBERS_SKIPPED = 1_000_000
_HEAD = len(MAGIC) + 16


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
    # a restore or failover began another life: restricts nothing, but reserves its number
    life = "life"


class Restriction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One record. ``life`` and ``seq`` are its position: the database's life, and the account's
    number after it. ``matter`` is sealed; ``erasure`` is the id given to its person; ``document``
    is a policy version's public text, or a key's limits, whose version is then ``seq``; ``until``
    is when a backup expires or a hold is due for review, ``base`` whether a backup is of pages;
    ``key`` is the id of a service's key; ``reason`` is a hold's, which ``untold`` keeps from its
    person.

    ``question`` is the one that a no answers, empty for all, and ``kept`` the scopes that it left
    in force, as `project:<hex>` or `conversation:<hex>`; ``host`` is the HMAC of the host's project
    id. ``server`` is the server of a life (`licet.store.primary.ServerIdentity`), empty for an
    embedded one.
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
    """The newest life in the journal, and its server."""

    life: int
    server: str


_encode = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder(Restriction, strict=True).decode


class LivedRecord(msgspec.Struct):
    """The fields of other processes' records that a writer needs."""

    life: int = 0
    kind: str = ""
    server: str = ""


_decode_life = msgspec.json.Decoder(LivedRecord).decode


class JournalTail:
    """The end of a journal: its head, and the newest life with its server, once its beginning was
    read.
    """

    def __init__(self, journal: UUID, key: bytes | None) -> None:
        self.journal, self.key = journal, key
        self.life = 0
        self._begun = JournalLife(-1, "")
        self._head: JournalHead | None = None

    @property
    def newest(self) -> int:
        """The number of the newest record."""
        return self._head.number if self._head is not None else 0

    @property
    def head(self) -> JournalHead:
        return self._head or START

    def unlocked_key(self) -> bytes:
        if self.key is None:
            raise BrokenError("the restriction journal was opened without its key")
        return self.key

    def take(self, frames: Sequence[JournalFrame]) -> None:
        """Sets the end of the journal when opening; it is compared with the database afterwards."""
        if frames:
            self._head = JournalHead(frames[-1].number, frames[-1].chain)
            self._note(_decode_lives([frame.payload for frame in frames]))

    def take_anew(self, frames: Sequence[JournalFrame]) -> None:
        """Replaces the end that was set before the key was known."""
        self.life, self._begun = 0, JournalLife(-1, "")
        self.take(frames)

    def follow(self, frames: Sequence[JournalFrame], place: str) -> None:
        """Adds another process's records; BrokenError if they do not continue the chain."""
        if self._head is None and self.key is None:
            self.take(frames)
            return
        walk = ChainWalk(self.unlocked_key(), self.head)
        for _ in strict_frames(walk, [PlacedFrames(place, list(frames))]):
            pass
        self.take(frames)

    def append_own(self, head: JournalHead, payloads: Iterable[bytes]) -> None:
        """Adds this process's written records."""
        self._head = head
        self._note(_decode_lives(payloads))

    def restart(self, number: int, life: int) -> None:
        """Restarts the chain with the next record, under a number far above ``number``, in a life
        after ``life``.
        """
        self.life, self._begun = life, JournalLife(-1, "")
        self._head = JournalHead(number + NUMBERS_SKIPPED, START.chain)

    def find_life(self, batches: Callable[[], Iterator[PlacedFrames]]) -> JournalLife:
        """Returns the newest life with its server; if unknown, searches ``batches``,
        newest first.
        """
        if self._begun.life != self.life:
            servers = (
                record.server
                for _, frames in batches()
                for record in reversed(list(_decode_lives(frame.payload for frame in frames)))
                if record.kind == RestrictionKind.life and record.life == self.life
            )
            self._begun = JournalLife(self.life, next(servers, ""))
        return self._begun

    def _note(self, records: Iterable[LivedRecord]) -> None:
        for record in records:
            self.life = max(self.life, record.life)
            if record.kind == RestrictionKind.life and record.life == self.life:
                self._begun = JournalLife(record.life, record.server)


class WaitingRecords(NamedTuple):
    """One caller's records: all are written, or none if their life is over."""

    ticket: int
    life: int
    payloads: tuple[bytes, ...]

    @property
    def size(self) -> int:
        return sum(map(packed_size, self.payloads))


class NumberedRestriction(NamedTuple):
    """A record with its number."""

    number: int
    record: Restriction


class JournalStorage(Protocol):
    """The storage of a journal."""

    @property
    def tail(self) -> JournalTail:
        """The end of the journal, with its id and key."""

    def write(self, waiting: Sequence[WaitingRecords]) -> set[int]:
        """Promise: on return all frames are durable at the end, in order, except those of the
        returned tickets, before which a newer life had begun. BusyError: they may have been
        written, and may be written again.
        """

    def newest_life(self) -> JournalLife:
        """Promise: the newest life that was durable before the call, whichever process began it."""

    def batches(
        self, *, newest_first: bool = False, followed: bool = False
    ) -> Iterator[PlacedFrames]:
        """Promise: every frame durable before the call, not verified, file by file, each file's
        oldest first. ``followed``: none beyond the end known to this process, which follows other
        writers from there.
        """

    def close(self) -> None:
        """Frees what is held open."""


class Journal:
    """A journal in a folder or another storage. Any thread and process may append."""

    def __init__(
        self,
        storage: Path | JournalStorage,
        random: Random = os.urandom,
        *,
        key: bytes | None = None,
        segment_bytes_max: int = SEGMENT_BYTES_MAX,
    ) -> None:
        """Opens or begins the journal; cuts off a torn end. BrokenError if it is damaged.

        Without ``key`` (`journal_frames.journal_key`) nothing is written or read until `unlock`.
        """
        self.storage = (
            FolderSegments(storage, random, segment_bytes_max)
            if isinstance(storage, Path)
            else storage
        )
        if key is not None:
            self.unlock(key)
        self._gate, self._turn = threading.Lock(), threading.Lock()
        self._waiting: list[WaitingRecords] = []
        # newest record known to be durable
        self.durable = JournalHead(0, b"")
        # number of the newest one that this process stored in the database
        self.remembered = 0
        self._asked = self._done = self._tried = 0
        self._late: set[int] = set()
        self._dead, self.is_writing = "", False

    @property
    def id(self) -> UUID:
        return self.storage.tail.journal

    def unlock(self, key: bytes) -> None:
        """Sets the journal's key (`journal_frames.journal_key`) and finds the newest authentic
        record: forged records after it are neither continued nor accepted as a new life.
        """
        self.storage.tail.key = key = chain_key(key, self.id)
        batches = self.storage.batches(newest_first=True, followed=True)
        parts = (placed for placed in batches if placed.frames)
        newest = next(parts, None)
        while newest is not None:
            before = next(parts, None)
            head = JournalHead(*before.frames[-1][:2]) if before is not None else None
            walk = ChainWalk(key, head)
            if frames := [frame for frame in newest.frames if walk.counts(frame, newest.place)]:
                self.storage.tail.take_anew(frames)
                return
            newest = before

    def append(self, records: Sequence[Restriction]) -> None:
        """Adds ``records``, durable on return. Concurrent callers share a write.

        RefusedError if a restore or failover has begun a newer life. BusyError if the storage does
        not answer: they are written with the next ones.
        """
        if not records:
            return
        payloads = tuple(map(_encode_restriction, records))
        life = max(record.life for record in records)
        with self._gate:
            ticket = self._asked
            self._waiting.append(WaitingRecords(ticket, life, payloads))
            self._asked += 1
        with self._turn:
            self.check()
            if self._done <= ticket:
                if ticket < self._tried:  # written by another thread, without an answer
                    raise BusyError(
                        "the restriction journal does not answer", "make the change again"
                    )
                self._write_waiting()
            if ticket in self._late:
                self._late.remove(ticket)
                raise RefusedError(
                    "the database was restored or failed over meanwhile, and may lack the change",
                    "make the change again, with the same idempotency key",
                    because="restored",
                )

    def _write_waiting(self) -> None:
        with self._gate:
            waiting, self._waiting, last = self._waiting, [], self._asked
        self.is_writing = True
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
        finally:
            self.is_writing = False
        self._done = last
        self.durable = self.storage.tail.head

    def current_head(self) -> JournalHead:
        """Returns the newest durable record of any process."""
        with self._turn:
            self.storage.newest_life()
            self.durable = self.storage.tail.head
        return self.durable

    @property
    def is_stopped(self) -> bool:
        """Whether a write has failed, after which nothing more is written."""
        return bool(self._dead)

    def check(self) -> None:
        """Raises BrokenError once a write has failed: no restriction may be accepted."""
        if self._dead:
            raise DiskFailedError(
                f"the restriction journal is stopped: {self._dead}",
                "repair the disk and start again",
            )

    def accept(self) -> None:
        """`check`, before a restriction is accepted; BusyError while accepted ones cannot be
        written.
        """
        self.check()
        if self._done < self._tried:
            with self._turn:
                if self._done < self._tried:
                    self._write_waiting()

    def restart(self, heads: Sequence[JournalHead], life: int) -> None:
        """Restarts the chain with the next record, above every number in the journal or in
        ``heads``, for an operator who finishes a restore with missing records. ``life`` is the
        newest known one.
        """
        walk = self.walk()
        for _ in self.survey(walk):
            pass
        numbers = [walk.head.number, *(head.number for head in heads)]
        self.storage.tail.restart(max(numbers), life)

    def records(self) -> Iterator[Restriction]:
        """Yields every record, oldest first; BrokenError, naming the record, at the first
        misfit.
        """
        walk = ChainWalk(self.storage.tail.unlocked_key())
        for place, frame in strict_frames(walk, self.storage.batches()):
            yield decode_restriction(frame.payload, place)

    def walk(
        self, heads: Sequence[JournalHead] = (), since: JournalHead | None = None
    ) -> ChainWalk:
        """A walk from the journal's beginning."""
        return ChainWalk(self.storage.tail.unlocked_key(), None, heads, since)

    def survey(self, walk: ChainWalk) -> Iterator[NumberedRestriction]:
        """Yields every authentic record, oldest first; ``walk`` has the misfits afterwards."""
        for place, frames in self.storage.batches():
            for frame in frames:
                if walk.counts(frame, place):
                    yield NumberedRestriction(
                        frame.number, decode_restriction(frame.payload, place)
                    )

    def find_misfits(
        self,
        heads: Sequence[JournalHead],
        since: JournalHead | None = None,
        count: int | None = None,
    ) -> list[JournalMisfit]:
        """Returns the misfits since that head, or in the whole journal.

        With ``count`` it stops after so many records and all ``heads``.
        """
        lowest = min((head.number for head in heads), default=0)
        seen = 0

        def is_enough(frames: list[JournalFrame]) -> bool:
            nonlocal seen
            seen += len(frames)
            first = frames[0].number
            return (since is not None and first <= since.number) or (
                count is not None and seen >= count and first <= lowest
            )

        walk, files = self._walk_newest(is_enough, heads, since)
        for place, frame in files:
            walk.counts(frame, place)
        return walk.finish()

    def _walk_newest(
        self,
        is_enough: Callable[[list[JournalFrame]], bool],
        heads: Sequence[JournalHead] = (),
        since: JournalHead | None = None,
    ) -> tuple[ChainWalk, list[tuple[str, JournalFrame]]]:
        """Reads the newest files until ``is_enough``; returns them oldest first, with a walk that
        begins before them.
        """
        files: list[PlacedFrames] = []
        head: JournalHead | None = None
        done = False
        for placed in self.storage.batches(newest_first=True):
            if not placed.frames:
                continue
            if done:  # the oldest other file continues it
                head = JournalHead(placed.frames[-1].number, placed.frames[-1].chain)
                break
            files.append(placed)
            done = is_enough(placed.frames)
        if since is not None and files and files[0].frames[0].number > since.number:
            since = None  # not read that far
        walk = ChainWalk(self.storage.tail.unlocked_key(), head, heads, since)
        return walk, [
            (placed.place, frame) for placed in reversed(files) for frame in placed.frames
        ]

    def newest_life(self) -> JournalLife:
        """Returns the newest life begun by any process."""
        with self._turn:
            return self.storage.newest_life()

    def newest(self, count: int) -> list[Restriction]:
        """Returns the last ``count`` authentic records, oldest first."""
        seen = 0

        def is_enough(frames: list[JournalFrame]) -> bool:
            nonlocal seen
            seen += len(frames)
            return seen >= count

        walk, files = self._walk_newest(is_enough)
        return [
            decode_restriction(frame.payload, place)
            for place, frame in files
            if walk.counts(frame, place)
        ][-count:]

    def close(self) -> None:
        self.storage.close()


class FolderSegments:
    """A journal in a folder: segments to which any process of the machine appends."""

    def __init__(self, folder: Path, random: Random, segment_bytes_max: int) -> None:
        self.folder, self._segment_bytes_max = folder, segment_bytes_max
        self._file = -1
        self._number = self._size = 0
        make_folder(folder, 0o700)
        with contextlib.ExitStack() as opened, self._locked():
            opened.callback(self.close)  # a refused journal leaves no file open
            if not _segments(folder):
                self._begin(1, random(16))
            newest = _segments(folder)[-1]
            self.tail = JournalTail(UUID(bytes=self._read_head(folder / _name(newest))), None)
            self._seek_end()
            os.fsync(self._file)  # the last writer may have been killed before it did so
            opened.pop_all()

    def write(self, waiting: Sequence[WaitingRecords]) -> set[int]:
        with self._locked():
            self._seek_end()
            late = {batch.ticket for batch in waiting if batch.life < self.tail.life}
            payloads = [
                payload
                for batch in waiting
                if batch.ticket not in late
                for payload in batch.payloads
            ]
            frames, head = extend(self.tail.unlocked_key(), self.tail.head, payloads)
            begins = self._number, self._size
            try:
                self._write(frames)
            except BusyError as error:
                if self._number != begins[0]:  # part of it is in the previous segment
                    raise DiskFailedError(error.message, error.hint) from None
                self._cut_off(begins[1])
                raise
            self.tail.append_own(head, payloads)
        return late

    def _cut_off(self, size: int) -> None:
        """Truncates unacknowledged bytes."""
        os.ftruncate(self._file, size)
        os.fsync(self._file)
        self._size = size

    def newest_life(self) -> JournalLife:
        with self._locked():
            before = self.tail.newest
            self._seek_end()
            if self.tail.newest != before:
                os.fsync(self._file)  # its writer may have been killed before it did so
            return self.tail.find_life(lambda: self.batches(newest_first=True))

    def batches(
        self, *, newest_first: bool = False, followed: bool = False
    ) -> Iterator[PlacedFrames]:
        numbers = _segments(self.folder)
        if followed:
            numbers = numbers[: self._number]
        for number in reversed(numbers) if newest_first else numbers:
            yield self._read(number, self._size if followed and number == self._number else None)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __del__(self) -> None:
        self.close()

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Locks the journal for the block; a torn end is cut off."""
        with self._locked():
            self._seek_end()
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

    def _seek_end(self) -> None:
        """Seeks to the end of the newest segment; under the lock, so that a torn end is a dead
        writer's.
        """
        newest = _segments(self.folder)[-1]
        if not self._number:
            self._open(newest)
            self._take_rest(self.tail.take)
            # the first record of a segment states the life, and is not written yet
            if self._size == _HEAD:
                self._take_before(newest)
            return
        for number in range(self._number, newest + 1):
            if number != self._number:
                self._open(number)
            self._take_rest(lambda frames: self.tail.follow(frames, _name(self._number)))

    def _open(self, number: int) -> None:
        self.close()
        self._file = os.open(self.folder / _name(number), os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        self._number, self._size = number, _HEAD

    def _take_rest(self, take: Callable[[list[JournalFrame]], None]) -> None:
        """Passes on the open segment's new frames, and cuts off a torn end."""
        size, name = os.fstat(self._file).st_size, _name(self._number)
        if size < self._size:
            raise damage_error(name, f"it had `{self._size}` bytes, and has `{size}`")
        if size == self._size:
            return
        self._read_head(self.folder / name)
        data = os.pread(self._file, size - self._size, self._size)
        is_last = self._number == _segments(self.folder)[-1]
        frames = list(frames_in(data, name, is_last=is_last, begins=self._size))
        take(frames)
        self._size += sum(packed_size(frame.payload) for frame in frames)
        if self._size < size:
            os.ftruncate(self._file, self._size)
            os.fsync(self._file)

    def _take_before(self, number: int) -> None:
        """Sets the end from the newest segment before ``number`` that has a record."""
        for earlier in range(number - 1, 0, -1):
            frames = self._read(earlier).frames
            if frames:
                self.tail.take(frames)
                return

    def _write(self, batch: Sequence[bytes]) -> None:
        for frames in _join_frames(batch):
            if self._size + len(frames) > self._segment_bytes_max and self._size > _HEAD:
                # its last writer may have been killed: what follows is chained to its record
                os.fsync(self._file)
                self._begin(self._number + 1, self.tail.journal.bytes)
                self._seek_end()
            view = memoryview(frames)
            while view:
                view = view[write_some(self._file, view, "the restriction journal") :]
            self._size += len(frames)
            os.fsync(self._file)

    def _read(self, number: int, end: int | None = None) -> PlacedFrames:
        path = self.folder / _name(number)
        self._read_head(path)
        is_last = number == _segments(self.folder)[-1]
        frames = frames_in(path.read_bytes()[_HEAD:end], path.name, is_last=is_last, begins=_HEAD)
        return PlacedFrames(path.name, list(frames))

    def _read_head(self, path: Path) -> bytes:
        with path.open("rb") as file:
            head = file.read(_HEAD)
        if len(head) != _HEAD or not head.startswith(MAGIC):
            raise damage_error(path.name, "it does not begin with the header of a segment")
        ident = head[len(MAGIC) :]
        if hasattr(self, "tail") and ident != self.tail.journal.bytes:
            raise damage_error(path.name, "it belongs to another journal")
        return ident


def decode_restriction(payload: bytes, name: str) -> Restriction:
    """Decodes a record; BrokenError, naming the file, for an unknown kind."""
    try:
        return _decode(payload)
    except UNDECODABLE:
        raise damage_error(name, "a record has an unknown kind") from None


def _decode_lives(payloads: Iterable[bytes]) -> Iterator[LivedRecord]:
    """Decodes the records' lives; skips malformed ones, which a check of the journal finds."""
    for payload in payloads:
        with contextlib.suppress(msgspec.MsgspecError):
            yield _decode_life(payload)


def _encode_restriction(record: Restriction) -> bytes:
    payload = _encode(record)
    refuse_long(payload)
    return payload


def _join_frames(frames: Sequence[bytes]) -> Iterator[bytes]:
    """Joins the frames into writes of at most `TORN_BYTES_MAX`."""
    part: list[bytes] = []
    size = 0
    for frame in frames:
        if part and size + len(frame) > TORN_BYTES_MAX:
            yield b"".join(part)
            part, size = [], 0
        part.append(frame)
        size += len(frame)
    if part:
        yield b"".join(part)


def segment_files(folder: Path) -> list[Path]:
    """Returns the segments in a journal's folder, oldest first."""
    return [folder / _name(number) for number in _segments(folder)]


def _segments(folder: Path) -> list[int]:
    numbers = sorted(int(path.stem) for path in folder.glob("*.log") if path.stem.isdecimal())
    if numbers and numbers != list(range(1, len(numbers) + 1)):
        raise BrokenError(
            "a segment of the restriction journal is missing",
            f"restore every file of `{folder.name}`",
        )
    return numbers


def _name(number: int) -> str:
    return f"{number:08}.log"
