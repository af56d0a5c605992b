"""Counts words of scripts without spaces, by their characters.

Rules on words, or on five words in a row, need a unit in every script. UAX #29 leaves these scripts
to dictionaries; counting needs none. Characters per English word were measured on translations: the
sentences of licet/consent/languages have 1.5 ideographs to an English word in Chinese, 0.58 with
1.77 kana in Japanese, 2.4 syllables in Korean (`tests/curate/test_fair.py` repeats it). For Thai,
Lao, Khmer and Burmese, without translations, four characters are assumed, about a Thai word.

Korean has spaces, so its words are counted by them; its syllables count as words only for the
hashes of words.py. Amounts of text are measured not in words, which say more in Finnish, Korean or
Hebrew, but in average English words of 4.7 letters, or equivalent characters of another script
(``saying``).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import re2  # type: ignore[import-untyped]  # google-re2 ships neither stubs nor py.typed
from numpy.typing import NDArray

from licet.curate.characters import NAMED
from licet.curate.words import SHINGLE_WORDS

HAN, KANA, HANGUL, SOUTH_EAST, ABJAD = 1, 2, 3, 4, 5
CHARACTERS_A_WORD = {HAN: 1.5, KANA: 2.9, HANGUL: 2.4, SOUTH_EAST: 4.0, ABJAD: 3.6}
LETTERS_A_WORD = 4.7  # of English, with the marks that stand at a word
_RANGES = (
    (ABJAD, 0x0590, 0x07BF),
    (ABJAD, 0xFB1D, 0xFDFF),
    (ABJAD, 0xFE70, 0xFEFC),
    (SOUTH_EAST, 0x0E01, 0x0EFF),
    (SOUTH_EAST, 0x1000, 0x109F),
    (SOUTH_EAST, 0x1780, 0x17D3),
    (KANA, 0x3041, 0x30FF),
    (HAN, 0x3400, 0x4DBF),
    (HAN, 0x4E00, 0x9FFF),
    (HANGUL, 0xAC00, 0xD7A3),
    (HAN, 0xF900, 0xFAFF),
    (HAN, 0x20000, NAMED - 1),
)
_BELOW = (
    bytes(range(0xD6)) + b"\xe2"
)  # bytes of UTF-8 that occur in none of these characters: lower ones, and punctuation
_WRITTEN_TOGETHER = re2.compile(r"([\x{e01}-\x{eff}\x{1000}-\x{109f}\x{1780}-\x{17d3}])")


def _scripts() -> NDArray[np.uint8]:
    table = np.zeros(NAMED, np.uint8)
    for script, first, last in _RANGES:
        table[first : last + 1] = script
    return table


SCRIPT = _scripts()


class Unspaced(msgspec.Struct, frozen=True):
    """Figures of a text in such scripts: ``words`` not separated by blanks; the length of a
    five-word ``shingle`` in units of words.py; ``together``: it has letters that words.py does not
    separate; ``saying``: its words in excess of those that as many English letters make.
    """

    words: float = 0.0
    shingle: int = SHINGLE_WORDS
    together: bool = False
    saying: float = 0.0

    def apart(self, text: str) -> str:
        """The text with blanks between letters that words.py would take for one word."""
        return _WRITTEN_TOGETHER.sub(r"\1 ", text) if self.together else text


def estimate(text: str) -> Unspaced | None:
    """The figures of ``text``; None if it has no such characters."""
    if not text.encode("utf-8", "replace").translate(None, _BELOW):
        return None
    codes = np.frombuffer(text.encode("utf-32-le", "replace"), np.uint32)
    counts = np.bincount(SCRIPT[np.where(codes < len(SCRIPT), codes, 0)], minlength=6).tolist()
    return estimate_from_counts(counts, len(codes), text.count(" "))


def estimate_from_counts(found: Sequence[int], characters: int, blanks: int) -> Unspaced | None:
    """`estimate` from character counts by script, the total, and blanks."""
    if not any(found[1:]):
        return None
    words_by_script = {script: found[script] / rate for script, rate in CHARACTERS_A_WORD.items()}
    words = words_by_script[HAN] + words_by_script[KANA] + words_by_script[SOUTH_EAST]
    parted = sum(found[1:ABJAD])
    mostly = parted and 2 * parted > characters - blanks
    shingle = (
        round(SHINGLE_WORDS * parted / (words + words_by_script[HANGUL]))
        if mostly
        else SHINGLE_WORDS
    )
    saying = sum(words_by_script.values()) - sum(found[1:]) / LETTERS_A_WORD
    return Unspaced(words, shingle, together=found[SOUTH_EAST] > 0, saying=saying)
