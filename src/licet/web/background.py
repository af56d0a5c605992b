"""Work beside the server, without another command: the log's sequencer above all, and the sweep.

One sequencer works for an installation, whichever process has the database's advisory lock. Another one waits for it,
asking each second, and goes on where it ended; so several servers may run. A sequencer that finds the log or the
database other than it left them stops for good: `fault` then says what kind of error it was, and /readyz with it.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from litestar.concurrency import sync_to_thread

from licet.proof import documents
from licet.vault.installation import Installation
from licet.web.api import problems

STOP_SECONDS_MAX = 15.0


class BackgroundTask:
    """Work of this process until it ends. ``fault`` is empty for as long as it goes on, or waits for another to end."""

    def __init__(
        self,
        here: Installation,
        work: Callable[[Installation, threading.Event], None] = documents.follow,
        name: str = "licet-sequencer",
    ) -> None:
        self.fault = ""
        self._here, self._work, self._name = here, work, name
        self._stop = threading.Event()

    @asynccontextmanager
    async def running(self, _: object = None) -> AsyncIterator[None]:
        """Runs it; when this ends, the batch that was under way is done and the lock is free."""
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
