"""What happens, as values: the events of the policy's case files and of any simulation.

``at`` is aware UTC. The order of events decides which of two came first; their times only measure.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

import msgspec

from licet.policy.state import Kind, Role, Share


class _Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="do", forbid_unknown_fields=True):
    at: datetime
    account: str


class OpenAccount(_Event, frozen=True, kw_only=True, tag="open_account"):
    plan: str
    age: int | None = None


class SetPlan(_Event, frozen=True, kw_only=True, tag="set_plan"):
    plan: str


class SetAge(_Event, frozen=True, kw_only=True, tag="set_age"):
    age: int | None = None


class CloseAccount(_Event, frozen=True, kw_only=True, tag="close_account"):
    pass


class Choose(_Event, frozen=True, kw_only=True, tag="choose"):
    allow: bool
    age: int | None = None
    via: str = ""


class Say(_Event, frozen=True, kw_only=True, tag="say"):
    """``incognito``, ``kind`` and ``narrow`` count on a conversation's first turn only."""

    conversation: str
    turn: str
    role: Role = Role.user
    origin: str = ""
    surface: str = "app"
    incognito: bool = False
    kind: Kind = Kind.chat
    narrow: bool = False


class _About(_Event, frozen=True, kw_only=True):
    conversation: str


class Delete(_About, frozen=True, kw_only=True, tag="delete"):
    pass


class Narrow(_About, frozen=True, kw_only=True, tag="narrow"):
    pass


class Widen(_About, frozen=True, kw_only=True, tag="widen"):
    pass


class Flag(_About, frozen=True, kw_only=True, tag="flag"):
    pass


class Unflag(_About, frozen=True, kw_only=True, tag="unflag"):
    pass


class Hold(_About, frozen=True, kw_only=True, tag="hold"):
    matter: str


class Unhold(_About, frozen=True, kw_only=True, tag="unhold"):
    matter: str


class GiveFeedback(_About, frozen=True, kw_only=True, tag="feedback"):
    feedback: str
    share: Share
    rating: str = ""


Event: TypeAlias = (
    OpenAccount
    | SetPlan
    | SetAge
    | CloseAccount
    | Choose
    | Say
    | Delete
    | Narrow
    | Widen
    | Flag
    | Unflag
    | Hold
    | Unhold
    | GiveFeedback
)
