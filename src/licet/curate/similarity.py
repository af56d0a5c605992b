"""Clusters similar signatures: bands, verification, union-find.

Signatures that agree in a whole band are candidates (locality-sensitive hashing, Indyk and Motwani
1998); a candidate counts if the signatures agree in ``JACCARD_MIN`` of their places, which
estimates the Jaccard similarity of the shingles; clusters are connected components. With 25 bands
of 5 rows a pair at the threshold is a candidate with probability 0.99, one at half of it with 0.12,
which verification rejects.

Invariants: the answer depends on the signatures and not on their order, except that a bucket of
more than ``ROUNDS_MAX`` groups may stay partly apart. Signatures are read band by band, and a
band's keys range by range (`disk_arrays`): memory is bounded except for 16 bytes for each member of
a bucket.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from licet.curate import disk_arrays
from licet.curate.sketches import PLACES, Signatures

JACCARD_MIN = 0.7
BAND_ROWS = 5
BANDS = PLACES // BAND_ROWS
ROUNDS_MAX = 16
PAIRS_AT_ONCE_MAX = 1 << 16
Roots = NDArray[np.int64]


def clusters(signatures: Signatures, folder: Path | None = None) -> Roots:
    """For each signature, the lowest number of its cluster.

    Data too large for memory is in unnamed files of ``folder``.
    """
    parents = disk_arrays.numbers_below(len(signatures), np.int64, folder)
    for band in range(BANDS):
        for keys, places in disk_arrays.ranges(_keys(signatures, band, folder), folder):
            order = np.argsort(keys, kind="stable")
            _join(parents, signatures, keys[order], places[order])
    return roots(parents)


def roots(parents: Roots) -> Roots:
    """``parents`` with the root of every number, in place; each must point at itself or a lower
    one.
    """
    changed = True
    while changed:
        changed = False
        for at in disk_arrays.slices(len(parents)):
            parent = parents[at]
            above = parents[parent]
            if not np.array_equal(above, parent):
                parents[at] = above
                changed = True
    return parents


def unite(parents: Roots, left: NDArray[np.int64], right: NDArray[np.int64]) -> None:
    """Connects ``left[i]`` with ``right[i]``, in place; the lower root remains."""
    for a, b in zip(left.tolist(), right.tolist(), strict=True):
        one, other = _root(parents, a), _root(parents, b)
        if one != other:
            parents[max(one, other)] = min(one, other)


def _root(parents: Roots, number: int) -> int:
    while (above := int(parents[number])) != number:
        parents[number] = parents[above]
        number = above
    return number


def _keys(signatures: Signatures, band: int, folder: Path | None) -> NDArray[np.uint64]:
    """A hash of each signature's band; collisions are resolved by verification."""
    keys = disk_arrays.zeros(len(signatures), np.uint64, folder)
    for at in disk_arrays.slices(len(signatures)):
        rows = np.ascontiguousarray(
            signatures[at, band * BAND_ROWS : (band + 1) * BAND_ROWS]
        ).astype(np.uint64)
        made = np.full(len(rows), band, np.uint64)
        for column in rows.T:
            made = (made ^ column) * np.uint64(0x9E3779B97F4A7C15)
            made ^= made >> np.uint64(32)
        keys[at] = made
    return keys


def _join(
    parents: Roots, signatures: Signatures, keys: NDArray[np.uint64], order: NDArray[np.int64]
) -> None:
    """Unites similar members of each bucket: runs of one key in ``order``.

    Each member is compared with its bucket's first; dissimilar ones form a bucket of their own in
    the next round. The order of buckets does not matter.
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
        others = np.flatnonzero(same)
        left, right = firsts[others], order[others]
        alike = _alike(signatures, left, right)
        fresh = alike & (parents[left] != parents[right])
        unite(parents, left[fresh], right[fresh])
        keys, order = keys[others[~alike]], order[others[~alike]]


def _alike(
    signatures: Signatures, left: NDArray[np.int64], right: NDArray[np.int64]
) -> NDArray[np.bool_]:
    out = np.zeros(len(left), bool)
    for at in _slices(len(left)):
        equal = (signatures[left[at]] == signatures[right[at]]).sum(axis=1)
        out[at] = equal >= JACCARD_MIN * PLACES
    return out


def _slices(count: int) -> Iterator[slice]:
    return (slice(start, start + PAIRS_AT_ONCE_MAX) for start in range(0, count, PAIRS_AT_ONCE_MAX))
