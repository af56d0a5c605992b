"""Of two who decide at once by what they read, the second goes by what the first made of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from licet.access import inbox_register, sessions
from licet.access.inbox_register import ItemSubject
from licet.backup import archives
from licet.backup.log_union import RestoreFinish
from licet.curate import release_build
from licet.erasure.epochs import destroy_due, rotate
from licet.erasure.key_rotation import Rotation
from licet.errors import BusyError, LicetError, RefusedError
from licet.keys import fence
from licet.keys.keyring import EPOCHS_LOCK
from licet.keys.restriction_journal import Journal
from licet.policy.period import instant
from licet.release import build as release_builder
from licet.release import page_builder, registry, sample
from licet.release.registry import Release
from licet.store.connect import Pool, Transaction, transaction
from licet.train import withdrawn_rows
from licet.vault import installation, policy_versions

from ..installed import DAY, House
from ..journals import KEY
from ..meanwhile import Meanwhile, in_transaction, meanwhile
from ..terms import preset


@pytest.fixture
def house(pool: Pool, tmp_path: Path) -> House:
    house = House(pool, tmp_path)
    house.open("ana", allow=True)
    house.talk("ana", "chat")
    return house


@pytest.fixture
def built(house: House) -> House:
    release_build.build_release(house.here, name="one", purpose="improve_models")
    return house


def release(house: House) -> Release:
    with transaction(house.here.pool) as tx:
        found = registry.find(tx, "one")
    assert found is not None
    return found


def both(house: House, verb: Any) -> Meanwhile:
    """The same verb by two."""
    pool = house.here.pool
    return meanwhile(pool, verb, in_transaction(pool, verb))


def test_of_two_versions_of_the_policy_at_once_the_second_is_held_against_the_first(
    house: House,
) -> None:
    later = replace(preset("article-2025"), version="2026-01-01", effective=instant("2026-01-01"))
    done = both(house, lambda tx: policy_versions.add(tx, later, house.now, "test"))
    assert done.waited
    assert isinstance(done.error, LicetError)
    assert house.query("SELECT count(*) FROM policies") == [(2,)]


def test_steps_of_an_inbox_item_are_numbered_one_after_another(house: House) -> None:
    with transaction(house.here.pool) as tx:
        staff = sessions.find_or_add_staff(tx, "ana@example.org", house.now, os.urandom)
        about = ItemSubject(item="sweep:weekly")
        inbox_register.add_note(tx, house.here.keyring, about, staff, house.now, "first")
    done = both(
        house,
        lambda tx: inbox_register.add_note(
            tx, house.here.keyring, about, staff, house.now, "another"
        ),
    )
    assert (done.waited, done.error) == (True, None)
    assert house.query("SELECT steps FROM inbox_items") == [(3,)]


def test_of_two_who_take_an_inbox_item_at_once_one_has_it(house: House) -> None:
    with transaction(house.here.pool) as tx:
        ana, ben = (
            sessions.find_or_add_staff(tx, name, house.now, os.urandom)
            for name in ("a@example.org", "b@example.org")
        )
        inbox_register.add_note(
            tx, house.here.keyring, ItemSubject(item="sweep:weekly"), ana, house.now, "first"
        )
    pool = house.here.pool

    def take(staff: Any) -> Any:
        return lambda tx: inbox_register.take_item(
            tx, house.here.keyring, ItemSubject(item="sweep:weekly"), staff, house.now
        )

    done = meanwhile(pool, take(ana), in_transaction(pool, take(ben)))
    assert isinstance(done.error, RefusedError)


def test_the_samples_of_a_release_are_drawn_one_after_another(built: House) -> None:
    assert both(built, lambda tx: sample.lock(tx, release(built).release_id)).waited


def test_the_withdrawn_rows_of_a_release_are_brought_up_to_date_by_one_at_a_time(
    built: House,
) -> None:
    known, policies = release(built), installation.policies(built.here)
    withdrawn_rows.brought_up(built.here.pool, known, policies, built.now, built.now + DAY)
    assert both(built, lambda tx: withdrawn_rows._read(tx, known.release_id, lock=True)).waited


def test_a_release_is_built_once_at_a_time_and_another_goes_on(house: House) -> None:
    def building(tx: Transaction) -> None:
        lock = "SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))"
        assert tx.execute(lock, [release_builder.BUILD_LOCK, "one"]).fetchone() == (True,)

    pool = house.here.pool

    def build(name: str) -> Any:
        return lambda: release_build.build_release(house.here, name=name, purpose="improve_models")

    assert isinstance(meanwhile(pool, building, build("one")).error, BusyError)
    assert meanwhile(pool, building, build("other")).error is None
    assert not (house.here.config.data / "releases" / "one").exists()


def test_a_build_waits_for_the_pages_that_another_one_left_under_way(house: House) -> None:
    def paging(tx: Transaction) -> None:
        tx.execute(
            "SELECT pg_advisory_xact_lock_shared(%s, hashtext(%s))",
            [page_builder.PAGES_LOCK, "one"],
        )

    pool = house.here.pool
    done = meanwhile(
        pool, paging, in_transaction(pool, lambda tx: page_builder.wait_for_pages(tx, "one"))
    )
    assert done.waited
    other = meanwhile(
        pool, paging, in_transaction(pool, lambda tx: page_builder.wait_for_pages(tx, "other"))
    )
    assert not other.waited


def test_a_rotation_begins_when_nobody_wraps_under_the_epoch_before(house: House) -> None:
    pool = house.here.pool
    before = house.query("SELECT max(number) FROM epochs")
    done = meanwhile(pool, house.here.keyring.newest, lambda: rotate(house.here, Rotation.daily))
    assert (done.waited, done.error) == (True, None)
    assert house.query("SELECT max(number) FROM epochs") > before


def test_a_restore_looks_for_its_keys_when_nobody_wraps_any(house: House, tmp_path: Path) -> None:
    house.here.keyring.restrictions = Journal(tmp_path / "restrictions", key=KEY)
    done = meanwhile(
        house.here.pool,
        house.here.keyring.newest,
        lambda: archives._raise_fence(house.here, None, RestoreFinish.narrow),
    )
    assert done.waited
    assert done.error is None or isinstance(done.error, LicetError)


def test_no_epoch_is_opened_or_destroyed_while_a_restore_looks_for_its_keys(house: House) -> None:
    rotate(house.here, Rotation.daily)
    pool = house.here.pool

    def raising(tx: Transaction) -> None:
        tx.execute("SELECT pg_advisory_xact_lock(%s)", [EPOCHS_LOCK])
        fence.raise_fence(tx, house.now)

    house.passes(400)
    done = meanwhile(pool, raising, lambda: destroy_due(house.here))
    assert done.waited
    assert isinstance(done.error, LicetError), "the fence stands when it looks"
