"""One hash over all rows of a release: the root of a Merkle tree in the order of their ordinals.

The tree and its hashes are those of the ledger, RFC 6962 section 2.1; this one is in memory, the
ledger's is in files. A leaf's data, integers big-endian: ordinal (4 bytes), row id (16), ``until``
(8, signed, microseconds since 1970), SHA-256 of the sealed bytes (32): all that a part states of a
row. The tree keeps one hash per level, so the root of any release needs constant memory.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from hashlib import sha256
from itertools import islice

from licet.ledger.tree import EMPTY_ROOT, leaf_hash, node_hash

_ROW = struct.Struct(">I16sq32s")


def leaf(ordinal: int, row_id: bytes, until_us: int, sealed: bytes) -> bytes:
    """The leaf hash of a row; ``until_us`` in microseconds since 1970."""
    return leaf_from_hash(ordinal, row_id, until_us, sha256(sealed).digest())


def leaf_from_hash(ordinal: int, row_id: bytes, until_us: int, sealed_sha256: bytes) -> bytes:
    """The leaf hash of a row, from the hash of its sealed bytes."""
    return leaf_hash(_ROW.pack(ordinal, row_id, until_us, sealed_sha256))


_BLOCK = 2**12  # hashes at once


def root_over(hashes: Iterable[bytes]) -> bytes:
    """The root (`Tree`) over hashes of leaves, or of full subtrees of equal size and a last one."""
    rest = iter(hashes)
    roots = [_reduce(block) for block in iter(lambda: list(islice(rest, _BLOCK)), [])]
    return _reduce(roots) if roots else EMPTY_ROOT


def _reduce(nodes: Sequence[bytes]) -> bytes:
    """Hashes pairs level by level; a node without a sibling moves up unchanged."""
    while len(nodes) > 1:
        pairs = zip(nodes[::2], nodes[1::2], strict=False)
        above = [sha256(b"\x01" + left + right).digest() for left, right in pairs]
        nodes = [*above, nodes[-1]] if len(nodes) % 2 else above
    return nodes[0]


class Tree:
    """A tree that grows to the right; ``append`` takes leaf hashes in order, ``root`` is available
    at any size.
    """

    __slots__ = ("_peaks", "_size")

    def __init__(self) -> None:
        self._peaks: list[bytes] = []
        self._size = 0

    def append(self, leaf_hash: bytes) -> None:
        # this leaf completes as many subtrees as the current size has trailing one bits
        size, node = self._size, leaf_hash
        while size & 1:
            node = node_hash(self._peaks.pop(), node)
            size >>= 1
        self._peaks.append(node)
        self._size += 1

    def root(self) -> bytes:
        if not self._peaks:
            return EMPTY_ROOT
        node = self._peaks[-1]
        for left in reversed(self._peaks[:-1]):
            node = node_hash(left, node)
        return node
