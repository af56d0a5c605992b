"""Counts replacements of de-identification by kind and place: in prose, in code, within a word."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from licet.curate.code_strings import CodePlaces
from licet.curate.deidentify import Substitution
from licet.curate.labels import code_line
from licet.release.changed_words import (
    NAMES,
    SAMPLE_CHARS,
    SAMPLES_MAX,
    ChangedPlace,
    ChangedWords,
    ChangePlace,
)

# A name before its mail address, as in commits: a name even in program output.
_WITH_ADDRESS = re.compile(r" ?<[^<>@\s]{1,64}@[^<>\s]{1,255}>")
CHARACTERS_A_WORD = 8  # at least, in scripts without spaces


def changed_words(
    texts: Sequence[str], substitutions: Sequence[Sequence[Substitution]]
) -> ChangedWords:
    """Counts the words of a conversation, and those replaced by `deidentify.substitutions`."""
    made, counts = count_changes(texts, substitutions), word_counts([texts])[0].tolist()
    words = dict(zip((ChangePlace.prose, ChangePlace.code), counts, strict=True))
    return msgspec.structs.replace(made, words=words)


def word_counts(documents: Sequence[Sequence[str]]) -> NDArray[np.int64]:
    """The words of each document in prose and in code, a row each."""
    counts = np.zeros((len(documents), 2), np.int64)
    for texts, own in zip(documents, counts, strict=True):
        for text in texts:
            code = _code_words(text)
            own += max(_words(text) - code, 0), code
    return counts


def count_changes(
    texts: Sequence[str], substitutions: Sequence[Sequence[Substitution]]
) -> ChangedWords:
    """Counts the replaced words of a conversation."""
    changed, samples = Counter[tuple[str, ChangePlace]](), list[ChangedPlace]()
    for text, own in zip(texts, substitutions, strict=True):
        places = CodePlaces(text) if own else None
        for substitution in own:
            kind, place = substitution.span.kind.value, find_place(text, substitution, places)
            changed[kind, place] += _words(text[substitution.span.start : substitution.span.end])
            if len(samples) < SAMPLES_MAX and kind in NAMES:
                samples.append(ChangedPlace(kind, place, *_around(text, substitution)))
    return ChangedWords({}, dict(changed), tuple(samples))


def find_place(text: str, each: Substitution, places: CodePlaces | None = None) -> ChangePlace:
    """The place of a replacement; ``places`` of the text may be given to reuse them."""
    start, end = each.span.start, each.span.end
    value = text[start:end]
    if _joins(text[start - 1 : start], value[:1]) or _joins(value[-1:], text[end : end + 1]):
        return ChangePlace.within
    if each.span.kind.value in NAMES and not any(map(str.isalpha, value)):
        return ChangePlace.digits
    if _WITH_ADDRESS.match(text, end):
        return ChangePlace.prose
    return ChangePlace.code if (places or CodePlaces(text)).holds(start) else ChangePlace.prose


def _joins(before: str, after: str) -> bool:
    """Whether two characters belong to one word; always in scripts without spaces."""
    both = before + after
    return (
        len(both) == 2 and all(one.isalnum() or one == "_" for one in both) and max(both) < "\u0e00"
    )


def _words(text: str) -> int:
    return max(len(text.split()), len(text) // CHARACTERS_A_WORD // 2, 1 if text else 0)


def _code_words(text: str) -> int:
    """The words in fences and lines of code."""
    if "\n" not in text and "`" not in text and not code_line(text):
        return 0
    count, fenced = 0, False
    for line in text.split("\n"):
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        elif fenced or code_line(line):
            count += len(line.split())
    return count


def _around(text: str, each: Substitution) -> tuple[str, str]:
    first, last = max(0, each.span.start - SAMPLE_CHARS), each.span.end + SAMPLE_CHARS
    before, after = text[first : each.span.start], text[each.span.end : last]
    return before + text[each.span.start : each.span.end] + after, before + each.instead + after
