"""The state after events: the present account, conversation, segment, turn and feedback.

Values only. The rule (`decide`) reads them, `fold` derives new ones from events, the vault stores
them. A policy version is named by its place in `Policies`; a turn by its number in the
conversation, from 1.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

import msgspec


class TurnRole(StrEnum):
    """A turn's author; ``system`` are the host's instructions to the model."""

    user = "user"
    assistant = "assistant"
    tool = "tool"
    system = "system"


class ConversationKind(StrEnum):
    """A chat, or a coding session."""

    chat = "chat"
    code = "code"


class Share(StrEnum):
    """What a person shares with a feedback."""

    rating = "rating"
    reply = "reply"
    conversation = "conversation"


class GrantStanding(StrEnum):
    """An account's standing in a question. All except `granted` are the reasons of row 10 of the
    rule.
    """

    granted = "granted"
    undecided = "undecided"
    declined = "declined"
    withdrawn = "withdrawn"
    lapsed = "lapsed"


class ScopeKind(StrEnum):
    """A grant's scope, from the narrowest to the widest."""

    conversation = "conversation"
    project = "project"
    account = "account"


class GrantScope(NamedTuple):
    """The whole account, or one of its projects or conversations by name."""

    kind: ScopeKind
    name: str = ""


WHOLE_ACCOUNT = GrantScope(ScopeKind.account)
NOTHING = (
    "0" * 32
    # names a missing project or conversation: no id of ours is the nil UUID (RFC 9562)
)


class Grant(NamedTuple):
    """A grant in force: a person's yes to one question, for a scope. Its number is unique in the
    account.
    """

    number: int
    question: str
    scope: GrantScope = WHOLE_ACCOUNT


class Standing(NamedTuple):
    """An account's standing in a question that it has answered or had a grant for. ``answered`` is
    the policy version last answered, None once the answer is cleared; ``granted_before``: the
    account has had a grant for the question, of any scope.
    """

    question: str
    standing: GrantStanding
    answered: int | None
    granted_before: bool


class AccountState(msgspec.Struct, frozen=True, kw_only=True):
    """``grants`` are those in force, ``granted`` counts those ever begun; ``kept_out`` are the
    projects kept out; ``seen`` is the version up to which the account has been brought; ``last_at``
    is its newest event's time. ``region`` is a code of ISO 3166, None if the host gave none.
    """

    plan: str
    age: int | None
    opened_at: datetime
    last_at: datetime
    seen: int
    closed_at: datetime | None = None
    standings: tuple[Standing, ...] = ()
    grants: tuple[Grant, ...] = ()
    granted: int = 0
    kept_out: frozenset[str] = frozenset()
    region: str | None = None

    def standing(self, question: str) -> GrantStanding:
        for standing in self.standings:
            if standing.question == question:
                return standing.standing
        return GrantStanding.undecided

    def answered_version(self, question: str) -> int | None:
        """Returns the version under which the question was last answered; None if never, or
        cleared.
        """
        for standing in self.standings:
            if standing.question == question:
                return standing.answered
        return None

    def granted_before(self, question: str) -> bool:
        return any(s.granted_before for s in self.standings if s.question == question)

    def grant(self, question: str, scope: GrantScope = WHOLE_ACCOUNT) -> int | None:
        """Returns the grant in force for exactly this scope."""
        return next(
            (g.number for g in self.grants if g.question == question and g.scope == scope), None
        )

    def grant_for(self, question: str, conversation: ConversationState) -> int | None:
        """Returns the grant in force for a conversation: its own, else its project's, else the
        account's.
        """
        found: int | None = None
        for number, name_asked, (kind, name) in self.grants:
            if name_asked != question:
                continue
            if kind is ScopeKind.conversation:
                if name == conversation.name:
                    return number
            elif kind is ScopeKind.project:
                if name == conversation.project:
                    found = number
            elif found is None:
                found = number
        return found


class Stamp(msgspec.Struct, frozen=True, kw_only=True):
    """The immutable conditions when a turn was taken.

    ``stale`` are the questions with a grant in force but newer, unanswered terms. ``grants`` are
    those that it was given under, at most one per question, in the order of their numbers;
    ``narrowing`` counts how often the conversation had been kept out, which distinguishes later
    uses of the same grant; 0 without a grant.
    """

    plan: str
    surface: str
    in_scope: bool
    version: int
    narrowed: bool
    stale: tuple[str, ...] = ()
    grants: tuple[int, ...] = ()
    narrowing: int = 0

    def is_under(self, grant: int, conversation: ConversationState) -> bool:
        """Whether it was given under ``grant`` in its present form for the conversation."""
        return grant in self.grants and self.narrowing == conversation.narrowings


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """Consecutive turns with the same stamp: dated, sealed under a key of its own, used and erased
    as a unit.

    ``origins`` are those of its turns. ``flagged_turn`` is the last turn that a standing flag
    covers, 0 for none; ``safety_until`` is the end of its copy.
    """

    stamp: Stamp
    first_turn: int
    last_turn: int
    last_at: datetime
    has_user: bool
    origins: frozenset[str]
    keep_until: datetime
    flagged_turn: int = 0
    safety_until: datetime | None = None


class ConversationState(msgspec.Struct, frozen=True, kw_only=True):
    """``name`` and ``project`` are names in scopes, the project empty without one; ``narrowings``
    counts how often it was kept out; ``holds`` are the matters that keep it.
    """

    name: str
    incognito: bool
    kind: ConversationKind
    project: str = ""
    narrowed: bool = False
    narrowings: int = 0
    deleted_at: datetime | None = None
    holds: frozenset[str] = frozenset()
    safety_until: datetime | None = None
    segments: tuple[Segment, ...] = ()

    @property
    def turns(self) -> int:
        return self.segments[-1].last_turn if self.segments else 0

    @property
    def deciding(self) -> int:
        """The person's last segment; the last one without any."""
        last = len(self.segments) - 1
        return next((i for i in range(last, -1, -1) if self.segments[i].has_user), last)

    @property
    def content_until(self) -> datetime:
        """The latest `keep_until` of its segments, regardless of holds."""
        return max(segment.keep_until for segment in self.segments)

    @property
    def keep_until(self) -> datetime | None:
        """The shown date: None while a hold is in force."""
        return None if self.holds else self.content_until


class TurnState(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    segment: int
    role: TurnRole
    origin: str


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """A copy of shared content, with the grant, its narrowing and the version it was
    given under.
    """

    share: Share
    version: int
    grant: int | None
    narrowing: int
    narrowed: bool
    keep_until: datetime
