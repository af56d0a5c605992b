"""Two pools: one that crashes before a commit of a real run, and one in which any number of runs is
tried and undone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self, cast

import psycopg
from psycopg import pq
from psycopg.rows import TupleRow

from licet.store.connect import Pool, Transaction

from .disk import Crash

ISOLATION = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"


class Count:
    """How many commits changed something; ``crash_at`` is the number of the one that is not made
    any more.
    """

    def __init__(self, crash_at: int | None, on: Callable[[], None]) -> None:
        self.made, self.crash_at, self.dead, self._on = 0, crash_at, False, on

    def begin(self) -> None:
        """A commit is about to be made."""
        if self.dead or self.made == self.crash_at:
            self.dead = True
            raise Crash
        self.made += 1

    def done(self) -> None:
        self._on()


class _Counted(psycopg.Connection[TupleRow]):
    count: Count

    def _changes(self) -> bool:
        if self.info.transaction_status is not pq.TransactionStatus.INTRANS:
            return False
        return self.execute("SELECT pg_current_xact_id_if_assigned()").fetchone() != (None,)

    def commit(self) -> None:
        if self.count.dead:
            self.rollback()
            return
        changes = self._changes()
        if changes:
            self.count.begin()
        super().commit()
        if changes:
            self.count.done()

    @contextmanager
    def transaction(self, *arguments: Any, **more: Any) -> Iterator[psycopg.Transaction]:
        outermost = self.info.transaction_status is pq.TransactionStatus.IDLE
        changes = False
        with super().transaction(*arguments, **more) as made:
            yield made
            if outermost:
                changes = self._changes()
            if changes:
                self.count.begin()
        if changes:
            self.count.done()


def counted(dsn: str, count: Count) -> Pool:
    """A real pool whose commits are counted."""

    class One(_Counted):
        pass

    One.count = count

    def configure(conn: One) -> None:
        conn.execute("SET timezone = 'UTC'")
        psycopg.Connection.commit(conn)
        conn.isolation_level = psycopg.IsolationLevel.READ_COMMITTED

    return Pool(
        dsn,
        connection_class=One,
        min_size=1,
        max_size=4,
        timeout=600,
        configure=configure,
        open=True,
    )


class _Inner:
    """A connection of `Undone`: what it commits stays until the trial is undone. Without a name it
    cannot roll back.

    As of any connection nothing of it is open before its first statement or after a commit: a
    rollback then leaves alone what others committed meanwhile.
    """

    def __init__(self, conn: Transaction, name: str = "") -> None:
        self._conn, self._name, self._is_open = conn, name, False

    def _begin(self) -> None:
        if self._name and not self._is_open:
            self._conn.execute(f"SAVEPOINT {self._name}")
            self._is_open = True

    def _end(self) -> None:
        if self._is_open:
            self._conn.execute(f"RELEASE SAVEPOINT {self._name}")
            self._is_open = False

    def __getattr__(self, name: str) -> Any:
        self._begin()
        return getattr(self._conn, name)

    def execute(self, query: Any, *arguments: Any, **more: Any) -> Any:
        self._begin()
        if str(query).startswith(ISOLATION):  # the whole trial has it
            return None
        return self._conn.execute(query, *arguments, **more)

    def commit(self) -> None:
        self._end()

    def rollback(self) -> None:
        if self._is_open:
            self._conn.execute(f"ROLLBACK TO SAVEPOINT {self._name}")
        self._end()

    @contextmanager
    def transaction(self) -> Iterator[object]:
        if not self._name:
            yield None
            return
        self._begin()
        with self._conn.transaction() as made:
            yield made
        self.commit()


class Undone:
    """A pool over one connection, in one transaction that is undone when the trial ends; its
    commits are savepoints.

    A trial without savepoints is quicker, and only for what rolls nothing back.
    """

    def __init__(self, dsn: str) -> None:
        self._conn: Transaction = psycopg.connect(dsn)
        self._conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        self._conn.execute("SET timezone = 'UTC'")
        self._conn.commit()
        self._names, self._savepoints = 0, True

    def close(self) -> None:
        self._conn.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def trial(self, *, savepoints: bool = True) -> Iterator[Pool]:
        self._savepoints = savepoints
        try:
            yield cast(Pool, self)
        finally:
            self._conn.rollback()
            if savepoints:
                self._conn.execute("SELECT pg_advisory_unlock_all()")
                self._conn.commit()

    @contextmanager
    def connection(self) -> Iterator[_Inner]:
        self._names += 1
        inner = _Inner(self._conn, f"trial_{self._names}" if self._savepoints else "")
        try:
            yield inner
        except BaseException:
            inner.rollback()
            raise
        inner.commit()
