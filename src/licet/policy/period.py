"""Instants and periods of time: aware UTC only, ISO 8601 periods of one unit.

``P30D`` is 30 x 86,400 seconds, ``P2W`` fourteen days; ``P5Y`` and ``P6M`` are calendar years and
months, a day that the target month lacks falling back to its last (29 February + P5Y is 28
February).
"""

from __future__ import annotations

import calendar
import re
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

import msgspec

YEARS_MAX = 100
_PERIOD = re.compile(r"P(\d{1,6})([YMWD])")
_DAYS = {"Y": 366, "M": 31, "W": 7, "D": 1}


class Unit(StrEnum):
    years = "Y"
    months = "M"
    weeks = "W"
    days = "D"


class Period(msgspec.Struct, frozen=True):
    """A period of ``count`` units, at most 100 years."""

    count: int
    unit: Unit

    def __str__(self) -> str:
        return f"P{self.count}{self.unit.value}"

    def after(self, at: datetime) -> datetime:
        """Returns the instant this long after ``at``."""
        match self.unit:
            case Unit.days:
                return at + timedelta(days=self.count)
            case Unit.weeks:
                return at + timedelta(weeks=self.count)
            case Unit.months:
                return _months_after(at, self.count)
            case Unit.years:
                return _months_after(at, 12 * self.count)

    def may_exceed(self, other: Period) -> bool:
        """Whether, from some day on, this one ends later than ``other``."""
        if self.unit == other.unit:
            return self.count > other.count
        if {self.unit, other.unit} == {Unit.years, Unit.months}:
            return self._months() > other._months()
        return self._days_longest() > other._days_shortest()

    def _months(self) -> int:
        return self.count * (12 if self.unit is Unit.years else 1)

    def _days_longest(self) -> int:
        return self.count * _DAYS[self.unit.value]

    def _days_shortest(self) -> int:
        return self.count * {"Y": 365, "M": 28, "W": 7, "D": 1}[self.unit.value]


def parse_period(text: str) -> Period:
    """Parses a period; ValueError with the fix."""
    match = _PERIOD.fullmatch(text)
    if match is None:
        raise ValueError(f"`{text}` is not a period: write P30D, P2W, P6M or P5Y")
    period = Period(int(match[1]), Unit(match[2]))
    if period.count == 0:
        raise ValueError(f"`{text}` is no time at all: the shortest period is P1D")
    if period._days_longest() > YEARS_MAX * 366:
        raise ValueError(f"`{text}` is longer than {YEARS_MAX} years")
    return period


def instant(value: object) -> datetime:
    """Returns ``value`` as an aware UTC instant; a plain date as its first instant. Takes a date,
    an aware datetime, or the text of either (RFC 3339).

    ValueError for a time without an offset: a guess would move a deadline.
    """
    if isinstance(value, str):
        value = _parse_text(value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"`{value.isoformat()}` has no offset: write 2025-09-01T09:00:00Z")
        return value.astimezone(UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    raise ValueError(f"`{value}` is not a time: write 2025-09-01T09:00:00Z or 2025-09-01")


def rfc3339(at: datetime) -> str:
    """Formats RFC 3339 with `Z`, to the second where that is exact."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _parse_text(text: str) -> date | datetime:
    try:
        return date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"`{text}` is not a time: write 2025-09-01T09:00:00Z or 2025-09-01"
        ) from None


def _months_after(at: datetime, months: int) -> datetime:
    years, month = divmod(at.month - 1 + months, 12)
    year, month = at.year + years, month + 1
    return at.replace(year=year, month=month, day=min(at.day, calendar.monthrange(year, month)[1]))
