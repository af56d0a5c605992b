"""Background work in the server's process: above all the log's sequencer, and the sweep.

An installation has one sequencer: the process that holds the database's advisory lock. Any other
polls for the lock each second and continues where the first one stopped, so several servers may
run. A sequencer that finds the log or the database in another state than it left them stops for
good: `fault` then has the type of the error, and so does /readyz. Any other task that fails is
noted in the log and begun again.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

from litestar.concurrency import sync_to_thread

from licet.proof import documents
from licet.vault.installation import Installation
from licet.web.api import problems

RETRY_SECONDS = 10.0
STOP_SECONDS_MAX = 60.0  # a thread that is cut off while it loads a library would abort the process

Work: TypeAlias = Callable[[Installation, threading.Event], None]


class BackgroundTask:
    """A background task of this process. With ``retry_seconds`` a failure is logged and the task
    restarts after that time; otherwise it has ended, and ``fault`` is the error's type.
    """

    def __init__(
        self,
        installation: Installation,
        work: Work = documents.follow,
        name: str = "licet-sequencer",
        retry_seconds: float | None = None,
    ) -> None:
        self.fault, self._retry_seconds = "", retry_seconds
        self._here, self._work, self._name = installation, work, name
        self._stop = threading.Event()

    @asynccontextmanager
    async def running(self, _: object = None) -> AsyncIterator[None]:
        """Runs the task. On exit, the batch in progress is complete and the lock is free."""
        thread = threading.Thread(target=self._follow, name=self._name, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            await sync_to_thread(lambda: thread.join(STOP_SECONDS_MAX))

    def _follow(self) -> None:
        while True:
            try:
                return self._work(self._here, self._stop)
            except Exception as error:
                problems.note(error)
                if self._retry_seconds is None:
                    self.fault = type(error).__name__
                    return None
            if self._stop.wait(self._retry_seconds):
                return None
