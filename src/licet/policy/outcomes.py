"""The effects of events on accounts and conversations, as values."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from licet.policy.retention import ContentKind, Keep
from licet.policy.state import (
    AccountState,
    ConversationState,
    Grant,
    GrantScope,
    ScopeKind,
)


class EndingCause(StrEnum):
    """What ended a grant."""

    refused = "refused"
    lapsed = "lapsed"
    narrowed = "narrowed"
    closed = "closed"


class Effect(StrEnum):
    """The effect of a choice on a question."""

    began = "began"
    affirmed = "affirmed"
    withdrew = "withdrew"
    declined = "declined"
    none = "none"


class NoEffect(StrEnum):
    """Why a choice had no effect on a question."""

    closed = "closed"  # the account is closed
    not_begun = "not_begun"  # no version is effective yet
    not_asked = "not_asked"  # the version in force does not ask the question
    several_questions = "several_questions"  # a yes must name its question if several are asked
    plan = "plan"  # the plan is out of scope
    age = "age"  # the age is unknown or below the minimum
    gate = "gate"  # a yes for a scope needs every question answered first
    kept_out = "kept_out"  # the project or conversation is kept out: it must be let in first
    unknown = "unknown"  # there is no such conversation or project
    deleted = "deleted"
    expired = "expired"
    incognito = "incognito"
    covered = "covered"  # a grant that covers the scope is already in force


class Refusal(StrEnum):
    """Why a turn was not accepted."""

    closed = "closed"
    must_decide = "must_decide"
    deleted = "deleted"
    expired = "expired"


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """Grants that ended together. ``account`` is its state right afterwards.

    In the conversations in their scopes, each segment that is then useless is shortened to at most
    `content_until`, and all then unusable feedback to at most `feedback_until`; ``keep`` are the
    periods in force then.
    """

    cause: EndingCause
    at: datetime
    grants: tuple[Grant, ...]
    account: AccountState
    keep: Keep

    def content_until(self, surface: str | None = None) -> datetime:
        return self.keep.period(ContentKind.conversation, allowed=False, surface=surface).after(
            self.at
        )

    @property
    def feedback_until(self) -> datetime:
        return self.keep.period(ContentKind.feedback, allowed=False).after(self.at)

    def covers(self, conversation: ConversationState) -> bool:
        """Whether the conversation is in the scope of an ended grant."""
        return any(is_within(conversation, grant.scope) for grant in self.grants)


class AccountChange(msgspec.Struct, frozen=True, kw_only=True):
    """An account after an event, and the ended grants. ``all_until``: the date to which a closure
    shortens everything.
    """

    account: AccountState
    endings: tuple[Ending, ...] = ()
    all_until: datetime | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A choice's effect on one question: ``grant`` began or was affirmed, ``kept`` were named by a
    no and affirmed.
    """

    question: str
    scope: GrantScope
    effect: Effect
    grant: int | None = None
    kept: tuple[Grant, ...] = ()
    because: NoEffect | None = None


class ChoiceOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """An account after a choice, with an answer for each question concerned. Without any,
    ``because`` says why, and ``could_name`` are the questions that are asked.
    """

    account: AccountState
    answers: tuple[Answer, ...] = ()
    endings: tuple[Ending, ...] = ()
    because: NoEffect | None = None
    could_name: tuple[str, ...] = ()


class KeptOut(msgspec.Struct, frozen=True, kw_only=True):
    """An account and a conversation after it was kept out, and the ended grants for it alone."""

    account: AccountState
    conversation: ConversationState
    ended: tuple[Grant, ...] = ()


class TurnTaken(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation after a turn: the turn's number and the place of its segment."""

    conversation: ConversationState
    turn: int
    segment: int


def is_within(conversation: ConversationState, scope: GrantScope) -> bool:
    match scope.kind:
        case ScopeKind.account:
            return True
        case ScopeKind.project:
            return scope.name == conversation.project
        case ScopeKind.conversation:
            return scope.name == conversation.name
