"""Reads the usable rows of a release, in order or shuffled, each opened under a valid lease.

Invariants: a part's hash is compared with the manifest's, or that of a purge signed by the log's
key, before any of it is read. A row is returned only while its lease is valid and before its own
end. An expired lease is renewed before the next row; if that fails, reading stops with the error,
now and at every further call. Setting a clock back does not extend a lease. Row keys are in memory
only, for one row group or one shuffled window at most; nothing is written.

A row without a key is skipped and counted. A row that its key does not open stops the reading:
either the folder or the source of leases is not what it claims to be.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import BinaryIO, NotRequired, Protocol, TypeAlias, TypedDict

import msgspec

from licet.clock import Clock
from licet.errors import BrokenError, DeniedError, UsageError
from licet.release import manifest, purge
from licet.release.manifest import BYTES_PER_TOKEN, ReleaseManifest
from licet.release.part import EPOCH, PartPromise, RowGroup, groups, moment
from licet.release.purge import Chain, Living, PartState
from licet.release.row_keys import open_labels, open_row
from licet.release.rows import ROWS_MAX, ConversationShape, LabelsShape, Payload

UP = "up"
LEASE_SECONDS = 300
LEASE_SECONDS_MAX = 3600
# The shuffled window in memory, sealed: so many neighbouring rows, or fewer large ones.
DEALT_ROWS, DEALT_BYTES_MAX = 8_192, 64 * 2**20
_MICROSECOND = timedelta(microseconds=1)


class RatedMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A person's rating, `up` or `down`, of the answer at ``message``, None for the conversation.
    With ``check``, a host check: whether the answer passed, with an optional ``score``.
    """

    message: int | None
    rating: str
    check: str = ""
    score: float | None = None


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """The right to unseal rows for a limited time: the keys by ordinal, until ``expires``,
    exclusive, aware.

    ``ratings``: usable as long, by ordinal; no release contains them.
    """

    keys: Mapping[int, bytes]
    expires: datetime
    ratings: Mapping[int, Sequence[RatedMessage]] = {}

    def __post_init__(self) -> None:
        if self.expires.tzinfo is None:
            raise BrokenError("the end of a lease has no UTC offset")

    def __repr__(self) -> str:
        return f"Lease({len(self.keys)} keys, until {self.expires:%Y-%m-%dT%H:%M:%S%z})"


class Leases(Protocol):
    """A source of leases."""

    def lease(self, release_id: bytes, part: int, ordinals: Sequence[int]) -> Lease:
        """The row keys of those ``ordinals`` of part number ``part`` that the live decision permits
        now.

        Promise: a row that is withdrawn, deleted, expired or unknown has no key in the result, and
        no result is valid for longer than the published seconds of a lease. Raises if it cannot
        decide: BusyError for "try again", DeniedError if this reader may have no lease of this
        release at all.
        """
        ...

    def log_key(self, release_id: bytes) -> bytes:
        """The public key of the installation's log, which verifies the addenda of purges. Called
        only if there are some.
        """
        ...


class RowFilter(Protocol):
    """Selects rows by their labels."""

    def may_match(self, split: str) -> bool:
        """Whether a row of ``split`` can match, whatever its other labels are."""
        ...

    def __call__(self, labels: LabelsShape) -> bool:
        """Whether a row with these labels is read."""
        ...


class RatedShape(TypedDict):
    """`RatedMessage` as a plain dictionary."""

    message: int | None
    rating: str


class CheckedShape(TypedDict):
    """A host check (`vault.commands.HostCheck`) of an answer, or of the conversation if ``message``
    is None.
    """

    message: int | None
    check: str
    passed: bool
    score: float | None


class LoadedRow(ConversationShape):
    """A row of plain dictionaries and lists. ``row_id`` in hexadecimal, unique to the release;
    ``ordinal`` counts from 0, with gaps for removed rows.

    Present if not empty: ``gaps``, the messages before which a turn was left out;
    ``results_left_out``, the gaps where only results of the preceding calls are missing;
    ``labels``, in a curated release; ``ratings`` and ``checks``, the person's and the host's, if
    usable now.
    """

    row_id: str
    ordinal: int
    labels: NotRequired[LabelsShape]
    ratings: NotRequired[list[RatedShape]]
    checks: NotRequired[list[CheckedShape]]


def to_loaded_row(payload: Payload, row_id: bytes, ordinal: int, lease: Lease) -> LoadedRow:
    """Converts an opened row to a `LoadedRow`, with the lease's ratings."""
    row: LoadedRow = {"messages": payload.messages, "row_id": row_id.hex(), "ordinal": ordinal}
    if payload.gaps:
        row["gaps"] = payload.gaps
    if payload.results_left_out:
        row["results_left_out"] = payload.results_left_out
    if payload.labels is not msgspec.UNSET:
        row["labels"] = payload.labels
    if given := lease.ratings.get(ordinal):
        ratings: list[RatedShape] = [
            {"message": one.message, "rating": one.rating} for one in given if not one.check
        ]
        checks: list[CheckedShape] = [
            {
                "message": one.message,
                "check": one.check,
                "passed": one.rating == UP,
                "score": one.score,
            }
            for one in given
            if one.check
        ]
        if ratings:
            row["ratings"] = ratings
        if checks:
            row["checks"] = checks
    return row


class LoadedRows(Iterator[LoadedRow]):
    """The rows of a release, once, in order or shuffled by a seed; counts rows ``yielded``,
    ``withheld``, and ``passed_over`` for their labels. ``complete`` once every row was counted.
    """

    def __init__(
        self,
        folder: Path,
        leases: Leases,
        now: Clock,
        manifest_sha256: str,
        split: str = "",
        living: Living | None = None,
        where: RowFilter | None = None,
        seed: int | None = None,
        labels: bool = True,
    ) -> None:
        self.manifest, found_sha256 = manifest.read_manifest(folder)
        if manifest_sha256 and manifest_sha256 != found_sha256:
            raise BrokenError(f"the manifest has hash `{found_sha256}`, not `{manifest_sha256}`")
        self._sha256, self._living, self._seed, self._last = found_sha256, living, seed, -1
        self._runs = _chosen_runs(self.manifest, split, where)
        self._where, self._with_labels = where, labels
        self.yielded = self.passed_over = 0
        self.withheld = 0
        self.complete = False
        self._folder, self._leases, self._at = folder, leases, now
        self._release_id = self.manifest.release_id
        self._chain = self._purged()
        self._failure: Exception | None = None
        self._rows = self._read()
        self._now = now()
        if self._now.tzinfo is None:
            raise UsageError(
                "the clock returned a time without a UTC offset", "use an aware time, in UTC"
            )

    def __next__(self) -> LoadedRow:
        if self._failure is not None:
            raise self._failure
        try:
            return next(self._rows)
        except StopIteration:
            raise
        except Exception as error:
            # a generator just ends after raising: a truncated release would look complete
            self._failure = error
            raise

    def __repr__(self) -> str:
        return f"Loaded({self.manifest.release}, {self.yielded} yielded, {self.withheld} withheld)"

    def close(self) -> None:
        """Stops reading, and drops the lease and its keys."""
        self._rows.close()

    def _read(self) -> Generator[LoadedRow, None, None]:
        rows = 0
        for part in self.manifest.parts:
            with self._present(part) as (file, state):
                rows += self._count_purged(state)
                for group in self._groups(part, file) if file else ():
                    chosen = group if self._runs is None else _within(group, self._runs)
                    if chosen.ordinals:
                        yield from self._open(part, chosen)
                    rows += len(group.ordinals)
        if rows != self.manifest.rows:
            raise BrokenError(
                f"the parts have `{rows}` rows, and the manifest `{self.manifest.rows}`"
            )
        self.complete = True

    def _groups(self, part: PartPromise, file: BinaryIO) -> Iterator[RowGroup]:
        """The row groups of a part in order, or shuffled rows of `DEALT_ROWS` ordinals each."""
        groups = self._in_order(part, file)
        if self._seed is None:
            yield from groups
            return
        for rows in _windows(groups):
            mixed = sorted(rows, key=lambda row: _shuffle_key(self._release_id, self._seed, row[0]))
            ordinals, row_ids, until_us, sealed = (
                list(column) for column in zip(*mixed, strict=True)
            )
            yield RowGroup(row_ids=row_ids, ordinals=ordinals, until_us=until_us, sealed=sealed)

    def _in_order(self, part: PartPromise, file: BinaryIO) -> Iterator[RowGroup]:
        """The row groups of a part; BrokenError if an ordinal does not follow the previous one."""
        for group in groups(file):
            for ordinal in group.ordinals:
                if ordinal <= self._last:
                    raise BrokenError(
                        f"part `{part.file}` has ordinal `{ordinal}` after `{self._last}`"
                    )
                self._last = ordinal
            yield group

    @contextmanager
    def _present(self, part: PartPromise) -> Iterator[tuple[BinaryIO | None, PartState]]:
        """A part in any state of the chain, which a concurrent purge may have extended."""
        with purge.open_state(self._folder, self._chain.states[part.file], part.file) as opened:
            if opened is not None:
                yield opened
                return
        self._chain = self._purged()
        with purge.open_state(self._folder, self._chain.states[part.file], part.file) as opened:
            if opened is None:
                is_there = (self._folder / part.file).exists()
                found_is = (
                    "is not the file that the manifest names: its hash differs"
                    if is_there
                    else "cannot be read"
                )
                raise BrokenError(f"part `{part.file}` {found_is}")
            yield opened

    def _purged(self) -> Chain:
        return purge.read_chain(
            self._folder,
            self.manifest,
            self._sha256,
            lambda: self._leases.log_key(self._release_id),
        )

    def _count_purged(self, state: PartState) -> int:
        """Counts purged rows as withheld; BrokenError if one of them is not dead."""
        gone = state.ordinals
        if gone and self._living is not None and (alive := self._living(gone)):
            raise BrokenError(
                f"the row `{min(alive)}` was removed from the release, but is not dead"
            )
        self.withheld += (
            len(gone) if self._runs is None else sum(_is_within(o, self._runs) for o in gone)
        )
        return len(gone)

    def _open(self, part: PartPromise, group: RowGroup) -> Iterator[LoadedRow]:
        at, release_id = self._at, self._release_id
        earliest_end = moment(min(group.until_us))
        lease, now = self._lease(part, group.ordinals)
        expires, key_of = lease.expires, lease.keys.get
        columns = zip(count(), group.ordinals, group.row_ids, group.sealed, strict=False)
        for index, ordinal, row_id, sealed in columns:
            if (clock := at()) > now:
                now = clock
            if now >= expires:
                self._now = now
                lease, now = self._lease(part, group.ordinals[index:])
                expires, key_of = lease.expires, lease.keys.get
            key = key_of(ordinal)
            if key is None or (
                now >= earliest_end and group.until_us[index] <= (now - EPOCH) // _MICROSECOND
            ):
                self.withheld += 1
                continue
            if self._where is not None and not self._matches(sealed, key, row_id):
                self.passed_over += 1
                continue
            payload = open_row(sealed, key, release_id, row_id, labels=self._with_labels)
            self.yielded += 1
            yield to_loaded_row(payload, row_id, ordinal, lease)
        self._now = now

    def _matches(self, sealed: bytes, key: bytes, row_id: bytes) -> bool:
        """Whether the labels of a row match; opens nothing else."""
        labels = open_labels(sealed, key, self._release_id, row_id)
        if labels is None:
            raise UsageError(
                f"release `{self.manifest.name}` has no labels to filter by", "build it again"
            )
        assert self._where is not None
        return self._where(labels)

    def _lease(self, part: PartPromise, ordinals: Sequence[int]) -> tuple[Lease, datetime]:
        """A lease, and a later time at which it is valid."""
        lease = self._leases.lease(self._release_id, part.number, ordinals)
        self._now = max(self._now, self._at())
        if lease.expires <= self._now:
            raise DeniedError(
                f"the lease of part `{part.number}` had already expired when it was given"
            )
        return lease, self._now


def load(
    folder: Path,
    leases: Leases,
    *,
    now: Clock,
    manifest_sha256: str = "",
    split: str = "",
    living: Living | None = None,
    where: RowFilter | None = None,
    seed: int | None = None,
    labels: bool = True,
) -> LoadedRows:
    """Reads the usable rows of the release in ``folder`` one by one; ``now`` is the clock.

    ``manifest_sha256``, in hexadecimal, is the hash in the ledger or the registry; empty skips the
    comparison. ``living`` returns the purged rows that are not dead, of which there may be none;
    None skips the check. ``split``: the only split to lease and count; empty: all. ``where``
    filters by labels. ``seed`` shuffles rows within `DEALT_ROWS` ordinals, deterministically.
    Without ``labels`` these stay sealed. Raises UsageError for an unknown split, InputError or
    BrokenError for an invalid manifest; while reading, BrokenError for a part that does not match
    the manifest, DeniedError for a row or lease that does not open, and whatever ``leases`` raises.
    """
    return LoadedRows(folder, leases, now, manifest_sha256, split, living, where, seed, labels)


def split_runs(promised: ReleaseManifest, split: str) -> Sequence[tuple[int, int]]:
    """The ordinals of a split, as runs in order; UsageError if the release has no such split."""
    splits = {} if promised.curation is msgspec.UNSET else promised.curation.splits
    if split not in splits:
        known = (
            f"it has {', '.join(f'`{name}`' for name in splits)}" if splits else "it was not split"
        )
        raise UsageError(f"release `{promised.name}` has no split `{split}`", known)
    return splits[split]


def _chosen_runs(
    promised: ReleaseManifest, split: str, where: RowFilter | None
) -> Sequence[tuple[int, int]] | None:
    """The runs of ``split``, or of all splits, that may match ``where``; None for all rows."""
    if promised.curation is msgspec.UNSET or where is None:
        return split_runs(promised, split) if split else None
    splits = {split: split_runs(promised, split)} if split else promised.curation.splits
    return sorted(run for name, runs in splits.items() if where.may_match(name) for run in runs)


def _within(group: RowGroup, runs: Sequence[tuple[int, int]]) -> RowGroup:
    """The rows of ``group`` whose ordinals are in ``runs``, which are in order."""
    chosen = [n for n, ordinal in enumerate(group.ordinals) if _is_within(ordinal, runs)]
    return RowGroup(
        row_ids=[group.row_ids[n] for n in chosen],
        ordinals=[group.ordinals[n] for n in chosen],
        until_us=[group.until_us[n] for n in chosen],
        sealed=[group.sealed[n] for n in chosen],
    )


def _is_within(ordinal: int, runs: Sequence[tuple[int, int]]) -> bool:
    at = bisect_right(runs, (ordinal, ROWS_MAX))
    return at > 0 and ordinal <= runs[at - 1][1]


_Row: TypeAlias = tuple[int, bytes, int, bytes]


def _windows(groups: Iterable[RowGroup]) -> Iterator[list[_Row]]:
    """Windows of rows within `DEALT_ROWS` ordinals and `DEALT_BYTES_MAX`."""
    window: list[_Row] = []
    size = 0
    for group in groups:
        for row in zip(group.ordinals, group.row_ids, group.until_us, group.sealed, strict=True):
            if window and (
                size > DEALT_BYTES_MAX or row[0] // DEALT_ROWS > window[0][0] // DEALT_ROWS
            ):
                yield window
                window, size = [], 0
            window.append(row)
            size += len(row[3])
    if window:
        yield window


def _shuffle_key(release_id: bytes, seed: int | None, ordinal: int) -> bytes:
    """The sort key of a shuffled row, independent of the other rows."""
    return sha256(b"licet dealt %s %d %d" % (release_id, seed or 0, ordinal)).digest()


def estimated_tokens(row: LoadedRow) -> int:
    """A quarter of the bytes of a row's messages: right for English, too few for most others."""
    return max(
        1, sum(len(message["content"].encode()) for message in row["messages"]) // BYTES_PER_TOKEN
    )
