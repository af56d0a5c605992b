"""The rule: may this turn be used, for this purpose, at this moment, why, and until when.

The whole meaning is `decide`: the first row that holds is the answer. Scope, reach, age, purposes and origins
are judged by the version that the turn was taken under and by the one in force: the stricter wins. Nothing is
usable unless the grant of the deciding segment is the grant in force, so no default, import, deadline or new
version can make anything usable. Callers bring the account to the moment first (`fold.advance`).
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from licet.policy.file import Policies, Policy, Reach
from licet.policy.state import AccountState, ConversationState, Feedback, Grant, GrantStanding, Segment, TurnState

SAFETY = "safety_classifiers"
IMPROVE = "improve_models"


class DecisionReason(StrEnum):
    """The reason of an answer, in the order of the rule. Only `permitted` and `flagged` allow use."""

    closed = "closed"
    deleted = "deleted"
    out_of_scope = "out_of_scope"
    age = "age"
    flagged = "flagged"
    incognito = "incognito"
    expired = "expired"
    narrowed = "narrowed"
    undecided = "undecided"
    declined = "declined"
    withdrawn = "withdrawn"
    lapsed = "lapsed"
    purpose = "purpose"
    origin = "origin"
    stale_terms = "stale_terms"
    before_grant = "before_grant"
    permitted = "permitted"
    unknown = "unknown"


MEANING: dict[DecisionReason, str] = {
    DecisionReason.closed: "the account is closed",
    DecisionReason.deleted: "the conversation was deleted, and what a person deletes trains nothing",
    DecisionReason.out_of_scope: "the plan or the way in is not covered by the terms",
    DecisionReason.age: "the account's age is unknown or below the minimum",
    DecisionReason.flagged: "the safety team flagged what was said, and its copy serves the misuse classifiers",
    DecisionReason.incognito: "incognito conversations are never used",
    DecisionReason.expired: "the time for which it is kept has passed",
    DecisionReason.narrowed: "this conversation is kept out, or was when this was said",
    DecisionReason.undecided: "no choice has been made, and silence is not consent",
    DecisionReason.declined: "the answer was no",
    DecisionReason.withdrawn: "the permission was withdrawn",
    DecisionReason.lapsed: "the permission lapsed and has not been given again",
    DecisionReason.purpose: "the choice does not cover this purpose",
    DecisionReason.origin: "raw output of tools and connectors is never used",
    DecisionReason.stale_terms: "newer terms applied when this was said, and they had not been answered",
    DecisionReason.before_grant: "it was said before the permission now in force, and not resumed under it",
    DecisionReason.permitted: "the choice in force allows it",
    DecisionReason.unknown: "there is no such turn",
}

_STANDING: dict[GrantStanding, DecisionReason] = {
    s: DecisionReason(s.value) for s in GrantStanding if s is not GrantStanding.granted
}


class Decision(msgspec.Struct, frozen=True):
    """An answer that explains itself. ``until`` is the end-exclusive limit of a use, None where there is none.

    ``taken`` and ``in_force`` are the places of the versions that judged, ``grant`` is the one in force.
    """

    because: DecisionReason
    until: datetime | None = None
    taken: int = -1
    in_force: int = -1
    grant: Grant | None = None

    @property
    def use(self) -> bool:
        return self.until is not None


UNKNOWN = Decision(DecisionReason.unknown)


def decide(
    account: AccountState,
    conversation: ConversationState,
    turn: TurnState | None,
    policies: Policies,
    purpose: str,
    at: datetime,
) -> Decision:
    """May ``turn`` be used for ``purpose`` at ``at``: the first row of the rule that holds."""
    if turn is None:
        return UNKNOWN
    segment = conversation.segments[turn.segment]
    taken, number = segment.stamp.version, policies.number(at)
    old, now = policies[taken], policies[number]
    whole = old.reach is Reach.conversation and now.reach is Reach.conversation
    because, until = _first_row(account, conversation, segment, turn, policies, purpose, at, whole, old, now)
    grant = None if account.grant is None else Grant(account.grant, conversation.widenings)
    return Decision(because, until, taken, number, grant)


def _first_row(
    account: AccountState, conversation: ConversationState, segment: Segment, turn: TurnState,
    policies: Policies, purpose: str, at: datetime, whole: bool, old: Policy, now: Policy,
) -> tuple[DecisionReason, datetime | None]:  # fmt: skip
    if account.closed_at is not None:
        return DecisionReason.closed, None
    if conversation.deleted_at is not None:
        return DecisionReason.deleted, None
    if _out_of_scope(segment, policies, now) or (
        whole and any(_out_of_scope(s, policies, now) for s in conversation.segments)
    ):
        return DecisionReason.out_of_scope, None
    if old.refuses_age(account.age) or now.refuses_age(account.age):
        return DecisionReason.age, None
    if purpose == SAFETY and turn.number <= segment.flagged_turn:
        safety_until = segment.safety_until
        if safety_until is not None and at < safety_until:
            return DecisionReason.flagged, safety_until
    if conversation.incognito:
        return DecisionReason.incognito, None
    if segment.keep_until <= at:
        return DecisionReason.expired, None
    if conversation.narrowed or segment.stamp.narrowed:
        return DecisionReason.narrowed, None
    if account.grant is None:
        return _STANDING[account.standing], None
    if purpose not in old.covers or purpose not in now.covers:
        return DecisionReason.purpose, None
    if turn.origin not in old.origins or turn.origin not in now.origins:
        return DecisionReason.origin, None
    deciding = (conversation.segments[conversation.deciding] if whole else segment).stamp
    if deciding.stale:
        return DecisionReason.stale_terms, None
    if deciding.grant != (account.grant, conversation.widenings):
        return DecisionReason.before_grant, None
    return DecisionReason.permitted, segment.keep_until


def _out_of_scope(segment: Segment, policies: Policies, now: Policy) -> bool:
    mark = segment.stamp
    return not (now.in_scope(mark.plan, mark.surface) and policies[mark.version].in_scope(mark.plan, mark.surface))


def decide_feedback(
    account: AccountState, conversation: ConversationState, feedback: Feedback, policies: Policies, at: datetime
) -> Decision:
    """May a feedback be used to improve models at ``at``. A turn in its copy is usable only while that turn is."""
    number = policies.number(at)
    old, now = policies[feedback.version], policies[number]
    because, until = _feedback_row(account, conversation, feedback, at, old, now)
    grant = None if account.grant is None else Grant(account.grant, conversation.widenings)
    return Decision(because, until, feedback.version, number, grant)


def _feedback_row(
    account: AccountState, conversation: ConversationState, feedback: Feedback, at: datetime, old: Policy, now: Policy
) -> tuple[DecisionReason, datetime | None]:
    if account.closed_at is not None:
        return DecisionReason.closed, None
    if conversation.deleted_at is not None:
        return DecisionReason.deleted, None
    if old.refuses_age(account.age) or now.refuses_age(account.age):
        return DecisionReason.age, None
    if conversation.incognito:
        return DecisionReason.incognito, None
    if feedback.keep_until <= at:
        return DecisionReason.expired, None
    if conversation.narrowed or feedback.narrowed:
        return DecisionReason.narrowed, None
    if account.grant is None:
        return _STANDING[account.standing], None
    if IMPROVE not in old.covers or IMPROVE not in now.covers:
        return DecisionReason.purpose, None
    if feedback.grant != (account.grant, conversation.widenings):
        return DecisionReason.before_grant, None
    return DecisionReason.permitted, feedback.keep_until


class Gate(StrEnum):
    """What an account must answer before its person may write."""

    closed = "closed"
    not_asked = "not_asked"
    open = "open"
    must_decide = "must_decide"
    notice = "notice"


def gate(account: AccountState, policies: Policies, at: datetime) -> Gate:
    """Whether the account is asked at ``at``, and whether the notice can still be put off."""
    if account.closed_at is not None:
        return Gate.closed
    newest = policies.newest_material(at)
    now = policies.in_force(at)
    minor = now.min_age is not None and account.age is not None and account.age < now.min_age
    if newest is None or account.plan not in now.plans or minor:
        return Gate.not_asked
    if account.answered is not None and account.answered >= newest:
        return Gate.open
    asking = policies[newest]
    ends = asking.notice_ends()
    if account.opened_at >= asking.effective or (ends is not None and at >= ends):
        return Gate.must_decide
    return Gate.notice
