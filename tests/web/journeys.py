"""What a journey through Licet costs, as counts: calls, returns to a file, SQL statements and
transactions.

A call is a Python function of ``licet`` that is entered; a generator or a coroutine counts once,
however often it goes on. A return to a file is a call into a file that the journey had left for
another one. The counts are of every thread, and depend on no clock and no other load.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import msgspec
import psycopg

import licet
from licet.policy import file as policy_file
from licet.store import connect

ROOT = f"{Path(licet.__file__).parent}/"
_STATEMENTS = {psycopg.Cursor.execute.__code__, psycopg.Cursor.executemany.__code__}
# the generator below `contextmanager`
_TRANSACTION: CodeType = connect.transaction.__wrapped__.__code__  # type: ignore[attr-defined]
_PARSE = policy_file.from_document.__code__
_INLINED = {"<listcomp>", "<dictcomp>", "<setcomp>"}  # functions of their own in Python 3.11 alone
_GOES_ON = CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR


class JourneyCost(msgspec.Struct, kw_only=True):
    """What was counted. ``by_file`` are the calls a file, for anyone who asks where they go."""

    calls: int = 0
    returns: int = 0
    statements: int = 0
    transactions: int = 0
    parses: int = 0
    by_file: Counter[str] = msgspec.field(default_factory=Counter)

    def row(self, name: str) -> str:
        """A row of the table in docs/adr/0016-rooms-by-subject.md."""
        return (
            f"| {name} | {self.calls} | {len(self.by_file)} | {self.returns} | "
            f"{self.statements} | {self.transactions} |"
        )


class Counting:
    """Counts while it is on. Threads are watched that begin after it was made: make it before the
    application.
    """

    def __init__(self) -> None:
        self._cost: JourneyCost | None = None
        self._seen: set[FrameType] = set()
        self._files: dict[str, str] = {}
        self._at: str | None = None
        self._lock = threading.Lock()

    @contextmanager
    def watching(self) -> Iterator[Counting]:
        """Has every thread that begins inside report its calls."""
        threading.setprofile(self._called)
        sys.setprofile(self._called)
        try:
            yield self
        finally:
            sys.setprofile(None)
            threading.setprofile(None)

    @contextmanager
    def counted(self) -> Iterator[JourneyCost]:
        """What happens inside, counted."""
        cost = JourneyCost()
        self._at = None
        self._cost = cost
        try:
            yield cost
        finally:
            self._cost = None
            self._seen.clear()

    def _called(self, frame: FrameType, event: str, _: Any) -> None:
        cost = self._cost
        if cost is None or event != "call":
            return
        code = frame.f_code
        path = code.co_filename
        if path.startswith(ROOT):
            with self._lock:
                self._count(cost, frame, path)
        elif code in _STATEMENTS:
            cost.statements += 1

    def _count(self, cost: JourneyCost, frame: FrameType, path: str) -> None:
        code = frame.f_code
        if code.co_name in _INLINED:
            return
        if code.co_flags & _GOES_ON:
            if frame in self._seen:
                return
            self._seen.add(frame)
        name = path.removeprefix(ROOT)
        cost.calls += 1
        if name != self._at:
            cost.returns += name in cost.by_file
            self._at = name
        cost.by_file[name] += 1
        cost.parses += code is _PARSE
        cost.transactions += code is _TRANSACTION
