"""Outages that the servers of a data folder observed, as JSON lines: a dependency that stopped or
resumed answering, a slow or locked database, missing workers. Read by `licet doctor --since`.

At `BYTES_MAX` the file is renamed over its predecessor. A line fits into one write, so that
processes may share the file. It holds no content and no address.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec

NAME = "outages.jsonl"
BYTES_MAX = 1 << 20
DATABASE_SLOW, DATABASE_LOCKED, WORKERS = "database_slow", "database_locked", "workers"
PENDING_MAX = 1_000  # lines waiting for the disk


class OutageLine(msgspec.Struct, frozen=True):
    """A dependency fell ``silent`` at ``at``, or answers again, as observed by ``process``."""

    at: datetime
    dependency: str
    silent: bool
    process: int


class DependencyOutage(msgspec.Struct, frozen=True, kw_only=True):
    """A dependency was silent from ``began`` on; ``ended`` is None if no end is recorded."""

    dependency: str
    began: datetime
    ended: datetime | None


class OutageFile:
    """Appends one process's observations. A line that cannot be written waits for the next call."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / NAME
        self._silent = frozenset[str]()
        self._pending: list[bytes] = []

    def note(self, silent: Sequence[str], at: datetime) -> None:
        """Records the changes since the last call."""
        now = frozenset(silent)
        self._pending += [
            msgspec.json.encode(OutageLine(at, name, name in now, os.getpid())) + b"\n"
            for name in sorted(now ^ self._silent)
        ]
        self._silent, self._pending = now, self._pending[-PENDING_MAX:]
        if not self._pending:
            return
        with suppress(OSError):
            if self._file.exists() and self._file.stat().st_size > BYTES_MAX:
                self._file.replace(self._file.with_suffix(".1.jsonl"))
            with self._file.open("ab", buffering=0) as file:
                while self._pending:
                    file.write(self._pending[0])
                    del self._pending[0]


def outages(folder: Path, since: datetime) -> list[DependencyOutage]:
    """Returns the outages at any time since ``since``, in order, merged over processes. Skips
    incomplete lines.
    """
    lines: list[OutageLine] = []
    file = folder / NAME
    for path in (file.with_suffix(".1.jsonl"), file):
        with suppress(FileNotFoundError):
            for written in path.read_bytes().splitlines():
                with suppress(msgspec.DecodeError):
                    lines.append(msgspec.json.decode(written, type=OutageLine))
    found: list[DependencyOutage] = []
    standing: dict[str, dict[int, datetime]] = {}
    began: dict[str, datetime] = {}
    for line in sorted(lines, key=lambda one: one.at):
        seen_by = standing.setdefault(line.dependency, {})
        if line.silent:
            began.setdefault(line.dependency, line.at)
            seen_by[line.process] = line.at
        elif seen_by.pop(line.process, None) is not None and not seen_by:
            merged = DependencyOutage(
                dependency=line.dependency, began=began.pop(line.dependency), ended=line.at
            )
            found += [merged] if line.at >= since else []
    for name, at in began.items():
        if at >= since or any(_runs(process) for process in standing[name]):
            found.append(DependencyOutage(dependency=name, began=at, ended=None))
    return sorted(found, key=lambda one: (one.began, one.dependency))


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
