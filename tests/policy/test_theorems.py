"""What the rule promises whatever happens, as theorems over histories drawn at random."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from licet.policy import events as ev
from licet.policy.decide import DecisionReason, decide
from licet.policy.diff import diff, widens
from licet.policy.file import Policies, Policy, Reach, preset
from licet.policy.state import AccountState, TurnRole
from licet.policy.world import Owned, World

from .histories import DAY, IMPROVE, PURPOSES, SAFETY, SECOND, History, history

HISTORIES = 300
LATER = (0 * DAY, SECOND, 5 * DAY, 31 * DAY, 400 * DAY, 2000 * DAY)
Usable = dict[str, frozenset[str]]


def histories(count: int = HISTORIES) -> Iterator[History]:
    return (history(seed) for seed in range(5_000_000, 5_000_000 + count))


def fork(world: World) -> World:
    """Another world in the same state, with a future of its own."""
    other = World(world.policies)
    other.accounts, other.turns, other.feedback = dict(world.accounts), dict(world.turns), dict(world.feedback)
    other.conversations = {
        name: Owned(owned.account, owned.conversation, list(owned.feedback))
        for name, owned in world.conversations.items()
    }
    return other


def usable(world: World, at: datetime) -> Usable:
    """What is usable for each purpose at ``at``, if nothing happens until then."""
    then = fork(world)
    then.advance(at)
    return {purpose: then.usable(purpose, at) for purpose in PURPOSES}


def adds_nothing(after: Usable, before: Usable) -> bool:
    return all(after[purpose] <= before[purpose] for purpose in PURPOSES)


def worlds(drawn: History) -> Iterator[tuple[World, ev.Event]]:
    """The world after each event of a history, and the event."""
    world = World(drawn.policies())
    for event in drawn.events:
        world.apply(event)
        yield world, event


def at_the_end(drawn: History) -> tuple[World, datetime]:
    world = World(drawn.policies())
    for event in drawn.events[: 1 + len(drawn.events) * 2 // 3]:
        world.apply(event)
    return world, event.at


def test_no_withdrawal_deletion_narrowing_or_closing_ever_adds_a_usable_turn() -> None:
    taken_away = 0
    for drawn in histories():
        world, at = at_the_end(drawn)
        acts: list[ev.Event] = []
        for name in world.accounts:
            acts += [ev.ChooseEvent(at=at, account=name, allow=False), ev.CloseAccountEvent(at=at, account=name)]
        for name, owned in world.conversations.items():
            acts += [kind(at=at, account=owned.account, conversation=name) for kind in (ev.DeleteEvent, ev.NarrowEvent)]
        for act in acts:
            other = fork(world)
            other.apply(act)
            for later in LATER:
                with_it, without = usable(other, at + later), usable(world, at + later)
                assert adds_nothing(with_it, without), f"seed {drawn.seed}: {act}"
                taken_away += with_it != without
    assert taken_away > HISTORIES


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
            if not isinstance(event, ev.FlagEvent) and not (isinstance(event, ev.ChooseEvent) and event.allow):
                world.apply(event)
        for later in LATER:
            assert not any(usable(world, event.at + later).values())


def test_a_choice_makes_nothing_usable_that_was_said_before_it() -> None:
    for drawn in histories():
        world, at = at_the_end(drawn)
        for name in world.accounts:
            world.advance(at)
            other = fork(world)
            other.apply(ev.ChooseEvent(at=at, account=name, allow=True))
            for later in LATER[:2]:
                assert usable(other, at + later) == usable(world, at + later), f"seed {drawn.seed}"


def test_what_was_said_before_a_grant_is_usable_only_once_the_person_resumed_it() -> None:
    resumed = 0
    for drawn in histories():
        began: dict[str, int] = {}  # at which event the grant in force of an account began
        said: dict[str, int] = {}  # at which event a turn was said
        spoke: dict[str, int] = {}  # at which event a person last spoke in a conversation
        grants: dict[str, int | None] = {}
        for number, (world, event) in enumerate(worlds(drawn)):
            grant = world.accounts[event.account].grant
            if grant != grants.get(event.account):
                grants[event.account], began[event.account] = grant, number
            if isinstance(event, ev.SayEvent) and event.turn in world.turns and event.turn not in said:
                said[event.turn] = number
                if event.role is TurnRole.user:
                    spoke[event.conversation] = number
            world.advance(event.at)
            for turn in world.usable(IMPROVE, event.at):
                conversation, _ = world.turns[turn]
                since = began[world.conversations[conversation].account]
                assert spoke[conversation] > since, f"seed {drawn.seed}: {turn}"
                if said[turn] < since:
                    decision = world.decide(turn, IMPROVE, event.at)
                    assert world.policies[decision.taken].reach is Reach.conversation
                    assert world.policies[decision.in_force].reach is Reach.conversation
                    resumed += 1
    assert resumed > HISTORIES / 10


def _can_free(old: Policy, new: Policy) -> bool:
    """Whether terms are wider somewhere, or stop judging a conversation as a whole."""
    return widens(diff(old, new)) or (old.reach is Reach.conversation and new.reach is Reach.turn)


def test_a_version_that_widens_nothing_makes_nothing_usable() -> None:
    """At its first instant, with no act; nor does one that widens, for what was said under the one before."""
    tried = 0
    for drawn in histories(2 * HISTORIES):
        policies = drawn.policies()
        for number in range(1, len(policies)):
            first = policies[number].effective
            world = World(policies)
            for event in drawn.events:
                if event.at < first:
                    world.apply(event)
            before, after = usable(world, first - SECOND / 1000), usable(world, first)
            if not _can_free(policies[number - 1], policies[number]):
                assert adds_nothing(after, before), f"seed {drawn.seed}"
                tried += 1
                continue
            for purpose in PURPOSES:
                for turn in after[purpose] - before[purpose]:
                    decision = world.decide(turn, purpose, first)
                    older, stops_judging_whole = policies[decision.taken], policies[number].reach is Reach.turn
                    assert decision.taken < number - 1 or (older.reach is Reach.conversation and stops_judging_whole)
    assert tried > HISTORIES / 3


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
                if world.conversations[conversation].conversation.segments[turn.segment].keep_until <= event.at
            }
            assert expired <= gone, f"seed {drawn.seed}"
            expired = gone


def test_a_grant_that_ended_is_never_in_force_again() -> None:
    for drawn in histories():
        ended: dict[str, set[int]] = {}
        last: dict[str, int | None] = {}
        for world, event in worlds(drawn):
            for name, account in world.accounts.items():
                assert account.grant not in ended.setdefault(name, set())
                before = last.get(name)
                if before is not None and account.grant != before:
                    ended[name].add(before)
                last[name] = account.grant
            assert event.account in world.accounts


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


def test_a_conversation_counts_how_often_it_was_let_in_again() -> None:
    world = granted()
    for times in (1, 2, 3):
        world.apply(ev.NarrowEvent(at=NOW, account="ana", conversation="c"))
        world.apply(ev.WidenEvent(at=NOW, account="ana", conversation="c"))
        world.apply(ev.WidenEvent(at=NOW, account="ana", conversation="c"))  # it is in already
        assert world.conversations["c"].conversation.widenings == times


def test_deciding_is_pure() -> None:
    for drawn in histories(100):
        world, at = at_the_end(drawn)
        world.advance(at)
        before = fork(world)
        for turn in world.turns:
            for purpose in PURPOSES:
                assert world.decide(turn, purpose, at) == world.decide(turn, purpose, at)
        for name in world.feedback:
            assert world.decide_feedback(name, at) == world.decide_feedback(name, at)
        assert before.accounts == world.accounts
        assert before.conversations == world.conversations
        assert (before.turns, before.feedback) == (world.turns, world.feedback)


NOW = datetime(2025, 9, 1, tzinfo=UTC)


def granted(reach: str = "article-2025") -> World:
    world = World(Policies([preset(reach)]))
    world.apply(ev.OpenAccountEvent(at=NOW - 90 * DAY, account="ana", plan="free", age=30))
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


@pytest.mark.parametrize("purpose", ["", "improve", "Improve_models", "improve_models ", "*", "flagged"])
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


@pytest.mark.parametrize("preset_name", ["article-2025", "strict"])
def test_order_decides_within_equal_times(preset_name: str) -> None:
    say = ev.SayEvent(at=NOW, account="ana", conversation="c", turn="t")
    choose = ev.ChooseEvent(at=NOW, account="ana", allow=True)
    refuse = ev.ChooseEvent(at=NOW, account="ana", allow=False)
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
        world = World(Policies([preset(preset_name)]))
        world.apply(ev.OpenAccountEvent(at=NOW - 90 * DAY, account="ana", plan="free", age=30))
        for event in order:
            world.apply(event)
        assert world.decide("t", IMPROVE, NOW).because is because, order


def test_every_limit_is_end_exclusive() -> None:
    world = granted()
    until = world.decide("t", IMPROVE, NOW).until
    assert until is not None
    assert world.decide("t", IMPROVE, until - timedelta.resolution).because is DecisionReason.permitted
    assert world.decide("t", IMPROVE, until).because is DecisionReason.expired


def test_an_account_keeps_no_grant_that_the_terms_in_force_do_not_allow() -> None:
    for drawn in histories():
        for world, event in worlds(drawn):
            world.advance(event.at)
            for account in world.accounts.values():
                assert account.grant is None or _allowed(account, world.policies.in_force(event.at))


def _allowed(account: AccountState, version: Policy) -> bool:
    return account.closed_at is None and account.plan in version.plans and not version.refuses_age(account.age)
