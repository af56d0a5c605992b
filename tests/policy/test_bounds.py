"""The rule at its bounds: the instant at which something ends, the version under which it was
given, the closed account.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from random import Random

import msgspec
import pytest

from licet.policy import fold, turn_runs
from licet.policy.decide import IMPROVE, SAFETY, DecisionReason, decide, decide_feedback
from licet.policy.events import (
    ChooseEvent,
    CloseAccountEvent,
    GiveFeedbackEvent,
    OpenAccountEvent,
    SayEvent,
)
from licet.policy.file import Policies, Policy, from_document, preset
from licet.policy.period import instant
from licet.policy.state import AccountState, ConversationState, Feedback, Share, TurnRole, TurnState
from licet.policy.world import World

TICK = timedelta.resolution
OPENED, SAID = instant("2025-09-01"), instant("2025-09-02")
STRICT = preset("strict")
TURN = TurnState(number=1, segment=0, role=TurnRole.user, origin="typed")


def version(name: str, **changes: object) -> Policy:
    base = {
        **STRICT.document(),
        "version": name,
        "effective": name,
        "decide_by": None,
        "material": True,
    }
    return from_document({**base, **changes})


def allowed(policies: Policies, age: int = 30) -> AccountState:
    account = fold.open_account(policies, OPENED, "free", age)
    for question in policies.in_force(OPENED).asks:
        account = fold.choose(account, policies, OPENED, True, question=question).account
    return account


def talk(account: AccountState, policies: Policies) -> ConversationState:
    return fold.add_turn(
        account, fold.begin_conversation(account), policies, SAID, TurnRole.user, "app", "typed"
    ).conversation


def given(account: AccountState, policies: Policies) -> tuple[ConversationState, Feedback]:
    conversation = talk(account, policies)
    feedback = fold.give_feedback(account, conversation, policies, SAID, Share.conversation)
    assert feedback is not None
    return conversation, feedback


def test_the_deciding_segment_is_the_last_one_in_which_the_person_spoke() -> None:
    one = talk(allowed(Policies([STRICT])), Policies([STRICT]))
    for length in range(1, 5):
        for spoke in product((False, True), repeat=length):
            segments = tuple(
                msgspec.structs.replace(one.segments[0], has_user=each) for each in spoke
            )
            last = max((n for n, each in enumerate(spoke) if each), default=length - 1)
            assert msgspec.structs.replace(one, segments=segments).deciding == last, spoke


def test_a_feedback_serves_until_its_last_instant_and_not_at_it() -> None:
    policies = Policies([STRICT])
    account = allowed(policies)
    conversation, feedback = given(account, policies)
    end = feedback.keep_until
    assert (
        decide_feedback(account, conversation, feedback, policies, end - TICK).because
        is DecisionReason.permitted
    )
    assert (
        decide_feedback(account, conversation, feedback, policies, end).because
        is DecisionReason.expired
    )


def test_feedback_on_a_deleted_chat_serves_nothing_and_says_so() -> None:
    policies = Policies([STRICT])
    account = allowed(policies)
    conversation, feedback = given(account, policies)
    deleted = fold.delete(conversation, policies, SAID)
    assert (
        decide_feedback(account, deleted, feedback, policies, SAID).because
        is DecisionReason.deleted
    )


@pytest.mark.parametrize(
    "covered", [(IMPROVE, SAFETY), (SAFETY, IMPROVE), (IMPROVE, SAFETY, IMPROVE)]
)
def test_a_feedback_serves_improving_only_where_every_version_covers_it(
    covered: tuple[str, ...],
) -> None:
    """The grant goes on across the versions: what it was given for, what it is for now, and all
    between must name it.
    """
    days = ("2025-08-28", "2025-09-10", "2025-09-20")
    policies = Policies(
        [version(day, choice={"covers": [what]}) for day, what in zip(days, covered, strict=False)]
    )
    account = allowed(policies)
    conversation, feedback = given(account, policies)
    at = instant("2025-09-21")
    account = fold.advance(account, policies, at).account
    assert (
        decide_feedback(account, conversation, feedback, policies, at).because
        is DecisionReason.purpose
    )


def test_an_age_that_the_terms_in_force_refuse_ends_every_use_that_of_a_flag_too() -> None:
    policies = Policies([version("2025-08-28"), version("2025-12-01", min_age=21)])
    account = allowed(policies, age=19)
    conversation = fold.flag(account, talk(account, policies), policies, SAID)
    before, after = instant("2025-12-01") - TICK, instant("2025-12-01")
    assert (
        decide(account, conversation, TURN, policies, SAFETY, before).because
        is DecisionReason.flagged
    )
    assert (
        decide(account, conversation, TURN, policies, SAFETY, after).because is DecisionReason.age
    )
    assert (
        decide(account, conversation, TURN, policies, IMPROVE, after).because is DecisionReason.age
    )


def test_an_age_that_the_terms_of_then_refused_is_refused_under_later_ones() -> None:
    policies = Policies([version("2025-08-28", min_age=21), version("2025-12-01", min_age=18)])
    account = msgspec.structs.replace(allowed(Policies([STRICT])), age=19)
    conversation = fold.flag(account, talk(account, policies), policies, SAID)
    after = instant("2025-12-01")
    assert (
        decide(account, conversation, TURN, policies, SAFETY, after).because is DecisionReason.age
    )


def test_no_feedback_is_given_by_a_closed_account_on_what_was_deleted_or_is_over() -> None:
    policies = Policies([STRICT])
    account = allowed(policies)
    conversation = talk(account, policies)
    closed = fold.close_account(account, policies, SAID).account
    deleted = msgspec.structs.replace(conversation, deleted_at=SAID)
    end = conversation.content_until
    assert fold.give_feedback(closed, conversation, policies, SAID, Share.reply) is None
    assert fold.give_feedback(account, deleted, policies, SAID, Share.reply) is None
    assert fold.give_feedback(account, conversation, policies, end, Share.reply) is None
    assert fold.give_feedback(account, conversation, policies, end - TICK, Share.reply) is not None


def test_nothing_is_held_that_is_over() -> None:
    policies = Policies([STRICT])
    conversation = talk(allowed(policies), policies)
    end = conversation.content_until
    assert fold.hold(conversation, end - TICK, "kettles").holds == {"kettles"}
    assert fold.hold(conversation, end, "kettles").holds == frozenset()
    assert fold.hold(conversation, end - TICK, "kettles").keep_until is None


def test_an_account_was_opened_when_its_host_had_opened_it_and_never_later_than_it_is_known() -> (
    None
):
    policies = Policies([STRICT])
    for told, opened in ((None, SAID), (OPENED, OPENED), (SAID, SAID), (SAID + TICK, SAID)):
        account = fold.open_account(policies, SAID, "free", 30, told)
        assert (account.opened_at, account.last_at) == (opened, SAID)


def test_a_turn_lies_in_the_segment_that_ends_with_it() -> None:
    policies = Policies([STRICT])
    account = allowed(policies)
    conversation = fold.begin_conversation(account)
    for number, surface in enumerate(("app", "app", "cli", "cli", "app"), start=1):
        said = fold.add_turn(account, conversation, policies, SAID, TurnRole.user, surface, "typed")
        conversation = said.conversation
        assert (said.turn, said.segment) == (number, len(conversation.segments) - 1)
        assert conversation.segments[said.segment].last_turn == number
        assert conversation.segments[said.segment].stamp.surface == surface
    assert [segment.first_turn for segment in conversation.segments] == [1, 3, 5]


@pytest.mark.parametrize("seed", range(200))
def test_turns_folded_together_leave_what_they_leave_one_by_one(seed: int) -> None:
    random = Random(seed)
    basis = preset(random.choice(("strict", "article-2025"))).document()
    policies = Policies(
        [
            from_document({**basis, "version": day, "effective": day, "decide_by": None, **more})
            for day, more in (
                ("2025-08-28", {}),
                ("2025-09-20", {"material": random.random() < 0.5}),
            )
        ]
    )
    nobody = fold.open_account(policies, OPENED, "free", 30)
    question = policies[0].asks[0]
    asked = fold.choose(nobody, policies, OPENED, True, question=question).account
    account, under = random.choice((asked, allowed(policies), nobody)), random.choice((None, 1))
    begun = fold.begin_conversation(
        account, incognito=random.random() < 0.2, narrow=random.random() < 0.2
    )
    if random.random() < 0.5:  # what was said before the account allowed more
        begun = fold.add_turn(
            asked, begun, policies, OPENED, TurnRole.user, "app", "typed"
        ).conversation
    gaps = random.choice(((0,), (0, 1), (0, 1, 40 * 24)))  # hours: the last is behind a period
    said, at = [], SAID
    for _ in range(30):
        at += timedelta(hours=random.choice(gaps))
        role = random.choice((TurnRole.user, TurnRole.assistant, TurnRole.tool))
        said.append((at, role, random.choice((role.value, "typed"))))
    one_by_one, segments = begun, []
    for at, role, origin in said:
        taken = fold.add_turn(account, one_by_one, policies, at, role, "app", origin, under=under)
        one_by_one = taken.conversation
        segments.append(taken.segment)
    together, done = begun, list[int]()
    while len(done) < len(said):
        since, role, origin = said[len(done)]
        taken = fold.add_turn(account, together, policies, since, role, "app", origin, under=under)
        together, count = turn_runs.extend(
            account, taken.conversation, policies, since, "app", said[len(done) + 1 :], under=under
        )
        done += [taken.segment] * (1 + count)
    assert (together, done) == (one_by_one, segments)


def test_an_answer_counts_under_the_grant_of_its_question_and_under_no_other() -> None:
    policies = Policies([STRICT])
    account = fold.open_account(policies, OPENED, "free", 30)
    asked = talk(account, policies)
    one = fold.choose(account, policies, SAID, True, question="models").account
    both = fold.choose(one, policies, SAID, True, question="safety").account

    def answered(conversation: ConversationState) -> tuple[int, ...]:
        said = fold.add_turn(
            both, conversation, policies, SAID, TurnRole.assistant, "app", "assistant"
        )
        return said.conversation.segments[said.segment].stamp.grants

    assert answered(asked) == (), "what was asked was put before either grant"
    assert answered(talk(one, policies)) == (1,), "it was put before the other"
    assert answered(talk(both, policies)) == (1, 2)


def test_before_the_first_version_none_is_the_newest_material_one() -> None:
    policies = Policies([version("2025-08-28"), version("2025-09-10")])
    first = instant("2025-08-28")
    assert [policies.newest_material(at) for at in (first - TICK, first)] == [None, 0]


def test_of_a_turn_that_nobody_knows_nothing_is_used() -> None:
    policies = Policies([STRICT])
    account = allowed(policies)
    found = decide(account, talk(account, policies), None, policies, IMPROVE, SAID)
    assert (found.use, found.because, found.until) == (False, DecisionReason.unknown, None)


def test_feedback_of_an_account_that_is_closed_ends_when_its_conversations_do() -> None:
    world, closed = World(Policies([STRICT])), instant("2025-09-10")
    world.apply(OpenAccountEvent(at=OPENED, account="ana", plan="free", age=30))
    for question in STRICT.asks:
        world.apply(ChooseEvent(at=OPENED, account="ana", allow=True, question=question))
    world.apply(SayEvent(at=SAID, account="ana", conversation="c", turn="t"))
    world.apply(
        GiveFeedbackEvent(
            at=SAID,
            account="ana",
            conversation="c",
            feedback="f",
            rating="up",
            share=Share.conversation,
        )
    )
    before = world.feedback["f"][1].keep_until
    world.apply(CloseAccountEvent(at=closed, account="ana"))
    assert (
        world.feedback["f"][1].keep_until
        == world.conversations["c"].conversation.content_until
        < before
    )
