"""The training gate of a run: which rows of its release may be used at this moment, checked again
before every step.

Invariants: an answer comes from a file whose signature, release and manifest were checked and whose
lease is valid now. The number of a release's file never decreases, and a withdrawn row stays
withdrawn: a file that contradicts this stops the run. An expired lease stops it too: the gate waits
some time for another one (`WhenStale.pause`), or stops at once, and never answers from an expired
one. Once it has stopped it does not start again.

Each question looks at the file (one `stat`), and reads it if it has changed: what is published on a
machine takes effect there from the next batch on. Times are seconds since 1970; setting a clock
back extends no lease, because the monotonic clock is checked too.
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
"""Called for each hand-off with its step and the rows that go into it: each ordinal once, in order;
none of them withdrawn.

It is called after the check and before the batch is handed out, so that a crash leaves a row too
many on record, never one too few; if it raises, the batch is not handed out. During the call
`Gate.number` is that of the check. A step that is repeated after a resume is reported again. If no
row of a batch is left, it is called with the step and no ordinals.
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
    """What is asked before a step: the gate of a release, or those of several (`mix.MixGate`)."""

    def check(self, ordinals: Sequence[int]) -> list[int]:
        """The places in ``ordinals`` of rows that may not be used, at this moment; what is negative
        is no row.
        """
        ...

    @property
    def numbers(self) -> tuple[int, ...]:
        """The number of the bitmap of each release that the last answer came from; -1 before the
        first.
        """
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
        self._known: WithdrawnBitmap | None = None
        self._ordinals = FrozenBitMap()
        self._small: frozenset[int] | None = frozenset()
        self._seen: tuple[int, int, int] | None = None
        self._until = self._deadline = self._glance_at = float("-inf")
        self._failure: LicetError | None = None
        self._said: float | None = None
        if held is not None:
            self._accept(bitmap.verified(held, verifier))

    def __getstate__(self) -> dict[str, Any]:
        # A monotonic clock belongs to its machine, and a worker reads the file itself: it gets no
        # lease from here.
        never = float("-inf")
        kept = {
            "_seen": None,
            "_until": never,
            "_deadline": never,
            "_glance_at": never,
            "_verifier": self._verifier.vkey,
        }
        return self.__dict__ | kept

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state | {"_verifier": Verifier.parse(state["_verifier"])})

    def __repr__(self) -> str:
        return f"Gate({self.release}, number {self.number})"

    @property
    def number(self) -> int:
        """The number of the file that the last answer came from; -1 before the first."""
        return -1 if self._known is None else self._known.head.number

    @property
    def numbers(self) -> tuple[int, ...]:
        return (self.number,)

    def held(self) -> bytes:
        """The file that the last answer came from, to be kept beside a checkpoint; reads it if
        there was none yet.
        """
        if self._known is None:
            self.current()
        assert self._known is not None
        return self._known.encode()

    def current(self) -> FrozenBitMap:
        """The withdrawn ordinals at this moment; DeniedError or BrokenError if the run has to
        stop.
        """
        if self._failure is not None:
            raise self._failure
        try:
            found = os.stat(self._path)  # noqa: PTH116 a third of the time of Path.stat
        except OSError:
            found = None
        if (
            found is not None
            and (found.st_mtime_ns, found.st_ino, found.st_size) == self._seen
            and self._monotonic() < self._deadline
            and self._clock() < self._until
        ):
            return self._ordinals
        return self._afresh()

    def glance(self) -> FrozenBitMap:
        """As `current`, at most `GLANCE_SECONDS` old: for readers ahead, whose rows are checked
        again at hand-off.
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
        # asking a set about a batch is three times as fast as asking a bitmap, but it takes forty
        # times the memory
        if self._small is not None:
            return self._small.isdisjoint(ordinals)
        return self._ordinals.isdisjoint(
            FrozenBitMap([ordinal for ordinal in ordinals if ordinal >= 0])
        )

    def asked(self, ask: Callable[[], T]) -> T:
        """The result of ``ask``; if it raises "try again", the run waits or stops as for its own
        lease.
        """
        begun = self._monotonic()
        while True:
            try:
                return ask()
            except BusyError as error:
                if (
                    self._when_stale is WhenStale.stop
                    or self._monotonic() - begun >= PAUSE_SECONDS_MAX
                ):
                    raise
                self._say(f"{error.message}; {error.hint}", begun)
            self._sleep(PAUSE_SECONDS)

    # The following runs when the file has changed or the lease has expired

    def _afresh(self) -> FrozenBitMap:
        try:
            return self._waited()
        except LicetError as error:
            self._failure = error
            raise

    def _waited(self) -> FrozenBitMap:
        begun = self._monotonic()
        while True:
            self._read()
            now = self._monotonic()
            if now < self._deadline and self._clock() < self._until:
                return self._ordinals
            if self._when_stale is WhenStale.stop or now - begun >= PAUSE_SECONDS_MAX:
                raise DeniedError(
                    f"no lease of release `{self.release}` is valid: {self._ended()}",
                    "check that `licet train gate` runs on this machine and reaches the "
                    "installation",
                )
            self._say(self._ended(), begun)
            self._sleep(PAUSE_SECONDS)

    def _say(self, why: str, begun: float) -> None:
        """Reports, once for each wait that began at ``begun``, that the run waits and why."""
        if self._said != begun:
            self._said = begun
            _log.warning("waiting", release=self.release, why=why)

    def _ended(self) -> str:
        if self._known is None:
            return "its file of withdrawn rows is missing"
        return f"it expired at `{self._known.head.until:%Y-%m-%dT%H:%M:%SZ}`"

    def _read(self) -> None:
        """Reads the file if it exists and has changed."""
        try:
            with Path(self._path).open("rb") as file:
                found = os.fstat(file.fileno())
                seen = (found.st_mtime_ns, found.st_ino, found.st_size)
                if seen == self._seen:
                    return
                data = file.read(bitmap.BITMAP_BYTES_MAX + bitmap.HEAD_BYTES_MAX)
        except OSError:
            return  # treated as an expired lease: the file may appear in a moment
        self._accept(bitmap.verified(data, self._verifier))
        self._seen = seen
        self._lease()

    def _accept(self, given: WithdrawnBitmap) -> None:
        """Adopts a verified file; BrokenError if it does not follow the previous one."""
        follows(self.release, self.manifest_sha256, self._known, given)
        self._known, self._ordinals = given, given.ordinals
        self._small = frozenset(given.ordinals) if given.head.rows <= SMALL_ROWS_MAX else None

    def _lease(self) -> None:
        assert self._known is not None
        head, now = self._known.head, self._clock()
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
    """The last check of a batch, in the process that takes the step, just before it; ``used`` is
    called with what passed.

    The check reads the gate's file itself, whatever was looked up when the batch was read.
    """

    def __init__(self, gate: RowGate, used: Used | None = None) -> None:
        self.gate, self._used = gate, used

    def __call__(self, step: int, ordinals: Sequence[int]) -> list[int]:
        """The places in ``ordinals`` of rows that may not go into ``step``; DeniedError if the run
        has to stop.
        """
        gone = self.gate.check(ordinals)
        if self._used is not None:
            refused = {ordinals[place] for place in gone}
            self._used(step, sorted(ordinal for ordinal in set(ordinals) - refused if ordinal >= 0))
        return gone


def instead_of(position: int, count: int, lives: Callable[[int], bool]) -> Iterator[int]:
    """The positions that may replace a withdrawn one, the first that ``lives`` first: a fixed rule,
    the same in every process. They are drawn by hash from the block of `BLOCK_POSITIONS` around it,
    so that no single row replaces all of somebody's rows; if those are withdrawn too, the next ones
    after it are used, cyclically among the ``count`` positions.
    """
    first = position - position % BLOCK_POSITIONS
    size = min(BLOCK_POSITIONS, count - first)
    drawn = sha256(position.to_bytes(8, "big")).digest()
    for at in range(0, len(drawn), 2):
        chosen = first + int.from_bytes(drawn[at : at + 2], "big") % size
        if lives(chosen):
            yield chosen
    for step in range(1, count):
        if lives(chosen := (position + step) % count):
            yield chosen


def follows(
    release: str, manifest_sha256: str, known: WithdrawnBitmap | None, given: WithdrawnBitmap
) -> None:
    """BrokenError unless ``given`` is about this release and withdraws all that ``known`` did under
    its number.
    """
    head = given.head
    if head.release != release or head.manifest_sha256 != manifest_sha256:
        raise BrokenError(f"the file of withdrawn rows belongs to another release than `{release}`")
    if known is None:
        return
    if head.number < known.head.number:
        raise BrokenError(
            f"the withdrawn rows went back from number `{known.head.number}` to `{head.number}`"
        )
    if head.number == known.head.number and head.sha256 != known.head.sha256:
        raise BrokenError(
            f"there are two bitmaps of withdrawn rows with the number `{head.number}`"
        )
    if not known.ordinals.issubset(given.ordinals):
        raise BrokenError(
            f"rows that were withdrawn by number `{known.head.number}` are not in number "
            f"`{head.number}`"
        )
