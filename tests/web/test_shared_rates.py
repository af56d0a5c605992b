"""Rates over several hosts: together they allow what one would, within the bound that the module
states.
"""

from __future__ import annotations

import asyncio
import random

import msgspec
import pytest

from licet.access import rate_counts
from licet.config import Store
from licet.store.connect import transaction
from licet.web.access.rates import BURST_SECONDS, EXCHANGE_SECONDS, Rates
from licet.web.api.problems import RateLimitedError
from licet.web.site import Site

from .served import World

KEY = b"the same on all hosts"
HOUR = 60  # requests at one a minute


def allowed(rates: Rates, now: float, per_minute: int = 1, count: int = 1) -> bool:
    try:
        rates.take(b"ana", per_minute, now, count)
    except RateLimitedError:
        return False
    return True


class Counts:
    """What the table does, on a clock of the test's."""

    def __init__(self) -> None:
        self._due = dict[int, float]()

    def exchange(self, rates: Rates, now: float) -> None:
        told = rates.take_new()
        for mark, (_, seconds) in told.items():
            self._due[mark] = max(self._due.get(mark, now), now) + seconds
        rates.learn(told, {mark: self._due[mark] - now for mark in told}, now)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("hosts", [1, 2, 3])
def test_hosts_allow_together_the_rate_and_a_burst_each_and_no_more(hosts: int, seed: int) -> None:
    chance, counts = random.Random(seed), Counts()
    several = [Rates(hosts_key=KEY) for _ in range(hosts)]
    step, tick, seconds, taken = 60 / 120, 0.05, 300.0, 0
    next_exchange = [chance.uniform(0, EXCHANGE_SECONDS) for _ in several]
    for place in range(int(seconds / tick)):
        now = 1_000.0 + place * tick
        for number, rates in enumerate(several):
            # the caller goes to one host for a while, then to another, or to all at once
            if chance.random() < (0.9 if place // 400 % (hosts + 1) in (number, hosts) else 0.0):
                taken += allowed(rates, now, 120)
            if now - 1_000.0 >= next_exchange[number]:
                counts.exchange(rates, now)
                next_exchange[number] += EXCHANGE_SECONDS
    most = seconds + hosts * (BURST_SECONDS + EXCHANGE_SECONDS + step)
    assert taken * step <= most
    assert taken * step >= seconds * 0.9, "the rate itself is allowed"


@pytest.fixture
def hosts(pool, tmp_path) -> tuple[World, list[Site]]:
    """Two processes on one database with a bucket, and the world that they belong to."""
    world = World(pool, tmp_path / "data")
    config = msgspec.structs.replace(
        world.installation.config, store=Store(url="s3://licet/shared")
    )
    installation = msgspec.structs.replace(world.installation, config=config)
    return world, [Site(installation, world.web) for _ in range(2)]


def test_what_one_host_allowed_counts_on_the_other_from_its_first_exchange_on(hosts) -> None:
    _, (one, two) = hosts
    now = 1_000.0
    assert allowed(one.rates, now, count=24 * HOUR)
    assert not allowed(one.rates, now)
    asyncio.run(one.exchange_rates(now))
    assert allowed(two.rates, now), "it does not know yet: a request waits for no other host"
    asyncio.run(two.exchange_rates(now))
    assert not allowed(two.rates, now + 12 * 3_600)
    two.rates.take(b"ben", 1, now)


def test_nothing_is_asked_of_the_database_where_nothing_was_counted(hosts) -> None:
    world, (one, _) = hosts
    assert one.rates.take_new() == {}
    one.rates.take(b"ana", 60, 1_000.0)
    one.rates.take(b"ana", 60, 1_000.0)
    assert len(one.rates.take_new()) == 1, "many requests of a caller are one row"
    assert one.rates.take_new() == {}
    assert not world.site.shares_rates, "without a bucket there is one host"
    world.site.rates.take(b"ana", 60, 1_000.0)
    assert world.site.rates.take_new() == {}


def test_whoever_is_due_is_swept_and_others_stay(hosts) -> None:
    world, _ = hosts
    with transaction(world.installation.pool) as tx:
        assert rate_counts.count_requests(tx, {1: -5.0, 2: 3_600.0, -3: 0.0}) == {
            1: -5.0,
            2: 3_600.0,
            -3: 0.0,
        }
        rate_counts.sweep(tx)
        assert rate_counts.count_requests(tx, {2: 60.0}) == {2: 3_660.0}
    assert world.rows("SELECT caller FROM rates") == [(2,)]
