"""Folds runs of a conversation's turns that have one answer together."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from licet.policy import fold
from licet.policy.file import Policies
from licet.policy.state import AccountState, ConversationState, TurnRole


def extend(
    account: AccountState,
    conversation: ConversationState,
    policies: Policies,
    since: datetime,
    surface: str,
    turns: Sequence[tuple[datetime, TurnRole, str]],
    *,
    under: int | None = None,
) -> tuple[ConversationState, int]:
    """Adds the leading ``turns`` (time, role, origin) whose fold equals that of the newest turn,
    taken at ``since``; returns the conversation and their number. The result is that of
    `fold.add_turn` for each.

    Turns fold alike while they have one stamp in one policy period, add neither an origin nor the
    person's first words to the segment, and no date passes: then the last one dates every segment
    as each of them would.
    """
    last = conversation.segments[-1]
    passes = min(
        (s.keep_until for s in conversation.segments if s.keep_until > since), default=since
    )
    period, spoken = policies.period(since), set[bool]()
    state = fold.as_of(account, under)
    count, at = 0, since
    for turn_at, role, origin in turns:
        speaks = role is TurnRole.user
        if turn_at >= passes or origin not in last.origins or (speaks and not last.has_user):
            break
        if turn_at is not at and policies.period(turn_at) != period:
            break
        if speaks not in spoken:
            if fold.stamp(state, conversation, policies, turn_at, role, surface) != last.stamp:
                break
            spoken.add(speaks)
        count, at = count + 1, turn_at
    if not count:
        return conversation, 0
    longer = replace(last, last_turn=last.last_turn + count, last_at=at)
    segments = (*conversation.segments[:-1], longer)
    return fold.redate(account, replace(conversation, segments=segments), policies, at), count
