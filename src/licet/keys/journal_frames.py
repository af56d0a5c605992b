"""Frames of the restriction journal: numbered, chained and authenticated, in folders and buckets
alike.

    frame              = length (4) || CRC-32 of the length (4) || CRC-32 of the rest (4) || number (8) || chain (32) || payload
    chain              = HMAC-SHA-256(key of the journal, chain of the frame before || number (8) || payload)
    key of the journal = HMAC-SHA-256(key, "licet restrictions v2\\n" || journal id)

Numbers are big-endian. The first frame has number 1, and 32 zero bytes as the chain before it. The
key is derived from the log's signing secret, which the key provider keeps: it is in neither the
folder nor the bucket of the journal, and every backup of the installation can open it. So nobody
without the key can alter, drop, insert, swap or repeat a record unnoticed. A truncated end is
detected by any holder of a later head: the database, the log, a backup's manifest
(`vault.journal_evidence`).

The checksums authenticate nothing. They tell a write torn by a crash, at the end of a folder's
journal, from a record that somebody changed.

A journal that lost records, and was finished by an operator (`licet restore --finish narrow`),
restarts its chain under a number above every known one. Only the key's holder can write such a
frame; the records between stay missing.
"""

from __future__ import annotations

import hmac
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple
from uuid import UUID

from licet.errors import BrokenError

MAGIC = b"licet restrictions v2\n"
FRAME_BYTES_MAX = 256 * 2**10
TORN_BYTES_MAX = 2**20  # the longest write: a longer damaged end is not torn
CHAIN_BYTES = 32
FINISH_HINT = (
    "restore the file from a copy of the journal; without one, finish with `licet restore .. "
    "--finish narrow`: docs/runbooks/journal-damaged.md"
)
_KEY = b"licet/journal/v2"
_FRAME = struct.Struct(f">IIIQ{CHAIN_BYTES}s")
_CHECKED = struct.calcsize(">III")  # begin of the bytes under the second checksum


class JournalHead(NamedTuple):
    """The number of a journal's newest record, 0 before the first, and its chain value."""

    number: int
    chain: bytes


START = JournalHead(0, bytes(CHAIN_BYTES))


class JournalFrame(NamedTuple):
    """A stored record, not verified."""

    number: int
    chain: bytes
    payload: bytes


class JournalMisfit(NamedTuple):
    """Missing or changed records: the numbers from ``first`` to ``last``, and the place."""

    first: int
    last: int
    place: str
    what: str

    def __str__(self) -> str:
        numbers = (
            f"record {self.first}"
            if self.first == self.last
            else f"records {self.first} to {self.last}"
        )
        return f"{numbers}, in `{self.place}`: {self.what}"


class PlacedFrames(NamedTuple):
    """The frames of one file or object."""

    place: str
    frames: list[JournalFrame]


def journal_key(log_seed: bytes) -> bytes:
    """Derives the key that authenticates a journal from the log's signing secret."""
    return hmac.digest(log_seed, _KEY, "sha256")


def chain_key(key: bytes, journal: UUID) -> bytes:
    """Derives the key of one journal, in which records of another do not verify."""
    return hmac.digest(key, MAGIC + journal.bytes, "sha256")


def chain_value(key: bytes, before: bytes, number: int, payload: bytes) -> bytes:
    """Computes a record's chain value from that of the record before it."""
    return hmac.digest(key, before + number.to_bytes(8, "big") + payload, "sha256")


def extend(
    key: bytes, head: JournalHead, payloads: Iterable[bytes]
) -> tuple[list[bytes], JournalHead]:
    """Returns the frames of records that follow ``head``, and the head after them."""
    frames: list[bytes] = []
    number, chain = head
    for payload in payloads:
        number += 1
        chain = chain_value(key, chain, number, payload)
        frames.append(_pack(number, chain, payload))
    return frames, JournalHead(number, chain)


def _pack(number: int, chain: bytes, payload: bytes) -> bytes:
    length = len(payload).to_bytes(4, "big")
    checked = number.to_bytes(8, "big") + chain + payload
    return (
        _FRAME.pack(len(payload), zlib.crc32(length), zlib.crc32(checked), number, chain) + payload
    )


def refuse_long(payload: bytes) -> None:
    """Raises BrokenError for a record that is too long to be read back."""
    if len(payload) > FRAME_BYTES_MAX:
        raise BrokenError(f"a restriction has `{len(payload)}` bytes: at most {FRAME_BYTES_MAX}")


def packed_size(payload: bytes) -> int:
    """Returns the size of a record's frame."""
    return _FRAME.size + len(payload)


def frames_in(data: bytes, name: str, *, is_last: bool, begins: int = 0) -> Iterator[JournalFrame]:
    """Yields the frames in ``data``, which begins at byte ``begins`` of a file; stops at a torn
    end, BrokenError for other damage.
    """
    place = 0
    while place < len(data):
        frame = _frame_at(data, place)
        if frame is None:
            rest = data[place:]
            if not is_last or len(rest) > TORN_BYTES_MAX or _contains_frame(rest):
                raise damage_error(name, f"a record at byte `{begins + place}` cannot be read")
            return
        yield frame
        place += packed_size(frame.payload)


def readable_frames(data: bytes) -> Iterator[JournalFrame]:
    """Yields every complete frame in ``data``, skipping damage."""
    place = 0
    while place < len(data):
        frame = _frame_at(data, place)
        if frame is not None:
            yield frame
        place += packed_size(frame.payload) if frame is not None else 1


def pack_frame(frame: JournalFrame) -> bytes:
    """A frame's bytes."""
    return _pack(*frame)


def _frame_at(data: bytes, place: int) -> JournalFrame | None:
    """Returns the complete frame that begins at ``place``, or None."""
    if place + _FRAME.size > len(data):
        return None
    length, length_crc, crc, number, chain = _FRAME.unpack_from(data, place)
    end = place + _FRAME.size + length
    if (
        zlib.crc32(data[place : place + 4]) != length_crc
        or length > FRAME_BYTES_MAX
        or end > len(data)
    ):
        return None
    if zlib.crc32(data[place + _CHECKED : end]) != crc:
        return None
    return JournalFrame(number, chain, data[place + _FRAME.size : end])


def _contains_frame(data: bytes) -> bool:
    """Whether a complete frame follows the damage, so that it is no torn end."""
    return any(_frame_at(data, place) is not None for place in range(1, len(data)))


class ChainWalk:
    """Verifies the chain of a journal's frames, oldest first.

    A frame counts if it continues the last one that counted, or the last one read even if that did
    not count, or if it restarts the chain. ``misfits`` gathers the rest. ``known`` are heads stored
    elsewhere, each of which must be found unchanged. Records before the head ``since`` are not
    checked.
    """

    def __init__(
        self,
        key: bytes,
        before: JournalHead | None = None,
        known: Sequence[JournalHead] = (),
        since: JournalHead | None = None,
    ) -> None:
        """``key`` is the journal's own; ``before`` is the frame before the first one read, None if
        all are read.
        """
        self._key = key
        self.head = self._seen = before or START
        self.misfits: list[JournalMisfit] = []
        self._since = since.number if since is not None else 0
        heads = [*known, since] if since is not None else known
        self._known = {
            head.number: head.chain for head in heads if head.number and head.number >= self._since
        }

    def counts(self, frame: JournalFrame, place: str) -> bool:
        """Whether ``frame`` is the journal's record of its number; otherwise adds it to
        `misfits`.
        """
        number, head = frame.number, self.head
        fits = (
            (number == head.number + 1 and self._follows(frame, head.chain))
            or (
                head.number < number == self._seen.number + 1
                and self._follows(frame, self._seen.chain)
            )
            or (number > head.number and self._follows(frame, START.chain))
        )
        if fits and number > head.number + 1:
            self._note(head.number + 1, number - 1, place, "missing, or not as it was written")
        elif not fits:
            self._note(
                number,
                number,
                place,
                "repeated" if number <= head.number else "not as it was written",
            )
        self._seen = JournalHead(number, frame.chain)
        if fits:
            self.head = self._seen
            self._compare(place)
        return fits

    def finish(self) -> list[JournalMisfit]:
        """Returns `misfits` after the newest frame, including a missing end or missing heads."""
        last = max(self._known, default=0)
        if last > self.head.number:
            self._note(self.head.number + 1, last, "the end of the journal", "missing")
        elif self._known and not self.misfits:
            self._note(last, last, "the journal", "missing")
        return self.misfits

    def _compare(self, place: str) -> None:
        """Compares the newest frame with a head stored elsewhere."""
        chain = self._known.pop(self.head.number, None)
        if chain is None:
            return
        if chain != self.head.chain:
            self._note(
                self.head.number,
                self.head.number,
                place,
                "another one than the database or the log knows",
            )
        elif self.head.number == self._since:
            self.misfits.clear()

    def _follows(self, frame: JournalFrame, before: bytes) -> bool:
        return hmac.compare_digest(
            chain_value(self._key, before, frame.number, frame.payload), frame.chain
        )

    def _note(self, first: int, last: int, place: str, problem: str) -> None:
        self.misfits.append(JournalMisfit(first, last, place, problem))


def strict_frames(
    walk: ChainWalk, placed: Iterable[PlacedFrames]
) -> Iterator[tuple[str, JournalFrame]]:
    """Yields the frames in order; BrokenError, naming the record, at the first misfit."""
    for place, frames in placed:
        for frame in frames:
            if not walk.counts(frame, place) or walk.misfits:
                raise misfit_error(walk.misfits)
            yield place, frame


def misfit_error(misfits: Sequence[JournalMisfit]) -> BrokenError:
    """Returns the error for misfits, naming the first."""
    more = f", and {len(misfits) - 1} more" if len(misfits) > 1 else ""
    return BrokenError(
        f"the restriction journal was changed or is damaged: {misfits[0]}{more}", FINISH_HINT
    )


def damage_error(name: str, problem: str) -> BrokenError:
    """The error for a damaged file or object."""
    return BrokenError(f"the restriction journal is damaged in `{name}`: {problem}", FINISH_HINT)
