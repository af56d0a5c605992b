"""Follows Licet's events: content to delete from this program, and changed gates.

Events are passed to ``on_event`` in order. The cursor is saved when it returns, so an event is
passed again after a crash or error; its id identifies it. Without a saved cursor, following begins
with the oldest event that Licet still has.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

from licet.client import Client, Event, events
from licet.errors import LicetError
from licet.host.gate_cache import GateCache

HOLD_SECONDS = 5  # wait of a request for an event; less than the client's time-out
WAIT_SECONDS_MAX = 30.0
_log = logging.getLogger("licet.host")


class EventFollower:
    """Follows events on one thread until `close`."""

    def __init__(
        self,
        client: Client,
        cursor_file: Path,
        gates: GateCache,
        on_event: Callable[[Event], None] | None,
    ) -> None:
        self._client, self._file, self._gates, self._on_event = (
            client,
            cursor_file,
            gates,
            on_event,
        )
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="licet-events", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Returns after the request in progress."""
        self._ends.set()
        self._thread.join(HOLD_SECONDS + 1)

    def _follow(self) -> None:
        cursor = self._file.read_text().strip() if self._file.exists() else "0"
        failed = 0
        while not self._ends.is_set():
            try:
                page = self._client.send(events(cursor, wait=HOLD_SECONDS))
                for event in page.items:
                    self._take(event)
                    cursor = self._save(event.cursor)
                if page.next != cursor:
                    cursor = self._save(page.next)
                failed = 0
            except Exception as error:  # the same events come again
                failed += 1
                wait = min(0.2 * 2 ** min(failed, 20), WAIT_SECONDS_MAX)
                message = error.message if isinstance(error, LicetError) else type(error).__name__
                _log.warning("events cannot be followed, again in %.1f s: %s", wait, message)
                self._ends.wait(wait)

    def _take(self, event: Event) -> None:
        account = event.data.get("account")
        if event.type == "choice.changed" and isinstance(account, str):
            self._gates.forget(account)
        if self._on_event is not None:
            self._on_event(event)

    def _save(self, cursor: str) -> str:
        fresh = self._file.with_suffix(".new")
        with fresh.open("w") as file:
            file.write(cursor)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._file)
        return cursor
