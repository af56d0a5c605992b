"""The catalogue: every sentence that Licet itself says to a person, by key, one file a language.

English is whole; a language that lacks a key says it in English, so that a half-translated page still tells all.
`say` fails on an unknown key or a missing value: a page never shows a raw key or an empty place.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from functools import cache
from importlib.resources import files

import msgspec

from licet.errors import BrokenError
from licet.policy import purposes
from licet.policy.file import Policy, Question
from licet.policy.period import Period

ENGLISH = "en"
QUESTIONS = frozenset({"training", "models", "safety"})  # that there are words for


class Catalogue(msgspec.Struct, frozen=True):
    """The sentences of one language."""

    language: str
    sentences: dict[str, str]

    def say(self, key: str, **values: object) -> str:
        """The sentence ``key`` with ``values`` in its places."""
        sentence = self.sentences.get(key)
        if sentence is None:
            raise BrokenError(f"the catalogue `{self.language}` has no sentence `{key}`")
        try:
            return sentence.format_map(values)
        except KeyError as error:
            raise BrokenError(f"the sentence `{key}` needs a value for {error}") from None

    def count(self, key: str, number: int, **values: object) -> str:
        """The sentence for one or for several, as ``key.one`` or ``key.other``."""
        form = "one" if number == 1 else "other"
        return self.say(f"{key}.{form}", count=f"{number:,}", **values)

    def purpose(self, name: str) -> str:
        """What a purpose is, as the end of "to ..": for one that there are no words for, a sentence with its name."""
        return self.say(purposes.sentence(name), name=name.replace("_", " "))

    def question(self, name: str) -> str:
        """What a question is called: for one that there are no words for, a sentence with its name."""
        return self.say(f"question.{name}" if name in QUESTIONS else "question.other", name=name.replace("_", " "))

    def asked(self, question: Question) -> dict[str, str]:
        """A question and its two answers, for a notice that has no words of its own: its purposes, named each."""
        purposes = self.listed([self.purpose(name) for name in sorted(question.covers)])
        name = question.question if question.question in QUESTIONS else "other"
        return {key: self.say(f"asked.{name}.{key}", purposes=purposes) for key in ("question", "yes", "no")}

    def gist(self, name: str, policy: Policy) -> str:
        """One of a notice's four lines, for a notice that has no words of its own, with the policy's values in it."""
        several = len(policy.asks) > 1
        purposes = self.listed([self.purpose(one) for one in sorted(policy.covers)])
        key = f"gist.{name}.{policy.reach.value}" if name == "what" else f"gist.{name}"
        return self.say(
            f"{key}.several" if several and name in ("what", "how_long") else key, purposes=purposes,
            opted_in=self.period(policy.keep.opted_in), opted_out=self.period(policy.keep.opted_out),
        )  # fmt: skip

    def listed(self, names: Iterable[str], joined: str = "and") -> str:
        """Several as one: `a, b and c`, or with ``joined`` as `or`."""
        *firsts, last = names
        return self.say(joined, one=", ".join(firsts), other=last) if firsts else last

    def day(self, at: date | datetime) -> str:
        """A day in words: 28 September 2025."""
        return self.say("day", day=at.day, month=self.say(f"month.{at.month}"), year=at.year)

    def moment(self, at: datetime) -> str:
        """A day and the time of it, UTC."""
        return self.say("moment", day=self.day(at), time=f"{at:%H:%M}")

    def period(self, period: Period) -> str:
        """A period in words: 5 years."""
        return self.count(f"period.{period.unit.value}", period.count)


@cache
def languages() -> tuple[str, ...]:
    """The languages there is a catalogue for, English first."""
    found = sorted(f.name.removesuffix(".json") for f in (files("licet.consent") / "languages").iterdir())
    return (ENGLISH, *(name for name in found if name != ENGLISH))


@cache
def catalogue(language: str = ENGLISH) -> Catalogue:
    """The catalogue of ``language``, its gaps filled from English; English for a language there is none for."""
    english = _read(ENGLISH)
    if language not in languages():
        return Catalogue(ENGLISH, english)
    return Catalogue(language, english | _read(language))


def _read(language: str) -> dict[str, str]:
    text = (files("licet.consent") / "languages" / f"{language}.json").read_bytes()
    return msgspec.json.decode(text, type=dict[str, str])


def preferred(header: str) -> str:
    """The first language of an ``Accept-Language`` header that there is a catalogue for; English otherwise."""
    ranked = []
    for place, part in enumerate(header.split(",")[:ACCEPTED_MAX]):
        name, _, weight = part.strip().partition(";q=")
        try:
            ranked.append((-float(weight or 1), place, name.strip().lower().partition("-")[0]))
        except ValueError:
            continue
    return next((name for _, _, name in sorted(ranked) if name in languages()), ENGLISH)


ACCEPTED_MAX = 20
