"""The checks of every verb, made before it has any effect.

The functions are pure. `apply` brings an account to the command's time, reads what the check needs,
and calls them; after that the verb succeeds. A choice is checked by `choice_references.resolve`,
because its age counts even if its yes does not. `commands.check` has refused invalid values before.
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never
from uuid import UUID

import msgspec

from licet.policy import fold
from licet.policy.file import Policies
from licet.policy.state import AccountState, ConversationState
from licet.vault.commands import (
    EXPIRED,
    LATE,
    OUT_OF_ORDER,
    STALE,
    About,
    AboutProject,
    AddTurn,
    Delete,
    Flag,
    GiveFeedback,
    Hold,
    LetProjectIn,
    Narrow,
    OpenAccount,
    Outcome,
    TakeBackFeedback,
    Unflag,
    Unhold,
    Widen,
)
from licet.vault.tables import ConversationRow, ProjectRow

# Each turn dates every segment anew and writes those rows: the bound keeps the cost of every turn
# alike.
SEGMENTS_MAX = 256
TOO_MANY_SEGMENTS = "too_many_segments"


class CommandRefusal(msgspec.Struct, frozen=True):
    """``outcome`` is refused or unknown, or duplicate for a repetition."""

    outcome: Outcome
    because: str = ""


UNKNOWN, DUPLICATE = CommandRefusal(Outcome.unknown), CommandRefusal(Outcome.duplicate)


def _refused(because: str) -> CommandRefusal:
    return CommandRefusal(Outcome.refused, because)


def check_opening(command: OpenAccount, account: AccountState | None) -> CommandRefusal | None:
    """``account`` is the account of this host's id."""
    begins = account is None or (account.closed_at is not None and command.begin_anew)
    return None if begins else DUPLICATE


def check_turn(
    command: AddTurn,
    account: AccountState,
    before: ConversationState | None,
    policies: Policies,
    now: datetime,
    *,
    replay: bool,
) -> CommandRefusal | None:
    """``before`` is the conversation that the turn continues. Repeated ids are handled earlier
    (`ConversationVerbs`).
    """
    if before is None and command.conversation is not None:
        return UNKNOWN
    refusal = (
        fold.refusal_of_history(account, before)
        if replay
        else fold.refusal(account, before, policies, now, command.role)
    )
    if refusal is not None:
        return _refused(refusal.value)
    is_late = replay and command.at < now
    if is_late and before is not None and command.at < before.segments[-1].last_at:
        return _refused(OUT_OF_ORDER)
    return None


def check_segment(number: int) -> CommandRefusal | None:
    """``number`` is the turn's segment."""
    return _refused(TOO_MANY_SEGMENTS) if number >= SEGMENTS_MAX else None


def check_project(command: AboutProject, project: ProjectRow | None) -> CommandRefusal | None:
    """``project`` is the account's own that the command names; a host's id may create one."""
    if project is None:
        return UNKNOWN if command.project is not None else None
    out_at = command.out_at if isinstance(command, LetProjectIn) else None
    is_stale = out_at is not None and project.kept_out_at not in (None, out_at)
    return _refused(STALE) if is_stale else None


def check_conversation(
    command: About,
    account: AccountState,
    row: ConversationRow | None,
    policies: Policies,
    now: datetime,
    *,
    replay: bool = False,
    matter: bytes = b"",
    feedback: UUID | None = None,
) -> CommandRefusal | None:
    """``row`` is the account's own conversation; another account's is as unknown as a missing one.
    ``matter`` is a hold's HMAC; ``feedback`` is the stored one that the command names.
    """
    if row is None:
        return UNKNOWN
    state = row.state
    match command:
        case Widen():
            is_newer = state.narrowed and state.narrowings != command.narrowings
            return _refused(STALE) if command.narrowings is not None and is_newer else None
        case Hold():
            keeps = any(
                segment.keep_until > now and not keys.erased
                for segment, keys in zip(state.segments, row.keys, strict=True)
            )
            return None if matter.hex() in state.holds or keeps else _refused(EXPIRED)
        case GiveFeedback():
            if command.turn > state.turns:
                return UNKNOWN
            if feedback is not None:
                return DUPLICATE
            if replay and command.at < now:
                return _refused(LATE)
            given = fold.give_feedback(account, state, policies, now, command.share)
            return None if given is not None else _refused("closed_deleted_or_expired")
        case TakeBackFeedback():
            return None if feedback is not None else UNKNOWN
        case Delete() | Narrow() | Flag() | Unflag() | Unhold():
            return None
        case _:
            assert_never(command)
