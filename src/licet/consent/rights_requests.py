"""Requests of people under the law as verbs: sent, asked about, extended, answered, refused,
withdrawn.

A person sends a request from a page or through their host; staff enter one that came another way,
with how its sender was identified. Each step is written once, with who took it, and none is
changed. An objection, or a request to restrict, is for training the account's no: it is recorded in
the same transaction, to every question. Without words nothing is left for staff to answer then, and
the request ends as it is received.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar, assert_never
from uuid import UUID

import msgspec

from licet.consent import deadlines, request_register, rights
from licet.consent.choices import ChoiceRequest
from licet.consent.deadlines import PauseReason, RightKind
from licet.consent.request_register import NewRequestStep, RequestRow, RequestStepRow
from licet.consent.rights import (
    SAYS_NO,
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
from licet.vault.ids import Prefix, parse, shown, uuid7
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
    """What staff do to a request."""

    acknowledge = "acknowledge"
    pause = "pause"
    resume = "resume"
    extend = "extend"
    answer = "answer"
    refuse = "refuse"


class RightsRequest(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A request with its steps; ``readable``: what was written in it can be opened."""

    row: RequestRow
    steps: tuple[RequestStepRow, ...]
    readable: bool

    @property
    def shown_id(self) -> str:
        return shown(Prefix.request, self.row.request)


# The person's


# These write in `prepare`: what one of a batch does to a request, the next one sees.


class SendRequest(VerbRequest, frozen=True, kw_only=True):
    """A request to be put on record; `WriteResult.finished` is its `RequestRow`."""

    keyring: Keyring
    kind: RightKind
    words: str = ""
    via: ReceivedVia
    by: str = PERSON

    def prepare(self, tx: Transaction, known: Policies) -> VerbStep:
        """NotFoundError for an account that is not there; RefusedError for one that is closed, or
        has too many open.
        """
        check_words(self.words)
        if self.kind in NEEDS_WORDS and not self.words.strip():
            raise UsageError(
                f"a request of kind `{self.kind.value}` needs `words`", "say what it is about"
            )
        row = tables.lock_accounts(tx, [self.account]).get(self.account)
        if row is None:
            raise NotFoundError(f"no account `{shown(Prefix.account, self.account)}`")
        if row.state.closed_at is not None:
            raise RefusedError("the account is closed", because="closed")
        if request_register.open_count(tx, self.account) >= OPEN_REQUESTS_MAX:
            raise RefusedError(
                f"the account has {OPEN_REQUESTS_MAX} open requests",
                "wait for an answer, or withdraw one",
                because="too_many_requests",
            )
        region = account_region.of_accounts(tx, [self.account])[self.account]
        if self.kind in SAYS_NO and known.in_force(self.at).asks:
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
        clock = rights.received(self.kind, region, at, confirmed=self.via is ReceivedVia.page)
        steps = [NewRequestStep(step=RequestStep.received, at=at, by=self.by, words=self.words)]
        if self.via is ReceivedVia.page:
            steps.append(NewRequestStep(step=RequestStep.acknowledged, at=at, by=LICET))
        if done:
            steps.append(NewRequestStep(step=RequestStep.no_recorded, at=at, by=LICET))
        if done and not self.words:
            clock = rights.ended(clock, RequestState.answered, at)
            steps.append(NewRequestStep(step=RequestStep.answered, at=at, by=LICET))
        row = RequestRow(
            request=uuid7(at, self.keyring.random(10)),
            account=self.account,
            via=self.via,
            clock=clock,
        )
        request_register.add(tx, self.keyring, row, steps)
        _tell(tx, row, at, received=True)
        return row


class ReplyToRequest(VerbRequest, frozen=True, kw_only=True):
    """What the person answers while their request waits for them: it goes on."""

    keyring: Keyring
    request: UUID
    words: str

    def prepare(self, tx: Transaction, known: Policies) -> VerbStep:
        """NotFoundError for another's request; RefusedError for one that does not wait."""
        check_words(self.words)
        if not self.words.strip():
            raise UsageError("`words` is empty", "say what was asked for")
        tables.lock_accounts(tx, [self.account])
        row = own(tx, self.account, self.request, locks=True)
        moved = msgspec.structs.replace(row, clock=rights.resumed(row.clock, self.at))
        step = NewRequestStep(step=RequestStep.replied, at=self.at, by=PERSON, words=self.words)
        request_register.advance(tx, self.keyring, moved, [step])
        return VerbStep()


class WithdrawRequest(VerbRequest, frozen=True, kw_only=True):
    """The person takes their request back."""

    keyring: Keyring
    request: UUID

    def prepare(self, tx: Transaction, known: Policies) -> VerbStep:
        """NotFoundError for another's request; RefusedError for one that ended."""
        tables.lock_accounts(tx, [self.account])
        row = own(tx, self.account, self.request, locks=True)
        moved = msgspec.structs.replace(
            row, clock=rights.ended(row.clock, RequestState.withdrawn, self.at)
        )
        step = NewRequestStep(step=RequestStep.withdrawn, at=self.at, by=PERSON)
        request_register.advance(tx, self.keyring, moved, [step])
        _tell(tx, moved, self.at)
        return VerbStep()


def own(tx: Transaction, account: UUID, request: UUID, *, locks: bool = False) -> RequestRow:
    """A request of the account's own; NotFoundError for any other."""
    row = request_register.get(tx, request, locks=locks)
    if row is None or row.account != account:
        raise NotFoundError(f"no request `{shown(Prefix.request, request)}`")
    return row


def opened(tx: Transaction, keyring: Keyring, row: RequestRow) -> RightsRequest:
    """A request with its steps and all that was written, for its person or for staff who answer
    it.
    """
    steps, readable = request_register.steps(tx, keyring, row)
    return RightsRequest(row=row, steps=tuple(steps), readable=readable)


def check_words(words: str) -> None:
    """UsageError for what is too long, or no text."""
    if len(words) > WORDS_CHARACTERS_MAX:
        raise UsageError(
            f"`words` is longer than {WORDS_CHARACTERS_MAX:,} characters",
            "say the rest in another request",
        )
    if any("\ud800" <= letter <= "\udfff" for letter in words):
        raise UsageError("`words` holds half a surrogate pair")


# Staff's


class EnteredRequest(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A request that reached staff by letter, mail or telephone: what was asked for, and how its
    sender was identified.
    """

    kind: RightKind
    words: str
    identity: str
    account: UUID | None = None
    region: str | None = None
    received_at: datetime | None = None


def enter(here: Installation, entered: EnteredRequest, by: str) -> RightsRequest:
    """Puts a request on record that came another way; its clock begins at its receipt.

    The region is the account's where it has one. UsageError for a receipt in the future, or more
    than a year ago.
    """
    at = here.clock()
    received_at = entered.received_at or at
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
        or not at - timedelta(days=RECEIVED_DAYS_MAX) <= received_at <= at
    ):
        raise UsageError(
            "`received_at` is in the future, more than a year ago, or has no offset",
            "write it as 2026-06-01",
        )
    with transaction(here.pool) as tx:
        row = _entered(tx, here.keyring, entered, received_at, at)
        steps = [
            NewRequestStep(step=RequestStep.received, at=received_at, by=by, words=entered.words),
            NewRequestStep(step=RequestStep.identified, at=at, by=by, words=entered.identity),
        ]
        request_register.add(tx, here.keyring, row, steps)
        _tell(tx, row, at, received=True)
        return opened(tx, here.keyring, row)


def _entered(
    tx: Transaction, keyring: Keyring, entered: EnteredRequest, received_at: datetime, at: datetime
) -> RequestRow:
    region = entered.region
    if entered.account is not None:
        found = tables.lock_accounts(tx, [entered.account])
        if entered.account not in found:
            raise NotFoundError(f"no account `{shown(Prefix.account, entered.account)}`")
        region = account_region.of_accounts(tx, [entered.account])[entered.account] or region
    clock = rights.received(entered.kind, region, received_at, confirmed=False)
    return RequestRow(
        request=uuid7(at, keyring.random(10)),
        account=entered.account,
        via=ReceivedVia.staff,
        clock=clock,
    )


def act(
    here: Installation, request: str, what: StaffAct, by: str, *, reason: str = "", words: str = ""
) -> RightsRequest:
    """One step of staff's: NotFoundError for no such request, RefusedError where the request does
    not allow it now.

    ``words`` reach the person: they are needed where something is asked of them, and where it is
    extended, answered or refused.
    """
    check_words(words)
    if what not in (StaffAct.acknowledge, StaffAct.resume) and not words.strip():
        raise UsageError(f"`{what.value}` needs `words`", "they are what the person reads")
    at, named = here.clock(), parse(Prefix.request, request)
    with transaction(here.pool) as tx:
        found = request_register.get(tx, named)
        if found is not None and found.account is not None:
            tables.lock_accounts(tx, [found.account])
        row = request_register.get(tx, named, locks=True)
        if row is None:
            raise NotFoundError(f"no request `{request}`", "`licet request list` shows them")
        step, moved = _moved(row.clock, what, reason, at)
        if moved != row.clock:
            row = msgspec.structs.replace(row, clock=moved)
            done = NewRequestStep(step=step, at=at, by=by, reason=reason, words=words)
            request_register.advance(tx, here.keyring, row, [done])
            if moved.ended_at is not None:
                _tell(tx, row, at)
        return opened(tx, here.keyring, row)


def _moved(
    clock: RequestClock, what: StaffAct, reason: str, at: datetime
) -> tuple[RequestStep, RequestClock]:
    match what:
        case StaffAct.acknowledge:
            return RequestStep.acknowledged, rights.acknowledged(clock, at)
        case StaffAct.pause:
            return RequestStep.paused, rights.paused(clock, _reason(PauseReason, reason), at)
        case StaffAct.resume:
            return RequestStep.resumed, rights.resumed(clock, at)
        case StaffAct.extend:
            _reason(ExtensionReason, reason)
            return RequestStep.extended, rights.extended(clock, at)
        case StaffAct.answer:
            return RequestStep.answered, rights.ended(clock, RequestState.answered, at)
        case StaffAct.refuse:
            _reason(RefusalReason, reason)
            return RequestStep.refused, rights.ended(clock, RequestState.refused, at)
        case _:
            assert_never(what)


REASONS: dict[StaffAct, type[StrEnum]] = {
    StaffAct.pause: PauseReason,
    StaffAct.extend: ExtensionReason,
    StaffAct.refuse: RefusalReason,
}


def _reason(of: type[Reason], text: str) -> Reason:
    """The reason that ``text`` names, one of ``of``; UsageError for another."""
    known = {one.value: one for one in of}
    if text not in known:
        raise UsageError(
            "`reason` is not one of those of this step", f"write one of {', '.join(known)}"
        )
    return known[text]


# What is seen of them


class SeenStep(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A step as it is shown. ``by`` is `person`, `licet`, `host` or `staff`; staff see the name
    too.
    """

    step: RequestStep
    at: datetime
    by: str
    reason: str
    words: str


class SeenRequest(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A request as it is shown. ``due_at`` is by when it is answered: while its clock stands still,
    as if it went on now.

    ``laws`` are those whose clocks are counted, one unless the region is not known; ``authority``
    is whom to complain to, None where that depends on the country. ``extends_to`` is the date of an
    extension that is still possible. ``readable``: what was written can still be opened.
    """

    id: str
    account: str | None
    kind: RightKind
    via: ReceivedVia
    region: str | None
    laws: tuple[str, ...]
    authority: str | None
    state: RequestState
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
    steps: tuple[SeenStep, ...] = ()


def seen(row: RequestRow, at: datetime) -> SeenRequest:
    """A request of a list, without a word of it."""
    clock, times = row.clock, row.clock.deadline
    return SeenRequest(
        id=shown(Prefix.request, row.request),
        account=shown(Prefix.account, row.account) if row.account is not None else None,
        kind=clock.kind,
        via=row.via,
        region=clock.region,
        laws=times.laws,
        authority=times.authority,
        state=clock.state,
        received_at=clock.received_at,
        due_at=clock.due(at),
        overdue=clock.is_overdue(at),
        acknowledge_by=clock.acknowledge_by,
        acknowledged_at=clock.acknowledged_at,
        extended_at=clock.extended_at,
        extends_to=_extends_to(clock, at),
        paused_at=clock.paused_at,
        clock_stops=clock.stops,
        ended_at=clock.ended_at,
    )


def _extends_to(clock: RequestClock, at: datetime) -> datetime | None:
    until = clock.deadline.extended_to(clock.received_at)
    return until + clock.stopped if until is not None and clock.may_extend(at) else None


def seen_whole(
    found: RightsRequest, at: datetime, *, for_staff: bool, with_words: bool = True
) -> SeenRequest:
    """A request with its steps; a person sees that staff took a step, and not who; ``with_words``
    where they may be read.
    """
    steps = tuple(
        SeenStep(
            step=one.step,
            at=one.at,
            by=one.by if for_staff else _role(one.by),
            reason=one.reason,
            words=one.words if with_words else "",
        )
        for one in found.steps
    )
    return msgspec.structs.replace(seen(found.row, at), steps=steps, readable=found.readable)


def _role(by: str) -> str:
    kind = by.partition(":")[0]
    return "staff" if kind == "user" else kind


def listed(
    here: Installation,
    most: int = LISTED_MAX,
    *,
    kinds: Collection[RightKind] = (),
    states: Collection[RequestState] = (),
    after: str = "",
) -> list[SeenRequest]:
    """Requests by the day on which they are due, behind the one named; NotFoundError for one that
    is not there.
    """
    at, behind = here.clock(), parse(Prefix.request, after) if after else None
    with transaction(here.pool) as tx:
        if behind is not None and request_register.get(tx, behind) is None:
            raise NotFoundError(f"no request `{after}`")
        rows = request_register.by_due(tx, most, kinds=kinds, states=states, after=behind)
    return [seen(row, at) for row in rows]


def find(here: Installation, request: str, *, with_words: bool = True) -> SeenRequest:
    """A request whole, for staff; NotFoundError for one that is not there."""
    at, named = here.clock(), parse(Prefix.request, request)
    with transaction(here.pool) as tx:
        row = request_register.get(tx, named)
        if row is None:
            raise NotFoundError(f"no request `{request}`", "`licet request list` shows them")
        return seen_whole(opened(tx, here.keyring, row), at, for_staff=True, with_words=with_words)


def _tell(tx: Transaction, row: RequestRow, at: datetime, *, received: bool = False) -> None:
    """Tells the hosts, of an account that is locked; of somebody without one there is nobody to
    tell.
    """
    if row.account is None:
        return
    kind = row.clock.kind.value
    events = []
    if received:
        events.append(
            host_events.request_received(
                row.account, at, row.request, right=kind, due_at=row.clock.due_at
            )
        )
    if row.clock.ended_at is not None:
        events.append(
            host_events.request_ended(
                row.account, at, row.request, right=kind, state=row.clock.state.value
            )
        )
    host_events.append(tx, events)
