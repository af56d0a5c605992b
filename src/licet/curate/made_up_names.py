"""Invented, recognisable names of people, streets, places and organisations for releases.

Promises:
- A name is replaced word by word, so that "Maria Rossi", "Maria" and "Rossi" stay the same person
  in a conversation. Case is preserved; titles and particles stay.
- Invented names come from the lists below and words like `Street`, and ``is_made_..`` recognises
  them. The lists have rare names: real people's common ones must be replaced.
- No invented name adds a quote, backslash or line break: code stays valid.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence

from licet.curate.keyed_draw import Draw

GIVEN, FAMILY_NAME = "given", "family"  # the roles of a word in a name

# draws after which words come in pairs, for long conversations
PAIRS_FROM = 16
GIVEN_USUAL = (  # for e-mail addresses at example.com, where any name is reserved
    "Alex", "Ariel", "Avery", "Bailey", "Blake", "Cameron", "Casey", "Charlie", "Dana", "Devon", "Drew", "Eden",
    "Ellis", "Emery", "Finley", "Frankie", "Harper", "Hayden", "Jamie", "Jesse", "Jordan", "Jules", "Kai",
    "Kendall", "Lane", "Logan", "Morgan", "Noel", "Parker", "Quinn", "Reese", "Riley", "Robin", "Rowan", "Sage",
    "Sasha", "Skyler", "Taylor", "Toni", "Wren",
)  # fmt: skip
GIVEN_MADE = (
    "Avelka", "Baldrisa", "Brinneth", "Caldoro", "Corvessa", "Dalvick", "Darnessa", "Delvorin", "Drisella",
    "Elvorin", "Ermoda", "Fenwyla", "Fandrel", "Galvessa", "Garrowen", "Halvora", "Hestrin", "Ilvane", "Irmalis",
    "Jorvika", "Jandrel", "Kelvessa", "Larvina", "Lindral", "Maldressa", "Merrowin", "Mirvane", "Nalvora",
    "Nordessa", "Olvina", "Orsandel", "Pelvane", "Perrowin", "Quenvara", "Ralvick", "Rinnessa", "Sarvelle",
    "Silvorin", "Talvessa", "Tormalin", "Ulvara", "Vandrisa", "Velmorin", "Wendrisa", "Wilvane", "Yorvina",
    "Zalvora", "Zendrel",
)  # fmt: skip
FAMILY = (
    "Alderwick", "Ambermoor", "Ashcombery", "Birchholt", "Brackenwell", "Brindlemere", "Calderwyn", "Coldbrooke",
    "Copperfen", "Cravenholt", "Dunmarrow", "Eastwether", "Elmsworthy", "Fairhollow", "Fenwickle", "Foxmere",
    "Glenarrow", "Greymarsh", "Harrowick", "Hazelbourne", "Heathermoor", "Hollinbrook", "Ivywell", "Juniperhall",
    "Kestrelby", "Larkenfield", "Lindenmoor", "Maplewick", "Merrowden", "Millhaven", "Northwether", "Oakenshire",
    "Pinebarrow", "Quillmarsh", "Ravenholm", "Rushcombe", "Sedgewell", "Silverfen", "Thornmoor", "Willowmark",
)  # fmt: skip
PLACES = (
    "Arkenvale", "Belmarsk", "Corvenna", "Dunvarra", "Estermark", "Farrowsund", "Glimmerfjord", "Harvensk",
    "Iskarra", "Jelvmouth", "Kestrovia", "Lornvik", "Marvenna", "Nordvarra", "Ostrevale", "Palvoria", "Quillhaven",
    "Rostvarra", "Selmarsk", "Tarnovia", "Ulvenport", "Varkenby", "Wolmarsk", "Yarrowsund", "Zelmark",
)  # fmt: skip
_KEPT = frozenset(  # titles and particles
    {
     "mr", "mrs", "ms", "miss", "dr", "prof", "professor", "sir", "madam", "herr", "frau", "mme", "mlle", "señor",
     "señora", "sr", "jr", "de", "da", "di", "do", "dos", "das", "del", "della", "van", "von", "der", "den", "ter",
     "ten", "la", "le", "el", "al", "bin", "ibn", "y", "e", "zu",
    }
)  # fmt: skip
_STREETS = ("Street", "Road", "Lane", "Avenue")
_TRADES = ("Works", "Partners", "Group", "Trust")
_WORD = re.compile(r"[^\W_]+(?:['’](?!s\b)[^\W_]+)*")
_LETTERS = "ABCDEFGHIJKLMNOPRSTVWZ"


def by_word(name: str, substitute: Callable[[str, str], str]) -> str:
    """Replaces each word of ``name`` by ``substitute`` of the word and its role."""
    found_words = list(_WORD.finditer(name))
    every = [word for word in found_words if not word[0].isdecimal()] or found_words
    words = [word for word in every if word[0].casefold() not in _KEPT] or every
    titled = bool(every) and every[0].start() < words[0].start()
    turned = len(words) > 1 and "," in name[words[0].end() : words[1].start()]
    parts, last = [], 0
    for number, word in enumerate(words):
        first = number == 0
        role = GIVEN if first != turned and not (titled and len(words) == 1) else FAMILY_NAME
        parts += [name[last : word.start()], substitute(word[0], role)]
        last = word.end()
    return "".join((*parts, name[last:]))


def person(draw: Draw, value: str, role: str, number: int) -> str:
    """One word of a name in its ``role``, or a whole name without one."""
    if not role:
        return f"{_drawn(draw, GIVEN_MADE, number)} {_drawn(draw, FAMILY, number)}"
    if len(value) == 1:
        return _cased(draw.choose(_LETTERS), value)
    return _cased(_drawn(draw, GIVEN_MADE if role == GIVEN else FAMILY, number), value)


def address(draw: Draw, value: str) -> str:
    """A street, with a place if ``value`` has several parts."""
    street = f"{1 + draw.below(999)} {draw.choose(FAMILY)} {draw.choose(_STREETS)}"
    between = next((mark for mark in (", ", ",", "\n") if mark in value.strip()), "")
    return _cased(f"{street}{between}{draw.choose(PLACES)}" if between else street, value)


def place(draw: Draw, value: str, number: int) -> str:
    return _cased(_drawn(draw, PLACES, number), value)


def organisation(draw: Draw, value: str, number: int) -> str:
    """One word for one word, which may be part of a name in code."""
    made = _drawn(draw, FAMILY, number)
    return _cased(f"{made} {draw.choose(_TRADES)}" if " " in value.strip() else made, value)


def _drawn(draw: Draw, words: Sequence[str], number: int) -> str:
    return (
        draw.choose(words) if number < PAIRS_FROM else f"{draw.choose(words)}-{draw.choose(words)}"
    )


def _cased(made: str, like: str) -> str:
    if like.islower():
        return made.lower()
    return made.upper() if like.isupper() and len(like) > 1 else made


# --- recognising ----------------------------------------------------------------------------------


def _lower(words: Collection[str]) -> frozenset[str]:
    return frozenset(word.casefold() for word in words)


_FAMILY_LOWER, _PLACES_LOWER = _lower(FAMILY), _lower(PLACES)
_PERSON_LOWER = _FAMILY_LOWER | _lower(GIVEN_MADE)
_STREETS_LOWER, _TRADES_LOWER = _lower(_STREETS), _lower(_TRADES)


_MADE_WORDS = _PERSON_LOWER | _PLACES_LOWER
_ASCII_WORD = re.compile(r"[A-Za-z]+")


def find_made_words(text: str) -> frozenset[str]:
    """The lower-case words of a text that occur in invented names, streets and places."""
    return frozenset(word.lower() for word in _ASCII_WORD.findall(text)) & _MADE_WORDS


def is_made_person(value: str) -> bool:
    """Whether ``value`` was invented."""
    words = [word for word in _words(value) if len(word) > 1 and word not in _KEPT]
    return bool(words) and all(word in _PERSON_LOWER for word in words)


def is_made_address(value: str) -> bool:
    return _is_made(value, _FAMILY_LOWER | _PLACES_LOWER, _STREETS_LOWER)


def is_made_place(value: str) -> bool:
    return _is_made(value, _PLACES_LOWER, frozenset())


def is_made_organisation(value: str) -> bool:
    return _is_made(value, _FAMILY_LOWER, _TRADES_LOWER)


def _is_made(value: str, made: frozenset[str], beside: frozenset[str]) -> bool:
    words = _words(value)
    return any(word in made for word in words) and all(
        word in made or word in beside for word in words
    )


def _words(value: str) -> list[str]:
    return [word[0].casefold() for word in _WORD.finditer(value) if not word[0].isdecimal()]
