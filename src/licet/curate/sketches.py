"""Sketches: small hashes of a text by which duplicates are recognised.

``exact`` is blake2b over the normalised text (Unicode NFC, case folded, runs of blanks as one), so equal hashes are
equal texts. ``signatures`` are MinHash signatures over five-word shingles (Broder 1997), of texts with
``NEAR_WORDS_MIN`` words or more: in a shorter text one changed word changes too much for similarity to mean anything.

Both are keyed, with a key that exists for one build. So a sketch that is left on a disk does not allow anybody to test
afterwards whether a sentence was in the text.

Invariant: the sketch of a text depends on the text and the key only, not on its neighbours in a batch, so that every
engine and every way of batching gives the same bytes (a test holds this).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import rensa  # type: ignore[import-untyped]  # ships no stubs
from numpy.typing import NDArray

from licet.curate.words import CHUNK_BYTES_MAX, joined, shingles, words

PERMUTATIONS = 128
SIGNATURE_BYTES = 4 * PERMUTATIONS
NEAR_WORDS_MIN = 20
CHUNK_BYTES = 2**18  # measured: the arrays of a chunk then stay in a core's cache
_SEED = 1  # the key is in the hashes

Signatures = NDArray[np.uint32]


def normalised(text: str) -> bytes:
    """The text as exact duplicates share it."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return " ".join(text.casefold().split()).encode("utf-8", "replace")


def exact(texts: Sequence[str], key: bytes) -> bytes:
    """Eight bytes for ``texts``, in order, told apart from any other division of the same letters."""
    return exact_each(texts, key)[0]


def exact_each(texts: Sequence[str], key: bytes) -> tuple[bytes, list[bytes]]:
    """`exact` of ``texts``, and of each of them by itself."""
    whole, each = _digest(key), []
    for text in texts:
        own = normalised(text)
        part = len(own).to_bytes(8, "little") + own
        whole.update(part)
        digest = _digest(key)
        digest.update(part)
        each.append(digest.digest())
    return whole.digest(), each


def _digest(key: bytes) -> blake2b:
    return blake2b(key=key, digest_size=8, person=b"licet exact 1")


def signatures(texts: Sequence[str], key: bytes) -> list[bytes]:
    """The signature of each text, of ``SIGNATURE_BYTES``; empty for one with too few words, or of too many bytes.

    A text above ``CHUNK_BYTES_MAX`` bytes is told by ``exact`` alone: memory has a bound, and half a text is another.
    """
    out: list[bytes] = [b""] * len(texts)
    for numbers, chunk in _chunks([text.encode("utf-8", "replace") for text in texts]):
        found = words(*joined(chunk), key)
        hashes, ends = shingles(found)
        enough = np.flatnonzero(np.diff(found.ends, prepend=0) >= NEAR_WORDS_MIN)
        if len(enough):
            made = _signed(hashes, ends)
            for at in enough.tolist():
                out[numbers[at]] = made[at].tobytes()
    return out


def _signed(hashes: NDArray[np.uint64], ends: NDArray[np.int64]) -> Signatures:
    offsets = np.zeros(len(ends) + 1, np.uint64)
    offsets[1:] = ends
    matrix: Any = rensa.RMinHash.digest_matrix_from_flat_token_hashes(hashes, offsets, PERMUTATIONS, _SEED)
    return np.array(matrix.to_rows(), "<u4")


def _chunks(texts: Sequence[bytes]) -> Iterator[tuple[list[int], list[bytes]]]:
    numbers: list[int] = []
    size = 0
    for number, text in enumerate(texts):
        if len(text) > CHUNK_BYTES_MAX:
            continue
        if numbers and size + len(text) > CHUNK_BYTES:
            yield numbers, [texts[n] for n in numbers]
            numbers, size = [], 0
        numbers.append(number)
        size += len(text)
    if numbers:
        yield numbers, [texts[n] for n in numbers]
