"""Statutory deadlines for requests of people, by region, from `deadlines.yaml`.

Promise: a date is never later than the law's. Months are counted from the moment of receipt, where
the law counts to the end of a day; a business day is Monday to Friday, holidays included. Without a
known region the strictest of all laws applies: the earliest of each date, an extension or a pause
only if every law has one.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache, lru_cache
from importlib.resources import files

import msgspec
import yaml

from licet.errors import BrokenError, UsageError
from licet.policy.period import parse_period
from licet.policy.regions import REGION

_BUSINESS = re.compile(r"(\d{1,3}) business days")
_WORKDAYS = 5


class RightKind(StrEnum):
    """What a request asks for."""

    access = "access"
    portability = "portability"
    rectification = "rectification"
    erasure = "erasure"
    restriction = "restriction"
    objection = "objection"
    complaint = "complaint"


class PauseReason(StrEnum):
    """What a paused request waits for."""

    identity = "identity"
    clarification = "clarification"


class AnswerRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The terms of one right under one law; each is a period (`P1M`) or a number of business
    days.
    """

    answer: str
    source: str
    extension: str | None = None
    acknowledge: str | None = None
    pauses: tuple[PauseReason, ...] = ()


class RegionClock(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One law: where it holds, its times by right, and the authority to complain to, None where
    that depends on the country.
    """

    name: str
    law: str
    regions: tuple[str, ...]
    rights: dict[str, AnswerRule]
    authority: str | None = None

    def rule(self, kind: RightKind) -> AnswerRule:
        return self.rights.get(kind.value, self.rights["any"])


class Deadline(msgspec.Struct, frozen=True, kw_only=True):
    """The deadlines of a kind of request: under one law, or under all laws if the region is
    unknown.
    """

    rules: tuple[AnswerRule, ...]
    laws: tuple[str, ...]
    authority: str | None

    def due_at(self, received_at: datetime) -> datetime:
        """The date by which it must be answered."""
        return min(after(rule.answer, received_at) for rule in self.rules)

    def acknowledge_by(self, received_at: datetime) -> datetime | None:
        """The date by which its receipt must be confirmed; None if no law requires it."""
        days = [
            after(rule.acknowledge, received_at)
            for rule in self.rules
            if rule.acknowledge is not None
        ]
        return min(days, default=None)

    def extended_to(self, received_at: datetime) -> datetime | None:
        """The date after an extension; None if it cannot be extended."""
        dates = [
            after(rule.extension, after(rule.answer, received_at))
            for rule in self.rules
            if rule.extension is not None
        ]
        return min(dates) if len(dates) == len(self.rules) else None

    def stops_for(self, reason: PauseReason) -> bool:
        """Whether the clock stops while waiting for ``reason``."""
        return all(reason in rule.pauses for rule in self.rules)

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(rule.source for rule in self.rules))


def after(term: str, start: datetime) -> datetime:
    """The end of ``term``, which begins at ``start``."""
    business = _BUSINESS.fullmatch(term)
    if business is None:
        return parse_period(term).after(start)
    weeks, days = divmod(int(business[1]), _WORKDAYS)
    start += timedelta(weeks=weeks)
    while days:
        start += timedelta(days=1)
        days -= start.weekday() < _WORKDAYS
    # of whole weeks that begin on a weekend: back to its Friday, never later
    while start.weekday() >= _WORKDAYS:
        start -= timedelta(days=1)
    return start


@cache
def load_clocks() -> tuple[RegionClock, ...]:
    """All clocks; BrokenError if the file is invalid."""
    text = files("licet.consent").joinpath("deadlines.yaml").read_text("utf-8")
    return parse_clocks(text)


def parse_clocks(text: str) -> tuple[RegionClock, ...]:
    """Parses clocks; BrokenError for a duplicate region, an unknown right or an invalid term."""
    try:
        clocks = msgspec.convert(yaml.safe_load(text), _File).clocks
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise BrokenError(f"`deadlines.yaml` cannot be read: {error}") from error
    named = [region for clock in clocks for region in clock.regions]
    for region in named:
        if REGION.fullmatch(region) is None or named.count(region) > 1:
            raise BrokenError(
                f"`deadlines.yaml`: region `{region}` is no code of ISO 3166, or named twice"
            )
    for clock in clocks:
        _check(clock)
    return clocks


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    clocks: tuple[RegionClock, ...]


def _check(clock: RegionClock) -> None:
    strange = set(clock.rights) - {kind.value for kind in RightKind} - {"any"}
    if strange or "any" not in clock.rights:
        raise BrokenError(
            f"`deadlines.yaml`: clock `{clock.name}` names {sorted(strange)}, or no `any`"
        )
    for rule in clock.rights.values():
        for term in (rule.answer, rule.extension, rule.acknowledge):
            if term is not None and _BUSINESS.fullmatch(term) is None:
                try:
                    parse_period(term)
                except ValueError as error:
                    raise BrokenError(f"`deadlines.yaml`: clock `{clock.name}`: {error}") from error


@cache
def _clocks_by_region() -> dict[str, RegionClock]:
    return {name: clock for clock in load_clocks() for name in clock.regions}


def clock_of(region: str | None) -> RegionClock | None:
    """The clock of a region, or of its country; None where none is known."""
    clocks = _clocks_by_region()
    return None if region is None else clocks.get(region) or clocks.get(region[:2])


@lru_cache(maxsize=1024)
def deadline(kind: RightKind, region: str | None) -> Deadline:
    """The deadlines of a request of ``kind`` from ``region``; the strictest of all if the region
    has no clock.
    """
    clock = clock_of(region)
    held = load_clocks() if clock is None else (clock,)
    return Deadline(
        rules=tuple(clock.rule(kind) for clock in held),
        laws=tuple(clock.law for clock in held),
        authority=clock.authority if clock is not None else None,
    )


def check_region(region: str | None) -> None:
    """UsageError unless it is a code of ISO 3166-1 alpha-2 or ISO 3166-2."""
    if region is not None and REGION.fullmatch(region) is None:
        raise UsageError(
            "`region` is no code of ISO 3166", "write a country as DE, or a part of one as US-CA"
        )
