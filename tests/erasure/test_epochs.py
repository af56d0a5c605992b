"""What staff are told of the epochs of the key chain, and which rotation is made."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import msgspec
import pytest

from licet.erasure import epochs, key_rotation, sweeper
from licet.erasure.key_rotation import Rotation, RotationResult
from licet.keys import chain
from licet.store.connect import transaction
from licet.vault import commands as do

from ..installed import House


@pytest.fixture
def house(house: House) -> House:
    for name in ("ana", "ben", "cem"):
        house.open(name, allow=True)
    return house


class Stop(Exception):
    """Somebody pulls the plug."""


def begin(house: House, kind: Rotation) -> None:
    """A rotation of that kind, killed after a bucket."""

    def stop(_: RotationResult) -> None:
        raise Stop

    with pytest.raises(Stop):
        epochs.rotate(house.installation, kind, stop)


def made(house: House) -> list[str]:
    """The kinds of the rotations that are complete, in their order."""
    rows = house.query(
        "SELECT rotation FROM epochs WHERE complete_at IS NOT NULL AND rotation <> '' ORDER "
        "BY number"
    )
    return [row[0] for row in rows]


def test_an_epoch_is_destroyed_a_window_after_it_was_retired(house: House) -> None:
    window = epochs.backup_window(house.installation)
    assert window > timedelta(0)
    assert [one.destroy_at for one in epochs.status(house.installation).epochs] == [None]
    house.passes(1)
    epochs.rotate(house.installation, Rotation.daily)
    retired, current = epochs.status(house.installation).epochs
    assert (retired.retired_at, retired.destroy_at) == (house.now, house.now + window)
    assert (current.retired_at, current.destroy_at) == (None, None)
    house.now = house.now + window - timedelta.resolution
    assert epochs.destroy_due(house.installation) == []
    house.now += timedelta.resolution
    assert epochs.destroy_due(house.installation) == [retired.number]


@pytest.mark.parametrize("kind", Rotation)
def test_an_erased_key_is_out_of_reach_within_the_published_days(
    house: House, kind: Rotation
) -> None:
    """Asked for, by the daily rotation; expired, by the weekly one. At worst one was made just
    before the erasure.
    """
    house.talk("ana", "kettles")
    if kind is Rotation.daily:
        house.about(do.Delete, "ana", "kettles")
    house.passes(6 * 365)
    epochs.rotate(house.installation, Rotation.weekly)
    epochs.destroy_due(house.installation)
    wrapping = epochs.status(house.installation).epochs[-1].number
    assert sweeper.sweep(house.installation).segments == 1
    erased_at, gone = house.now, list[int]()
    while wrapping not in gone:
        house.passes(1)
        assert house.now - erased_at < timedelta(days=100)
        if due := epochs.next_rotation(house.installation):
            epochs.rotate(house.installation, due)
        gone = epochs.destroy_due(house.installation)
    assert (house.now - erased_at).days == epochs.status(house.installation).out_of_reach_days[
        kind.value
    ]


def test_a_first_rotation_is_due_at_once_and_becomes_late(house: House) -> None:
    with transaction(house.installation.pool) as tx:
        life = "INSERT INTO lives (life, journal, position, begun_at) VALUES (1, %s, 0, %s)"
        tx.execute(life, [UUID(int=1), house.now])
    begun = house.now
    house.talk("ana", "kettles")
    house.about(do.Delete, "ana", "kettles")
    house.passes(6 * 365)
    assert sweeper.sweep(house.installation).segments == 1
    assert epochs.next_rotation(house.installation) is Rotation.daily
    for _ in range(2):
        assert epochs.status(house.installation).due["daily"] == begun
        house.passes(3)


def test_a_rotation_that_was_begun_is_told_and_finished_first(house: House) -> None:
    begin(house, Rotation.daily)
    seen = epochs.status(house.installation)
    assert seen.unfinished == seen.epochs[-1].number
    assert epochs.next_rotation(house.installation) is Rotation.daily
    before = len(made(house))
    assert epochs.rotate(house.installation, Rotation.weekly).rotation is Rotation.weekly
    assert made(house)[before:] == ["daily", "weekly"]
    assert epochs.status(house.installation).unfinished is None


@pytest.mark.parametrize(
    ("begun", "asked"), [("weekly", "daily"), ("weekly", "weekly"), ("daily", "daily")]
)
def test_a_rotation_that_was_begun_and_does_as_much_is_all_that_is_made(
    house: House, begun: str, asked: str
) -> None:
    begin(house, Rotation(begun))
    before = len(made(house))
    done = epochs.rotate(house.installation, Rotation(asked))
    assert (done.rotation, done.resumed) == (Rotation(begun), True)
    assert made(house)[before:] == [begun]


@pytest.mark.parametrize("kind", list(Rotation))
def test_without_one_that_was_begun_one_rotation_is_made(house: House, kind: Rotation) -> None:
    before = len(made(house))
    assert not epochs.rotate(house.installation, kind).resumed
    assert made(house)[before:] == [kind.value]


def test_only_a_rotation_that_was_opened_and_is_not_complete_is_unfinished(house: House) -> None:
    begin(house, Rotation.daily)
    with transaction(house.installation.pool) as tx:
        known = chain.list_epochs(tx)
    newest = known[-1]
    assert key_rotation.find_unfinished(known) == newest
    assert key_rotation.find_unfinished([]) is None
    for changes in ({"opened_at": None}, {"complete_at": house.now}):
        assert (
            key_rotation.find_unfinished([*known[:-1], msgspec.structs.replace(newest, **changes)])
            is None
        )


def test_a_sweep_waits_while_more_is_due_than_was_approved() -> None:
    def waits(due: int | None, approved: int | None) -> bool:
        return sweeper.SweepStatus(
            ended_at=None, waits_since=None, due=due, kept=9, approved=approved, approved_by=None
        ).waits

    assert [waits(None, None), waits(1, None), waits(1, 1), waits(2, 1), waits(1, 2)] == [
        False,
        True,
        False,
        True,
        False,
    ]
