"""A circuit breaker: a silent service costs its callers one time-out in all, not one each.

Promise: after a call has waited `SLOW_SECONDS` without an answer, calls are refused at once until
one is answered or fails quickly. While the service is silent, one call at a time, at most every
`RETRY_SECONDS`, tries again; with `is_probed` only a probe does, and no other caller waits. An
error response is an answer. Calls in flight at the first failure wait for their own time-outs.
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
    """Guards the calls of one service, thread-safe. A refusal names ``service`` to people and
    ``because`` to programs.

    ``is_probed`` leaves retries to a probe; ``is_failing`` is True while the newest call is
    unanswered.
    """

    def __init__(self, service: str, hint: str, because: str = "") -> None:
        self.service, self._hint, self.because = service, hint, because
        self.is_probed = False
        self._mutex = threading.Lock()
        self._failed_at: float | None = None
        self._is_trying = self.is_failing = False

    @contextlib.contextmanager
    def calling(self, *, probes: bool = False) -> Iterator[None]:
        """Surrounds a call whose BusyError means "no answer"; raises BusyError at once while the
        circuit is open.
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
    """Tracks external services that do not answer: one that keeps a call waiting for
    `LATE_SECONDS`, or whose last call failed, for `REMEMBERED_SECONDS`. Thread-safe.
    """

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._begun: dict[object, tuple[str, float]] = {}
        self._unanswered: dict[tuple[str, object], float] = {}

    @contextlib.contextmanager
    def calling(self, kind: str, service: object = None) -> Iterator[Callable[[], None]]:
        """Surrounds a call to a ``service`` of a ``kind``. Yields a function that marks the call as
        answered.
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
        """The kinds of services that do not answer."""
        now = monotonic()
        with self._mutex:
            late = {kind for kind, begun in self._begun.values() if now > begun + LATE_SECONDS}
            for key in [k for k, at in self._unanswered.items() if now > at + REMEMBERED_SECONDS]:
                del self._unanswered[key]
            return late | {kind for kind, _ in self._unanswered}
