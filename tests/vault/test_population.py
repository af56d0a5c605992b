"""The rule in SQL over a population, the rule in Python and the plain reference answer alike.

Histories under one sequence of policy versions are folded and COPYed together; nobody is brought to
the moments that are asked about, so that versions which begin in between end grants in the answer
alone. `TESTS_HISTORIES` sets how many histories are drawn (3,200, of which a run draws a sixteenth:
`tests/tiers.py`).
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
from uuid import UUID, uuid5

import pytest

from licet.keys.keyring import Keyring
from licet.policy.decide import IMPROVE, SAFETY, DecisionReason
from licet.policy.file import Policies, Reach
from licet.policy.state import AccountState, ConversationState, ScopeKind, TurnState
from licet.policy.world import World
from licet.store.connect import Transaction
from licet.store.rows import copy_in
from licet.vault import blocks, population

from ..policy.histories import BEGIN, DAY, SECOND, history
from ..policy.reference import Reference
from ..tiers import seeds, share
from . import segment_decisions
from .model import Pair, insert_versions, savepoints

HISTORIES = int(os.environ.get("TESTS_HISTORIES") or share(3200))
SEED = seeds(3200).start
SEQUENCES, PARTS = (20, 2) if HISTORIES <= 20_000 else (100, 2)
MARKED = 40  # histories of real verbs
SHARE_MIN = 0.0004  # of all answers: at least this part carries each reason

Answers = dict[tuple[UUID, int], tuple[str, datetime | None]]


@dataclass
class Lived:
    """One history up to the moment at which the population is seen. ``number`` tells its ids from
    the others'.
    """

    number: int
    world: World
    reference: Reference

    def account(self, name: str) -> UUID:
        return UUID(int=self.number << 32 | list(self.world.accounts).index(name))

    def conversation(self, name: str) -> UUID:
        return UUID(int=1 << 100 | self.number << 32 | list(self.world.conversations).index(name))

    def project(self, account: str, name: str) -> UUID:
        """Each account has projects of these names, each its own."""
        return uuid5(self.account(account), name)

    def account_states(self) -> dict[str, AccountState]:
        return dict(self.world.accounts)

    def undated(
        self, behind: dict[str, AccountState], policies: Policies, at: datetime
    ) -> set[tuple[UUID, int]]:
        """The turns of accounts of which the tables do not say yet that a version dropped a
        question they have a grant for.
        """
        dropped = {
            name
            for name, state in behind.items()
            for number in range(state.seen + 1, policies.number(at) + 1)
            if any(grant.question not in policies[number].asks for grant in state.grants)
        }
        return {
            (self.conversation(chat), turn.number)
            for chat, turn in self.world.turns.values()
            if self.world.conversations[chat].account in dropped
        }

    def answers(self, purpose: str, at: datetime) -> Answers:
        """Every turn's answer by the rule, which is the reference's."""
        found = {}
        self.world.advance(at)
        ids = {name: self.conversation(name) for name in self.world.conversations}
        for name, (chat, turn) in self.world.turns.items():
            decision = self.world.decide(name, purpose, at)
            answer = (decision.because.value, decision.until)
            assert self.reference.decide(name, purpose, at) == answer, (
                self.number,
                name,
                purpose,
                at,
            )
            assert decision.question == self.world.policies.in_force(at).question_of(purpose)
            found[ids[chat], turn.number] = answer
        return found


def versions_of(sequence: int) -> Policies:
    return history(0, versions=sequence).policies()


def leaves_out(policies: Policies) -> bool:
    """Whether a version lists less than an earlier one, both deciding by the whole conversation."""
    return any(
        new.reach is old.reach is Reach.conversation
        and not (old.surfaces <= new.surfaces and old.plans <= new.plans)
        for old, new in combinations(policies.versions, 2)
    )


def ends_twice(policies: Policies) -> bool:
    """Whether two later versions refuse a plan that the first allows."""
    return sum(not policies[0].plans <= version.plans for version in policies.versions[1:]) > 1


def sequences() -> list[int]:
    """Of each kind the first ones: any, those that leave segments out, and those that end a grant
    twice.
    """
    kinds = (
        (lambda policies: True, SEQUENCES * 3 // 5),
        (leaves_out, SEQUENCES // 5),
        (ends_twice, SEQUENCES // 5),
    )
    found = [
        list(islice((n for n in count() if kind(versions_of(n))), many)) for kind, many in kinds
    ]
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
    "account_id": "uuid", "bucket": "int4", "wrapped_key": "bytea", "plan": "text", "age": "int2", "region": "text",
    "opened_at": "timestamptz", "last_at": "timestamptz", "seen": "int2", "closed_at": "timestamptz",
    "granted": "int4", "in_force": "int4",
}  # fmt: skip
STANDINGS = {
    "account_id": "uuid", "question": "text", "standing": "text", "answered": "int2", "granted_before": "bool",
    "grant_no": "int4",
}  # fmt: skip
PROJECTS = {
    "account_id": "uuid",
    "project_id": "uuid",
    "host_hmac": "bytea",
    "begun_at": "timestamptz",
    "kept_out_at": "timestamptz",
}
SCOPED_GRANTS = {
    "account_id": "uuid", "grant_no": "int4", "question": "text", "project_id": "uuid", "conversation_id": "uuid",
    "begun_at": "timestamptz",
}  # fmt: skip
CONVERSATIONS = {
    "account_id": "uuid", "conversation_id": "uuid", "project_id": "uuid", "kind": "text", "incognito": "bool",
    "narrowed": "bool", "narrowings": "int4", "begun_at": "timestamptz", "deleted_at": "timestamptz",
    "safety_until": "timestamptz", "deciding": "int2", "deciding_grants": "int4[]", "deciding_narrowing": "int4",
    "deciding_stale": "text", "out_of_scope": "bool",
}  # fmt: skip
SEGMENTS = {
    "account_id": "uuid", "conversation_id": "uuid", "segment": "int2", "plan": "text", "surface": "text",
    "in_scope": "bool", "version": "int2", "narrowed": "bool", "stale": "text", "grants": "int4[]",
    "narrowing": "int4", "origins": "text", "first_turn": "int4", "last_turn": "int4", "last_at": "timestamptz",
    "has_user": "bool", "keep_until": "timestamptz", "flagged_turn": "int4", "safety_until": "timestamptz",
}  # fmt: skip


def copy_population(tx: Transaction, people: list[Lived]) -> None:
    tx.execute("INSERT INTO buckets VALUES (0, 0, '') ON CONFLICT DO NOTHING")
    accounts, conversations, segments = [], [], []
    turns: list[tuple[UUID, UUID, TurnState]] = []
    standings, projects, grants = [], [], []
    for one in people:
        ids = {name: one.account(name) for name in one.world.accounts}
        for name, state in one.world.accounts.items():
            accounts.append(account_row(ids[name], state))
            standings += [
                (ids[name], *said, state.grant(said.question)) for said in state.standings
            ]
            projects += project_rows(one, name)
            grants += grant_rows(one, name)
        for name, owned in one.world.conversations.items():
            key, of = (ids[owned.account], one.conversation(name)), owned.conversation
            project = one.project(owned.account, of.project) if of.project else None
            conversations.append((*key, project, *conversation_row(of)))
            segments += segment_rows(key, of)
        for chat, turn in one.world.turns.values():
            account = ids[one.world.conversations[chat].account]
            turns.append((account, one.conversation(chat), turn))
    for table, columns, rows in (
        ("accounts", ACCOUNTS, accounts),
        ("standings", STANDINGS, standings),
        ("projects", PROJECTS, projects),
        ("conversations", CONVERSATIONS, conversations),
        ("scoped_grants", SCOPED_GRANTS, grants),
        ("segments", SEGMENTS, segments),
        ("blocks", blocks.COLUMNS, packed(turns)),
    ):
        copy_in(tx, table, columns, rows)
        tx.execute(f"ANALYZE {table}")


def account_row(account: UUID, a: AccountState) -> tuple[Any, ...]:
    return (
        account,
        0,
        b"",
        a.plan,
        a.age,
        a.region,
        a.opened_at,
        a.last_at,
        a.seen,
        a.closed_at,
        a.granted,
        len(a.grants),
    )


def project_rows(one: Lived, name: str) -> list[tuple[Any, ...]]:
    """The projects that an account's conversations, grants or keepings out name."""
    state, chats = one.world.accounts[name], one.world.conversations.values()
    named = {chat.conversation.project for chat in chats if chat.account == name} - {""}
    named |= {
        grant.scope.name for grant in state.grants if grant.scope.kind is ScopeKind.project
    } | state.kept_out
    return [
        (
            one.account(name),
            one.project(name, project),
            project.encode(),
            BEGIN,
            BEGIN if project in state.kept_out else None,
        )
        for project in sorted(named)
    ]


def grant_rows(one: Lived, name: str) -> Iterator[tuple[Any, ...]]:
    for number, question, (kind, scope) in one.world.accounts[name].grants:
        if kind is not ScopeKind.account:
            project = one.project(name, scope) if kind is ScopeKind.project else None
            conversation = one.conversation(scope) if kind is ScopeKind.conversation else None
            yield one.account(name), number, question, project, conversation, BEGIN


def conversation_row(c: ConversationState) -> tuple[Any, ...]:
    return (
        c.kind.value,
        c.incognito,
        c.narrowed,
        c.narrowings,
        c.segments[0].last_at,
        c.deleted_at,
        c.safety_until,
        *marks(c),
    )


def marks(c: ConversationState) -> tuple[int, list[int], int, str, bool]:
    """What a conversation's row says of its segments, from nothing but them, the slow way."""
    spoken = [number for number, segment in enumerate(c.segments) if segment.has_user]
    deciding = spoken[-1] if spoken else len(c.segments) - 1
    stamp = c.segments[deciding].stamp
    out_of_scope = any(not segment.stamp.in_scope for segment in c.segments)
    return deciding, list(stamp.grants), stamp.narrowing, ",".join(stamp.stale), out_of_scope


def segment_rows(key: tuple[UUID, UUID], c: ConversationState) -> Iterator[tuple[Any, ...]]:
    for number, s in enumerate(c.segments):
        mark = s.stamp
        yield (
            *key,
            number,
            mark.plan,
            mark.surface,
            mark.in_scope,
            mark.version,
            mark.narrowed,
            ",".join(mark.stale),
            list(mark.grants),
            mark.narrowing,
            ",".join(sorted(s.origins)),
            s.first_turn,
            s.last_turn,
            s.last_at,
            s.has_user,
            s.keep_until,
            s.flagged_turn,
            s.safety_until,
        )


def packed(turns: list[tuple[UUID, UUID, TurnState]]) -> list[tuple[Any, ...]]:
    """The turns as blocks without content, in runs of a segment and of up to three turns."""
    found: list[blocks.PendingBlock] = []
    for account, conversation, turn in sorted(turns, key=lambda one: (*one[:2], one[2].number)):
        last = found[-1] if found else None
        place = (conversation, turn.segment, turn.number)
        if (
            last is None
            or (last.conversation, last.segment, last.next_turn) != place
            or turn.number % 3 == 0
        ):
            last = blocks.PendingBlock(
                account, conversation, turn.segment, turn.number, turn.number
            )
            found.append(last)
        last.add(turn.number, turn.role, turn.origin, BEGIN, None, None)
    return [block.row(None) for block in found]


# The promise


def in_sql(
    tx: Transaction, policies: Policies, people: list[Lived], purpose: str, at: datetime
) -> Answers:
    """Every turn's answer by the statement."""
    decided = {
        (d.conversation, d.segment): d
        for d in segment_decisions.decisions(tx, policies, purpose, at)
    }
    found = {}
    for one in people:
        ids = {name: one.conversation(name) for name in one.world.conversations}
        for chat, turn in one.world.turns.values():
            because, until = decided[ids[chat], turn.segment].of_turn(turn, policies, purpose, at)
            found[ids[chat], turn.number] = (because.value, until)
    return found


def usable_in_sql(
    tx: Transaction, policies: Policies, purpose: str, at: datetime
) -> set[tuple[UUID, int]]:
    rows = tx.execute(
        f"""SELECT d.account_id, d.conversation_id, t.turn FROM ({population.DECISIONS}) d
              JOIN {population.VERSIONS} ON v.number = d.version
              JOIN turns t USING (account_id, conversation_id, segment)
             WHERE ({population.USABLE_UNTIL}) IS NOT NULL""",
        population.parameters(policies, purpose, at),
    ).fetchall()
    assert len(rows) == len(set(rows))
    return {(conversation, turn) for _, conversation, turn in rows}


def moments(draw: Random, policies: Policies, seen: datetime) -> list[datetime]:
    """Now, the last instant before and the first of a version that nobody was brought to, and some
    later ones.
    """
    versions = [version for version in policies.versions if version.effective > seen]
    coming = [version.effective for version in versions]
    found = {seen, seen + draw.choice((SECOND, 5 * DAY, 10 * DAY, 30 * DAY))}
    if coming:
        found |= {
            coming[0] - timedelta.resolution,
            coming[0],
            draw.choice(coming) + draw.choice((1, 7, 30)) * DAY,
        }
        # what its ending brought nearer is due
        found.add(versions[0].keep.of_turn(allowed=False).after(coming[0]))
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
            assert reasons[because.value] >= SHARE_MIN * reasons.total(), (
                because,
                reasons.most_common(),
            )


def decided_alike(tx: Transaction, place: int, sequence: int) -> Counter[str]:
    """Holds the three against each other for one sequence of versions; counts the reasons."""
    draw, drawn = Random(place), -(-HISTORIES // SEQUENCES)
    instants = [version.effective for version in versions_of(sequence).versions]
    seen = draw.choice(instants) + draw.choice((0, 3, 10, 20, 40)) * DAY
    policies, people = lived(
        sequence, range(SEED + place * drawn, SEED + (place + 1) * drawn), seen
    )
    insert_versions(tx, policies)
    reasons: Counter[str] = Counter()
    with tx.transaction(force_rollback=True):
        copy_population(tx, people)
        behind = {one.number: one.account_states() for one in people}
        asked = moments(draw, policies, seen)
        for at in asked:
            reasons += alike_at(tx, policies, people, at, f"sequence {sequence} at {at}", behind)
    copy_population(tx, people)  # brought to the last moment
    alike_at(tx, policies, people, asked[-1], f"sequence {sequence}, brought to {asked[-1]}", {})
    return reasons


def alike_at(
    tx: Transaction,
    policies: Policies,
    people: list[Lived],
    at: datetime,
    where: str,
    behind: dict[int, dict[str, AccountState]],
) -> Counter[str]:
    """Asks the three at one moment; ``behind`` are the accounts as the tables hold them, where
    these are behind.
    """
    reasons: Counter[str] = Counter()
    for purpose in (IMPROVE, SAFETY):
        by_statement, by_rule, undated = in_sql(tx, policies, people, purpose, at), {}, set()
        for one in people:
            by_rule |= one.answers(purpose, at)
            undated |= one.undated(behind.get(one.number, {}), policies, at)
        wrong = {
            key: (by_statement[key], by_rule[key])
            for key in by_rule
            if by_statement[key] != by_rule[key]
            and not (
                key in undated
                and by_rule[key] == ("expired", None)
                and by_statement[key][1] is None
            )
        }
        assert wrong == {}, f"{where}, {purpose}"
        usable = {key for key, (_, until) in by_rule.items() if until is not None}
        assert usable_in_sql(tx, policies, purpose, at) == usable, f"{where}, {purpose}"
        reasons.update(because for because, _ in by_rule.values())
    return reasons


# What `say` keeps of it


def test_the_marks_of_a_conversation_equal_recomputation_after_any_verbs(
    conn: Transaction, keyring: Keyring
) -> None:
    """The deciding segment, what its stamp says and the mark of what was taken out of scope, after
    each event.
    """
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
                        deciding, grants, narrowing, stale, out = kept
                        seen.update(
                            {
                                "later": deciding > 0,
                                "granted": len(grants) > 0,
                                "under two": len(grants) > 1,
                                "narrowed before": narrowing > 0,
                                "stale": stale != "",
                                "out of scope": out,
                            }
                        )
    assert all(
        seen[what]
        for what in ("later", "granted", "under two", "narrowed before", "stale", "out of scope")
    ), seen


def marked(tx: Transaction, pair: Pair) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """Each conversation's marks as its row holds them, and as its segments in the world say."""
    rows = tx.execute(
        """SELECT conversation_id, deciding, deciding_grants, deciding_narrowing, deciding_stale,
             out_of_scope
             FROM conversations"""
    ).fetchall()
    assert len(rows) == len(pair.world.conversations)
    kept = {row[0]: row[1:] for row in rows}
    for name, owned in pair.world.conversations.items():
        yield kept[pair.conversations[name]], marks(owned.conversation)
