"""A sweep erases what is due, all of it and nothing else: the key first, told to the journal and
the log.
"""

from __future__ import annotations

import json
import threading
from datetime import datetime, timedelta

import pytest

from licet.erasure import sweep_batches
from licet.erasure.sweep_batches import SweepResult
from licet.keys.keyring import Keyring
from licet.policy.file import Policies, extend, preset
from licet.policy.period import instant
from licet.policy.state import Share
from licet.store.connect import Pool, Transaction, transaction
from licet.vault import commands as do
from licet.vault.apply import advance, apply
from licet.vault.commands import CommandResult, Outcome

from ..meanwhile import WAITERS
from ..waiting import wait_until
from .model import destroyed, hashed, sound, words
from .town import POLICIES, SAID, Town

DAY, TICK = timedelta(days=1), timedelta.resolution
END = SAID + 30 * DAY


@pytest.fixture
def town(conn: Transaction, keyring: Keyring) -> Town:
    return Town(conn, keyring)


def swept(
    tx: Transaction, at: datetime, limit: int = sweep_batches.BATCH_SEGMENTS_MAX
) -> SweepResult:
    """All that is due; what was counted before is what was done."""
    counted, done, more = sweep_batches.count_due(tx, at), SweepResult(), True
    while more:
        batch = sweep_batches.sweep_batch(tx, at, limit=limit)
        done, more = done.plus(batch), batch.more
    assert counted == done
    return done


def count(tx: Transaction, table: str) -> int:
    (found,) = tx.execute(f"SELECT count(*) FROM {table}").fetchone() or (0,)
    return int(found)


def test_content_is_erased_at_its_date_and_not_a_microsecond_earlier(town: Town) -> None:
    ana = town.account(allow=False)
    said = town.say(ana)
    town.say(ana, chat="later", at=SAID + TICK)
    assert swept(town.tx, END - TICK) == SweepResult()
    assert swept(town.tx, END) == SweepResult(segments=1, turns=1, reasons={"expired": 1})
    rows = town.tx.execute(
        "SELECT conversation_id, key_slot, erased_at FROM segments ORDER BY last_at"
    ).fetchall()
    assert rows[0] == (said.conversation, None, END)
    assert rows[1][1:] == (1, None)
    assert destroyed(town.tx) == {(ana, 0): True, (ana, 1): False}
    assert {owner for _, owner, _ in sound(town.tx, town.keyring)} == {rows[1][0]}


def test_an_erasure_is_told_to_the_register_the_journal_and_the_log(town: Town) -> None:
    said = town.say(town.account(allow=False))
    given = town.give(said)
    town.about(said, do.Flag, score=0.5)
    swept(town.tx, END)
    swept(town.tx, SAID + 800 * DAY)
    copies = town.tx.execute("SELECT place, ended_at FROM copies ORDER BY place").fetchall()
    assert copies == [("feedback", END), ("safety", SAID + 800 * DAY), ("vault", END)]
    journal = town.tx.execute(
        "SELECT event, ends, occurred_at, conversation_id FROM journal WHERE event = "
        "'erased' ORDER BY seq"
    ).fetchall()
    assert journal == [
        ("erased", True, at, said.conversation) for at in (END, END, SAID + 800 * DAY)
    ]  # its content, its feedback, its safety copy
    leaves = [
        json.loads(p)
        for (p,) in town.tx.execute(
            "SELECT payload FROM outbox WHERE entry = 'key_destroyed' ORDER BY outbox_id"
        )
    ]
    conversation = said.conversation.hex
    assert leaves == [
        {"because": "expired", "conversation": conversation, "segment": 0},
        {"because": "feedback", "conversation": conversation, "feedback": given.feedback.hex},
        {"because": "safety", "conversation": conversation, "segment": 0},
    ]


def test_the_reason_is_told(town: Town) -> None:
    ana, ben, eva = (town.account(name, allow=False) for name in ("ana", "ben", "eva"))
    town.say(ana)
    town.say(ana, chat="private", incognito=True)
    town.about(town.say(ben), do.Delete)
    town.say(eva)
    town.take(do.CloseAccount(account=eva, at=SAID))
    assert swept(town.tx, END).reasons == {"expired": 1, "incognito": 1, "deleted": 1, "closed": 1}


def test_a_hold_keeps_content_feedback_and_safety_copy_until_it_is_lifted(town: Town) -> None:
    said = town.say(town.account(allow=False))
    town.give(said)
    town.about(said, do.Flag, score=0.5)
    town.about(said, do.Hold, matter="one", at=END - TICK)
    town.about(said, do.Hold, matter="two", at=END - TICK)
    late = SAID + 3 * 366 * DAY
    town.about(said, do.Unhold, matter="one", at=late)
    assert swept(town.tx, late) == SweepResult()
    town.about(said, do.Unhold, matter="two", at=late)
    done = swept(town.tx, late)
    assert (done.segments, done.turns, done.safety_turns, done.feedback) == (1, 1, 1, 1)
    assert sound(town.tx, town.keyring) == {}


def test_a_hold_that_came_too_late_keeps_nothing(town: Town) -> None:
    said = town.say(town.account(allow=False))
    late = town.about(said, do.Hold, matter="late", at=END)
    assert (late.outcome, late.because) == (Outcome.refused, do.EXPIRED)
    assert swept(town.tx, END).segments == 1


def test_a_hold_keeps_what_lives_and_not_the_segment_that_had_expired_before(town: Town) -> None:
    ana = town.account(allow=False)
    first = town.say(ana)
    town.about(first, do.Narrow, at=SAID + TICK)
    policies = town.policies[0]
    assert str(policies.keep.of_turn(allowed=False)) == "P30D"
    town.say(ana, turn="t2", at=SAID + DAY)
    # Both live: the second turn dated both anew. Age the first alone, as a version of another reach
    # would.
    town.tx.execute("UPDATE segments SET keep_until = %s WHERE segment = 0", [SAID + 2 * DAY])
    town.about(first, do.Hold, matter="m", at=SAID + 3 * DAY)
    assert swept(town.tx, SAID + 90 * DAY) == SweepResult(
        segments=1, turns=1, reasons={"expired": 1}
    )
    assert (
        count(town.tx, "blocks WHERE sealed IS NOT NULL") == 1
    )  # of the second; the title went with the first


def test_hold_unhold_and_hold_again_in_one_batch_holds(town: Town) -> None:
    said = town.say(town.account(allow=False))
    base = {"account": said.account, "at": SAID, "conversation": said.conversation, "matter": "m"}
    town.take(do.Hold(**base), do.Unhold(**base), do.Hold(**base))
    assert count(town.tx, "holds") == 1
    town.take(do.Unhold(**base), do.Hold(**base))
    assert count(town.tx, "holds") == 1
    town.take(do.Unhold(**base), do.Hold(**base), do.Unhold(**base))
    assert count(town.tx, "holds") == 0


def test_a_safety_copy_ends_at_its_own_date_and_a_deletion_does_not_shorten_it(town: Town) -> None:
    said = town.say(town.account())
    town.about(said, do.Flag, score=0.5)
    town.about(said, do.Delete)
    assert swept(town.tx, END) == SweepResult(segments=1, turns=1, reasons={"deleted": 1})
    safety_until = instant("2027-09-02")
    assert swept(town.tx, safety_until - TICK) == SweepResult()
    assert count(town.tx, "safety_bodies") == 1
    assert swept(town.tx, safety_until) == SweepResult(safety_turns=1, reasons={"safety": 1})
    assert sound(town.tx, town.keyring) == {}


def test_an_overturned_flag_ends_the_safety_copy_at_once_and_its_key_stays_dead(town: Town) -> None:
    """Also in one batch with verbs that write the same key page after it."""
    ana = town.account()
    said = town.say(ana)
    base = {"account": ana, "at": SAID, "conversation": said.conversation}
    town.take(do.Flag(**base), do.Unflag(**base), do.Flag(**base), do.Unflag(**base))
    fresh = do.AddTurn(
        account=ana, at=SAID, host_conversation=hashed("next"), content=words("next")
    )
    town.take(
        fresh,
        do.Flag(**base),
        do.Unflag(**base),
        do.AddTurn(account=ana, at=SAID, content=words("last")),
    )
    assert [dead for _, dead in sorted(destroyed(town.tx).items())] == [
        False,
        True,
        True,
        False,
        True,
        False,
    ]
    assert count(town.tx, "safety_bodies") == 0
    assert town.tx.execute("SELECT count(*) FROM flags WHERE overturned_at IS NULL").fetchone() == (
        0,
    )
    assert len(sound(town.tx, town.keyring)) == 4  # a title and three turns


def test_feedback_and_scores_end_at_their_own_dates(town: Town) -> None:
    said = town.say(town.account())
    town.give(said)
    town.about(said, do.Flag, score=0.5)
    town.about(said, do.Unflag)
    town.choose(said.account, False, SAID + DAY)
    assert swept(town.tx, END + DAY).feedback == 1
    assert count(town.tx, "feedback_bodies") == 0
    scores_until = instant("2032-09-02")
    assert swept(town.tx, scores_until - TICK) == SweepResult()
    assert town.tx.execute("SELECT score FROM flags").fetchone() == (0.5,)
    assert swept(town.tx, scores_until) == SweepResult(scores=1)
    assert town.tx.execute("SELECT score FROM flags").fetchone() == (None,)


def test_what_has_expired_gets_no_copy_that_would_outlive_it(
    conn: Transaction, keyring: Keyring
) -> None:
    """With reach turn segments expire one by one: sharing the conversation shares what still
    lives.
    """
    turn = extend({"extends": "article-2025", "reach": "turn", "keep": {"opted_in": "P10D"}})
    town = Town(conn, keyring, Policies([turn]))
    ana = town.account()
    first = town.say(ana, turn="t1")
    town.about(first, do.Narrow)
    town.about(first, do.Widen)
    town.say(ana, turn="t2", at=SAID + DAY)
    later = SAID + 31 * DAY
    town.say(ana, turn="t3", at=SAID + 10 * DAY)
    seen, _ = town.seen(first, later)
    expired = [segment.keep_until <= later for segment in seen.turns.segments]
    assert True in expired
    assert False in expired
    town.give(first, at=later)
    town.about(first, do.Flag, at=later)
    shared = {
        key[2]
        for key in sound(conn, keyring)
        if key[0] in ("feedback_bodies", "safety_bodies") and key[2]
    }
    living = {n for n, s in enumerate(seen.turns.segments) if s.keep_until > later}
    assert {
        next(n for n, s in enumerate(seen.turns.segments) if s.first_turn <= t <= s.last_turn)
        for t in shared
    } == living


@pytest.mark.parametrize("limit", [1, 3, 7])
def test_batches_are_bounded_and_together_erase_everything(town: Town, limit: int) -> None:
    for name in ("ana", "ben", "eva"):
        account = town.account(name, allow=False)
        for chat in range(4):
            said = town.say(account, chat=f"{name}{chat}")
            town.say(account, chat=f"{name}{chat}", turn="t2")
            town.give(said, share=Share.reply)
            town.about(said, do.Flag, score=0.5)
    late = SAID + 8 * 366 * DAY
    done, batches, more = SweepResult(), 0, True
    while more:
        batch = sweep_batches.sweep_batch(town.tx, late, limit=limit)
        assert (
            max(batch.segments, batch.feedback, batch.scores, batch.reasons.get("safety", 0))
            <= limit
        )
        done, more, batches = done.plus(batch), batch.more, batches + 1
    assert (done.segments, done.turns, done.safety_turns, done.feedback, done.scores) == (
        12,
        24,
        24,
        12,
        12,
    )
    assert batches >= 12 // limit
    assert sound(town.tx, town.keyring) == {}


def test_only_the_named_accounts_are_swept(town: Town) -> None:
    ana, ben = town.account("ana", allow=False), town.account("ben", allow=False)
    for account in (ana, ben):
        town.say(account, chat=str(account))
    assert sweep_batches.sweep_batch(town.tx, END, only=[ben]).segments == 1
    assert town.tx.execute("SELECT account_id FROM blocks WHERE sealed IS NOT NULL").fetchall() == [
        (ana,)
    ]


def test_what_a_new_version_ended_is_swept_once_the_accounts_are_brought_up(
    conn: Transaction, keyring: Keyring
) -> None:
    narrower = extend(
        {
            "extends": "article-2025",
            "version": "2",
            "effective": "2025-10-01",
            "scope": {"plans": ["pro"]},
        }
    )
    town = Town(conn, keyring, Policies([preset("article-2025"), narrower]))
    town.say(town.account())
    at = instant("2025-10-31")
    assert swept(town.tx, at) == SweepResult()
    assert advance(town.tx, town.policies, at - TICK, limit=10) == 1
    assert advance(town.tx, town.policies, at - TICK, limit=10) == 0
    assert swept(town.tx, at - TICK) == SweepResult()
    assert swept(town.tx, at).segments == 1
    sound(conn, keyring)


def test_a_sweep_by_a_clock_ahead_of_the_writers_is_one_of_the_accounts_moments(town: Town) -> None:
    """Otherwise a turn by a slower clock would be added to a segment whose key is gone."""
    ana = town.account(allow=False)
    said = town.say(ana)
    swept(town.tx, END)
    late = town.say(ana, turn="t2", at=END - timedelta(seconds=2))
    assert (late.outcome, late.because) == (Outcome.refused, "expired")
    assert late.conversation == said.conversation
    other = town.say(ana, chat="other", at=END - timedelta(seconds=2))
    assert other.at == END
    sound(town.tx, town.keyring)


def test_a_version_found_after_a_sweep_takes_its_place_in_the_order(
    conn: Transaction, keyring: Keyring
) -> None:
    """The grant ended before the sweep, and is written after it: its date counts from then, its
    place from now.
    """
    narrower = extend(
        {
            "extends": "article-2025",
            "version": "2",
            "effective": "2025-10-01",
            "scope": {"plans": ["pro"]},
        }
    )
    town = Town(conn, keyring, Policies([preset("article-2025"), narrower]))
    ana = town.account()
    said = town.say(ana)
    town.say(ana, chat="private", incognito=True)
    at = instant("2025-10-10")
    assert swept(conn, at) == SweepResult(segments=1, turns=1, reasons={"incognito": 1})
    town.say(ana, chat="next", at=at + DAY)
    assert conn.execute(
        "SELECT occurred_at FROM journal WHERE event = 'ended_lapsed'"
    ).fetchone() == (at,)
    assert town.seen(said, at)[0].turns.keep_until == instant("2025-10-31")
    sound(conn, keyring)


def test_a_sweep_by_a_clock_behind_the_writers_keeps_the_order(town: Town) -> None:
    ana = town.account(allow=False)
    town.say(ana)
    town.say(ana, chat="other", at=END + DAY)
    assert swept(town.tx, END).segments == 1
    sound(town.tx, town.keyring)


def test_a_withdrawal_and_a_new_grant_in_one_batch_leave_the_date_that_the_last_turn_set(
    town: Town,
) -> None:
    """The date that the ending shortened in the table is written anew, though it equals the one
    that was loaded.
    """
    ana = town.account()
    said = town.say(ana)
    before = town.seen(said)[0].turns.segments[0].keep_until
    town.take(
        do.Choose(account=ana, at=SAID, allow=False),
        do.Choose(account=ana, at=SAID, allow=True),
        do.AddTurn(account=ana, at=SAID, conversation=said.conversation, content=words("t2")),
    )
    assert [s.keep_until for s in town.seen(said)[0].turns.segments] == [before, before]


# With real commits


@pytest.fixture
def many(pool: Pool, keyring: Keyring) -> list[CommandResult]:
    with transaction(pool) as tx:
        town = Town(tx, keyring)
        account = town.account(allow=False)
        return [town.say(account, chat=f"c{n}") for n in range(20)]


class PowerCut(Exception):
    pass


def test_a_sweep_stopped_within_a_batch_and_between_batches_goes_on_and_its_total_is_right(
    pool: Pool, keyring: Keyring, many: list[CommandResult]
) -> None:
    done, cuts, n = SweepResult(), 0, 0
    more = True
    while more:
        n += 1
        try:
            with transaction(pool) as tx:
                batch = sweep_batches.sweep_batch(tx, END, limit=3)
                if n % 2:
                    raise PowerCut
        except PowerCut:
            cuts += 1
            continue
        done, more = done.plus(batch), batch.more
        with transaction(pool) as tx:
            sound(tx, keyring)
            assert count(tx, "segments WHERE erased_at IS NULL") == 20 - done.segments
    assert done == SweepResult(segments=20, turns=20, reasons={"expired": 20})
    assert cuts >= 7


def test_a_turn_that_moved_the_date_between_candidate_and_lock_is_not_erased(
    pool: Pool, keyring: Keyring, many: list[CommandResult]
) -> None:
    """The sweep has chosen its candidates and waits for the account, while a turn, taken in time,
    dates one anew.
    """
    resumed = many[7]
    results: list[SweepResult] = []
    with transaction(pool) as tx:
        at = END - TICK
        apply(
            tx,
            keyring,
            POLICIES,
            [
                do.AddTurn(
                    account=resumed.account,
                    at=at,
                    conversation=resumed.conversation,
                    content=words("resumed"),
                )
            ],
        )

        def sweep() -> None:
            with transaction(pool) as other:
                results.append(sweep_batches.sweep_batch(other, END))

        sweeper = threading.Thread(target=sweep)
        sweeper.start()
        wait_for_a_waiter(pool)
    sweeper.join()
    assert [r.segments for r in results] == [19]
    with transaction(pool) as tx:
        assert {owner for _, owner, _ in sound(tx, keyring)} == {resumed.conversation}


def test_two_sweeps_at_once_erase_each_segment_once(
    pool: Pool, keyring: Keyring, many: list[CommandResult]
) -> None:
    totals: list[int] = []

    def sweep() -> None:
        total, more = 0, True
        while more:
            with transaction(pool) as tx:
                batch = sweep_batches.sweep_batch(tx, END, limit=2)
            total, more = total + batch.segments, batch.more
        totals.append(total)

    sweepers = [threading.Thread(target=sweep) for _ in range(3)]
    for sweeper in sweepers:
        sweeper.start()
    for sweeper in sweepers:
        sweeper.join()
    assert sum(totals) == 20
    with transaction(pool) as tx:
        assert sound(tx, keyring) == {}
        assert count(tx, "outbox WHERE entry = 'key_destroyed'") == 20


def wait_for_a_waiter(pool: Pool) -> None:
    with pool.connection() as conn:
        wait_until(lambda: conn.execute(WAITERS).fetchone() is not None, "somebody waits")


def test_erasure_leaves_the_answer_and_takes_the_words(town: Town) -> None:
    """What was erased is still answered for: expired, not unknown."""
    said = town.say(town.account(allow=False))
    swept(town.tx, END)
    seen, turn = town.seen(said, END)
    assert seen.decide(turn, town.policies, "improve_models").because.value == "expired"
