"""Orders of staff: one of each kind is open at most, each has its reason, and one that ended stays
as it ended.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from licet.access import staff_orders
from licet.access.staff_orders import OrderKind, OrderOutcome
from licet.errors import RefusedError, UsageError
from licet.policy.period import instant
from licet.store.connect import Pool, Transaction, transaction

from ..meanwhile import in_transaction, meanwhile

NOW = instant("2026-03-01")


def ordered(tx: Transaction, number: int, reason: str = "weekly", done: str | None = None) -> UUID:
    order = UUID(int=number)
    staff_orders.record(
        tx, order, OrderKind.rotate_keys, "", reason=reason, by="staff:ana", now=NOW, result=done
    )
    return order


def test_of_two_processes_that_order_the_same_at_once_one_is_refused(pool: Pool) -> None:
    done = meanwhile(
        pool, lambda tx: ordered(tx, 1), in_transaction(pool, lambda tx: ordered(tx, 2))
    )
    assert done.waited, "for the first one's transaction"
    assert isinstance(done.error, RefusedError)
    assert done.error.because == "ordered"
    with transaction(pool) as tx:
        assert [one.order_id for one in staff_orders.open_orders(tx)] == [UUID(int=1)]


def test_an_order_without_a_reason_is_not_recorded_and_nothing_is_begun(pool: Pool) -> None:
    for reason in ("", "  \n ", "x" * (staff_orders.REASON_CHARACTERS_MAX + 1), "a\0b"):
        with pytest.raises(UsageError), transaction(pool) as tx:
            ordered(tx, 1, reason)
    with transaction(pool) as tx:
        assert staff_orders.list_newest(tx, list(OrderKind), 10) == []


def test_an_order_that_has_ended_stays_as_it_ended_and_another_may_follow(pool: Pool) -> None:
    with transaction(pool) as tx:
        first = ordered(tx, 1)
        staff_orders.end(tx, first, OrderOutcome.failed, "no space", NOW)
        staff_orders.end(tx, first, OrderOutcome.done, "fine", NOW + timedelta(hours=1))
        kept = staff_orders.get(tx, first)
        assert (kept.outcome, kept.said, kept.ended_at) == (OrderOutcome.failed, "no space", NOW)
        second = ordered(tx, 2)
        with pytest.raises(RefusedError):
            ordered(tx, 3)
        staff_orders.end(tx, second, OrderOutcome.done, "fine", NOW)
        assert staff_orders.get(tx, first) == kept
        ordered(tx, 3, done="at once")
        assert staff_orders.open_orders(tx) == []


def test_the_newest_orders_are_listed_by_kind_and_by_target(pool: Pool) -> None:
    orders = (
        (OrderKind.rotate_keys, ""),
        (OrderKind.pause_endpoint, "crm"),
        (OrderKind.pause_endpoint, "mail"),
        (OrderKind.add_endpoint, "crm"),
    )
    with transaction(pool) as tx:
        for number, (kind, target) in enumerate(orders):
            staff_orders.record(
                tx,
                UUID(int=number),
                kind,
                target,
                reason="weekly",
                by="staff:ana",
                now=NOW + timedelta(hours=number),
                result="fine",
            )

        def listed(limit: int, target: str | None = None) -> list[int]:
            kinds = [OrderKind.pause_endpoint, OrderKind.add_endpoint]
            found = staff_orders.list_newest(tx, kinds, limit, target)
            return [order.order_id.int for order in found]

        assert (listed(9), listed(2)) == ([3, 2, 1], [3, 2])
        assert (listed(9, "crm"), listed(9, "mail"), listed(9, "none")) == ([3, 1], [2], [])
