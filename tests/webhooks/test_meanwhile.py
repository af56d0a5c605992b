"""What happens to an endpoint while messages are sent to it, and events that nobody may read
yet.
"""

from __future__ import annotations

from typing import Any

import pytest

from licet.errors import NotFoundError
from licet.store.connect import transaction
from licet.vault import commands as do
from licet.vault import host_events
from licet.vault.host_events import EventKind
from licet.vault.ids import Prefix, parse
from licet.webhooks import acknowledgements, delivery, endpoints

from ..installed import House
from ..waiting import wait_until
from .test_webhooks import Receiver, heard, hooked, house, pull, receiver

__all__ = ["house", "receiver"]  # fixtures


def test_an_endpoint_that_is_paused_meanwhile_is_sent_nothing_more_in_the_round(
    house: House, receiver: Receiver
) -> None:
    hooked(house, receiver)
    house.open("ana", allow=True)
    for allow in (False, True, False):
        house.choose("ana", allow)
    recorded = "SELECT count(*) FROM deliveries WHERE delivered_at IS NOT NULL"

    def answers(_: dict[str, Any]) -> int:
        if not receiver.taken:
            endpoints.pause(house.installation, "chat")
        else:
            wait_until(lambda: house.query(recorded) == [(1,)], "the round records the first")
        return 204

    receiver.answers = answers
    delivery.deliver_due(house.installation)
    assert len(receiver.taken) == 2, "the second was on its way"
    receiver.answers = lambda _: 204
    assert delivery.deliver_due(house.installation).is_idle
    endpoints.replay(house.installation, "chat")
    delivery.deliver_due(house.installation)
    assert len(receiver.taken) == len(heard(house))


@pytest.mark.parametrize("status", [500, 410])
def test_a_failure_neither_ends_a_pause_that_began_meanwhile_nor_says_another_reason(
    house: House, receiver: Receiver, status: int
) -> None:
    hooked(house, receiver)
    house.open("ana", allow=True)

    def answers(_: dict[str, Any]) -> int:
        endpoints.pause(house.installation, "chat")
        return status

    receiver.answers = answers
    assert delivery.deliver_due(house.installation).disabled == ()
    found = endpoints.backlog_of(house.installation, "chat")
    assert (found.disabled_at, found.disabled_because, found.failing_since) == (
        house.now,
        "paused",
        None,
    )


def test_a_failure_of_an_endpoint_that_was_removed_meanwhile_changes_nothing_of_it(
    house: House, receiver: Receiver
) -> None:
    hooked(house, receiver)
    house.open("ana", allow=True)

    def answers(_: dict[str, Any]) -> int:
        endpoints.remove(house.installation, "chat")
        return 410

    receiver.answers = answers
    assert delivery.deliver_due(house.installation).disabled == ()
    assert house.query("SELECT failing_since, disabled_at, disabled_because FROM endpoints") == [
        (None, None, None)
    ]


def test_a_pause_over_an_endpoint_that_is_disabled_keeps_why(
    house: House, receiver: Receiver
) -> None:
    hooked(house, receiver)
    house.open("ana", allow=True)
    receiver.answers = lambda _: 410
    delivery.deliver_due(house.installation)
    before = endpoints.backlog_of(house.installation, "chat")
    house.passes(1)
    endpoints.pause(house.installation, "chat")
    after = endpoints.backlog_of(house.installation, "chat")
    assert (after.disabled_at, after.disabled_because) == (before.disabled_at, "gone")


def test_an_event_that_has_no_number_yet_is_sent_in_the_next_round(
    house: House, receiver: Receiver
) -> None:
    hooked(house, receiver)
    house.open("ana", allow=True)
    with delivery.sole_deliverer(house.installation) as deliverer:
        with transaction(house.installation.pool) as tx:  # committed after this round gave numbers
            assert deliverer._chains(tx, house.now) == []
            assert host_events.give_numbers(tx) == 1
            (chain,) = deliverer._chains(tx, house.now)
            assert [waiting.message.cursor for waiting in chain.messages] == ["1"]
        assert deliverer.run_once().delivered == 1
    assert receiver.refused == []


def test_nothing_is_acknowledged_for_an_endpoint_that_was_removed_nor_is_it_overdue(
    house: House,
) -> None:
    house.open("ana", allow=True)
    house.talk("ana", "chat")
    pull(house)
    answer = house.about(do.Delete, "ana", "chat")
    (leaving,) = [event for event in heard(house) if event.type is EventKind.must_leave]
    endpoints.remove(house.installation, "reader")
    pull(house)  # another one of the same name
    house.passes(40)
    with pytest.raises(NotFoundError), transaction(house.installation.pool) as tx:
        acknowledgements.acknowledge(tx, parse(Prefix.event, leaving.id), "reader", house.now)
    with transaction(house.installation.pool) as tx:
        assert answer.erasure is not None
        (told,) = acknowledgements.deliveries_of_erasure(
            tx, house.accounts["ana"], answer.erasure, house.now
        )
        assert (told.endpoint, told.acknowledged_at) == ("reader", None)
        assert acknowledgements.list_overdue(tx, house.now, 10) == []
