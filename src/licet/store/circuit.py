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
from collections.abc import Iterator
from time import monotonic

from licet.errors import BusyError

RETRY_SECONDS = 1.0
SLOW_SECONDS = 1.0


class CircuitBreaker:
    """Guards the calls of one service, which ``service`` names in the refusal. Any thread may use
    it.

    ``is_probed`` leaves it to a probe to find out whether the service is back; ``is_failing`` says
    that the newest call was not answered, soon or late.
    """

    def __init__(self, service: str, hint: str) -> None:
        self.service, self._hint = service, hint
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
                raise BusyError(f"{self.service} does not answer", self._hint)
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
