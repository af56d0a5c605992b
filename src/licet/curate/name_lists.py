"""The lists of `names.py`: given and family names, public names, and context words by language."""

from __future__ import annotations

import lzma
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any, NamedTuple

import msgspec
import yaml

from licet.curate import labels
from licet.curate.name_forms import LANGUAGES, forms, inflects

LISTS_FILE, PUBLIC_FILE, WORDS_FILE = "name_lists.txt.xz", "public_names.txt", "name_words.yaml"
FILES = (
    LISTS_FILE,
    PUBLIC_FILE,
    WORDS_FILE,
    "street_addresses.yaml",
    "names.py",
    "name_lists.py",
    "name_forms.py",
    "street_addresses.py",
)
PLACE = "place"


class GivenName(NamedTuple):
    """The languages in which a name is usual, and those in which it is a word, or `place`."""

    usual: frozenset[str]
    words: frozenset[str]


class LanguageWords(msgspec.Struct, frozen=True):
    """The context words of names in a language: the keys of name_words.yaml."""

    titles: frozenset[str]
    after: frozenset[str]
    own: frozenset[str]
    kin: frozenset[str]
    never: frozenset[str]
    often: frozenset[str]
    locative: frozenset[str]
    intro: tuple[str, ...]
    weak: tuple[str, ...]
    greet: frozenset[str]
    close: frozenset[str]
    field: frozenset[str]
    forms: Mapping[str, bool]  # of usual names: whether a form is a word too


class CommonWords(msgspec.Struct, frozen=True):
    """The words of all languages."""

    role: frozenset[str]
    addressed: frozenset[str]
    before_places: frozenset[str]
    machines: frozenset[str]


def _read(name: str) -> bytes:
    return (files("licet.curate") / name).read_bytes()


@cache
def finder_sha256() -> str:
    """The hash of the lists and their code."""
    return sha256(b"".join(sha256(_read(name)).digest() for name in FILES)).hexdigest()


@cache
def name_lists() -> tuple[dict[str, GivenName], dict[str, frozenset[str]], frozenset[str]]:
    """Given names, the words among the forms of names by language, and family names."""
    text = lzma.decompress(_read(LISTS_FILE)).decode()
    given, _, rest = text.partition("== words\n")
    words, _, families = rest.partition("== families\n")
    names = {}
    for line in given.splitlines():
        name, usual, flags = line.split("\t")
        names[name] = GivenName(frozenset(usual.split()), frozenset(flags.split()))
    held = (line.split("\t") for line in words.splitlines())
    return (
        names,
        {language: frozenset(own.split()) for language, own in held},
        frozenset(families.splitlines()),
    )


@cache
def public_names() -> tuple[dict[str, list[tuple[str, str]]], frozenset[str]]:
    """First and last words of public names by their first three letters, and names of one word."""
    lines = [line for line in _read(PUBLIC_FILE).decode().splitlines() if line[:1] != "#"]
    pairs: dict[str, list[tuple[str, str]]] = {}
    single = set()
    for name in (one.split() for line in lines for one in line.split(", ")):
        if len(name) > 1:
            pairs.setdefault(name[0][:3], []).append((name[0], name[-1]))
        else:
            single.add(name[0])
    return pairs, frozenset(single)


@cache
def _around() -> dict[str, Any]:
    found: dict[str, Any] = yaml.load(_read(WORDS_FILE), Loader=yaml.CSafeLoader)
    return found


@cache
def common_words() -> CommonWords:
    return CommonWords(**{key: frozenset(words.split()) for key, words in _around()["any"].items()})


@cache
def words_around(language: str) -> LanguageWords:
    lists = {key: str(words) for key, words in _around()[language].items()}
    names, held, _ = name_lists()
    phrases = ("intro", "weak", "greet", "close", "field")
    made = {
        form: form in held.get(language, ())
        for name, own in names.items()
        if inflects(own.usual, language)
        for form in forms(name, language)
    }
    words = {
        key: frozenset(lists.get(key, "").split()) for key in LanguageWords.__struct_fields__[:7]
    }
    words["never"] |= {one.capitalize() for one in words["never"]}
    phrase_lists = {key: tuple(filter(None, lists.get(key, "").split("|"))) for key in phrases}
    return LanguageWords(
        **words,
        intro=phrase_lists["intro"],
        weak=phrase_lists["weak"],
        greet=frozenset(phrase_lists["greet"]),
        close=frozenset(phrase_lists["close"]),
        field=frozenset(phrase_lists["field"]),
        forms=made,
    )


@cache
def field_words() -> frozenset[str]:
    """The form labels before a name, of every language."""
    return frozenset(word for language in LANGUAGES for word in words_around(language).field)


@cache
def telling_words() -> dict[str, list[tuple[str, float]]]:
    """Words that identify a language, common and context ones; shared ones count in parts."""
    by_word: dict[str, set[str]] = {}
    # without Norwegian: Danish has nearly all of its common words
    for language in {*LANGUAGES, *labels.SPOKEN} - {"no"}:
        around: tuple[str, ...] = ()
        if language in LANGUAGES:
            own = words_around(language)
            around = (
                *own.greet,
                *own.close,
                *own.intro,
                *own.weak,
                *own.titles,
                *own.kin,
                *own.own,
            )
        for word in {*labels.common_words(language), *" ".join(around).lower().split()}:
            by_word.setdefault(word, set()).add(language)
    return {word: [(one, 1 / len(shared)) for one in shared] for word, shared in by_word.items()}
