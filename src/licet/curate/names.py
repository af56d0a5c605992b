"""Detects names of private persons and their addresses in running text, by lists and context.

Promises:
- A word counts as a name only for a readable reason: a listed given name that is no word of the
  language, with the family name that follows; or a title, a form of address, "my name is", a
  relation ("my sister"), the end of a letter, a field of a form or an e-mail address beside it.
  Otherwise the finder abstains.
- A span has whole words of one line, and is no part of a word, a number or an identifier.
- ``detect`` handles each text by itself.
- Names are searched in the languages ``LOOKED_AT``, those of the figures in docs/curate.md. Texts
  in other ones are not searched (``unread_language``): a release that replaces names omits them.

The lists: name_lists.py, made by tools/name_lists.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec

from licet.curate import labels
from licet.curate.detect import DetectedSpan, merge_spans
from licet.curate.name_forms import INFLECTED, LANGUAGES
from licet.curate.name_lists import (
    PLACE,
    common_words,
    field_words,
    finder_sha256,
    name_lists,
    public_names,
    telling_words,
    words_around,
)
from licet.curate.rules import IdentifierKind
from licet.curate.street_addresses import addresses

LOOKED_AT = LANGUAGES
SURE, LIKELY = 0.95, 0.7  # for a reason beside the word itself, and for the word alone
NAME_WORDS_MAX = 4
BEFORE_CHARS = 48
GUESSED_CHARS = 600
UNREAD_WORDS_MIN = 2  # common words of an unsearched language

_UPPER = "".join(c for c in map(chr, (*range(0x250), *range(0x400, 0x530))) if c.isupper())
_CAPITAL = re.compile(rf"(?<![\w@#$/\\.\-])[{_UPPER}][\w'’\-]*")
_PART = re.compile(
    r"(?:Mc|Mac|O['’]|D['’]|De|Di|Du|Le|La|Van|Fitz)?[^\W\d_a-z][^\W\d_A-Z]*"
    r"(?:-[^\W\d_]+)*(?:['’][^\W\d_]{0,6})?"
)
_GAP = re.compile(
    r"(?:(?: (?:de|da|do|dos|das|del|della|dello|di|du|van|von|vom|zu|der|den|ten|ter|bin|ibn|al|el"
    r"|la|le|af|av)){1,2})? "
)
_WORD_BEFORE = re.compile(r"([^\W\d_][\w'’.\-]*)\.?[ ,]+$")
_APOSTROPHE = re.compile("['’]")
_EMAIL = re.compile(r"([A-Za-z][A-Za-z._\-]{2,40})\d*@[A-Za-z0-9.\-]+\.[A-Za-z]{2,}")
_ADDRESS = re.compile(r"\S*(?:@|://)\S*")  # words of no language
_CONTACT = re.compile(r"\S@\S|\+?\d(?:[ ().\-/]?\d){6,}")
_STARTS = '.!?…:;•*>#|"“”„«»([{-–—‘'
_LETTERS = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_CYRILLIC, _UKRAINIAN = re.compile("[А-яЁёІіЇїЄєҐґ]"), re.compile("[іїєґІЇЄҐ]")
_OTHER_SCRIPT = re.compile("[\u0370-\u03ff\u0530-\u1dff\u2e80-\ud7ff\uf900-\ufdff\ufe70-\ufefe]+")
_OTHER = re.compile(r" ?\d|[(\[_/\\@=]|\.\w|:\w|-\w|\+|®|™|&| of [A-Z]")
_OF_MACHINES = re.compile(
    r"\b(?:Python|Java|JavaScript|TypeScript|Rust|SQL|HTML|CSS|npm|pip|API|Linux|Docker|Git|GitHub"
    r"|[Cc]ode|programming|compiler)\b"
)
_TECHNICAL = re.compile(
    r"^\s*(?:[$%>] |\d{4}-\d\d-\d\d[T ]|\d\d:\d\d:\d\d|\[[\w\- :./]+\]|[<{}]|//|/\*|--|\.\.|\|)"
    r"|\t|`|::|->|=>|[{}<>\\^~=]|\w\(|_\w|https?:|\w/\w+/|\|.*\|"
    r"|\b(?:SELECT|INSERT|UPDATE|FROM|WHERE|INFO|WARN|ERROR|DEBUG)\b",
    re.ASCII,
)


class CapitalWord(NamedTuple):
    """A capitalised word: its place, and its form without an ending after an apostrophe."""

    start: int
    end: int
    bare: str


class NameFinder(msgspec.Struct, frozen=True):
    """The built-in detector. Lists are loaded on first use, once a process."""

    sha256: str
    name: str = "built-in"

    @classmethod
    def load(cls) -> NameFinder:
        return cls(finder_sha256())

    def detect(
        self, texts: Sequence[str], kinds: Sequence[IdentifierKind]
    ) -> list[list[DetectedSpan]]:
        """The spans of each text, in order."""
        return [self._detect(text, kinds) for text in texts]

    def unread_language(self, text: str) -> str:
        """The language of an unsearched text, or empty."""
        if (script := _other_script(text)) != "":
            return script
        scores = _scores(text)
        found = max(scores, key=scores.__getitem__)
        least = max(UNREAD_WORDS_MIN, 2 * max(scores[one] for one in LOOKED_AT))
        return found if scores[found] > least else ""

    def _detect(self, text: str, kinds: Sequence[IdentifierKind]) -> list[DetectedSpan]:
        found = []
        if IdentifierKind.ADDRESS in kinds:
            found += [
                DetectedSpan(start, end, IdentifierKind.ADDRESS, SURE, self.name)
                for start, end in addresses(text)
            ]
        persons = list(_TextNames(text).find_all()) if IdentifierKind.PERSON in kinds else []
        if persons and not self.unread_language(text):
            found += [
                DetectedSpan(start, end, IdentifierKind.PERSON, score, self.name)
                for start, end, score in persons
                if not any(start < a.end and a.start < end for a in found)
            ]
        return merge_spans(found)


def _scores(text: str) -> dict[str, float]:
    """The words of each language at the start of ``text``; shared ones count in parts."""
    telling, scores = telling_words(), dict.fromkeys((*LANGUAGES, *labels.SPOKEN), 0.0)
    for word in _LETTERS.findall(_normalise_case(_ADDRESS.sub(" ", text[:GUESSED_CHARS]))):
        for language, part in telling.get(word, ()):
            scores[language] += part
    return scores


def likely_language(text: str) -> str:
    """The searched language with most words in ``text``; English if there are none."""
    scores = _scores(text)
    if not text.isascii() and _CYRILLIC.search(text[:GUESSED_CHARS]):
        return "uk" if _UKRAINIAN.search(text) or scores["uk"] > scores["ru"] else "ru"
    return max((one for one in LANGUAGES if one not in ("ru", "uk")), key=scores.__getitem__)


def _normalise_case(text: str) -> str:
    """Lower-cases a text and its typographic apostrophes, to match the lists."""
    return text.lower().replace("’", "'")


def _other_script(text: str) -> str:
    """The language of a text mostly in an unsearched script, `und` if unknown, or empty."""
    if text.isascii():
        return ""
    read = text[:GUESSED_CHARS]
    other = sum(map(len, _OTHER_SCRIPT.findall(read)))
    return labels.language([text]) if 2 * other > sum(map(len, _LETTERS.findall(read))) else ""


class _TextNames:
    """The names of one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._given, _, self._families = name_lists()
        self._pairs, self._single = public_names()
        self._common = common_words()

    def find_all(self) -> Iterator[tuple[int, int, float]]:
        """(start, end, score) of each name, in order."""
        self._language = likely_language(self._text)
        self._words = words_around(self._language)
        self._mail = self._mail_words()
        words = [
            one for m in _CAPITAL.finditer(self._text) if (one := self._capital(m)) is not None
        ]
        at = 0
        while at < len(words):
            run = self._run(words, at)
            yield from self._in_run(run)
            at += len(run)
        if self._text[:1].islower():
            yield from self._small()

    def _capital(self, found: re.Match[str]) -> CapitalWord | None:
        word = found[0].rstrip("'’-")
        start, end = found.start(), found.start() + len(word)
        bare = _APOSTROPHE.split(word, maxsplit=1)[0]
        bare = bare if len(bare) > 1 else word
        if len(bare) > 1 and (
            bare.isupper()
            or _PART.fullmatch(word) is None
            or self._text[end : end + 1] in ("_", "@")
        ):
            return CapitalWord(start, end, "")
        return CapitalWord(start, end, bare)

    def _run(self, words: Sequence[CapitalWord], at: int) -> list[CapitalWord]:
        """The adjacent words from ``at`` on."""
        run = [words[at]]
        for word in words[at + 1 :]:
            gap = self._text[run[-1].end : word.start]
            initial = len(run[-1].bare) == 1 and gap == ". "
            title = gap == ". " and run[-1].bare in self._words.titles
            if not (
                run[-1].bare
                and word.bare
                and len(run) < 8
                and (initial or title or _GAP.fullmatch(gap))
            ):
                break
            run.append(word)
        return run

    def _in_run(self, run: Sequence[CapitalWord]) -> Iterator[tuple[int, int, float]]:
        at = 0
        while at < len(run):
            last, score = self._name_at(run, at)
            if last < 0:
                at += 1
                continue
            first, after = run[at], run[last]
            end = after.start + len(after.bare)
            if not (score < SURE and self._is_technical(first.start)):
                yield first.start, end, score
            at = last + 1

    def _name_at(self, run: Sequence[CapitalWord], at: int) -> tuple[int, float]:
        """The last word of a name that begins at ``at``, and its score; -1 without one."""
        word = run[at]
        no_names = (self._words.never, self._words.titles, self._common.before_places)
        if len(word.bare) < 2 or any(word.bare in each for each in no_names):
            return -1, 0
        at_start = self._is_start(run[at].start)
        reason = self._reason(run, at)
        known = self._is_given(word, at_start, alone=True)
        last = self._extended(run, at, sure=reason)
        paired = any(self._is_family(one.bare) for one in run[at + 1 : last + 1])
        full = (
            last > at
            and self._is_given(word, at_start, alone=False)
            and (paired or self._is_no_word(word.bare))
        )
        if not (reason or known or full):
            return -1, 0
        if self._is_public(run, at, last) or self._is_of_place(run, at, last):
            return -1, 0
        if (
            not reason
            and not full
            and (self._is_other(word.start, word.end) or self._is_machines(word.bare))
        ):
            return -1, 0
        return last, SURE if reason or (full and paired) else LIKELY

    # --- the word itself --------------------------------------------------------------------------

    def _is_given(self, word: CapitalWord, at_start: bool, *, alone: bool) -> bool:
        """Whether a word is a given name: by itself, or because a family name follows."""
        own = self._given.get(word.bare) or self._given.get(word.bare.partition("-")[0])
        language = self._language
        if own is None:
            is_word = self._words.forms.get(word.bare)
            return is_word is not None and not (is_word and at_start)
        if not alone:
            return len(word.bare) > 2 or language in own.usual
        if (
            PLACE in own.words
            or (len(word.bare) <= 3 and language not in own.usual)
            or word.bare in self._single
        ):
            return False
        if language not in own.words and ("en" not in own.words or language in own.usual):
            return True
        if at_start:
            return False
        return word.bare in self._words.often if language in ("en", "de") else language in own.usual

    def _is_no_word(self, bare: str) -> bool:
        own = self._given.get(bare)
        return own is None or not own.words & {self._language, "en", PLACE}

    def _extended(self, run: Sequence[CapitalWord], at: int, *, sure: bool) -> int:
        """The last word that continues a name."""
        last = at
        for place in range(at + 1, min(len(run), at + NAME_WORDS_MAX)):
            word = run[place]
            if len(word.bare) == 1:
                continue
            if (
                word.bare in self._words.never
                or word.bare in self._words.titles
                or word.bare in self._words.after
            ):
                break
            if self._language == "de" and not sure and not self._is_family(word.bare):
                break
            last = place
        return last

    def _is_family(self, bare: str) -> bool:
        return any(
            one in self._families or one in self._given for one in (bare, bare.removesuffix("s"))
        )

    def _is_public(self, run: Sequence[CapitalWord], at: int, last: int) -> bool:
        around = [one.bare for one in run[max(0, at - 1) : last + 2]]
        found = [*pairwise(around), (run[at].bare, run[last].bare)]
        alike = _alike if self._language in INFLECTED else _same
        return any(
            alike(a, c) and alike(b, d) for a, b in found for c, d in self._pairs.get(a[:3], ())
        )

    def _is_of_place(self, run: Sequence[CapitalWord], at: int, last: int) -> bool:
        """Whether the name is part of another name: a street, a school, a saint."""
        if last + 1 < len(run) and run[last + 1].bare in self._words.never:
            return True
        if any(one.bare in self._words.never for one in run[at + 1 : last + 2]):
            return True
        if not at:
            before = self._before(run[at].start)
            return before in self._common.before_places or (
                last == at and before.lower() in self._words.locative
            )
        before = run[at - 1].bare
        if before in self._common.before_places:
            return True
        if before in self._words.titles or self._language == "de" or before in self._given:
            return False
        return not self._is_start(run[at - 1].start)

    def _is_other(self, start: int, end: int) -> bool:
        """Whether the context excludes a person: a number of units, a version, a call."""
        if self._text[max(0, start - 2) : start - 1].isdigit():
            return True
        return _OTHER.match(self._text, end) is not None

    def _is_machines(self, bare: str) -> bool:
        return bare in self._common.machines and _OF_MACHINES.search(self._text) is not None

    def _is_technical(self, start: int) -> bool:
        first = self._text.rfind("\n", 0, start) + 1
        end = self._text.find("\n", start)
        line = self._text[first : len(self._text) if end < 0 else end][:400]
        if _TECHNICAL.search(line) is not None or line.startswith("    "):
            return True
        words = [one for one in line.split() if one[0].isalpha()]
        return (
            len(words) >= 3 and all(one[0].isupper() for one in words) and line[-1:] not in ".!?,"
        )

    # --- context ----------------------------------------------------------------------------------

    def _reason(self, run: Sequence[CapitalWord], at: int) -> bool:
        """Whether the context before or after a word shows that it is a name."""
        word = run[at]
        text, words = self._text, self._words
        if word.bare.lower() in self._mail:
            return True
        if at and run[at - 1].bare in words.titles:
            return True
        if at + 1 < len(run) and run[at + 1].bare in words.after:
            return True
        line = text.rfind("\n", 0, word.start) + 1
        before = text[max(line, word.start - BEFORE_CHARS) : word.start]
        if (found := _WORD_BEFORE.search(before)) is not None:
            if found[1].rstrip(".") in words.titles:
                return not before.endswith(", ") or found[1][-1:] == "."
            if found[1] in words.kin and self._is_own(before[: found.start()]):
                return (
                    self._language != "de"
                    or self._any_given(word.bare)
                    or self._is_family(word.bare)
                )
        plain = _normalise_case(before.rstrip(" :,"))
        if plain.endswith(words.intro) and _phrase_stands(plain, words.intro):
            return True
        if plain.endswith(words.weak) and _phrase_stands(plain, words.weak):
            return self._any_given(word.bare) and word.bare not in self._single
        if line + len(before) == word.start:
            opened = _normalise_case(before.lstrip(' >*"“„«').rstrip(" :,"))
            if self._any_given(word.bare) and (
                opened in words.greet or (":" in before and opened in words.field)
            ):
                return True
            if opened in words.greet and self._is_addressed(run, at):
                return True
            if (
                ":" in before
                and len(run) > 1
                and opened in field_words()
                and self._is_above_contact(run[-1].end)
            ):
                return True
        return self._signs(run, at, line)

    def _is_above_contact(self, end: int) -> bool:
        """Whether a field ends at ``end`` before a line with a mail address or telephone number."""
        line, _, rest = self._text[end : end + 200].partition("\n")
        return not line.strip() and _CONTACT.search(rest.partition("\n")[0]) is not None

    def _is_addressed(self, run: Sequence[CapitalWord], at: int) -> bool:
        """Whether an unknown word after a greeting is a name: alone before a comma, and no form of
        address.
        """
        bare = run[at].bare
        return (
            at == len(run) - 1
            and self._text[run[at].end : run[at].end + 1] == ","
            and (bare.lower() not in self._common.addressed)
        )

    def _is_own(self, before: str) -> bool:
        found = _WORD_BEFORE.search(before)
        return not self._words.own or (found is not None and found[1].lower() in self._words.own)

    def _any_given(self, bare: str) -> bool:
        return (
            bare in self._given
            or bare.partition("-")[0] in self._given
            or bare in self._words.forms
        )

    def _signs(self, run: Sequence[CapitalWord], at: int, line: int) -> bool:
        """Whether the line has only a name, below the closing of a letter."""
        if at or line != run[0].start or not line:
            return False
        end = self._text.find("\n", line)
        own = self._text[line : len(self._text) if end < 0 else end].strip(" .,")
        if run[-1].end < line + len(own) or len(run) > 3:
            return False
        above = self._text[:line].rstrip().rpartition("\n")[2].strip(" ,.!–-").lower()
        return above in self._words.close

    def _is_start(self, start: int) -> bool:
        before = self._text[max(0, start - 3) : start].rstrip(" '’")
        whole = self._text[max(0, start - 3) : start]
        return not before or "\n" in whole or before[-1] in _STARTS

    def _before(self, start: int) -> str:
        found = _WORD_BEFORE.search(self._text, max(0, start - 24), start)
        return found[1].rstrip(".") if found is not None else ""

    def _mail_words(self) -> frozenset[str]:
        if "@" not in self._text:
            return frozenset()
        parts = (
            part
            for found in _EMAIL.finditer(self._text)
            for part in re.split(r"[._\-]", found[1].lower())
        )
        return frozenset(part for part in parts if len(part) > 2) - self._common.role

    def _small(self) -> Iterator[tuple[int, int, float]]:
        """Given names in lower case after a relation or "my name is", in texts without capitals."""
        phrases = "|".join(map(re.escape, self._words.intro))
        straight = self._text.replace("’", "'")
        for found in re.finditer(rf"(?<!\w)(?:(?i:{phrases})) ([^\W\d_]{{3,}})(?!\w)", straight):
            if found[1].islower() and self._is_small_name(found[1]):
                yield found.start(1), found.end(1), LIKELY
        for found in re.finditer(r"([^\W\d_]+) ([^\W\d_]+) ([^\W\d_]{3,})(?!\w)", self._text):
            own, kin, name = found.groups()
            is_own = kin in self._words.kin and own.lower() in self._words.own
            if is_own and name.islower() and self._is_small_name(name):
                yield found.start(3), found.end(3), LIKELY

    def _is_small_name(self, name: str) -> bool:
        known = self._given.get(name.capitalize())
        return known is not None and self._language not in known.words and "en" not in known.words


def _same(word: str, name: str) -> bool:
    """Whether ``word`` is ``name``, or its genitive."""
    return word in (name, f"{name}s")


def _alike(word: str, name: str) -> bool:
    """Whether ``word`` may be a form of ``name``."""
    stem = name[:-1] if len(name) > 4 else name
    return word == name or (word.startswith(stem) and len(word) - len(name) < 4)


def _phrase_stands(plain: str, phrases: Sequence[str]) -> bool:
    """Whether ``plain`` ends with one of the phrases, as whole words."""
    return any(plain.endswith(one) and not plain[: -len(one)][-1:].isalnum() for one in phrases)
