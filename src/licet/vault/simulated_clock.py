"""The simulated clock of an installation: a file in its folder that states the present moment
there.

It is a setting of an installation, for demonstrations and tests that simulate years in seconds. The
edge reads it when it opens the folder, and runs at that moment; a folder without the file runs on
the system's clock, and no command creates one.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

from licet.errors import UsageError
from licet.undecodable import UNDECODABLE

CLOCK_FILE = "simulated-clock.json"


class _Saved(msgspec.Struct, frozen=True):
    now: datetime


class SimulatedClock:
    """A clock that only moves when it is set."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def set(self, now: datetime) -> None:
        """Moves the clock forward, never back."""
        self.now = max(self.now, now)


def clock_of(folder: Path) -> datetime | None:
    """The simulated time in ``folder``; None for an installation on the system's clock."""
    try:
        return msgspec.json.decode((folder / CLOCK_FILE).read_bytes(), type=_Saved).now
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UNDECODABLE as error:
        raise UsageError(f"`{folder / CLOCK_FILE}` is not a clock: {error}") from None


def save(folder: Path, clock: SimulatedClock) -> None:
    """Stores the time of ``clock`` in ``folder``."""
    (folder / CLOCK_FILE).write_bytes(msgspec.json.encode(_Saved(clock.now)))
