"""Why a chat or a project cannot be allowed by itself is the rule's own reason, and every reason
has its words.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from licet.consent import scope_forms
from licet.consent.catalogue import catalogue
from licet.consent.scope_forms import ScopeStands
from licet.policy import fold
from licet.policy.file import Policies, preset
from licet.policy.outcomes import NoEffect
from licet.policy.period import instant
from licet.policy.state import AccountState, ConversationState, GrantScope, ScopeKind, TurnRole
from licet.vault.commands import CommandResult, Outcome

NOW = instant("2025-09-01T10:00:00Z")
ACCOUNT = UUID(int=1)
KNOWN = Policies([preset("strict")])
CHAT, GARDEN = GrantScope(ScopeKind.conversation, "pears"), GrantScope(ScopeKind.project, "garden")


def account(*, allow: bool = False, **more: Any) -> AccountState:
    """Somebody who has answered both questions."""
    state = fold.open_account(KNOWN, instant("2025-08-20"), "pro", 30)
    state = fold.advance(state, KNOWN, NOW).account
    for question in ("models", "safety"):
        state = fold.choose(state, KNOWN, NOW, allow, question=question).account
    return replace(state, **more)


def chat(state: AccountState, **more: Any) -> ConversationState:
    begun = fold.begin_conversation(state, name="pears", incognito=more.pop("incognito", False))
    said = fold.add_turn(state, begun, KNOWN, NOW, TurnRole.user, "app", "typed").conversation
    return replace(said, **more)


def why(
    state: AccountState,
    conversation: ConversationState | None,
    scope: GrantScope = CHAT,
    **more: Any,
) -> NoEffect | None:
    at = more.pop("at", NOW)
    return ScopeStands(state=state, scope=scope, conversation=conversation, **more).obstacle(
        KNOWN, at, "models"
    )


def test_why_it_cannot_be_allowed_is_the_reason_of_the_rule() -> None:
    state, fresh = account(), fold.open_account(KNOWN, instant("2025-08-20"), "pro", 30)
    mine = chat(state)
    found = {
        NoEffect.closed: why(replace(state, closed_at=NOW), mine),
        NoEffect.not_begun: why(fresh, mine, at=instant("2025-08-21")),
        NoEffect.not_asked: ScopeStands(state=state, scope=CHAT, conversation=mine).obstacle(
            KNOWN, NOW, "ads"
        ),
        NoEffect.plan: why(replace(state, plan="work"), mine),
        NoEffect.age: why(replace(state, age=None), mine),
        NoEffect.gate: why(fold.advance(fresh, KNOWN, NOW).account, mine),
        NoEffect.deleted: why(state, replace(mine, deleted_at=NOW)),
        NoEffect.expired: why(state, mine, at=NOW + timedelta(days=40)),
        NoEffect.incognito: why(state, chat(state, incognito=True)),
        NoEffect.covered: why(account(allow=True), chat(account(allow=True))),
        NoEffect.unknown: why(state, None),
    }
    assert found == {reason: reason for reason in found}
    assert why(state, mine) is None
    assert why(state, None, GARDEN) is None


def test_what_is_kept_out_is_asked_about_as_it_is_once_let_in() -> None:
    state = account()
    assert why(state, replace(chat(state), narrowed=True, narrowings=1)) is None
    out = replace(state, kept_out=frozenset({"garden"}))
    assert why(out, None, GARDEN, out_at=NOW) is None
    assert ScopeStands(state=out, scope=GARDEN, out_at=NOW).kept_out


def test_only_a_grant_to_whose_question_the_account_says_no_today_returns_to_the_settings() -> None:
    state = account()
    for question in ("models", "safety"):
        state = fold.choose(state, KNOWN, NOW, True, question=question, scope=GARDEN).account
    state = fold.choose(state, KNOWN, NOW, True, question="safety").account
    stands = ScopeStands(state=state, scope=GARDEN)
    assert [grant.question for grant in stands.own] == ["models", "safety"]
    assert [grant.question for grant in stands.grants_to_end(KNOWN, NOW)] == ["models"]


@pytest.mark.parametrize("reason", NoEffect)
def test_every_reason_has_its_words(reason: NoEffect) -> None:
    words = catalogue()
    assert words.say(
        f"no_effect.{reason.value}", what="this chat", purposes="improve models", age=18
    )
    assert words.say(f"because_none.{reason.value}")


def test_a_form_that_changed_nothing_says_why_and_a_stale_one_says_nothing_else() -> None:
    def made(*answers: tuple[Outcome, str | None]) -> scope_forms.ScopeFormResult:
        return scope_forms._form_result(
            [
                CommandResult(outcome=o, at=NOW, account=ACCOUNT, because=because)
                for o, because in answers
            ]
        )

    without = (Outcome.unchanged, NoEffect.closed.value)
    assert (made(without).because, made(without).done) == (NoEffect.closed, False)
    assert made((Outcome.done, None), without) == made(without)
    assert (made((Outcome.done, None)).because, made((Outcome.done, None)).done) == (None, True)
    assert made((Outcome.refused, "stale"), without) == scope_forms.ScopeFormResult()
