"""A request of a person under the law: its kind, its state, and how each step moves its clock.
Pure.

    open ──pause──> paused ──resume, reply──> open
    open, paused ──answer──> answered · ──refuse──> refused · ──withdraw──> withdrawn

It is extended once at most, before it is due, and only where the law of its region has an
extension. While it is paused its clock stops, where the law stops it; then what it stood still is
added to its date. Nothing follows an end.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from licet.consent.deadlines import Deadline, PauseReason, RightKind, deadline
from licet.errors import RefusedError


class ReceivedVia(StrEnum):
    """How a request reached us: by a page of ours, by the host's call, or by staff who entered
    it.
    """

    page = "page"
    api = "api"
    staff = "staff"


class RequestState(StrEnum):
    """How far a request is: `open`, `paused` while its person is asked something, or how it
    ended.
    """

    open = "open"
    paused = "paused"
    answered = "answered"
    refused = "refused"
    withdrawn = "withdrawn"


class RequestStep(StrEnum):
    """What happened to a request; ``no_recorded`` is the account's no to every question, which came
    with it.
    """

    received = "received"
    identified = "identified"
    no_recorded = "no_recorded"
    acknowledged = "acknowledged"
    paused = "paused"
    replied = "replied"
    resumed = "resumed"
    extended = "extended"
    answered = "answered"
    refused = "refused"
    withdrawn = "withdrawn"


class ExtensionReason(StrEnum):
    complexity = "complexity"
    number = "number"


class RefusalReason(StrEnum):
    """Why a request is refused: the words of the refusal say more."""

    unfounded = "unfounded"
    excessive = "excessive"
    not_identified = "not_identified"
    kept_by_law = "kept_by_law"
    rights_of_others = "rights_of_others"
    not_ours = "not_ours"


# For training, these are the account's no: policy.md has no other meaning of them.
SAYS_NO = frozenset({RightKind.restriction, RightKind.objection})


class RequestClock(msgspec.Struct, frozen=True, kw_only=True):
    """A request as its clock sees it.

    ``paused_at`` is since when it waits for the person, and ``stops`` whether its clock stands
    still meanwhile; ``stopped`` is how long it stood still before.
    """

    kind: RightKind
    region: str | None
    received_at: datetime
    due_at: datetime
    acknowledge_by: datetime | None
    acknowledged_at: datetime | None = None
    extended_at: datetime | None = None
    paused_at: datetime | None = None
    stops: bool = False
    stopped: timedelta = timedelta()
    state: RequestState = RequestState.open
    ended_at: datetime | None = None

    @property
    def deadline(self) -> Deadline:
        return deadline(self.kind, self.region)

    def is_overdue(self, at: datetime) -> bool:
        """Whether it should have been answered, or its receipt confirmed, before ``at``."""
        if self.ended_at is not None:
            return False
        unconfirmed = (
            self.acknowledge_by is not None
            and self.acknowledged_at is None
            and self.acknowledge_by < at
        )
        return unconfirmed or self.due(at) < at

    def due(self, at: datetime) -> datetime:
        """By when it is to be answered: where its clock stands still at ``at``, as if it went on
        then.
        """
        if self.paused_at is None or not self.stops:
            return self.due_at
        return self.due_at + max(at - self.paused_at, timedelta())

    def may_extend(self, at: datetime) -> bool:
        return (
            self.ended_at is None
            and self.extended_at is None
            and self.due(at) >= at
            and self.deadline.extended_to(self.received_at) is not None
        )


def received(kind: RightKind, region: str | None, at: datetime, *, confirmed: bool) -> RequestClock:
    """A request that was received at ``at``; ``confirmed``: its person saw that it was."""
    times = deadline(kind, region)
    return RequestClock(
        kind=kind,
        region=region,
        received_at=at,
        due_at=times.due_at(at),
        acknowledge_by=times.acknowledge_by(at),
        acknowledged_at=at if confirmed else None,
    )


def acknowledged(clock: RequestClock, at: datetime) -> RequestClock:
    """Its receipt is confirmed; the first confirmation stands."""
    _open(clock)
    return (
        clock
        if clock.acknowledged_at is not None
        else msgspec.structs.replace(clock, acknowledged_at=at)
    )


def paused(clock: RequestClock, reason: PauseReason, at: datetime) -> RequestClock:
    """The person is asked for something; RefusedError while they are asked already."""
    _open(clock)
    if clock.paused_at is not None:
        raise RefusedError(
            "the request waits for its person already", "resume it first", because="paused"
        )
    # what is overdue does not become punctual
    stops = clock.deadline.stops_for(reason) and at <= clock.due_at
    return msgspec.structs.replace(clock, state=RequestState.paused, paused_at=at, stops=stops)


def resumed(clock: RequestClock, at: datetime) -> RequestClock:
    """It goes on; RefusedError where it does not wait."""
    _open(clock)
    if clock.paused_at is None:
        raise RefusedError("the request does not wait for its person", because="not_paused")
    still = max(at - clock.paused_at, timedelta()) if clock.stops else timedelta()
    return msgspec.structs.replace(
        clock,
        state=RequestState.open,
        paused_at=None,
        stops=False,
        due_at=clock.due_at + still,
        stopped=clock.stopped + still,
    )


def extended(clock: RequestClock, at: datetime) -> RequestClock:
    """It gets the law's extension; RefusedError a second time, after it was due, or where there is
    none.
    """
    _open(clock)
    if clock.extended_at is not None:
        raise RefusedError(
            "the request was extended already", "the law extends it once", because="extended"
        )
    until = clock.deadline.extended_to(clock.received_at)
    if until is None:
        raise RefusedError("the law of this request has no extension", because="no_extension")
    if clock.due(at) < at:
        raise RefusedError(
            "the request was due before", "an extension is told in time", because="too_late"
        )
    return msgspec.structs.replace(clock, extended_at=at, due_at=until + clock.stopped)


def ended(clock: RequestClock, state: RequestState, at: datetime) -> RequestClock:
    """It is answered, refused or withdrawn; what waits for its person waits no longer."""
    _open(clock)
    if clock.paused_at is not None:
        clock = resumed(clock, at)
    return msgspec.structs.replace(clock, state=state, ended_at=at)


def _open(clock: RequestClock) -> None:
    if clock.ended_at is not None:
        raise RefusedError(f"the request is {clock.state.value} already", because="ended")
