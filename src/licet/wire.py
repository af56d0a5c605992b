"""The API's answers with open words in the place of closed ones: what a client reads.

`licet.client` reads these types, and the server's answers derive from them, naming the closed set
of each word. A client ignores unknown keys and accepts unknown words, so that a newer server does
not break it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import msgspec


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """The effect of a verb: ``done``, ``unchanged`` or ``duplicate``, its time and its account."""

    outcome: str
    at: datetime
    account: str


class Scoped(msgspec.Struct, frozen=True, kw_only=True):
    """``scope`` is what it applies to; ``project`` and ``conversation`` are our ids, null for
    another scope.
    """

    scope: str
    project: str | None = None
    conversation: str | None = None


class GrantResult(Scoped, frozen=True, kw_only=True):
    """A grant: the yes to one question, for a scope, by its number in the account."""

    number: int
    question: str


class ChangeResult(Done, frozen=True, kw_only=True):
    """The effect of a verb: ``done``, ``unchanged`` or ``duplicate``. ``erasure`` is the one that
    began, ``ended`` are the grants that ended.
    """

    conversation: str | None = None
    project: str | None = None
    erasure: str | None = None
    ended: tuple[GrantResult, ...] = ()


class OpenedAccount(Done, frozen=True, kw_only=True):
    """The account of a host's id: ``done`` if it is new, ``duplicate`` if it existed. ``closed_at``
    is null unless that account is closed: it can never be used again, and `begin_anew` opens
    another.
    """

    closed_at: datetime | None = None


class QuestionStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A question of the version in force, its purposes, and the account's standing. ``answered`` is
    the policy version that was answered last; ``unanswered``: it is asked now.
    """

    question: str
    covers: tuple[str, ...]
    standing: str
    answered: str | None
    unanswered: bool


class Account(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    plan: str
    age_known: bool
    opened_at: datetime
    closed_at: datetime | None
    gate: str
    questions: tuple[QuestionStanding, ...]
    region: str | None


class GateStatus(msgspec.Struct, frozen=True, kw_only=True):
    """``may_write`` is all that an assistant needs; ``policy`` is the version in force.

    ``standings`` are by question, ``unanswered`` the questions that are asked now. ``grant`` is the
    number of the newest grant in force, of any scope, 0 for none: a turn that is sent later names
    it. ``because`` is the code of a no, a `ReasonCode` of `licet.client`, and ``detail`` its
    sentence; both are empty if the person may write. The answer may be reused for
    ``fresh_seconds``.
    """

    account: str
    gate: str
    may_write: bool
    standings: Mapping[str, str]
    unanswered: tuple[str, ...]
    grant: int
    policy: str
    decide_by: date | None
    because: str = ""
    detail: str = ""
    fresh_seconds: int = 60


class GateResult(GateStatus, frozen=True, kw_only=True):
    """The gate of an account, or why it is unknown. ``retry_after`` is the wait in seconds that an
    overloaded server asks for.
    """

    retry_after: float = 0.0


def unknown_gate(
    because: str = "", detail: str = "", *, retry_after: float = 0.0, fresh_seconds: int = 0
) -> GateResult:
    """The gate without an answer of the server: closed."""
    return GateResult(
        account="",
        gate="unknown",
        may_write=False,
        standings={},
        unanswered=(),
        grant=0,
        policy="",
        decide_by=None,
        because=because,
        detail=detail,
        fresh_seconds=fresh_seconds,
        retry_after=retry_after,
    )


class CallerResult(msgspec.Struct, frozen=True, kw_only=True):
    """The caller: a `service` has ``scopes``, a ``person`` an ``account``."""

    caller: str
    account: str | None
    name: str | None
    scopes: tuple[str, ...] = ()


class ChoiceScope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A project, by the host's own id or Licet's, or a conversation, by Licet's id or `host:` and
    the host's: exactly one.
    """

    project: str | None = None
    conversation: str | None = None


class AnsweredQuestion(Scoped, frozen=True, kw_only=True):
    """The effect of a choice on one question. ``grant`` began or was affirmed; ``kept`` were named
    by a no and stay.
    """

    question: str
    effect: str
    grant: int | None
    kept: tuple[GrantResult, ...]


class ChoiceResult(Done, frozen=True, kw_only=True):
    """``effect`` is that of ``answers``: of several the first of `began`, `affirmed`, `withdrew`,
    `declined`. If it is `none`, ``because`` is the reason, a stable word, and ``detail`` what to
    do; ``could_name`` are then the questions that could have been named.

    ``ended`` are the grants that it ended. ``not_taken`` are ignored keys of the request, as
    `showing` or `keep[0]`: they named nothing of the account's, or do not go with a no.
    """

    effect: str
    answers: tuple[AnsweredQuestion, ...]
    because: str | None
    detail: str
    could_name: tuple[str, ...]
    ended: tuple[GrantResult, ...]
    not_taken: tuple[str, ...]


class Choice(Scoped, frozen=True, kw_only=True):
    """A choice about one question; ``question`` is null if it named none and several were asked.
    ``because`` is why it had no effect; ``kept`` are the numbers of the grants that a no named.
    """

    at: datetime
    question: str | None
    allow: bool
    effect: str
    because: str | None
    grant: int | None
    kept: tuple[int, ...]
    via: str
    policy: str


class Choices(msgspec.Struct, frozen=True, kw_only=True):
    items: tuple[Choice, ...]
    next: str | None


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """The act behind an answer: a `yes`, a `no`, or the end of a yes: `lapsed`, `kept_out`. ``via``
    and ``surface`` are its channel, ``policy`` the version in force then; ``cause`` is why it
    lapsed.
    """

    act: str
    at: datetime
    via: str | None
    surface: str | None
    policy: str | None
    cause: str | None


class GivenGrant(GrantResult, frozen=True, kw_only=True):
    """A grant in force, and the act that gave it; null if that is not on record."""

    said: Said | None


class AccountQuestion(QuestionStanding, frozen=True, kw_only=True):
    """A question for the whole account; ``grant`` is the account's own in force."""

    grant: int | None
    said: Said | None


class StandingItem(Scoped, frozen=True, kw_only=True):
    """A project, or a conversation. ``title`` is only for its person. ``own`` are the grants given
    for exactly this, ``in_force`` the narrowest that covers it for each question.
    """

    title: str
    begun_at: datetime
    incognito: bool
    kept_out: Said | None
    own: tuple[GivenGrant, ...]
    in_force: tuple[GrantResult, ...]


class StandingResult(msgspec.Struct, frozen=True, kw_only=True):
    """The account, then each project followed by its conversations, and conversations without a
    project, oldest first.
    """

    account: str
    gate: str
    policy: str
    questions: tuple[AccountQuestion, ...]
    items: tuple[StandingItem, ...]
    next: str | None


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """The answer for ``turns`` consecutive turns from ``turn`` on, for one purpose, and the act
    behind it.
    """

    turn: str
    turns: int
    role: str
    origin: str
    purpose: str
    use: bool
    because: str
    meaning: str
    until: datetime | None
    policy: str
    policy_in_force: str
    question: str | None
    grant: int | None
    given_for: dict[str, str | None] | None
    act: Said | None


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why a conversation, or one turn of it, may or may not be used, and its retention."""

    conversation: str
    account: str
    project: str | None
    kind: str
    incognito: bool
    kept_out: bool
    deleted_at: datetime | None
    held: bool
    keep_until: datetime | None
    safety_until: datetime | None
    erased: bool
    answers: tuple[Explained, ...]
    releases: tuple[str, ...]


class TurnResult(Done, frozen=True, kw_only=True):
    """A recorded turn. ``segment`` is the number of its segment.

    ``project`` is our id of the project in which the conversation began, null for none.
    ``other_project``: the turn names another one, which changes nothing.
    """

    conversation: str
    turn: str
    segment: int
    project: str | None
    other_project: bool


class BulkItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to one line of a bulk request. ``status`` is what a request with this line alone
    would return.
    """

    line: int
    status: int
    turn: str = ""
    conversation: str = ""
    project: str | None = None
    other_project: bool = False
    outcome: str = ""
    problem: str = ""
    because: str = ""
    detail: str = ""


class FeedbackResult(Done, frozen=True, kw_only=True):
    conversation: str
    feedback: str


class SharedTurn(msgspec.Struct, frozen=True, kw_only=True):
    """A turn shared with feedback, as it was then."""

    number: int
    text: str


class KeptFeedback(msgspec.Struct, frozen=True, kw_only=True):
    """A stored piece of feedback, and whether it may be used to improve models. ``keep_until`` is
    null under a legal hold.
    """

    id: str
    conversation: str
    turn: int
    rating: str
    share: str
    given_at: datetime
    taken_back_at: datetime | None
    keep_until: datetime | None
    use: bool
    because: str
    until: datetime | None
    comment: str
    shared: tuple[SharedTurn, ...]
    check: str
    score: float | None


class FeedbackPage(msgspec.Struct, frozen=True, kw_only=True):
    items: tuple[KeptFeedback, ...]
    next: str | None


class SentRequestStep(msgspec.Struct, frozen=True, kw_only=True):
    """A step of a request. ``words`` is only for its own person."""

    step: str
    at: datetime
    by: str
    reason: str
    words: str


class SentRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A person's legal request: `open`, `paused`, `answered`, `refused` or `withdrawn`, and its due
    date.
    """

    id: str
    account: str | None
    kind: str
    via: str
    region: str | None
    laws: tuple[str, ...]
    authority: str | None
    state: str
    received_at: datetime
    due_at: datetime
    overdue: bool
    acknowledge_by: datetime | None
    acknowledged_at: datetime | None
    extended_at: datetime | None
    extends_to: datetime | None
    paused_at: datetime | None
    clock_stops: bool
    ended_at: datetime | None
    readable: bool | None = None
    steps: tuple[SentRequestStep, ...] = ()


class SentRequests(msgspec.Struct, frozen=True, kw_only=True):
    """Requests without steps and texts."""

    items: tuple[SentRequest, ...]
    next: str | None


class RightTime(msgspec.Struct, frozen=True, kw_only=True):
    """When a right would be answered if it were requested now; ``extends_to`` with an extension,
    which is announced earlier. ``laws`` are the laws that apply, several if the region is unknown;
    the strictest holds. ``authority`` is the one to complain to, null if it depends on the country.
    """

    kind: str
    due_at: datetime
    extends_to: datetime | None
    acknowledge_by: datetime | None
    laws: tuple[str, ...]
    sources: tuple[str, ...]
    authority: str | None


class RightTimes(msgspec.Struct, frozen=True, kw_only=True):
    region: str | None
    rights: tuple[RightTime, ...]


class BadgeRun(msgspec.Struct, frozen=True, kw_only=True):
    """Consecutive turns with the same answer."""

    first: int
    last: int
    because: str
    until: datetime | None


class Badge(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a conversation may be used for a purpose: `whole`, `part` or `none`, why, and until
    when. If it may, ``scope`` is that of the grant in force (`account`, `project` or
    `conversation`), and ``since`` its time.
    """

    purpose: str
    use: str
    because: str
    until: datetime | None
    scope: str | None
    since: datetime | None
    runs: tuple[BadgeRun, ...]


class TextReplacement(msgspec.Struct, frozen=True, kw_only=True):
    """A replaced text, its replacement, and the detected kind of identifier."""

    was: str
    becomes: str
    kind: str


class TurnPreview(msgspec.Struct, frozen=True, kw_only=True):
    """``text`` is what a model would read, empty if the turn is left out; ``because`` is why it is
    in or out.
    """

    turn: int
    role: str
    used: bool
    because: str
    text: str
    replaced: tuple[TextReplacement, ...]


class PreviewBeyond(msgspec.Struct, frozen=True, kw_only=True):
    """The bound that a conversation exceeds: its amount ``found``, and the ``most`` that
    is shown.
    """

    bound: str
    found: int
    most: int


class ConversationPreview(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation as a release would contain it. ``rows`` counts its rows; ``until`` is when the
    first use ends. With ``beyond`` it is too long to be shown. ``unread`` is the amount of text not
    yet searched for names, in characters plus a constant per message: ``next`` continues the
    search. Both have no turns.
    """

    conversation: str
    rows: int
    until: datetime | None
    languages: tuple[str, ...]
    topics: tuple[str, ...]
    turns: tuple[TurnPreview, ...]
    beyond: PreviewBeyond | None
    unread: int


class PreviewResult(msgspec.Struct, frozen=True, kw_only=True):
    """``refused`` is why the assumed yes would have no effect. Includes rows that a release drops
    as duplicates.
    """

    purpose: str
    question: str | None
    assumed: bool
    refused: str | None
    items: tuple[ConversationPreview, ...]
    next: str | None


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """``title`` is only for its person; ``keep_until`` is null under a legal hold.

    ``holds`` are those that may be disclosed to the person, who gets no others and no date that
    reveals one.
    """

    id: str
    title: str
    kind: str
    begun_at: datetime
    last_at: datetime
    turns: int
    project: str | None
    incognito: bool
    kept_out: bool
    deleted_at: datetime | None
    held: bool
    holds: tuple[Any, ...]
    keep_until: datetime | None
    safety_until: datetime | None
    badges: tuple[Badge, ...]
    releases: tuple[str, ...]


class Conversations(msgspec.Struct, frozen=True, kw_only=True):
    items: tuple[Conversation, ...]
    next: str | None


class NoticeResult(msgspec.Struct, frozen=True, kw_only=True):
    """What the account is asked now, and why.

    ``ends``: the first instant without `later`. ``unanswered`` are the open questions, each of
    which takes a choice of its own.
    """

    account: str
    gate: str
    show: bool
    because: str
    variant: str
    policy: str | None
    decide_by: date | None
    ends: datetime | None
    may_put_off: bool
    asks_age: bool
    languages: tuple[str, ...]
    unanswered: tuple[str, ...]
    terms_accepted_at: datetime | None
    notice: dict[str, Any] | None


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """An event, in the form of a webhook's body. ``data`` depends on ``type``: docs/events.md."""

    id: str
    type: str
    timestamp: datetime
    cursor: str
    data: dict[str, Any]


class Events(msgspec.Struct, frozen=True, kw_only=True):
    """Events, oldest first; ``next`` is where to continue."""

    items: tuple[Event, ...]
    next: str


class EventDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """A notification of a host, and its acknowledgement."""

    event: str
    endpoint: str
    told_at: datetime
    delivered_at: datetime | None
    due_at: datetime
    acknowledged_at: datetime | None
    overdue: bool


class ErasureResult(msgspec.Struct, frozen=True, kw_only=True):
    """The progress of an erasure: ``state`` is `fenced`, `shredded`, `swept` or `verified`."""

    erasure: str
    account: str
    conversation: str | None
    cause: str
    state: str
    requested_at: datetime
    verified_at: datetime | None
    due_at: datetime | None
    held: bool
    hosts: tuple[EventDelivery, ...]
    overdue: int
