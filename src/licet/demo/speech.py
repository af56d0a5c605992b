"""What people of the town write: sentences composed by a small grammar, in nine languages."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from random import Random
from typing import Any

import msgspec
import yaml

LANGUAGES = ("en", "de", "fr", "es", "pt", "ja", "zh", "ar", "hi")
REPEATED_EACH = {"en": 3}  # common questions by language; one in any other
TITLE_CHARACTERS_MAX = 60
_HOSTS = ("example.com", "example.org", "example.net", "mail.example", "post.example")
_PHONES = {
    "en": ("+1 202-555-01{two}", "020 7946 0{three}", "+44 7700 900{three}"),
    "de": ("+49 30 23125 {three}", "030 23125 {three}"),
    "fr": ("+33 1 99 00 {two} {two}", "01 99 00 {two} {two}"),
}
_IBANS = {
    "en": "GB29 NWBK 6016 1331 9268 19", "de": "DE89 3704 0044 0532 0130 00", "fr": "FR14 2004 1010 0505 0001 3M02 606",
    "es": "ES91 2100 0418 4502 0005 1332", "pt": "PT50 0002 0123 1234 5678 9015 4", "ar": "SA03 8000 0000 6080 1016 7519",
}  # fmt: skip
# of payment providers' test pages
_CARDS = ("4111 1111 1111 1111", "5555 5555 5555 4444", "3782 822463 10005")
_DAYS = (*range(4, 21), *range(24, 29))  # ending in "th" in English


class SpokenTopic(msgspec.Struct, frozen=True):
    """A topic: its subjects, questions about them, and sentences for an answer."""

    slots: Mapping[str, Sequence[str]]
    ask: Sequence[str]
    answer: Sequence[str]


class SpokenLanguage(msgspec.Struct, frozen=True, kw_only=True):
    """A language's sentences, by use; talk/en.yaml describes each."""

    name: str
    share: int
    between: str
    people: Mapping[str, Sequence[str]]
    lead: Sequence[str]
    style: Sequence[str]
    follow: Sequence[str]
    opener: Sequence[str]
    general: Sequence[str]
    personal: Sequence[str]
    scam: Sequence[str]
    refusal: Sequence[str]
    comment: Sequence[str]
    thanks: str
    topics: Mapping[str, SpokenTopic]


@cache
def language(name: str) -> SpokenLanguage:
    text = files("licet.demo").joinpath(f"talk/{name}.yaml").read_text("utf-8")
    read = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 both are safe
    topics = {
        topic: SpokenTopic(
            _lists(topic_text["slots"]),
            topic_text["ask"].splitlines(),
            topic_text["answer"].splitlines(),
        )
        for topic, topic_text in read.pop("topics").items()
    }
    share = int(read.pop("share"))
    people = _lists(read.pop("people"))
    thanks = str(read.pop("thanks"))
    between = str(read.pop("between", " "))
    lines: dict[str, Any] = {key: value.splitlines() for key, value in read.items()}
    return SpokenLanguage(
        name=name,
        share=share,
        between=between,
        people=people,
        thanks=thanks,
        topics=topics,
        **lines,
    )


def _lists(lines: Mapping[str, str]) -> dict[str, list[str]]:
    return {key: value.split(", ") for key, value in lines.items()}


def draw_language(random: Random) -> str:
    """A random language, weighted by its number of speakers."""
    return random.choices(LANGUAGES, [language(name).share for name in LANGUAGES])[0]


class _Slots(dict[str, str]):
    """Values for a sentence's slots: the chat's subjects, and figures and identifiers drawn at
    first use.
    """

    def __init__(
        self, random: Random, language: SpokenLanguage, subjects: Mapping[str, str]
    ) -> None:
        super().__init__(subjects)
        self._random, self._of = random, language

    def __missing__(self, slot: str) -> str:
        draw = self._random.randrange
        match slot:
            case "n":
                return str(draw(2, 10))
            case "nn":
                return str(draw(11, 60))
            case "hundreds":
                return str(draw(12, 190) * 10)
            case "pct":
                return str(draw(3, 46))
            case "hour":
                return f"{draw(6, 22)}:{draw(0, 12) * 5:02d}"
            case "day":
                return str(self._random.choice(_DAYS))
            case "year":
                return str(draw(1998, 2025))
            case "year2":
                return str(draw(2026, 2032))
            case "house":
                return str(draw(1, 190))
            case "two":
                return f"{draw(10, 100)}"
            case "three":
                return f"{draw(100, 1000)}"
            case _:
                return self._identifier(slot)

    def _identifier(self, slot: str) -> str:
        random, people, name = self._random, self._of.people, self._of.name
        match slot:
            case "name":
                first, last = random.choice(people["first"]), random.choice(people["last"])
                return f"{first}{self._of.between}{last}" if self._of.between else f"{last}{first}"
            case "email":
                return f"{self._mailbox()}@{random.choice(_HOSTS)}"
            case "phone":
                return random.choice(_PHONES.get(name, _PHONES["en"])).format_map(self)
            case "iban":
                return _IBANS[name]
            case "card":
                return random.choice(_CARDS)
            case _ if slot.endswith("_start"):
                subject = self[slot.removesuffix("_start")]
                return subject[:1].upper() + subject[1:]
            case _:
                return random.choice(people[slot])

    def _mailbox(self) -> str:
        random, people = self._random, self._of.people
        if "mail" in people:
            return random.choice(people["mail"])
        return f"{_plain(random.choice(people['first']))}.{_plain(random.choice(people['last']))}"


def _plain(name: str) -> str:
    """A name as in e-mail addresses: letters a to z."""
    apart = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in apart if letter.isascii() and letter.isalpha())


class Talk:
    """One person's chat: its topic, and its next question or answer."""

    def __init__(self, random: Random, name: str) -> None:
        self.spoken = language(name)
        self.name, self.topic = random.choice(list(self.spoken.topics.items()))
        self.things = {slot: random.choice(values) for slot, values in self.topic.slots.items()}
        for slot, thing in self.things.items():
            if "{" in thing:
                self.things[slot] = thing.format_map(_Slots(random, self.spoken, {}))

    def _fill(self, random: Random, sentences: Sequence[str]) -> str:
        slots = _Slots(random, self.spoken, self.things)
        return self.spoken.between.join([sentence.format_map(slots) for sentence in sentences])

    def ask(self, random: Random) -> str:
        """The question that begins a chat, sometimes with a situation, a style request, or an
        identifier.
        """
        spoken = self.spoken
        parts = [
            *([random.choice(spoken.lead)] if random.random() < 0.5 else []),
            random.choice(self.topic.ask),
            *([random.choice(spoken.style)] if random.random() < 0.4 else []),
            *([random.choice(spoken.personal)] if random.random() < 0.15 else []),
        ]
        return self._fill(random, parts)

    def follow(self, random: Random) -> str:
        """Writes the person's next message; sometimes another question about the same subject."""
        spoken = self.spoken
        parts = [random.choice(spoken.follow if random.random() < 0.7 else self.topic.ask)]
        if random.random() < 0.15:
            parts.append(random.choice(spoken.personal))
        return self._fill(random, parts)

    def answer(self, random: Random) -> str:
        """Writes an answer: some of the topic's sentences, as a paragraph or list."""
        spoken = self.spoken
        own = random.sample(self.topic.answer, random.randrange(3, 6))
        begin = [random.choice(spoken.opener)] if random.random() < 0.5 else []
        end = random.sample(spoken.general, random.randrange(1, 3))
        shape = random.random()
        if shape < 0.55:
            return self._fill(random, [*begin, *own, *end])
        is_numbered = shape < 0.8
        items = [f"{n}. {point}" if is_numbered else f"- {point}" for n, point in enumerate(own, 1)]
        items = [self._fill(random, [point]) for point in items]
        return "\n".join(
            [*([self._fill(random, begin)] if begin else []), *items, self._fill(random, end)]
        )


def common_exchange(random: Random, name: str) -> tuple[str, str]:
    """Returns a common question and its answer, always the same except for a word of thanks."""
    spoken = language(name)
    number = random.randrange(REPEATED_EACH.get(name, 1))
    fixed = Random(f"{name} {number}")  # noqa: S311 the same in every town
    talk = Talk(fixed, name)
    question = talk._fill(fixed, [fixed.choice(spoken.lead), fixed.choice(talk.topic.ask)])
    answer = talk._fill(fixed, [*fixed.sample(talk.topic.answer, 8), *spoken.general[:3]])
    return (
        question if random.random() < 0.5 else f"{question}{spoken.between}{spoken.thanks}"
    ), answer


def scam(random: Random, name: str) -> tuple[str, str]:
    """Returns a scammer's request, sent verbatim by others too, and the assistant's refusal."""
    spoken = language(name)
    number = random.randrange(len(spoken.scam))
    fixed = Random(f"{name} scam {number}")  # noqa: S311 the same in every town
    talk = Talk(fixed, name)
    return talk._fill(fixed, [spoken.scam[number]]), talk._fill(
        fixed, [spoken.refusal[number % len(spoken.refusal)]]
    )


def title(words: str) -> str:
    """A chat's title: the first words of its first message."""
    first = words.split("\n", 1)[0]
    if len(first) <= TITLE_CHARACTERS_MAX:
        return first
    cut = first[:TITLE_CHARACTERS_MAX]
    return (cut.rsplit(" ", 1)[0] if " " in cut[20:] else cut).rstrip(" ,.;:、，。") + "…"
