"""The clock of a request, held against a simple model over orders of steps that are drawn."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from licet.consent import rights
from licet.consent.deadlines import PauseReason, RightKind, deadline
from licet.consent.rights import RequestClock, RequestState
from licet.errors import RefusedError

AT = datetime(2026, 3, 10, 12, tzinfo=UTC)
STEPS = st.sampled_from(
    [
        "acknowledge",
        "pause identity",
        "pause clarification",
        "resume",
        "extend",
        "answer",
        "withdraw",
    ]
)


class Model:
    """A request as somebody counts on paper: on each day, whether the clock runs, and how many days
    it stood still.
    """

    def __init__(self, kind: RightKind, region: str | None) -> None:
        self.times = deadline(kind, region)
        self.still, self.waits, self.stops, self.is_extended, self.is_confirmed = (
            0,
            False,
            False,
            False,
            False,
        )
        self.end = ""

    def due(self) -> datetime:
        until = self.times.extended_to(AT) if self.is_extended else None
        return (until or self.times.due_at(AT)) + timedelta(days=self.still)

    def passes(self, days: int) -> None:
        if self.waits and self.stops and not self.end:
            self.still += days

    def takes(self, step: str, at: datetime) -> str:
        """Why the step is refused, empty where it is taken."""
        if self.end:
            return "ended"
        what, _, reason = step.partition(" ")
        if what == "acknowledge":
            self.is_confirmed = True
        elif what == "pause":
            if self.waits:
                return "paused"
            self.waits, self.stops = (
                True,
                self.times.stops_for(PauseReason(reason)) and at <= self.due(),
            )
        elif what == "resume":
            if not self.waits:
                return "not_paused"
            self.waits = False
        elif what == "extend":
            if self.is_extended:
                return "extended"
            if self.times.extended_to(AT) is None:
                return "no_extension"
            if self.due() < at:
                return "too_late"
            self.is_extended = True
        else:
            self.end = {"answer": "answered", "withdraw": "withdrawn"}[what]
        return ""


def taken(clock: RequestClock, step: str, at: datetime) -> RequestClock:
    what, _, reason = step.partition(" ")
    match what:
        case "acknowledge":
            return rights.acknowledge(clock, at)
        case "pause":
            return rights.pause(clock, PauseReason(reason), at)
        case "resume":
            return rights.resume(clock, at)
        case "extend":
            return rights.extend(clock, at)
        case "answer":
            return rights.end(clock, RequestState.answered, at)
        case _:
            return rights.end(clock, RequestState.withdrawn, at)


@given(
    st.sampled_from(RightKind),
    st.sampled_from([None, "DE", "GB", "US-CA", "BR"]),
    st.lists(st.tuples(st.integers(0, 30), STEPS), max_size=12),
)
def test_every_order_of_steps_moves_the_date_as_a_model_does(
    kind: RightKind, region: str | None, history: list[tuple[int, str]]
) -> None:
    model, clock, at = Model(kind, region), rights.receive(kind, region, AT, confirmed=False), AT
    for days, step in history:
        at += timedelta(days=days)
        model.passes(days)
        because = model.takes(step, at)
        if because:
            with pytest.raises(RefusedError) as refused:
                taken(clock, step, at)
            assert refused.value.because == because
        else:
            clock = taken(clock, step, at)
        assert clock.due(at) == model.due()
        assert clock.state.value == (model.end or ("paused" if model.waits else "open"))
        assert clock.may_extend(at) == (
            not model.end
            and not model.is_extended
            and model.due() >= at
            and model.times.extended_to(AT) is not None
        )
        late = model.due() < at or (
            not model.is_confirmed
            and clock.acknowledge_by is not None
            and clock.acknowledge_by < at
        )
        assert clock.is_overdue(at) == (late and not model.end)


def test_a_pause_after_the_date_makes_nothing_punctual() -> None:
    clock = rights.receive(RightKind.access, "DE", AT, confirmed=True)
    late = clock.due_at + timedelta(days=1)
    paused = rights.pause(clock, PauseReason.identity, late)
    assert not paused.stops
    assert rights.resume(paused, late + timedelta(days=9)).due_at == clock.due_at


def test_the_first_confirmation_stands() -> None:
    clock = rights.acknowledge(rights.receive(RightKind.access, "US-CA", AT, confirmed=False), AT)
    assert rights.acknowledge(clock, AT + timedelta(days=3)).acknowledged_at == AT
