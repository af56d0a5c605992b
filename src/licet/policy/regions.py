"""A policy version's terms for single regions: minimum age, languages, and the authority to
complain to.

A region is a country of ISO 3166-1 alpha-2, or a part of one of ISO 3166-2. Each value is looked up
by itself: the part's, else its country's, else the version's. An account without a region has the
strictest minimum age of all, and the version's other values. The rule is the same: a region selects
the values that it reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

REGION = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")
LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
REGION_KEYS = ("min_age", "languages", "authority")
REGIONS_MAX = 500
# The officially assigned codes of ISO 3166-1 alpha-2.
COUNTRIES = frozenset(
    """AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
    CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR
    GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP
    KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT
    MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW
    SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ
    UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW""".split()  # noqa: SIM905 a table to compare with the standard
)
_EEA = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK IS LI NO".split()  # noqa: SIM905 a table as well
# Below these ages the named laws let no person consent alone; as of 29 November 2026, no legal
# advice.
FLOORS: dict[str, tuple[int, str]] = {
    **dict.fromkeys(
        _EEA, (13, "Regulation (EU) 2016/679, Art. 8(1): a State may set an age not below 13")
    ),
    "GB": (13, "Data Protection Act 2018, s. 9"),
    "US": (13, "Children's Online Privacy Protection Act, 15 U.S.C. 6501(1)"),
    "KR": (14, "Personal Information Protection Act, Art. 22-2"),
    "CN": (14, "Personal Information Protection Law, Art. 31"),
}

Age: TypeAlias = int | None


class RegionTerms(msgspec.Struct, frozen=True, kw_only=True):
    """A version's terms for one region. UNSET and None mean that it has none, except a ``min_age``
    of None: not asked. ``languages`` must be offered there, in the pages' order. The clocks of
    requests are by region in `deadlines.yaml`.
    """

    region: str
    min_age: int | UnsetType | None = UNSET
    languages: tuple[str, ...] = ()
    authority: str | None = None

    def document(self) -> dict[str, object]:
        """Returns the region's part of the file."""
        document = {} if self.min_age is UNSET else {"min_age": self.min_age}
        other = {"languages": list(self.languages) or None, "authority": self.authority}
        return {**document, **{key: value for key, value in other.items() if value is not None}}


class MinAges(msgspec.Struct, frozen=True, kw_only=True):
    """Minimum ages by region; ``elsewhere`` for unnamed regions. None: not asked."""

    elsewhere: Age
    by_region: dict[str, Age]

    @property
    def strictest(self) -> Age:
        """The minimum age of an account whose region is unknown."""
        return strictest([self.elsewhere, *self.by_region.values()])

    @property
    def lowest(self) -> Age:
        """The age below which nothing is used anywhere; None if some region asks no age."""
        ages = [self.elsewhere, *self.by_region.values()]
        return None if None in ages else min(age for age in ages if age is not None)

    def for_region(self, region: str | None) -> Age:
        if not self.by_region:
            return self.elsewhere
        if region is None:
            return self.strictest
        for name in (region, region[:2]):
            if name in self.by_region:
                return self.by_region[name]
        return self.elsewhere

    def refuses(self, age: Age, region: str | None) -> bool:
        """Whether a minimum age is set there and ``age`` is unknown or below it."""
        least = self.for_region(region) if self.by_region else self.elsewhere
        return least is not None and (age is None or age < least)


def strictest(ages: Iterable[Age]) -> Age:
    """Returns the highest of the minimum ages; None if none is set."""
    return max((age for age in ages if age is not None), default=None)


@lru_cache(maxsize=1_000)
def min_ages(elsewhere: Age, regions: tuple[RegionTerms, ...]) -> MinAges:
    """Returns the ages of one version, whose own is ``elsewhere``."""
    by_region = {region.region: region.min_age for region in regions if region.min_age is not UNSET}
    return MinAges(elsewhere=elsewhere, by_region=by_region)


def joint_ages(versions: Sequence[MinAges]) -> MinAges:
    """Returns the strictest ages of the versions, by region."""
    named = sorted({region for ages in versions for region in ages.by_region})
    return MinAges(
        elsewhere=strictest(ages.elsewhere for ages in versions),
        by_region={
            region: strictest(ages.for_region(region) for ages in versions) for region in named
        },
    )


def raises_any(old: MinAges, new: MinAges) -> bool:
    """Whether ``new`` refuses some account that ``old`` allows."""
    pairs = [(old.elsewhere, new.elsewhere)]
    pairs += [
        (old.for_region(region), new.for_region(region))
        for region in (None, *old.by_region, *new.by_region)
    ]
    return any(after is not None and (before is None or after > before) for before, after in pairs)


def terms_of(regions: Sequence[RegionTerms], region: str | None) -> list[RegionTerms]:
    """Returns a region's terms: the part's first, then its country's."""
    names = () if region is None else (region, region[:2]) if len(region) > 2 else (region,)
    return [region for name in names for region in regions if region.region == name]


def ages_below_law(regions: Sequence[RegionTerms]) -> tuple[str, ...]:
    """Reports regions' minimum ages below a known law's, in plain sentences with their source."""
    found = []
    for region in regions:
        floor = FLOORS.get(region.region[:2])
        if (
            floor is None
            or region.min_age is UNSET
            or (region.min_age is not None and region.min_age >= floor[0])
        ):
            continue
        problem = (
            "asks no age" if region.min_age is None else f"has the minimum age {region.min_age}"
        )
        found.append(f"`regions.{region.region}` {problem}, below {floor[0]} ({floor[1]})")
    return tuple(found)
