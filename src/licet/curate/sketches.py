"""Sketches: small hashes of texts by which duplicates are recognised.

``exact_each`` is blake2b over the normalised text (Unicode NFC, case folded, runs of blanks as
one), so equal hashes mean equal texts. ``signatures`` are over five-word shingles, of texts with at
least ``NEAR_WORDS_MIN`` words: in shorter ones a changed word changes too much for similarity to
mean anything. Each place of two signatures agrees with a probability that is the Jaccard similarity
of the shingles, as in MinHash (Broder 1997); they are made as by Dahlgaard, Knudsen and Thorup
("Fast Similarity Sketching", FOCS 2017), with some seven hundred hashes for a text of any length,
where MinHash takes one for each shingle and place.

Both are keyed with a key that exists for one build: a sketch left on a disk does not allow anybody
to test whether a sentence was in the text.

Invariant: a text's sketch depends on the text and the key only, so that every engine and batching
gives the same bytes (a test holds this).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from licet.curate.loop_shared import GOLDEN
from licet.curate.words import (
    CHUNK_BYTES_MAX,
    Hashes,
    Offsets,
    finalise,
    shingles,
    to_columns,
    words,
)

PLACES = 128  # of a signature
SIGNATURE_BYTES = 4 * PLACES
NEAR_WORDS_MIN = 20
CHUNK_BYTES = 2**18  # measured: the arrays of a chunk then stay in a core's cache
_EMPTY = 2**32 - 1  # in no signature
# ASCII lower-casing, with all separators of `bytes.split` as blanks.
LOWERED = bytes(range(256)).lower().translate(bytes.maketrans(b"\t\n\r\v\f", b" " * 5))

Signatures = NDArray[np.uint32]


def normalise_text(text: str) -> bytes:
    """The text as exact duplicates share it."""
    if text.isascii():
        lowered = text.encode().translate(LOWERED)
        # indented lines: for many runs of blanks, a split by all blanks is faster
        if b"   " in lowered:
            return b" ".join(lowered.split())
        return b" ".join(filter(None, map(bytes.strip, lowered.split(b"  "))))
    return " ".join(unicodedata.normalize("NFC", text).casefold().split()).encode(
        "utf-8", "replace"
    )


def exact_each(texts: Sequence[str], key: bytes) -> tuple[bytes, list[bytes]]:
    """An 8-byte hash of the sequence ``texts``, and a hash of each text."""
    one, whole = keyed_hashes(key)
    each = [digest(one, normalise_text(text)) for text in texts]
    return digest(whole, b"".join(each)), [own[:8] for own in each]


def keyed_hashes(key: bytes) -> tuple[blake2b, blake2b]:
    """The keyed prefixes of `digest`: for one text, and for the hashes of several."""
    return (
        blake2b(key=key, digest_size=16, person=b"licet exact 2"),
        blake2b(key=key, digest_size=8, person=b"licet exact 2 s"),
    )


def digest(begun: blake2b, data: bytes | memoryview) -> bytes:
    """The hash of ``data``; copying a keyed state takes half the time of keying anew."""
    made = begun.copy()
    made.update(data)
    return made.digest()


def signatures(texts: Sequence[str], key: bytes) -> list[bytes]:
    """The signature of each text, of ``SIGNATURE_BYTES``; empty with too few words or too many
    bytes.

    A text above ``CHUNK_BYTES_MAX`` bytes is compared exactly only: memory is bounded, and half a
    text is another.
    """
    out: list[bytes] = [b""] * len(texts)
    for numbers, chunk in _chunks([text.encode("utf-8", "replace") for text in texts]):
        hashed = words(*to_columns(chunk), key)
        hashes, ends = shingles(hashed)
        enough = np.flatnonzero(np.diff(hashed.ends, prepend=0) >= NEAR_WORDS_MIN)
        if len(enough):
            made = plain_signatures(hashes, ends)
            for at in enough.tolist():
                out[numbers[at]] = made[at].tobytes()
    return out


def plain_signatures(hashes: Hashes, ends: Offsets) -> Signatures:
    """The signatures of texts with these shingles, in numpy; empty for a text without any.

    In each round every shingle draws a place and a value; a place keeps the least value of the
    first round that fills it. After as many rounds as places, each place takes all shingles in a
    round of its own, so that it ends.
    """
    signed = np.full((len(ends), PLACES), _EMPTY, np.uint32)
    counts = np.diff(ends, prepend=0)
    left = np.flatnonzero(counts)
    for turn in range(2 * PLACES):
        if not len(left):
            break
        own = np.repeat(left, counts[left])
        at = np.repeat(
            ends[left] - counts[left] - np.cumsum(counts[left]) + counts[left], counts[left]
        )
        drawn = hashes[at + np.arange(len(at))]
        if turn:
            drawn = finalise(drawn + np.uint64(turn * GOLDEN % 2**64))
        place = (
            (drawn & np.uint64(PLACES - 1)).astype(np.int64)
            if turn < PLACES
            else np.full(len(own), turn - PLACES)
        )
        value = np.minimum(drawn >> np.uint64(32), _EMPTY - 1).astype(np.uint32)
        free = signed[own, place] == _EMPTY
        np.minimum.at(signed.reshape(-1), own[free] * PLACES + place[free], value[free])
        left = left[(signed[left] == _EMPTY).any(axis=1)]
    return signed


def _chunks(texts: Sequence[bytes]) -> Iterator[tuple[list[int], list[bytes]]]:
    numbers: list[int] = []
    size = 0
    for number, text in enumerate(texts):
        if not text or len(text) > CHUNK_BYTES_MAX:
            continue
        if numbers and size + len(text) > CHUNK_BYTES:
            yield numbers, [texts[n] for n in numbers]
            numbers, size = [], 0
        numbers.append(number)
        size += len(text)
    if numbers:
        yield numbers, [texts[n] for n in numbers]
