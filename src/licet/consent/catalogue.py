"""The catalogue: every sentence that Licet itself says to a person, by key, one file a language.

English is whole. A language says a sentence of its own where it has one that was made from the
English sentence of
today: ``of`` has the stamp of the one that it translates. A sentence that is missing, or whose
English has changed since, is said in English, so that a half-translated page still tells all and
promises nothing of yesterday; where it is ``marked``, a page sets it off with its language.

`say` fails on an unknown key or a missing value: a page never shows a raw key or an empty place.
What differs from language to language by rule (plurals, dates, periods, lists) comes from CLDR; a
language whose data there are poor writes ``unit.UNIT.CATEGORY``, ``list.and`` or ``list.or`` of its
own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from functools import cache, cached_property, lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TypeVar

import msgspec

from licet.consent import cldr, language_tags
from licet.consent.cldr import Joined
from licet.consent.language_tags import ENGLISH
from licet.errors import BrokenError, InputError
from licet.policy import purposes
from licet.policy.file import Policy, Question
from licet.policy.period import Period, Unit
from licet.policy.retention import Keep
from licet.undecodable import UNDECODABLE

T = TypeVar("T")
QUESTIONS = frozenset({"training", "models", "safety"})  # that there are words for
NAME = "language.name"
# around a sentence in another language: private use, never in a sentence
BORROWED, BORROWED_END = "\ue000", "\ue001"
OPTIONAL = re.compile(
    r"unit\.(?:year|month|week|day|hour|minute)\.(?P<category>[a-z]+)|list\.(?:and|or)"
)
_UNITS = {Unit.years: "year", Unit.months: "month", Unit.weeks: "week", Unit.days: "day"}
_LATIN = re.compile(r"[A-Za-z]")
# keeps a Latin value whole within a sentence from right to left
_ISOLATED, _ISOLATED_END = "\u2068", "\u2069"
_STAMP_CHARACTERS = 10


class Catalogue(msgspec.Struct, frozen=True):
    """The sentences of one language: its ``own``, and the English ones for the rest."""

    language: str
    own: dict[str, str]
    english: dict[str, str]
    marked: bool = False

    @property
    def sentences(self) -> dict[str, str]:
        return self.english | self.own

    @property
    def direction(self) -> str:
        return language_tags.direction(self.language)

    def say(self, key: str, **values: object) -> str:
        """The sentence ``key`` with ``values`` in its places."""
        sentence = self.own.get(key)
        said = self.english.get(key) if sentence is None else sentence
        if said is None:
            raise BrokenError(f"the catalogue `{self.language}` has no sentence `{key}`")
        try:
            text = said.format_map(self._isolated(values))
        except KeyError as error:
            raise BrokenError(f"the sentence `{key}` needs a value for {error}") from None
        return text if sentence is not None else self.quoted(text, ENGLISH)

    def quoted(self, text: str, language: str) -> str:
        """A text in ``language`` among these: English is set off among others where the catalogue
        is marked.
        """
        borrowed = self.marked and language == ENGLISH != self.language
        return f"{BORROWED}{text}{BORROWED_END}" if borrowed else text

    def count(self, key: str, number: int, **values: object) -> str:
        """The sentence for ``number``, as ``key.CATEGORY`` by the language's own rule for
        plurals.
        """
        for category in (cldr.plural(self.language, number), "other"):
            if f"{key}.{category}" in self.own:
                return self.say(
                    f"{key}.{category}", count=cldr.number(self.language, number), **values
                )
        english = cldr.plural(ENGLISH, number)
        return self.say(f"{key}.{english}", count=cldr.number(ENGLISH, number), **values)

    def purpose(self, name: str) -> str:
        """What a purpose is, as the end of "to ..": for one that there are no words for, a sentence
        with its name.
        """
        return self.say(purposes.sentence_key(name), name=name.replace("_", " "))

    def question(self, name: str) -> str:
        """What a question is called: for one that there are no words for, a sentence with its
        name.
        """
        return self.say(
            f"question.{name}" if name in QUESTIONS else "question.other",
            name=name.replace("_", " "),
        )

    def asked(self, question: Question) -> dict[str, str]:
        """A question and its two answers, for a notice that has no words of its own: its purposes,
        named each.
        """
        purposes = self.listed([self.purpose(name) for name in sorted(question.covers)])
        name = question.question if question.question in QUESTIONS else "other"
        return {
            key: self.say(f"asked.{name}.{key}", purposes=purposes)
            for key in ("question", "yes", "no")
        }

    def gist(self, name: str, policy: Policy) -> str:
        """One of a notice's four lines, for a notice that has no words of its own, with the
        policy's values in it.
        """
        several = len(policy.asks) > 1
        purposes = self.listed([self.purpose(one) for one in sorted(policy.covers)])
        key = f"gist.{name}.{policy.reach.value}" if name == "what" else f"gist.{name}"
        return self.say(
            f"{key}.several" if several and name in ("what", "how_long") else key,
            purposes=purposes,
            **self.periods(policy.keep),
        )

    def listed(self, names: Iterable[str], joined: Joined = "and") -> str:
        """Several as one: `a, b and c`, or with ``joined`` as `or`."""
        found = list(names)
        if len(found) > 1 and f"list.{joined}" in self.own:
            return self.say(f"list.{joined}", one=", ".join(found[:-1]), other=found[-1])
        return cldr.listed(self.language, found, joined)

    def language_name(self, tag: str) -> str:
        """What a language is called in this one: German."""
        return cldr.language_name(self.language, tag)

    def day(self, at: date | datetime) -> str:
        """A day in words: 28 September 2025."""
        return cldr.day(self.language, at)

    def moment(self, at: datetime) -> str:
        """A day and the time of it, UTC."""
        return cldr.moment(self.language, at)

    def period(self, period: Period) -> str:
        """A period in words: 5 years."""
        return self.units(period.count, _UNITS[period.unit])

    def periods(self, keep: Keep) -> dict[str, str]:
        """Each period of a version in words, by the name under which sentences and notices refer to
        it.
        """
        return {rule.name: self.period(period) for rule, period in keep.rows}

    def units(self, count: int, unit: str) -> str:
        """So many units of time in words: 15 minutes."""
        key = f"unit.{unit}.{cldr.plural(self.language, count)}"
        if key in self.own:
            return self.say(key, count=cldr.number(self.language, count))
        return cldr.period(self.language, count, unit)

    def _isolated(self, values: Mapping[str, object]) -> Mapping[str, object]:
        """The values, those with Latin letters set apart where the sentence runs from right to
        left.
        """
        if self.direction == "ltr":
            return values
        return {
            name: f"{_ISOLATED}{value}{_ISOLATED_END}"
            if isinstance(value, str) and _LATIN.search(value)
            else value
            for name, value in values.items()
        }


class CatalogueFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file of a language other than English. ``of`` has for each key the `stamp` of the English
    that it translates.
    """

    sentences: dict[str, str]
    of: dict[str, str] = {}


def stamp(text: str) -> str:
    """What tells one English text from the next one under the same key."""
    return hashlib.sha256(text.encode()).hexdigest()[:_STAMP_CHARACTERS]


def translated(key: str, english: Mapping[str, str]) -> str | None:
    """The English sentence that ``key`` translates: for a category that English has not, the one
    for several.
    """
    if key in english:
        return english[key]
    head, _, category = key.rpartition(".")
    counted = f"{head}.one" in english and category in cldr.CATEGORIES
    return english.get(f"{head}.other") if counted else None


@lru_cache(maxsize=1_000)
def _preferred(header: str, names: tuple[str, ...]) -> str:
    return language_tags.lookup(language_tags.ranked(header), names)


class Languages:
    """The catalogues of some folders; a later folder's file stands in the place of an earlier
    one's.
    """

    def __init__(self, *folders: Traversable) -> None:
        self._english = _decoded(_SHIPPED / f"{ENGLISH}.json", dict[str, str])
        self._files = {
            one.name.removesuffix(".json"): one
            for folder in folders
            for one in folder.iterdir()
            if one.name.endswith(".json")
        }
        self.names = (ENGLISH, *sorted(name for name in self._files if name != ENGLISH))
        self._found: dict[str, Catalogue] = {}

    @property
    def english(self) -> Mapping[str, str]:
        return self._english

    def catalogue(self, language: str, *, marked: bool = False) -> Catalogue:
        """The catalogue of ``language``, its gaps filled from English; English for a language there
        is none for.

        ``marked`` is for pages alone, which set off what is said in another language:
        `Catalogue.quoted`.
        """
        if language not in self.names:
            language = ENGLISH
        if language not in self._found:
            self._found[language] = Catalogue(language, self._own(language), self._english)
        found = self._found[language]
        return msgspec.structs.replace(found, marked=True) if marked else found

    def file(self, language: str) -> CatalogueFile:
        """What the file of a language says; InputError where it is none."""
        return _decoded(self._files[language], CatalogueFile)

    def preferred(self, header: str) -> str:
        """The first language of an ``Accept-Language`` header that there is a catalogue for;
        English otherwise.
        """
        return _preferred(header, self.names)

    @cached_property
    def named(self) -> tuple[tuple[str, str], ...]:
        """Each language with its own name, in the order of the names."""
        named = [(name, self.catalogue(name).own.get(NAME, name)) for name in self.names]
        return tuple(sorted(named, key=lambda one: one[1].casefold()))

    def _own(self, language: str) -> dict[str, str]:
        if language == ENGLISH:
            return self._english
        found = self.file(language)
        return {
            key: sentence
            for key, sentence in found.sentences.items()
            if OPTIONAL.fullmatch(key)
            or found.of.get(key) == stamp(translated(key, self._english) or "")
        }


_SHIPPED = files("licet.consent") / "languages"


def _decoded(file: Traversable, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except UNDECODABLE as error:
        raise InputError(
            f"`{file.name}` is no catalogue: {error}", "docs/languages.md shows one"
        ) from None


@cache
def known(folder: Path | None = None) -> Languages:
    """The languages that ship, and those of a folder of the operator's."""
    found = Languages(_SHIPPED, *([folder] if folder is not None else []))
    if folder is not None:
        # reads them all: a file that is no catalogue stops the program, not a person's page
        _ = found.named
    return found


def languages() -> tuple[str, ...]:
    """The languages that ship, English first."""
    return known().names


def catalogue(language: str = ENGLISH) -> Catalogue:
    """The catalogue of a language that ships; see `Languages.catalogue`."""
    return known().catalogue(language)
