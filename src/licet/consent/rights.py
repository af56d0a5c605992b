"""The state machine of a rights request: its kind, its state, and its deadlines after each step.
Pure.

    open ──pause──> paused ──resume, reply──> open
    open, paused ──answer──> answered · ──refuse──> refused · ──withdraw──> withdrawn

A request is extended at most once, before it is due, and only if its region's law has an extension.
A pause stops its clock if the law says so; the time stopped is added to the due date. Nothing
follows an end.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from licet.consent.deadlines import Deadline, PauseReason, RightKind, deadline
from licet.errors import RefusedError


class ReceivedVia(StrEnum):
    """The channel of a request: one of Licet's pages, the host's API call, or entered by staff."""

    page = "page"
    api = "api"
    staff = "staff"


class RequestState(StrEnum):
    """The state of a request: `open`, `pause` while waiting for the person, or how it ended."""

    open = "open"
    paused = "paused"
    answered = "answered"
    refused = "refused"
    withdrawn = "withdrawn"


class RequestStep(StrEnum):
    """A step of a request; ``no_recorded`` is the account's no to every question, recorded with
    it.
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
    """Why a request is refused; the step's text explains it."""

    unfounded = "unfounded"
    excessive = "excessive"
    not_identified = "not_identified"
    kept_by_law = "kept_by_law"
    rights_of_others = "rights_of_others"
    not_ours = "not_ours"


# These count as the account's no.
REFUSES = frozenset({RightKind.restriction, RightKind.objection})


class RequestClock(msgspec.Struct, frozen=True, kw_only=True):
    """The dates of a request.

    ``paused_at`` is since when it waits for the person, ``stops`` whether its clock is stopped
    meanwhile; ``stopped`` is the total time of earlier stops.
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

    def is_overdue(self, now: datetime) -> bool:
        """Whether the answer or the confirmation of receipt was due before ``now``."""
        if self.ended_at is not None:
            return False
        unconfirmed = (
            self.acknowledge_by is not None
            and self.acknowledged_at is None
            and self.acknowledge_by < now
        )
        return unconfirmed or self.due(now) < now

    def due(self, now: datetime) -> datetime:
        """The due date; with a stopped clock, as if it resumed at ``now``."""
        if self.paused_at is None or not self.stops:
            return self.due_at
        return self.due_at + max(now - self.paused_at, timedelta())

    def may_extend(self, now: datetime) -> bool:
        return (
            self.ended_at is None
            and self.extended_at is None
            and self.due(now) >= now
            and self.deadline.extended_to(self.received_at) is not None
        )


def receive(kind: RightKind, region: str | None, now: datetime, *, confirmed: bool) -> RequestClock:
    """A request received at ``now``; ``confirmed``: the person saw the confirmation."""
    times = deadline(kind, region)
    return RequestClock(
        kind=kind,
        region=region,
        received_at=now,
        due_at=times.due_at(now),
        acknowledge_by=times.acknowledge_by(now),
        acknowledged_at=now if confirmed else None,
    )


def acknowledge(clock: RequestClock, now: datetime) -> RequestClock:
    """Confirms its receipt; the first confirmation counts."""
    _require_open(clock)
    return (
        clock
        if clock.acknowledged_at is not None
        else msgspec.structs.replace(clock, acknowledged_at=now)
    )


def pause(clock: RequestClock, reason: PauseReason, now: datetime) -> RequestClock:
    """Pauses for information from the person; RefusedError if already paused."""
    _require_open(clock)
    if clock.paused_at is not None:
        raise RefusedError(
            "the request waits for its person already", "resume it first", because="paused"
        )
    # an overdue request stays overdue
    stops = clock.deadline.stops_for(reason) and now <= clock.due_at
    return msgspec.structs.replace(clock, state=RequestState.paused, paused_at=now, stops=stops)


def resume(clock: RequestClock, now: datetime) -> RequestClock:
    """Resumes; RefusedError if it is not paused."""
    _require_open(clock)
    if clock.paused_at is None:
        raise RefusedError("the request does not wait for its person", because="not_paused")
    still = max(now - clock.paused_at, timedelta()) if clock.stops else timedelta()
    return msgspec.structs.replace(
        clock,
        state=RequestState.open,
        paused_at=None,
        stops=False,
        due_at=clock.due_at + still,
        stopped=clock.stopped + still,
    )


def extend(clock: RequestClock, now: datetime) -> RequestClock:
    """Applies the law's extension; RefusedError a second time, after the due date, or if the law
    has none.
    """
    _require_open(clock)
    if clock.extended_at is not None:
        raise RefusedError(
            "the request was extended already", "the law extends it once", because="extended"
        )
    until = clock.deadline.extended_to(clock.received_at)
    if until is None:
        raise RefusedError("the law of this request has no extension", because="no_extension")
    if clock.due(now) < now:
        raise RefusedError(
            "the request was due before", "an extension is announced in time", because="too_late"
        )
    return msgspec.structs.replace(clock, extended_at=now, due_at=until + clock.stopped)


def end(clock: RequestClock, state: RequestState, now: datetime) -> RequestClock:
    """Ends as answered, refused or withdrawn; ends a pause."""
    _require_open(clock)
    if clock.paused_at is not None:
        clock = resume(clock, now)
    return msgspec.structs.replace(clock, state=state, ended_at=now)


def _require_open(clock: RequestClock) -> None:
    if clock.ended_at is not None:
        raise RefusedError(f"the request is {clock.state.value} already", because="ended")
