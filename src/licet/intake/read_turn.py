"""The records that every reader of a format yields: turns, feedback, and what could not be read.

A reader is a function ``read(path) -> Iterator[Read]``. It never opens the database; it holds one
record in memory at a time, or one conversation where the format is a tree; for a broken item it
yields `BrokenRecord` with the place and goes on. Only a file that is not of the format at all
raises InputError. ``place`` is ``file:line`` or ``file#path.in.json``.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

import msgspec

from licet.masked import Masked
from licet.policy.state import ConversationKind, Share, TurnRole
from licet.vault.commands import HostCheck
from licet.vault.content import Content


class ReadTurn(msgspec.Struct, frozen=True, kw_only=True):
    """One turn as recorded. ``host_turn`` and ``host_conversation`` are the source's own ids.
    ``at`` is aware UTC, or None. ``origin`` is `typed`, `upload`, `assistant`, `tool` or
    `connector`.

    ``title`` is the conversation's, ``host_account`` its owner in a source with several people.
    ``incognito``, ``kept_out`` and ``project`` (the source's id) count on a conversation's first
    turn.
    """

    place: str
    host_conversation: str
    host_turn: str
    at: datetime | None
    role: TurnRole
    origin: str
    kind: ConversationKind
    surface: str
    content: Content
    title: str = ""
    host_account: str = ""
    incognito: bool = False
    kept_out: bool = False
    project: str = ""
    project_title: str = ""


class ReadFeedback(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A person's rating of an answer, or with ``check`` the host's. ``host_feedback`` is the
    source's own id, ``host_turn`` the answer's.
    """

    place: str
    host_conversation: str
    host_turn: str
    host_feedback: str
    at: datetime | None
    rating: str
    share: Share = Share.rating
    comment: str = ""
    host_account: str = ""
    check: HostCheck | None = None
    score: float | None = None


class BrokenRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An item that could not be read: its place, and the fault without quoting its content."""

    place: str
    message: str


class DuplicateRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A record that this pass has read before, in conversation ``first``, as turns ``host_turn``,
    ``host_turn#2``, .. ``parts``; here it is in ``host_conversation``. Either may be the original.
    """

    first: str
    host_conversation: str
    host_turn: str
    parts: int


class SkippedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A record without a message (a summary, an index, an empty message), or a copy."""

    place: str
    reason: str
    copied: DuplicateRecord | None = None


Read: TypeAlias = ReadTurn | ReadFeedback | BrokenRecord | SkippedRecord
