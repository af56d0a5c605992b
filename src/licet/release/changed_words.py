"""Counts the words that de-identification replaced in a build, by kind, language and place.

Beyond usual shares, measured on texts of people (docs/curate.md), a build stops. Counts hold no
content. Samples do: they stay in the memory of the building process, and no draft, log or manifest
holds one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

import msgspec

SAMPLES_MAX = 20
SAMPLE_CHARS = 40  # on each side of a replacement
WORDS_MIN = 2_000  # of a language and a place, to judge a share
NAMES = frozenset({"person", "address", "place", "organisation"})


class ChangePlace(StrEnum):
    """The place of a replacement."""

    prose = "prose"
    code = "code"  # in fences, in backticks, in lines or texts of code
    digits = "digits"  # a name that holds no letter
    within = "within"  # a part of a word, a number or an identifier


# The largest usual share of replaced words, for names and for each other kind. A name within a word
# or without a letter is never usual: by chance, at most one in ten thousand words is one.
SHARES_MAX = {
    True: {
        ChangePlace.prose: 0.03,
        ChangePlace.code: 0.005,
        ChangePlace.digits: 0.0001,
        ChangePlace.within: 0.0001,
    },
    False: {
        ChangePlace.prose: 0.05,
        ChangePlace.code: 0.05,
        ChangePlace.digits: 1.0,
        ChangePlace.within: 1.0,
    },
}


class ChangedPlace(msgspec.Struct, frozen=True):
    """A replacement before and after, with a few words around it."""

    kind: str
    place: ChangePlace
    before: str
    after: str
    language: str = "und"  # of its conversation

    def __repr__(self) -> str:
        return f"ChangedPlace(sealed, {self.kind}, {self.place.value})"


class ChangedWords(msgspec.Struct, frozen=True):
    """A conversation's ``words`` in prose and code, and those ``changed`` by kind and place."""

    words: Mapping[ChangePlace, int] = {}
    changed: Mapping[tuple[str, ChangePlace], int] = {}
    samples: tuple[ChangedPlace, ...] = ()


class ChangedShare(msgspec.Struct, frozen=True):
    """``changed`` of the ``words`` of a language and a place."""

    kind: str
    language: str
    place: ChangePlace
    changed: int
    words: int

    def __str__(self) -> str:
        share = 100 * self.changed / max(self.words, 1)
        return (
            f"{self.kind} in {self.place.value} of `{self.language}`: {share:.2f} % of "
            f"{self.words:,} words"
        )


def by_language(conversations: Iterable[tuple[str, ChangedWords]]) -> Mapping[str, int]:
    """Sums conversations with their language: words by `language place`, changed ones by `language
    place kind`.
    """
    counts = Counter[str]()
    for language, own in conversations:
        for place, words in own.words.items():
            counts[f"{language} {place.value}"] += words
        for (kind, place), changed in own.changed.items():
            counts[f"{language} {place.value} {kind}"] += changed
    return counts


def choose_samples(conversations: Iterable[tuple[str, ChangedWords]]) -> tuple[ChangedPlace, ...]:
    """At most ``SAMPLES_MAX`` places of conversations by language, never usual ones first."""
    every = [
        msgspec.structs.replace(sample, language=language)
        for language, own in conversations
        for sample in own.samples
    ]
    rank = [ChangePlace.within, ChangePlace.digits, ChangePlace.code, ChangePlace.prose]
    return tuple(sorted(every, key=lambda one: rank.index(one.place))[:SAMPLES_MAX])


def list_shares(counts: Mapping[str, int]) -> list[ChangedShare]:
    """All shares, usual or not, by language, place and kind."""
    out = []
    for key, changed in sorted(counts.items()):
        if key.count(" ") != 2:
            continue
        language, place_kind, kind = key.split(" ")
        place = ChangePlace(place_kind)
        beside = (
            [place]
            if place in (ChangePlace.prose, ChangePlace.code)
            else [ChangePlace.prose, ChangePlace.code]
        )
        words = sum(counts.get(f"{language} {one.value}", 0) for one in beside)
        out.append(ChangedShare(kind, language, place, changed, words))
    return out


def find_unusual(counts: Mapping[str, int]) -> list[ChangedShare]:
    """The shares beyond their bounds, of each language and of all together."""
    every = Counter(counts)
    for key, count in counts.items():
        every["all " + key.partition(" ")[2]] += count
    return [
        one
        for one in list_shares(every)
        if one.words >= WORDS_MIN
        and one.changed > SHARES_MAX[one.kind in NAMES][one.place] * one.words
    ]


def describe_unusual(shares: Sequence[ChangedShare], samples: Sequence[ChangedPlace]) -> str:
    return "\n".join(
        [*(f"  {one}" for one in shares), *(f"  {describe_place(one)}" for one in samples)]
    )


def describe_place(place: ChangedPlace) -> str:
    where = f"{place.kind}, {place.place.value} of `{place.language}`"
    return f"{where}:  {place.before!r}  ->  {place.after!r}"
