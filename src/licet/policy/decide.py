"""The rule: whether a turn may be used for a purpose at a time, why, and until when.

The whole meaning is `decide`: the first row that applies is the answer. A turn may be used for a
purpose if, and only if, the grant of its deciding segment, for the question that covers the
purpose, is the grant in force for its conversation. So no default, import, deadline or new version
can make anything usable. (A grant is a person's yes to one question; a segment is a run of turns
taken under the same conditions; the deciding one is the last in which the person spoke.)

Scope, reach, age, purposes and origins are judged by every version from the one that the turn was
taken under to the one in force: the strictest applies. Callers first bring the account to ``now``
(`fold.advance`).
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from licet.policy.file import JointTerms, Policies, Policy
from licet.policy.state import (
    AccountState,
    ConversationState,
    Feedback,
    GrantStanding,
    Segment,
    TurnState,
)

SAFETY = "safety_classifiers"
IMPROVE = "improve_models"


class DecisionReason(StrEnum):
    """The reason of an answer, in the order of the rule. Only `permitted` and `flagged` allow
    use.
    """

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
    DecisionReason.purpose: "no question that was asked covers this purpose",
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
    """An answer that explains itself. ``until`` is the exclusive end of the permitted use, None
    without one. ``taken`` and ``in_force`` are the first and the last version applied; ``question``
    covers the purpose, ``grant`` is the number of the grant in force for it and the conversation.
    """

    because: DecisionReason
    until: datetime | None = None
    taken: int = -1
    in_force: int = -1
    question: str | None = None
    grant: int | None = None

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
    now: datetime,
) -> Decision:
    """Decides whether ``turn`` may be used for ``purpose`` at ``now``, by the first row that
    applies.
    """
    if turn is None:
        return UNKNOWN
    segment = conversation.segments[turn.segment]
    taken, number = segment.stamp.version, policies.number(now)
    terms = policies.terms(taken, number)
    question = terms.asked.get(purpose)
    grant = None if question is None else account.grant_for(question, conversation)
    until: datetime | None = None
    because = _rows_1_to_4(account, conversation, segment, policies, terms, number)
    if because is None and purpose == SAFETY and turn.number <= segment.flagged_turn:
        safety_until = segment.safety_until
        if safety_until is not None and now < safety_until:
            because, until = DecisionReason.flagged, safety_until
    if because is None:
        because = _rows_6_to_8(conversation, segment, now)
    if because is None:
        because = _rows_9_to_15(
            account, conversation, segment, turn.origin, terms, purpose, question, grant
        )
        if because is DecisionReason.permitted:
            until = segment.keep_until
    return Decision(because, until, taken, number, question, grant)


def is_useful(
    account: AccountState,
    conversation: ConversationState,
    segment: Segment,
    policies: Policies,
    now: datetime,
) -> bool:
    """Whether the rule, except row 5, permits a turn of the segment for some purpose at ``now``."""
    if not account.grants:
        return False
    number = policies.number(now)
    terms = policies.terms(segment.stamp.version, number)
    listed = segment.origins & terms.origins
    if not listed or _rows_1_to_4(account, conversation, segment, policies, terms, number):
        return False
    if _rows_6_to_8(conversation, segment, now):
        return False
    origin = next(iter(listed))  # all listed origins are judged alike
    for question, purposes in terms.covers.items():
        grant = account.grant_for(question, conversation)
        for purpose in purposes:
            row = _rows_9_to_15(
                account, conversation, segment, origin, terms, purpose, question, grant
            )
            if row is DecisionReason.permitted:
                return True
    return False


def _rows_1_to_4(
    account: AccountState,
    conversation: ConversationState,
    segment: Segment,
    policies: Policies,
    terms: JointTerms,
    number: int,
) -> DecisionReason | None:
    if account.closed_at is not None:
        return DecisionReason.closed
    if conversation.deleted_at is not None:
        return DecisionReason.deleted
    if not terms.in_scope(segment.stamp.plan, segment.stamp.surface):
        return DecisionReason.out_of_scope
    if terms.some_whole and len(conversation.segments) > 1:
        for other in conversation.segments:
            mark = other.stamp
            if not policies.terms(mark.version, number).in_scope(mark.plan, mark.surface):
                return DecisionReason.out_of_scope
    if terms.refuses_age(account.age, account.region):
        return DecisionReason.age
    return None


def _rows_6_to_8(
    conversation: ConversationState, segment: Segment, now: datetime
) -> DecisionReason | None:
    if conversation.incognito:
        return DecisionReason.incognito
    if segment.keep_until <= now:
        return DecisionReason.expired
    if conversation.narrowed or segment.stamp.narrowed:
        return DecisionReason.narrowed
    return None


def _rows_9_to_15(
    account: AccountState,
    conversation: ConversationState,
    segment: Segment,
    origin: str,
    terms: JointTerms,
    purpose: str,
    question: str | None,
    grant: int | None,
) -> DecisionReason:
    """If the versions differ in reach, a row applies if it does under either reach."""
    if question is None:
        return DecisionReason.purpose
    if grant is None:
        return _STANDING[account.standing(question)]
    if purpose not in terms.covers.get(question, _NOTHING):
        return DecisionReason.purpose
    if origin not in terms.origins:
        return DecisionReason.origin
    own = segment.stamp if terms.some_by_turn else None
    deciding = conversation.segments[conversation.deciding].stamp if terms.some_whole else None
    if (own is not None and question in own.stale) or (
        deciding is not None and question in deciding.stale
    ):
        return DecisionReason.stale_terms
    if (own is not None and not own.is_under(grant, conversation)) or (
        deciding is not None and not deciding.is_under(grant, conversation)
    ):
        return DecisionReason.before_grant
    return DecisionReason.permitted


_NOTHING: frozenset[str] = frozenset()


def decide_feedback(
    account: AccountState,
    conversation: ConversationState,
    feedback: Feedback,
    policies: Policies,
    now: datetime,
) -> Decision:
    """Decides whether feedback may be used to improve models at ``now``. A copied turn is usable
    only while the original is.
    """
    number = policies.number(now)
    terms = policies.terms(feedback.version, number)
    question = terms.asked.get(IMPROVE)
    grant = None if question is None else account.grant_for(question, conversation)
    because = _feedback_row(account, conversation, feedback, now, terms, question, grant)
    until = feedback.keep_until if because is DecisionReason.permitted else None
    return Decision(because, until, feedback.version, number, question, grant)


def _feedback_row(
    account: AccountState,
    conversation: ConversationState,
    feedback: Feedback,
    now: datetime,
    terms: JointTerms,
    question: str | None,
    grant: int | None,
) -> DecisionReason:
    if account.closed_at is not None:
        return DecisionReason.closed
    if conversation.deleted_at is not None:
        return DecisionReason.deleted
    if terms.refuses_age(account.age, account.region):
        return DecisionReason.age
    if conversation.incognito:
        return DecisionReason.incognito
    if feedback.keep_until <= now:
        return DecisionReason.expired
    if conversation.narrowed or feedback.narrowed:
        return DecisionReason.narrowed
    if question is None:
        return DecisionReason.purpose
    if grant is None:
        return _STANDING[account.standing(question)]
    if IMPROVE not in terms.covers.get(question, _NOTHING):
        return DecisionReason.purpose
    if (feedback.grant, feedback.narrowing) != (grant, conversation.narrowings):
        return DecisionReason.before_grant
    return DecisionReason.permitted


class Gate(StrEnum):
    """The gate before a person may write: whether the account must answer first."""

    closed = "closed"
    not_asked = "not_asked"
    open = "open"
    must_decide = "must_decide"
    notice = "notice"


ASKING = frozenset({Gate.must_decide, Gate.notice})  # the gates that ask questions


def gate(account: AccountState, policies: Policies, at: datetime) -> Gate:
    """Returns the account's gate at ``at``: whether it is asked, and whether it may put the notice
    off.
    """
    if account.closed_at is not None:
        return Gate.closed
    newest = policies.newest_material(at)
    now = policies.in_force(at)
    minor = account.age is not None and now.refuses_age(account.age, account.region)
    if newest is None or account.plan not in now.plans or minor:
        return Gate.not_asked
    if not unanswered_since(account, now, newest):
        return Gate.open
    asking = policies.versions[newest]
    ends = asking.notice_ends
    if account.opened_at >= asking.effective or (ends is not None and at >= ends):
        return Gate.must_decide
    return Gate.notice


def unanswered_questions(
    account: AccountState, policies: Policies, now: datetime
) -> tuple[str, ...]:
    """Returns the questions waiting for an answer at ``now``: none where the gate asks nothing."""
    newest = policies.newest_material(now)
    if newest is None or gate(account, policies, now) not in ASKING:
        return ()
    return unanswered_since(account, policies.in_force(now), newest)


def unanswered_since(account: AccountState, now: Policy, newest: int) -> tuple[str, ...]:
    """Returns the questions of ``now`` without an answer under the material version ``newest`` or
    later.
    """
    answered = {
        s.question for s in account.standings if s.answered is not None and s.answered >= newest
    }
    return tuple([question for question in now.asks if question not in answered])


def is_answered(account: AccountState, question: str, newest: int) -> bool:
    """Whether the question is answered, either way, under the material version ``newest``
    or later.
    """
    answered = account.answered_version(question)
    return answered is not None and answered >= newest
