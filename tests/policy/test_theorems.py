"""What the rule promises whatever happens, as theorems over histories drawn at random: of 3,000 a
run draws a sixteenth.

Where a theorem compares two futures, the turns said in both are taken in both (`replay`): else a
yes, which opens the gate, would let turns in that without it are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from operator import is_
from typing import Any

import pytest

from licet.policy import events as ev
from licet.policy import fold
from licet.policy.decide import Decision, DecisionReason, decide
from licet.policy.file import Policies, Reach, preset
from licet.policy.state import (
    WHOLE_ACCOUNT,
    AccountState,
    ConversationState,
    Grant,
    ScopeKind,
    Segment,
    TurnRole,
)
from licet.policy.world import Owned, World

from ..tiers import seeds, share
from .histories import DAY, IMPROVE, PROJECTS, PURPOSES, SAFETY, SECOND, History, history

HISTORIES = share(3000)
SEED = seeds(2 * 3000, 5_000_000).start  # no theorem is held against more than twice as many
LATER = (0 * DAY, SECOND, 5 * DAY, 31 * DAY, 400 * DAY, 2000 * DAY)
Usable = dict[str, frozenset[str]]


@cache
def drawn_once(seed: int, **drawn: Any) -> History:
    """A history that several theorems are held against: to draw it takes as long as to hold one
    against it.
    """
    return history(seed, **drawn)


def histories(count: int = HISTORIES, **drawn: Any) -> Iterator[History]:
    return (drawn_once(seed, **drawn) for seed in range(SEED, SEED + count))


class DrawnWorld(World):
    """A world that is asked again and again, and whose forks share what is usable of a
    conversation: where an act changed nothing of it and its account, the rule would be asked the
    same. That its answers depend on nothing else is `test_deciding_is_pure`.
    """

    def __init__(self, policies: Policies, *, replay: bool = False) -> None:
        super().__init__(policies, replay=replay)
        self.known: dict[tuple[AccountState, int, datetime], tuple[ConversationState, Usable]] = {}
        self.before: dict[datetime, tuple[tuple[object, ...], Usable]] = {}

    def usable_of(self, name: str, at: datetime) -> Usable:
        """The turns of a conversation that are usable for each purpose, once the world was brought
        to ``at``.
        """
        owned = self.conversations[name]
        key = (self.accounts[owned.account], id(owned.conversation), at)
        known = self.known.get(key)
        if known is None:
            turns = [turn for turn, (conversation, _) in self.turns.items() if conversation == name]
            found = {
                purpose: frozenset(turn for turn in turns if self.decide(turn, purpose, at).use)
                for purpose in PURPOSES
            }
            # With the conversation, whose address is no other's for as long as it is held.
            known = self.known[key] = (owned.conversation, found)
        return known[1]


def fork(world: World, *, replay: bool = False) -> World:
    """Another world in the same state, with a future of its own; one in which much is said shares
    no answers.
    """
    other: World
    if isinstance(world, DrawnWorld) and not replay:
        other = DrawnWorld(world.policies)
        other.known = world.known
    else:
        other = World(world.policies, replay=replay)
    other.accounts, other.turns, other.feedback = (
        dict(world.accounts),
        dict(world.turns),
        dict(world.feedback),
    )
    other.conversations = {
        name: Owned(owned.account, owned.conversation, list(owned.feedback))
        for name, owned in world.conversations.items()
    }
    return other


def usable(world: World, at: datetime) -> Usable:
    """What is usable for each purpose at ``at``, if nothing happens until then: turns, and
    feedback.
    """
    if not isinstance(world, DrawnWorld):
        return _usable(fork(world), at)
    state = (
        *world.accounts.values(),
        *(o.conversation for o in world.conversations.values()),
        *world.feedback.values(),
    )
    before, known = world.before.get(at, ((), {}))
    if len(before) != len(state) or not all(map(is_, before, state)):
        known = _usable(fork(world), at)
        world.before[at] = (state, known)
    return known


def _usable(then: World, at: datetime) -> Usable:
    then.advance(at)
    if isinstance(then, DrawnWorld):
        chats = [then.usable_of(name, at) for name in then.conversations]
        found = {
            purpose: frozenset[str]().union(*[chat[purpose] for chat in chats])
            for purpose in PURPOSES
        }
    else:
        found = {purpose: then.usable(purpose, at) for purpose in PURPOSES}
    found["feedback"] = frozenset(
        name for name in then.feedback if then.decide_feedback(name, at).use
    )
    return found


def adds_nothing(after: Usable, before: Usable) -> bool:
    return all(after[purpose] <= before[purpose] for purpose in before)


def worlds(drawn: History) -> Iterator[tuple[World, ev.Event]]:
    """The world after each event of a history, and the event."""
    world = World(drawn.policies())
    for event in drawn.events:
        world.apply(event)
        yield world, event


def at_the_end(drawn: History) -> tuple[World, datetime]:
    """A world after two thirds of a history, which the caller may change, and the moment there."""
    world, at = _folded(drawn)
    other = fork(world)
    asked = DrawnWorld(world.policies)
    asked.accounts, asked.turns, asked.feedback = other.accounts, other.turns, other.feedback
    asked.conversations = other.conversations
    return asked, at


@cache
def _folded(drawn: History) -> tuple[World, datetime]:
    world = World(drawn.policies())
    for event in drawn.events[: 1 + len(drawn.events) * 2 // 3]:
        world.apply(event)
    world.advance(event.at)
    return world, event.at


def permitted(world: World, at: datetime) -> Iterator[tuple[str, str, Decision]]:
    """Each turn and purpose that the rule permits by a grant, flags apart."""
    for turn in world.turns:
        for purpose in PURPOSES:
            decision = world.decide(turn, purpose, at)
            if decision.because is DecisionReason.permitted:
                yield turn, purpose, decision


def speak(world: World, at: datetime) -> None:
    """A person and an assistant say something in every conversation, and in a new one of each
    project.
    """
    chats = [(owned.account, name, "") for name, owned in world.conversations.items()]
    chats += [
        (name, f"{name}-new-{project}", project)
        for name in world.accounts
        for project in ("", *PROJECTS)
    ]
    for account, chat, project in chats:
        for role in (TurnRole.user, TurnRole.assistant):
            turn = f"{chat}-{role.value}-{at.isoformat()}"
            world.apply(
                ev.SayEvent(
                    at=at, account=account, conversation=chat, turn=turn, role=role, project=project
                )
            )


def scopes(world: World, account: str) -> list[ev.NamedScope]:
    own = [name for name, owned in world.conversations.items() if owned.account == account]
    return [
        *(ev.NamedScope(project=project) for project in PROJECTS),
        *(ev.NamedScope(conversation=name) for name in own),
    ]


def is_within(world: World, conversation: str, account: str, scope: ev.NamedScope | None) -> bool:
    owned = world.conversations[conversation]
    if owned.account != account:
        return False
    if scope is None:
        return True
    if scope.conversation is not None:
        return scope.conversation == conversation
    return scope.project == owned.conversation.project


def scope_of(grant: Grant) -> ev.NamedScope | None:
    kind, name = grant.scope
    return None if kind is ScopeKind.account else ev.NamedScope(**{kind.value: name})


# A yes


def test_a_grant_for_one_question_makes_no_other_questions_purposes_usable() -> None:
    """Whatever is said under it: nobody's, and no purpose of another question, gains anything.

    What is said from then on is equal in both. What was said before may end sooner with the grant:
    without it the next turn is of the same segment, whose period then counts from that turn.
    """
    gained = 0
    for drawn in histories(HISTORIES // 2):
        world, at = at_the_end(drawn)
        before = frozenset(world.turns)
        version = world.policies.in_force(at)
        for account in world.accounts:
            for asked in version.questions:
                with_it, without = fork(world, replay=True), fork(world, replay=True)
                with_it.apply(
                    ev.ChooseEvent(at=at, account=account, allow=True, question=asked.question)
                )
                speak(with_it, at)
                speak(without, at)
                for later in LATER[:4]:
                    if world.policies.number(at + later) != world.policies.number(at):
                        # a later version may ask otherwise; the next theorem but one has them
                        continue
                    one, other = usable(with_it, at + later), usable(without, at + later)
                    for purpose in PURPOSES:
                        if purpose not in asked.covers:
                            failing = f"seed {drawn.seed}: {asked.question}, {purpose}"
                            assert one[purpose] <= other[purpose], failing
                            assert other[purpose] - one[purpose] <= before, failing
                        gained += len(one[purpose] - other[purpose])
    assert gained > HISTORIES


def refused_by_all(world: World, at: datetime) -> None:
    """Every question is answered with no: the gate is open, where it can be, and no grant is in
    force.
    """
    for account in world.accounts:
        world.apply(ev.ChooseEvent(at=at, account=account, allow=False))


def test_a_scoped_yes_makes_nothing_outside_its_scope_usable() -> None:
    """Nor for another question's purposes inside; whatever is said after it."""
    gained = 0
    for drawn in histories(HISTORIES // 2):
        world, at = at_the_end(drawn)
        if drawn.seed % 2:
            refused_by_all(world, at)
        asked = world.policies.in_force(at).questions[
            drawn.seed % len(world.policies.in_force(at).questions)
        ]
        without = fork(world, replay=True)
        speak(without, at)
        for account in world.accounts:
            for scope in scopes(world, account):
                with_it = fork(world, replay=True)
                with_it.apply(
                    ev.ChooseEvent(
                        at=at, account=account, allow=True, question=asked.question, scope=scope
                    )
                )
                speak(with_it, at)
                for later in (LATER[0], LATER[3]):
                    one, other = usable(with_it, at + later), usable(without, at + later)
                    for purpose in PURPOSES:
                        more = one[purpose] - other[purpose]
                        where = {with_it.turns[turn][0] for turn in more}
                        assert all(is_within(with_it, name, account, scope) for name in where), (
                            f"seed {drawn.seed}"
                        )
                        same_terms = world.policies.number(at + later) == world.policies.number(at)
                        assert not more or purpose in asked.covers or not same_terms, (
                            f"seed {drawn.seed}: {purpose}"
                        )
                        gained += len(more)
    assert gained > HISTORIES


def test_a_choice_makes_nothing_usable_that_was_said_before_it() -> None:
    for drawn in histories():
        world, at = at_the_end(drawn)
        for account in world.accounts:
            for question in world.policies.in_force(at).asks:
                for scope in (None, *scopes(world, account)):
                    other = fork(world)
                    other.apply(
                        ev.ChooseEvent(
                            at=at, account=account, allow=True, question=question, scope=scope
                        )
                    )
                    for later in LATER[:2]:
                        assert usable(other, at + later) == usable(world, at + later), (
                            f"seed {drawn.seed}"
                        )


def test_a_yes_lets_in_nothing_that_is_kept_out() -> None:
    """No conversation, no project, nothing said while it was out, and nothing that begins in a
    project kept out.
    """
    tried = 0
    for drawn in histories():
        world, at = at_the_end(drawn)
        for account in world.accounts:
            for question in world.policies.in_force(at).asks:
                for scope in (None, *scopes(world, account)):
                    other = fork(world, replay=True)
                    other.apply(
                        ev.ChooseEvent(
                            at=at, account=account, allow=True, question=question, scope=scope
                        )
                    )
                    assert other.accounts[account].kept_out == world.accounts[account].kept_out
                speak(other, at)
                for name, owned in other.conversations.items():
                    before = world.conversations.get(name)
                    if before is not None:
                        assert owned.conversation.narrowed == before.conversation.narrowed
                    elif owned.conversation.project in other.accounts[owned.account].kept_out:
                        assert owned.conversation.narrowed
                for turn, _, _ in permitted(other, at):
                    name, taken = other.turns[turn]
                    conversation = other.conversations[name].conversation
                    assert not conversation.narrowed, f"seed {drawn.seed}: {turn}"
                    assert not conversation.segments[taken.segment].stamp.narrowed, (
                        f"seed {drawn.seed}: {turn}"
                    )
                tried += sum(owned.conversation.narrowed for owned in other.conversations.values())
    assert tried > HISTORIES


def test_a_person_never_raises_the_age_that_the_host_knows() -> None:
    """Nor makes anything usable by telling one, whatever the rest of the choice; a lower one always
    counts.
    """
    lowered = kept_young = 0
    for drawn in histories():
        world, at = at_the_end(drawn)
        refuses = world.policies.in_force(at).refuses_age
        for account, state in world.accounts.items():
            for age in (12, 17, 30, 99):
                for allow in (True, False):
                    other = fork(world, replay=True)
                    for question in (None, *world.policies.in_force(at).asks, "no such question"):
                        other.apply(
                            ev.ChooseEvent(
                                at=at, account=account, allow=allow, question=question, age=age
                            )
                        )
                    told = other.accounts[account]
                    assert told.age == (age if state.age is None else min(age, state.age))
                    lowered += state.age is not None and told.age < state.age
                    if (
                        state.age is not None
                    ):  # one that fills an unknown age lets a flag count again, which is no grant
                        assert adds_nothing(usable(other, at), usable(world, at))
                    assert set(permitted(other, at)) <= set(permitted(world, at))
                    if state.age is not None and refuses(state.age, state.region):
                        speak(other, at)
                        assert told.grants == ()
                        assert not any(
                            other.conversations[other.turns[t][0]].account == account
                            for t, _, _ in permitted(other, at)
                        )
                        kept_young += 1
    assert min(lowered, kept_young) > HISTORIES / 2


# A no


def test_the_accounts_no_leaves_nothing_of_a_question_usable_but_what_it_keeps_by_name() -> None:
    """At once and ever after, whatever is said; and what it keeps is as it was."""
    ended = kept = 0
    for drawn in histories():
        world, at = at_the_end(drawn)
        version = world.policies.in_force(at)
        for account, state in world.accounts.items():
            for asked in version.questions:
                keep = [grant for grant in state.grants if grant.scope != WHOLE_ACCOUNT][
                    : drawn.seed % 3
                ]
                other = fork(world, replay=True)
                other.apply(
                    ev.ChooseEvent(
                        at=at,
                        account=account,
                        allow=False,
                        question=asked.question,
                        keep=tuple(
                            scope for grant in keep if (scope := scope_of(grant)) is not None
                        ),
                    )
                )
                if not world.policies.begun(at) or state.closed_at is not None:
                    continue
                left = [
                    grant
                    for grant in other.accounts[account].grants
                    if grant.question == asked.question
                ]
                named = {grant.scope for grant in keep}
                assert left == [
                    g for g in state.grants if g.question == asked.question and g.scope in named
                ]
                ended += len(state.grants) - len(other.accounts[account].grants)
                kept += len(left)
                speak(other, at)
                for later in LATER[:5]:
                    other.advance(at + later)
                    for turn, _, decision in permitted(other, at + later):
                        if other.conversations[other.turns[turn][0]].account == account:
                            assert decision.question != asked.question or decision.grant in {
                                g.number for g in left
                            }
    assert min(ended, kept) > HISTORIES / 20


def test_no_withdrawal_deletion_narrowing_or_closing_ever_adds_a_usable_turn() -> None:
    taken_away = 0
    for drawn in histories():
        world, at = at_the_end(drawn)
        acts: list[ev.Event] = []
        for name in world.accounts:
            acts += [
                ev.ChooseEvent(at=at, account=name, allow=False),
                ev.CloseAccountEvent(at=at, account=name),
            ]
            acts += [ev.NarrowEvent(at=at, account=name, project=project) for project in PROJECTS]
            acts += [
                ev.ChooseEvent(
                    at=at,
                    account=name,
                    allow=False,
                    question=question,
                    keep=(ev.NamedScope(project="p"),),
                )
                for question in world.policies.in_force(at).asks
            ]
        for name, owned in world.conversations.items():
            acts += [
                kind(at=at, account=owned.account, conversation=name)
                for kind in (ev.DeleteEvent, ev.NarrowEvent)
            ]
        for act in acts:
            other = fork(world)
            other.apply(act)
            for later in LATER:
                with_it, without = usable(other, at + later), usable(world, at + later)
                assert adds_nothing(with_it, without), f"seed {drawn.seed}: {act}"
                taken_away += with_it != without
    assert taken_away > HISTORIES


def test_letting_in_makes_nothing_usable_that_was_said_before() -> None:
    let_in = 0
    for drawn in histories():
        world, at = at_the_end(drawn)
        acts = [
            ev.WidenEvent(at=at, account=name, project=project)
            for name in world.accounts
            for project in PROJECTS
        ]
        acts += [
            ev.WidenEvent(at=at, account=owned.account, conversation=name)
            for name, owned in world.conversations.items()
        ]
        for act in acts:
            other = fork(world)
            other.apply(act)
            let_in += other.accounts != world.accounts or other.conversations != world.conversations
            for later in LATER[:4]:
                assert adds_nothing(usable(other, at + later), usable(world, at + later)), (
                    f"seed {drawn.seed}: {act}"
                )
    assert let_in > HISTORIES / 5


# No act at all


def test_no_move_to_another_plan_ever_adds_a_usable_turn() -> None:
    """Under the terms in force; out of their scope, for ever."""
    taken_away = 0
    for drawn in histories():
        world, at = at_the_end(drawn)
        policies = world.policies
        for name in world.accounts:
            for plan in ("free", "pro", "work", "gov"):
                other = fork(world)
                other.apply(ev.SetPlanEvent(at=at, account=name, plan=plan))
                for later in LATER:
                    same_terms = policies.number(at + later) == policies.number(at)
                    if same_terms or plan not in policies.in_force(at).plans:
                        with_it, without = usable(other, at + later), usable(world, at + later)
                        assert adds_nothing(with_it, without), f"seed {drawn.seed}: {plan}"
                        taken_away += with_it != without
    assert taken_away > HISTORIES


def test_nothing_is_usable_without_an_act_and_a_flag_serves_safety_alone() -> None:
    flagged = 0
    for drawn in histories():
        world = World(drawn.policies())
        for event in drawn.events:
            if isinstance(event, ev.ChooseEvent) and event.allow:
                continue
            world.apply(event)
            world.advance(event.at)
            assert not world.usable(IMPROVE, event.at)
            assert not world.usable("ads", event.at)
            for turn in world.usable(SAFETY, event.at):
                assert world.decide(turn, SAFETY, event.at).because is DecisionReason.flagged
                flagged += 1
            assert not any(world.decide_feedback(name, event.at).use for name in world.feedback)
    assert flagged > HISTORIES


def test_nothing_is_usable_without_a_choice_or_a_flag_for_any_length_of_time() -> None:
    for drawn in histories():
        world = World(drawn.policies())
        for event in drawn.events:
            if not isinstance(event, ev.FlagEvent) and not (
                isinstance(event, ev.ChooseEvent) and event.allow
            ):
                world.apply(event)
        for later in LATER:
            assert not any(usable(world, event.at + later).values())


def test_no_version_makes_anything_usable() -> None:
    """Not the third and not the tenth: at its first instant, with no act, whatever it widens, moves
    or asks again.
    """
    versions = took_away = 0
    for drawn in histories(chain=10):
        world, coming = World(drawn.policies()), list(drawn.events)
        for version in world.policies.versions[1:]:
            while coming and coming[0].at < version.effective:
                world.apply(coming.pop(0))
            before = usable(world, version.effective - timedelta.resolution)
            after = usable(world, version.effective)
            assert adds_nothing(after, before), f"seed {drawn.seed}: {version.version}"
            versions += 1
            took_away += after != before
    assert versions == 9 * HISTORIES
    assert took_away > HISTORIES / 10


def test_no_number_of_versions_after_the_last_act_makes_anything_usable() -> None:
    """All the versions that are still to come, one by one, at a time when only they happen."""
    for drawn in histories(HISTORIES // 2, chain=10):
        world, at = at_the_end(drawn)
        before = usable(world, at)
        for version in world.policies.versions:
            if version.effective > at:
                after = usable(world, version.effective)
                assert adds_nothing(after, before), f"seed {drawn.seed}: {version.version}"
                before = after


def test_what_was_said_before_a_grant_is_usable_only_once_the_person_resumed_it() -> None:
    resumed = 0
    for drawn in histories(2 * HISTORIES):
        began: dict[tuple[str, int], int] = {}  # at which event a grant of an account began
        said: dict[str, int] = {}  # at which event a turn was said
        spoke: dict[str, int] = {}  # at which event a person last spoke in a conversation
        for number, (world, event) in enumerate(worlds(drawn)):
            for grant in (
                world.accounts[event.account].grants if event.account in world.accounts else ()
            ):
                began.setdefault((event.account, grant.number), number)
            if (
                isinstance(event, ev.SayEvent)
                and event.turn in world.turns
                and event.turn not in said
            ):
                said[event.turn] = number
                if event.role is TurnRole.user:
                    spoke[event.conversation] = number
            world.advance(event.at)
            for turn, _, decision in permitted(world, event.at):
                conversation, _ = world.turns[turn]
                assert decision.grant is not None
                since = began[world.conversations[conversation].account, decision.grant]
                assert spoke[conversation] > since, f"seed {drawn.seed}: {turn}"
                if said[turn] < since:
                    reaches = {
                        v.reach
                        for v in world.policies.versions[decision.taken : decision.in_force + 1]
                    }
                    assert reaches == {Reach.conversation}
                    resumed += 1
    assert resumed > HISTORIES / 10


# How long


def of_use(world: World, name: str, segment: Segment, at: datetime) -> bool:
    """Whether the rule, row 5 apart, permits a turn of the segment for some purpose: asked turn by
    turn.
    """
    owned = world.conversations[name]
    apart = fold.unflag(owned.conversation)
    return any(
        decide(world.accounts[owned.account], apart, taken, world.policies, purpose, at).because
        is DecisionReason.permitted
        for conversation, taken in world.turns.values()
        if conversation == name and segment.first_turn <= taken.number <= segment.last_turn
        for purpose in PURPOSES
    )


def test_what_is_of_no_use_is_never_dated_long() -> None:
    """At a turn of its conversation, and where a grant that covered it ended or it was kept out."""
    turns = ends = 0
    for drawn in histories(2 * HISTORIES):
        world = World(drawn.policies())
        for event in drawn.events:
            if event.account in world.accounts:
                world.advance(event.at)
            accounts, taken = dict(world.accounts), set(world.turns)
            world.apply(event)
            keep = world.policies.in_force(event.at).keep
            for name, owned in world.conversations.items():
                before, after = accounts[owned.account].grants, world.accounts[owned.account].grants
                spoken = any(world.turns[turn][0] == name for turn in set(world.turns) - taken)
                ended = [
                    g
                    for g in before
                    if g not in after and is_within(world, name, owned.account, scope_of(g))
                ]
                for segment in owned.conversation.segments:
                    if (
                        (spoken or ended)
                        and segment.keep_until > event.at
                        and not of_use(world, name, segment, event.at)
                    ):
                        short = keep.of_turn(
                            allowed=False, incognito=spoken and owned.conversation.incognito
                        )
                        assert segment.keep_until <= short.after(event.at), (
                            f"seed {drawn.seed}: {event}"
                        )
                        turns += spoken
                        ends += bool(ended)
    assert min(turns, ends) > HISTORIES


def test_what_is_of_use_is_dated_by_the_long_period_at_each_turn() -> None:
    long = 0
    for drawn in histories():
        world = World(drawn.policies())
        for event in drawn.events:
            taken = set(world.turns)
            world.apply(event)
            version = world.policies.in_force(event.at)
            for turn in set(world.turns) - taken:
                name, _ = world.turns[turn]
                for segment in world.conversations[name].conversation.segments:
                    if of_use(world, name, segment, event.at):
                        since = segment.last_at if version.reach is Reach.turn else event.at
                        assert segment.keep_until == version.keep.of_turn(allowed=True).after(
                            since
                        ), f"seed {drawn.seed}: {event}"
                        long += 1
    assert long > HISTORIES


def test_dates_only_come_nearer_between_turns() -> None:
    nearer = 0
    for drawn in histories():
        world = World(drawn.policies())
        for event in drawn.events:
            turns = set(world.turns)
            chats = {name: owned.conversation for name, owned in world.conversations.items()}
            given = dict(world.feedback)
            world.apply(event)
            spoken = {world.turns[turn][0] for turn in set(world.turns) - turns}
            for name, chat in chats.items():
                if name not in spoken:
                    after = world.conversations[name].conversation.segments
                    for old, new in zip(chat.segments, after, strict=True):
                        assert new.keep_until <= old.keep_until, f"seed {drawn.seed}: {event}"
                        nearer += new.keep_until < old.keep_until
            for name, (_, feedback) in given.items():
                assert world.feedback[name][1].keep_until <= feedback.keep_until
    assert nearer > HISTORIES / 10


def test_what_has_expired_stays_expired() -> None:
    for drawn in histories():
        expired: set[str] = set()
        for world, event in worlds(drawn):
            world.advance(event.at)
            gone = {
                name
                for name, (conversation, turn) in world.turns.items()
                if world.conversations[conversation].conversation.segments[turn.segment].keep_until
                <= event.at
            }
            assert expired <= gone, f"seed {drawn.seed}"
            expired = gone


# Grants


def test_a_grant_that_ended_is_never_in_force_again() -> None:
    """Its number is given once, to one question and scope, and later ones have greater numbers."""
    for drawn in histories(2 * HISTORIES):
        ended: dict[str, set[int]] = {}
        last: dict[str, dict[int, object]] = {}
        for world, _ in worlds(drawn):
            for name, account in world.accounts.items():
                now: dict[int, object] = {grant.number: grant for grant in account.grants}
                assert len(now) == len(account.grants)
                assert not now.keys() & ended.setdefault(name, set())
                before = last.get(name, {})
                assert all(now[number] == before[number] for number in now.keys() & before.keys())
                assert all(number > max(before, default=0) for number in now.keys() - before.keys())
                assert max(now, default=0) <= account.granted
                ended[name] |= before.keys() - now.keys()
                last[name] = now


def test_an_account_keeps_no_grant_that_the_terms_in_force_do_not_allow() -> None:
    """Nor one for what is kept out; and never two for one question and scope."""
    for drawn in histories(2 * HISTORIES):
        for world, event in worlds(drawn):
            world.advance(event.at)
            version = world.policies.in_force(event.at)
            for account in world.accounts.values():
                allowed = account.closed_at is None and account.plan in version.plans
                assert not account.grants or (
                    allowed and not version.refuses_age(account.age, account.region)
                )
                assert len({(grant.question, grant.scope) for grant in account.grants}) == len(
                    account.grants
                )
                for grant in account.grants:
                    assert grant.question in version.asks
                    kind, name = grant.scope
                    if kind is ScopeKind.project:
                        assert name not in account.kept_out
                    if kind is ScopeKind.conversation:
                        assert not world.conversations[name].conversation.narrowed


def test_a_standing_says_whether_the_accounts_grant_is_in_force() -> None:
    for drawn in histories():
        for world, event in worlds(drawn):
            world.advance(event.at)
            for account in world.accounts.values():
                for standing in account.standings if account.closed_at is None else ():
                    in_force = account.grant(standing.question, WHOLE_ACCOUNT) is not None
                    assert (standing.standing.value == "granted") == in_force
                    assert (standing.standing.value == "lapsed") <= (standing.answered is None)
                    assert standing.granted_before or standing.standing.value == "declined"


def test_a_turn_is_stamped_once_and_for_all() -> None:
    for drawn in histories():
        stamps: dict[str, object] = {}
        for world, _ in worlds(drawn):
            for name, (conversation, turn) in world.turns.items():
                stamp = world.conversations[conversation].conversation.segments[turn.segment].stamp
                assert stamps.setdefault(name, stamp) == stamp


def test_the_turns_of_a_conversation_are_numbered_from_one_without_a_gap() -> None:
    for drawn in histories(100):
        world, _ = at_the_end(drawn)
        numbers: dict[str, list[int]] = {name: [] for name in world.conversations}
        for conversation, turn in world.turns.values():
            numbers[conversation].append(turn.number)
        for name, owned in world.conversations.items():
            assert sorted(numbers[name]) == list(range(1, owned.conversation.turns + 1))


def test_a_conversation_counts_how_often_it_was_kept_out() -> None:
    world = granted()
    for times in (1, 2, 3):
        world.apply(ev.NarrowEvent(at=NOW, account="ana", conversation="c"))
        world.apply(ev.NarrowEvent(at=NOW, account="ana", conversation="c"))  # it is out already
        world.apply(ev.WidenEvent(at=NOW, account="ana", conversation="c"))
        assert world.conversations["c"].conversation.narrowings == times


def test_the_order_in_which_questions_stand_decides_nothing() -> None:
    several = 0
    for drawn in histories():
        turned = [
            document
            if isinstance(document["choice"], dict)
            else dict(document, choice=document["choice"][::-1])
            for document in drawn.documents
        ]
        several += turned != drawn.documents
        one, other = World(drawn.policies()), World(History(0, turned, [], []).policies())
        for event in drawn.events:
            for world in (one, other):
                world.apply(event)
            assert usable(one, event.at) == usable(other, event.at), f"seed {drawn.seed}"
        for name, owned in one.conversations.items():
            dates = [segment.keep_until for segment in owned.conversation.segments]
            assert dates == [
                s.keep_until for s in other.conversations[name].conversation.segments
            ], f"seed {drawn.seed}"
        for name, (_, feedback) in one.feedback.items():
            assert feedback.keep_until == other.feedback[name][1].keep_until, f"seed {drawn.seed}"
    assert several > HISTORIES / 3


def test_deciding_is_pure() -> None:
    for drawn in histories(100):
        world, at = at_the_end(drawn)
        before = fork(world)
        for turn in world.turns:
            for purpose in PURPOSES:
                assert world.decide(turn, purpose, at) == world.decide(turn, purpose, at)
        for name in world.feedback:
            assert world.decide_feedback(name, at) == world.decide_feedback(name, at)
        assert before.accounts == world.accounts
        assert before.conversations == world.conversations
        assert (before.turns, before.feedback) == (world.turns, world.feedback)


def test_turns_of_a_segment_alike_in_origin_and_flag_are_decided_alike() -> None:
    for drawn in histories(100):
        world, at = at_the_end(drawn)
        alike: dict[tuple[str, int, str, bool], list[str]] = {}
        for turn, (chat, state) in world.turns.items():
            segment = world.conversations[chat].conversation.segments[state.segment]
            is_flagged = state.number <= segment.flagged_turn
            alike.setdefault((chat, state.segment, state.origin, is_flagged), []).append(turn)
        for turns in alike.values():
            for purpose in PURPOSES:
                decided = {world.decide(turn, purpose, at) for turn in turns}
                assert len(decided) == 1, f"seed {drawn.seed}"


# One person


NOW = datetime(2025, 9, 1, tzinfo=UTC)


def opened(preset_name: str = "article-2025") -> World:
    world = World(Policies([preset(preset_name)]))
    world.apply(ev.OpenAccountEvent(at=NOW - 90 * DAY, account="ana", plan="free", age=30))
    return world


def granted() -> World:
    world = opened()
    world.apply(ev.ChooseEvent(at=NOW, account="ana", allow=True))
    world.apply(ev.SayEvent(at=NOW, account="ana", conversation="c", turn="t"))
    return world


def test_an_unknown_turn_is_denied() -> None:
    decision = granted().decide("no such turn", IMPROVE, NOW)
    assert (decision.use, decision.because, decision.until) == (False, DecisionReason.unknown, None)
    world = granted()
    known = world.accounts["ana"], world.conversations["c"].conversation
    assert decide(*known, None, world.policies, IMPROVE, NOW) == decision
    feedback = granted().decide_feedback("no such feedback", NOW)
    assert (feedback.use, feedback.because) == (False, DecisionReason.unknown)


@pytest.mark.parametrize(
    "purpose", ["", "improve", "Improve_models", "improve_models ", "*", "flagged", "training"]
)
def test_an_unknown_purpose_is_denied(purpose: str) -> None:
    assert granted().decide("t", IMPROVE, NOW).because is DecisionReason.permitted
    assert granted().decide("t", purpose, NOW).because is DecisionReason.purpose


def test_a_time_without_an_offset_is_an_error_not_an_answer() -> None:
    world, naive = granted(), NOW.replace(tzinfo=None)
    with pytest.raises(TypeError, match="offset-naive"):
        world.decide("t", IMPROVE, naive)
    with pytest.raises(TypeError, match="offset-naive"):
        world.gate("ana", naive)
    with pytest.raises(TypeError, match="offset-naive"):
        world.apply(ev.DeleteEvent(at=naive, account="ana", conversation="c"))
    assert world.decide("t", IMPROVE, NOW).because is DecisionReason.permitted


@pytest.mark.parametrize(
    ("preset_name", "question"), [("article-2025", "training"), ("strict", "models")]
)
def test_order_decides_within_equal_times(preset_name: str, question: str) -> None:
    say = ev.SayEvent(at=NOW, account="ana", conversation="c", turn="t")
    choose = ev.ChooseEvent(at=NOW, account="ana", allow=True, question=question)
    refuse = ev.ChooseEvent(at=NOW, account="ana", allow=False, question=question)
    delete = ev.DeleteEvent(at=NOW, account="ana", conversation="c")
    orders: tuple[tuple[tuple[ev.Event, ...], DecisionReason], ...] = (
        ((choose, say), DecisionReason.permitted),
        ((say, choose), DecisionReason.before_grant),
        ((choose, say, refuse), DecisionReason.withdrawn),
        ((choose, refuse, say), DecisionReason.withdrawn),
        ((choose, say, refuse, choose), DecisionReason.before_grant),
        ((choose, refuse, choose, say), DecisionReason.permitted),
        ((delete, choose, say), DecisionReason.permitted),
        ((choose, say, delete), DecisionReason.deleted),
    )
    for order, because in orders:
        world = opened(preset_name)
        for event in order:
            world.apply(event)
        assert world.decide("t", IMPROVE, NOW).because is because, order


def test_every_limit_is_end_exclusive() -> None:
    world = granted()
    until = world.decide("t", IMPROVE, NOW).until
    assert until is not None
    assert (
        world.decide("t", IMPROVE, until - timedelta.resolution).because is DecisionReason.permitted
    )
    assert world.decide("t", IMPROVE, until).because is DecisionReason.expired
