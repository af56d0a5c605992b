"""The state that events lead to: what an account, a conversation, a segment, a turn and a feedback are now.

Values only. The rule (`decide`) reads them, `fold` makes new ones from events, the vault keeps them. A policy
version is named by its place in `Policies`; a turn by its number in the conversation, from 1.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

import msgspec


class TurnRole(StrEnum):
    user = "user"
    assistant = "assistant"
    tool = "tool"


class ConversationKind(StrEnum):
    chat = "chat"
    code = "code"


class Share(StrEnum):
    """What a person chose to share with a feedback."""

    rating = "rating"
    reply = "reply"
    conversation = "conversation"


class GrantStanding(StrEnum):
    """Where an account stands with the choice. All but `granted` are the reasons of row 9 of the rule."""

    granted = "granted"
    undecided = "undecided"
    declined = "declined"
    withdrawn = "withdrawn"
    lapsed = "lapsed"


class Grant(NamedTuple):
    """A grant as one conversation sees it: keeping the conversation out and in again makes it another."""

    number: int
    widening: int


class AccountState(msgspec.Struct, frozen=True, kw_only=True):
    """``grant`` numbers the grant in force; ``grants`` counts those ever begun; ``answered`` is the policy
    version last answered, None once the answer is forgotten; ``seen`` is the version up to which the account
    has been brought; ``last_at`` is its newest event's time.
    """

    plan: str
    age: int | None
    opened_at: datetime
    last_at: datetime
    seen: int
    closed_at: datetime | None = None
    standing: GrantStanding = GrantStanding.undecided
    grant: int | None = None
    grants: int = 0
    answered: int | None = None


class Stamp(msgspec.Struct, frozen=True, kw_only=True):
    """What held when a turn was taken, once and for all."""

    plan: str
    surface: str
    in_scope: bool
    version: int
    narrowed: bool
    stale: bool
    grant: Grant | None


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """Consecutive turns with the same stamp: what is dated, sealed under a key of its own, used and erased.

    ``flagged_turn`` is the last turn that a standing flag covers, 0 for none; ``safety_until`` ends its copy.
    """

    stamp: Stamp
    first_turn: int
    last_turn: int
    last_at: datetime
    has_user: bool
    keep_until: datetime
    flagged_turn: int = 0
    safety_until: datetime | None = None


class ConversationState(msgspec.Struct, frozen=True, kw_only=True):
    """``widenings`` counts how often it was let in again; ``holds`` are the matters that keep it."""

    incognito: bool
    kind: ConversationKind
    narrowed: bool = False
    widenings: int = 0
    deleted_at: datetime | None = None
    holds: frozenset[str] = frozenset()
    safety_until: datetime | None = None
    segments: tuple[Segment, ...] = ()

    @property
    def turns(self) -> int:
        return self.segments[-1].last_turn if self.segments else 0

    @property
    def deciding(self) -> int:
        """The last segment in which the person spoke; the last one if there is none."""
        last = len(self.segments) - 1
        return next((i for i in range(last, -1, -1) if self.segments[i].has_user), last)

    @property
    def content_until(self) -> datetime:
        """The latest `keep_until` of its segments, whatever is held."""
        return max(segment.keep_until for segment in self.segments)

    @property
    def keep_until(self) -> datetime | None:
        """As shown: None while a hold stands."""
        return None if self.holds else self.content_until


class TurnState(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    segment: int
    role: TurnRole
    origin: str


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """A copy of what a person chose to share, with the grant and the version it was given under."""

    share: Share
    version: int
    grant: Grant | None
    narrowed: bool
    keep_until: datetime
