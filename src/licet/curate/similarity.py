"""Which signatures are alike: bands, verification, union-find; and nothing that a signature does not say.

Signatures that agree in a whole band are candidates (locality-sensitive hashing, Indyk and Motwani 1998); a candidate
counts when the signatures agree in ``JACCARD_MIN`` of their places, which estimates the Jaccard similarity of the
shingles; clusters are what is connected. With 25 bands of 5 rows a pair at the threshold is a candidate with
probability 0.99, one at half of it with 0.12: verification throws those out.

Invariants: the answer depends on the signatures alone and does not change with their order, except that where a
bucket is larger than ``ROUNDS_MAX`` groups, some of it may stay apart. Signatures are read band by band: a matrix
that is mapped from a file is never in memory whole.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from licet.curate.sketches import PERMUTATIONS, Signatures

JACCARD_MIN = 0.7
BAND_ROWS = 5
BANDS = PERMUTATIONS // BAND_ROWS
ROUNDS_MAX = 16
PAIRS_AT_ONCE_MAX = 1 << 16
Roots = NDArray[np.int64]


def clusters(signatures: Signatures) -> Roots:
    """For each signature the lowest number of those it is connected with: its own where it is alone."""
    parents = np.arange(len(signatures))
    for band in range(BANDS):
        keys = _keys(signatures, band)
        order = np.argsort(keys, kind="stable")
        _join(parents, signatures, keys[order], order)
    return roots(parents)


def roots(parents: Roots) -> Roots:
    """The root of every number, once each points at a lower one or itself."""
    while True:
        above = parents[parents]
        if np.array_equal(above, parents):
            return parents
        parents = above


def unite(parents: Roots, left: NDArray[np.int64], right: NDArray[np.int64]) -> None:
    """Connects ``left[i]`` with ``right[i]``, in place; the lower root stays one."""
    for a, b in zip(left.tolist(), right.tolist(), strict=True):
        one, other = _root(parents, a), _root(parents, b)
        if one != other:
            parents[max(one, other)] = min(one, other)


def _root(parents: Roots, number: int) -> int:
    while (above := int(parents[number])) != number:
        parents[number] = parents[above]
        number = above
    return number


def _keys(signatures: Signatures, band: int) -> NDArray[np.uint64]:
    """One number for each signature's band. Two that differ may share one: verification tells."""
    rows = np.ascontiguousarray(signatures[:, band * BAND_ROWS : (band + 1) * BAND_ROWS]).astype(np.uint64)
    keys = np.full(len(rows), band, np.uint64)
    for column in rows.T:
        keys = (keys ^ column) * np.uint64(0x9E3779B97F4A7C15)
        keys ^= keys >> np.uint64(32)
    return keys


def _join(parents: Roots, signatures: Signatures, keys: NDArray[np.uint64], order: NDArray[np.int64]) -> None:
    """Unites what is alike among the members of each bucket: runs of one key in ``order``.

    Each member is held against its bucket's first; those that are not alike are a bucket of their own next round.
    """
    for _ in range(ROUNDS_MAX):
        same = np.zeros(len(keys), bool)
        same[1:] = keys[1:] == keys[:-1]
        if not same.any():
            return
        grouped = same.copy()
        grouped[:-1] |= same[1:]
        keys, order, same = keys[grouped], order[grouped], same[grouped]
        firsts = order[np.maximum.accumulate(np.where(same, 0, np.arange(len(order))))]
        rest = np.flatnonzero(same)
        left, right = firsts[rest], order[rest]
        known = parents[left] == parents[right]
        alike = known.copy()
        fresh = np.flatnonzero(~known)
        alike[fresh] = _alike(signatures, left[fresh], right[fresh])
        unite(parents, left[alike & ~known], right[alike & ~known])
        keys, order = keys[rest[~alike]], order[rest[~alike]]


def _alike(signatures: Signatures, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.bool_]:
    out = np.zeros(len(left), bool)
    for at in _slices(len(left)):
        equal = (signatures[left[at]] == signatures[right[at]]).sum(axis=1)
        out[at] = equal >= JACCARD_MIN * PERMUTATIONS
    return out


def _slices(count: int) -> Iterator[slice]:
    return (slice(start, start + PAIRS_AT_ONCE_MAX) for start in range(0, count, PAIRS_AT_ONCE_MAX))
