"""The sweep runs by itself, stops before it erases more than anybody expects, and goes on when a
person says so.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from licet import doctor
from licet.config import Sweep
from licet.erasure import certificates, sweep_batches, sweeper
from licet.errors import RefusedError
from licet.policy.state import Share
from licet.service import housekeeping, population_status
from licet.service.inbox_sources import InboxReading, _endpoints
from licet.store.connect import ContentionError, Pool, Transaction, advisory_lock, transaction
from licet.vault import apply
from licet.vault import commands as do
from licet.vault.account_journal import ENDINGS_LOCK
from licet.vault.certificate import ErasureState
from licet.vault.content import Content, encode
from licet.vault.installation import load_policies
from licet.webhooks import endpoints

from ..installed import House
from ..waiting import HANG_SECONDS, wait_until

YEARS = 6 * 365


def limited(house: House, **limits: int | float) -> House:
    """The house with other limits; it looks each second."""
    config = msgspec.structs.replace(
        house.installation.config, sweep=Sweep(every_seconds=1, **limits)
    )
    house.installation = msgspec.structs.replace(house.installation, config=config)
    return house


@pytest.fixture
def house(pool: Pool, tmp_path: Path) -> House:
    """Eight chats, of which a sweep may erase a quarter unasked; three of them end first."""
    house = limited(House(pool, tmp_path), share=0.25, unasked=1)
    house.open("ana", allow=False)
    for n in range(3):
        house.talk("ana", f"early {n}")
    house.passes(20)
    for n in range(5):
        house.talk("ana", f"late {n}")
    return house


def kept(house: House) -> int:
    (row,) = house.query("SELECT count(*) FROM segments WHERE erased_at IS NULL")
    return int(row[0])


@contextmanager
def running(house: House) -> Iterator[None]:
    """`keep_sweeping`, as the server runs it, until the block ends."""
    stop = threading.Event()
    thread = threading.Thread(target=housekeeping.keep_sweeping, args=(house.installation, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(HANG_SECONDS)
        assert not thread.is_alive()


def test_a_sweep_that_would_erase_more_than_the_set_share_erases_nothing_and_asks(
    house: House,
) -> None:
    house.passes(11)
    with pytest.raises(RefusedError, match="would erase `3` of `8` stored segments") as refused:
        sweeper.sweep(house.installation)
    assert refused.value.because == "sweep_waits"
    assert kept(house) == 8
    seen = sweeper.sweep_status(house.installation)
    assert (seen.waits, seen.due, seen.kept, seen.waits_since) == (True, 3, 8, house.now)
    (found,) = [f for f in doctor.examine(house.installation) if f.what == "sweep"]
    assert found.state is doctor.FindingState.broken


def test_what_waits_is_erased_once_somebody_approved_it_and_then_the_limit_holds_again(
    house: House,
) -> None:
    with pytest.raises(RefusedError, match="no sweep waits"):
        sweeper.approve(house.installation, "user:kim")
    house.passes(11)
    with pytest.raises(RefusedError):
        sweeper.sweep(house.installation)
    assert not sweeper.approve(house.installation, "user:kim").waits
    assert sweeper.sweep(house.installation).segments == 3
    seen = sweeper.sweep_status(house.installation)
    assert (seen.waits_since, seen.approved, seen.ended_at) == (None, None, house.now)
    house.passes(20)
    with pytest.raises(RefusedError, match="would erase `5` of `5`"):
        sweeper.sweep(house.installation)


def test_an_approval_is_for_what_was_asked_and_not_for_what_became_due_since(house: House) -> None:
    house.passes(11)
    with pytest.raises(RefusedError):
        sweeper.sweep(house.installation)
    sweeper.approve(house.installation, "user:kim")
    house.passes(20)
    with pytest.raises(RefusedError, match="would erase `8` of `8`"):
        sweeper.sweep(house.installation)
    assert kept(house) == 8
    assert sweeper.sweep_status(house.installation).waits


def test_an_approval_that_is_given_while_a_sweep_counts_is_not_lost(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.passes(11)
    with pytest.raises(RefusedError):
        sweeper.sweep(house.installation)
    counted = sweeper.expiry.due_count

    def approved_meanwhile(tx: Transaction, at: datetime, most: int) -> int:
        monkeypatch.undo()
        sweeper.approve(house.installation, "user:kim")
        return counted(tx, at, most)

    monkeypatch.setattr(sweeper.expiry, "due_count", approved_meanwhile)
    with pytest.raises(RefusedError):
        sweeper.sweep(house.installation)
    assert not sweeper.sweep_status(house.installation).waits
    assert sweeper.sweep(house.installation).segments == 3


def test_a_dry_run_counts_and_asks_nothing(house: House) -> None:
    house.passes(11)
    assert sweeper.sweep(house.installation, dry_run=True).segments == 3
    assert sweeper.sweep_status(house.installation).waits_since is None


def test_by_itself_it_erases_what_is_due_with_a_certificate_and_waits_where_it_must(
    house: House,
) -> None:
    house.about(do.Delete, "ana", "late 0")
    with running(house):
        house.passes(11)
        wait_until(
            lambda: sweeper.sweep_status(house.installation).waits, "the sweep waits to be asked"
        )
        assert kept(house) == 8
        sweeper.approve(house.installation, "user:kim")
        wait_until(lambda: kept(house) == 5, "what ended is erased")
        limited(house, share=1.0)
    with running(house):
        house.passes(20)
        wait_until(lambda: kept(house) == 0, "all that ended is erased")
        wait_until(
            lambda: (
                certificates.list_by_account(house.installation, house.accounts["ana"])[0].state
                is ErasureState.verified
            ),
            "the erasure is verified",
        )


def test_by_itself_it_joins_the_small_blocks_of_segments_at_rest(house: House) -> None:
    house.choose("ana", True)
    house.talk("ana", "kept")
    house.passes(8)
    each = "SELECT length(roles) FROM blocks WHERE conversation_id = %s"
    assert house.query(each, house.chats["kept"]) == [(1,), (1,)]
    with running(house):
        wait_until(
            lambda: house.query(each, house.chats["kept"]) == [(2,)],
            "the turns of the chat are one block",
        )


def test_content_that_a_hold_alone_kept_goes_when_the_hold_ends_and_is_certified(
    house: House,
) -> None:
    limited(house, share=1.0)
    house.about(do.Hold, "ana", "early 0", matter="case 7")
    house.passes(60)
    with running(house):
        wait_until(lambda: kept(house) == 1, "all but one are erased")
        house.about(do.Unhold, "ana", "early 0", matter="case 7")
        wait_until(lambda: kept(house) == 0, "the last is erased")
        wait_until(
            lambda: (
                [
                    e.state
                    for e in certificates.list_by_account(house.installation, house.accounts["ana"])
                ]
                == [ErasureState.verified]
            ),
            "the erasure is verified",
        )
    assert kept(house) == 0


def test_of_several_that_keep_sweeping_one_works_at_a_time(house: House) -> None:
    with (
        advisory_lock(house.installation.pool, sweeper.SWEEPS_LOCK) as first,
        advisory_lock(house.installation.pool, sweeper.SWEEPS_LOCK) as second,
    ):
        assert (first, second) == (True, False)
    with advisory_lock(house.installation.pool, sweeper.SWEEPS_LOCK) as again:
        assert again


def test_a_key_is_rotated_out_by_itself_on_the_day_after_its_deletion(house: House) -> None:
    limited(house, share=1.0)
    house.passes(11)
    before = house.query("SELECT count(*) FROM epochs")[0][0]
    with running(house):
        wait_until(lambda: kept(house) == 5, "the next is erased")
        house.passes(8)
        wait_until(
            lambda: house.query("SELECT count(*) FROM epochs")[0][0] > before,
            "what ended is erased",
        )
    assert house.query("SELECT count(*) FROM epochs")[0][0] > before


def test_the_doctor_says_which_host_hears_nothing_and_who_owes_an_answer(house: House) -> None:
    added = endpoints.add(house.installation, "desk", None)
    house.about(do.Delete, "ana", "late 0")
    assert [f for f in doctor.examine(house.installation) if f.what == "hosts"] == []
    house.passes(30)
    (found,) = [f for f in doctor.examine(house.installation) if f.what == "hosts"]
    assert found.state is doctor.FindingState.warning
    assert f"endpoint `{added.endpoint}`: 1 acknowledgements overdue" in found.seen
    with InboxReading(house.installation, house.now) as reading:
        (item,) = _endpoints(reading)
    assert item.what == f"Endpoint {added.endpoint} owes 1 answer"


# What is due, and what will be kept


def stored(house: House) -> int:
    """The sealed bytes that lie in the tables, looked at and not asked for."""
    tables = ("blocks", "safety_bodies", "feedback_bodies")
    return sum(
        int(house.query(f"SELECT coalesce(sum(octet_length(sealed)), 0) FROM {name}")[0][0])
        for name in tables
    )


@pytest.fixture
def lived_in(pool: Pool, tmp_path: Path) -> House:
    """Chats that go and stay, one that was flagged, feedback with a comment, and one under a
    hold.
    """
    house = limited(House(pool, tmp_path), share=1.0, unasked=10_000)
    house.open("ana", allow=False)
    house.open("ben", allow=True)
    for name, chat in (
        ("ana", "short"),
        ("ana", "held"),
        ("ana", "late"),
        ("ana", "flagged"),
        ("ben", "long"),
    ):
        house.talk(name, chat)
    house.about(do.Flag, "ana", "flagged", score=0.9)
    for name, chat in (("ana", "short"), ("ben", "long")):
        comment = encode(Content(text="that was of great help"))
        house.about(
            do.GiveFeedback, name, chat, rating="up", share=Share.conversation, comment=comment
        )
    house.about(do.Hold, "ana", "held", matter="kettles")
    return house


def test_the_forecast_says_what_sweeps_leave(lived_in: House) -> None:
    """Held chats, copies of flagged ones and feedback are in it: each month is swept, and the bytes
    are counted.
    """
    house = lived_in
    coming = population_status.forecast(house.installation)
    assert (
        coming.kept[0] == stored(house) == population_status.status(house.installation).bytes_kept
    )
    seen = []
    for moment, kept in zip(coming.moments[1:], coming.kept[1:], strict=True):
        house.now = moment
        sweeper.sweep(house.installation)
        assert stored(house) == kept, moment
        seen.append(kept)
    assert len(set(seen)) >= 3, "something went at different times"
    assert seen[-1] > 0, "a hold ends by nothing but its end"


def test_status_doctor_and_the_sweep_say_the_same_of_what_is_due(lived_in: House) -> None:
    house = lived_in
    house.passes(40)
    house.about(do.Hold, "ana", "late", matter="came when its time was over")
    would = sweeper.sweep(house.installation, dry_run=True)
    due = would.segments + would.feedback + would.reasons.get("safety", 0)
    assert due >= 3
    assert population_status.status(house.installation).overdue == due, (
        "a hold that came too late hides nothing"
    )
    assert population_status.status(house.installation).bytes_kept == stored(house), (
        "what is due lies there still"
    )
    (said,) = [
        finding.seen
        for finding in doctor.examine(house.installation)
        if finding.what == "retention"
    ]
    assert said.startswith(f"{due} segments, feedback and safety copies are overdue")
    sweeper.sweep(house.installation)
    assert population_status.status(house.installation).overdue == 0
    assert population_status.status(house.installation).bytes_kept == stored(house) > 0


def test_the_sweep_waits_for_whoever_reads_endings_alone(lived_in: House, pool: Pool) -> None:
    """Publishing a release holds the lock of endings alone: a sweep that erased beside it would not
    be in the release.
    """
    house = lived_in
    house.passes(40)
    with pool.connection() as publishing:
        publishing.execute("SELECT pg_advisory_xact_lock(%s)", [ENDINGS_LOCK])
        with pytest.raises(ContentionError), transaction(pool) as tx:
            tx.execute("SET LOCAL lock_timeout = '200ms'")
            sweep_batches.sweep_batch(tx, house.now)
        assert sweeper.sweep(house.installation, dry_run=True).segments > 0, "nothing was erased"
        publishing.rollback()
    with transaction(pool) as tx:
        assert sweep_batches.sweep_batch(tx, house.now).segments > 0


@pytest.mark.parametrize(
    "told",
    ["delete", "keep out", "withdraw", "close", "leave the plan", "are too young", "say their age"],
)
def test_a_verb_that_ends_something_waits_for_whoever_reads_endings_alone(
    lived_in: House, pool: Pool, told: str
) -> None:
    house = lived_in
    account, at = house.accounts["ben"], house.now
    command: do.Command = {
        "delete": do.Delete(account=account, at=at, conversation=house.chats["long"]),
        "keep out": do.Narrow(account=account, at=at, conversation=house.chats["long"]),
        "withdraw": do.Choose(account=account, at=at, allow=False),
        "close": do.CloseAccount(account=account, at=at),
        "leave the plan": do.SetPlan(account=account, at=at, plan="team"),
        "are too young": do.SetAge(account=account, at=at, age=15),
        "say their age": do.Choose(account=account, at=at, allow=True, age=15, question="training"),
    }[told]
    before = house.dump()
    with pool.connection() as publishing:
        publishing.execute("SELECT pg_advisory_xact_lock(%s)", [ENDINGS_LOCK])
        with pytest.raises(ContentionError), transaction(pool) as tx:
            tx.execute("SET LOCAL lock_timeout = '200ms'")
            apply.apply(
                tx, house.installation.keyring, load_policies(house.installation), [command]
            )
        publishing.rollback()
    assert house.dump() == before
    house.tell(command)
    assert house.dump() != before


def test_a_sweep_that_has_erased_what_it_may_asks_again_before_it_goes_on(
    pool: Pool, tmp_path: Path
) -> None:
    """Segments, feedback and safety copies count alike against what needs no asking."""
    house = limited(House(pool, tmp_path), share=0.0, unasked=4)
    house.open("ana", allow=False)
    chats = [f"held {n}" for n in range(6)]
    for chat in ("flagged", "rated", *chats):
        house.talk("ana", chat)
    house.about(do.Flag, "ana", "flagged", score=0.9)
    house.about(do.GiveFeedback, "ana", "rated", rating="up", share=Share.conversation)
    for chat in chats:
        house.about(do.Hold, "ana", chat, matter="case 7")
    house.passes(YEARS)
    would = sweeper.sweep(house.installation, dry_run=True)
    assert (would.segments, would.feedback, would.reasons["safety"]) == (2, 1, 1)

    def freed(*some: str) -> None:
        for chat in some:
            house.about(do.Unhold, "ana", chat, matter="case 7")

    becomes_due = iter([chats[:1], chats[1:]])
    with pytest.raises(RefusedError, match="would erase `5` of `5`"):
        sweeper.sweep(house.installation, progress=lambda _: freed(*next(becomes_due)))
    assert kept(house) == 5, "one more than it may, and none of what became due then"
    assert sweeper.sweep_status(house.installation).waits
