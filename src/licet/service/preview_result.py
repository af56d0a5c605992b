"""The types of a preview, apart from `preview`, so that importing them loads no curation."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from licet.masked import Masked
from licet.policy.outcomes import NoEffect
from licet.policy.state import TurnRole


class PreviewBound(StrEnum):
    """A bound of a preview."""

    turns = "turns"
    bytes = "bytes"
    # the cost of searching a message for names, in characters of prose
    message_weight = "message_weight"


class BeyondBound(msgspec.Struct, frozen=True, kw_only=True):
    """Why a conversation is not shown: its amount, and the most that is shown."""

    bound: PreviewBound
    found: int
    most: int


class ReplacedText(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A replaced text, its replacement, and the kind of identifier."""

    was: str
    becomes: str
    kind: str


class PreviewedTurn(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """``text`` is what a model would read, empty if left out; ``because`` says why it is in or
    out.
    """

    turn: int
    role: TurnRole
    used: bool
    because: str
    text: str
    replaced: tuple[ReplacedText, ...] = ()


class PreviewedConversation(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """``rows`` counts the rows that a release would hold; ``until`` is when the first use ends.
    With ``beyond`` it is too long to be shown, with ``unread`` (a weight) part of it is not yet
    searched for names; then all else is empty.
    """

    conversation: UUID
    rows: int
    until: datetime | None
    turns: tuple[PreviewedTurn, ...]
    languages: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    beyond: BeyondBound | None = None
    unread: int = 0


class Preview(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """``refused`` says why the assumed yes would have no effect; ``next`` continues behind the
    page, or with the conversation that is ``unread``.
    """

    purpose: str
    question: str | None
    at: datetime
    assumed: bool
    refused: NoEffect | None
    conversations: tuple[PreviewedConversation, ...]
    next: UUID | None
