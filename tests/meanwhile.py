"""Two transactions at once, without a clock: what one does while the other one's is open, and
whether it had to wait.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from licet.store.connect import Pool, Transaction, transaction

from .waiting import wait_until

# The backends of this database that wait for a lock. ``pg_locks`` tells of the whole server, where
# other workers of a run have databases of their own, and a wait for a transaction names none.
WAITERS = """SELECT pid FROM pg_locks waiting
              WHERE NOT granted AND EXISTS (
                    SELECT FROM pg_locks held JOIN pg_database d ON d.oid = held.database
                     WHERE held.pid = waiting.pid AND d.datname = current_database())"""
_BLOCKED = "SELECT count(*) FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"


@dataclass(slots=True)
class Meanwhile:
    """What the second did: whether it waited for the first, and what it returned or raised."""

    waited: bool = False
    result: Any = None
    error: BaseException | None = None


def meanwhile(
    pool: Pool, first: Callable[[Transaction], object], second: Callable[[], object]
) -> Meanwhile:
    """Runs ``second`` on another thread while the transaction of ``first`` is open, which commits
    once the second has ended or waits for it.
    """
    done, ended = Meanwhile(), threading.Event()

    def run() -> None:
        try:
            done.result = second()
        except BaseException as error:
            done.error = error
        ended.set()

    thread = threading.Thread(target=run, daemon=True)
    with transaction(pool) as tx:
        first(tx)
        mine = tx.info.backend_pid
        thread.start()

        def is_blocked() -> bool:
            with transaction(pool) as other:
                done.waited = other.execute(_BLOCKED, [mine]).fetchone() != (0,)
            return done.waited

        wait_until(
            lambda: ended.is_set() or is_blocked(), "the second ends, or waits for the first"
        )
    wait_until(ended.is_set, "the second ends")
    thread.join()
    return done


def in_transaction(pool: Pool, verb: Callable[[Transaction], object]) -> Callable[[], object]:
    """``verb`` in a transaction of its own."""

    def run() -> object:
        with transaction(pool) as tx:
            return verb(tx)

    return run
