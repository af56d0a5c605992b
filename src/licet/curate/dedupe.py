"""Deduplication: elects which documents of a release are kept, so that nothing is repeated or lost.

Documents are ordered by a hash of their name, the same in every release. A document is dropped
if an earlier kept document contains it as a whole (a chat: exactly, or with a Jaccard similarity of
0.7), or if kept documents contain ``REPEATED_MIN`` of its turns by weight. A chat's turns are
compared exactly; a coding session's exactly or by similarity, by message and by tool output:
otherwise a file read many times would make all sessions of a project similar. For the same reason a
turn's weight is its bytes, at most ``WEIGHT_MAX``.

Invariants:
- The content of a dropped document is in kept documents, within the thresholds. A dropped document
  drops no other one.
- Duplicates of an ended document survive: each release elects anew among permitted documents. No
  result of an election is stored (docs/adr/0008).
- The result does not depend on the order in which documents are added.

Memory is bounded: beyond a million numbers, what grows with turns and documents is in unnamed files
beside the release (`disk_arrays`), about 26 bytes a turn and 600 a document with its signature. Two
bytes a document are in memory, for the answer. Hashes and signatures are keyed with a key that
exists only in memory, for one build.
"""

from __future__ import annotations

import struct
import tempfile
from array import array
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from licet.curate import disk_arrays
from licet.curate.disk_arrays import Numbers, SpilledArray
from licet.curate.similarity import Roots, clusters, roots, unite
from licet.curate.sketches import PLACES, SIGNATURE_BYTES, Signatures

REPEATED_MIN = 0.9
WEIGHT_MAX = 2_000
UNITS_MAX = 2**31 - 1
REMEMBERED = 1 << 18  # hashes with a recently written signature


class Sketch(msgspec.Struct, frozen=True, kw_only=True):
    """A document for the election: order, whole and turns, as 8-byte hashes and optional
    signatures.
    """

    order: bytes
    whole: bytes
    whole_signature: bytes
    turns: tuple[bytes, ...]
    weights: tuple[int, ...]
    turn_signatures: tuple[bytes, ...]

    def __repr__(self) -> str:
        return f"Sketch({len(self.turns)} turns)"


class Elected(msgspec.Struct, frozen=True, kw_only=True):
    """By document, in order of entry: whether it lost, whether it holds content of a loser, and for
    a loser the number, from 1, of the kept document with most of it (else 0).
    """

    lost: NDArray[np.bool_]
    holds: NDArray[np.bool_]
    kept_by: NDArray[np.int32]

    def __repr__(self) -> str:
        return f"Elected({int(self.lost.sum())} lost of {len(self.lost)})"


def document_order(*names: bytes) -> bytes:
    """The order of a document; not keyed, so that it is the same in every release."""
    digest = blake2b(digest_size=8, person=b"licet elect 1")
    for name in names:
        digest.update(len(name).to_bytes(8, "little") + name)
    return digest.digest()


class Election:
    """An election: `enter` adds documents, `outcome` elects. Large data is in unnamed files of
    ``folder``.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 closed by `close`
        self._signatures = 0
        self._orders = SpilledArray("u8", folder)
        self._hashes = SpilledArray("u8", folder)  # of units: a document's whole, then its turns
        self._weights = SpilledArray("u2", folder)
        self._first_units = SpilledArray("i8", folder)
        self._signed = SpilledArray("i8", folder)  # the unit of each signature
        # Hashes with a written signature, by their last bits; initially none that belongs there.
        self._lately = array("Q", np.arange(1, REMEMBERED + 1, dtype=np.uint64).tobytes())

    def __len__(self) -> int:
        return len(self._orders)

    def enter(self, sketch: Sketch) -> None:
        """Adds a document, numbered by the previous `len`; a recent unit's signature may be
        omitted.
        """
        assert len(self._hashes) + 1 + len(sketch.turns) <= UNITS_MAX
        self._orders.append(int.from_bytes(sketch.order, "big"))
        first = len(self._hashes)
        self._first_units.append(first)
        units = struct.unpack(f"<{1 + len(sketch.turns)}Q", b"".join((sketch.whole, *sketch.turns)))
        signatures = (sketch.whole_signature, *sketch.turn_signatures)
        for unit, (number, signature) in enumerate(zip(units, signatures, strict=True), first):
            if signature and self._lately[number % REMEMBERED] != number:
                assert len(signature) == SIGNATURE_BYTES
                self._file.write(signature)
                self._signed.append(unit)
                self._signatures += 1
                self._lately[number % REMEMBERED] = number
        self._hashes.extend(units)
        self._weights.extend((0, *(min(weight, WEIGHT_MAX) for weight in sketch.weights)))

    def outcome(self, without: NDArray[np.bool_] | None = None) -> Elected:
        """Elects among all entered documents; those in ``without`` neither lose nor hold."""
        made = Elected(
            lost=np.zeros(len(self), bool),
            holds=np.zeros(len(self), bool),
            kept_by=np.zeros(len(self), np.int32),
        )
        if len(self):
            self._elect(self._same_units(), without, made)
        return made

    def close(self) -> None:
        for one in (
            self._file,
            self._orders,
            self._hashes,
            self._weights,
            self._first_units,
            self._signed,
        ):
            one.close()

    def _same_units(self) -> Roots:
        """The place of the first equal or similar unit, for each unit."""
        hashes, folder = self._hashes.view(), self._folder
        units = disk_arrays.zeros(len(hashes), np.int32, folder)
        for keys, places in disk_arrays.ranges(hashes, folder):
            known, first = _firsts(keys, places)
            for at in disk_arrays.slices(len(keys)):
                units[places[at]] = first[np.searchsorted(known, keys[at])]
        if not self._signatures:
            return units
        self._file.flush()
        signatures: Signatures = np.memmap(self._file, "<u4", "r", shape=(self._signatures, PLACES))
        signed, likes = self._signed.view(), clusters(signatures, folder)
        parents = disk_arrays.numbers_below(len(hashes), np.int32, folder)
        for at in disk_arrays.slices(len(likes)):
            joined = np.flatnonzero(likes[at] != np.arange(at.start, at.stop)) + at.start
            unite(parents, units[signed[joined]], units[signed[likes[joined]]])
        roots(parents)
        for at in disk_arrays.slices(len(units)):
            units[at] = parents[units[at]]
        return units

    def _elect(self, units: Roots, without: NDArray[np.bool_] | None, elected: Elected) -> None:
        """Fills ``elected`` with the outcome for each document."""
        starts, weights = self._first_units.view(), self._weights.view()
        contested = self._contested(units, starts)
        if without is not None:
            contested &= ~without
        # the kept document of each unit, from 1
        taken = disk_arrays.zeros(len(units), np.int32, self._folder)
        for _, documents in self._in_order():
            for document in documents[contested[documents]].tolist():
                first = int(starts[document])
                end = int(starts[document + 1]) if document + 1 < len(self) else len(units)
                whole, *turns = units[first:end].tolist()
                if taken[whole]:
                    elected.lost[document] = elected.holds[taken[whole] - 1] = True
                    elected.kept_by[document] = taken[whole]
                elif _repeats_taken(turns, weights[first + 1 : end], taken):
                    elected.lost[document] = True
                    elected.holds[[taken[turn] - 1 for turn in turns if taken[turn]]] = True
                    elected.kept_by[document] = _holder(turns, weights[first + 1 : end], taken)
                else:
                    mine = np.array([whole, *turns])
                    taken[mine[taken[mine] == 0]] = document + 1

    def _in_order(self) -> Iterator[tuple[Numbers, Numbers]]:
        """The documents in order; ties by entry."""
        for keys, documents in disk_arrays.ranges(self._orders.view(), self._folder):
            order = np.argsort(keys, kind="stable")
            yield keys[order], documents[order]

    def _contested(self, units: Roots, starts: Numbers) -> NDArray[np.bool_]:
        """Whether each document has a unit that occurs elsewhere, in itself or another."""
        counts = disk_arrays.zeros(len(units), np.int32, self._folder)
        for at in disk_arrays.slices(len(units)):
            values, times = np.unique(units[at], return_counts=True)
            counts[values] += times.astype(np.int32)
        contested = np.zeros(len(starts), bool)
        for at in disk_arrays.slices(len(units)):
            shared = np.flatnonzero(counts[units[at]] > 1) + at.start
            contested[np.searchsorted(starts, shared, side="right") - 1] = True
        return contested


def _firsts(keys: Numbers, places: Numbers) -> tuple[Numbers, Numbers]:
    """The distinct keys, sorted, each with its lowest of ``places``, which are in order."""
    known, first = np.zeros(0, keys.dtype), np.zeros(0, np.int64)
    for at in disk_arrays.slices(len(keys)):
        new, index = np.unique(keys[at], return_index=True)
        both, lowest = np.concatenate([known, new]), np.concatenate([first, places[at][index]])
        known, index = np.unique(both, return_index=True)
        first = lowest[index]
    return known, first


def _repeats_taken(turns: Sequence[int], weights: Numbers, holders: Numbers) -> bool:
    total = int(weights.sum(dtype=np.int64))
    held = sum(w for turn, w in zip(turns, weights.tolist(), strict=True) if holders[turn])
    return total > 0 and held >= REPEATED_MIN * total


def _holder(turns: Sequence[int], weights: Numbers, holders: Numbers) -> int:
    """The number, from 1, of the document with most of these turns; the lowest if equal."""
    held: dict[int, int] = {}
    for turn, weight in zip(turns, weights.tolist(), strict=True):
        if holders[turn]:
            held[int(holders[turn])] = held.get(int(holders[turn]), 0) + weight
    return min(held, key=lambda number: (-held[number], number))
