"""Detection rules for national numbers of the world, generated from one table.

Each entry of ``national_numbers.yaml`` makes a rule that requires one of the number's names before
or after it, and another if its form can be found by itself. A last rule takes any valid number of
the table after words that name such a number anywhere ("national ID number"). The table's head
explains its keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import re2  # type: ignore[import-untyped]  # google-re2 ships neither stubs nor py.typed

from licet.curate import national_checks

SHORT = 4  # letters: a name in capitals of no more than these is taken in capitals alone
GAP = r"[^\d\n]{0,40}"
BEHIND = r"[^\d\n]{0,25}?"
SCORE, BARE_SCORE = 0.85, 0.8
ANYWHERE = "national_number"
CHECKED = "checked_number"
# Their checks are of length and letters alone, or pass nearly every number: no draw could fail
# them.
_UNTELLING = frozenset({"cr_cpf", "fr_id_card", "de_id_card", "de_stnr", "pe_dni", "co_nit"})
_OF_TEN_DIGITS = frozenset({"cz_rc", "sk_rc"})  # those of nine, from before 1954, have none
CANDIDATE = r"[A-Za-z]{0,4}\d(?:[ .\-/]?\d){4,18}(?:-?[A-Za-z]{1,2}\d?)?|[A-Za-z0-9]{8,18}"


class NationalNumber(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One number of the table."""

    words: tuple[str, ...]
    shape: str
    check: str = ""
    bare: str = ""


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The numbers by name, and the words that name one of any country."""

    numbers: dict[str, NationalNumber]
    anywhere: tuple[str, ...]


def words_pattern(words: tuple[str, ...]) -> str:
    """Words as one RE2 pattern: ``\\b`` of RE2 knows ASCII alone, so other scripts have no
    boundary.
    """
    return "(?:" + "|".join(_word(word) for word in words) + ")"


def _word(word: str) -> str:
    plain = word.isascii() and word.replace(" ", "").replace("-", "").isalpha()
    front = r"\b" if word[0].isascii() and word[0].isalpha() else ""
    back = r"\b" if plain and len(word) <= SHORT + 2 else ""
    own = f"(?-i:{word})" if plain and word.isupper() and len(word) <= SHORT else word
    return f"{front}{own}{back}"


def rules(table: Table) -> Iterator[dict[str, Any]]:
    """The rules, in the order of the table, in the form of the rule file, with the same macros."""
    for name, number in table.numbers.items():
        yield _rule(
            name,
            SCORE,
            f"(?i){words_pattern(number.words)}",
            number_pattern(words_pattern(number.words), number.shape),
            name,
        )
        if number.bare:
            yield _rule(
                f"{name}_bare",
                BARE_SCORE,
                f"{{n}}(?:{number.bare})",
                f"{{n}}(?P<v>{number.bare}){{s}}",
                name,
            )
    words = words_pattern(table.anywhere)
    yield _rule(ANYWHERE, SCORE, f"(?i){words}", number_pattern(words, CANDIDATE), ANYWHERE)


def _rule(name: str, score: float, trigger: str, pattern: str, validator: str) -> dict[str, Any]:
    return {
        "name": name,
        "kind": "national_id",
        "score": score,
        "trigger": trigger,
        "pattern": pattern,
        "validator": validator,
    }


def number_pattern(words: str, shape: str) -> str:
    """The number after its name, or before it."""
    return (
        rf"(?i){words}(?:{GAP}[^\d\w\n])??(?P<v>{shape}){{e}}"
        rf"|{{n}}(?P<v2>{shape})(?:[^\w\n]{BEHIND})??{words}"
    )


def validators(table: Table) -> dict[str, Callable[[str], bool]]:
    """The checks of the generated rules, by name."""
    numbers = table.numbers.items()
    made = {
        name: national_checks.find_check(number.check) if number.check else has_digits
        for name, number in numbers
    }
    checked = {
        name: (re2.compile(f"(?i)(?:{number.shape})"), made[name])
        for name, number in numbers
        if number.check
    }
    telling = {name: pair for name, pair in checked.items() if name not in _UNTELLING}

    def is_known(text: str) -> bool:
        return any(
            shape.fullmatch(text) is not None and check(text) for shape, check in checked.values()
        )

    def is_checked(text: str) -> bool:
        ten = sum(c.isdigit() for c in text) == 10
        return any(
            (ten or name not in _OF_TEN_DIGITS)
            and shape.fullmatch(text) is not None
            and check(text)
            for name, (shape, check) in telling.items()
        )

    return made | {ANYWHERE: is_known, CHECKED: is_checked}


def has_digits(text: str) -> bool:
    """Whether there are enough digits, not all alike; otherwise a word in capitals would match."""
    return sum(c.isdigit() for c in text) >= 4 and len({c for c in text if c.isalnum()}) > 2
