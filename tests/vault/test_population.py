"""The rule in SQL over a population, the rule in Python and the plain reference answer alike.

Histories under one sequence of policy versions are folded and COPYed together; nobody is brought to the moments that
are asked about, so that versions which begin in between end grants in the answer alone. `TESTS_HISTORIES` sets how
many histories are drawn (3,200).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations, count, islice
from random import Random
from typing import Any
from uuid import UUID

import pytest

from licet.keys.keyring import Keyring
from licet.policy.decide import IMPROVE, SAFETY, DecisionReason
from licet.policy.file import Policies, Reach
from licet.policy.state import AccountState, ConversationState, TurnState
from licet.policy.world import World
from licet.store.connect import Transaction
from licet.store.rows import copy_in
from licet.vault import population

from ..policy.histories import BEGIN, DAY, SECOND, history
from ..policy.reference import Reference
from .model import Pair, insert_versions, savepoints

HISTORIES = int(os.environ.get("TESTS_HISTORIES", "3200"))
SEQUENCES, PARTS = (20, 2) if HISTORIES <= 20_000 else (100, 2)
MARKED = 40  # histories of real verbs
SHARE_MIN = 0.0004  # of all answers: at least this part carries each reason

Answers = dict[tuple[UUID, int], tuple[str, datetime | None]]


@dataclass
class Lived:
    """One history up to the moment at which the population is seen. ``number`` tells its ids from the others'."""

    number: int
    world: World
    reference: Reference

    def account(self, name: str) -> UUID:
        return UUID(int=self.number << 32 | list(self.world.accounts).index(name))

    def conversation(self, name: str) -> UUID:
        return UUID(int=1 << 100 | self.number << 32 | list(self.world.conversations).index(name))

    def answers(self, purpose: str, at: datetime) -> Answers:
        """Every turn's answer by the rule, which is the reference's."""
        found = {}
        self.world.advance(at)
        ids = {name: self.conversation(name) for name in self.world.conversations}
        for name, (chat, turn) in self.world.turns.items():
            decision = self.world.decide(name, purpose, at)
            answer = (decision.because.value, decision.until)
            assert self.reference.decide(name, purpose, at) == answer, (self.number, name, purpose, at)
            found[ids[chat], turn.number] = answer
        return found


def versions_of(sequence: int) -> Policies:
    return history(0, versions=sequence).policies()


def leaves_out(policies: Policies) -> bool:
    """Whether a version lists less than an earlier one, both deciding by the whole conversation."""
    return any(
        new.reach is old.reach is Reach.conversation and not (old.surfaces <= new.surfaces and old.plans <= new.plans)
        for old, new in combinations(policies.versions, 2)
    )


def ends_twice(policies: Policies) -> bool:
    """Whether two later versions refuse a plan that the first allows."""
    return sum(not policies[0].plans <= version.plans for version in policies.versions[1:]) > 1


def sequences() -> list[int]:
    """Of each kind the first ones: any, those that leave segments out, and those that end a grant twice."""
    kinds = ((lambda policies: True, SEQUENCES * 3 // 5), (leaves_out, SEQUENCES // 5), (ends_twice, SEQUENCES // 5))
    found = [list(islice((n for n in count() if kind(versions_of(n))), many)) for kind, many in kinds]
    return [sequence for kind in found for sequence in kind]


def lived(sequence: int, seeds: range, until: datetime) -> tuple[Policies, list[Lived]]:
    drawn = [history(seed, versions=sequence) for seed in seeds]
    policies, found = drawn[0].policies(), []
    for one in drawn:
        events, world = [event for event in one.events if event.at <= until], World(policies)
        for event in events:
            world.apply(event)
        found.append(Lived(one.seed, world, Reference(one.documents, events)))
    return policies, found


# The tables, as the vault keeps them


ACCOUNTS = {
    "account_id": "uuid", "host_hmac": "bytea", "bucket": "int4", "wrapped_key": "bytea", "plan": "text", "age": "int2",
    "opened_at": "timestamptz", "last_at": "timestamptz", "seen": "int2", "closed_at": "timestamptz",
    "standing": "text", "grant_no": "int4", "grants": "int4", "answered": "int2",
}  # fmt: skip
CONVERSATIONS = {
    "account_id": "uuid", "conversation_id": "uuid", "kind": "text", "incognito": "bool", "narrowed": "bool",
    "widenings": "int4", "begun_at": "timestamptz", "deleted_at": "timestamptz", "safety_until": "timestamptz",
    "deciding": "int2", "deciding_grant_no": "int4", "deciding_grant_widening": "int4", "deciding_stale": "bool",
    "out_of_scope": "bool",
}  # fmt: skip
SEGMENTS = {
    "account_id": "uuid", "conversation_id": "uuid", "segment": "int2", "plan": "text", "surface": "text",
    "in_scope": "bool", "version": "int2", "narrowed": "bool", "stale": "bool", "grant_no": "int4",
    "grant_widening": "int4", "first_turn": "int4", "last_turn": "int4", "last_at": "timestamptz", "has_user": "bool",
    "keep_until": "timestamptz", "flagged_turn": "int4", "safety_until": "timestamptz",
}  # fmt: skip
TURNS = {
    "account_id": "uuid", "conversation_id": "uuid", "turn": "int4", "segment": "int2", "seq": "int8", "role": "text",
    "origin": "text", "occurred_at": "timestamptz",
}  # fmt: skip


def copy_population(tx: Transaction, people: list[Lived]) -> None:
    tx.execute("INSERT INTO buckets VALUES (0, 0, '') ON CONFLICT DO NOTHING")
    accounts, conversations, segments, turns = [], [], [], []
    for one in people:
        ids = {name: one.account(name) for name in one.world.accounts}
        chats = {name: one.conversation(name) for name in one.world.conversations}
        accounts += [account_row(ids[name], state) for name, state in one.world.accounts.items()]
        for name, owned in one.world.conversations.items():
            key = (ids[owned.account], chats[name])
            conversations.append((*key, *conversation_row(owned.conversation)))
            segments += segment_rows(key, owned.conversation)
        for chat, turn in one.world.turns.values():
            turns.append((ids[one.world.conversations[chat].account], chats[chat], *turn_row(turn)))
    for table, columns, rows in (
        ("accounts", ACCOUNTS, accounts), ("conversations", CONVERSATIONS, conversations),
        ("segments", SEGMENTS, segments), ("turns", TURNS, turns),
    ):  # fmt: skip
        copy_in(tx, table, columns, rows)
        tx.execute(f"ANALYZE {table}")


def account_row(account: UUID, a: AccountState) -> tuple[Any, ...]:
    return (
        account, account.bytes, 0, b"", a.plan, a.age, a.opened_at, a.last_at, a.seen, a.closed_at, a.standing.value,
        a.grant, a.grants, a.answered,
    )  # fmt: skip


def conversation_row(c: ConversationState) -> tuple[Any, ...]:
    return (
        c.kind.value, c.incognito, c.narrowed, c.widenings, c.segments[0].last_at, c.deleted_at, c.safety_until, *marks(c)
    )  # fmt: skip


def marks(c: ConversationState) -> tuple[int, int | None, int | None, bool, bool]:
    """What a conversation's row says of its segments, from nothing but them, the slow way."""
    spoken = [number for number, segment in enumerate(c.segments) if segment.has_user]
    deciding = spoken[-1] if spoken else len(c.segments) - 1
    grant, widening = c.segments[deciding].stamp.grant or (None, None)
    stale = c.segments[deciding].stamp.stale
    return deciding, grant, widening, stale, any(not segment.stamp.in_scope for segment in c.segments)


def segment_rows(key: tuple[UUID, UUID], c: ConversationState) -> Iterator[tuple[Any, ...]]:
    for number, s in enumerate(c.segments):
        mark = s.stamp
        grant, widening = mark.grant or (None, None)
        yield (
            *key, number, mark.plan, mark.surface, mark.in_scope, mark.version, mark.narrowed, mark.stale, grant,
            widening, s.first_turn, s.last_turn, s.last_at, s.has_user, s.keep_until, s.flagged_turn, s.safety_until,
        )  # fmt: skip


def turn_row(turn: TurnState) -> tuple[Any, ...]:
    return turn.number, turn.segment, turn.number, turn.role.value, turn.origin, BEGIN


# The promise


def in_sql(tx: Transaction, policies: Policies, people: list[Lived], purpose: str, at: datetime) -> Answers:
    """Every turn's answer by the statement."""
    decided = {(d.conversation, d.segment): d for d in population.decisions(tx, policies, purpose, at)}
    found = {}
    for one in people:
        ids = {name: one.conversation(name) for name in one.world.conversations}
        for chat, turn in one.world.turns.values():
            because, until = decided[ids[chat], turn.segment].of_turn(turn, policies, purpose, at)
            found[ids[chat], turn.number] = (because.value, until)
    return found


def usable_in_sql(tx: Transaction, policies: Policies, purpose: str, at: datetime) -> set[tuple[UUID, int]]:
    rows = tx.execute(population.USABLE_TURNS, population.parameters(policies, purpose, at)).fetchall()
    assert len(rows) == len(set(rows))
    return {(conversation, turn) for _, conversation, turn in rows}


def moments(draw: Random, policies: Policies, seen: datetime) -> list[datetime]:
    """Now, the last instant before and the first of a version that nobody was brought to, and some later ones."""
    versions = [version for version in policies.versions if version.effective > seen]
    coming = [version.effective for version in versions]
    found = {seen, seen + draw.choice((SECOND, 5 * DAY, 10 * DAY, 30 * DAY))}
    if coming:
        found |= {coming[0] - timedelta.resolution, coming[0], draw.choice(coming) + draw.choice((1, 7, 30)) * DAY}
        found.add(versions[0].keep.opted_out.after(coming[0]))  # what its ending brought nearer is due
    if draw.random() < 0.3:
        found.add(seen + draw.choice((90, 400, 731)) * DAY - SECOND)
    return sorted(found)


@pytest.mark.parametrize("part", range(PARTS))
def test_sql_rule_and_reference_decide_alike(conn: Transaction, part: int) -> None:
    reasons: Counter[str] = Counter()
    for place, sequence in list(enumerate(sequences()))[part::PARTS]:
        with conn.transaction(force_rollback=True):
            reasons += decided_alike(conn, place, sequence)
    if HISTORIES >= 3200:  # in fewer, a rare reason may well be absent
        for because in set(DecisionReason) - {DecisionReason.unknown}:
            assert reasons[because.value] >= SHARE_MIN * reasons.total(), (because, reasons.most_common())


def decided_alike(tx: Transaction, place: int, sequence: int) -> Counter[str]:
    """Holds the three against each other for one sequence of versions; counts the reasons."""
    draw, share = Random(place), -(-HISTORIES // SEQUENCES)
    instants = [version.effective for version in versions_of(sequence).versions]
    seen = draw.choice(instants) + draw.choice((0, 3, 10, 20, 40)) * DAY
    policies, people = lived(sequence, range(place * share, (place + 1) * share), seen)
    insert_versions(tx, policies)
    copy_population(tx, people)
    reasons: Counter[str] = Counter()
    for at in moments(draw, policies, seen):
        for purpose in (IMPROVE, SAFETY):
            by_statement, by_rule = in_sql(tx, policies, people, purpose, at), {}
            for one in people:
                by_rule |= one.answers(purpose, at)
            wrong = {key: (by_statement[key], by_rule[key]) for key in by_rule if by_statement[key] != by_rule[key]}
            assert wrong == {}, f"sequence {sequence}, {purpose} at {at}"
            usable = {key for key, (_, until) in by_rule.items() if until is not None}
            assert usable_in_sql(tx, policies, purpose, at) == usable, f"sequence {sequence}, {purpose} at {at}"
            reasons.update(because for because, _ in by_rule.values())
    return reasons


# What `say` keeps of it


def test_the_marks_of_a_conversation_equal_recomputation_after_any_verbs(conn: Transaction, keyring: Keyring) -> None:
    """The deciding segment, what its stamp says and the mark of what was taken out of scope, after each event."""
    seen: Counter[str] = Counter()
    for seed in range(MARKED):
        drawn = history(seed, length=40)
        with conn.transaction(force_rollback=True):
            policies = drawn.policies()
            insert_versions(conn, policies)
            pair = Pair(savepoints(conn), keyring, policies)
            for number, event in enumerate(drawn.events, 1):
                pair.push(event)
                if number % 4 == 0 or number == len(drawn.events):
                    pair.flush()
                    for kept, recomputed in marked(conn, pair):
                        assert kept == recomputed, f"seed {seed}, event {number}"
                        deciding, grant, _, stale, out = kept
                        seen.update(
                            {"later": deciding > 0, "granted": grant is not None, "stale": stale, "out of scope": out}
                        )
    assert all(seen[what] for what in ("later", "granted", "stale", "out of scope")), seen


def marked(tx: Transaction, pair: Pair) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """Each conversation's marks as its row holds them, and as its segments in the world say."""
    rows = tx.execute(
        """SELECT conversation_id, deciding, deciding_grant_no, deciding_grant_widening, deciding_stale, out_of_scope
             FROM conversations"""
    ).fetchall()
    assert len(rows) == len(pair.world.conversations)
    kept = {row[0]: row[1:] for row in rows}
    for name, owned in pair.world.conversations.items():
        yield kept[pair.conversations[name]], marks(owned.conversation)
