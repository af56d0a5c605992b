"""One order an account: what comes after an ending does not carry the ended grant, on any number of
connections.

TESTS_INTERLEAVINGS sets how many pairs of an ending and a turn are raced (10,000 in CI, 6,000
elsewhere, of which a run races a sixteenth: `tests/tiers.py`).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

import pytest

from licet.erasure import sweep_batches
from licet.keys.keyring import Keyring
from licet.policy import state
from licet.policy.file import Policies, preset
from licet.policy.period import instant
from licet.policy.state import TurnRole
from licet.store.connect import Pool, StatementError, transaction
from licet.vault import commands as do
from licet.vault.account_journal import ENDINGS_LOCK
from licet.vault.apply import apply
from licet.vault.commands import CommandResult, Outcome

from ..tiers import SIXTEENTH, share
from .model import disorder, hashed, insert_versions, new_account, sound, words

# All ten thousand where CI counts; fewer where somebody waits.
INTERLEAVINGS = int(
    os.environ.get("TESTS_INTERLEAVINGS") or share(10_000 if os.environ.get("CI") else 6_000)
)
POLICIES = Policies([preset("article-2025")])
OPENED, BEGIN = instant("2025-07-01"), instant("2025-09-01")
SAYERS, ACCOUNTS, BATCH = 2, 20, 5

# A turn whose stamp carries a grant that had ended before it in the account's order.
CARRIED = """
    SELECT count(*) FROM turns t JOIN segments s USING (account_id, conversation_id, segment)
     WHERE s.grants <> '{}' AND s.grants[1] <= (
         SELECT count(*) FROM journal j WHERE j.account_id = t.account_id
           AND j.event = 'ended_refused' AND j.seq < t.seq)
"""

WAITING = """SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
  AND wait_event_type = 'Lock'"""


def take(pool: Pool, keyring: Keyring, *commands: do.Command) -> list[CommandResult]:
    with transaction(pool) as tx:
        return apply(tx, keyring, POLICIES, commands)


def opening(name: str, at: datetime = OPENED) -> do.OpenAccount:
    return do.OpenAccount(account=new_account(at), at=at, host=hashed(name), plan="free", age=30)


def saying(
    account: UUID, chat: str, turn: str, at: datetime, role: TurnRole = TurnRole.user
) -> do.AddTurn:
    return do.AddTurn(
        account=account,
        at=at,
        host_conversation=hashed(chat),
        host_turn=hashed(turn),
        role=role,
        content=words(turn),
    )


@pytest.fixture
def accounts(pool: Pool, keyring: Keyring) -> list[UUID]:
    with transaction(pool) as tx:
        insert_versions(tx, POLICIES)
    opened = [opening(f"account {n}") for n in range(ACCOUNTS)]
    return [answer.account for answer in take(pool, keyring, *opened)]


def together(*work: Callable[[], None], barrier: threading.Barrier | None = None) -> None:
    """Runs each on a thread of its own; raises what the first of them raised, and lets nobody wait
    for it.
    """
    failed: list[BaseException] = []

    def guarded(one: Callable[[], None]) -> None:
        try:
            one()
        except BaseException as error:
            failed.append(error)
            if barrier is not None:
                barrier.abort()

    threads = [threading.Thread(target=guarded, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def test_no_turn_after_a_withdrawal_in_order_carries_the_ended_grant(
    pool: Pool, keyring: Keyring, accounts: list[UUID]
) -> None:
    rounds, begin = INTERLEAVINGS // (SAYERS * BATCH), SIXTEENTH * 1_000_000
    barrier = threading.Barrier(SAYERS + 1)

    def clock(n: int, draw: Random) -> datetime:
        """Clocks that disagree: the order, not a clock, decides."""
        return BEGIN + timedelta(minutes=n, seconds=draw.randint(-90, 90))

    def chosen(n: int) -> list[UUID]:
        return Random(begin + n).sample(accounts, BATCH)

    def ender() -> None:
        draw = Random(0)
        take(pool, keyring, *(do.Choose(account=a, at=BEGIN, allow=True) for a in accounts))
        for n in range(rounds):
            barrier.wait()
            for account in chosen(n):
                take(pool, keyring, do.Choose(account=account, at=clock(n, draw), allow=False))
            again = [
                do.Choose(account=account, at=clock(n, draw), allow=True) for account in chosen(n)
            ]
            take(pool, keyring, *again)

    def sayer(who: int) -> Callable[[], None]:
        def say() -> None:
            draw = Random(who)
            for n in range(rounds):
                barrier.wait()
                for account in chosen(n):
                    role = draw.choice((TurnRole.user, TurnRole.assistant))
                    take(
                        pool,
                        keyring,
                        saying(account, f"chat {n % 7}", f"{who} says {n}", clock(n, draw), role),
                    )

        return say

    together(ender, *(sayer(who) for who in range(SAYERS)), barrier=barrier)
    with transaction(pool) as tx:
        assert tx.execute(CARRIED).fetchone() == (0,)
        assert disorder(tx) == []
        turns, granted, ended = tx.execute(
            """SELECT (SELECT count(*) FROM turns),
                      (SELECT count(*) FROM turns
                        JOIN segments USING (account_id, conversation_id, segment)
                        WHERE grants <> '{}'),
                      (SELECT count(*) FROM journal WHERE event = 'ended_refused')"""
        ).fetchone()
    assert (turns, ended) == (rounds * SAYERS * BATCH, rounds * BATCH)
    assert 0.05 < granted / turns < 0.99, "both orders must have happened"


def test_a_batch_and_single_verbs_on_many_connections_lose_and_double_nothing(
    pool: Pool, keyring: Keyring, accounts: list[UUID]
) -> None:
    """Batches that lock the same accounts in other orders do not wait for each other for ever."""

    def writer(who: int) -> Callable[[], None]:
        def write() -> None:
            draw = Random(who)
            for n in range(10):
                some = draw.sample(accounts, 10)
                take(
                    pool, keyring, *(saying(a, f"chat {n % 3}", f"{who}/{n}", BEGIN) for a in some)
                )

        return write

    together(*(writer(who) for who in range(4)))
    with transaction(pool) as tx:
        assert len([key for key in sound(tx, keyring) if key[2] > 0]) == 4 * 10 * 10


def test_a_turn_said_twice_adds_nothing(pool: Pool, keyring: Keyring, accounts: list[UUID]) -> None:
    account = accounts[0]
    once = take(
        pool, keyring, saying(account, "chat", "t1", BEGIN), saying(account, "chat", "t2", BEGIN)
    )
    later = BEGIN + timedelta(days=1)
    again = take(
        pool,
        keyring,
        saying(account, "chat", "t2", later),
        saying(account, "chat", "t3", later),
        saying(account, "chat", "t3", later),
        saying(account, "chat", "t1", later),
    )
    assert [a.outcome for a in once] == [Outcome.done, Outcome.done]
    assert [(a.outcome, a.turn, a.segment) for a in again] == [
        (Outcome.duplicate, 2, 0),
        (Outcome.done, 3, 0),
        (Outcome.duplicate, 3, 0),
        (Outcome.duplicate, 1, 0),
    ]
    assert {a.conversation for a in once + again} == {once[0].conversation}
    with transaction(pool) as tx:
        assert len(sound(tx, keyring)) == 3


def test_a_name_of_a_turn_is_its_conversations_own(
    pool: Pool, keyring: Keyring, accounts: list[UUID]
) -> None:
    answers = take(
        pool,
        keyring,
        saying(accounts[0], "chat", "t1", BEGIN),
        saying(accounts[0], "other", "t1", BEGIN),
        saying(accounts[1], "chat", "t1", BEGIN),
    )
    assert [a.outcome for a in answers] == [Outcome.done] * 3
    assert len({a.conversation for a in answers}) == 3


def test_first_turns_of_one_conversation_on_two_connections_begin_one(
    pool: Pool, keyring: Keyring, accounts: list[UUID]
) -> None:
    for n in range(20):
        barrier = threading.Barrier(2)
        answers: list[CommandResult] = []

        def say(
            turn: str,
            n: int = n,
            barrier: threading.Barrier = barrier,
            answers: list[CommandResult] = answers,
        ) -> None:
            barrier.wait()
            answers.extend(take(pool, keyring, saying(accounts[n], "chat", turn, BEGIN)))

        together(lambda: say("left"), lambda: say("right"), barrier=barrier)
        assert len({a.conversation for a in answers}) == 1
        assert sorted(a.turn for a in answers) == [1, 2]


def test_an_account_opened_on_two_connections_is_one_when_who_lost_tries_again(
    pool: Pool, keyring: Keyring
) -> None:
    """The one race that no row lock can hold: there is no row yet. The batch fails whole, and again
    succeeds.
    """
    with transaction(pool) as tx:
        insert_versions(tx, POLICIES)
    first, second = opening("ana"), opening("ana")
    with transaction(pool) as tx:
        apply(tx, keyring, POLICIES, [first])
        lost: list[Exception] = []

        def lose() -> None:
            try:
                take(
                    pool,
                    keyring,
                    opening("ben"),
                    second,
                    saying(second.account, "chat", "t1", BEGIN),
                )
            except StatementError as error:
                lost.append(error)

        loser = threading.Thread(target=lose)
        loser.start()
        with transaction(pool) as other:
            while other.execute(WAITING).fetchone() == (0,):
                other.execute("SELECT pg_stat_clear_snapshot(), pg_sleep(0.01)")
    loser.join()
    assert [(e.sqlstate, e.constraint) for e in lost if isinstance(e, StatementError)] == [
        ("23505", "account_hosts_pkey")
    ]
    answers = take(pool, keyring, opening("ben"), second)
    assert [(a.outcome, a.account == first.account) for a in answers] == [
        (Outcome.done, False),
        (Outcome.duplicate, True),
    ]
    with transaction(pool) as tx:
        assert tx.execute("SELECT count(*) FROM accounts").fetchone() == (2,)
        sound(tx, keyring)


def test_an_account_opened_twice_in_one_batch_is_one(
    pool: Pool, keyring: Keyring, accounts: list[UUID]
) -> None:
    answers = take(pool, keyring, opening("new"), opening("new"), opening("account 3"))
    assert [a.outcome for a in answers] == [Outcome.done, Outcome.duplicate, Outcome.duplicate]
    assert answers[0].account == answers[1].account
    assert answers[2].account == accounts[3]


def test_a_feedback_given_twice_is_one(pool: Pool, keyring: Keyring, accounts: list[UUID]) -> None:
    account = accounts[0]
    (said,) = take(pool, keyring, saying(account, "chat", "t1", BEGIN))
    given = do.GiveFeedback(
        account=account,
        at=BEGIN,
        conversation=said.conversation,
        rating="up",
        share=state.Share.conversation,
        host=hashed("f"),
    )
    answers = take(pool, keyring, given, given) + take(pool, keyring, given)
    assert [a.outcome for a in answers] == [Outcome.done, Outcome.duplicate, Outcome.duplicate]
    assert len({a.feedback for a in answers}) == 1
    with transaction(pool) as tx:
        assert len(sound(tx, keyring)) == 2


ENDING = {
    "withdraw": lambda said: do.Choose(account=said.account, at=BEGIN, allow=False),
    "age": lambda said: do.Choose(account=said.account, at=BEGIN, allow=True, age=29),
    "keep a project out": lambda said: do.KeepProjectOut(
        account=said.account, at=BEGIN, host_project=hashed("project")
    ),
    "plan": lambda said: do.SetPlan(account=said.account, at=BEGIN, plan="work"),
    "set age": lambda said: do.SetAge(account=said.account, at=BEGIN, age=None),
    "set region": lambda said: do.SetRegion(account=said.account, at=BEGIN, region="DE"),
    "close": lambda said: do.CloseAccount(account=said.account, at=BEGIN),
    "delete": lambda said: do.Delete(
        account=said.account, at=BEGIN, conversation=said.conversation
    ),
    "narrow": lambda said: do.Narrow(
        account=said.account, at=BEGIN, conversation=said.conversation
    ),
    "unflag": lambda said: do.Unflag(
        account=said.account, at=BEGIN, conversation=said.conversation
    ),
    "resume out of scope": lambda said: do.AddTurn(
        account=said.account,
        at=BEGIN,
        conversation=said.conversation,
        surface="api",
        content=words("t2"),
    ),
}
NOT_ENDING = {
    "allow": lambda said: do.Choose(account=said.account, at=BEGIN, allow=True),
    "an age that is not taken": lambda said: do.Choose(
        account=said.account, at=BEGIN, allow=True, age=31
    ),
    "let a project in": lambda said: do.LetProjectIn(
        account=said.account, at=BEGIN, host_project=hashed("project")
    ),
    "say": lambda said: do.AddTurn(
        account=said.account, at=BEGIN, conversation=said.conversation, content=words("t2")
    ),
    "widen": lambda said: do.Widen(account=said.account, at=BEGIN, conversation=said.conversation),
    "flag": lambda said: do.Flag(account=said.account, at=BEGIN, conversation=said.conversation),
}


@pytest.mark.parametrize("verb", [*ENDING, *NOT_ENDING, "sweep"])
def test_what_may_take_rows_out_of_a_release_holds_the_lock_that_a_seal_waits_for(
    pool: Pool, keyring: Keyring, accounts: list[UUID], verb: str
) -> None:
    """Until its commit, so that anyone who holds the lock alone knows every ending there is, and
    its place.
    """
    take(pool, keyring, do.Choose(account=accounts[0], at=BEGIN, allow=True))
    (said,) = take(pool, keyring, saying(accounts[0], "chat", "t1", BEGIN))
    with transaction(pool) as tx:
        (before,) = tx.execute(
            "SELECT coalesce(max(position), 0) FROM journal WHERE ends"
        ).fetchone()
        if verb == "sweep":
            assert sweep_batches.sweep_batch(tx, BEGIN + timedelta(days=366 * 6)).segments == 1
        else:
            apply(tx, keyring, POLICIES, [(ENDING | NOT_ENDING)[verb](said)])
        (after,) = tx.execute(
            "SELECT coalesce(max(position), 0) FROM journal WHERE ends"
        ).fetchone()
        with transaction(pool) as other:
            (free,) = other.execute(
                "SELECT pg_try_advisory_xact_lock(%s)", [ENDINGS_LOCK]
            ).fetchone()
    assert (free, after > before) == (verb in NOT_ENDING, verb not in NOT_ENDING)
