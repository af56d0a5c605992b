"""Message catalogues: every sentence that Licet shows to people, by key, one file a language.

English is complete. A translation is used only if it was made from the current English sentence:
``of`` holds the stamp of the sentence that it translates. A missing or outdated translation falls
back to English, so that no page is incomplete or promises what an earlier text did; with
``marked``, the page marks up the language of a fallback.

`say` fails on an unknown key or a missing value, so no page shows a raw key or an empty
placeholder. Plurals, dates, periods and lists come from CLDR; a language with poor CLDR data has
its own ``unit.UNIT.CATEGORY``, ``list.and`` or ``list.or``.
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
_LATIN = re.compile(r"[A-Za-z]|\d-\d")
# keeps a Latin value whole within a sentence from right to left
_ISOLATED, _ISOLATED_END = "\u2068", "\u2069"
_STAMP_CHARACTERS = 10


class Catalogue(msgspec.Struct, frozen=True):
    """The sentences of one language: its ``own``, with English as the fallback."""

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
        """The sentence ``key`` with ``values`` in its placeholders."""
        sentence = self.own.get(key)
        template = self.english.get(key) if sentence is None else sentence
        if template is None:
            raise BrokenError(f"the catalogue `{self.language}` has no sentence `{key}`")
        try:
            text = template.format_map(self._isolated(values))
        except KeyError as error:
            raise BrokenError(f"the sentence `{key}` needs a value for {error}") from None
        return text if sentence is not None else self.mark_language(text, ENGLISH)

    def mark_language(self, text: str, language: str) -> str:
        """``text`` marked up as English if the catalogue is marked and of another language."""
        borrowed = self.marked and language == ENGLISH != self.language
        return f"{BORROWED}{text}{BORROWED_END}" if borrowed else text

    @staticmethod
    def join(*sentences: str) -> str:
        """The sentences that are not empty, a space between them: none after a full-width stop."""
        return " ".join(filter(None, sentences)).replace("。 ", "。")

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
        """A purpose as an infinitive clause ("to .."); a generic sentence with its name if the
        catalogue has none.
        """
        return self.say(purposes.sentence_key(name), name=name.replace("_", " "))

    def question(self, name: str) -> str:
        """The title of a question; a generic sentence with its name if the catalogue has none."""
        return self.say(
            f"question.{name}" if name in QUESTIONS else "question.other",
            name=name.replace("_", " "),
        )

    def question_words(self, question: Question) -> dict[str, str]:
        """The default words of a question and its two answers, naming each purpose, for a notice
        without words of its own.
        """
        purposes = self.join_names([self.purpose(name) for name in sorted(question.covers)])
        name = question.question if question.question in QUESTIONS else "other"
        return {
            key: self.say(f"asked.{name}.{key}", purposes=purposes)
            for key in ("question", "yes", "no")
        }

    def gist(self, name: str, policy: Policy) -> str:
        """The default text of one of a notice's four lines, with the policy's values."""
        several = len(policy.asks) > 1
        purposes = self.join_names([self.purpose(cover) for cover in sorted(policy.covers)])
        key = f"gist.{name}.{policy.reach.value}" if name == "what" else f"gist.{name}"
        return self.say(
            f"{key}.several" if several and name in ("what", "how_long") else key,
            purposes=purposes,
            **self.periods(policy.keep),
        )

    def join_names(self, names: Iterable[str], joined: Joined = "and") -> str:
        """The names as a list in words: `a, b and c`, or with ``joined`` as `or`."""
        listed = list(names)
        if len(listed) > 1 and f"list.{joined}" in self.own:
            return self.say(f"list.{joined}", one=", ".join(listed[:-1]), other=listed[-1])
        return cldr.join_names(self.language, listed, joined)

    def language_name(self, tag: str) -> str:
        """The name of a language in this one: German."""
        return cldr.language_name(self.language, tag)

    def day(self, moment: date | datetime) -> str:
        """A day in words: 28 September 2025."""
        return cldr.day(self.language, moment)

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
        """A number of units of time in words: 15 minutes."""
        key = f"unit.{unit}.{cldr.plural(self.language, count)}"
        if key in self.own:
            return self.say(key, count=cldr.number(self.language, count))
        return cldr.period(self.language, count, unit)

    def _isolated(self, values: Mapping[str, object]) -> Mapping[str, object]:
        """The values; in a right-to-left language those with Latin letters, and versions such as
        2025-08-28, are isolated (Unicode bidi).
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
    """A fingerprint of an English text, which changes when the text does."""
    return hashlib.sha256(text.encode()).hexdigest()[:_STAMP_CHARACTERS]


def english_source(key: str, english: Mapping[str, str]) -> str | None:
    """The English sentence that ``key`` translates; for a plural category that English lacks, the
    one for `other`.
    """
    if key in english:
        return english[key]
    head, _, category = key.rpartition(".")
    counted = f"{head}.one" in english and category in cldr.CATEGORIES
    return english.get(f"{head}.other") if counted else None


@lru_cache(maxsize=1_000)
def _preferred_language(header: str, names: tuple[str, ...]) -> str:
    return language_tags.lookup(language_tags.rank_tags(header), names)


class Languages:
    """The catalogues of some folders; a later folder overrides an earlier one."""

    def __init__(self, *folders: Traversable) -> None:
        self._english = _decode_file(_SHIPPED / f"{ENGLISH}.json", dict[str, str])
        self._files = {
            entry.name.removesuffix(".json"): entry
            for folder in folders
            for entry in folder.iterdir()
            if entry.name.endswith(".json")
        }
        self.names = (ENGLISH, *sorted(name for name in self._files if name != ENGLISH))
        self._found: dict[str, Catalogue] = {}

    @property
    def english(self) -> Mapping[str, str]:
        return self._english

    def catalogue(self, language: str, *, marked: bool = False) -> Catalogue:
        """The catalogue of ``language``, with English as fallback; English for an unknown language.

        ``marked`` is for HTML pages, which mark up the language of a fallback: `mark_language`.
        """
        if language not in self.names:
            language = ENGLISH
        if language not in self._found:
            self._found[language] = Catalogue(language, self._own(language), self._english)
        cached = self._found[language]
        return msgspec.structs.replace(cached, marked=True) if marked else cached

    def file(self, language: str) -> CatalogueFile:
        """The parsed file of a language; InputError if it is malformed."""
        return _decode_file(self._files[language], CatalogueFile)

    def preferred(self, header: str) -> str:
        """The first language of an ``Accept-Language`` header that there is a catalogue for;
        English otherwise.
        """
        return _preferred_language(header, self.names)

    @cached_property
    def own_names(self) -> tuple[tuple[str, str], ...]:
        """Each language with its own name, in the order of the names."""
        named = [(name, self.catalogue(name).own.get(NAME, name)) for name in self.names]
        return tuple(sorted(named, key=lambda one: one[1].casefold()))

    def _own(self, language: str) -> dict[str, str]:
        if language == ENGLISH:
            return self._english
        file = self.file(language)
        return {
            key: sentence
            for key, sentence in file.sentences.items()
            if OPTIONAL.fullmatch(key)
            or file.of.get(key) == stamp(english_source(key, self._english) or "")
        }


_SHIPPED = files("licet.consent") / "languages"


def _decode_file(file: Traversable, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except UNDECODABLE as error:
        raise InputError(
            f"`{file.name}` is no catalogue: {error}", "docs/languages.md shows one"
        ) from None


@cache
def load_languages(folder: Path | None = None) -> Languages:
    """The languages that ship, and those of the operator's ``folder``."""
    languages = Languages(_SHIPPED, *([folder] if folder is not None else []))
    if folder is not None:
        _ = (
            languages.own_names
        )  # decodes them all: a malformed file fails at start, not on a person's page
    return languages


def catalogue(language: str = ENGLISH) -> Catalogue:
    """The catalogue of a language that ships; see `Languages.catalogue`."""
    return load_languages().catalogue(language)
