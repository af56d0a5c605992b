"""A service that does not answer costs its callers one time-out, and none once it is probed."""

from __future__ import annotations

import pytest

from licet.errors import BrokenError, BusyError
from licet.store import circuit
from licet.store.circuit import CircuitBreaker


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(circuit, "monotonic", lambda: now[0])
    return now


def fail(
    breaker: CircuitBreaker,
    clock: list[float],
    seconds: float = circuit.SLOW_SECONDS,
    *,
    probes: bool = False,
) -> None:
    with pytest.raises(BusyError, match="time-out"), breaker.calling(probes=probes):
        clock[0] += seconds
        raise BusyError("time-out", "hint")


def is_refused(breaker: CircuitBreaker) -> bool:
    try:
        with breaker.calling():
            return False
    except BusyError as error:
        assert error.message == "the store does not answer"
        assert error.hint == "look"
        return True


def test_after_a_call_that_was_not_answered_calls_are_refused_until_one_is_due(
    clock: list[float],
) -> None:
    breaker = CircuitBreaker("the store", "look")
    assert not breaker.is_failing
    fail(breaker, clock)
    assert breaker.is_failing
    assert is_refused(breaker)
    clock[0] += circuit.RETRY_SECONDS
    fail(breaker, clock)
    assert is_refused(breaker), "the time counts from the newest failure"
    clock[0] += circuit.RETRY_SECONDS
    with breaker.calling():
        assert is_refused(breaker), "one at a time finds out"
    assert not breaker.is_failing
    assert not is_refused(breaker)


def test_what_is_probed_is_asked_by_the_probe_alone(clock: list[float]) -> None:
    breaker = CircuitBreaker("the store", "look")
    breaker.is_probed = True
    fail(breaker, clock)
    clock[0] += 100 * circuit.RETRY_SECONDS
    assert is_refused(breaker)
    fail(breaker, clock, probes=True)
    assert is_refused(breaker)
    with breaker.calling(probes=True):
        pass
    assert not is_refused(breaker)


def test_what_fails_soon_costs_nobody_anything_and_is_asked_again(clock: list[float]) -> None:
    breaker = CircuitBreaker("the store", "look")
    fail(breaker, clock, circuit.SLOW_SECONDS / 2)
    assert breaker.is_failing
    fail(breaker, clock, circuit.SLOW_SECONDS / 2)
    assert not is_refused(breaker)
    assert not breaker.is_failing


def test_an_error_that_the_service_answered_with_is_an_answer(clock: list[float]) -> None:
    breaker = CircuitBreaker("the store", "look")
    with pytest.raises(BrokenError), breaker.calling():
        raise BrokenError("damaged")
    assert not breaker.is_failing
    fail(breaker, clock)
    with pytest.raises(BrokenError), breaker.calling(probes=True):
        raise BrokenError("damaged")
    assert not breaker.is_failing
