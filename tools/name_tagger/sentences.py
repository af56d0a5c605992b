"""Labelled texts in many languages, from the sentences beside this module, which we wrote.

Promises: the same seed gives the same texts with the same version of Faker; what is measured shares no sentence, no seed
and, in ar, de, es, fr, it and nl, no locale of Faker with what is trained on. The English of ``templates.py`` comes on top.

A file holds one sentence a line, those to measure with below `== measure`. A slot is written {slot}, `{slot~}` where the
language puts another ending on a name there: Slavic names get one of the common ones, right or not.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from licet.curate.names_labelled import LabelledText
from licet.curate.rules import IdentifierKind
from tools.name_tagger import real_texts
from tools.name_tagger.templates import cased

FOLDER = Path(__file__).parent / "sentences"
# To train with, and to measure with.
LOCALES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "en": (("en_US", "en_GB", "en_AU", "en_CA", "en_IE", "en_NZ", "en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "pl_PL",
            "nl_NL", "sv_SE", "tr_TR", "pt_BR", "hu_HU", "da_DK", "fi_FI", "no_NO", "cs_CZ", "hr_HR", "ro_RO", "sl_SI"),
           ("en_IN",)),
    "de": (("de_DE", "de_CH"), ("de_AT",)), "fr": (("fr_FR", "fr_CA"), ("fr_CH",)),
    "es": (("es_ES", "es_MX"), ("es_AR",)), "it": (("it_IT",), ("it_CH",)), "pt": (("pt_BR", "pt_PT"), ("pt_PT",)),
    "nl": (("nl_NL",), ("nl_BE",)), "sv": (("sv_SE",), ("sv_SE",)), "pl": (("pl_PL",), ("pl_PL",)),
    "cs": (("cs_CZ",), ("cs_CZ",)), "ru": (("ru_RU",), ("ru_RU",)), "uk": (("uk_UA",), ("uk_UA",)),
    "tr": (("tr_TR",), ("tr_TR",)), "ja": (("ja_JP",), ("ja_JP",)), "zh": (("zh_CN", "zh_TW"), ("zh_CN",)),
    "ko": (("ko_KR",), ("ko_KR",)), "ar": (("ar_AA", "ar_SA"), ("ar_PS",)), "hi": (("hi_IN",), ("hi_IN",)),
}  # fmt: skip
LANGUAGES = tuple(LOCALES)
KINDS = {
    "person": IdentifierKind.PERSON, "given": IdentifierKind.PERSON, "family": IdentifierKind.PERSON,
    "address": IdentifierKind.ADDRESS, "street": IdentifierKind.ADDRESS,
    "city": IdentifierKind.PLACE, "country": IdentifierKind.PLACE, "company": IdentifierKind.ORGANISATION,
}  # fmt: skip
SMALL_LETTERS, CAPITALS, BESIDE = 0.12, 0.02, 0.5
_SLOT = re.compile(r"\{(\w+)(~?)\}")
_BRACES = re.compile(r"[{}]")
_WORD = re.compile(r"[^\W\d_]{2,}")
_PIECE = re.compile(r"[^、。，．：；？！,.\s]+.?")
_NOT_LATIN = ("ru", "uk", "ja", "zh", "ko", "ar", "hi")
_LOREM = {"voluptatem", "quia", "dolor", "sit", "amet"}  # what Faker says where it has no words
_ANYWHERE = ("person", "person", "given", "given", "family", "address", "street", "city")
_ANYWHERE_WHOLE = ("person", "person", "person", "address", "city")  # a family name alone is a common character
_JOINED_SCRIPTS = ("ja", "zh")  # what stands beside another stands there without a blank
# Faker has no streets for these; words of ours, as they are written there.
_STREETS = {
    "tr": (("Atatürk Cad.", "Cumhuriyet Caddesi", "İnönü Sokak", "Gül Sk.", "Lale Sokağı", "Bağdat Cad.", "Fatih Mah. Çınar Sok.",
            "Yeni Mahalle, Okul Cd.", "Barbaros Bulvarı", "Menekşe Sk.", "Zafer Caddesi", "Kültür Mah. 1453. Sokak"),
           ("Kadıköy, İstanbul", "Çankaya/Ankara", "Konak İzmir", "Nilüfer, Bursa", "Antalya", "Beşiktaş/İstanbul", "Adana")),
    "ar": (("شارع الملك فهد", "شارع التحرير", "شارع النيل", "حي النخيل، شارع الأمير سلطان", "طريق المطار", "شارع الجامعة",
            "شارع الحمراء", "حي السلام، شارع القدس", "شارع فلسطين", "شارع الاستقلال", "طريق الملك عبد العزيز"),
           ("الرياض", "القاهرة", "جدة", "عمان", "بيروت", "دمشق", "بغداد", "الدار البيضاء", "تونس", "دبي")),
    "hi": (("महात्मा गांधी मार्ग", "नेहरू नगर", "शास्त्री रोड", "लाजपत नगर", "स्टेशन रोड", "राजेंद्र नगर", "गली नंबर", "सिविल लाइंस"),
           ("दिल्ली", "जयपुर", "लखनऊ", "भोपाल", "पटना", "कानपुर", "इंदौर", "वाराणसी")),
}  # fmt: skip
_HELD_STREETS = {
    "tr": (("İstiklal Caddesi", "Mimar Sinan Sok.", "Papatya Sokak", "Gazi Mah. Okul Sk."),
           ("Üsküdar/İstanbul", "Konya", "Mersin")),
    "ar": (("شارع الثورة", "شارع الحرية", "حي الورود، شارع الأمل", "طريق الساحل"), ("الإسكندرية", "الكويت", "طرابلس")),
    "hi": (("सुभाष मार्ग", "गांधी नगर", "विकास रोड", "आजाद नगर"), ("मुंबई", "नागपुर", "आगरा")),
}  # fmt: skip
_TITLES = {
    "de": ("Herr", "Frau", "Dr.", "Prof. Dr."), "fr": ("M.", "Mme", "Dr", "Maître"), "es": ("Sr.", "Sra.", "Dr.", "Don"),
    "it": ("Sig.", "Sig.ra", "Dott.", "Prof."), "pt": ("Sr.", "Sra.", "Dr.", "Dona"), "nl": ("dhr.", "mevr.", "dr.", "meneer"),
    "pl": ("pan", "pani", "dr", "prof."), "cs": ("pan", "paní", "Dr.", "Ing."), "ru": ("доктор", "г-н", "профессор"),
}  # fmt: skip


@cache
def sentences(language: str, measuring: bool) -> tuple[str, ...]:
    """The sentences of a file, of one of its two parts."""
    first, _, second = (FOLDER / f"{language}.txt").read_text("utf-8").partition("== measure\n")
    return tuple(line.replace("\\n", "\n") for line in (second if measuring else first).splitlines() if line)


def sha256() -> str:
    """The hash of every sentence."""
    return hashlib.sha256(b"".join(file.read_bytes() for file in sorted(FOLDER.glob("*.txt")))).hexdigest()


class SentenceWriter:
    """Fills the sentences of a language; ``seed`` fixes everything."""

    def __init__(self, language: str, seed: int, *, measuring: bool = False, lines: Sequence[str] = ()) -> None:
        """``lines`` in the language, without names, to put names into."""
        from faker import Faker

        self._language, self._measuring = language, measuring
        self._random = random.Random(f"{language} {seed}")  # noqa: S311 -- texts to learn from, not keys
        self._sentences = sentences(language, measuring)
        self._fakers: list[Any] = [Faker(locale) for locale in LOCALES[language][measuring]]
        for number, faker in enumerate(self._fakers):
            faker.seed_instance(seed * 100 + number)
        plain = [one for one in self._sentences if not _SLOT.search(one)] if not measuring else []
        self._lines = [*lines, *real_texts.ours(language), *plain * 3]
        self._words = sorted({word for line in self._lines for word in _WORD.findall(line)} | set(self._lorem()))

    def texts(self, count: int) -> Iterator[LabelledText]:
        """``count`` texts: a sentence, or two or three."""
        for _ in range(count):
            one = self._one()
            while self._random.random() < BESIDE and len(one.text) < 300:
                one = beside(one, self._one(), self._blank())
            yield cased(one, self._random.random(), SMALL_LETTERS, SMALL_LETTERS + CAPITALS)

    def _one(self) -> LabelledText:
        """A sentence with its slots filled by names, or by common words; or names anywhere in a line, or a line alone."""
        choice = self._random.random()
        if choice < 0.45:
            return self._filled(self._random.choice(self._sentences))
        if choice < 0.55:
            return self._filled(self._random.choice(self._sentences), common=True)
        parts = self._parts()
        for _ in range(self._random.choice((1, 1, 2)) if choice < 0.85 else 0):
            slot = self._random.choice(_ANYWHERE_WHOLE if self._language in ("ja", "zh", "ko") else _ANYWHERE)
            parts.insert(self._random.randrange(len(parts) + 1), f"{{{slot}}}")
        return self._filled(("" if self._language in _JOINED_SCRIPTS else " ").join(parts))

    def _parts(self) -> list[str]:
        """A line in pieces between which a name may stand: a real one, or words in any order."""
        draw = self._random
        if self._lines and draw.random() < 0.6:
            line = _BRACES.sub("", draw.choice(self._lines))[:250]
            return _PIECE.findall(line) if self._language in _JOINED_SCRIPTS else line.split(" ")
        words = [draw.choice(self._words) for _ in range(draw.randrange(1, 14))]
        if draw.random() < 0.15:
            return [word.capitalize() for word in words]
        if draw.random() < 0.7:
            words[0] = words[0].capitalize()
        return [f"{word}{draw.choice('.,!?:')}" if draw.random() < 0.12 else word for word in words]

    def _lorem(self) -> list[str]:
        """Faker's words of the language, where it has some."""
        every = [set(faker.words(600)) for faker in self._fakers]
        found = sorted(set().union(*(words for words in every if not words & _LOREM)))
        return [word for word in found if not word.isascii()] if self._language in _NOT_LATIN else found

    def each(self, times: int) -> Iterator[LabelledText]:
        """Each sentence that many times: what to measure with."""
        for sentence in self._sentences * times:
            yield self._filled(sentence)

    def _blank(self) -> str:
        return self._random.choice(("", "\n") if self._language in _JOINED_SCRIPTS else (" ", " ", "\n", "\n\n"))

    def _filled(self, sentence: str, common: bool = False) -> LabelledText:
        """With ``common``, words that are no names stand where names would, and are not labelled."""
        faker, parts, spans, place, last = self._random.choice(self._fakers), [], [], 0, 0
        sentence = sentence.replace("{{", "\1").replace("}}", "\2")
        for found in _SLOT.finditer(sentence):
            before = sentence[last : found.start()]
            value = self._common() if common else self._value(faker, found[1])
            if found[2] and not common:
                value = " ".join(_inflected(word, self._random) for word in value.split(" "))
            place += len(before)
            if (kind := KINDS.get(found[1])) and not common:
                spans.append((place, place + len(value), kind))
            parts += [before, value]
            place, last = place + len(value), found.end()
        text = "".join((*parts, sentence[last:]))
        return LabelledText(text.replace("\1", "{").replace("\2", "}"), tuple(spans))

    def _common(self) -> str:
        word = self._random.choice(self._words)
        return word.capitalize() if self._random.random() < 0.5 else word

    def _value(self, faker: Any, slot: str) -> str:  # noqa: ANN401 -- Faker's providers are made at run time
        draw = self._random
        match slot:
            case "person":
                return self._person(faker)
            case "given":
                return str(faker.first_name())
            case "family":
                return str(faker.last_name())
            case "address" | "street":
                return self._address(faker, slot)
            case "city" | "country" | "company" | "email":
                return str(getattr(faker, slot)())
            case "phone":
                return str(faker.phone_number())
            case "number":
                return str(draw.randrange(10 ** draw.choice((2, 3, 5, 8))))
            case "small":
                return str(draw.randrange(1, 90))
            case "year":
                return str(draw.randrange(1900, 2027))
            case "time":
                return f"{draw.randrange(24)}:{draw.randrange(60):02d}"
            case "amount":
                return f"{draw.choice('$€£')}{draw.randrange(1, 9000)}"
            case "date":
                return self._date()
            case "title":
                return draw.choice(_TITLES.get(self._language, ("Dr.", "Prof.")))
        raise KeyError(slot)

    def _person(self, faker: Any) -> str:  # noqa: ANN401 -- as above
        choice = self._random.random()
        if self._language in ("ja", "zh", "ko"):
            blank = " " if choice < 0.2 and self._language == "ja" else ""
            return f"{faker.last_name()}{blank}{faker.first_name()}"
        if choice < 0.15 and self._language != "ar":
            return str(faker.name())
        given, family = faker.first_name(), faker.last_name()
        if choice < 0.22:
            return f"{family} {given}"
        if choice < 0.28:
            return f"{given[0]}. {family}"
        return f"{given} {faker.first_name()} {family}" if choice < 0.34 else f"{given} {family}"

    def _address(self, faker: Any, slot: str) -> str:  # noqa: ANN401 -- as above
        draw = self._random
        if self._language in _STREETS:
            streets, cities = (_HELD_STREETS if self._measuring else _STREETS)[self._language]
            number = draw.choice(
                ("{}", "{}/{}", "No: {}", "No:{} D:{}") if self._language == "tr" else ("{}", "{}", "{}/{}")
            )
            street = f"{draw.choice(streets)} {number.format(draw.randrange(1, 300), draw.randrange(1, 30))}"
            comma = "، " if self._language == "ar" else ", "
            return (
                street if slot == "street" else f"{street}{draw.choice((comma, comma, chr(10)))}{draw.choice(cities)}"
            )
        if slot == "street" and self._language not in ("ja", "zh", "ko"):
            return str(faker.street_address()).strip().replace("\n", ", ")
        return str(faker.address()).replace("\n", draw.choice(("\n", ", ", ", ", " ")))

    def _date(self) -> str:
        draw = self._random
        day, month, year = draw.randrange(1, 29), draw.randrange(1, 13), draw.randrange(1950, 2027)
        if self._language in _JOINED_SCRIPTS:
            return draw.choice((f"{month}月{day}日", f"{year}年{month}月{day}日"))
        return draw.choice(
            (
                f"{day:02d}.{month:02d}.{year}",
                f"{day}/{month}/{year}",
                f"{year}-{month:02d}-{day:02d}",
                f"{day}. {month}.",
            )
        )


_VOWELS = {"а": "уойыеи", "я": "юейи", "a": "yeouęą", "й": "ююём", "o": "ay", "ь": "яюи"}
_CONSONANT = ("а", "у", "ом", "е"), ("a", "u", "em", "ovi", "owi", "ie")


def _inflected(word: str, draw: random.Random) -> str:
    """The name with an ending of another case."""
    if len(word) < 3 or not word.isalpha():
        return word
    if word[-1] in _VOWELS:
        return word[:-1] + draw.choice(_VOWELS[word[-1]])
    if word[-1] in "аеиоуыэюяіїєaeiouyáéíóúý":
        return word
    return word + draw.choice(_CONSONANT["a" <= word[0].lower() <= "ž"])


def beside(first: LabelledText, second: LabelledText, blank: str) -> LabelledText:
    """One text after the other."""
    shift = len(first.text) + len(blank)
    moved = tuple((start + shift, end + shift, kind) for start, end, kind in second.spans)
    return LabelledText(first.text + blank + second.text, first.spans + moved)


def measuring(seed: int = 2_000_003, times: int = 12) -> dict[str, list[LabelledText]]:
    """By language, but English: made texts to measure with, none of whose sentences was trained on."""
    return {
        language: list(SentenceWriter(language, seed, measuring=True).each(times))
        for language in LANGUAGES if language != "en"
    }  # fmt: skip


def english(seed: int, count: int, lines: Sequence[str]) -> Iterator[LabelledText]:
    """The English of both sets of sentences, half of each; ``lines`` are real ones without names."""
    from tools.name_tagger.templates import TemplateWriter

    yield from TemplateWriter(seed, lines).texts(count // 2)
    yield from SentenceWriter("en", seed, lines=lines).texts(count - count // 2)


@cache
def given_names() -> frozenset[str]:
    """Given names in small letters: a line with one of them may hold a name that nobody labelled."""
    from faker.providers.person.en_US import Provider

    return frozenset({name.lower() for name in Provider.first_names} - _WORDS_TOO)


_WORDS_TOO = {
    "angel", "april", "art", "august", "autumn", "bill", "brandy", "carol", "chance", "chase", "christian", "cliff",
    "crystal", "dale", "dawn", "dean", "destiny", "don", "drew", "faith", "frank", "gene", "ginger", "grace",
    "grant", "guy", "heather", "holly", "hope", "ivy", "jade", "jasmine", "joy", "june", "lance", "mark", "may",
    "melody", "miles", "misty", "olive", "pat", "pearl", "penny", "ray", "rich", "robin", "rose", "ruby", "sandy",
    "stone", "sue", "summer", "victor", "will",
}  # fmt: skip
