"""The gate answers from a file that was signed, speaks of this release, follows what was known, and
holds now; or the run waits, or stops for good. Nothing that was withdrawn is handed out at a number
at which it was.
"""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.errors import BrokenError, BusyError, DeniedError, LicetError, RefusedError, UsageError
from licet.train import bitmap, gate
from licet.train.gate import HandOff, TrainingGate, WhenStale, replacement_positions

from ..release.world import START
from .publishing import OTHER, RELEASE, SIGNER, Office


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


# What is published


def test_the_file_is_what_its_format_says_byte_for_byte(office: Office) -> None:
    office.withdraw(3, 4, 5, 70_000)
    data = office.file.read_bytes()
    head = (
        b'{"format":"licet-withdrawn-1","issued":"2025-10-01T00:00:00Z",'
        b'"manifest_sha256":"%s","number":1,"release":"000102030405060708090a0b0c0d0e0f","rows":4,'
        b'"sha256":"%s","until":"2025-10-01T00:05:00Z"}\n'
    )
    rows = bitmap.serialize([3, 4, 5, 70_000])
    text = head % (office.manifest_sha256.encode(), bitmap.sha256(rows).hexdigest().encode())
    signed = data[len(b"licet-withdrawn-1 XXX\n") : -len(rows)]
    assert data.startswith(b"licet-withdrawn-1 %d\n" % len(signed))
    assert signed.startswith(text + b"\n\xe2\x80\x94 licet.example/withdrawn ")
    assert rows.hex() == "3a300000020000000000020001000000180000001e0000000300040005007011"
    assert bitmap.verify_file(data, SIGNER.verifier).ordinals == bitmap.FrozenBitMap(
        [3, 4, 5, 70_000]
    )


@pytest.mark.parametrize("cut", [0, 10, 30, 200, -1])
def test_a_file_cut_anywhere_is_refused(office: Office, cut: int) -> None:
    office.withdraw(*range(0, 999, 7))
    with pytest.raises((BrokenError, RefusedError)):
        bitmap.verify_file(office.file.read_bytes()[:cut], SIGNER.verifier)


def test_every_flipped_bit_of_a_file_is_refused(office: Office) -> None:
    office.withdraw(1, 2, 40)
    data = office.file.read_bytes()
    for place in range(len(data)):
        flipped = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        try:
            found = bitmap.verify_file(flipped, SIGNER.verifier)
        except LicetError:
            continue
        # Base64 of a signature has bits that say nothing; what was signed is what it was
        assert found.ordinals == bitmap.FrozenBitMap([1, 2, 40])
        assert found.head.number == 1


# What stops a run


def rolled_back(office: Office) -> None:
    office.publish(number=office.number - 1)


def shrunk(office: Office) -> None:
    office.publish(number=office.number + 1, ordinals=[1])


def swapped(office: Office) -> None:
    office.publish(number=office.number + 1, ordinals=[1, 3, 4])


def doubled(office: Office) -> None:
    office.publish(ordinals=[1, 2, 3])


def of_another_release(office: Office) -> None:
    office.publish(release="f" * 32)


def of_another_manifest(office: Office) -> None:
    office.publish(manifest_sha256="f" * 64)


def signed_by_another(office: Office) -> None:
    office.publish(signer=OTHER)


def of_another_bitmap(office: Office) -> None:
    office.publish(sha256="f" * 64)


def miscounted(office: Office) -> None:
    office.publish(rows=77)


def from_the_future(office: Office) -> None:
    later = START + timedelta(hours=2)
    office.publish(issued=later, until=later + timedelta(minutes=5))


def over_when_it_begins(office: Office) -> None:
    now = datetime.fromtimestamp(office.clock(), UTC)
    office.publish(issued=now, until=now)


def in_pieces(office: Office) -> None:
    office.file.write_bytes(office.file.read_bytes()[:-2])


def no_file_of_ours(office: Office) -> None:
    office.file.write_bytes(b"hello")


@pytest.mark.parametrize(
    "lie",
    [
        rolled_back,
        shrunk,
        swapped,
        doubled,
        of_another_release,
        of_another_manifest,
        signed_by_another,
        of_another_bitmap,
        miscounted,
        from_the_future,
        over_when_it_begins,
        in_pieces,
        no_file_of_ours,
    ],
)
@pytest.mark.parametrize("when_stale", WhenStale)
def test_a_file_that_is_not_to_be_believed_stops_the_run_for_good(
    office: Office, lie: Any, when_stale: Any
) -> None:
    office.withdraw(1, 2)
    asked = office.gate(when_stale)
    assert asked.check([1, 5]) == [0]
    lie(office)
    with pytest.raises(LicetError) as first:
        asked.check([5])
    # too late: what lied once is not believed again
    office.publish(number=office.number + 5, ordinals=[1, 2, 3, 4])
    with pytest.raises(type(first.value), match=first.value.message.replace("[", ".")[:40]):
        asked.check([5])


@pytest.mark.parametrize(
    ("lie", "why"),
    [
        (over_when_it_begins, "ends before it begins"),
        (in_pieces, "not the one that its head names"),
        (no_file_of_ours, "does not contain"),
        (of_another_bitmap, "not the one that its head names"),
    ],
)
def test_a_broken_file_is_told_by_what_is_broken_of_it(office: Office, lie: Any, why: str) -> None:
    lie(office)
    with pytest.raises(BrokenError, match=why):
        bitmap.verify_file(office.file.read_bytes(), SIGNER.verifier)


def test_an_expired_lease_stops_the_run_or_makes_it_wait_and_never_goes_on(office: Office) -> None:
    stops, waits = office.gate(WhenStale.stop), office.gate(WhenStale.pause)
    assert stops.check([1]) == waits.check([1]) == []
    office.clock.passes(office.seconds)
    with pytest.raises(DeniedError, match="it expired at"):
        stops.check([1])
    assert office.clock.slept == 0
    with pytest.raises(DeniedError, match="it expired at"):
        waits.check([1])
    assert office.clock.slept >= gate.PAUSE_SECONDS_MAX - 1


def test_a_run_that_waits_goes_on_with_the_next_lease_and_with_what_was_withdrawn_meanwhile(
    office: Office,
) -> None:
    def sleep(seconds: float) -> None:
        office.clock.sleep(seconds)
        if office.clock.slept > 60:
            office.withdraw(1)

    asked = office.gate(WhenStale.pause, sleep=sleep)
    assert asked.check([1]) == []
    office.clock.passes(office.seconds + 1)
    assert asked.check([0, 1]) == [1]
    assert 60 < office.clock.slept < 62


def test_a_missing_file_is_as_an_expired_lease(office: Office) -> None:
    office.file.unlink()
    with pytest.raises(DeniedError, match="its file of withdrawn rows is missing"):
        office.gate().current()
    running = office.gate(WhenStale.pause)
    with pytest.raises(DeniedError):
        running.current()


def test_a_clock_that_is_set_back_lengthens_no_lease(office: Office) -> None:
    asked = office.gate()
    asked.check([1])
    office.clock.passes(office.seconds - 1)
    office.clock.now -= 10_000
    asked.check([1])
    office.clock.passes(1)
    with pytest.raises(DeniedError):
        asked.check([1])


def test_a_clock_that_jumps_forward_ends_the_lease_although_little_time_went_by(
    office: Office,
) -> None:
    asked = office.gate()
    asked.check([1])
    office.clock.now += office.seconds - 1
    asked.check([1])
    office.clock.now += 1
    with pytest.raises(DeniedError, match="it expired at"):
        asked.check([1])


def test_a_lease_is_renewed_without_anything_new(office: Office) -> None:
    asked = office.gate()
    for _ in range(20):
        office.clock.passes(office.seconds - 1)
        office.publish()
        assert asked.check([1]) == []
    assert asked.number == 0


def test_what_is_published_holds_at_the_next_question_and_a_glance_soon_after(
    office: Office,
) -> None:
    asked = office.gate()
    assert asked.glance() == asked.current() == bitmap.FrozenBitMap()
    office.withdraw(7)
    assert 7 not in asked.glance()
    assert 7 in asked.current()
    office.clock.passes(gate.GLANCE_SECONDS)
    assert 7 in asked.glance()


def test_a_resumed_run_believes_nothing_older_than_what_it_ended_with(office: Office) -> None:
    office.withdraw(1)
    older = office.encoded()
    office.withdraw(2)
    first = office.gate()
    held = first.signed_withdrawals()
    assert office.gate(held=held).check([1, 2]) == [0, 1]
    office.file.write_bytes(older)
    with pytest.raises(BrokenError, match="went back"):
        office.gate(held=held).check([1])


def test_a_gate_goes_into_another_process_and_takes_no_lease_along(office: Office) -> None:
    asked = TrainingGate(
        office.file,
        release=RELEASE,
        manifest_sha256=office.manifest_sha256,
        verifier=SIGNER.verifier,
        clock=office.clock,
        when_stale=WhenStale.stop,
    )
    asked.check([1])
    office.withdraw(1)
    assert pickle.loads(pickle.dumps(asked)).number == 0
    there = pickle.loads(pickle.dumps(asked))
    there._clock = asked._clock
    assert there.check([1]) == [0]
    office.file.unlink()
    with pytest.raises(DeniedError):
        there_again = pickle.loads(pickle.dumps(asked))
        there_again._clock = asked._clock
        there_again.check([1])


def test_a_key_that_is_none_says_so() -> None:
    with pytest.raises(UsageError, match="that is not a public key"):
        bitmap.parse_key("hello")
    assert bitmap.parse_key(SIGNER.verifier.vkey + "\n") == SIGNER.verifier


def test_what_is_busy_is_asked_again_or_stops_as_the_lease_does(office: Office) -> None:
    said = iter([BusyError("busy"), BusyError("busy"), 7])

    def ask() -> Any:
        if isinstance(answer := next(said), Exception):
            raise answer
        return answer

    assert office.gate(WhenStale.pause).retry_while_busy(ask) == 7
    said = iter([BusyError("busy"), 7])
    with pytest.raises(BusyError):
        office.gate(WhenStale.stop).retry_while_busy(ask)


# Who hears of it


def test_the_observer_hears_each_ordinal_that_passed_once_in_order_under_the_number_of_the_check(
    office: Office,
) -> None:
    asked, heard = office.gate(), []
    hand_off = HandOff(
        asked, lambda step, ordinals: heard.append((step, list(ordinals), asked.number))
    )
    assert hand_off(0, [5, 1, 5, 3]) == []
    office.withdraw(5)
    assert hand_off(1, [5, 1, 5, 3]) == [0, 2]
    assert hand_off(2, [5]) == [0]
    assert heard == [(0, [1, 3, 5], 0), (1, [1, 3], 1), (2, [], 1)]


def test_a_batch_that_the_observer_did_not_take_down_is_not_handed_out(office: Office) -> None:
    def full(step: int, ordinals: object) -> None:
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        HandOff(office.gate(), full)(0, [1])


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("withdraw"), st.sets(st.integers(0, 39), min_size=1, max_size=6)),
            st.tuples(st.just("step"), st.lists(st.integers(0, 39), min_size=1, max_size=8)),
            st.tuples(st.just("read"), st.lists(st.integers(0, 39), min_size=1, max_size=8)),
            st.tuples(st.just("refresh"), st.none()),
            st.tuples(st.just("resume"), st.none()),
            st.tuples(st.just("passes"), st.integers(1, 200)),
        ),
        max_size=40,
    )
)
def test_consumed_at_n_and_withdrawn_at_n_never_meet(events: list[tuple[str, Any]]) -> None:
    """Under any order of publishing, reading ahead, steps, resuming, and time that passes."""
    with TemporaryDirectory() as folder:
        office, ahead = Office(Path(folder)), []
        asked = office.gate()
        consumed: list[tuple[int, set[int]]] = []
        withdrawn = {0: set()}
        ran_out = 0.0

        def used(step: int, ordinals: Any) -> None:
            consumed.append((asked.number, set(ordinals)))
            assert office.clock.now < ran_out

        hand_off = HandOff(asked, used)
        for what, value in events:
            match what:
                case "withdraw":
                    office.withdraw(*value)
                    withdrawn[office.number] = set(office.ordinals)
                case "refresh":
                    office.publish()
                case "read":
                    ahead.append([o for o in value if o not in office.ordinals])
                case "passes":
                    office.clock.passes(value)
                case "resume":
                    asked = (
                        office.gate(held=asked.signed_withdrawals())
                        if asked.number >= 0
                        else office.gate()
                    )
                    hand_off = HandOff(asked, used)
                case "step":
                    ran_out = bitmap.verify_file(
                        office.file.read_bytes(), SIGNER.verifier
                    ).head.until.timestamp()
                    try:
                        hand_off(len(consumed), ahead.pop(0) if ahead else value)
                    except DeniedError:
                        assert office.clock.now >= ran_out
                        office.publish()
                        asked = office.gate()
                        hand_off = HandOff(asked, used)
                    else:
                        assert asked.number == office.number
        for number, ordinals in consumed:
            assert not ordinals & withdrawn[number]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3_000), st.data())
def test_who_stands_in_lives_and_every_living_row_is_found_in_the_end(
    count: int, data: Any
) -> None:
    gone = data.draw(st.sets(st.integers(0, count - 1), max_size=count))
    position = data.draw(st.integers(0, count - 1))
    found = list(replacement_positions(position, count, lambda place: place not in gone))
    assert set(found) | {position} == set(range(count)) - gone | {position}
    assert not set(found) & gone
    again = replacement_positions(position, count, lambda place: place not in gone)
    assert list(again) == found
