"""Data sets of a release's rows by position, in any order and process, behind the training gate.

Positions are stable: they do not change when rows are withdrawn, purged or expire. Ranks therefore
stay in step, and a run that resumes by count neither repeats nor skips a row. A row that may not be
used is replaced by another one, by a fixed rule (`gate.instead_of`), and comes with the ordinal of
the row that is really used. A row that was read ahead may be withdrawn before its step:
`batch_mask` checks it again.

`RowDataset` reads a sealed release. `GatedDataset` and `GatedStream` wrap your own data set whose
rows have the column `ordinal`: a map-style one (Hugging Face's `Dataset`, any of PyTorch's) or an
iterable one.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, Protocol

from pyroaring import AbstractBitMap, FrozenBitMap

from licet.errors import BrokenError, DeniedError
from licet.release.reader import Leases, LoadedRow
from licet.train.gate import BLOCK_POSITIONS, TrainingGate, replacement_positions
from licet.train.sealed_rows import LabelTest, RowOpener

ORDINAL = "ordinal"
AHEAD_ROWS = 32
SHUFFLED_BLOCKS = 8
REPLACEMENTS_MAX = 1_000

Row = Mapping[str, Any]


class MapStyle(Protocol):
    """A data set that can be indexed by position."""

    def __len__(self) -> int: ...

    def __getitem__(self, position: Any, /) -> Any: ...  # noqa: ANN401 any row type


class RowDataset(Sequence[LoadedRow]):
    """The rows of the release in ``folder`` by position, as a PyTorch data set. It can be pickled
    into workers.

    ``leases`` provides the row keys in any process that it is pickled into. ``split`` and
    ``chosen`` (ordinals) restrict the positions. ``at`` is the clock.
    """

    def __init__(
        self,
        folder: Path,
        gate: TrainingGate,
        leases: Leases,
        *,
        now: Callable[[], datetime],
        split: str = "",
        chosen: AbstractBitMap | None = None,
    ) -> None:
        self.gate = gate
        self._opener = RowOpener(folder, gate, leases, now)
        self.manifest = self._opener.manifest
        self.ordinals = self._opener.positions(split)
        self._dealt: Sequence[int] = ()  # the shuffled place of each position
        if chosen is not None:
            self.narrow(chosen)

    def __len__(self) -> int:
        return len(self.ordinals)

    def __getitem__(self, position: Any) -> Any:  # noqa: ANN401 a row, or the rows of a slice
        if isinstance(position, slice):
            return self.__getitems__(range(*position.indices(len(self))))
        return self.__getitems__([position])[0]

    def __getitems__(self, positions: Sequence[int]) -> list[LoadedRow]:
        """The rows at ``positions``, as a PyTorch loader requests a batch."""
        places = _check_positions(positions, len(self))
        withdrawn = self.gate.glance()
        rows = self._opener.read_rows(
            {o for place in places if (o := self.ordinals[place]) not in withdrawn}
        )
        return [
            rows.get(self.ordinals[place]) or self._substitute_row(place, withdrawn)
            for place in places
        ]

    def narrow(self, chosen: AbstractBitMap) -> None:
        """Restricts the positions to rows with these ordinals; BrokenError for an unknown one."""
        self.ordinals = array("L", (ordinal for ordinal in self.ordinals if ordinal in chosen))
        if len(self.ordinals) != len(chosen):
            raise BrokenError(
                f"release `{self.manifest.name}` does not promise all of the "
                f"`{len(chosen)}` rows chosen"
            )

    def readable(self, places: Sequence[int], where: LabelTest | None = None) -> list[LoadedRow]:
        """The rows at ``places`` that may be used now and whose labels match ``where``, in order,
        without replacements.
        """
        withdrawn = self.gate.glance()
        wanted = [
            o
            for place in _check_positions(places, len(self))
            if (o := self.ordinals[place]) not in withdrawn
        ]
        rows = self._opener.read_rows(wanted, where)
        return [rows[ordinal] for ordinal in wanted if ordinal in rows]

    def __iter__(self) -> Iterator[LoadedRow]:
        """All rows, in order."""
        for start in range(0, len(self), AHEAD_ROWS):
            yield from self.__getitems__(range(start, min(start + AHEAD_ROWS, len(self))))

    def __repr__(self) -> str:
        return f"Rows({self.manifest.release}, {len(self)} positions)"

    def _substitute_row(self, position: int, withdrawn: FrozenBitMap) -> LoadedRow:
        places = replacement_positions(
            position, len(self), lambda place: self.ordinals[place] not in withdrawn
        )
        for ordinal in map(self.ordinals.__getitem__, islice(places, REPLACEMENTS_MAX)):
            if rows := self._opener.read_rows([ordinal]):
                return rows[ordinal]
        raise DeniedError(f"no row of release `{self.manifest.name}` may still be used")

    def shuffled(self, seed: int, epoch: int = 0) -> list[int]:
        """A sampler: every position once, in an order that depends only on ``seed`` and ``epoch``,
        not on withdrawals.

        Draws blocks, then positions within a few of them at a time, so that each row group is
        opened about once.
        """
        order = shuffle_positions(len(self), f"{self.manifest.release} {seed} {epoch}")
        return [self._dealt[place] for place in order] if self._dealt else order

    def deal(self, seed: int) -> None:
        """Mixes the positions, the same way in every process with ``seed``: a person's rows are
        adjacent in a release, and reading in order would give batches of one person. Row groups are
        still read together.
        """
        order = shuffle_positions(len(self), f"{self.manifest.release} dealt {seed}")
        self.ordinals = array("L", [self.ordinals[place] for place in order])
        dealt = array("L", bytes(len(order) * array("L").itemsize))
        for position, place in enumerate(order):
            dealt[place] = position
        self._dealt = dealt

    def close(self) -> None:
        """Drops keys, and closes files."""
        self._opener.close()


class GatedDataset:
    """A map-style data set behind the gate. ``ordinals`` has that of each position; without it, the
    column `ordinal` is used.
    """

    def __init__(
        self, rows: MapStyle, gate: TrainingGate, ordinals: Iterable[int] | None = None
    ) -> None:
        self.rows, self.gate = rows, gate
        self.ordinals = array("L", _column(rows) if ordinals is None else ordinals)
        if len(self.ordinals) != len(rows):
            raise BrokenError(f"there are `{len(self.ordinals)}` ordinals for `{len(rows)}` rows")

    def __len__(self) -> int:
        return len(self.ordinals)

    def __getitem__(self, position: int) -> Any:  # noqa: ANN401 as the data set's own
        (place,) = _check_positions([position], len(self))
        return self.rows[self._place(place, self.gate.glance())]

    def __getitems__(self, positions: Sequence[int]) -> Any:  # noqa: ANN401 as the data set's own
        """The rows at ``positions``, as a PyTorch loader requests a batch."""
        places = _check_positions(positions, len(self))
        if self.gate.meets([self.ordinals[place] for place in places]):
            withdrawn = self.gate.glance()
            places = [self._place(place, withdrawn) for place in places]
        return self._read(places)

    def __iter__(self) -> Iterator[Any]:
        """All rows, in order, by the data set's own iteration, reading a few ahead."""
        rows, count = iter(self.rows), len(self)
        for first in range(0, count, BLOCK_POSITIONS):
            last = min(first + BLOCK_POSITIONS, count)
            withdrawn = self.gate.glance()
            gone = self._withdrawn_places(first, last, withdrawn)
            standing = self._standing(gone, withdrawn)
            for start in range(first, last, AHEAD_ROWS):
                end = min(start + AHEAD_ROWS, last)
                if (now := self.gate.glance()) is not withdrawn:
                    withdrawn, gone = now, self._withdrawn_places(first, last, now)
                at = start
                for place in (
                    gone[bisect_left(gone, start) : bisect_left(gone, end)] if gone else ()
                ):
                    yield from islice(rows, place - at)
                    next(rows, None)
                    yield self._substitute_row(place, standing, withdrawn)
                    at = place + 1
                yield from islice(rows, end - at)

    def _withdrawn_places(self, first: int, last: int, withdrawn: FrozenBitMap) -> list[int]:
        """The places from ``first`` to ``last`` whose rows are withdrawn."""
        ordinals = self.ordinals[first:last]
        if not self.gate.meets(ordinals):  # nearly always, and in a third of the time
            return []
        return [first + n for n, ordinal in enumerate(ordinals) if ordinal in withdrawn]

    def _standing(
        self, withdrawn_places: Sequence[int], withdrawn: FrozenBitMap
    ) -> dict[int, tuple[int, Any]]:
        """Reads the replacements for a block's rows at once, by place: one by one is too slow."""
        places = [self._place(place, withdrawn) for place in withdrawn_places]
        return (
            dict(zip(withdrawn_places, zip(places, self._read(places), strict=True), strict=True))
            if places
            else {}
        )

    def _substitute_row(
        self, position: int, standing: dict[int, tuple[int, Any]], withdrawn: FrozenBitMap
    ) -> Any:  # noqa: ANN401 as the data set's own
        """The replacement that was read, if still usable: rows never return, so it is still the
        first usable one.
        """
        place, row = standing.get(position, (position, None))
        return (
            self.rows[self._place(position, withdrawn)]
            if self.ordinals[place] in withdrawn
            else row
        )

    def _read(self, places: Sequence[int]) -> Any:  # noqa: ANN401 as the data set's own
        batch = getattr(self.rows, "__getitems__", None)
        return batch(places) if batch else [self.rows[place] for place in places]

    def _place(self, position: int, withdrawn: FrozenBitMap) -> int:
        """``position``, or that of its replacement."""
        if self.ordinals[position] not in withdrawn:
            return position
        places = replacement_positions(
            position, len(self), lambda place: self.ordinals[place] not in withdrawn
        )
        if (found := next(places, None)) is None:
            raise _nothing_left()
        return found


class GatedStream:
    """An iterable data set behind the gate: as many rows come out as go in.

    A withdrawn row is replaced by one of the `AHEAD_ROWS` around it, drawn by a hash of its
    ordinal; if all of those are withdrawn, by the last one that was not, or else by the first that
    is not. Resume it by count.
    """

    def __init__(self, rows: Iterable[Row], gate: TrainingGate, ordinal: str = ORDINAL) -> None:
        self.rows, self.gate, self._ordinal = rows, gate, ordinal

    def __iter__(self) -> Iterator[Row]:
        rows, name, spare, owed = iter(self.rows), self._ordinal, None, 0
        while some := list(islice(rows, AHEAD_ROWS)):
            withdrawn = self.gate.glance()
            ordinals = [row[name] for row in some]
            if gone := [place for place, ordinal in enumerate(ordinals) if ordinal in withdrawn]:
                living = [row for row in some if row[name] not in withdrawn] or (
                    [] if spare is None else [spare]
                )
                if not living:
                    owed += len(some)
                    continue
                for place in gone:
                    some[place] = living[hash_ordinal(ordinals[place]) % len(living)]
            spare = some[-1]
            for _ in range(owed):
                yield some[0]
            owed = 0
            yield from some
        if owed:
            raise _nothing_left()


def shuffle_positions(count: int, seed: str) -> list[int]:
    """The positions below ``count``, each once, drawn within a few blocks at a time."""
    draw = Random(seed)  # noqa: S311 an order, no secret
    blocks = list(range(0, count, BLOCK_POSITIONS))
    draw.shuffle(blocks)
    order: list[int] = []
    for start in range(0, len(blocks), SHUFFLED_BLOCKS):
        firsts = blocks[start : start + SHUFFLED_BLOCKS]
        some = [
            place for first in firsts for place in range(first, min(first + BLOCK_POSITIONS, count))
        ]
        draw.shuffle(some)
        order += some
    return order


def hash_ordinal(ordinal: int) -> int:
    return int.from_bytes(sha256(ordinal.to_bytes(8, "big")).digest()[:8], "big")


def _check_positions(positions: Sequence[int], count: int) -> Sequence[int]:
    """Positions counted from the front; IndexError if there is no such position."""
    if positions and min(positions) < 0:
        positions = [place + count if place < 0 else place for place in positions]
    if positions and not 0 <= min(positions) <= max(positions) < count:
        raise IndexError(f"there are {count} positions")
    return positions


def _column(rows: MapStyle) -> Iterable[int]:
    """The ordinals of a Hugging Face data set, without reading other columns; of any other data
    set, row by row.
    """
    columns = getattr(rows, "select_columns", None)
    if columns is None:
        return [rows[place][ORDINAL] for place in range(len(rows))]
    column: Iterable[int] = columns([ORDINAL]).with_format("numpy")[:][ORDINAL].tolist()
    return column


def _nothing_left() -> DeniedError:
    return DeniedError("every row was withdrawn: none is left as a replacement")
