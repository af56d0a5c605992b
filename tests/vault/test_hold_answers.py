"""What a hold says that it holds is what is left after the sweeps, and what it says will go is
gone.

Histories are drawn, swept or not; then a hold is placed on every conversation, and the clock moves
on for twenty years. TESTS_HISTORIES sets how many histories are drawn (40, of which a run tries
eight or more).
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

from licet.keys.keyring import Keyring
from licet.keys.material import FileProvider
from licet.store.connect import Transaction
from licet.vault import hold_coverage, holds
from licet.vault.apply import apply
from licet.vault.commands import EXPIRED, HELD_ALREADY, CommandResult, Hold, Outcome
from licet.vault.hold_coverage import HoldCount, HoldCoverage
from licet.vault.ids import host_hmac

from ..policy.histories import history
from ..tiers import seeds_until
from .model import Pair, insert_versions, savepoints

OUTCOMES = {"done", "refused", "unchanged"}
CASES = {"done, something due: True", "refused, something due: True"}
MATTER, NOTHING = "the matter that is asked about", HoldCount()
DAYS = (0, 0, 1, 7, 20, 29, 31, 45, 200, 1000)
Key = tuple[UUID, UUID]


def played(conn: Transaction, keyring: Keyring, seed: int) -> tuple[Pair, datetime]:
    """A part of a history in the vault, swept at times; and a moment after it."""
    draw, drawn = Random(seed), history(seed)
    insert_versions(conn, drawn.policies())
    pair = Pair(savepoints(conn), keyring, drawn.policies())
    events = drawn.events[: draw.randrange(1, len(drawn.events) + 1)]
    for event in events:
        pair.apply(event)
        if draw.random() < 0.05:
            pair.sweep(event.at)
    now = max(event.at for event in events) + timedelta(days=draw.choice(DAYS))
    if draw.random() < 0.3:
        pair.sweep(now - timedelta(days=1))
    pair.advance(now)
    return pair, now


def stored(conn: Transaction) -> dict[Key, HoldCount]:
    """What lies there of each conversation, as its rows have it."""
    found: dict[Key, Counter[str]] = {}
    for statement in (
        """SELECT account_id, conversation_id, 'segments', count(*) FROM segments
            WHERE erased_at IS NULL GROUP BY 1, 2
            UNION ALL SELECT account_id, conversation_id, 'turns', sum(last_turn - first_turn + 1)
              FROM segments
            WHERE erased_at IS NULL GROUP BY 1, 2""",
        (
            "SELECT account_id, conversation_id, 'feedback', count(*) FROM feedback WHERE "
            "erased_at IS NULL GROUP BY 1, 2"
        ),
        """SELECT account_id, conversation_id, 'safety_copies', count(*) FROM segments
            WHERE safety_slot IS NOT NULL GROUP BY 1, 2""",
    ):
        for account, conversation, kind, count in conn.execute(statement).fetchall():
            found.setdefault((account, conversation), Counter())[kind] += int(count)
    return {key: HoldCount(**counts) for key, counts in found.items()}


def total(*counts: HoldCount) -> HoldCount:
    return HoldCount(
        **{name: sum(getattr(one, name) for one in counts) for name in HoldCount.__struct_fields__}
    )


def check_answer(
    answer: CommandResult, known: bool, would: HoldCoverage, covered: HoldCoverage
) -> None:
    """The outcome follows from what is held, and was foreseen."""
    assert would == covered, "what a dry run says is what is done"
    if known:
        assert (answer.outcome, answer.because) == (Outcome.unchanged, HELD_ALREADY)
    elif covered.held.segments:
        assert (answer.outcome, answer.because) == (Outcome.done, "")
        assert covered.dated == NOTHING, "what has not expired is held"
    else:
        assert (answer.outcome, answer.because) == (Outcome.refused, EXPIRED)
        assert covered.held == NOTHING


def check_history(conn: Transaction, keyring: Keyring, seed: int, seen: Counter[str]) -> None:
    pair, now = played(conn, keyring, seed)
    keys: list[Key] = conn.execute(
        "SELECT account_id, conversation_id FROM conversations ORDER BY 1, 2"
    ).fetchall()
    hashed = host_hmac(keyring.host_key(conn), "matter", MATTER)

    def place(chosen: list[Key], at: datetime) -> list[CommandResult]:
        placing = [
            Hold(account=a, conversation=c, at=at, matter=MATTER, by="user:counsel")
            for a, c in chosen
        ]
        with pair.run() as tx:
            return apply(tx, keyring, pair.policies, placing)

    earlier = {a.conversation for a in place(keys[::3], now) if a.outcome is not Outcome.refused}
    now += timedelta(days=Random(seed + 1).choice(DAYS))
    pair.advance(now)
    would = hold_coverage.coverage(conn, keys, hashed, now, placing=True)
    answers = place(keys, now)
    covered = hold_coverage.coverage(conn, keys, hashed, now, placing=True)
    lies = stored(conn)
    for key, answer in zip(keys, answers, strict=True):
        one = covered[key]
        check_answer(answer, key[1] in earlier, would[key], one)
        seen[f"{answer.outcome.value}, something due: {one.due != NOTHING}"] += 1
        assert total(one.held, one.held_by_others, one.dated, one.due) == lies.get(key, NOTHING), (
            f"seed {seed}"
        )
    standing = {
        hold.conversation: hold
        for hold in holds.by_review(conn, 10_000)
        if hold.placed_by == "user:counsel"
    }
    assert set(standing) == {a.conversation for a in answers if a.outcome is not Outcome.refused}, (
        "a refusal lists none"
    )
    for (_, conversation), one in covered.items():
        if conversation in standing:
            assert standing[conversation].turns_held == one.held.turns, f"seed {seed}"
    pair.sweep(now)
    left = stored(conn)
    for key, one in covered.items():
        assert left.get(key, NOTHING) == total(one.held, one.held_by_others, one.dated), (
            f"seed {seed}: due went, no more"
        )
    pair.sweep(now + timedelta(days=20 * 366))
    left = stored(conn)
    for key, one in covered.items():
        assert left.get(key, NOTHING) == total(one.held, one.held_by_others), (
            f"seed {seed}: what was held is left"
        )
    freed = hold_coverage.coverage(
        conn, keys, hashed, now + timedelta(days=20 * 366), placing=False
    )
    assert all(freed[key].held == NOTHING for key in keys), "without the hold"
    for key in keys:
        assert total(freed[key].due, freed[key].held_by_others) == left.get(key, NOTHING), (
            "either waits or is kept still"
        )


def test_what_a_hold_says_that_it_holds_survives_every_sweep_and_nothing_else_does(
    conn: Transaction, provider: FileProvider
) -> None:
    keyring, seen = Keyring(provider), Counter[str]()
    keyring.host_key(conn)

    def is_enough() -> bool:
        return set(seen) >= CASES and {case.partition(",")[0] for case in seen} >= OUTCOMES

    for seed in seeds_until(is_enough, "TESTS_HISTORIES", 40, least=8):
        with conn.transaction(force_rollback=True):
            check_history(conn, keyring, seed, seen)
    assert is_enough(), seen
