"""What happens, as values: the events of the policy's case files and of any simulation.

``at`` is aware UTC. The order of events decides which of two came first; their times only measure.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

import msgspec

from licet.policy.state import ConversationKind, Share, TurnRole


class _Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="do", forbid_unknown_fields=True):
    at: datetime
    account: str


class OpenAccountEvent(_Event, frozen=True, kw_only=True, tag="open_account"):
    plan: str
    age: int | None = None


class SetPlanEvent(_Event, frozen=True, kw_only=True, tag="set_plan"):
    plan: str


class SetAgeEvent(_Event, frozen=True, kw_only=True, tag="set_age"):
    age: int | None = None


class CloseAccountEvent(_Event, frozen=True, kw_only=True, tag="close_account"):
    pass


class ChooseEvent(_Event, frozen=True, kw_only=True, tag="choose"):
    allow: bool
    age: int | None = None
    via: str = ""


class SayEvent(_Event, frozen=True, kw_only=True, tag="say"):
    """``incognito``, ``kind`` and ``narrow`` count on a conversation's first turn only."""

    conversation: str
    turn: str
    role: TurnRole = TurnRole.user
    origin: str = ""
    surface: str = "app"
    incognito: bool = False
    kind: ConversationKind = ConversationKind.chat
    narrow: bool = False


class _About(_Event, frozen=True, kw_only=True):
    conversation: str


class DeleteEvent(_About, frozen=True, kw_only=True, tag="delete"):
    pass


class NarrowEvent(_About, frozen=True, kw_only=True, tag="narrow"):
    pass


class WidenEvent(_About, frozen=True, kw_only=True, tag="widen"):
    pass


class FlagEvent(_About, frozen=True, kw_only=True, tag="flag"):
    pass


class UnflagEvent(_About, frozen=True, kw_only=True, tag="unflag"):
    pass


class HoldEvent(_About, frozen=True, kw_only=True, tag="hold"):
    matter: str


class UnholdEvent(_About, frozen=True, kw_only=True, tag="unhold"):
    matter: str


class GiveFeedbackEvent(_About, frozen=True, kw_only=True, tag="feedback"):
    feedback: str
    share: Share
    rating: str = ""


Event: TypeAlias = (
    OpenAccountEvent
    | SetPlanEvent
    | SetAgeEvent
    | CloseAccountEvent
    | ChooseEvent
    | SayEvent
    | DeleteEvent
    | NarrowEvent
    | WidenEvent
    | FlagEvent
    | UnflagEvent
    | HoldEvent
    | UnholdEvent
    | GiveFeedbackEvent
)
