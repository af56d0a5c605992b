"""Rates over all hosts: what one host counts is added to what the others did, and nothing is lost
meanwhile.
"""

from __future__ import annotations

import threading

import pytest

from licet.access import rate_counts
from licet.store.connect import Pool, transaction


def test_what_two_hosts_count_of_one_caller_is_added(pool: Pool) -> None:
    with transaction(pool) as tx:
        assert rate_counts.count_requests(tx, {7: 3.0, 8: 1.0}) == pytest.approx({7: 3.0, 8: 1.0})
        assert rate_counts.count_requests(tx, {7: 4.0}) == pytest.approx({7: 7.0})
        assert rate_counts.count_requests(tx, {8: 0.0}) == pytest.approx({8: 1.0})


def test_hosts_that_count_at_once_lose_nothing_and_wait_for_each_other_in_one_order(
    pool: Pool,
) -> None:
    rounds = 25

    def count(callers: list[int]) -> None:
        for _ in range(rounds):
            with transaction(pool) as tx:
                rate_counts.count_requests(tx, dict.fromkeys(callers, 10.0))

    hosts = [
        threading.Thread(target=count, args=(order,)) for order in ([1, 2, 3], [3, 2, 1], [2, 3, 1])
    ]
    for host in hosts:
        host.start()
    for host in hosts:
        host.join()
    with transaction(pool) as tx:
        due = rate_counts.count_requests(tx, dict.fromkeys([1, 2, 3], 0.0))
    for seconds in due.values():  # less the seconds that the test itself took
        assert 10.0 * rounds * len(hosts) - 60 < seconds <= 10.0 * rounds * len(hosts)


def test_only_callers_who_are_due_are_forgotten(pool: Pool) -> None:
    with transaction(pool) as tx:
        rate_counts.count_requests(tx, {1: 1_000.0, 2: -5.0})
        rate_counts.sweep(tx)
        assert tx.execute("SELECT caller FROM rates").fetchall() == [(1,)]


def test_a_caller_is_due_from_the_very_moment_on(pool: Pool) -> None:
    with transaction(pool) as tx:
        rate_counts.count_requests(tx, {1: 1_000.0, 2: 1_000.0})
        tx.execute("UPDATE rates SET due_at = now() WHERE caller = 1")
        rate_counts.sweep(tx)
        assert tx.execute("SELECT caller FROM rates").fetchall() == [(2,)]
