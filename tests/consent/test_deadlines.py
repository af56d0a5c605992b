"""The clocks of regions: no date is later than the law's, and who has no region has the strictest
of all.
"""

from __future__ import annotations

import calendar
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from licet.consent import deadlines
from licet.consent.deadlines import PauseReason, RightKind, after, clock_of, deadline, load_clocks
from licet.errors import BrokenError, UsageError


def noon(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}T12:00:00+00:00")


MOMENTS = st.integers(0, 35 * 365 * 86_400).map(
    lambda seconds: noon("2025-01-01") + timedelta(seconds=seconds)
)
REGIONS = st.sampled_from(
    [None, "JP", *(region for clock in load_clocks() for region in clock.regions)]
)


@given(MOMENTS, st.integers(1, 60))
def test_business_days_are_counted_one_by_one(at: datetime, days: int) -> None:
    ends, day = after(f"{days} business days", at), at
    counted = 0
    while counted < days:
        day += timedelta(days=1)
        counted += day.weekday() < 5
    assert ends == day


@given(MOMENTS, st.integers(1, 24))
def test_a_month_ends_on_its_day_or_on_the_last_there_is(at: datetime, months: int) -> None:
    ends = after(f"P{months}M", at)
    assert (ends.year * 12 + ends.month) - (at.year * 12 + at.month) == months
    assert ends.timetz() == at.timetz()
    assert ends.day == min(at.day, calendar.monthrange(ends.year, ends.month)[1])


@given(MOMENTS, st.sampled_from(RightKind), REGIONS)
def test_no_region_is_stricter_than_none(at: datetime, kind: RightKind, region: str | None) -> None:
    strictest, named = deadline(kind, None), deadline(kind, region)
    assert strictest.due_at(at) <= named.due_at(at)
    confirmed = named.acknowledge_by(at)
    assert confirmed is None or (strictest.acknowledge_by(at) or confirmed) <= confirmed
    longest, other = strictest.extended_to(at), named.extended_to(at)
    assert longest is None or (other is not None and longest <= other)
    for reason in PauseReason:
        assert named.stops_for(reason) or not strictest.stops_for(reason)


@given(MOMENTS, st.sampled_from(RightKind), REGIONS)
def test_an_extension_is_later_than_the_date_that_it_extends(
    at: datetime, kind: RightKind, region: str | None
) -> None:
    times = deadline(kind, region)
    until = times.extended_to(at)
    assert at < times.due_at(at) and (until is None or times.due_at(at) < until)


@pytest.mark.parametrize(
    ("region", "kind", "received", "due", "acknowledge", "extended"),
    [
        ("DE", "access", "2026-01-31", "2026-02-28", None, "2026-04-28"),
        ("DE-BY", "erasure", "2026-03-10", "2026-04-10", None, "2026-06-10"),
        ("DE", "complaint", "2026-03-10", "2026-04-10", None, None),
        ("GB", "complaint", "2026-07-01", "2026-08-01", "2026-07-30", None),
        ("GB", "access", "2026-07-01", "2026-08-01", None, "2026-10-01"),
        ("US-CA", "access", "2026-03-06", "2026-04-20", "2026-03-20", "2026-06-04"),  # a Friday
        ("US-CA", "objection", "2026-03-07", "2026-03-27", "2026-03-20", None),  # a Saturday
        # no clock is known: the strictest
        ("US-NY", "access", "2026-03-06", "2026-03-21", "2026-03-20", None),
        ("BR", "access", "2026-03-06", "2026-03-21", None, None),
        (None, "complaint", "2026-03-06", "2026-03-21", "2026-03-20", None),
    ],
)
def test_worked_dates(
    region: str | None,
    kind: str,
    received: str,
    due: str,
    acknowledge: str | None,
    extended: str | None,
) -> None:
    times, at = deadline(RightKind(kind), region), noon(received)
    assert times.due_at(at) == noon(due)
    assert times.acknowledge_by(at) == (noon(acknowledge) if acknowledge else None)
    assert times.extended_to(at) == (noon(extended) if extended else None)


def test_the_clock_of_europe_stops_and_the_one_of_california_does_not() -> None:
    assert deadline(RightKind.access, "DE").stops_for(PauseReason.identity)
    assert not deadline(RightKind.access, "US-CA").stops_for(PauseReason.identity)
    assert not deadline(RightKind.access, None).stops_for(PauseReason.identity)


def test_every_clock_names_the_source_of_each_of_its_times() -> None:
    assert all(len(rule.source) > 10 for clock in load_clocks() for rule in clock.rights.values())
    assert len(deadline(RightKind.access, None).sources) == len(load_clocks())


def test_a_part_of_a_country_without_a_clock_has_its_country_s() -> None:
    assert clock_of("DE-BY") == clock_of("DE") and clock_of("US") is None and clock_of(None) is None


@pytest.mark.parametrize("region", ["de", "DEU", "US-", "US-CALI", "", "D"])
def test_what_is_no_code_of_iso_3166_is_refused(region: str) -> None:
    with pytest.raises(UsageError, match="no code of ISO 3166"):
        deadlines.check_region(region)


@pytest.mark.parametrize(
    "text",
    [
        "clocks: [{name: a, law: A, regions: [DE, DE], rights: {any: RULE}}]",
        "clocks: [{name: a, law: A, regions: [Germany], rights: {any: RULE}}]",
        "clocks: [{name: a, law: A, regions: [DE], rights: {access: RULE}}]",
        "clocks: [{name: a, law: A, regions: [DE], rights: {any: RULE, sleep: RULE}}]",
        "clocks: [{name: a, law: A, regions: [DE], rights: {any: {answer: soon, source: a law}}}]",
        "clocks: [{name: a, law: A, regions: [DE], rights: {any: {answer: P1M}}}]",
        (
            "clocks: [{name: a, law: A, regions: [DE], rights: {any: {answer: P1M, source: a, "
            "pauses: [lunch]}}}]"
        ),
        "clocks: [",
    ],
)
def test_a_file_that_does_not_hold_is_refused(text: str) -> None:
    with pytest.raises(BrokenError, match=r"deadlines\.yaml"):
        deadlines.parse_clocks(text.replace("RULE", "{answer: P1M, source: a law}"))
