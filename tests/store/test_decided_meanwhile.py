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
from licet.consent import request_register, rights, rights_requests
from licet.consent.deadlines import RightKind
from licet.consent.request_register import NewRequestStep
from licet.consent.rights import RequestState, RequestStep
from licet.consent.rights_requests import StaffAct
from licet.curate import release_build
from licet.erasure.epochs import destroy_due, rotate
from licet.erasure.key_rotation import Rotation
from licet.errors import BusyError, LicetError, RefusedError
from licet.keys import fence
from licet.keys.keyring import EPOCHS_LOCK
from licet.keys.restriction_journal import Journal
from licet.policy.period import instant
from licet.release import build as release_builder
from licet.release import page_builder, registry, sample, signatures
from licet.release.registry import Release
from licet.release.review import ReviewFinding
from licet.store.connect import Transaction, transaction
from licet.train import withdrawn_rows
from licet.vault import policy_plan, policy_versions
from licet.vault.ids import Prefix, format_id
from licet.vault.installation import load_policies, policy_snapshot
from licet.vault.staff_reads import ReaderRole

from ..installed import DAY, House
from ..journals import KEY
from ..meanwhile import Meanwhile, in_transaction, meanwhile
from ..release.test_review import hired
from ..terms import preset


@pytest.fixture
def house(house: House) -> House:
    house.open("ana", allow=True)
    house.talk("ana", "chat")
    return house


@pytest.fixture
def built(house: House) -> House:
    release_build.build_release(house.installation, name="one", purpose="improve_models")
    return house


def release(house: House) -> Release:
    with transaction(house.installation.pool) as tx:
        found = registry.find(tx, "one")
    assert found is not None
    return found


def both(house: House, verb: Any) -> Meanwhile:
    """The same verb by two."""
    pool = house.installation.pool
    return meanwhile(pool, verb, in_transaction(pool, verb))


def test_of_two_versions_of_the_policy_at_once_the_second_is_held_against_the_first(
    house: House,
) -> None:
    later = replace(preset("article-2025"), version="2026-01-01", effective=instant("2026-01-01"))
    done = both(house, lambda tx: policy_versions.add(tx, later, house.now, "test"))
    assert isinstance(done.error, RefusedError)
    assert (done.waited, done.error.because) == (True, "exists")
    assert house.query("SELECT count(*) FROM policies") == [(2,)]


def test_of_two_who_move_a_deadline_at_once_the_second_moves_it_no_earlier(house: House) -> None:
    pool, known = house.installation.pool, load_policies(house.installation)
    newest = known[len(known) - 1]
    assert newest.decide_by is not None
    soon, late = (replace(newest, decide_by=newest.decide_by + n * DAY) for n in (1, 9))
    done = meanwhile(
        pool,
        lambda tx: policy_versions.amend(tx, late, house.now, "test"),
        in_transaction(pool, lambda tx: policy_versions.amend(tx, soon, house.now, "test")),
    )
    assert isinstance(done.error, RefusedError)
    assert done.waited
    assert load_policies(house.installation)[len(known) - 1].decide_by == late.decide_by


def test_steps_of_an_inbox_item_are_numbered_one_after_another(house: House) -> None:
    with transaction(house.installation.pool) as tx:
        staff = sessions.find_or_add_staff(tx, "ana@example.org", house.now, os.urandom)
        about = ItemSubject(item="sweep:weekly")
        inbox_register.add_note(tx, house.installation.keyring, about, staff, house.now, "first")
    done = both(
        house,
        lambda tx: inbox_register.add_note(
            tx, house.installation.keyring, about, staff, house.now, "another"
        ),
    )
    assert (done.waited, done.error) == (True, None)
    assert house.query("SELECT steps FROM inbox_items") == [(3,)]


def test_who_has_read_an_inbox_item_and_changed_nothing_yet_is_waited_for(house: House) -> None:
    """Both would number their step alike: the second one's would be refused by the database, as a
    fault of ours.
    """
    about = ItemSubject(item="sweep:weekly")
    with transaction(house.installation.pool) as tx:
        staff = sessions.find_or_add_staff(tx, "ana@example.org", house.now, os.urandom)
        inbox_register.add_note(tx, house.installation.keyring, about, staff, house.now, "first")
    done = meanwhile(
        house.installation.pool,
        lambda tx: inbox_register._locked(tx, about),
        in_transaction(
            house.installation.pool,
            lambda tx: inbox_register.add_note(
                tx, house.installation.keyring, about, staff, house.now, "another"
            ),
        ),
    )
    assert (done.waited, done.error) == (True, None)


def test_of_two_versions_that_were_planned_on_the_same_one_the_second_needs_another_plan(
    house: House,
) -> None:
    pool, known = house.installation.pool, load_policies(house.installation)
    first, second = (
        replace(
            known[len(known) - 1],
            version=day,
            effective=instant(day),
            decide_by=None,
            material=False,
        )
        for day in ("2031-01-01", "2031-01-02")
    )
    with transaction(pool) as tx:
        for new in (first, second):
            drawn = policy_plan.draw_plan(tx, known, new, house.now)
            policy_plan.save_plan(tx, known, new, drawn, house.now, "counsel")
    done = meanwhile(
        pool,
        lambda tx: policy_plan.apply(tx, first, house.now, "counsel"),
        in_transaction(pool, lambda tx: policy_plan.apply(tx, second, house.now, "counsel")),
    )
    assert isinstance(done.error, RefusedError)
    assert (done.waited, done.error.because) == (True, "no_plan")


def test_what_reads_one_moment_sees_the_fence_that_it_waited_for(house: House) -> None:
    def restore(tx: Transaction) -> None:
        fence.wait_for_readers(tx)
        fence.raise_fence(tx, house.now)

    def read() -> object:
        with policy_snapshot(house.installation) as (_, known):
            return known

    try:
        done = meanwhile(house.installation.pool, restore, read)
        assert done.waited
        assert isinstance(done.error, fence.FencedError)
    finally:
        with transaction(house.installation.pool) as tx:
            fence.lift_fence(tx)


def test_of_two_who_take_an_inbox_item_at_once_one_has_it(house: House) -> None:
    with transaction(house.installation.pool) as tx:
        ana, ben = (
            sessions.find_or_add_staff(tx, name, house.now, os.urandom)
            for name in ("a@example.org", "b@example.org")
        )
        inbox_register.add_note(
            tx,
            house.installation.keyring,
            ItemSubject(item="sweep:weekly"),
            ana,
            house.now,
            "first",
        )
    pool = house.installation.pool

    def take(staff: Any) -> Any:
        return lambda tx: inbox_register.take_item(
            tx, house.installation.keyring, ItemSubject(item="sweep:weekly"), staff, house.now
        )

    done = meanwhile(pool, take(ana), in_transaction(pool, take(ben)))
    assert isinstance(done.error, RefusedError)


def test_of_two_who_answer_a_request_at_once_the_second_is_told_that_it_ended(house: House) -> None:
    entered = rights_requests.EnteredRequest(
        kind=RightKind.access, words="all of mine", identity="a passport"
    )
    row = rights_requests.enter(house.installation, entered, "staff:ana").row
    pool, named = house.installation.pool, format_id(Prefix.request, row.request)

    def end(tx: Transaction) -> None:
        found = request_register.get(tx, row.request, locks=True)
        assert found is not None
        moved = replace(found, clock=rights.end(found.clock, RequestState.refused, house.now))
        step = NewRequestStep(step=RequestStep.refused, at=house.now, by="staff:ana", words="no")
        request_register.advance(tx, house.installation.keyring, moved, [step])

    done = meanwhile(
        pool,
        end,
        lambda: rights_requests.take_step(
            house.installation, named, StaffAct.answer, "staff:ben", words="here it is"
        ),
    )
    assert done.waited
    assert isinstance(done.error, RefusedError)
    assert house.query("SELECT state FROM rights_requests") == [("refused",)]


@pytest.mark.parametrize("second", [False, True])
def test_two_who_read_a_sample_at_once_are_given_two_rows_and_neither_waits(
    built: House, second: bool
) -> None:
    for number in range(2):
        built.open(f"p{number}", allow=True)
        built.talk(f"p{number}", f"c{number}")
    release_build.build_release(built.installation, name="two", purpose="improve_models")
    signatures.draw(built.installation, "two", chance=2, by_risk=0)
    if second:
        rae = hired(built, "rae", "reviewer")
        while (row := signatures.read_next(built.installation, "two", rae)) is not None:
            signatures.record_finding(
                built.installation, "two", rae, row.ordinal, ReviewFinding.nothing
            )
    ada, ben = hired(built, "ada", "reviewer"), hired(built, "ben", "reviewer")
    of, rows = signatures.find_copy(built.installation, "two"), list[int]()

    def read(tx: Transaction) -> None:
        drawn = sample.newest(tx, of.known.release_id, closed=False)
        assert drawn is not None
        row = sample.read_next(
            tx,
            built.installation.keyring,
            of,
            drawn,
            load_policies(built.installation),
            built.now,
            staff=ada.staff_id,
            identity=None,
            role=ReaderRole.reviewer,
            random=os.urandom,
            second=second,
        )
        assert row is not None
        rows.append(row.ordinal)

    done = meanwhile(
        built.installation.pool,
        read,
        lambda: signatures.read_next(built.installation, "two", ben, second=second),
    )
    assert (done.waited, done.error) == (False, None)
    assert done.result.ordinal not in rows


def test_no_build_begins_anew_while_a_page_is_made(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked when the page is about to be committed, and once it is."""
    free = []

    def has_no_page() -> bool:
        with transaction(house.installation.pool) as tx:
            lock = "SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))"
            return tx.execute(lock, [page_builder.PAGES_LOCK, "one"]).fetchone() == (True,)

    monkeypatch.setattr(page_builder.TurnsInOrder, "commits", lambda _: free.append(has_no_page()))
    release_build.build_release(house.installation, name="one", purpose="improve_models")
    assert free == [False]
    assert has_no_page()


def test_the_samples_of_a_release_are_drawn_one_after_another(built: House) -> None:
    assert both(built, lambda tx: sample.lock(tx, release(built).release_id)).waited


def test_the_withdrawn_rows_of_a_release_are_brought_up_to_date_by_one_at_a_time(
    built: House,
) -> None:
    known, policies = release(built), load_policies(built.installation)
    withdrawn_rows.update(built.installation.pool, known, policies, built.now, built.now + DAY)
    assert both(built, lambda tx: withdrawn_rows._read(tx, known.release_id, lock=True)).waited


def test_a_release_is_built_once_at_a_time_and_another_goes_on(house: House) -> None:
    def building(tx: Transaction) -> None:
        lock = "SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))"
        assert tx.execute(lock, [release_builder.BUILD_LOCK, "one"]).fetchone() == (True,)

    pool = house.installation.pool

    def build(name: str) -> Any:
        return lambda: release_build.build_release(
            house.installation, name=name, purpose="improve_models"
        )

    assert isinstance(meanwhile(pool, building, build("one")).error, BusyError)
    assert meanwhile(pool, building, build("other")).error is None
    assert not (house.installation.config.data / "releases" / "one").exists()


def test_a_build_waits_for_the_pages_that_another_one_left_under_way(house: House) -> None:
    def paging(tx: Transaction) -> None:
        tx.execute(
            "SELECT pg_advisory_xact_lock_shared(%s, hashtext(%s))",
            [page_builder.PAGES_LOCK, "one"],
        )

    pool = house.installation.pool
    done = meanwhile(
        pool, paging, in_transaction(pool, lambda tx: page_builder.wait_for_pages(tx, "one"))
    )
    assert done.waited
    other = meanwhile(
        pool, paging, in_transaction(pool, lambda tx: page_builder.wait_for_pages(tx, "other"))
    )
    assert not other.waited


def test_a_rotation_begins_when_nobody_wraps_under_the_epoch_before(house: House) -> None:
    pool = house.installation.pool
    before = house.query("SELECT max(number) FROM epochs")
    done = meanwhile(
        pool, house.installation.keyring.newest, lambda: rotate(house.installation, Rotation.daily)
    )
    assert (done.waited, done.error) == (True, None)
    assert house.query("SELECT max(number) FROM epochs") > before


def test_a_restore_looks_for_its_keys_when_nobody_wraps_any(house: House, tmp_path: Path) -> None:
    house.installation.keyring.restrictions = Journal(tmp_path / "restrictions", key=KEY)
    done = meanwhile(
        house.installation.pool,
        house.installation.keyring.newest,
        lambda: archives._raise_fence(house.installation, None, RestoreFinish.narrow),
    )
    assert done.waited
    assert done.error is None or isinstance(done.error, LicetError)


def test_no_epoch_is_opened_or_destroyed_while_a_restore_looks_for_its_keys(house: House) -> None:
    rotate(house.installation, Rotation.daily)
    pool = house.installation.pool

    def raising(tx: Transaction) -> None:
        tx.execute("SELECT pg_advisory_xact_lock(%s)", [EPOCHS_LOCK])
        fence.raise_fence(tx, house.now)

    house.passes(400)
    done = meanwhile(pool, raising, lambda: destroy_due(house.installation))
    assert done.waited
    assert isinstance(done.error, LicetError), "the fence stands when it looks"
