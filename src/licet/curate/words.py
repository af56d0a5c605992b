"""Words and shingles of many texts at once, in numpy over the bytes of an Arrow buffer.

A word is a run of ASCII letters and digits, case folded, and of bytes above ASCII; everything else
separates words. In scripts without spaces (kana, CJK, Hangul: UTF-8 lead bytes E3 to ED) each
character is a word. A shingle is five words in a row; a shorter text has one, over all its words.

Invariants: the same bytes and key give the same hashes on any machine, whatever else is in the
buffer; time is linear in the bytes, and memory at most some forty times ``CHUNK_BYTES_MAX``. Hashes
are keyed: without the key nobody can test for a text.

Word hash: the sum of a keyed value per byte times an odd power of its place, modulo 2**64, so that
one pass over the buffer serves every word; then the finaliser of SplitMix64 (Steele, Lea, Flood,
OOPSLA 2014).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from licet.curate.compiled import loops
from licet.curate.loop_shared import GOLDEN
from licet.errors import UsageError

SHINGLE_WORDS = 5
CHUNK_BYTES_MAX = 4 * 2**20
Hashes: TypeAlias = NDArray[np.uint64]
Offsets: TypeAlias = NDArray[np.int64]

_PLACE_INVERSE = pow(GOLDEN, -1, 2**64)
_LEAD_FIRST, _LEAD_LAST = 0xE3, 0xED


def _lower() -> NDArray[np.uint8]:
    """Each byte as in a word; 0 for separators."""
    table = np.zeros(256, np.uint8)
    table[0x80:] = np.arange(0x80, 0x100)
    for byte in b"abcdefghijklmnopqrstuvwxyz0123456789":
        table[byte] = table[ord(chr(byte).upper())] = byte
    return table


LOWER_TABLE = _lower()
_LOWER = LOWER_TABLE.tobytes()


class Words:
    """The word hashes of some texts, one after another: text ``i`` at ``ends[i-1]:ends[i]``."""

    __slots__ = ("ends", "hashes")

    def __init__(self, hashes: Hashes, ends: Offsets) -> None:
        self.hashes, self.ends = hashes, ends

    def __repr__(self) -> str:
        return f"Words({len(self.hashes)} of {len(self.ends)} texts)"


def words(data: NDArray[np.uint8], ends: Offsets, key: bytes) -> Words:
    """The words of the texts in ``data``, text ``i`` at ``ends[i-1]:ends[i]``."""
    if len(data) > CHUNK_BYTES_MAX:
        raise UsageError(
            f"`{len(data)}` bytes in one chunk, more than `{CHUNK_BYTES_MAX}`",
            "pass fewer texts at once",
        )
    if (made := loops(len(data))) is not None:
        return Words(*made.words(data, ends, LOWER_TABLE, values(key)))
    return plain_words(data, ends, key)


def plain_words(data: NDArray[np.uint8], ends: Offsets, key: bytes) -> Words:
    """`words` in numpy."""
    # a third of the time of an index of arrays
    lowered = np.frombuffer(data.tobytes().translate(_LOWER), np.uint8)
    inside = lowered != 0
    starts = inside.copy()
    starts[1:] &= ~inside[:-1]
    firsts = ends[:-1][ends[:-1] < len(data)]
    starts[firsts] = inside[firsts]
    starts |= (data >= _LEAD_FIRST) & (data <= _LEAD_LAST)
    places = np.flatnonzero(starts)
    if not len(places):
        return Words(np.empty(0, np.uint64), np.zeros(len(ends), np.int64))
    powers, inverses = _powers(_rounded(len(data)))
    # Separators count as zero, so that a word may be summed up to the next one's start.
    sums = np.add.reduceat(values(key)[lowered] * powers[: len(data)], places)
    return Words(finalise(sums * inverses[places]), np.searchsorted(places, ends).astype(np.int64))


def shingles(found: Words, size: int = SHINGLE_WORDS) -> tuple[Hashes, Offsets]:
    """The shingles of each text with repeats, and where each text's end; none without a word."""
    if (made := loops(len(found.hashes))) is not None:
        hashes, ends = made.shingles(found.hashes, found.ends, shingle_factors(size))
        return hashes, ends
    return plain_shingles(found, size)


def plain_shingles(found: Words, size: int = SHINGLE_WORDS) -> tuple[Hashes, Offsets]:
    """`shingles` in numpy."""
    hashes, ends = found.hashes, found.ends
    counts = np.diff(ends, prepend=0)
    total = len(hashes)
    out = np.zeros(total, np.uint64)
    factors = shingle_factors(size)
    whole = max(total - size + 1, 0)
    for k in range(size):
        out[:whole] += hashes[k : k + whole] * factors[k]
    chosen = np.arange(total) + size <= np.repeat(ends, counts)
    for count in range(1, size):  # short texts
        at = (ends - counts)[counts == count]
        out[at] = sum(
            (hashes[at + k] * factors[k] for k in range(count)), np.zeros(len(at), np.uint64)
        )
        chosen[at] = True
    per_text = np.where(counts >= size, counts - size + 1, np.minimum(counts, 1))
    return finalise(out[chosen]), np.cumsum(per_text)


def to_columns(texts: Sequence[bytes]) -> tuple[NDArray[np.uint8], Offsets]:
    """``texts`` in the form of `words`."""
    return np.frombuffer(b"".join(texts), np.uint8), np.cumsum(
        [len(text) for text in texts], dtype=np.int64
    )


def finalise(hashes: Hashes) -> Hashes:
    """Applies the finaliser to each hash."""
    hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return hashes ^ (hashes >> np.uint64(31))


@lru_cache(maxsize=8)
def values(key: bytes) -> Hashes:
    """A value for each byte, 0 for separators."""
    drawn = b"".join(
        blake2b(bytes([n]), key=key, person=b"licet word 1", digest_size=64).digest()
        for n in range(32)
    )
    made = np.frombuffer(drawn, "<u8").astype(np.uint64)
    made[0] = 0
    return made


@lru_cache(maxsize=32)
def shingle_factors(size: int) -> Hashes:
    drawn = blake2b(bytes([size]), person=b"licet shingle 1", digest_size=64).digest()
    numbers = [
        int.from_bytes(drawn[8 * (k % 8) : 8 * (k % 8) + 8], "little") + 2 * k for k in range(size)
    ]
    return np.array([number % 2**64 | 1 for number in numbers], np.uint64)


def _rounded(count: int) -> int:
    return max(1 << (count - 1).bit_length(), 1 << 16)


@lru_cache(maxsize=8)
def _powers(count: int) -> tuple[Hashes, Hashes]:
    """``count`` powers of the place and of its inverse; `_rounded` limits the sizes."""
    with np.errstate(over="ignore"):
        steps: list[Any] = [np.full(count, base, np.uint64) for base in (GOLDEN, _PLACE_INVERSE)]
        for step in steps:
            step[0] = 1
            np.multiply.accumulate(step, out=step)
    return steps[0], steps[1]
