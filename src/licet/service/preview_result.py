"""What a preview answers with. Apart from what makes it (`preview`), so that naming its types loads
no curation.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from licet.masked import Masked
from licet.policy.outcomes import NoEffect
from licet.policy.state import TurnRole


class PreviewBound(StrEnum):
    """What a conversation has too much of to be shown."""

    turns = "turns"
    bytes = "bytes"
    # what looking for names in a message costs, in characters of prose
    message_weight = "message_weight"


class BeyondBound(msgspec.Struct, frozen=True, kw_only=True):
    """Why a conversation is not shown: how much of what it has, and how much is shown at most."""

    bound: PreviewBound
    found: int
    most: int


class ReplacedText(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """What stood in a text, what stands there in its stead, and the kind of identifier it was taken
    for.
    """

    was: str
    becomes: str
    kind: str


class PreviewedTurn(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A turn: ``text`` is what a model would read, empty where it is left out; ``because`` says why
    it is in or out.
    """

    turn: int
    role: TurnRole
    used: bool
    because: str
    text: str
    replaced: tuple[ReplacedText, ...] = ()


class PreviewedConversation(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A conversation as a release would hold it. ``rows`` counts its rows; ``until`` is when the
    first use ends.

    With ``beyond`` it is too long to be shown, and with ``unread`` (the weight of it) a part is
    still to be looked through for names: then nothing else is told of it.
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
    """What is shown. ``refused`` says why the yes that was assumed would have no effect; ``next``
    goes on behind a page, or with the conversation of which a part is ``unread``.
    """

    purpose: str
    question: str | None
    at: datetime
    assumed: bool
    refused: NoEffect | None
    conversations: tuple[PreviewedConversation, ...]
    next: UUID | None
