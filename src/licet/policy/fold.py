"""From events to state: what each event does to an account, a conversation and its dates.

Pure functions from state to state. Those that end a grant return `Ending`: the instant to which the content
and the feedback of the whole account come nearer, so that one verb serves both a state in memory
(`shortened`) and a statement over a table. Callers bring the account to the moment first (`advance`), give
times that never decrease along the order, and fold an account's events one by one.

    advance  versions that became effective: each ends, at its first instant, the grants it does not allow
    stamp    what held when a turn was taken, and the grant it was given under
    redate   the dates that a turn sets; every other event only brings dates nearer
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from licet.policy.decide import Gate, gate
from licet.policy.file import Policies, Reach
from licet.policy.state import (
    AccountState,
    ConversationKind,
    ConversationState,
    Feedback,
    Grant,
    GrantStanding,
    Segment,
    Share,
    Stamp,
    TurnRole,
)


class EndingCause(StrEnum):
    """What ended a grant, or brought an account's content nearer to its end."""

    refused = "refused"
    lapsed = "lapsed"
    closed = "closed"


class Effect(StrEnum):
    """What a choice did."""

    began = "began"
    affirmed = "affirmed"
    withdrew = "withdrew"
    declined = "declined"
    none = "none"


class Refusal(StrEnum):
    """Why a turn was not taken."""

    closed = "closed"
    must_decide = "must_decide"
    deleted = "deleted"
    expired = "expired"


# What governs live writes only: recorded history was taken, whatever the gate would say of it now.
LIVE_REFUSALS = frozenset({Refusal.must_decide, Refusal.expired})


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """All content of the account comes to at most ``content_until``, its feedback to at most ``feedback_until``.

    ``grant`` is the grant that ended, None where a closing found none in force.
    """

    cause: EndingCause
    at: datetime
    grant: int | None
    content_until: datetime
    feedback_until: datetime


class AccountChange(msgspec.Struct, frozen=True, kw_only=True):
    """An account after an event, and what the event ended."""

    account: AccountState
    endings: tuple[Ending, ...] = ()


class ChoiceOutcome(msgspec.Struct, frozen=True, kw_only=True):
    account: AccountState
    effect: Effect
    endings: tuple[Ending, ...] = ()


class TurnTaken(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation after a turn: the turn's number and the place of its segment."""

    conversation: ConversationState
    turn: int
    segment: int


def open_account(
    policies: Policies, at: datetime, plan: str, age: int | None, opened_at: datetime | None = None
) -> AccountState:
    """An account that becomes known at ``at``. ``opened_at``, which the gate asks for, is when the host had opened it."""
    return AccountState(plan=plan, age=age, opened_at=min(opened_at or at, at), last_at=at, seen=policies.number(at))


def advance(account: AccountState, policies: Policies, at: datetime) -> AccountChange:
    """The account at ``at``: each version that became effective since ends the grant it does not allow."""
    endings: list[Ending] = []
    now = policies.number(at)
    for number in range(account.seen + 1, now + 1):
        version = policies[number]
        if account.plan not in version.plans or version.refuses_age(account.age):
            account, ended = _lapsed(account, policies, version.effective)
            endings += ended
    return AccountChange(account=replace(account, seen=max(now, account.seen), last_at=at), endings=tuple(endings))


def set_plan(account: AccountState, policies: Policies, at: datetime, plan: str) -> AccountChange:
    account = replace(account, plan=plan)
    if plan in policies.in_force(at).plans:
        return AccountChange(account=account)
    account, endings = _lapsed(account, policies, at)
    return AccountChange(account=account, endings=endings)


def set_age(account: AccountState, policies: Policies, at: datetime, age: int | None) -> AccountChange:
    account = replace(account, age=age)
    if not policies.in_force(at).refuses_age(age):
        return AccountChange(account=account)
    account, endings = _lapsed(account, policies, at)
    return AccountChange(account=account, endings=endings)


def close_account(account: AccountState, policies: Policies, at: datetime) -> AccountChange:
    """Closing ends the grant and puts everything under `keep.deleted`; dates only come nearer, also the second time."""
    until = policies.in_force(at).keep.deleted.after(at)
    ending = _ending(account, policies, at, EndingCause.closed)
    if account.grant is None:
        ending = replace(ending, content_until=until, feedback_until=until)
    ending = replace(
        ending, content_until=min(until, ending.content_until), feedback_until=min(until, ending.feedback_until)
    )
    closed = replace(account, closed_at=account.closed_at or at, grant=None)
    return AccountChange(account=closed, endings=(ending,))


def choose(
    account: AccountState, policies: Policies, at: datetime, allow: bool, age: int | None = None
) -> ChoiceOutcome:
    """The choice. An age given with it is set first, even where the rest then has no effect."""
    endings: tuple[Ending, ...] = ()
    if age is not None:
        aged = set_age(account, policies, at, age)
        account, endings = aged.account, aged.endings
    version = policies.in_force(at)
    if account.closed_at is not None or not policies.begun(at):
        return ChoiceOutcome(account=account, effect=Effect.none, endings=endings)
    if not allow:
        return _refused(account, policies, at, endings)
    if account.plan not in version.plans or version.refuses_age(account.age):
        return ChoiceOutcome(account=account, effect=Effect.none, endings=endings)
    account = replace(account, answered=policies.number(at))
    if account.grant is not None:
        return ChoiceOutcome(account=account, effect=Effect.affirmed, endings=endings)
    number = account.grants + 1
    begun = replace(account, standing=GrantStanding.granted, grant=number, grants=number)
    return ChoiceOutcome(account=begun, effect=Effect.began, endings=endings)


def _refused(account: AccountState, policies: Policies, at: datetime, endings: tuple[Ending, ...]) -> ChoiceOutcome:
    if account.grant is not None:
        endings = (*endings, _ending(account, policies, at, EndingCause.refused))
    standing = GrantStanding.withdrawn if account.grants else GrantStanding.declined
    effect = Effect.withdrew if account.grant is not None else Effect.declined
    account = replace(account, standing=standing, grant=None, answered=policies.number(at))
    return ChoiceOutcome(account=account, effect=effect, endings=endings)


def _lapsed(account: AccountState, policies: Policies, at: datetime) -> tuple[AccountState, tuple[Ending, ...]]:
    """A grant in force ends and the answer is forgotten; a refusal is no grant and stands."""
    if account.grant is None:
        return account, ()
    ending = _ending(account, policies, at, EndingCause.lapsed)
    return replace(account, standing=GrantStanding.lapsed, grant=None, answered=None), (ending,)


def _ending(account: AccountState, policies: Policies, at: datetime, cause: EndingCause) -> Ending:
    keep = policies.in_force(at).keep
    return Ending(
        cause=cause,
        at=at,
        grant=account.grant,
        content_until=keep.opted_out.after(at),
        feedback_until=keep.feedback_opted_out.after(at),
    )


def current_grant(
    account: AccountState, conversation: ConversationState | None, policies: Policies, at: datetime
) -> Grant | None:
    """The grant that a user's in-scope turn of this conversation, taken now, would be given."""
    if account.grant is None or is_stale(account, policies, at):
        return None
    if policies.in_force(at).refuses_age(account.age):
        return None
    if conversation is None:
        return Grant(account.grant, 0)
    if conversation.incognito or conversation.narrowed:
        return None
    return Grant(account.grant, conversation.widenings)


def is_stale(account: AccountState, policies: Policies, at: datetime) -> bool:
    """A grant is in force, but the newest material version, or a later one, is not answered."""
    newest = policies.newest_material(at)
    unanswered = newest is not None and (account.answered is None or account.answered < newest)
    return account.grant is not None and unanswered


def stamp(
    account: AccountState,
    conversation: ConversationState,
    policies: Policies,
    at: datetime,
    role: TurnRole,
    surface: str,
) -> Stamp:
    """The stamp of a turn taken now."""
    number = policies.number(at)
    in_scope = policies[number].in_scope(account.plan, surface)
    grant = current_grant(account, conversation, policies, at) if in_scope else None
    if grant is not None and role is not TurnRole.user and _asked_under(conversation) != grant:
        grant = None
    return Stamp(
        plan=account.plan,
        surface=surface,
        in_scope=in_scope,
        version=number,
        narrowed=conversation.narrowed,
        stale=is_stale(account, policies, at),
        grant=grant,
    )


def _asked_under(conversation: ConversationState) -> Grant | None:
    """The grant of the last turn in which the person spoke."""
    spoken = (s for s in reversed(conversation.segments) if s.has_user)
    return next((s.stamp.grant for s in spoken), None)


def refusal(
    account: AccountState, conversation: ConversationState | None, policies: Policies, at: datetime, role: TurnRole
) -> Refusal | None:
    """Why a live turn would not be taken now, or None."""
    if account.closed_at is not None:
        return Refusal.closed
    if conversation is not None and conversation.deleted_at is not None:
        return Refusal.deleted
    if conversation is not None and conversation.content_until <= at:
        return Refusal.expired
    if role is TurnRole.user and gate(account, policies, at) is Gate.must_decide:
        return Refusal.must_decide
    return None


def begin(
    *, incognito: bool = False, kind: ConversationKind = ConversationKind.chat, narrow: bool = False
) -> ConversationState:
    """A conversation before its first turn, which fixes these."""
    return ConversationState(incognito=incognito, kind=kind, narrowed=narrow)


def say(
    account: AccountState,
    conversation: ConversationState,
    policies: Policies,
    at: datetime,
    role: TurnRole,
    surface: str,
) -> TurnTaken:
    """The conversation with one more turn: stamped, in a segment, and every segment not yet expired dated anew.

    Live callers ask `refusal` first. A turn after an expired segment begins a new one even under the same
    stamp: the key of the expired one is gone, and what has left cannot be added to.
    """
    mark = stamp(account, conversation, policies, at, role, surface)
    number = conversation.turns + 1
    segments = list(conversation.segments)
    last = segments[-1] if segments else None
    spoke = role is TurnRole.user
    if last is not None and last.stamp == mark and last.keep_until > at:
        segments[-1] = replace(last, last_turn=number, last_at=at, has_user=last.has_user or spoke)
    else:
        undated = at + timedelta.resolution  # not yet expired; `redate` gives the date
        segments.append(
            Segment(stamp=mark, first_turn=number, last_turn=number, last_at=at, has_user=spoke, keep_until=undated)
        )
    longer = replace(conversation, segments=tuple(segments))
    return TurnTaken(conversation=redate(account, longer, policies, at), turn=number, segment=len(segments) - 1)


def redate(
    account: AccountState, conversation: ConversationState, policies: Policies, at: datetime
) -> ConversationState:
    """The dates that a turn taken at ``at`` sets."""
    version = policies.in_force(at)
    keep = version.keep
    out = (keep.incognito if conversation.incognito else keep.opted_out).after(at)
    current = current_grant(account, conversation, policies, at)
    if version.reach is Reach.conversation:
        whole = (
            current is not None
            and conversation.segments[conversation.deciding].stamp.grant == current
            and _in_scope_both(conversation.segments, policies, version.plans, version.surfaces)
        )
        granted = keep.opted_in.after(at)

        def until(segment: Segment) -> datetime:
            return granted if whole and not segment.stamp.narrowed else out
    else:

        def until(segment: Segment) -> datetime:
            under = current is not None and segment.stamp.grant == current
            return keep.opted_in.after(segment.last_at) if under else out

    def dated(segment: Segment) -> Segment:
        if segment.keep_until <= at or segment.keep_until == (new := until(segment)):
            return segment
        return replace(segment, keep_until=new)

    return replace(conversation, segments=tuple(map(dated, conversation.segments)))


def _in_scope_both(
    segments: Sequence[Segment], policies: Policies, plans: frozenset[str], surfaces: frozenset[str]
) -> bool:
    """Whether every segment is in scope, by the version that it was taken under and by the one in force."""
    marks = {(s.stamp.version, s.stamp.plan, s.stamp.surface) for s in segments}  # few, of however many segments
    return all(
        policies[version].in_scope(plan, surface) and plan in plans and surface in surfaces
        for version, plan, surface in marks
    )


def delete(conversation: ConversationState, policies: Policies, at: datetime) -> ConversationState:
    """Ends all use now; deleted again, its dates may still come nearer, never later."""
    deleted = replace(conversation, deleted_at=conversation.deleted_at or at)
    return shortened(deleted, policies.in_force(at).keep.deleted.after(at))


def narrow(conversation: ConversationState, policies: Policies, at: datetime) -> ConversationState:
    """Kept out from now on; the same conversation where it is so already, or deleted."""
    if conversation.narrowed or conversation.deleted_at is not None:
        return conversation
    return shortened(replace(conversation, narrowed=True), policies.in_force(at).keep.opted_out.after(at))


def widen(conversation: ConversationState) -> ConversationState:
    """Let in what follows; the same conversation where it is so already, or deleted."""
    if not conversation.narrowed or conversation.deleted_at is not None:
        return conversation
    return replace(conversation, narrowed=False, widenings=conversation.widenings + 1)


def flag(conversation: ConversationState, policies: Policies, at: datetime) -> ConversationState:
    """The mark on what has been said so far; nothing on deleted content, or on a segment that has expired.

    A segment that expired under an earlier flag keeps that flag's date, so the copy ends with the latest of them.
    """
    if conversation.deleted_at is not None or conversation.content_until <= at:
        return conversation
    until = policies.in_force(at).keep.flagged.after(at)
    marked = tuple(
        s if s.keep_until <= at else replace(s, flagged_turn=s.last_turn, safety_until=until)
        for s in conversation.segments
    )
    ends = max(s.safety_until for s in marked if s.safety_until is not None)
    return replace(conversation, safety_until=ends, segments=marked)


def unflag(conversation: ConversationState) -> ConversationState:
    unmarked = tuple(
        s if s.safety_until is None else replace(s, flagged_turn=0, safety_until=None) for s in conversation.segments
    )
    return replace(conversation, safety_until=None, segments=unmarked)


def hold(conversation: ConversationState, at: datetime, matter: str) -> ConversationState:
    if conversation.content_until <= at:
        return conversation
    return replace(conversation, holds=conversation.holds | {matter})


def unhold(conversation: ConversationState, matter: str) -> ConversationState:
    return replace(conversation, holds=conversation.holds - {matter})


def feedback(
    account: AccountState, conversation: ConversationState, policies: Policies, at: datetime, share: Share
) -> Feedback | None:
    """The feedback given now, dated once; None where none can be given."""
    if account.closed_at is not None or conversation.deleted_at is not None or conversation.content_until <= at:
        return None
    keep = policies.in_force(at).keep
    grant = current_grant(account, conversation, policies, at)
    period = keep.feedback_opted_in if grant is not None else keep.feedback_opted_out
    return Feedback(
        share=Share.rating if conversation.incognito else share,
        version=policies.number(at),
        grant=grant,
        narrowed=conversation.narrowed,
        keep_until=period.after(at),
    )


_Dated = TypeVar("_Dated", Segment, Feedback)


def nearer(dated: _Dated, until: datetime) -> _Dated:
    """The same with its date at most ``until``."""
    return dated if dated.keep_until <= until else replace(dated, keep_until=until)


def shortened(conversation: ConversationState, until: datetime) -> ConversationState:
    """Every segment comes to at most ``until``."""
    return replace(conversation, segments=tuple(nearer(s, until) for s in conversation.segments))
