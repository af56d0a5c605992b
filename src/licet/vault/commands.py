"""The commands of the vault, and their answers.

A command names its account by Licet's id; strings of the host arrive as HMACs or as sealed content,
never in clear. ``at`` is the edge's clock, or the recorded time in a replay; it is raised to the
account's newest time if it is earlier.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias, assert_never
from uuid import UUID

import msgspec

from licet.errors import UsageError
from licet.masked import Masked
from licet.policy.file import QUESTION
from licet.policy.outcomes import Answer, Effect
from licet.policy.regions import REGION
from licet.policy.state import ConversationKind, Grant, Share, TurnRole

# Reasons for a refusal (`CommandResult.because`) that other modules compare with.
BEFORE_THE_YES = "before_the_yes"
STALE = "stale"
EXPIRED = "expired"
HELD_ALREADY = "held_already"  # the hold takes the new reason and day of review
# recorded history from before the account's newest event, which can give nothing any more
LATE = "late"
OUT_OF_ORDER = "out_of_order"  # a recorded turn from before its conversation's newest one


BATCH_COMMANDS_MAX = 10_000


class _Command(Masked, msgspec.Struct, frozen=True, kw_only=True):
    account: UUID
    at: datetime


class OpenAccount(_Command, frozen=True, kw_only=True):
    """``account`` is a new id, ignored if the host's account exists. ``opened_at`` is when the host
    opened it, if earlier than this command. ``begin_anew`` takes the host's id from a closed
    account, which stays closed.
    """

    host: bytes
    plan: str
    age: int | None
    opened_at: datetime | None = None
    begin_anew: bool = False


class SetPlan(_Command, frozen=True, kw_only=True):
    plan: str


class SetAge(_Command, frozen=True, kw_only=True):
    age: int | None


class SetRegion(_Command, frozen=True, kw_only=True):
    """``region`` is where the person lives, by ISO 3166; None if unknown."""

    region: str | None


class CloseAccount(_Command, frozen=True, kw_only=True):
    pass


class ShownQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """The question that a choice answers, as the person saw it.

    ``after`` is the number of the account's newest choice when it was shown, 0 for none;
    ``version`` the policy version it asked about.
    """

    showing: UUID
    after: int
    version: int


class ChoiceFault(StrEnum):
    """Why a yes is refused because of something in the same request. A no and an age count all the
    same.
    """

    showing = "unknown_showing"  # it answers a question that was never shown to the account
    scope = "scope_names_not_one"  # neither a project nor a conversation, or both
    keep = "keep_with_a_yes"


class ChosenScope(msgspec.Struct, frozen=True, kw_only=True):
    """A project or a conversation, by Licet's id or the HMAC of the host's: exactly one. An invalid
    id becomes the nil UUID, which names nothing.
    """

    project: UUID | None = None
    host_project: bytes | None = None
    conversation: UUID | None = None
    host_conversation: bytes | None = None


class Choose(_Command, frozen=True, kw_only=True):
    """``evidence`` is sealed; ``via`` is a closed name (notice, settings, signup, cli, import).
    ``question`` None answers all that are asked; a yes can do that only if exactly one is asked.
    ``scope`` None is the account, the only scope of a no; ``keep`` are the scopes whose grants a no
    leaves in force.

    A yes to a question older than the account's newest answer to it, or than the terms in force, is
    refused; the same answer to the same showing is one choice, unless a no would end something.
    ``recorded_at`` is when the host recorded a late refusal, which takes effect at ``at``.
    ``fault`` refuses a yes; ``not_taken`` are the request's keys that named nothing, as far as its
    sender knows.
    """

    allow: bool
    question: str | None = None
    scope: ChosenScope | None = None
    keep: tuple[ChosenScope, ...] = ()
    age: int | None = None
    via: str = "api"
    evidence: str = ""
    answers: ShownQuestion | None = None
    recorded_at: datetime | None = None
    fault: ChoiceFault | None = None
    not_taken: tuple[str, ...] = ()


class _AboutProject(_Command, frozen=True, kw_only=True):
    """``project`` is Licet's id of an existing project; otherwise the HMAC of the host's id finds
    or creates one. ``title`` is an envelope of `content.encode`, used if the project has none.
    """

    project: UUID | None = None
    host_project: bytes | None = None
    title: bytes | None = None


class KeepProjectOut(_AboutProject, frozen=True, kw_only=True):
    pass


class LetProjectIn(_AboutProject, frozen=True, kw_only=True):
    """``out_at`` is since when the displayed project was kept out; None lets it in at any state."""

    out_at: datetime | None = None


class AddTurn(_Command, frozen=True, kw_only=True):
    """``conversation`` is Licet's id of an existing one; otherwise the host's id finds or creates
    one. ``content`` is the envelope of `content.encode`, or None for a turn whose content must not
    be stored. ``under`` is the account's newest grant when the turn was written, 0 for none: the
    stamp of a late turn names no newer one. ``host_project`` counts on a conversation's first turn.
    """

    conversation: UUID | None = None
    host_conversation: bytes | None = None
    host_turn: bytes | None = None
    role: TurnRole = TurnRole.user
    origin: str = ""
    surface: str = "app"
    incognito: bool = False
    kind: ConversationKind = ConversationKind.chat
    narrow: bool = False
    content: bytes | None
    title: bytes | None = None
    under: int | None = None
    host_project: bytes | None = None
    project_title: bytes | None = None


class _About(_Command, frozen=True, kw_only=True):
    conversation: UUID


class Delete(_About, frozen=True, kw_only=True):
    pass


class Narrow(_About, frozen=True, kw_only=True):
    pass


class Widen(_About, frozen=True, kw_only=True):
    """``narrowings`` is how often the displayed conversation had been kept out; None lets it in
    unconditionally.
    """

    narrowings: int | None = None


class Flag(_About, frozen=True, kw_only=True):
    score: float | None = None


class Unflag(_About, frozen=True, kw_only=True):
    pass


class HoldReason(StrEnum):
    """Why a conversation must be kept; the matter itself is content."""

    litigation = "litigation"
    investigation = "investigation"
    regulator = "regulator"
    preservation_order = "preservation_order"
    other = "other"


HOLD_REVIEW = timedelta(days=180)
HOLD_REVIEW_MAX = timedelta(days=731)


class Hold(_About, frozen=True, kw_only=True):
    """``review_at`` is when somebody must check whether the hold is still needed, by default after
    180 days; a hold never ends by itself. ``is_told``: whether its person may see it. ``by`` is
    ``staff:..`` or ``user:..``. If the matter already holds the conversation, its reason, date and
    ``is_told`` are replaced.
    """

    matter: str
    reason: HoldReason = HoldReason.other
    review_at: datetime | None = None
    is_told: bool = True
    by: str = ""


class Unhold(_About, frozen=True, kw_only=True):
    matter: str


class HostCheck(StrEnum):
    """The kind of a host's check of an answer; `reward` is a score of any other kind, such as a
    reward model's.
    """

    tests = "tests"
    build = "build"
    lint = "lint"
    task = "task"
    accepted = "accepted"
    reward = "reward"


class GiveFeedback(_About, frozen=True, kw_only=True):
    """``turn`` is the rated answer, 0 for the conversation; ``comment`` is an envelope or None.
    With ``check`` it is the host's: ``rating`` is whether the answer passed, ``score`` an optional
    number.
    """

    rating: str
    share: Share
    turn: int = 0
    comment: bytes | None = None
    host: bytes | None = None
    check: HostCheck | None = None
    score: float | None = None


class TakeBackFeedback(_About, frozen=True, kw_only=True):
    """``feedback`` is the account's own, on the conversation."""

    feedback: UUID


About: TypeAlias = (
    TakeBackFeedback | Delete | Narrow | Widen | Flag | Unflag | Hold | Unhold | GiveFeedback
)
AboutProject: TypeAlias = KeepProjectOut | LetProjectIn
Command: TypeAlias = (
    OpenAccount
    | SetPlan
    | SetAge
    | SetRegion
    | CloseAccount
    | Choose
    | AddTurn
    | About
    | AboutProject
)


NAME = re.compile(r"[a-z][a-z0-9_.-]{0,31}")
AGE_MAX = 150
RATINGS = ("up", "down")
SCORE_MAX = 1e9
TEXT_BYTES_MAX = 64 * 2**10
KEPT_SCOPES_MAX = 1_000  # that a no may name


def check(command: Command) -> None:
    """UsageError for a value that no table accepts; the value is not quoted, because it may be
    content.
    """
    _require(command.at.tzinfo is not None, "at", "has no UTC offset")
    match command:
        case AddTurn():  # the first, because most are
            _name("surface", command.surface)
            _name("origin", command.origin or command.role.value)
        case OpenAccount():
            _name("plan", command.plan)
            _age(command.age)
        case SetPlan():
            _name("plan", command.plan)
        case SetAge():
            _age(command.age)
        case SetRegion():
            is_one = command.region is None or REGION.fullmatch(command.region) is not None
            _require(
                is_one,
                "region",
                "is no code of ISO 3166: write a country as DE, or a part of one as US-CA",
            )
        case Choose():
            _age(command.age)
            _name("via", command.via)
            _text("evidence", command.evidence)
            _choice(command)
        case KeepProjectOut() | LetProjectIn():
            _one_of(command.project, command.host_project)
        case Hold():
            _matter(command.matter)
            if command.review_at is not None:
                _require(command.review_at.tzinfo is not None, "review_at", "has no UTC offset")
                days = HOLD_REVIEW_MAX.days
                _require(
                    command.at < command.review_at <= command.at + HOLD_REVIEW_MAX,
                    "review_at",
                    f"is not between now and {days} days from now",
                )
        case Unhold():
            _matter(command.matter)
        case Flag():
            _require(
                command.score is None or 0 <= command.score <= 1, "score", "is not between 0 and 1"
            )
        case GiveFeedback():
            _require(command.rating in RATINGS, "rating", f"is not one of {', '.join(RATINGS)}")
            _require(command.turn >= 0, "turn", "is negative")
            is_whole = command.check is None or (
                command.share is Share.rating and command.comment is None
            )
            _require(is_whole, "check", "shares nothing and has no comment")
            is_score = command.score is None or (
                command.check is not None and abs(command.score) <= SCORE_MAX
            )
            _require(
                is_score,
                "score",
                f"is not of a check, or not between -{SCORE_MAX:.0f} and {SCORE_MAX:.0f}",
            )
        case CloseAccount() | TakeBackFeedback() | Delete() | Narrow() | Widen() | Unflag():
            pass
        case _:
            assert_never(command)


def _choice(command: Choose) -> None:
    if command.question is not None:
        holds = QUESTION.fullmatch(command.question) is not None
        _require(
            holds, "question", f"is not the name of a question: it must match {QUESTION.pattern}"
        )
    _require(
        command.allow or command.scope is None,
        "scope",
        "belongs to a yes; to exclude something, keep it out",
    )
    _require(not command.allow or not command.keep, "keep", "belongs to a no")
    _require(
        len(command.keep) <= KEPT_SCOPES_MAX, "keep", f"names more than {KEPT_SCOPES_MAX} scopes"
    )
    for scope in (*command.keep, *([command.scope] if command.scope is not None else [])):
        _one_of(scope.project, scope.host_project, scope.conversation, scope.host_conversation)


def _one_of(*ids: UUID | bytes | None) -> None:
    _require(
        sum(one is not None for one in ids) == 1,
        "scope",
        "must name either a project or a conversation",
    )


def _require(holds: bool, key: str, message: str) -> None:
    if not holds:
        raise UsageError(f"`{key}` {message}")


def _name(key: str, value: str) -> None:
    if NAME.fullmatch(value) is None:
        raise UsageError(f"`{key}` is not a valid name: it must match {NAME.pattern}")


def _age(age: int | None) -> None:
    _require(age is None or 0 <= age <= AGE_MAX, "age", f"is not between 0 and {AGE_MAX}")


def _matter(value: str) -> None:
    _require(bool(value.strip()), "matter", "is empty")
    _text("matter", value)


def _text(key: str, value: str) -> None:
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise UsageError(f"`{key}` contains half a surrogate pair") from None
    _require(size <= TEXT_BYTES_MAX, key, f"is longer than {TEXT_BYTES_MAX} bytes")


class Outcome(StrEnum):
    """``done`` took effect; ``unchanged`` changes nothing; ``duplicate`` was done before."""

    done = "done"
    unchanged = "unchanged"
    duplicate = "duplicate"
    refused = "refused"
    unknown = "unknown"


class CommandResult(msgspec.Struct, frozen=True, kw_only=True):
    """``because`` is why the command was refused or changed nothing; ids are those of what it
    created or concerns. ``answers`` are those of a choice, one a question; ``could_name`` the
    questions that a yes without one could have named; ``ended`` the grants that it ended; ``aged``:
    a choice's age was recorded; ``not_taken``: the ignored keys of a choice, as `scope` or
    `keep[0]`. ``erasure`` is the one that began. ``closed_at`` is when the account to be opened was
    closed. ``project`` is that of the turn's conversation; ``other_project``: the turn names
    another one.
    """

    outcome: Outcome
    at: datetime
    because: str = ""
    account: UUID
    conversation: UUID | None = None
    project: UUID | None = None
    turn: int = 0
    segment: int = -1
    feedback: UUID | None = None
    answers: tuple[Answer, ...] = ()
    could_name: tuple[str, ...] = ()
    ended: tuple[Grant, ...] = ()
    aged: bool = False
    not_taken: tuple[str, ...] = ()
    erasure: UUID | None = None
    closed_at: datetime | None = None
    other_project: bool = False

    @property
    def effect(self) -> Effect | None:
        """The effect of a choice that answered one question; None of any other."""
        return self.answers[0].effect if len(self.answers) == 1 else None


_RESTRICTING = (
    SetPlan,
    SetAge,
    SetRegion,
    CloseAccount,
    Delete,
    Narrow,
    KeepProjectOut,
    Unflag,
    Hold,
    Unhold,
    TakeBackFeedback,
)


def may_restrict(command: object) -> bool:
    """Whether the command restricts the use of content."""
    return not command.allow if isinstance(command, Choose) else isinstance(command, _RESTRICTING)
