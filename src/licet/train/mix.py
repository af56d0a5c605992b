"""Several releases as one data set: weights, a token budget, label filters, for any number of ranks
and workers.

    mix = licet.mix({"autumn": 0.7, "winter": 0.3}, "/run/licet", "withdrawn.pub", tokens=2_000_000_000)
    batches = mix.batches(32, rank=rank, ranks=ranks)
    for batch in MaskedBatches(DataLoader(mix, batch_sampler=batches, collate_fn=list), mix.gate): ...

Weights are shares of tokens. A budget becomes a number of rows by the mean tokens a row, measured
when the mix is made; sources alternate so that after any number of rows each is within a row of its
share. Each pass over a source has its own order (`dataset.shuffle_positions`).

Positions are stable, as in `dataset.RowDataset`: the rows of a mix and their order depend only on
its state, not on later withdrawals. The state is the request, the filtered rows (a bitmap of
ordinals a source), their tokens, a position, and each gate's last file of withdrawn rows. A
position counts rows over all ranks, so a run can resume with another number of ranks, or of ranks a
sequence, without repeating or skipping a row. Rows at the end that fill no batch of every rank are
not read.

An ordinal of a mix has the place of its source times 2**32 added. `MixGate.check` takes these.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from pyroaring import BitMap

from licet.clock import Clock, utc_now
from licet.config import Configuration
from licet.errors import UsageError
from licet.release import manifest
from licet.release.reader import Leases, LoadedRow, estimated_tokens
from licet.release.rows import LabelsShape
from licet.train import mix_plan, node
from licet.train.dataset import ORDINAL, RowDataset
from licet.train.gate import TrainingGate, WhenStale
from licet.train.label_filter import LabelFilter
from licet.train.mix_plan import SOURCE_BITS, MixedSource, MixState
from licet.train.sequence_parallel import row_stream

READ_ROWS = 1_024
_WITHIN = (1 << SOURCE_BITS) - 1

TokensOf = Callable[[LoadedRow], int]


def mix(
    sources: Mapping[str, float],
    gates: str | Path,
    key: str | Path,
    *,
    tokens: int | None = None,
    epochs: float = 1.0,
    where: str = "",
    split: str = "train",
    seed: int = 0,
    tokens_of: TokensOf = estimated_tokens,
    state: bytes | None = None,
    leases: Leases | None = None,
    when_stale: WhenStale | str = WhenStale.pause,
    data: Path | None = None,
    config: Configuration | None = None,
    clock: Clock = utc_now,
) -> ReleaseMix:
    """The releases in ``sources``, names or folders with their weights, as one data set by
    position.

    Weights are shares of tokens. ``tokens`` is the size of the mix, with each source read at most
    ``epochs`` times; by default as many as that allows. ``tokens_of`` counts a row's tokens, by
    default about a quarter of its bytes. ``where`` selects rows by labels (`train.label_filter`).
    Each row of the split is read once for that. ``gates`` is the folder that `licet train gate`
    keeps, or its file for a single source; ``key`` as for `licet.gate`.

    ``state`` resumes from the `state` of the same mix, on any number of ranks. If several ranks
    start a run, one makes the mix and the others use its state: otherwise a row withdrawn in
    between would be in one mix alone.
    """
    settings = config or Configuration.from_environment(os.environ, data)
    requested = MixState(
        split=split,
        where=where,
        seed=seed,
        tokens=tokens,
        epochs=epochs,
        sources=tuple(_new_source(name, weight) for name, weight in sources.items()),
    )
    resumed = None if state is None else mix_plan.check_same_mix(MixState.decode(state), requested)
    row_keys = leases or node.local_leases(settings, clock)
    opened: list[RowDataset] = []
    chosen: list[MixedSource] = []
    for place, source in enumerate(requested.sources):
        before = None if resumed is None else resumed.sources[place]
        folder = node.find_folder(source.name, settings).absolute()
        gate = node.gate(
            folder,
            gates,
            key,
            when_stale=when_stale,
            held=b64decode(before.held) or None if before else None,
            clock=ClockSeconds(clock),
        )
        rows = node.rows(folder, gate, row_keys, clock=clock, split=_split(folder, split))
        chosen.append(
            _narrowed(rows, before) if before else _select_rows(rows, source, where, tokens_of)
        )
        opened.append(rows)
    state_made = msgspec.structs.replace(resumed or requested, sources=tuple(chosen))
    mix_plan.check(state_made)
    return ReleaseMix(state_made, opened)


def _new_source(name: str, weight: float) -> MixedSource:
    """A source without selected rows."""
    return MixedSource(
        name=str(name), weight=float(weight), release="", manifest_sha256="", chosen="", tokens=0
    )


def _split(folder: Path, split: str) -> str:
    """The split to read; empty for a release without splits, which is read whole."""
    is_whole = split == "train" and manifest.read_manifest(folder)[0].curation is msgspec.UNSET
    return "" if is_whole else split


def _narrowed(rows: RowDataset, before: MixedSource) -> MixedSource:
    if (before.release, before.manifest_sha256) != (rows.gate.release, rows.gate.manifest_sha256):
        raise UsageError(f"the state is that of a mix with another release `{before.name}`")
    rows.narrow(before.ordinals)
    return before


def _select_rows(
    rows: RowDataset, source: MixedSource, where: str, tokens_of: TokensOf
) -> MixedSource:
    """Selects usable, matching rows: narrows ``rows``, and returns ``source`` with their tokens."""
    label_filter = LabelFilter(where) if where else None
    chosen, tokens, scores = BitMap(), 0, set[str]()

    def matches(labels: LabelsShape | None) -> bool:
        if labels is None:
            raise UsageError(
                f"release `{source.name}` has no labels to filter by", "build it again"
            )
        scores.update(labels["scores"])
        return label_filter is not None and label_filter(labels)

    for start in range(0, len(rows), READ_ROWS):
        places = range(start, min(start + READ_ROWS, len(rows)))
        for row in rows.readable(places, matches if label_filter is not None else None):
            chosen.add(row["ordinal"])
            tokens += tokens_of(row)
    if label_filter is not None and not chosen and (unknown := label_filter.scores - scores):
        available = ", ".join(f"`{score}`" for score in sorted(scores)) or "none"
        raise UsageError(
            f"no row of `{source.name}` has the score `{min(unknown)}`",
            f"its rows have {available}",
        )
    rows.narrow(chosen)
    return msgspec.structs.replace(
        source,
        release=rows.gate.release,
        manifest_sha256=rows.gate.manifest_sha256,
        tokens=tokens,
        chosen=MixedSource.encode_ordinals(chosen),
    )


class ClockSeconds:
    """A clock in seconds since 1970, for gates; it pickles if the clock does."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self) -> float:
        return self._clock().timestamp()


class MixGate:
    """The gates of a mix as one, for `MaskedBatches`, `gated` and `HandOff`, by ordinals of the
    mix.
    """

    def __init__(self, gates: Mapping[str, TrainingGate]) -> None:
        self.gates = dict(gates)
        self._all = tuple(gates.values())

    def check(self, ordinals: Sequence[int]) -> list[int]:
        """The positions in ``ordinals`` of rows that may not be used now; a negative ordinal is no
        row.
        """
        places: dict[int, list[int]] = {}
        for place, ordinal in enumerate(ordinals):
            if ordinal >= 0:
                places.setdefault(ordinal >> SOURCE_BITS, []).append(place)
        withdrawn: list[int] = []
        for source, gate in enumerate(
            self._all
        ):  # sources without an ordinal too: ranks compare their numbers
            refused = places.get(source, [])
            withdrawn += [
                refused[place]
                for place in gate.check([ordinals[place] & _WITHIN for place in refused])
            ]
        return sorted(withdrawn)

    def split(self, ordinals: Sequence[int]) -> dict[str, list[int]]:
        """Ordinals of the mix as those of each source, by name: for a record of what was used."""
        names, found = list(self.gates), dict[str, list[int]]()
        for ordinal in ordinals:
            found.setdefault(names[ordinal >> SOURCE_BITS], []).append(ordinal & _WITHIN)
        return found

    @property
    def numbers(self) -> tuple[int, ...]:
        """The bitmap number of each gate's last answer, in the order of the sources."""
        return tuple(gate.number for gate in self._all)


class RankBatches:
    """The positions of one rank's batches: a PyTorch batch sampler, equally long on every rank.

    Each ``sequence_parallel`` consecutive ranks share their sequences and positions. ``first`` is
    where all ranks begin; another sampler continues from there.
    """

    def __init__(
        self,
        first: int,
        count: int,
        batch_rows: int,
        rank: int,
        ranks: int,
        sequence_parallel: int = 1,
    ) -> None:
        if batch_rows < 1:
            raise UsageError(f"a batch has at least one row, not `{batch_rows}`")
        self.first, self._count, self._rows = first, count, batch_rows
        self._stream, self._streams = row_stream(rank, ranks, sequence_parallel)

    def __len__(self) -> int:
        return max(0, self._count - self.first) // (self._rows * self._streams)

    def __iter__(self) -> Iterator[list[int]]:
        for step in range(len(self)):
            start = self.position(step) + self._stream * self._rows
            yield list(range(start, start + self._rows))

    def position(self, steps: int) -> int:
        """The position of the mix after this many batches of every rank, for `ReleaseMix.state`."""
        return self.first + steps * self._rows * self._streams


class ReleaseMix(Sequence[Any]):
    """The rows of several releases by position, as a PyTorch data set. It can be pickled into
    workers.

    A row is that of its release, with its `release` and the ordinal of the mix.
    """

    def __init__(self, state: MixState, rows: Sequence[RowDataset]) -> None:
        self._state, self._rows = state, tuple(rows)
        self._order = mix_plan.position_order(state)
        self.gate = MixGate(
            {
                source.name: source_rows.gate
                for source, source_rows in zip(state.sources, rows, strict=True)
            }
        )

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, position: Any) -> Any:  # noqa: ANN401 a row, or the rows of a slice
        if isinstance(position, slice):
            return self.__getitems__(range(*position.indices(len(self))))
        return self.__getitems__([position])[0]

    def __getitems__(self, positions: Sequence[int]) -> list[dict[str, Any]]:
        """The rows at ``positions``, as a PyTorch loader requests a batch."""
        wanted = [self._order[place] for place in positions]
        rows: dict[int, dict[int, LoadedRow]] = {}
        for source in {place >> SOURCE_BITS for place in wanted}:
            places = sorted({place & _WITHIN for place in wanted if place >> SOURCE_BITS == source})
            rows[source] = dict(zip(places, self._rows[source].__getitems__(places), strict=True))
        return [
            self._mixed(place >> SOURCE_BITS, rows[place >> SOURCE_BITS][place & _WITHIN])
            for place in wanted
        ]

    def _mixed(self, source: int, row: LoadedRow) -> dict[str, Any]:
        name = self._state.sources[source].name
        return {**row, ORDINAL: source << SOURCE_BITS | row["ordinal"], "release": name}

    def __repr__(self) -> str:
        return f"ReleaseMix({', '.join(map(repr, self._state.sources))}, {len(self)} positions)"

    @property
    def position(self) -> int:
        """The position at which the mix begins: that of its state."""
        return self._state.position

    @property
    def rows_of(self) -> dict[str, int]:
        """The number of positions of each source."""
        counts = mix_plan.count_rows(self._state)
        return {
            source.name: count for source, count in zip(self._state.sources, counts, strict=True)
        }

    def batches(
        self, batch_rows: int, *, rank: int = 0, ranks: int = 1, sequence_parallel: int = 1
    ) -> RankBatches:
        """The batches of one of ``ranks``, from the position of the mix on.

        ``sequence_parallel``: so many consecutive ranks share each sequence and get the same
        positions; read them through `sequence_parallel.SharedBatches`.
        """
        return RankBatches(self.position, len(self), batch_rows, rank, ranks, sequence_parallel)

    def state(self, position: int | None = None) -> bytes:
        """The state to save with a checkpoint, at ``position`` (`RankBatches.position`); equal on
        every rank except for what its gates last read.
        """
        sources = [
            msgspec.structs.replace(
                source, held=b64encode(source_rows.gate.signed_withdrawals()).decode()
            )
            for source, source_rows in zip(self._state.sources, self._rows, strict=True)
        ]
        at = self.position if position is None else position
        return msgspec.structs.replace(self._state, position=at, sources=tuple(sources)).encode()

    def close(self) -> None:
        """Drops keys, and closes files."""
        for row in self._rows:
            row.close()
