"""What a choice answers: the effect on each question, or the reason of none, and the grants that it
ended.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from licet.policy import fold, outcomes
from licet.policy.file import Policies, extend, preset
from licet.policy.outcomes import Effect, EndingCause, NoEffect
from licet.policy.period import instant
from licet.policy.state import (
    NOTHING,
    WHOLE_ACCOUNT,
    AccountState,
    ConversationState,
    Grant,
    GrantScope,
    GrantStanding,
    ScopeKind,
    TurnRole,
)

STRICT = Policies([preset("strict")])
ONE = Policies([extend({"extends": "strict", "choice": {"covers": ["improve_models"]}})])
AT = instant("2025-09-02")
PROJECT, CHAT = GrantScope(ScopeKind.project, "p"), GrantScope(ScopeKind.conversation, "c")


def opened(**changes: object) -> AccountState:
    return replace(fold.open_account(STRICT, AT - timedelta(days=60), "free", 30), **changes)


def chosen(
    account: AccountState, allow: bool, *questions: str, policies: Policies = STRICT, **more: object
) -> AccountState:
    for question in questions:
        account = fold.choose(account, policies, AT, allow, question=question, **more).account
    return account


def refused() -> AccountState:
    return chosen(opened(), False, "models", "safety")


def chat(account: AccountState, **changes: object) -> ConversationState:
    begun = fold.begin_conversation(account, name="c", project="p")
    return replace(
        fold.add_turn(account, begun, STRICT, AT, TurnRole.user, "app", "typed").conversation,
        **changes,
    )


def outcome(
    account: AccountState, conversation: ConversationState | None = None, **choice: object
) -> outcomes.ChoiceOutcome:
    scope = choice.pop("scope", WHOLE_ACCOUNT)
    return fold.choose(account, STRICT, AT, True, scope=scope, conversation=conversation, **choice)


def scoped(
    scope: GrantScope,
    conversation: ConversationState | None = None,
    account: AccountState | None = None,
) -> NoEffect | None:
    found = outcome(account or refused(), conversation, question="models", scope=scope)
    (answer,) = found.answers
    assert (answer.effect is Effect.none) == (answer.because is not None)
    assert (found.account == (account or refused())) == (answer.because is not None)
    return answer.because


def test_a_choice_that_is_about_no_question_says_why_and_names_those_that_are_asked() -> None:
    before = instant("2025-08-27")
    for because, found in (
        (NoEffect.closed, outcome(opened(closed_at=AT), question="models")),
        (NoEffect.not_begun, fold.choose(opened(), STRICT, before, True, question="models")),
        (NoEffect.not_asked, outcome(opened(), question="training")),
        (NoEffect.several_questions, outcome(opened())),
        (NoEffect.several_questions, outcome(opened(), scope=PROJECT)),
    ):
        assert (found.because, found.answers, found.could_name) == (
            because,
            (),
            ("models", "safety"),
        )
        assert (found.account.grants, found.account.standings) == ((), ())


def test_a_choice_that_does_nothing_about_a_question_says_why() -> None:
    found: dict[NoEffect, NoEffect | None] = {
        NoEffect.plan: scoped(WHOLE_ACCOUNT, account=opened(plan="work")),
        NoEffect.age: scoped(WHOLE_ACCOUNT, account=opened(age=None)),
        NoEffect.gate: scoped(PROJECT, account=chosen(opened(), False, "models")),
        NoEffect.kept_out: scoped(
            PROJECT, account=fold.keep_project_out(refused(), STRICT, AT, "p").account
        ),
        NoEffect.unknown: scoped(CHAT),
        NoEffect.deleted: scoped(CHAT, chat(refused(), deleted_at=AT)),
        NoEffect.expired: scoped(CHAT, fold.shorten_segments(chat(refused()), AT)),
        NoEffect.incognito: scoped(CHAT, chat(refused(), incognito=True)),
        NoEffect.covered: scoped(
            CHAT, chat(refused()), chosen(refused(), True, "models", scope=PROJECT)
        ),
    }
    assert found == {because: because for because in found}
    assert scoped(CHAT, chat(refused(), narrowed=True)) is NoEffect.kept_out
    assert scoped(PROJECT, account=opened(age=17)) is NoEffect.age
    assert scoped(PROJECT, account=replace(refused(), plan="work")) is NoEffect.plan
    by_others = {
        NoEffect.closed,
        NoEffect.not_begun,
        NoEffect.not_asked,
        NoEffect.several_questions,
    }
    assert set(found) | by_others == set(NoEffect)


def test_a_scope_that_a_wider_grant_covers_needs_none_and_a_narrower_one_leaves_it_open() -> None:
    talk = chat(refused())
    account = chosen(refused(), True, "models")
    assert scoped(PROJECT, account=account) is scoped(CHAT, talk, account) is NoEffect.covered
    account = chosen(refused(), True, "models", scope=CHAT, conversation=talk)
    assert scoped(CHAT, talk, account) is NoEffect.covered
    assert scoped(PROJECT, account=account) is None
    assert (
        scoped(
            GrantScope(ScopeKind.project, "q"),
            account=chosen(refused(), True, "models", scope=PROJECT),
        )
        is None
    )
    other = chosen(refused(), True, "safety", scope=PROJECT)
    assert scoped(PROJECT, account=other) is None, (
        "another question's grant covers nothing of this one"
    )


def test_a_yes_begins_a_grant_once_and_then_affirms_it() -> None:
    found = outcome(opened(), question="models")
    (answer,) = found.answers
    assert (answer.question, answer.scope, answer.effect, answer.grant) == (
        "models",
        WHOLE_ACCOUNT,
        Effect.began,
        1,
    )
    again = outcome(found.account, question="models")
    assert [(one.effect, one.grant) for one in again.answers] == [(Effect.affirmed, 1)]
    assert again.account.grants == found.account.grants == (Grant(1, "models"),)
    only = fold.choose(opened(), ONE, AT, True)
    assert [(one.question, one.effect) for one in only.answers] == [("training", Effect.began)]


def test_a_no_answers_each_question_and_tells_what_it_ended_and_kept() -> None:
    account = chosen(opened(), True, "models", "safety")
    account = chosen(account, False, "models")
    account = chosen(account, True, "models", scope=PROJECT)
    found = fold.choose(account, STRICT, AT, False, keep=[PROJECT])
    told = [(one.question, one.effect, one.kept) for one in found.answers]
    project = Grant(3, "models", PROJECT)
    assert told == [("models", Effect.declined, (project,)), ("safety", Effect.withdrew, ())]
    assert [(ending.cause, ending.grants) for ending in found.endings] == [
        (EndingCause.refused, (Grant(2, "safety"),))
    ]
    assert found.account.grants == (project,)
    assert {s.standing for s in found.account.standings} == {GrantStanding.withdrawn}
    first = fold.choose(opened(), STRICT, AT, False, question="safety")
    assert [(one.question, one.effect) for one in first.answers] == [("safety", Effect.declined)]
    assert first.account.standing("safety") is GrantStanding.declined
    assert first.account.standing("models") is GrantStanding.undecided


def test_a_no_for_the_account_keeps_no_grant_of_the_account_whatever_it_lists() -> None:
    found = fold.choose(
        chosen(opened(), True, "models"), STRICT, AT, False, question="models", keep=[WHOLE_ACCOUNT]
    )
    assert found.account.grants == ()


def test_an_age_that_ends_grants_tells_so_even_where_the_choice_has_no_effect() -> None:
    account = chosen(opened(), True, "models", "safety")
    for choice in ({"question": "models"}, {"question": "no such question"}, {}):
        found = outcome(account, age=15, **choice)
        assert [(ending.cause, len(ending.grants)) for ending in found.endings] == [
            (EndingCause.lapsed, 2)
        ]
        assert (found.account.age, found.account.grants) == (15, ())
    assert outcome(account, age=40, question="models").account.age == 30


def test_a_no_for_a_scope_is_no_choice() -> None:
    with pytest.raises(ValueError, match="a no is for the account"):
        fold.choose(refused(), STRICT, AT, False, question="models", scope=PROJECT)


@pytest.mark.parametrize("given", [(CHAT, PROJECT), (PROJECT, CHAT)])
def test_the_narrowest_grant_in_force_is_the_one_that_counts(given: tuple[GrantScope, ...]) -> None:
    """Whichever began first; where a wider one covers a scope already, none begins in it."""
    account = refused()
    talk = chat(account)
    for scope in given:
        account = chosen(account, True, "models", scope=scope, conversation=talk)
    account = chosen(account, True, "models")
    by_scope = {grant.scope: grant.number for grant in account.grants}
    assert account.grant_for("models", talk) == by_scope[CHAT if CHAT in by_scope else PROJECT]
    assert account.grant_for("models", replace(talk, name="d")) == by_scope[PROJECT]
    assert (
        account.grant_for("models", replace(talk, name="d", project="")) == by_scope[WHOLE_ACCOUNT]
    )
    assert account.grant_for("safety", talk) is None


def test_an_age_that_comes_with_a_choice_fills_an_unknown_one_and_lowers_a_known_one() -> None:
    for known, given, becomes in (
        (None, 40, 40),
        (None, None, None),
        (30, 20, 20),
        (30, 40, 30),
        (30, None, 30),
    ):
        made = fold.choose(opened(age=known), STRICT, AT, False, question="models", age=given)
        assert made.account.age == becomes, (known, given)


def test_a_turn_takes_no_grant_where_the_chat_is_incognito_or_kept_out_or_the_age_is_refused() -> (
    None
):
    account = chosen(opened(), True, "models")
    for permitted, owner, changes in (
        (True, account, {}),
        (False, account, {"incognito": True}),
        (False, account, {"narrowed": True}),
        (False, replace(account, age=10), {}),
    ):
        begun = chat(owner, **changes)
        grant = fold.current_grant(owner, begun, STRICT, AT, "models")
        assert (grant is not None) is permitted, changes
        said = fold.stamp(owner, begun, STRICT, AT, TurnRole.user, "app")
        assert bool(said.grants) is permitted, changes
        assert said.narrowing == 0


def test_no_grant_is_for_a_project_or_a_chat_that_there_is_not() -> None:
    for kind in (ScopeKind.project, ScopeKind.conversation):
        assert scoped(GrantScope(kind, NOTHING), chat(refused())) is NoEffect.unknown


def test_a_recorded_turn_is_dated_by_its_own_time_and_an_erased_chat_begins_anew() -> None:
    account = opened()
    begun, late = chat(account), AT + timedelta(hours=1)
    for is_erased, segments in ((False, 1), (True, 2)):
        taken = fold.add_late_turn(
            account,
            begun,
            STRICT,
            late,
            TurnRole.user,
            "app",
            "typed",
            now=late,
            is_erased=is_erased,
        )
        assert len(taken.conversation.segments) == segments, is_erased
