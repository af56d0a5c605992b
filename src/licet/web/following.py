"""The log's sequencer beside the server: what commits is in the log within a second, without another command.

One sequencer works for an installation, whichever process has the database's advisory lock. Another one waits for it,
asking each second, and goes on where it ended; so several servers may run. A sequencer that finds the log or the
database other than it left them stops for good: `fault` then says what kind of error it was, and /readyz with it.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar.concurrency import sync_to_thread

from licet.service import Installation, proving
from licet.web import problems

STOP_SECONDS_MAX = 15.0


class Following:
    """The sequencer of this process. ``fault`` is empty for as long as it works, or waits for another to end."""

    def __init__(self, here: Installation) -> None:
        self.fault = ""
        self._here = here
        self._stop = threading.Event()

    @asynccontextmanager
    async def running(self, _: object = None) -> AsyncIterator[None]:
        """Runs it; when this ends, the batch that was under way is in the log and the lock is free."""
        thread = threading.Thread(target=self._follow, name="licet-sequencer", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            await sync_to_thread(lambda: thread.join(STOP_SECONDS_MAX))

    def _follow(self) -> None:
        try:
            proving.follow(self._here, self._stop)
        except Exception as error:
            self.fault = type(error).__name__
            problems.note(error)
