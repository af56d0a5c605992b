"""The types of the API's requests and responses: OpenAPI 3.1 is generated from them, and other
input is rejected.

Times are RFC 3339 in UTC. Ids are ours (`acc_`, `conv_`, `turn_`, `fb_`), or the host's own as
`host:ID`.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from licet import wire
from licet.consent.acts import ActKind
from licet.consent.notice import Variant
from licet.consent.own_conversations import VisibleHold
from licet.erasure.certificates import ErasureStatus
from licet.legal.papers import ListedPaper
from licet.masked import Masked
from licet.policy.decide import DecisionReason, Gate
from licet.policy.file import QUESTION
from licet.policy.outcomes import Effect, NoEffect
from licet.policy.state import ConversationKind, GrantStanding, ScopeKind, Share, TurnRole
from licet.release.part import ROWS_PER_PART_MAX
from licet.release.reader import LEASE_SECONDS, LEASE_SECONDS_MAX
from licet.release.rows import ROWS_MAX
from licet.service.preview_result import PreviewBound
from licet.train.recipients import RecipientSeen
from licet.vault.commands import AGE_MAX, HostCheck, Outcome
from licet.vault.ids import HOST_ID_CHARACTERS_MAX
from licet.vault.staff_reads import ReadReason

TEXT_CHARACTERS_MAX = 4 * 2**20
TITLE_CHARACTERS_MAX = 2_000
ATTACHMENTS_MAX = 100
TOOL_CALLS_MAX = 256
GATE_SECONDS = 60  # for how long a host may use the answer of a gate again
UNDECIDED_GATE_SECONDS = 5  # and while the person must decide first

Name = Annotated[str, Meta(pattern="^[a-z][a-z0-9_.-]{0,31}$", examples=["pro"])]
HostId = Annotated[
    str, Meta(min_length=1, max_length=HOST_ID_CHARACTERS_MAX, description="The host's own id.")
]
REF = "An id of ours, or `host:` and the host's own."
PROJECT_REF = "The host's own id of a project, with `host:` before it or not, or ours, `proj_..`."
Ref = Annotated[str, Meta(min_length=1, max_length=HOST_ID_CHARACTERS_MAX, description=REF)]
Question = Annotated[str, Meta(pattern=f"^{QUESTION.pattern}$", examples=["training"])]
Age = Annotated[int, Meta(ge=0, le=AGE_MAX)]
Short = Annotated[str, Meta(max_length=200)]


class RequestBody(Masked, msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request body. Unknown keys are rejected, because a misspelt one would otherwise be
    ignored.
    """


class ResponseBody(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A response body."""


class WireAnswer(Masked):
    """A response body that clients read as its base in `licet.wire`, and that has its
    description.
    """

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.__doc__ = next(
            base.__doc__ for base in cls.__mro__[1:] if issubclass(base, msgspec.Struct)
        )


class NewAccount(RequestBody, frozen=True, kw_only=True):
    """``host`` is the host's own id; only an HMAC of it is stored.

    ``begin_anew`` opens a new account if that of this id is closed. The closed one stays closed,
    can then be reached only by our id, and passes nothing to the new one. It has no effect on an
    open account.
    """

    host: HostId
    plan: Name
    age: Age | None = None
    opened: Annotated[
        datetime | None,
        Meta(
            description="When your application opened it, with an offset; without it, now. An "
            "account that was opened "
            "before a version's first instant may put its notice off until the version's last day "
            "to decide; one that was "
            "opened later must decide before it writes. It counts at the first call alone.",
            examples=["2024-05-02T09:00:00Z"],
        ),
    ] = None
    begin_anew: bool = False


class NewPlan(RequestBody, frozen=True, kw_only=True):
    plan: Name


class NewAge(RequestBody, frozen=True, kw_only=True):
    age: Age | None


class NewScope(RequestBody, frozen=True, kw_only=True):
    """A project or a conversation: exactly one. An invalid id names nothing, like an
    unknown one.
    """

    project: Annotated[str, Meta(description=PROJECT_REF)] | None = None
    conversation: Annotated[str, Meta(description=REF)] | None = None


class NewChoice(RequestBody, frozen=True, kw_only=True):
    """``question`` is one that the version in force asks. A no without it answers all of them; a
    yes may omit it if one is asked. ``scope`` makes it a yes for a project or a conversation alone;
    ``keep`` names those whose permissions a no leaves in force. ``showing`` is the notice that this
    answers; ``via`` the place of the answer. A no counts whatever ``scope``, ``keep`` and
    ``showing`` are.
    """

    allow: bool
    question: Question | None = None
    scope: NewScope | None = None
    keep: tuple[NewScope, ...] = ()
    age: Age | None = None
    via: Name = "api"
    surface: Name = "app"
    showing: str | None = None


class NewTitle(RequestBody, frozen=True, kw_only=True):
    """``title`` is the person's name for the project, sealed; it is used if the project has none
    yet.
    """

    title: Annotated[str, Meta(max_length=TITLE_CHARACTERS_MAX)] = ""


class NewShowing(RequestBody, frozen=True, kw_only=True):
    """A notice of `GET ../notice` that the host has shown."""

    notice: Short
    surface: Name = "app"


class Accepted(RequestBody, frozen=True, kw_only=True):
    showing: Short | None = None


class NewToolCall(RequestBody, frozen=True, kw_only=True):
    id: Annotated[str, Meta(max_length=HOST_ID_CHARACTERS_MAX)]
    name: Short
    arguments: Annotated[str, Meta(max_length=TEXT_CHARACTERS_MAX)]


class NewTurn(RequestBody, frozen=True, kw_only=True):
    """A turn. ``conversation`` names an existing one or, as `host:ID`, begins it. ``id`` is the
    host's own id of the turn: a second turn with it is not added.

    A turn of the role ``system`` has the instructions that the host gave its model, and in
    ``tools`` the JSON text of the offered tools; send it after the person's first words. ``grant``
    is the one that the gate named when the turn was written: a late turn is stamped under no newer
    grant. ``project`` is the host's own id of the conversation's project, determined by its first
    turn.
    """

    account: Ref
    conversation: Ref | None = None
    id: HostId | None = None
    role: TurnRole = TurnRole.user
    text: Annotated[str, Meta(max_length=TEXT_CHARACTERS_MAX)] = ""
    tool_calls: Annotated[tuple[NewToolCall, ...], Meta(max_length=TOOL_CALLS_MAX)] = ()
    tool_call_id: Annotated[str, Meta(max_length=HOST_ID_CHARACTERS_MAX)] = ""
    tool_name: Short = ""
    tools: Annotated[str, Meta(max_length=TEXT_CHARACTERS_MAX)] = ""
    attachments: Annotated[tuple[Short, ...], Meta(max_length=ATTACHMENTS_MAX)] = ()
    model: Short = ""
    title: Annotated[str, Meta(max_length=TITLE_CHARACTERS_MAX)] = ""
    origin: Name | None = None
    surface: Name = "app"
    kind: ConversationKind = ConversationKind.chat
    incognito: bool = False
    keep_out: bool = False
    thread: Annotated[str, Meta(max_length=HOST_ID_CHARACTERS_MAX)] = ""
    grant: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    project: HostId | None = None
    project_title: Annotated[str, Meta(max_length=TITLE_CHARACTERS_MAX)] = ""


class NewFeedback(RequestBody, frozen=True, kw_only=True):
    """``turn`` is the number of the rated answer, 0 for the conversation. With ``check`` it is the
    service's: ``rating`` is whether the answer passed, and ``score`` an optional number.
    """

    rating: Annotated[str, Meta(pattern="^(up|down)$")]
    share: Share = Share.rating
    turn: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0
    comment: Annotated[str, Meta(max_length=20_000)] = ""
    id: HostId | None = None
    check: HostCheck | None = None
    score: float | None = None


class Acknowledged(RequestBody, frozen=True, kw_only=True):
    """``endpoint`` is the name of the host that removed the content: `licet webhooks list`."""

    endpoint: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_.-]{0,63}$", examples=["chat"])]


class NewRead(RequestBody, frozen=True, kw_only=True):
    """Why staff read a conversation, and under which ticket."""

    reason: ReadReason
    ticket: Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._/#-]{0,63}$")]


class NewLease(RequestBody, frozen=True, kw_only=True):
    """Rows of one part, by ordinal; without ``ordinals``, all of it. ``recipient`` receives the
    keys.
    """

    part: Annotated[int, Meta(ge=0, le=2**31 - 1)]
    recipient: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_.-]{0,63}$", examples=["training"])]
    ordinals: (
        Annotated[
            tuple[Annotated[int, Meta(ge=0, lt=ROWS_MAX)], ...], Meta(max_length=ROWS_PER_PART_MAX)
        ]
        | None
    ) = None
    seconds: Annotated[int, Meta(ge=1, le=LEASE_SECONDS_MAX)] = LEASE_SECONDS


class QuestionAnswer(WireAnswer, wire.QuestionStanding, frozen=True, kw_only=True):
    standing: GrantStanding


class AccountAnswer(WireAnswer, wire.Account, frozen=True, kw_only=True):
    gate: Gate
    questions: tuple[QuestionAnswer, ...]


class GateAnswer(WireAnswer, wire.GateStatus, frozen=True, kw_only=True):
    gate: Gate
    standings: dict[str, GrantStanding]
    fresh_seconds: int = GATE_SECONDS


class NoticeText(ResponseBody, frozen=True, kw_only=True):
    """A published notice. ``later`` is empty if it cannot be put off, ``age`` if no age is asked.

    ``what``, ``how_long``, ``never`` and ``change`` are the four lines to show with the question,
    each one line of Markdown; empty in a notice without them.
    """

    id: str
    language: str
    variant: Variant
    sha256: str
    title: str
    terms: str
    what: str
    how_long: str
    never: str
    change: str
    question: str
    yes: str
    no: str
    later: str
    age: str
    body: str
    html: str


class NoticeAnswer(WireAnswer, wire.NoticeResult, frozen=True, kw_only=True):
    gate: Gate
    variant: Variant
    notice: NoticeText | None  # type: ignore[assignment]  # clients read it as a dict


class Showing(ResponseBody, frozen=True, kw_only=True):
    """A notice that was shown. ``put_off_at`` is when it was put off."""

    id: str
    account: str
    notice: str
    sha256: str
    shown_at: datetime
    put_off_at: datetime | None


class GrantAnswer(WireAnswer, wire.GrantResult, frozen=True, kw_only=True):
    scope: ScopeKind


class ChangeAnswer(WireAnswer, wire.ChangeResult, frozen=True, kw_only=True):
    outcome: Outcome
    ended: tuple[GrantAnswer, ...] = ()


class OpenedAnswer(WireAnswer, wire.OpenedAccount, frozen=True, kw_only=True):
    outcome: Outcome


class AnsweredAnswer(WireAnswer, wire.AnsweredQuestion, frozen=True, kw_only=True):
    scope: ScopeKind
    effect: Effect
    kept: tuple[GrantAnswer, ...]


class ChosenAnswer(WireAnswer, wire.ChoiceResult, frozen=True, kw_only=True):
    outcome: Outcome
    effect: Effect
    answers: tuple[AnsweredAnswer, ...]
    because: NoEffect | None
    ended: tuple[GrantAnswer, ...]


class ChoiceAnswer(WireAnswer, wire.Choice, frozen=True, kw_only=True):
    scope: ScopeKind


class ChoicePage(WireAnswer, wire.Choices, frozen=True, kw_only=True):
    items: tuple[ChoiceAnswer, ...]


class SaidAnswer(WireAnswer, wire.Said, frozen=True, kw_only=True):
    act: ActKind


class GivenGrantAnswer(WireAnswer, wire.GivenGrant, frozen=True, kw_only=True):
    scope: ScopeKind
    said: SaidAnswer | None


class QuestionStandingAnswer(WireAnswer, wire.AccountQuestion, frozen=True, kw_only=True):
    standing: GrantStanding
    said: SaidAnswer | None


class StandingItemAnswer(WireAnswer, wire.StandingItem, frozen=True, kw_only=True):
    scope: ScopeKind
    kept_out: SaidAnswer | None
    own: tuple[GivenGrantAnswer, ...]
    in_force: tuple[GrantAnswer, ...]


class ReplacedTextAnswer(WireAnswer, wire.TextReplacement, frozen=True, kw_only=True):
    pass


class PreviewedTurnAnswer(WireAnswer, wire.TurnPreview, frozen=True, kw_only=True):
    role: TurnRole
    replaced: tuple[ReplacedTextAnswer, ...]


class PreviewBeyondAnswer(WireAnswer, wire.PreviewBeyond, frozen=True, kw_only=True):
    bound: PreviewBound


class PreviewedConversationAnswer(WireAnswer, wire.ConversationPreview, frozen=True, kw_only=True):
    turns: tuple[PreviewedTurnAnswer, ...]
    beyond: PreviewBeyondAnswer | None


class PreviewAnswer(WireAnswer, wire.PreviewResult, frozen=True, kw_only=True):
    refused: NoEffect | None
    items: tuple[PreviewedConversationAnswer, ...]


class StandingPage(WireAnswer, wire.StandingResult, frozen=True, kw_only=True):
    gate: Gate
    questions: tuple[QuestionStandingAnswer, ...]
    items: tuple[StandingItemAnswer, ...]


class TurnTakenAnswer(WireAnswer, wire.TurnResult, frozen=True, kw_only=True):
    outcome: Outcome


class BulkItemAnswer(WireAnswer, wire.BulkItem, frozen=True, kw_only=True, omit_defaults=True):
    pass


class GivenFeedbackAnswer(WireAnswer, wire.FeedbackResult, frozen=True, kw_only=True):
    outcome: Outcome


class SharedTurnAnswer(WireAnswer, wire.SharedTurn, frozen=True, kw_only=True):
    pass


class KeptFeedbackAnswer(WireAnswer, wire.KeptFeedback, frozen=True, kw_only=True):
    share: Share
    because: DecisionReason
    shared: tuple[SharedTurnAnswer, ...]


class FeedbackPageAnswer(WireAnswer, wire.FeedbackPage, frozen=True, kw_only=True):
    items: tuple[KeptFeedbackAnswer, ...]


class BadgeRunAnswer(WireAnswer, wire.BadgeRun, frozen=True, kw_only=True):
    because: DecisionReason


class BadgeAnswer(WireAnswer, wire.Badge, frozen=True, kw_only=True):
    because: DecisionReason
    scope: ScopeKind | None
    runs: tuple[BadgeRunAnswer, ...]


class ConversationAnswer(WireAnswer, wire.Conversation, frozen=True, kw_only=True):
    kind: ConversationKind
    holds: tuple[VisibleHold, ...]
    badges: tuple[BadgeAnswer, ...]


class Documents(ResponseBody, frozen=True, kw_only=True):
    items: tuple[ListedPaper, ...]


class Erasures(ResponseBody, frozen=True, kw_only=True):
    items: tuple[ErasureStatus, ...]


class Recipients(ResponseBody, frozen=True, kw_only=True):
    items: tuple[RecipientSeen, ...]


class ConversationPage(WireAnswer, wire.Conversations, frozen=True, kw_only=True):
    items: tuple[ConversationAnswer, ...]


class ToolCallAnswer(ResponseBody, frozen=True, kw_only=True):
    id: str
    name: str
    arguments: str


class TurnAnswer(ResponseBody, frozen=True, kw_only=True):
    """A turn's content. ``readable`` is false if it was erased, or was never stored."""

    id: str
    number: int
    role: TurnRole
    origin: str
    at: datetime
    readable: bool
    text: str
    tool_calls: tuple[ToolCallAnswer, ...]
    tools: str
    attachments: tuple[str, ...]


class TurnPage(ResponseBody, frozen=True, kw_only=True):
    items: tuple[TurnAnswer, ...]
    next: str | None


class StaffReadAnswer(ResponseBody, frozen=True, kw_only=True):
    """A reading of content by staff."""

    id: str
    conversation: str
    role: str
    reason: str
    turns: int
    at: datetime


class ReadPage(ResponseBody, frozen=True, kw_only=True):
    items: tuple[StaffReadAnswer, ...]
    next: str | None


class RatedAnswer(ResponseBody, frozen=True, kw_only=True):
    """A person's rating, `up` or `down`, of a message of a row by its index, or of the
    conversation. With ``check`` it is the host's: whether it passed, with its ``score``.
    """

    message: int | None
    rating: str
    check: str
    score: float | None


class LeaseAnswer(ResponseBody, frozen=True, kw_only=True):
    """Row keys for a limited time: ``keys`` is Base64 of 32 bytes per row, in the order of
    ``ordinals``.

    ``seconds`` from now mean the same as ``expires``, for a client whose clock is wrong.
    ``ratings``, by ordinal, may be used for the same time.
    """

    id: str
    release: str
    part: int
    expires: datetime
    seconds: float
    manifest_sha256: str
    ordinals: tuple[int, ...]
    keys: str
    ratings: dict[int, tuple[RatedAnswer, ...]]


class Version(ResponseBody, frozen=True, kw_only=True):
    version: str
    effective: datetime
    decide_by: date | None
    material: bool
    sha256: str


class PolicyAnswer(ResponseBody, frozen=True, kw_only=True):
    """The version in force as its file has it, and every version, future ones included."""

    policy: str
    in_force: str
    document: dict[str, Any]
    versions: tuple[Version, ...]


class Myself(ResponseBody, frozen=True, kw_only=True):
    """The caller. Every change in a session must send ``csrf``."""

    caller: str
    account: str | None
    name: str | None
    roles: tuple[str, ...]
    scopes: tuple[str, ...]
    csrf: str | None
