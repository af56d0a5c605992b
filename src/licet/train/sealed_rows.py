"""Opens the sealed rows of a release by ordinal, under leases: the source of `dataset.RowDataset`.

Invariants: a part is compared with the manifest or its chain of purges, each signed by the log,
before a row of it is opened; a row is opened only under a valid lease and before its own end, by a
clock read once for the rows of a group that are read together. Keys are in memory, for at most
`GROUPS_MAX` row groups, and are never passed to another process, which opens parts and requests
leases of its own.
"""

from __future__ import annotations

import os
from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from licet.errors import BrokenError, DeniedError, UsageError
from licet.release import manifest, purge
from licet.release.part import EPOCH, PartPromise, PartReader, RowGroup, moment
from licet.release.purge import Chain
from licet.release.reader import Lease, Leases, LoadedRow, split_runs, to_loaded_row
from licet.release.row_keys import open_labels, open_row
from licet.release.rows import LabelsShape
from licet.train import streamed
from licet.train.gate import TrainingGate

_MICROSECOND = timedelta(microseconds=1)
LabelTest = Callable[[LabelsShape | None], bool]
GROUPS_MAX = 24
PARTS_OPEN_MAX = 16
# a batch over more row groups than this is out of order: its own rows are leased, at first
GROUPS_LEASED_WHOLE = 2


class _Opened(msgspec.Struct, kw_only=True):
    """A row group, and the lease of all its rows, if requested."""

    group: RowGroup
    lease: Lease | None = None


class _Part:
    """A verified part, and the start of each row group."""

    def __init__(self, reader: PartReader, closing: ExitStack) -> None:
        self.reader, self.closing = reader, closing
        self.firsts = [
            ordinals[0] for number in range(reader.groups) if (ordinals := reader.ordinals(number))
        ]


class RowOpener:
    """Opens rows of the release in ``folder`` under ``leases``, for a run behind ``gate``. It can
    be pickled.
    """

    def __init__(
        self, folder: Path, gate: TrainingGate, leases: Leases, now: Callable[[], datetime]
    ) -> None:
        self.manifest, self._sha256 = manifest.read_manifest(folder)
        if gate.release != self.manifest.release or gate.manifest_sha256 != self._sha256:
            raise UsageError(f"the gate belongs to another release than `{self.manifest.name}`")
        self._folder, self._gate, self._leases, self._at = folder, gate, leases, now
        self._stored = streamed.open_parts(folder)
        self._chain = self._purged()
        self._firsts = [part.first_ordinal for part in self.manifest.parts]
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {
            name: value
            for name, value in self.__dict__.items()
            if name not in ("_groups", "_parts", "_now")
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.close()

    def close(self) -> None:
        """Drops keys, and closes files."""
        for part in getattr(self, "_parts", {}).values():
            part.closing.close()
        self._pid, self._now = os.getpid(), moment(0)
        self._groups: OrderedDict[tuple[str, int], _Opened] = OrderedDict()
        self._parts: OrderedDict[str, _Part] = OrderedDict()

    def _purged(self) -> Chain:
        release_id = self.manifest.release_id
        return purge.read_chain(
            self._folder,
            self.manifest,
            self._sha256,
            lambda: self._gate.retry_while_busy(lambda: self._leases.log_key(release_id)),
        )

    def positions(self, split: str) -> array[int]:
        """The ordinals of all rows in the manifest, purged ones included, in order; optionally of
        one split.
        """
        found = array("L")
        for part in self.manifest.parts:
            ordinals = self._promised(part)
            if len(ordinals) != part.rows:  # a purge has continued since the chain was read
                self._stored.renew(part.file)
                self._chain = self._purged()
                ordinals = self._promised(part)
            if len(ordinals) != part.rows:
                raise BrokenError(
                    f"part `{part.file}` has `{len(ordinals)}` rows, and the manifest `{part.rows}`"
                )
            found.extend(sorted(ordinals))
        if not split:
            return found
        chosen = array("L")
        for first, last in split_runs(self.manifest, split):
            chosen.extend(found[bisect_left(found, first) : bisect_right(found, last)])
        return chosen

    def _promised(self, part: PartPromise) -> set[int]:
        """The ordinals of a part, read from its unverified file; every row is verified before it is
        opened.
        """
        ordinals = set(self._chain.current_state(part).ordinals)
        try:
            with self._stored.open_part(part.file) as file:
                reader = PartReader(file)
                for number in range(reader.groups):
                    ordinals.update(reader.ordinals(number))
        except FileNotFoundError:
            pass  # all of it was purged, or the count will not match
        return ordinals

    def read_rows(
        self, ordinals: Collection[int], where: LabelTest | None = None
    ) -> dict[int, LoadedRow]:
        """The usable rows by ordinal; of rows that ``where`` rejects, only labels are opened."""
        if os.getpid() != self._pid:  # forked processes share file offsets
            self.close()
        by_part: dict[int, list[int]] = {}
        for ordinal in sorted(ordinals):
            by_part.setdefault(bisect_right(self._firsts, ordinal) - 1, []).append(ordinal)
        rows: dict[int, LoadedRow] = {}
        for place, ordinals in by_part.items():
            rows.update(self._read(self.manifest.parts[place], ordinals, where))
        return rows

    def _read(
        self, part: PartPromise, ordinals: Sequence[int], where: LabelTest | None
    ) -> Iterator[tuple[int, LoadedRow]]:
        held = self._part(part)
        if held is None:
            return
        by_group: dict[int, list[int]] = {}
        for ordinal in ordinals:
            by_group.setdefault(bisect_right(held.firsts, ordinal) - 1, []).append(ordinal)
        by_group.pop(-1, None)
        # A group that is read again while held, as in a shuffled order of blocks, is likely to be
        # read to its end: one lease of the whole group replaces one a batch.
        few = len(by_group) <= GROUPS_LEASED_WHOLE
        whole = {number for number in by_group if few or (part.file, number) in self._groups}
        scattered = [
            ordinal for number, some in by_group.items() if number not in whole for ordinal in some
        ]
        lease: Lease | None = None
        for number, some in by_group.items():
            opened = self._group(part, held, number)
            own, now = opened.lease if number in whole else lease, self._moment()
            if own is None or own.expires <= now:
                own = self._lease(part, opened.group.ordinals if number in whole else scattered)
                now = self._now
                if number in whole:
                    opened.lease = own
                else:
                    lease = own
            yield from self._open(opened.group, own, some, now, where)

    def _open(
        self,
        group: RowGroup,
        lease: Lease,
        ordinals: Sequence[int],
        now: datetime,
        where: LabelTest | None,
    ) -> Iterator[tuple[int, LoadedRow]]:
        """The ``ordinals`` of a group that the lease covers and that have not ended."""
        known, key_of, release_id = group.ordinals, lease.keys.get, self.manifest.release_id
        now_us = (now - EPOCH) // _MICROSECOND
        for ordinal in ordinals:
            place = bisect_left(known, ordinal)
            if place == len(known) or known[place] != ordinal or group.until_us[place] <= now_us:
                continue
            if (key := key_of(ordinal)) is not None:
                row_id = group.row_ids[place]
                sealed = group.sealed[place]
                if where is not None and not where(open_labels(sealed, key, release_id, row_id)):
                    continue
                payload = open_row(sealed, key, release_id, row_id)
                yield ordinal, to_loaded_row(payload, row_id, ordinal, lease)

    def _moment(self) -> datetime:
        """The present; setting a clock back extends no lease."""
        self._now = max(self._now, self._at())
        return self._now

    def _lease(self, part: PartPromise, ordinals: Sequence[int]) -> Lease:
        lease = self._gate.retry_while_busy(
            lambda: self._leases.lease(self.manifest.release_id, part.number, ordinals)
        )
        if lease.expires <= self._moment():
            raise DeniedError(
                f"the lease of part `{part.number}` had already expired when it was given"
            )
        return lease

    def _group(self, part: PartPromise, held: _Part, number: int) -> _Opened:
        name = (part.file, number)
        if (group := self._groups.get(name)) is None:
            group = self._groups[name] = _Opened(group=held.reader.group(number))
            if len(self._groups) > GROUPS_MAX:
                self._groups.popitem(last=False)
        self._groups.move_to_end(name)
        return group

    def _part(self, part: PartPromise) -> _Part | None:
        """The verified, open part; None if no row of it is left."""
        if (opened := self._parts.get(part.file)) is None:
            closing = ExitStack()
            self._stored.provide(part.file)
            held = closing.enter_context(
                purge.open_state(self._folder, self._chain.states[part.file], part.file)
            )
            if held is None:  # a purge went on since the chain was read
                closing.close()
                self._stored.renew(part.file)
                self._chain = self._purged()
                held = closing.enter_context(
                    purge.open_state(self._folder, self._chain.states[part.file], part.file)
                )
            if held is None:
                closing.close()
                raise BrokenError(
                    f"part `{part.file}` is not the file that the manifest names: its hash differs"
                )
            if held[0] is None:
                return None
            opened = self._parts[part.file] = _Part(PartReader(held[0]), closing)
            if len(self._parts) > PARTS_OPEN_MAX:
                self._parts.popitem(last=False)[1].closing.close()
        self._parts.move_to_end(part.file)
        return opened
