"""The responses of the API as the client reads them. Unknown keys in a response are ignored."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import msgspec


class GrantResult(msgspec.Struct, frozen=True, kw_only=True):
    """A yes to one question; ``scope`` is `account`, `project` or `conversation`, whose Licet id is
    given.
    """

    number: int
    question: str
    scope: str
    project: str | None = None
    conversation: str | None = None


class ChangeResult(msgspec.Struct, frozen=True, kw_only=True):
    """``outcome`` is `done`, `unchanged` or `duplicate`; ``erasure`` is the one that it began,
    which ends with a certificate.

    ``ended`` are the grants that it ended, so that the person can be told.
    """

    outcome: str
    at: datetime
    account: str
    conversation: str | None = None
    project: str | None = None
    erasure: str | None = None
    ended: tuple[GrantResult, ...] = ()


class OpenedAccount(msgspec.Struct, frozen=True, kw_only=True):
    """``outcome`` is `done` for a new account, `duplicate` for one that was here already.
    ``closed_at`` is when that one was closed: it can never be used again, and ``begin_anew`` opens
    another under the same id of the host.
    """

    outcome: str
    at: datetime
    account: str
    closed_at: datetime | None = None


class QuestionStanding(msgspec.Struct, frozen=True, kw_only=True):
    """An account's standing in a question; ``answered`` is the policy version answered last."""

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
    region: str | None = None  # a server from before this said none


class GateResult(msgspec.Struct, frozen=True, kw_only=True):
    """``may_write`` is the whole answer. ``because`` says why it is unknown, and is empty
    otherwise.

    ``standings`` are by question, ``unanswered`` those that are asked now; ``grant`` is the newest
    grant in force, 0 for none.
    """

    gate: str
    may_write: bool
    account: str = ""
    standings: dict[str, str] = {}
    unanswered: tuple[str, ...] = ()
    grant: int = 0
    policy: str = ""
    decide_by: date | None = None
    because: str = ""


class ChoiceScope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A project, by the host's own id or Licet's, or a conversation, by Licet's id or `host:` and
    the host's: exactly one.
    """

    project: str | None = None
    conversation: str | None = None


class AnsweredQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """The effect of a choice on one question; ``kept`` are the grants that a no left in force."""

    question: str
    effect: str
    grant: int | None
    scope: str
    project: str | None
    conversation: str | None
    kept: tuple[GrantResult, ...]


class ChoiceResult(msgspec.Struct, frozen=True, kw_only=True):
    """``effect`` is `began`, `affirmed`, `withdrew`, `declined` or `none`; ``answers`` has it for
    each question.

    For `none`, ``because`` is the reason and ``detail`` what to do; ``could_name`` are questions
    that a yes could have named. ``ended`` are the grants that it ended. ``not_taken`` are keys of
    the request without which it counted, as `showing` or `keep[0]`, because they named nothing.
    """

    outcome: str
    at: datetime
    account: str
    effect: str
    answers: tuple[AnsweredQuestion, ...] = ()
    because: str | None = None
    detail: str = ""
    could_name: tuple[str, ...] = ()
    ended: tuple[GrantResult, ...] = ()
    not_taken: tuple[str, ...] = ()


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded choice; ``question`` is None if it named none and several were asked."""

    at: datetime
    question: str | None
    scope: str
    project: str | None
    conversation: str | None
    allow: bool
    effect: str
    because: str | None
    grant: int | None
    kept: tuple[int, ...]
    via: str
    policy: str


class Choices(msgspec.Struct, frozen=True, kw_only=True):
    """A page, newest first; ``next`` is the cursor of the one after it."""

    items: tuple[Choice, ...]
    next: str | None


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """The act behind an answer: ``act`` is `yes`, `no`, `lapsed` or `kept_out`."""

    act: str
    at: datetime
    via: str | None
    surface: str | None
    policy: str | None
    cause: str | None


class GivenGrant(GrantResult, frozen=True, kw_only=True):
    said: Said | None


class AccountQuestion(QuestionStanding, frozen=True, kw_only=True):
    """A question for the account as a whole; ``grant`` is the account's own in force."""

    grant: int | None
    said: Said | None


class StandingItem(msgspec.Struct, frozen=True, kw_only=True):
    """A project, or a conversation: what was given for exactly it, and which grants cover it."""

    scope: str
    project: str | None
    conversation: str | None
    title: str
    begun_at: datetime
    incognito: bool
    kept_out: Said | None
    own: tuple[GivenGrant, ...]
    in_force: tuple[GrantResult, ...]


class StandingResult(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the tree; ``next`` is the cursor of the one after it."""

    account: str
    gate: str
    policy: str
    questions: tuple[AccountQuestion, ...]
    items: tuple[StandingItem, ...]
    next: str | None


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """The answer for a run of ``turns`` turns from ``turn`` on, for one purpose, and the act behind
    it.
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
    """Why a conversation, or one turn of it, may or may not be used, and how long it is kept."""

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


class TurnResult(msgspec.Struct, frozen=True, kw_only=True):
    """``project`` is the one that the conversation began in, which counts; ``other_project``: the
    turn names another.
    """

    outcome: str
    at: datetime
    account: str
    conversation: str
    turn: str
    segment: int
    project: str | None = None
    other_project: bool = False


class BulkItem(msgspec.Struct, frozen=True, kw_only=True):
    """The response for one turn of `say_all`; ``status`` is 201 if it was accepted."""

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


class FeedbackResult(msgspec.Struct, frozen=True, kw_only=True):
    outcome: str
    at: datetime
    account: str
    conversation: str
    feedback: str


class SharedTurn(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    text: str


class KeptFeedback(msgspec.Struct, frozen=True, kw_only=True):
    """Feedback that is stored; ``comment`` and ``shared`` are for its own person alone."""

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
    """A step of a request. ``words`` is for its own person alone."""

    step: str
    at: datetime
    by: str
    reason: str
    words: str


class SentRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request of a person under the law: `open`, `paused`, `answered`, `refused` or `withdrawn`,
    and by when it is due.
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
    """A page of requests, newest first, without their steps."""

    items: tuple[SentRequest, ...]
    next: str | None


class RightTime(msgspec.Struct, frozen=True, kw_only=True):
    """By when a right would be answered if it were asked for now."""

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
    first: int
    last: int
    because: str
    until: datetime | None


class Badge(msgspec.Struct, frozen=True, kw_only=True):
    """``use`` is `whole`, `part` or `none`; ``scope`` and ``since`` name the permission by which it
    may be used.
    """

    purpose: str
    use: str
    because: str
    until: datetime | None
    runs: tuple[BadgeRun, ...]
    scope: str | None = None  # older servers send neither
    since: datetime | None = None


class TextReplacement(msgspec.Struct, frozen=True, kw_only=True):
    """A replaced text, its replacement, and the kind of identifier that it was taken for."""

    was: str
    becomes: str
    kind: str


class TurnPreview(msgspec.Struct, frozen=True, kw_only=True):
    """``text`` is what a model would read, empty if the turn is left out; ``because`` says why it
    is in or out.
    """

    turn: int
    role: str
    used: bool
    because: str
    text: str
    replaced: tuple[TextReplacement, ...]


class PreviewBeyond(msgspec.Struct, frozen=True, kw_only=True):
    """How much of something a conversation has, and the most that is shown."""

    bound: str
    found: int
    most: int


class ConversationPreview(msgspec.Struct, frozen=True, kw_only=True):
    """With ``beyond`` it is too long to be shown; if ``unread`` is not 0, ``next`` continues it."""

    conversation: str
    rows: int
    until: datetime | None
    languages: tuple[str, ...]
    topics: tuple[str, ...]
    turns: tuple[TurnPreview, ...]
    beyond: PreviewBeyond | None
    unread: int


class PreviewResult(msgspec.Struct, frozen=True, kw_only=True):
    """``refused`` says why the assumed yes would have no effect."""

    purpose: str
    question: str | None
    assumed: bool
    refused: str | None
    items: tuple[ConversationPreview, ...]
    next: str | None


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
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
    keep_until: datetime | None
    safety_until: datetime | None
    badges: tuple[Badge, ...]
    releases: tuple[str, ...]


class Conversations(msgspec.Struct, frozen=True, kw_only=True):
    """A page; ``next`` is the cursor of the one after it."""

    items: tuple[Conversation, ...]
    next: str | None


class NoticeResult(msgspec.Struct, frozen=True, kw_only=True):
    """What the account must be asked now. ``notice`` has the published text, None if there is
    none.
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
    """What a host was told, and its acknowledgement."""

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
