"""Training gate: which rows of a release may be used now.

Rules: a file counts only if its signature, release, manifest hash and lease are valid. Numbers
never decrease, and a withdrawn row is never reinstated; a file that contradicts this stops the run.
An expired lease blocks (`WhenStale.pause`, at most an hour) or raises DeniedError. The first error
is final.

Each check makes one `stat` and reads the file if it has changed. Times are Unix seconds; a clock
set back extends no lease, because the monotonic clock is checked too.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol, TypeVar

import structlog
from pyroaring import FrozenBitMap

from licet.errors import BrokenError, BusyError, DeniedError, LicetError
from licet.ledger.note import Verifier
from licet.train import bitmap
from licet.train.bitmap import WithdrawnBitmap

_log = structlog.get_logger("licet.gate")
T = TypeVar("T")
Clock = Callable[[], float]
Used = Callable[[int, Sequence[int]], None]
"""Called with each step and the ordinals that go into it: each once, in order, none withdrawn.

The call is after the check and before the batch is handed out: a crash leaves a row too many on
record, never one too few, and if it raises, the batch is not handed out. `TrainingGate.number` is
that of the check. A step repeated after a resume is reported again; a step without usable rows has
no ordinals.
"""

PAUSE_SECONDS = 0.2
PAUSE_SECONDS_MAX = 3_600.0
# a head from further in the future means that this machine's clock is behind
SKEW_SECONDS_MAX = 60.0
GLANCE_SECONDS = 0.05
BLOCK_POSITIONS = 1_024
SMALL_ROWS_MAX = 100_000


class WhenStale(StrEnum):
    """What to do when the lease has expired: wait for another, for at most `PAUSE_SECONDS_MAX`, or
    stop.
    """

    pause = "pause"
    stop = "stop"


class RowGate(Protocol):
    """The gate of a release, or of several (`mix.MixGate`)."""

    def check(self, ordinals: Sequence[int]) -> list[int]:
        """The positions in ``ordinals`` of rows that may not be used now; a negative ordinal is no
        row.
        """
        ...

    @property
    def numbers(self) -> tuple[int, ...]:
        """The bitmap number of each release's last answer; -1 before the first."""
        ...


class TrainingGate:
    """Answers for one release, from the file that `licet train gate` keeps. It can be pickled into
    workers.

    ``held`` is the file with which an earlier part of the run ended: nothing older than it is
    accepted.
    """

    def __init__(
        self,
        file: Path,
        *,
        release: str,
        manifest_sha256: str,
        verifier: Verifier,
        clock: Clock,
        when_stale: WhenStale = WhenStale.pause,
        held: bytes | None = None,
        monotonic: Clock = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.release, self.manifest_sha256 = release, manifest_sha256
        self._path, self._verifier, self._when_stale = os.fspath(file), verifier, when_stale
        self._clock, self._monotonic, self._sleep = clock, monotonic, sleep
        self._file: WithdrawnBitmap | None = None
        self._ordinals = FrozenBitMap()
        self._small: frozenset[int] | None = frozenset()
        self._file_stat: tuple[int, int, int] | None = None
        self._until = self._deadline = self._glance_at = float("-inf")
        self._failure: LicetError | None = None
        self._logged_wait: float | None = None
        if held is not None:
            self._adopt(bitmap.verify_file(held, verifier))

    def __getstate__(self) -> dict[str, Any]:
        # A monotonic clock belongs to its machine: a worker reads the file and lease itself.
        never = float("-inf")
        kept = {
            "_file_stat": None,
            "_until": never,
            "_deadline": never,
            "_glance_at": never,
            "_verifier": self._verifier.vkey,
        }
        return self.__dict__ | kept

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state | {"_verifier": Verifier.parse(state["_verifier"])})

    def __repr__(self) -> str:
        return f"TrainingGate({self.release}, number {self.number})"

    @property
    def number(self) -> int:
        """The number of the file that the last answer came from; -1 before the first."""
        return -1 if self._file is None else self._file.head.number

    @property
    def numbers(self) -> tuple[int, ...]:
        return (self.number,)

    def signed_withdrawals(self) -> bytes:
        """The file of the last answer, or the current one, to keep beside a checkpoint."""
        if self._file is None:
            self.current()
        assert self._file is not None
        return self._file.encode()

    def current(self) -> FrozenBitMap:
        """The withdrawn ordinals now; DeniedError or BrokenError if the run has to stop."""
        if self._failure is not None:
            raise self._failure
        try:
            stat = os.stat(self._path)  # noqa: PTH116 a third of the time of Path.stat
        except OSError:
            stat = None
        if (
            stat is not None
            and (stat.st_mtime_ns, stat.st_ino, stat.st_size) == self._file_stat
            and self._monotonic() < self._deadline
            and self._clock() < self._until
        ):
            return self._ordinals
        return self._refresh()

    def glance(self) -> FrozenBitMap:
        """`current`, up to `GLANCE_SECONDS` old: for prefetching, since rows are checked again at
        hand-off.
        """
        now = self._monotonic()
        if now < self._glance_at and now < self._deadline:
            return self._ordinals
        found = self.current()
        self._glance_at = self._monotonic() + GLANCE_SECONDS
        return found

    def meets(self, ordinals: Sequence[int]) -> bool:
        """Whether any of ``ordinals`` is withdrawn, by a `glance`."""
        self.glance()
        return not self._is_disjoint(ordinals)

    def check(self, ordinals: Sequence[int]) -> list[int]:
        """The places in ``ordinals`` of rows that may not be used at this moment; a negative
        ordinal is no row.
        """
        withdrawn = self.current()
        if self._is_disjoint(ordinals):  # nearly always
            return []
        return [
            place for place, ordinal in enumerate(ordinals) if ordinal >= 0 and ordinal in withdrawn
        ]

    def _is_disjoint(self, ordinals: Sequence[int]) -> bool:
        # a set answers three times as fast as a bitmap, with forty times the memory
        if self._small is not None:
            return self._small.isdisjoint(ordinals)
        return self._ordinals.isdisjoint(
            FrozenBitMap([ordinal for ordinal in ordinals if ordinal >= 0])
        )

    def retry_while_busy(self, call: Callable[[], T]) -> T:
        """Calls ``call``, retrying on BusyError as long as an expired lease may pause the run."""
        begun = self._monotonic()
        while True:
            try:
                return call()
            except BusyError as error:
                if (
                    self._when_stale is WhenStale.stop
                    or self._monotonic() - begun >= PAUSE_SECONDS_MAX
                ):
                    raise
                self._log_waiting(f"{error.message}; {error.hint}", begun)
            self._sleep(PAUSE_SECONDS)

    # The following runs when the file has changed or the lease has expired

    def _refresh(self) -> FrozenBitMap:
        try:
            return self._wait_for_lease()
        except LicetError as error:
            self._failure = error
            raise

    def _wait_for_lease(self) -> FrozenBitMap:
        begun = self._monotonic()
        while True:
            self._read()
            now = self._monotonic()
            if now < self._deadline and self._clock() < self._until:
                return self._ordinals
            if self._when_stale is WhenStale.stop or now - begun >= PAUSE_SECONDS_MAX:
                raise DeniedError(
                    f"no lease of release `{self.release}` is valid: {self._describe_lack()}",
                    "check that `licet train gate` runs on this machine and reaches the "
                    "installation",
                )
            self._log_waiting(self._describe_lack(), begun)
            self._sleep(PAUSE_SECONDS)

    def _log_waiting(self, why: str, begun: float) -> None:
        """Logs why the run waits, once for each wait that began at ``begun``."""
        if self._logged_wait != begun:
            self._logged_wait = begun
            _log.warning("waiting", release=self.release, why=why)

    def _describe_lack(self) -> str:
        if self._file is None:
            return "its file of withdrawn rows is missing"
        return f"it expired at `{self._file.head.until:%Y-%m-%dT%H:%M:%SZ}`"

    def _read(self) -> None:
        """Reads the file if it exists and has changed."""
        try:
            with Path(self._path).open("rb") as file:
                stat = os.fstat(file.fileno())
                file_stat = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
                if file_stat == self._file_stat:
                    return
                data = file.read(bitmap.BITMAP_BYTES_MAX + bitmap.HEAD_BYTES_MAX)
        except OSError:
            return  # treated as an expired lease: the file may appear in a moment
        self._adopt(bitmap.verify_file(data, self._verifier))
        self._file_stat = file_stat
        self._set_deadline()

    def _adopt(self, new: WithdrawnBitmap) -> None:
        """Adopts a verified file; BrokenError if it does not follow the previous one."""
        check_successor(self.release, self.manifest_sha256, self._file, new)
        self._file, self._ordinals = new, new.ordinals
        self._small = frozenset(new.ordinals) if new.head.rows <= SMALL_ROWS_MAX else None

    def _set_deadline(self) -> None:
        assert self._file is not None
        head, now = self._file.head, self._clock()
        issued, until = head.issued.timestamp(), head.until.timestamp()
        if issued > now + SKEW_SECONDS_MAX:
            raise DeniedError(
                f"the withdrawn rows of release `{self.release}` were issued in the future, at "
                f"`{head.issued:%Y-%m-%dT%H:%M:%SZ}`",
                "set this machine's clock",
            )
        self._until = until
        self._deadline = self._monotonic() + (until - now)


class HandOff:
    """The last check of a batch, just before its step; calls ``used`` with the rows that passed.

    It reads the gate's file anew.
    """

    def __init__(self, gate: RowGate, used: Used | None = None) -> None:
        self.gate, self._used = gate, used

    def __call__(self, step: int, ordinals: Sequence[int]) -> list[int]:
        """The places in ``ordinals`` of rows refused for ``step``; DeniedError to stop the run."""
        gone = self.gate.check(ordinals)
        if self._used is not None:
            refused = {ordinals[place] for place in gone}
            self._used(step, sorted(ordinal for ordinal in set(ordinals) - refused if ordinal >= 0))
        return gone


def replacement_positions(
    position: int, count: int, is_usable: Callable[[int], bool]
) -> Iterator[int]:
    """Usable positions that may replace a withdrawn one, by a fixed rule that is the same in every
    process: drawn by hash from the block of `BLOCK_POSITIONS` around it, so that no single row
    replaces all rows of a person; then the next positions after it, cyclically among ``count``.
    """
    first = position - position % BLOCK_POSITIONS
    size = min(BLOCK_POSITIONS, count - first)
    drawn = sha256(position.to_bytes(8, "big")).digest()
    for offset in range(0, len(drawn), 2):
        chosen = first + int.from_bytes(drawn[offset : offset + 2], "big") % size
        if is_usable(chosen):
            yield chosen
    for step in range(1, count):
        if is_usable(chosen := (position + step) % count):
            yield chosen


def check_successor(
    release: str, manifest_sha256: str, previous: WithdrawnBitmap | None, new: WithdrawnBitmap
) -> None:
    """Raises BrokenError unless ``new`` is about this release, has no lower number, and withdraws
    all that ``previous`` did.
    """
    head = new.head
    if head.release != release or head.manifest_sha256 != manifest_sha256:
        raise BrokenError(f"the file of withdrawn rows belongs to another release than `{release}`")
    if previous is None:
        return
    if head.number < previous.head.number:
        raise BrokenError(
            f"the withdrawn rows went back from number `{previous.head.number}` to `{head.number}`"
        )
    if head.number == previous.head.number and head.sha256 != previous.head.sha256:
        raise BrokenError(
            f"there are two bitmaps of withdrawn rows with the number `{head.number}`"
        )
    if not previous.ordinals.issubset(new.ordinals):
        raise BrokenError(
            f"rows that were withdrawn by number `{previous.head.number}` are not in number "
            f"`{head.number}`"
        )
