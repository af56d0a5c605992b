"""How old a reader must be for an English text, by the grade level of Flesch and Kincaid (US Navy,
1975) and five years more.

    grade = 0.39 words / sentences + 11.8 syllables / words - 15.59

Syllables are counted by the vowels of a word: groups of them, without an `e` that is not spoken. It
errs by some tenths of a grade on a text of forty words, mostly upwards.
"""

from __future__ import annotations

import re

SCHOOL_BEGINS = 5
_WORD = re.compile(r"[a-z]+(?:[’'][a-z]+)?|\d+", re.I)
_VOWELS = re.compile(r"[aeiouy]+")
_UNSPOKEN = re.compile(r"(?:[^sxzhcg]es|[^td]ed|[aeiouy]le|(?<!l)e)$")


def syllables(word: str) -> int:
    """How many syllables a word has; a number counts as one word of one."""
    said = re.sub(r"[’']\w+$", "", word.lower())
    unspoken = len(said) > 2 and _UNSPOKEN.search(said) is not None
    return max(1, len(_VOWELS.findall(said)) - unspoken)


def grade(text: str) -> float:
    """The grade of US schools in which the text is understood."""
    words = _WORD.findall(text)
    sentences = len(re.findall(r"[.!?](?=\s|$)", text)) or 1
    return 0.39 * len(words) / sentences + 11.8 * sum(map(syllables, words)) / len(words) - 15.59


def reading_age(text: str) -> float:
    """The age in years at which the text is understood."""
    return grade(text) + SCHOOL_BEGINS
