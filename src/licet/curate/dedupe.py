"""The election among duplicates: it decides which documents of a release are kept, so that nothing is learnt twice or lost.

Documents are ordered by a hash of their own name, which is the same in every release. A document is dropped if one of the kept
documents before it contains it as a whole (a chat: exactly, or with a Jaccard similarity of 0.7), or if kept documents contain
``REPEATED_MIN`` of its turns by weight. A chat's turns are compared exactly. Those of a coding session are compared exactly
or by similarity, by message and by tool output: a file that is read many times would otherwise make all sessions of a
project similar. For the same reason a turn's weight is its bytes, at most ``WEIGHT_MAX``.

Invariants:
- The content of a dropped document is in documents that are kept, within the thresholds. A dropped document drops no other
  one, so no content is lost because of a document that is itself not in the release.
- A document that ends does not take its duplicates with it: each release elects anew among the documents that are permitted
  then, and the next one in order takes its place. No result of an election is stored (docs/adr/0008).
- The result depends on the documents and not on the order in which they are added.

Memory: about 20 bytes a turn and 150 bytes a document. Signatures are in an unnamed file beside the release. They are keyed
with a key that exists only in memory, for one build.
"""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from licet.curate.similarity import Roots, clusters, roots, unite
from licet.curate.sketches import PERMUTATIONS, SIGNATURE_BYTES, Signatures

REPEATED_MIN = 0.9
WEIGHT_MAX = 2_000
UNITS_MAX = 2**31 - 1


class Sketch(msgspec.Struct, frozen=True, kw_only=True):
    """A document for the election: its place, its whole, its turns. Hashes of eight bytes, signatures or empty."""

    order: bytes
    whole: bytes
    whole_signature: bytes
    turns: tuple[bytes, ...]
    weights: tuple[int, ...]
    turn_signatures: tuple[bytes, ...]

    def __repr__(self) -> str:
        return f"Sketch({len(self.turns)} turns)"


class Elected(msgspec.Struct, frozen=True, kw_only=True):
    """By document, in the order they were entered: who lost, who holds something of one that did, and the first entered
    of the cluster of each whole.
    """

    lost: NDArray[np.bool_]
    holds: NDArray[np.bool_]
    cluster: Roots

    def __repr__(self) -> str:
        return f"Elected({int(self.lost.sum())} lost of {len(self.lost)})"


def place(*names: bytes) -> bytes:
    """The place in the order of a document with these names. Not keyed: it must be the same in every release."""
    digest = blake2b(digest_size=8, person=b"licet elect 1")
    for name in names:
        digest.update(len(name).to_bytes(8, "little") + name)
    return digest.digest()


class Election:
    """Documents enter one by one; `outcome` elects. ``folder`` holds the signatures meanwhile, under no name."""

    def __init__(self, folder: Path | None = None) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  closed with the election
        self._signatures = 0
        self._orders = array("Q")
        self._hashes = array("Q")  # of units: a document's whole, then its turns
        self._weights = array("H")
        self._first_units = array("q")
        self._signed = array("q")  # the unit of each signature
        self._known: set[int] = set()  # the hashes whose signature is there: equal units have equal signatures

    def __len__(self) -> int:
        return len(self._orders)

    def enter(self, sketch: Sketch) -> None:
        """A document, number `len` before it; a unit that came with a signature before brings it once only."""
        assert len(self._hashes) + 1 + len(sketch.turns) <= UNITS_MAX
        self._orders.append(int.from_bytes(sketch.order, "big"))
        self._first_units.append(len(self._hashes))
        self._unit(sketch.whole, 0, sketch.whole_signature)
        for turn, weight, signature in zip(sketch.turns, sketch.weights, sketch.turn_signatures, strict=True):
            self._unit(turn, min(weight, WEIGHT_MAX), signature)

    def _unit(self, unit: bytes, weight: int, signature: bytes) -> None:
        number = int.from_bytes(unit, "little")
        if signature and number not in self._known:
            assert len(signature) == SIGNATURE_BYTES
            self._file.write(signature)
            self._signed.append(len(self._hashes))
            self._signatures += 1
            self._known.add(number)
        self._hashes.append(number)
        self._weights.append(weight)

    def outcome(self, without: NDArray[np.bool_] | None = None) -> Elected:
        """Elects among all that were entered so far; ``without`` those documents, which neither lose nor hold."""
        if not len(self):
            return Elected(lost=np.zeros(0, bool), holds=np.zeros(0, bool), cluster=np.zeros(0, np.int64))
        units = self._same_units()
        starts = np.frombuffer(self._first_units, np.int64)
        order = np.lexsort((np.arange(len(self)), np.frombuffer(self._orders, np.uint64)))
        lost, holds = self._lost(units, starts, order if without is None else order[~without[order]])
        return Elected(lost=lost, holds=holds, cluster=_first_of_each(units[starts]))

    def close(self) -> None:
        self._file.close()

    def _same_units(self) -> Roots:
        """A number for each unit, the same for those that are equal or alike."""
        _, first, units = np.unique(np.frombuffer(self._hashes, np.uint64), return_index=True, return_inverse=True)
        if not self._signatures:
            return units.astype(np.int64)
        self._file.flush()
        shape = (self._signatures, PERMUTATIONS)
        signatures: Signatures = np.memmap(self._file, "<u4", "r", shape=shape)
        owners = units[np.frombuffer(self._signed, np.int64)]
        likes = clusters(signatures)
        joined = np.flatnonzero(likes != np.arange(len(likes)))
        parents = np.arange(len(first))
        unite(parents, owners[joined], owners[likes[joined]])
        return roots(parents)[units]

    def _lost(
        self, units: Roots, starts: NDArray[np.int64], order: NDArray[np.int64]
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Of each document whether it lost, and whether one that did has something of it."""
        lost, holds = np.zeros(len(self), bool), np.zeros(len(self), bool)
        shared = np.bincount(units)[units] > 1
        contested = np.add.reduceat(shared.astype(np.int64), starts) > 0
        taken = array("i", [-1]) * (int(np.max(units)) + 1)  # the document that each unit stays in
        ends = np.append(starts[1:], len(units))
        for document in order[contested[order]].tolist():
            whole, *turns = units[starts[document] : ends[document]].tolist()
            if taken[whole] >= 0:
                lost[document] = holds[taken[whole]] = True
            elif self._repeated(turns, int(starts[document]) + 1, taken):
                lost[document] = True
                holds[[taken[turn] for turn in turns if taken[turn] >= 0]] = True
            else:
                for unit in (whole, *turns):
                    if taken[unit] < 0:
                        taken[unit] = document
        return lost, holds

    def _repeated(self, turns: Sequence[int], first: int, taken: Sequence[int]) -> bool:
        weights = self._weights[first : first + len(turns)]
        whole = sum(weights)
        held = sum(w for t, w in zip(turns, weights, strict=True) if taken[t] >= 0)
        return whole > 0 and held >= REPEATED_MIN * whole


def _first_of_each(wholes: Roots) -> Roots:
    _, first, inverse = np.unique(wholes, return_index=True, return_inverse=True)
    return first[inverse].astype(np.int64)
