"""A circuit breaker: a service that does not answer costs its callers one time-out, not one each.

Promise: once a call was not answered, calls are refused at once until one is answered. While the
service is silent one call at a time, at most every `RETRY_SECONDS`, finds out whether it is back;
where `is_probed`, only a probe does, and no other caller ever waits. An error that the service
answered with is an answer. Calls that began before the first failure wait for their own time-outs.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

from licet.errors import BusyError

RETRY_SECONDS = 1.0


class CircuitBreaker:
    """Guards the calls of one service, which ``service`` names in the refusal. Any thread may use
    it.
    """

    def __init__(self, service: str, hint: str) -> None:
        self.service, self._hint = service, hint
        self.is_probed = False
        self._mutex = threading.Lock()
        self._failed_at: float | None = None
        self._is_trying = False

    @property
    def is_open(self) -> bool:
        """Whether the newest call was not answered."""
        return self._failed_at is not None

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
        failed_at = None
        try:
            yield
        except BusyError:
            failed_at = time.monotonic()
            raise
        finally:
            with self._mutex:
                self._failed_at = failed_at
                self._is_trying = self._is_trying and not tries

    def _may_try(self, probes: bool) -> bool:
        assert self._failed_at is not None
        due = time.monotonic() >= self._failed_at + RETRY_SECONDS
        return probes or (due and not self._is_trying and not self.is_probed)
