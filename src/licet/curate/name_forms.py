"""The inflected forms of listed given names.

``forms`` excludes the name itself. It gives more forms than a grammar: a form counts only with a
capital.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

LANGUAGES = ("en", "de", "fr", "es", "it", "pt", "nl", "sv", "da", "pl", "ru", "uk")
INFLECTED = frozenset({"pl", "ru", "uk"})  # languages in which any name may have another form
_SOFT = {
    "pl": {"k": "c", "g": "dz", "r": "rz", "ł": "l", "t": "ci", "d": "dzi", "n": "ni", "m": "mi", "b": "bi", "w": "wi",
           "s": "si", "z": "zi", "ch": "sz", "p": "pi", "f": "fi"},
    "uk": {"к": "ц", "г": "з", "х": "с"},
}  # fmt: skip
# By the end of the name: a consonant, a hard vowel, a soft vowel.
_ENDINGS = {
    "pl": ("a owi em iem ie u cie", "y i ę ą o ie e", "i ę ą u o"),
    "ru": ("а у ом ем е", "ы и е у ой ей", "и е ю ей ёй"),
    "uk": ("а у ові еві ом ем е і", "и і у ою о", "і ї ю єю ею е є"),
}  # fmt: skip
_VOWELS = {"pl": "aeo", "ru": "аяйь", "uk": "аяйоь"}
_FLEETING = {
    "pl": ("ek", "k"),
    "ru": ("ёк", "ьк"),
    "uk": ("ко", "к"),
}
_GENITIVE = {"de": "s", "sv": "s", "da": "s", "nl": "s"}


def inflects(usual: Collection[str], language: str) -> bool:
    """Whether a name usual in these languages has forms in ``language``: usual there, or in
    several.
    """
    return language in usual or len(usual) > 3


def forms(name: str, language: str) -> Iterator[str]:
    """The inflected forms of ``name`` in ``language``."""
    if language in _GENITIVE:
        if name[-1] not in "sxzß":
            yield name + _GENITIVE[language]
        return
    if language not in _ENDINGS or len(name) < 3:
        return
    hard, first, soft = (one.split() for one in _ENDINGS[language])
    last = name[-1]
    if last not in _VOWELS[language]:
        yield from _with(name, hard, language)
        fleeting, without = _FLEETING[language]
        if name.endswith(fleeting):
            yield from _with(name[: -len(fleeting)] + without, hard, language)
        elif language == "pl" and name[-2] == "e":
            yield from _with(name[:-2] + last, hard, language)
        if language == "ru" and name == "Павел":
            yield from _with("Павл", hard, language)
        if language == "ru" and name == "Лев":
            yield from _with("Льв", hard, language)
        return
    stem = name[:-1]
    if last in "йь":
        yield from (
            stem + ending for ending in ("я", "ю", "ем", "єм", "е", "ї", "єві", "єві", "и", "і")
        )
    elif last in "яeо" or (last == "a" and stem[-1] in "iszcžšř") or last == "e":
        yield from (stem + ending for ending in (*soft, *hard, *first))
        if stem[-1] in "iі":
            yield stem
        if last == "o" or last == "о":
            yield from _with(stem, hard, language)
    else:
        yield from _with(stem, first, language)
        if last == "o":
            yield from _with(stem, hard, language)


def _with(stem: str, endings: list[str], language: str) -> Iterator[str]:
    yield from (stem + ending for ending in endings)
    for hard, soft in _SOFT.get(language, {}).items():
        if stem.endswith(hard):
            softened = stem[: -len(hard)] + soft
            yield from (softened + ending for ending in ("e", "ie", "ě", "i", "і"))
