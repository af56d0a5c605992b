"""The plan of a mix: its sources, saved as its state, and the row at each position.

The plan depends on the state alone. Each position goes to the source furthest behind its share, so
that after any number of rows each source is within a row of it.
"""

from __future__ import annotations

from array import array
from base64 import b64decode, b64encode
from heapq import heapify, heappop, heapreplace
from typing import Literal

import msgspec
from pyroaring import BitMap

from licet.errors import InputError, UsageError
from licet.train.dataset import shuffle_positions
from licet.undecodable import UNDECODABLE

SOURCES_MAX = 256
ROWS_MAX = 2**31
SOURCE_BITS = 32


class MixedSource(msgspec.Struct, frozen=True, kw_only=True):
    """A source in the state of a mix: the ``chosen`` rows, a bitmap in base64, and their
    ``tokens``.

    ``held`` is the file of withdrawn rows that its gate last read, in base64.
    """

    name: str
    weight: float
    release: str
    manifest_sha256: str
    chosen: str
    tokens: int
    held: str = ""

    def __repr__(self) -> str:
        return f"MixedSource({self.name}, {self.weight})"

    @property
    def ordinals(self) -> BitMap:
        return BitMap.deserialize(b64decode(self.chosen))

    @staticmethod
    def encode_ordinals(ordinals: BitMap) -> str:
        """A bitmap in the form of ``chosen``."""
        return b64encode(ordinals.serialize()).decode()


class MixState(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mix, and the ``position`` that a run reached: enough to resume on any number of ranks."""

    format: Literal["licet-mix-1"] = "licet-mix-1"
    split: str
    where: str
    seed: int
    tokens: int | None
    epochs: float
    sources: tuple[MixedSource, ...]
    position: int = 0

    def encode(self) -> bytes:
        return msgspec.json.encode(self)

    @classmethod
    def decode(cls, data: bytes) -> MixState:
        try:
            return msgspec.json.decode(data, type=cls)
        except UNDECODABLE as error:
            raise InputError(
                f"the state of a mix does not read: {error}", "give what `state` of a mix returned"
            ) from None


def check_same_mix(kept_state: MixState, requested: MixState) -> MixState:
    """Returns ``kept_state`` to resume from; UsageError if it belongs to another mix than
    ``requested``.
    """
    for name in ("split", "where", "seed", "tokens", "epochs"):
        if (stored := getattr(kept_state, name)) != (new := getattr(requested, name)):
            raise UsageError(f"the state is that of a mix with `{name}` of `{stored}`, not `{new}`")
    stored, new = (
        [(source.name, source.weight) for source in mix_state.sources]
        for mix_state in (kept_state, requested)
    )
    if stored != new:
        sources = ", ".join(f"`{name}` {weight:g}" for name, weight in stored)
        raise UsageError(
            "the state is that of a mix of other sources", f"it was of {sources}, in this order"
        )
    return kept_state


def check(state: MixState) -> None:
    """UsageError if no mix can be made from this state."""
    if not 1 <= len(state.sources) <= SOURCES_MAX:
        raise UsageError(f"a mix has 1 to `{SOURCES_MAX}` sources, not `{len(state.sources)}`")
    if state.epochs <= 0 or (state.tokens is not None and state.tokens < 1):
        raise UsageError("`tokens` and `epochs` of a mix are above zero")
    if len({source.release for source in state.sources}) < len(state.sources):
        raise UsageError("a release is twice in the mix", "give its two weights as one")
    for source in state.sources:
        if not 0 < source.weight < float("inf"):
            raise UsageError(
                f"the weight of `{source.name}` is `{source.weight}`", "give one above zero"
            )
        if not source.tokens:
            raise UsageError(
                f"no row of `{source.name}` may be used and matches `{state.where}`"
                if state.where
                else f"no row of `{source.name}` may be used in the split `{state.split}`",
                "leave the source out",
            )
    budget = _budget(state)
    for source in state.sources:
        needed = _share(state, source) * budget / source.tokens
        if needed > state.epochs * (1 + 1e-9):
            raise UsageError(
                f"`{source.name}` has `{source.tokens}` tokens, and its share of `{state.tokens}` "
                "takes "
                f"`{needed:.2f}` passes over it",
                f"allow them with `epochs={needed:.2f}`, or lower its weight",
            )
    if sum(count_rows(state)) > ROWS_MAX:
        raise UsageError(f"a mix has at most `{ROWS_MAX}` rows", "lower `tokens` or `epochs`")


def _share(state: MixState, source: MixedSource) -> float:
    return source.weight / sum(source.weight for source in state.sources)


def _budget(state: MixState) -> float:
    """The tokens of the mix: those requested, or as many as weights and epochs allow."""
    if state.tokens is not None:
        return float(state.tokens)
    return min(state.epochs * source.tokens / _share(state, source) for source in state.sources)


def count_rows(state: MixState) -> list[int]:
    budget = _budget(state)
    counts = []
    for source in state.sources:
        share = _share(state, source) * budget / source.tokens  # of a pass
        counts.append(round(share * len(source.ordinals)))
    return counts


def position_order(state: MixState) -> array[int]:
    """For each position, the place of its source times 2**32 plus the place in the source's
    rows.
    """
    counts = count_rows(state)
    places = [
        _shuffled_passes(source, state.seed, count)
        for source, count in zip(state.sources, counts, strict=True)
    ]
    taken, made = [0] * len(counts), array("Q")
    # Always the source furthest behind its share, so that each stays within a row of it.
    waiting = [(0.5 / count, source) for source, count in enumerate(counts) if count]
    heapify(waiting)
    while waiting:
        _, source = waiting[0]
        made.append(source << SOURCE_BITS | places[source][taken[source]])
        taken[source] += 1
        if taken[source] < counts[source]:
            heapreplace(waiting, ((taken[source] + 0.5) / counts[source], source))
        else:
            heappop(waiting)
    return made


def _shuffled_passes(source: MixedSource, seed: int, count: int) -> array[int]:
    rows, positions, epoch = len(source.ordinals), array("L"), 0
    while len(positions) < count:
        positions.extend(shuffle_positions(rows, f"{source.release} {seed} {epoch}"))
        epoch += 1
    return positions[:count]
