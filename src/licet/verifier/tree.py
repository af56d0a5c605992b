"""The Merkle tree of RFC 6962, section 2.1: hashes, roots and proofs.

It follows the RFC's recursive definitions. The writer folds subtrees bit by bit, so that one
misunderstanding does not pass both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def leaf(entry: bytes) -> bytes:
    return hashlib.sha256(b"\0" + entry).digest()


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def tree_hash(row: Sequence[bytes]) -> bytes:
    """The RFC 6962 hash over a row of perfect subtrees of equal height; only the last may be
    smaller.

    Pairing neighbours and carrying an odd last one up unchanged gives the same tree as the
    recursive split.
    """
    if not row:
        return hashlib.sha256(b"").digest()
    while len(row) > 1:
        above = [node(row[i], row[i + 1]) for i in range(0, len(row) - 1, 2)]
        if len(row) % 2:
            above.append(row[-1])
        row = above
    return row[0]


def root_of_path(index: int, size: int, digest: bytes, path: Sequence[bytes]) -> bytes | None:
    """The root from PATH(index, D[size]) of RFC 6962 section 2.1.1; None if its length is wrong."""
    if size == 1:
        return None if path else digest
    if not path:
        return None
    cut = _largest_power_below(size)
    if index < cut:
        left = root_of_path(index, cut, digest, path[:-1])
        return None if left is None else node(left, path[-1])
    right = root_of_path(index - cut, size - cut, digest, path[:-1])
    return None if right is None else node(path[-1], right)


def path_of(index: int, row: Sequence[bytes]) -> list[bytes]:
    """PATH(index, D[n]) of RFC 6962 section 2.1.1, over a row of leaves."""
    if len(row) <= 1:
        return []
    cut = _largest_power_below(len(row))
    if index < cut:
        return [*path_of(index, row[:cut]), tree_hash(row[cut:])]
    return [*path_of(index - cut, row[cut:]), tree_hash(row[:cut])]


def roots_of_proof(
    old: int, size: int, old_root: bytes, proof: Sequence[bytes], whole: bool = True
) -> tuple[bytes, bytes] | None:
    """The old and new root from SUBPROOF(old, D[size], whole) of RFC 6962 section 2.1.2."""
    if old == size:
        if whole:
            return None if proof else (old_root, old_root)
        return (proof[0], proof[0]) if len(proof) == 1 else None
    if not proof:
        return None
    cut = _largest_power_below(size)
    if old <= cut:
        roots = roots_of_proof(old, cut, old_root, proof[:-1], whole)
        return None if roots is None else (roots[0], node(roots[1], proof[-1]))
    roots = roots_of_proof(old - cut, size - cut, old_root, proof[:-1], False)
    return None if roots is None else (node(proof[-1], roots[0]), node(proof[-1], roots[1]))


def _largest_power_below(size: int) -> int:
    return 1 << ((size - 1).bit_length() - 1)
