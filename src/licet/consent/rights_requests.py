"""Rights requests (GDPR and others): sending, pausing, extending, answering, refusing, withdrawing.

A person sends a request from a page or through their host; staff enter one from another channel,
with how its sender was identified. Steps are append-only and name their actor. An objection or a
request to restrict is also a no to every question, recorded in the same transaction; without a text
it is then complete, and the request ends at once.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar, assert_never
from uuid import UUID

import msgspec

from licet import wire
from licet.consent import deadlines, request_register, rights
from licet.consent.choices import ChoiceRequest
from licet.consent.deadlines import PauseReason, RightKind
from licet.consent.request_register import NewRequestStep, RequestRow, SeenStep
from licet.consent.rights import (
    REFUSES,
    ExtensionReason,
    ReceivedVia,
    RefusalReason,
    RequestClock,
    RequestState,
    RequestStep,
)
from licet.errors import NotFoundError, RefusedError, UsageError
from licet.keys.keyring import Keyring
from licet.masked import Masked
from licet.policy.file import Policies
from licet.store.connect import Transaction, transaction
from licet.vault import account_region, host_events, tables
from licet.vault.commands import CommandResult
from licet.vault.ids import Prefix, format_id, parse, uuid7
from licet.vault.installation import Installation
from licet.vault.requests import VerbRequest, VerbStep

WORDS_CHARACTERS_MAX = 10_000
OPEN_REQUESTS_MAX = 20  # of one account
RECEIVED_DAYS_MAX = 366  # how long ago a request that is entered may have come
LISTED_MAX = 200
PERSON, LICET = "person", "licet"
NEEDS_WORDS = frozenset({RightKind.rectification, RightKind.complaint})
Reason = TypeVar("Reason", bound=StrEnum)


class StaffAct(StrEnum):
    """A step that staff take."""

    acknowledge = "acknowledge"
    pause = "pause"
    resume = "resume"
    extend = "extend"
    answer = "answer"
    refuse = "refuse"


class RightsRequest(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A request with its steps; ``readable``: its texts can be unsealed."""

    row: RequestRow
    steps: tuple[SeenStep, ...]
    readable: bool

    @property
    def shown_id(self) -> str:
        return format_id(Prefix.request, self.row.request)


# The person's


# These write in `prepare`: what one of a batch does to a request, the next one sees.


class SendRequest(VerbRequest, frozen=True, kw_only=True):
    """Records a request; `WriteResult.finished` is its `RequestRow`."""

    keyring: Keyring
    kind: RightKind
    words: str = ""
    via: ReceivedVia
    by: str = PERSON

    def prepare(self, tx: Transaction, versions: Policies) -> VerbStep:
        """NotFoundError for an unknown account; RefusedError for a closed one, or one with too many
        open requests.
        """
        check_words(self.words)
        if self.kind in NEEDS_WORDS and not self.words.strip():
            raise UsageError(
                f"a request of kind `{self.kind.value}` needs `words`", "say what it is about"
            )
        row = tables.lock_accounts(tx, [self.account]).get(self.account)
        if row is None:
            raise NotFoundError(f"no account `{format_id(Prefix.account, self.account)}`")
        if row.state.closed_at is not None:
            raise RefusedError("the account is closed", because="closed")
        if request_register.open_count(tx, self.account) >= OPEN_REQUESTS_MAX:
            raise RefusedError(
                f"the account has {OPEN_REQUESTS_MAX} open requests",
                "wait for an answer, or withdraw one",
                because="too_many_requests",
            )
        region = account_region.load_regions(tx, [self.account])[self.account]
        if self.kind in REFUSES and versions.in_force(self.at).asks:
            no = ChoiceRequest(account=self.account, at=self.at, allow=False, via="rights").command(
                None
            )
            return VerbStep(commands=(no,), finish=lambda done: self._record(tx, region, done))
        made = self._record(tx, region, ())
        return VerbStep(finish=lambda _: made)

    def _record(
        self, tx: Transaction, region: str | None, done: Sequence[CommandResult]
    ) -> RequestRow:
        at = done[-1].at if done else self.at
        clock = rights.receive(self.kind, region, at, confirmed=self.via is ReceivedVia.page)
        steps = [NewRequestStep(step=RequestStep.received, at=at, by=self.by, words=self.words)]
        if self.via is ReceivedVia.page:
            steps.append(NewRequestStep(step=RequestStep.acknowledged, at=at, by=LICET))
        if done:
            steps.append(NewRequestStep(step=RequestStep.no_recorded, at=at, by=LICET))
        if done and not self.words:
            clock = rights.end(clock, RequestState.answered, at)
            steps.append(NewRequestStep(step=RequestStep.answered, at=at, by=LICET))
        row = RequestRow(
            request=uuid7(at, self.keyring.random(10)),
            account=self.account,
            via=self.via,
            clock=clock,
        )
        request_register.add(tx, self.keyring, row, steps)
        _notify_host(tx, row, at, received=True)
        return row


class ReplyToRequest(VerbRequest, frozen=True, kw_only=True):
    """The person's reply to a paused request, which resumes it."""

    keyring: Keyring
    request: UUID
    words: str

    def prepare(self, tx: Transaction, versions: Policies) -> VerbStep:
        """NotFoundError for another account's request; RefusedError if it is not paused."""
        check_words(self.words)
        if not self.words.strip():
            raise UsageError("`words` is empty", "say what was asked for")
        tables.lock_accounts(tx, [self.account])
        row = get_own(tx, self.account, self.request, locks=True)
        moved = msgspec.structs.replace(row, clock=rights.resume(row.clock, self.at))
        step = NewRequestStep(step=RequestStep.replied, at=self.at, by=PERSON, words=self.words)
        request_register.advance(tx, self.keyring, moved, [step])
        return VerbStep()


class WithdrawRequest(VerbRequest, frozen=True, kw_only=True):
    """The person takes their request back."""

    keyring: Keyring
    request: UUID

    def prepare(self, tx: Transaction, versions: Policies) -> VerbStep:
        """NotFoundError for another account's request; RefusedError if it has ended."""
        tables.lock_accounts(tx, [self.account])
        row = get_own(tx, self.account, self.request, locks=True)
        moved = msgspec.structs.replace(
            row, clock=rights.end(row.clock, RequestState.withdrawn, self.at)
        )
        step = NewRequestStep(step=RequestStep.withdrawn, at=self.at, by=PERSON)
        request_register.advance(tx, self.keyring, moved, [step])
        _notify_host(tx, moved, self.at)
        return VerbStep()


def get_own(tx: Transaction, account: UUID, request: UUID, *, locks: bool = False) -> RequestRow:
    """A request of the account's own; NotFoundError for any other."""
    row = request_register.get(tx, request, locks=locks)
    if row is None or row.account != account:
        raise NotFoundError(f"no request `{format_id(Prefix.request, request)}`")
    return row


def open_request(tx: Transaction, keyring: Keyring, row: RequestRow) -> RightsRequest:
    """A request with its steps and unsealed texts, for its person or for staff."""
    steps, readable = request_register.steps(tx, keyring, row)
    return RightsRequest(row=row, steps=tuple(steps), readable=readable)


def check_words(words: str) -> None:
    """UsageError for a text that is too long or not valid."""
    if len(words) > WORDS_CHARACTERS_MAX:
        raise UsageError(
            f"`words` is longer than {WORDS_CHARACTERS_MAX:,} characters",
            "say the rest in another request",
        )
    if any("\ud800" <= letter <= "\udfff" for letter in words):
        raise UsageError("`words` holds half a surrogate pair")


# Staff's


class EnteredRequest(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A request that staff received by letter, mail or telephone, and how its sender was
    identified.
    """

    kind: RightKind
    words: str
    identity: str
    account: UUID | None = None
    region: str | None = None
    received_at: datetime | None = None


def enter(installation: Installation, entered: EnteredRequest, by: str) -> RightsRequest:
    """Records a request from another channel; its deadlines run from its receipt.

    The region defaults to the account's. UsageError for a receipt in the future or more than a year
    ago.
    """
    now = installation.clock()
    received_at = entered.received_at or now
    for words in (entered.words, entered.identity):
        check_words(words)
        if not words.strip():
            raise UsageError(
                "`words` and `identity` are needed",
                "say what was asked for, and how its sender was identified",
            )
    deadlines.check_region(entered.region)
    if (
        received_at.tzinfo is None
        or not now - timedelta(days=RECEIVED_DAYS_MAX) <= received_at <= now
    ):
        raise UsageError(
            "`received_at` is in the future, more than a year ago, or has no offset",
            "write it as 2026-06-01",
        )
    with transaction(installation.pool) as tx:
        row = _insert_request(tx, installation.keyring, entered, received_at, now)
        steps = [
            NewRequestStep(step=RequestStep.received, at=received_at, by=by, words=entered.words),
            NewRequestStep(step=RequestStep.identified, at=now, by=by, words=entered.identity),
        ]
        request_register.add(tx, installation.keyring, row, steps)
        _notify_host(tx, row, now, received=True)
        return open_request(tx, installation.keyring, row)


def _insert_request(
    tx: Transaction, keyring: Keyring, entered: EnteredRequest, received_at: datetime, now: datetime
) -> RequestRow:
    region = entered.region
    if entered.account is not None:
        locked = tables.lock_accounts(tx, [entered.account])
        if entered.account not in locked:
            raise NotFoundError(f"no account `{format_id(Prefix.account, entered.account)}`")
        region = account_region.load_regions(tx, [entered.account])[entered.account] or region
    clock = rights.receive(entered.kind, region, received_at, confirmed=False)
    return RequestRow(
        request=uuid7(now, keyring.random(10)),
        account=entered.account,
        via=ReceivedVia.staff,
        clock=clock,
    )


def take_step(
    installation: Installation,
    request: str,
    act: StaffAct,
    by: str,
    *,
    reason: str = "",
    words: str = "",
) -> RightsRequest:
    """Takes a step for staff: NotFoundError for an unknown request, RefusedError if its state does
    not allow the step.

    ``words`` are sent to the person and required to pause, extend, answer or refuse.
    """
    check_words(words)
    if act not in (StaffAct.acknowledge, StaffAct.resume) and not words.strip():
        raise UsageError(f"`{act.value}` needs `words`", "they are what the person reads")
    now = installation.clock()
    with transaction(installation.pool) as tx:
        account = require(tx, request).account
        if account is not None:
            tables.lock_accounts(tx, [account])
        row = require(tx, request, locks=True)
        step, moved = next_step(row.clock, act, reason, now)
        if moved != row.clock:
            row = msgspec.structs.replace(row, clock=moved)
            done = NewRequestStep(step=step, at=now, by=by, reason=reason, words=words)
            request_register.advance(tx, installation.keyring, row, [done])
            if moved.ended_at is not None:
                _notify_host(tx, row, now)
        return open_request(tx, installation.keyring, row)


def require(tx: Transaction, request: str, *, locks: bool = False) -> RequestRow:
    """A request of any account; NotFoundError."""
    row = request_register.get(tx, parse(Prefix.request, request), locks=locks)
    if row is None:
        raise NotFoundError(f"no request `{request}`", "`licet request list` shows them")
    return row


def next_step(
    clock: RequestClock, act: StaffAct, reason: str, now: datetime
) -> tuple[RequestStep, RequestClock]:
    """The step of an act, and the clock after it; RefusedError if its state does not allow it."""
    match act:
        case StaffAct.acknowledge:
            return RequestStep.acknowledged, rights.acknowledge(clock, now)
        case StaffAct.pause:
            return RequestStep.paused, rights.pause(clock, _parse_reason(PauseReason, reason), now)
        case StaffAct.resume:
            return RequestStep.resumed, rights.resume(clock, now)
        case StaffAct.extend:
            _parse_reason(ExtensionReason, reason)
            return RequestStep.extended, rights.extend(clock, now)
        case StaffAct.answer:
            return RequestStep.answered, rights.end(clock, RequestState.answered, now)
        case StaffAct.refuse:
            _parse_reason(RefusalReason, reason)
            return RequestStep.refused, rights.end(clock, RequestState.refused, now)
        case _:
            assert_never(act)


def _parse_reason(reasons: type[Reason], text: str) -> Reason:
    """Parses ``text`` as one of ``reasons``; UsageError for another."""
    known = {reason.value: reason for reason in reasons}
    if text not in known:
        raise UsageError(
            "`reason` is not one of those of this step", f"write one of {', '.join(known)}"
        )
    return known[text]


# Views


class SeenRequest(Masked, wire.SentRequest, frozen=True, kw_only=True):
    """A request for display. ``due_at`` with a stopped clock is as if it resumed now.

    ``laws`` are those that apply, one unless the region is unknown; ``authority`` is the one to
    complain to, None if it depends on the country. ``extends_to`` is the date of an extension that
    is still possible. ``readable``: its texts can be unsealed.
    """

    kind: RightKind
    via: ReceivedVia
    state: RequestState
    steps: tuple[SeenStep, ...] = ()


def summary(row: RequestRow, now: datetime) -> SeenRequest:
    """A request in a list, without its texts."""
    clock, times = row.clock, row.clock.deadline
    return SeenRequest(
        id=format_id(Prefix.request, row.request),
        account=format_id(Prefix.account, row.account) if row.account is not None else None,
        kind=clock.kind,
        via=row.via,
        region=clock.region,
        laws=times.laws,
        authority=times.authority,
        state=clock.state,
        received_at=clock.received_at,
        due_at=clock.due(now),
        overdue=clock.is_overdue(now),
        acknowledge_by=clock.acknowledge_by,
        acknowledged_at=clock.acknowledged_at,
        extended_at=clock.extended_at,
        extends_to=_extends_to(clock, now),
        paused_at=clock.paused_at,
        clock_stops=clock.stops,
        ended_at=clock.ended_at,
    )


def _extends_to(clock: RequestClock, now: datetime) -> datetime | None:
    until = clock.deadline.extended_to(clock.received_at)
    return until + clock.stopped if until is not None and clock.may_extend(now) else None


def detail(
    request: RightsRequest, now: datetime, *, for_staff: bool, with_words: bool = True
) -> SeenRequest:
    """A request with its steps; a person does not see which staff took a step; ``with_words``
    includes the texts.
    """
    steps = tuple(
        msgspec.structs.replace(
            step,
            by=step.by if for_staff else _role(step.by),
            words=step.words if with_words else "",
        )
        for step in request.steps
    )
    return msgspec.structs.replace(
        summary(request.row, now), steps=steps, readable=request.readable
    )


def _role(by: str) -> str:
    kind = by.partition(":")[0]
    return "staff" if kind == "user" else kind


def list_requests(
    installation: Installation,
    limit: int = LISTED_MAX,
    *,
    kinds: Collection[RightKind] = (),
    states: Collection[RequestState] = (),
    after: str = "",
) -> list[SeenRequest]:
    """Requests by due date, after the one named; NotFoundError if it is unknown."""
    now, behind = installation.clock(), parse(Prefix.request, after) if after else None
    with transaction(installation.pool) as tx:
        if behind is not None and request_register.get(tx, behind) is None:
            raise NotFoundError(f"no request `{after}`")
        rows = request_register.list_by_due(tx, limit, kinds=kinds, states=states, after=behind)
    return [summary(row, now) for row in rows]


def get_request(
    installation: Installation, request: str, *, with_words: bool = True
) -> SeenRequest:
    """A request in detail, for staff; NotFoundError if it is unknown."""
    with transaction(installation.pool) as tx:
        opened = open_request(tx, installation.keyring, require(tx, request))
        return detail(opened, installation.clock(), for_staff=True, with_words=with_words)


def _notify_host(
    tx: Transaction, row: RequestRow, now: datetime, *, received: bool = False
) -> None:
    """Sends an event to the host of a locked account; without an account there is no host."""
    if row.account is None:
        return
    kind = row.clock.kind.value
    events = []
    if received:
        events.append(
            host_events.request_received(
                row.account, now, row.request, right=kind, due_at=row.clock.due_at
            )
        )
    if row.clock.ended_at is not None:
        events.append(
            host_events.request_ended(
                row.account, now, row.request, right=kind, state=row.clock.state.value
            )
        )
    host_events.append(tx, events)
