"""The input and the answers of an import: accounts, choices, late history, counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from licet.intake.read_turn import (
    BrokenRecord,
)
from licet.intake.turn_spool import SpooledTurn
from licet.policy import events
from licet.vault import commands


class RecordedAccount(msgspec.Struct, frozen=True, kw_only=True):
    """An account as the operator recorded it; without ``opened_at`` it opened with its first
    event.
    """

    host: str
    plan: str
    age: int | None
    opened_at: datetime | None = None


class RecordedChoice(msgspec.Struct, frozen=True, kw_only=True):
    """A choice as the operator recorded it, with the evidence of it.

    ``question`` None answers all that were asked; ``scope`` None is the account; ``keep`` are the
    scopes that a no left. Projects and conversations are named by the host's ids.
    """

    host: str
    at: datetime
    allow: bool
    via: str
    evidence: str = ""
    question: str | None = None
    scope: events.NamedScope | None = None
    keep: tuple[events.NamedScope, ...] = ()


class LateHistory(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of an account's history from before its newest event: turns stored under no
    grant, refusals that took effect now, permissions and ratings left out.
    """

    host: str
    turns: int = 0
    refusals: int = 0
    permissions: int = 0
    ratings: int = 0


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """The result of an import. Counts are of turns, unless stated otherwise.

    ``effects`` counts the recorded choices by effect; a yes that the terms do not cover has none.
    ``choices_too_early`` precede the first version's start and have no effect either.
    ``opened_alone`` are accounts of the accounts file without anything in this import;
    ``opened_now`` those without a recorded opening time. ``conversations`` are those with stored
    turns, ``conversations_known`` all that the import began or continued. ``other_projects`` are
    turns that name another project than their conversation's first turn, which counts. ``late`` are
    accounts with later events in the vault, the first `PLACES_KEPT_MAX` of ``late_accounts``.
    """

    turns: int
    stored: int
    known: int
    choices: int
    accounts: int
    conversations: int
    broken: int
    skipped: int
    refused: dict[str, int]
    would_be_erased: dict[date, int]
    effects: dict[str, int]
    broken_places: tuple[BrokenRecord, ...]
    skipped_reasons: dict[str, int]
    feedback: int = 0
    opened_alone: int = 0
    opened_now: int = 0
    choices_too_early: int = 0
    conversations_known: int = 0
    other_projects: int = 0
    late_accounts: int = 0
    late: tuple[LateHistory, ...] = ()


class DatedChoice(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded choice at its own time, or a late refusal now."""

    at: datetime
    choice: RecordedChoice


class PlacedEvent(NamedTuple):
    """An event of an account with its sort key. ``place`` is its turn's in the spool, -1 for a
    choice, -2 for feedback, which comes after a turn of the same time and before a permission.
    """

    at: datetime
    rank: int
    number: int
    place: int


def place_choices(choices: Sequence[DatedChoice]) -> Iterator[PlacedEvent]:
    """Sorts choices: those of one time in the order of the file, refusals that come first in it
    before turns; late ones last.
    """
    allowed_at = set[datetime]()
    for number, dated in enumerate(choices):
        if dated.choice.allow:
            allowed_at.add(dated.at)
        is_late = dated.at != dated.choice.at
        rank = 3 if is_late else 2 if dated.at in allowed_at else 0
        yield PlacedEvent(at=dated.at, rank=rank, number=number, place=-1)


class NamedConversation(NamedTuple):
    """A conversation: the host's id, its HMAC, and the function for the HMACs of its turns' ids."""

    host: str
    name: bytes
    turn_name: Callable[[str], bytes]


def add_turn_command(
    account: UUID, occurred_at: datetime, turn: SpooledTurn, *, stored: bool
) -> commands.AddTurn:
    """The command for a spooled turn; without ``stored``, only its time and place count."""
    return commands.AddTurn(
        account=account,
        at=occurred_at,
        host_conversation=turn.conversation,
        host_turn=turn.host_turn,
        role=turn.role,
        origin=turn.origin,
        surface=turn.surface,
        kind=turn.kind,
        incognito=turn.incognito,
        narrow=turn.kept_out,
        content=turn.envelope if stored else None,
        title=turn.title if stored else None,
        host_project=turn.project,
        project_title=turn.project_title if stored else None,
    )
