"""Background work in the server's process: above all the log's sequencer, and the sweep.

An installation has one sequencer: the process that holds the database's advisory lock. Any other
polls for the lock each second and continues where the first one stopped, so several servers may
run. A sequencer that finds the log or the database in another state than it left them stops for
good: `fault` then has the type of the error, and so does /readyz.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from litestar.concurrency import sync_to_thread

from licet.proof import documents
from licet.vault.installation import Installation
from licet.web.api import problems

STOP_SECONDS_MAX = 60.0  # a thread that is cut off while it loads a library would abort the process


class BackgroundTask:
    """A background task of this process. ``fault`` is empty while it runs, or waits for another
    process to stop.
    """

    def __init__(
        self,
        installation: Installation,
        work: Callable[[Installation, threading.Event], None] = documents.follow,
        name: str = "licet-sequencer",
    ) -> None:
        self.fault = ""
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
        try:
            self._work(self._here, self._stop)
        except Exception as error:
            self.fault = type(error).__name__
            problems.note(error)
