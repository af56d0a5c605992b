"""A circuit breaker: a service that does not answer costs its callers one time-out, not one each.

Promise: once a call waited for `SLOW_SECONDS` and was not answered, calls are refused at once until
one is answered, or fails soon. While the service is silent one call at a time, at most every
`RETRY_SECONDS`, finds out whether it is back; where `is_probed`, only a probe does, and no other
caller ever waits. An error that the service answered with is an answer. Calls that began before the
first failure wait for their own time-outs.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from time import monotonic

from licet.errors import BusyError

RETRY_SECONDS = 1.0
SLOW_SECONDS = 1.0
LATE_SECONDS = 5.0
REMEMBERED_SECONDS = 600.0


class CircuitBreaker:
    """Guards the calls of one service, which ``service`` names in the refusal, for people, and
    ``because``, for programs. Any thread may use it.

    ``is_probed`` leaves it to a probe to find out whether the service is back; ``is_failing`` says
    that the newest call was not answered, soon or late.
    """

    def __init__(self, service: str, hint: str, because: str = "") -> None:
        self.service, self._hint, self.because = service, hint, because
        self.is_probed = False
        self._mutex = threading.Lock()
        self._failed_at: float | None = None
        self._is_trying = self.is_failing = False

    @contextlib.contextmanager
    def calling(self, *, probes: bool = False) -> Iterator[None]:
        """Surrounds a call whose BusyError means that there was no answer. BusyError at once where
        the call is refused.
        """
        with self._mutex:
            tries = self._failed_at is not None
            if tries and not self._may_try(probes):
                raise BusyError(f"{self.service} does not answer", self._hint, because=self.because)
            self._is_trying = self._is_trying or tries
        begun, failed_at, is_failing = monotonic(), None, False
        try:
            yield
        except BusyError:
            is_failing, now = True, monotonic()
            failed_at = now if now >= begun + SLOW_SECONDS else None
            raise
        finally:
            with self._mutex:
                self._failed_at, self.is_failing = failed_at, is_failing
                self._is_trying = self._is_trying and not tries

    def _may_try(self, probes: bool) -> bool:
        assert self._failed_at is not None
        due = monotonic() >= self._failed_at + RETRY_SECONDS
        return probes or (due and not self._is_trying and not self.is_probed)


class CallWatch:
    """Which services of others do not answer: one that keeps a call waiting for `LATE_SECONDS`, and
    one whose last call was not answered, for `REMEMBERED_SECONDS`. Any thread may use it.
    """

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._begun: dict[object, tuple[str, float]] = {}
        self._unanswered: dict[tuple[str, object], float] = {}

    @contextlib.contextmanager
    def calling(self, kind: str, service: object = None) -> Iterator[Callable[[], None]]:
        """Surrounds a call of one ``service`` of a ``kind``, which `silent` may name. Yields what
        is to be called once it was answered.
        """
        call, answers = object(), list[bool]()
        with self._mutex:
            self._begun[call] = (kind, monotonic())
        try:
            yield lambda: answers.append(True)
        finally:
            with self._mutex:
                del self._begun[call]
                if answers:
                    self._unanswered.pop((kind, service), None)
                else:
                    self._unanswered[kind, service] = monotonic()

    @property
    def silent(self) -> set[str]:
        """The kinds of the services that do not answer."""
        now = monotonic()
        with self._mutex:
            late = {kind for kind, begun in self._begun.values() if now > begun + LATE_SECONDS}
            for key in [k for k, at in self._unanswered.items() if now > at + REMEMBERED_SECONDS]:
                del self._unanswered[key]
            return late | {kind for kind, _ in self._unanswered}
