"""What de-identification changed in a build: words by kind, language and place, and whether that is
usual.

Invariants: counts hold no content. Samples do; they stay in the memory of the process that builds,
and no draft, log or manifest holds one. What is usual was measured on texts of people
(docs/curate.md); beyond a bound a build stops.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

import msgspec

SAMPLES_MAX = 20
SAMPLE_CHARS = 40  # on each side of what was replaced
WORDS_MIN = 2_000  # of a language and a place, below which no share is judged
NAMES = frozenset({"person", "address", "place", "organisation"})


class ChangePlace(StrEnum):
    """Where something was replaced."""

    prose = "prose"
    code = "code"  # in fences, in backticks, in lines or texts of code
    digits = "digits"  # a name that holds no letter
    within = "within"  # a part of a word, a number or an identifier


# The largest usual share of words that are replaced by kinds of names, and by each other kind. A
# name within a word, or one without a letter, is never usual: one in ten thousand words is the most
# that chance does.
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
    """A place as it was said and as it leaves, with a few words around it."""

    kind: str
    place: ChangePlace
    before: str
    after: str
    language: str = "und"  # of its conversation

    def __repr__(self) -> str:
        return f"ChangedPlace(sealed, {self.kind}, {self.place.value})"


class ChangedWords(msgspec.Struct, frozen=True):
    """Of one conversation: ``words`` of prose and of code, and those ``changed`` by kind and
    place.
    """

    words: Mapping[ChangePlace, int] = {}
    changed: Mapping[tuple[str, ChangePlace], int] = {}
    samples: tuple[ChangedPlace, ...] = ()


class ChangedShare(msgspec.Struct, frozen=True):
    """A share of words: ``changed`` of ``words`` of a language and a place."""

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
    """The counts of conversations, each with its language: `language place` has words, `language
    place kind` changed ones.
    """
    counts = Counter[str]()
    for language, own in conversations:
        for place, words in own.words.items():
            counts[f"{language} {place.value}"] += words
        for (kind, place), changed in own.changed.items():
            counts[f"{language} {place.value} {kind}"] += changed
    return counts


def sampled(conversations: Iterable[tuple[str, ChangedWords]]) -> tuple[ChangedPlace, ...]:
    """At most ``SAMPLES_MAX`` places of conversations, each with its language, those that are never
    usual first.
    """
    every = [
        msgspec.structs.replace(sample, language=language)
        for language, own in conversations
        for sample in own.samples
    ]
    rank = [ChangePlace.within, ChangePlace.digits, ChangePlace.code, ChangePlace.prose]
    return tuple(sorted(every, key=lambda one: rank.index(one.place))[:SAMPLES_MAX])


def shares(counts: Mapping[str, int]) -> list[ChangedShare]:
    """Each share that was counted, usual or not, by language, place and kind."""
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


def unusual(counts: Mapping[str, int]) -> list[ChangedShare]:
    """The shares beyond their bounds; each language by itself, and all together."""
    every = Counter(counts)
    for key, count in counts.items():
        every["all " + key.partition(" ")[2]] += count
    return [
        one
        for one in shares(every)
        if one.words >= WORDS_MIN
        and one.changed > SHARES_MAX[one.kind in NAMES][one.place] * one.words
    ]


def lines(found: Sequence[ChangedShare], samples: Sequence[ChangedPlace]) -> str:
    """The unusual shares and the places, for a person to read."""
    return "\n".join(
        [*(f"  {one}" for one in found), *(f"  {sample_line(one)}" for one in samples)]
    )


def sample_line(place: ChangedPlace) -> str:
    """A place, for a person to read."""
    where = f"{place.kind}, {place.place.value} of `{place.language}`"
    return f"{where}:  {place.before!r}  ->  {place.after!r}"
