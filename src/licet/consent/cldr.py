"""Locale data of the Unicode CLDR through Babel: plurals, dates, periods, numbers and lists.

Babel is imported on first use, which keeps other commands fast to start. Days are those of the
Gregorian calendar in UTC, digits are European ones in every language: dates must compare equal with
those of a receipt.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from functools import cache
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from babel import Locale

Joined: TypeAlias = Literal["and", "or"]

_STYLES: dict[Joined, Literal["standard", "or"]] = {"and": "standard", "or": "or"}
# CLDR reads the bare tags as the forms of the United States and of Brazil
_MEANT = {"en": "en_GB", "pt": "pt_PT"}
CATEGORIES = ("zero", "one", "two", "few", "many", "other")
# integers up to which every language has shown each category that it has for integers below a
# million
_SAMPLED = 1_000


@cache
def locale(language: str) -> Locale:
    """CLDR's locale of a tag; that of English for a tag that CLDR does not know."""
    from babel import Locale

    return _parse_locale(_MEANT.get(language, language)) or Locale.parse(_MEANT["en"])


def _parse_locale(tag: str) -> Locale | None:
    from babel import Locale, UnknownLocaleError

    try:
        return Locale.parse(tag.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        return None


def plural(language: str, number: int) -> str:
    """The plural category of ``number``: one of `CATEGORIES`."""
    return str(locale(language).plural_form(number))


@cache
def categories(language: str) -> tuple[frozenset[str], frozenset[str]]:
    """The plural categories of counts below a million, and all of the language's, some for
    fractions.
    """
    rule = locale(language).plural_form
    needed = {str(rule(number)) for number in range(_SAMPLED)} | {"other"}
    return frozenset(needed), frozenset({*rule.tags, "other"})


def number(language: str, value: int) -> str:
    from babel.numbers import format_decimal

    return format_decimal(value, locale=locale(language))


def language_name(language: str, tag: str) -> str:
    """The name of a language: German; the tag itself if CLDR has no name for it."""
    named = _parse_locale(tag)
    return tag if named is None else named.get_display_name(locale(language)) or tag


def day(language: str, moment: date | datetime) -> str:
    """28 September 2025."""
    from babel.dates import format_date

    return format_date(moment, format="long", locale=locale(language))


def moment(language: str, at: datetime) -> str:
    """28 September 2025, 10:00 UTC."""
    from babel.dates import format_skeleton

    place = locale(language)
    time = format_skeleton("Hm", at, tzinfo=at.tzinfo, locale=place)
    return (
        str(place.datetime_formats["medium"])
        .replace("{1}", day(language, at))
        .replace("{0}", f"{time} UTC")
    )


def period(language: str, count: int, unit: str) -> str:
    from babel.units import format_unit

    return format_unit(count, f"duration-{unit}", length="long", locale=locale(language))


def join_names(language: str, names: Sequence[str], joined: Joined) -> str:
    from babel.lists import format_list

    return format_list(names, style=_STYLES[joined], locale=locale(language))
