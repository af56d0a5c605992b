"""The Merkle tree of RFC 6962: hashes, roots, and proofs made and checked.

A tree of any size is a row of *perfect* subtrees, one for each bit of its size, from the largest on
the left to the smallest on the right. Every hash that a root or a proof needs is such a perfect
subtree or a fold of several, from right to left. The tempting shortcut, to fold each tile by itself
and then fold the results, is wrong as soon as there are two tiles: a partial tile is not one
subtree but several.

Proofs are made by walking the definition of RFC 6962 section 2.1 and checked by the bitwise walk of
RFC 9162 sections 2.1.3.2 and 2.1.4.2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Protocol

from licet.errors import UsageError
from licet.ledger.note import NoteRefusal, refusal_error

PROOF_HASHES_MAX = 63
EMPTY_ROOT = hashlib.sha256(b"").digest()


class HashReader(Protocol):
    """Promise: ``node(k, i)`` is the hash of the perfect subtree over the leaves ``i * 2**k`` to
    ``(i + 1) * 2**k``; a missing one raises `BrokenError`.
    """

    def node(self, level: int, index: int) -> bytes: ...


def leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(reader: HashReader, size: int) -> bytes:
    return _span(reader, 0, size) if size else EMPTY_ROOT


def prove_inclusion(reader: HashReader, index: int, size: int) -> tuple[bytes, ...]:
    """Returns the hashes beside the path from a leaf to the root, the leaf's sibling first."""
    if not 0 <= index < size:
        raise UsageError(f"entry `{index}` is not in a tree of `{size}`")
    low, high, beside = 0, size, []
    while high - low > 1:
        split = low + _split(high - low)
        if index < split:
            beside.append((split, high))
            high = split
        else:
            beside.append((low, split))
            low = split
    return tuple(_span(reader, *span) for span in reversed(beside))


def prove_consistency(reader: HashReader, old: int, size: int) -> tuple[bytes, ...]:
    """Returns the hashes that prove the tree of ``old`` leaves to be a prefix of the tree of
    ``size``.
    """
    if not 0 <= old <= size:
        raise UsageError(f"a tree of `{old}` is not the beginning of a tree of `{size}`")
    if old in (0, size):
        return ()
    low, high, beside = 0, size, []
    while old != high:
        split = low + _split(high - low)
        if old <= split:
            beside.append((split, high))
            high = split
        else:
            beside.append((low, split))
            low = split
    if low:
        beside.append((low, high))
    return tuple(_span(reader, *span) for span in reversed(beside))


def check_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected: bytes
) -> None:
    """Raises `RefusedError` unless the proof leads from the leaf's hash to the expected root."""
    if not 0 <= index < size:
        raise refusal_error(f"entry `{index}` is not in a tree of `{size}`", NoteRefusal.unproven)
    fn, sn, root = index, size - 1, leaf
    for beside in proof:
        if sn == 0:
            raise refusal_error("the inclusion proof is too long", NoteRefusal.unproven)
        if fn & 1 or fn == sn:
            root = node_hash(beside, root)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            root = node_hash(root, beside)
        fn, sn = fn >> 1, sn >> 1
    if sn or root != expected:
        raise refusal_error("the inclusion proof does not lead to the root", NoteRefusal.unproven)


def check_consistency(
    old: int, old_root: bytes, size: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Raises `RefusedError` unless the proof shows the old tree to be a prefix of the new one."""
    if not 0 <= old <= size:
        raise refusal_error(
            f"a tree of `{old}` is not the beginning of a tree of `{size}`", NoteRefusal.unproven
        )
    if old in (0, size):
        _check_trivial(old, old_root, new_root, size, proof)
        return
    fn, sn = old - 1, size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    hashes = list(proof) if old & (old - 1) else [old_root, *proof]
    if not hashes:
        raise refusal_error("the consistency proof is too short", NoteRefusal.unproven)
    old_found = new_found = hashes[0]
    for beside in hashes[1:]:
        if sn == 0:
            raise refusal_error("the consistency proof is too long", NoteRefusal.unproven)
        if fn & 1 or fn == sn:
            old_found, new_found = node_hash(beside, old_found), node_hash(beside, new_found)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            new_found = node_hash(new_found, beside)
        fn, sn = fn >> 1, sn >> 1
    if sn or old_found != old_root or new_found != new_root:
        raise refusal_error(
            "the consistency proof does not lead to both roots", NoteRefusal.unproven
        )


def peaks(low: int, high: int) -> Iterator[tuple[int, int]]:
    """Returns the perfect subtrees over the leaves from ``low`` to ``high``, left to right, as
    (level, index). ``low`` must be a multiple of the largest of them, as for every node of a tree.
    """
    while low < high:
        level = (high - low).bit_length() - 1
        yield level, low >> level
        low += 1 << level


def fold(hashes: Sequence[bytes]) -> bytes:
    """Hashes perfect subtrees that shrink from left to right."""
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = node_hash(left, root)
    return root


def pairs(hashes: Sequence[bytes]) -> list[bytes]:
    """Hashes a row's pairs, the next level up; omits an odd last one."""
    digest = hashlib.sha256
    return [
        digest(b"\x01" + hashes[i] + hashes[i + 1]).digest() for i in range(0, len(hashes) - 1, 2)
    ]


def _check_trivial(
    old: int, old_root: bytes, new_root: bytes, size: int, proof: Sequence[bytes]
) -> None:
    if proof:
        raise refusal_error("the consistency proof must be empty", NoteRefusal.unproven)
    if old == size and old_root != new_root:
        raise refusal_error(f"two trees of `{size}` have different roots", NoteRefusal.unproven)
    if old == 0 and old_root != EMPTY_ROOT:
        raise refusal_error("the root of the empty tree is wrong", NoteRefusal.unproven)


def _span(reader: HashReader, low: int, high: int) -> bytes:
    return fold([reader.node(level, index) for level, index in peaks(low, high)])


def _split(width: int) -> int:
    """The largest power of two below the width."""
    return 1 << ((width - 1).bit_length() - 1)
