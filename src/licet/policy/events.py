"""Events as values, for the policy's case files and simulations.

``at`` is aware UTC. The order of events determines which of two came first; their times only
measure.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

import msgspec

from licet.policy.regions import REGION
from licet.policy.state import (
    WHOLE_ACCOUNT,
    ConversationKind,
    GrantScope,
    ScopeKind,
    Share,
    TurnRole,
)


def _names_one(*names: str | None) -> bool:
    """An empty name counts as none: a conversation without a project has it."""
    present = [name for name in names if name is not None]
    return len(present) == 1 and present != [""]


class NamedScope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One project or one conversation of the account, by name."""

    project: str | None = None
    conversation: str | None = None

    def __post_init__(self) -> None:
        if not _names_one(self.project, self.conversation):
            raise ValueError("a scope names a project or a conversation, one of them")

    @property
    def scope(self) -> GrantScope:
        if self.project is not None:
            return GrantScope(ScopeKind.project, self.project)
        return GrantScope(ScopeKind.conversation, self.conversation or "")


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


class SetRegionEvent(_Event, frozen=True, kw_only=True, tag="set_region"):
    region: str | None = None

    def __post_init__(self) -> None:
        if self.region is not None and REGION.fullmatch(self.region) is None:
            raise ValueError("`region` is no code of ISO 3166")


class CloseAccountEvent(_Event, frozen=True, kw_only=True, tag="close_account"):
    pass


class ChooseEvent(_Event, frozen=True, kw_only=True, tag="choose"):
    """``question`` None answers all that are asked; a no leaves the scopes in ``keep`` in force."""

    allow: bool
    question: str | None = None
    scope: NamedScope | None = None
    keep: tuple[NamedScope, ...] = ()
    age: int | None = None
    via: str = ""

    def __post_init__(self) -> None:
        if self.scope is not None and not self.allow:
            raise ValueError("a no for a scope is `narrow`")
        if self.keep and self.allow:
            raise ValueError("`keep` belongs to a no")

    @property
    def chosen_for(self) -> GrantScope:
        return WHOLE_ACCOUNT if self.scope is None else self.scope.scope


class SayEvent(_Event, frozen=True, kw_only=True, tag="say"):
    """``incognito``, ``kind``, ``narrow`` and ``project`` count on a conversation's first turn
    only.
    """

    conversation: str
    turn: str
    role: TurnRole = TurnRole.user
    origin: str = ""
    surface: str = "app"
    incognito: bool = False
    kind: ConversationKind = ConversationKind.chat
    narrow: bool = False
    project: str = ""


class _About(_Event, frozen=True, kw_only=True):
    conversation: str


class DeleteEvent(_About, frozen=True, kw_only=True, tag="delete"):
    pass


class _Within(_Event, frozen=True, kw_only=True):
    """An event about one conversation, or about one project with its conversations."""

    conversation: str | None = None
    project: str | None = None

    def __post_init__(self) -> None:
        if not _names_one(self.project, self.conversation):
            raise ValueError("names a conversation or a project, one of them")


class NarrowEvent(_Within, frozen=True, kw_only=True, tag="narrow"):
    pass


class WidenEvent(_Within, frozen=True, kw_only=True, tag="widen"):
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
    | SetRegionEvent
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
