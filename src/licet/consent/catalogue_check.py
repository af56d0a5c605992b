"""Checks a language's catalogue and notices against the English ones: `licet languages check`.

It reports missing and outdated translations, plural categories that the language lacks, differing
placeholders and markup, texts much longer than the English, answers of unequal length, and phrases
of the language's list of dark patterns. Whether a translation is correct takes a reader of both
languages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from string import Formatter

import msgspec

from licet.consent import catalogue, cldr, dark_patterns, lint, markdown, notice
from licet.consent.catalogue import OPTIONAL, CatalogueFile, Languages, english_source, stamp
from licet.consent.language_tags import ENGLISH, TAG
from licet.errors import InputError, LicetError, UsageError
from licet.policy.file import PRESETS, preset

LENGTH_RATIO_MAX = 2.2
LABEL_CHARACTERS_MAX, LABEL_RATIO_MAX, LABEL_MORE_MAX = 25, 1.8, 12
# categories whose sentence may have the number as a word, or leave it out
_SMALL = frozenset({"zero", "one", "two"})
_MARKUP = re.compile(r"[<>]|&(?:#\d+|[a-z]+);", re.I)
_CONTROLS = re.compile("[\u0000-\u001f\u200e\u200f\u202a-\u202e\u2066-\u2069\ue000-\uf8ff]")
_LINK = re.compile(r"\]\(([^)]*)\)")
_PLACE = re.compile(r"\{([a-z_]+)\}")


class CatalogueRule(StrEnum):
    missing = "missing"
    unknown = "unknown"
    stale = "stale"
    category = "category"
    places = "places"
    markup = "markup"
    wording = "wording"
    unequal = "unequal"
    length = "length"
    unchecked = "unchecked"


WARNINGS = frozenset({CatalogueRule.length, CatalogueRule.unchecked})


class CatalogueFinding(msgspec.Struct, frozen=True, order=True):
    """A finding about a sentence or a notice. A warning needs a person's judgement and fails
    nothing.
    """

    language: str
    place: str
    rule: CatalogueRule
    message: str

    @property
    def is_warning(self) -> bool:
        return self.rule in WARNINGS

    def __str__(self) -> str:
        return (
            f"{'warning' if self.is_warning else 'error'}: {self.language}: {self.place}: "
            f"{self.rule.value}: {self.message}"
        )


def check(languages: Languages, language: str) -> list[CatalogueFinding]:
    """The findings for a language: its sentences in the order of the English ones, then its
    notices.
    """
    if language == ENGLISH:
        return []
    if language not in languages.names:
        raise UsageError(
            f"there is no catalogue for `{language}`", f"there are {', '.join(languages.names)}"
        )
    findings = [
        CatalogueFinding(language, place, rule, message)
        for place, rule, message in (
            *_check_sentences(languages, language),
            *_check_notices(language),
        )
    ]
    return sorted(findings, key=lambda one: one.is_warning)


_Found = Iterator[tuple[str, CatalogueRule, str]]


def _check_sentences(languages: Languages, language: str) -> _Found:
    rule = CatalogueRule
    if TAG.fullmatch(language) is None:
        yield "the file", rule.unknown, "its name is no language: name it like `pt-BR.json`"
        return
    file = languages.file(language)
    for key in required_keys(languages.english, language):
        if key not in file.sentences:
            yield key, rule.missing, f"English says `{english_source(key, languages.english)}`"
    for key, text in file.sentences.items():
        english = english_source(key, languages.english)
        yield from _check_category(key, language, languages.english)
        if english is None:
            if OPTIONAL.fullmatch(key) is None:
                yield key, rule.unknown, "English has no such sentence"
            continue
        if file.of.get(key) != stamp(english):
            yield key, rule.stale, _stale(file, key, english)
        yield from ((key, *one) for one in _check_sentence(key, text, english, language))
    for key in languages.english:
        pair = f"{key.removesuffix('.yes')}.no"
        if (
            not key.startswith("asked.")
            or not key.endswith(".yes")
            or not {key, pair} <= file.sentences.keys()
        ):
            continue
        if lint.is_unequal(file.sentences[key], file.sentences[pair]):
            yield (
                key,
                rule.unequal,
                f"one answer is much longer than the other: `{file.sentences[pair]}`",
            )
    if language not in dark_patterns.covered_languages():
        yield (
            "pressing words",
            rule.unchecked,
            f"there is no list of words that press: write pressing/{language}.txt",
        )


def _stale(file: CatalogueFile, key: str, english: str) -> str:
    if key in file.of:
        return f"English has changed since, and is shown: `{english}`"
    return (
        "it is not stamped, and English is shown: `licet languages stamp` confirms that it "
        "translates the English of today"
    )


def required_keys(english: Mapping[str, str], language: str) -> list[str]:
    """The keys that a language needs, in the order of the English ones."""
    needed, _ = cldr.categories(language)
    keys: list[str] = []
    for key in english:
        head, _, category = key.rpartition(".")
        if not is_plural(english, head) or category not in cldr.CATEGORIES:
            keys.append(key)
        elif category == "one":
            keys += [f"{head}.{category}" for category in cldr.CATEGORIES if category in needed]
    return keys


def is_plural(english: Mapping[str, str], head: str) -> bool:
    """Whether a key has plural forms: English has one for `one` and one for `other`."""
    return f"{head}.one" in english and f"{head}.other" in english


def _check_category(key: str, language: str, english: Mapping[str, str]) -> _Found:
    """Plural categories that the language does not have."""
    head, _, category = key.rpartition(".")
    if key in english and category not in cldr.CATEGORIES:
        return  # a sentence of its own beside a counted one
    _, known = cldr.categories(language)
    is_unit = OPTIONAL.fullmatch(key) is not None and key.startswith("unit.")
    if (is_plural(english, head) or is_unit) and category not in known:
        names = ", ".join(category for category in cldr.CATEGORIES if category in known)
        yield key, CatalogueRule.category, f"the language has {names}"


def _check_sentence(
    key: str, text: str, english: str, language: str
) -> Iterator[tuple[CatalogueRule, str]]:
    rule = CatalogueRule
    if not text.strip() or text != text.strip():
        yield rule.markup, "it is empty, or begins or ends with a blank"
    if match := _MARKUP.search(text) or _CONTROLS.search(text):
        yield (
            rule.markup,
            f"`{match[0]!a}` is markup, or no character of a text: write the words alone",
        )
    if _LINK.findall(text) != _LINK.findall(english):
        yield (
            rule.markup,
            (
                "its links are not those of English: "
                f"{', '.join(_LINK.findall(english)) or 'it has none'}"
            ),
        )
    have, want = placeholders(text), placeholders(english)
    if have is None or want is None:
        yield rule.places, "its braces do not name places: write `{name}`, and no other brace"
    elif have != want and not (key.rpartition(".")[2] in _SMALL and have | {"count"} == want):
        yield rule.places, f"it has {_join_names(have)}, English has {_join_names(want)}"
    for fault in dark_patterns.find_faults(text, language=language):
        yield rule.wording, fault
    if len(text) > length_max(english):
        yield rule.length, f"{len(text)} characters for {len(english)} in English: `{text}`"


def length_max(english: str) -> float:
    """The length in characters above which a translation gets a warning."""
    if len(english) <= LABEL_CHARACTERS_MAX:
        return max(len(english) * LABEL_RATIO_MAX, len(english) + LABEL_MORE_MAX)
    return len(english) * LENGTH_RATIO_MAX


def placeholders(text: str) -> frozenset[str] | None:
    """The names of the placeholders; None if the braces are malformed."""
    try:
        parsed = list(Formatter().parse(text))
    except ValueError:
        return None
    if any(
        spec or conversion or name == "" for _, name, spec, conversion in parsed if name is not None
    ):
        return None
    names = frozenset(name for _, name, _, _ in parsed if name is not None)
    return names if all(re.fullmatch(r"[a-z_]+", name) for name in names) else None


def _join_names(names: frozenset[str]) -> str:
    return " ".join(f"`{{{name}}}`" for name in sorted(names)) or "none"


# Notices


def _folder(name: str) -> Path:
    return Path(str(files("licet.consent"))) / name


def _check_notices(language: str) -> _Found:
    folder = _folder("notices")
    for english in sorted(folder.glob(f"*.{ENGLISH}.md")):
        name = f"{english.name.removesuffix(f'.{ENGLISH}.md')}.{language}.md"
        if not (folder / name).is_file():
            yield name, CatalogueRule.missing, f"people are shown `{english.name}`"
            continue
        yield from (
            (name, *one)
            for one in _check_notice(
                (folder / name).read_text("utf-8"), english.read_text("utf-8"), language
            )
        )


def _check_notice(source: str, english: str, language: str) -> Iterator[tuple[CatalogueRule, str]]:
    rule = CatalogueRule
    if not notice.translates(source, english):
        yield (
            rule.stale,
            "English has changed since, or it is not stamped; the English notice is shown",
        )
    ours, theirs = notice.front(source).keys(), notice.front(english).keys()
    if ours != theirs:
        yield (
            rule.places,
            f"its keys differ from the English ones: {', '.join(sorted(ours ^ theirs))}",
        )
    blocks = [
        [_block_shape(block) for block in markdown.blocks(text)][1:] for text in (source, english)
    ]
    if blocks[0] != blocks[1]:
        yield (
            rule.places,
            (
                "its headings, paragraphs, lists and their values do not follow the English "
                "ones, one by one"
            ),
        )
    if sorted(_LINK.findall(source)) != sorted(_LINK.findall(english)):
        yield rule.markup, "its links are not those of English"
    if len(source) > len(english) * LENGTH_RATIO_MAX:
        yield rule.length, f"{len(source)} characters for {len(english)} in English"
    try:
        for finding in _lint(source):
            yield rule.wording, str(finding)
        if notice.front(source).get("language") != language:
            yield rule.unknown, "its language is not that of its name"
    except LicetError as error:
        yield rule.markup, error.message


def _block_shape(block: str) -> tuple[str, int, tuple[str, ...]]:
    """The shape of a block: heading, list or paragraph, number of items, and placeholders."""
    kind = block[:2] if block[:2] in ("##", "- ") else "text"
    return kind, block.count("\n- "), tuple(sorted(_PLACE.findall(block)))


def _lint(source: str) -> list[lint.LintFinding]:
    """The lint findings of a notice's source, filled with the values of its preset."""
    policy = next(
        (preset(name) for name in PRESETS if name == notice.front(source)["policy"]), None
    )
    if policy is None:
        return []
    return (
        lint.lint_source(notice.fill(notice.remove_stamp(source), policy))
        if notice.matches_policy(source, policy)
        else []
    )


# Stamping


def stamp_all(
    folder: Path, language: str, keys: frozenset[str] = frozenset(), *, again: bool = False
) -> int:
    """Stamps a language's sentences and notices as translations of the current English; returns how
    many.

    Stamps what has no stamp, and ``keys`` (of sentences, or names of notices' files), or with
    ``again`` everything: after a review against the new English. The file is written in the order
    of English, a sentence a line.
    """
    known = catalogue.load_languages()
    path = folder / f"{language}.json"
    if language == ENGLISH or not path.is_file():
        raise UsageError(
            f"there is no `{path.name}` in {folder}",
            "write its sentences first: docs/languages.md shows how",
        )
    file = Languages(folder).file(language)
    stamps, stamped = dict(file.of), 0
    for key in file.sentences:
        english = english_source(key, known.english)
        if (
            english is not None
            and (key not in stamps or again or key in keys)
            and stamps.get(key) != stamp(english)
        ):
            stamps[key], stamped = stamp(english), stamped + 1
    order = {
        key: place
        for place, key in enumerate([*known.english, *required_keys(known.english, language)])
    }
    ordered = sorted(file.sentences, key=lambda key: (order.get(key, len(order)), key))
    made = CatalogueFile(
        {key: file.sentences[key] for key in ordered},
        {key: stamps[key] for key in ordered if key in stamps},
    )
    path.write_bytes(msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n")
    return stamped + (
        _stamp_notices(language, keys, again=again) if folder == _folder("languages") else 0
    )


def _stamp_notices(language: str, keys: frozenset[str], *, again: bool) -> int:
    stamped = 0
    for path in sorted(_folder("notices").glob(f"*.{language}.md")):
        source, english = path.read_text("utf-8"), path.with_name(notice.english_of(path.name))
        if not english.is_file():
            raise InputError(f"`{path.name}` translates no notice", f"there is no `{english.name}`")
        made = notice.add_stamp(source, english.read_text("utf-8"))
        if made != source and (again or path.name in keys or notice.remove_stamp(source) == source):
            path.write_text(made, "utf-8")
            stamped += 1
    return stamped


def shipped_folder() -> Path:
    """Where the catalogues that ship stand."""
    return _folder("languages")
