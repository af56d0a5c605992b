"""The restriction journal in a bucket, shared by the servers of several hosts.

Promise: that of a folder (`keys.restriction_journal`), without a disk that all hosts reach. An
object is one group commit of one process, under the next number; it is created only if the number
is free, and never changed or deleted. So all writers share one order without a gap, and the writer
of number N has read every object before it: a writer whose number was taken reads that object
before it tries the next number, and so learns of a newer life and refuses records of an older one.

    object = "licet restrictions v2 " || journal id (16) || mark (16) || frame*        names 0000000001, 0000000002, ...

The frames are numbered and chained over all objects (`keys.journal_frames`). The random mark makes
each object unique, so that a repeated write after a lost answer recognises its own. Without an
answer it is unknown whether the object was written; its records are written again with the next
ones, and a repeated record has no further effect. A missing or damaged object is an error
(`BrokenError`): an object is never torn.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from uuid import UUID

from licet.config import Configuration
from licet.errors import BrokenError, UsageError
from licet.keys.journal_frames import (
    MAGIC,
    JournalFrame,
    PlacedFrames,
    damage_error,
    extend,
    frames_in,
)
from licet.keys.material import Random
from licet.keys.restriction_journal import Journal, JournalLife, JournalTail, WaitingRecords
from licet.store import bucket as buckets
from licet.store.bucket import Bucket

OBJECT_BYTES_WANTED = 2**20  # bound for gathering callers; one caller's records are never split
PAGE_NAMES = 1_000
ENOUGH_OFTEN = 2
MARK_BYTES = 16
HEAD_BYTES = len(MAGIC) + 16 + MARK_BYTES
PREFIX = "journal/"


def journal(config: Configuration) -> Journal:
    """Returns the installation's journal, in its bucket or else its folder. UsageError if both are
    configured.
    """
    bucket = buckets.open_bucket(config.store)
    if bucket is None:
        return Journal(config.journal)
    if config.restrictions is not None:
        raise UsageError(
            "`LICET_RESTRICTIONS` and `LICET_STORE__URL` both say where the restriction journal is",
            "set one of them",
        )
    return Journal(BucketObjects(bucket.guarded))


class BucketObjects:
    """A journal in the folder `journal` of a bucket. `Journal` ensures that one thread at a time
    writes.
    """

    def __init__(self, bucket: Bucket, random: Random = os.urandom) -> None:
        """Opens or begins the journal. BusyError if the service does not answer."""
        self._bucket, self._random = bucket, random
        self._number = 1
        bucket.probe()  # the probe fails fast, without the time-outs of every request
        last = self._last()
        if not last:
            # unless another process has
            bucket.create(PREFIX + object_name(1), MAGIC + random(16) + random(MARK_BYTES))
        first = bucket.read(PREFIX + object_name(1))
        if first is None:
            raise damage_error(object_name(1), "it is missing")
        journal = UUID(
            bytes=_strip_header(first.content, object_name(1))[len(MAGIC) : len(MAGIC) + 16]
        )
        self.tail = JournalTail(journal, None)
        for number in range(last, 1, -1):
            self._number = max(self._number, number)
            if frames := self._frames(number):  # a mended object may have none
                self.tail.take(frames)
                break

    def write(self, waiting: Sequence[WaitingRecords]) -> set[int]:
        """As `JournalStorage.write`: one object for as many callers as fit into it."""
        late: set[int] = set()
        rest = list(waiting)
        while rest:
            self._drop_late(rest, late)
            taken = _next_batch(rest)
            if not taken:
                break
            number = self._number + 1
            payloads = [payload for batch in taken for payload in batch.payloads]
            frames, head = extend(self.tail.unlocked_key(), self.tail.head, payloads)
            content = MAGIC + self.tail.journal.bytes + self._random(MARK_BYTES) + b"".join(frames)
            if self._bucket.create(PREFIX + object_name(number), content) is None:
                self._follow(number)
                continue
            self._number = number
            self.tail.append_own(head, payloads)
            del rest[: len(taken)]
        return late

    def newest_life(self) -> JournalLife:
        while self._is_there(self._number + 1):
            self._follow(self._number + 1)
        return self.tail.find_life(lambda: self.batches(newest_first=True))

    def batches(
        self, *, newest_first: bool = False, followed: bool = False
    ) -> Iterator[PlacedFrames]:
        if newest_first:
            numbers: Sequence[int] = range(self._number if followed else self._newest(), 0, -1)
        else:
            numbers = range(1, self._number + 1) if followed else self._numbers()
        names = list(map(object_name, numbers))
        # objects are read in batches, and mostly the newest suffice
        first = ENOUGH_OFTEN if newest_first else 0
        for part in (names[:first], names[first:]):
            contents = self._bucket.read_all([PREFIX + name for name in part])
            for name, content in zip(part, contents, strict=True):
                yield PlacedFrames(name, self._frames_in(content, name))

    def close(self) -> None:
        """Holds nothing open."""

    def _drop_late(self, waiting: list[WaitingRecords], late: set[int]) -> None:
        late.update(batch.ticket for batch in waiting if batch.life < self.tail.life)
        waiting[:] = [batch for batch in waiting if batch.life >= self.tail.life]

    def _follow(self, number: int) -> None:
        """Takes over an object that another process wrote."""
        self.tail.follow(self._frames(number), object_name(number))
        self._number = number

    def _frames(self, number: int) -> list[JournalFrame]:
        name = object_name(number)
        content = self._bucket.read(PREFIX + name)
        if content is None:
            raise damage_error(name, "it is missing")
        return self._frames_in(content.content, name)

    def _frames_in(self, content: bytes, name: str) -> list[JournalFrame]:
        if _strip_header(content, name)[len(MAGIC) : len(MAGIC) + 16] != self.tail.journal.bytes:
            raise damage_error(name, "it belongs to another journal")
        return list(frames_in(content[HEAD_BYTES:], name, is_last=False, begins=HEAD_BYTES))

    def _numbers(self) -> Sequence[int]:
        """Returns all numbers, for a restore, which reads every object."""
        return _without_gap(self._bucket.names(PREFIX), 0)

    def _newest(self) -> int:
        """Returns the newest number, searched from the known one on."""
        page = _without_gap(
            self._bucket.names_after(PREFIX, object_name(self._number), PAGE_NAMES), self._number
        )
        return self._last() if len(page) == PAGE_NAMES else (page[-1] if page else self._number)

    def _last(self) -> int:
        """Finds the newest number, 0 if there is none, by exponential search, because listing all
        may take long.

        The last listing has all names after the last number found, so that a missing object in
        between is not taken for the end.
        """
        low = 0
        while True:
            page = _without_gap(self._bucket.names_after(PREFIX, object_name(low), PAGE_NAMES), low)
            if len(page) < PAGE_NAMES:
                return page[-1] if page else low
            low, step = page[-1], PAGE_NAMES
            while self._is_there(low + step):
                low, step = low + step, step * 2
            while step > PAGE_NAMES:
                step //= 2
                low = low + step if self._is_there(low + step) else low

    def _is_there(self, number: int) -> bool:
        return self._bucket.read(PREFIX + object_name(number)) is not None


def _without_gap(names: Sequence[str], after: int) -> Sequence[int]:
    numbers = sorted(int(name) for name in names if name.isdecimal())
    if numbers != list(range(after + 1, after + 1 + len(numbers))):
        raise BrokenError(
            "an object of the restriction journal is missing", "restore every object of `journal`"
        )
    return numbers


def _strip_header(content: bytes, name: str) -> bytes:
    if len(content) < HEAD_BYTES or not content.startswith(MAGIC):
        raise damage_error(name, "it does not begin with the header of a journal")
    return content


def _next_batch(waiting: Sequence[WaitingRecords]) -> list[WaitingRecords]:
    """The first callers that fit into one object, and at least one."""
    taken: list[WaitingRecords] = []
    size = 0
    for batch in waiting:
        size += batch.size
        if taken and size > OBJECT_BYTES_WANTED:
            break
        taken.append(batch)
    return taken


def object_name(number: int) -> str:
    """The name of an object below `PREFIX`."""
    return f"{number:010}"
