"""Which events go once they are old, and which endpoints a restore stops."""

from __future__ import annotations

from collections import Counter

from licet.erasure import certificates, sweeper
from licet.store.connect import transaction
from licet.vault import commands as do
from licet.vault import host_events
from licet.vault.host_events import EventKind
from licet.vault.ids import Prefix, format_id
from licet.webhooks import delivery, endpoints

from ..installed import DAY, House
from .test_webhooks import Receiver, acknowledge, heard, hooked, house, pull, receiver

__all__ = ["house", "receiver"]  # fixtures


def pruned(house: House) -> list[str]:
    """The types of the events that go, once they are older than 90 days."""
    before = {event.id: event.type.value for event in heard(house)}
    with transaction(house.installation.pool) as tx:
        count = host_events.prune(tx, house.now - 90 * DAY, 100)
    gone = [
        kind for ident, kind in before.items() if ident not in {event.id for event in heard(house)}
    ]
    assert len(gone) == count
    return gone


def test_an_event_of_just_the_age_that_is_kept_is_kept(house: House) -> None:
    pull(house)
    house.open("ana", allow=True)
    assert len(heard(house)) == 1
    house.passes(90)
    assert pruned(house) == []
    house.passes(1)
    assert pruned(house) == ["choice.changed"]


def test_an_event_without_a_number_has_been_read_by_nobody_and_stays(house: House) -> None:
    pull(house)
    house.open("ana", allow=True)
    house.passes(91)
    with transaction(house.installation.pool) as tx:
        assert host_events.prune(tx, house.now - 90 * DAY, 100) == 0
    assert len(heard(house)) == 1
    assert pruned(house) == ["choice.changed"]


def test_what_was_not_delivered_stays_and_of_other_events_nothing_depends_on_it(
    house: House, receiver: Receiver
) -> None:
    hooked(house, receiver)
    house.open("ana", allow=True)
    delivery.deliver_due(house.installation)
    house.open("ben", allow=True)
    receiver.answers = lambda _: 500
    delivery.deliver_due(house.installation)
    house.passes(91)
    assert len(heard(house)) == 2
    assert pruned(house) == ["choice.changed"], "what was delivered"
    assert heard(house)[0].data["account"] == format_id(Prefix.account, house.accounts["ben"])
    receiver.answers = lambda _: 204
    endpoints.replay(house.installation, "chat", "0")
    delivery.deliver_due(house.installation)
    assert pruned(house) == ["choice.changed"]


def test_a_removed_endpoint_is_waited_for_no_longer(house: House) -> None:
    pull(house)
    endpoints.add(house.installation, "other", None)
    house.open("ana", allow=True)
    house.choose("ana", False)
    house.passes(91)
    (leaving,) = [event.id for event in heard(house) if event.type is EventKind.must_leave]
    assert Counter(pruned(house)) == {"choice.changed": 2}
    acknowledge(house, leaving, "reader")
    assert pruned(house) == [], "the other has not answered"
    endpoints.remove(house.installation, "other")
    assert pruned(house) == ["conversation.must_leave"]


def test_the_events_of_an_erasure_stay_until_it_is_certified_and_no_others_for_it(
    house: House,
) -> None:
    pull(house)
    house.open("ana", allow=True)
    house.talk("ana", "chat")
    house.talk("ana", "other")
    house.about(do.Hold, "ana", "other", matter="kettles")
    first, second = (house.about(do.Delete, "ana", chat).erasure for chat in ("chat", "other"))
    assert first is not None
    assert second is not None
    for event in heard(house):
        if event.type is EventKind.must_leave:
            acknowledge(house, event.id, "reader")
    house.passes(91)
    assert pruned(house) == ["choice.changed", "conversation.must_hold"]
    sweeper.sweep(house.installation)
    states = {
        certificates.status(house.installation, f"era_{one.hex}").state.value
        for one in (first, second)
    }
    assert states == {"verified", "fenced"}
    assert pruned(house) == ["conversation.must_leave"]
    left = {
        event.data.get("erasure") for event in heard(house) if event.type is EventKind.must_leave
    }
    assert left == {f"era_{second.hex}"}


def test_a_restore_stops_whatever_sends_and_leaves_what_was_stopped_or_removed_as_it_was(
    house: House, receiver: Receiver
) -> None:
    hooked(house, receiver, "chat")
    hooked(house, receiver, "gone")
    hooked(house, receiver, "removed")
    pull(house)
    endpoints.remove(house.installation, "removed")
    with transaction(house.installation.pool) as tx:
        tx.execute(
            "UPDATE endpoints SET (disabled_at, disabled_because) = (made_at, 'gone') WHERE "
            "name = 'gone'"
        )
    house.passes(1)
    with transaction(house.installation.pool) as tx:
        assert endpoints.disable_all(tx, house.now) == 1
    found = dict(house.query("SELECT name, disabled_because FROM endpoints"))
    assert found == {"chat": "restored", "gone": "gone", "removed": None, "reader": None}
