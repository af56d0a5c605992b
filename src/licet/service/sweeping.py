"""The sweep: what is due is erased, by itself and in bounded batches, and never more of it than somebody expects.

A sweep that would erase more than a share of what is kept waits, and says so: in `licet sweep status`, in /metrics, at
`licet doctor` and in the console. A person then approves that much, or finds out what moved the dates. Waiting makes
nothing usable: what is due is denied from its date on, swept or not.

The work list is the tables' own dates, so a sweep that was stopped anywhere goes on when it is called again, two at once
share the work, and no queue can disagree with what is due.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

import msgspec
import structlog

from licet.errors import LicetError, RefusedError
from licet.service import erasure, keys
from licet.service.installation import Installation
from licet.service.telling import advance
from licet.store.connect import Transaction, transaction
from licet.vault import erase, fence
from licet.vault.erase import Swept

SWEEPS_LOCK = 0x6C69737765657073  # the letters of `lisweeps`
_log = structlog.get_logger("licet.sweep")


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How the sweep stands. It waits for a person where ``waits_since`` is set and ``approved`` is not at least ``due``.

    Counts are of segments, feedback and safety copies; ``kept`` of segments alone.
    """

    ended_at: datetime | None
    waits_since: datetime | None
    due: int | None
    kept: int | None
    approved: int | None
    approved_by: str | None

    @property
    def waits(self) -> bool:
        return self.due is not None and (self.approved or 0) < self.due


def standing(here: Installation) -> Standing:
    """When the sweep last ended with nothing left, and whether it waits."""
    with transaction(here.pool) as tx:
        return standing_in(tx)


def approve(here: Installation, by: str) -> Standing:
    """Lets the sweep that waits erase what it said; ``by`` is ``staff:..`` or ``user:..``. RefusedError if none waits."""
    with transaction(here.pool) as tx:
        tx.execute(
            "UPDATE sweeping SET approved = due, approved_at = %s, approved_by = %s WHERE due IS NOT NULL",
            [here.clock(), by],
        )
        now = standing_in(tx)
    if now.due is None:
        raise RefusedError("no sweep waits for approval")
    return now


def sweep(here: Installation, *, dry_run: bool = False, progress: Callable[[Swept], None] | None = None) -> Swept:
    """Erases what is due now, and certifies what was asked for; a dry run counts, and no more.

    RefusedError where it would erase more than it may unasked: before it begins, or where that much more became due.
    """
    at = here.clock()
    if dry_run:
        with transaction(here.pool) as tx:
            return erase.due(tx, at)
    advance(here)
    total, left = Swept(), _allowed(here, at)
    while True:
        with transaction(here.pool) as tx:
            fence.check(tx)
            batch = erase.sweep_batch(tx, at)
        total = total.plus(batch)
        left -= batch.segments + batch.feedback + batch.reasons.get("safety", 0)
        if progress is not None:
            progress(total)
        if not batch.more:
            break
        if left < 0:
            left = _allowed(here, at)
    with transaction(here.pool) as tx:
        tx.execute(
            """INSERT INTO sweeping (ended_at) VALUES (%s)
               ON CONFLICT (singleton) DO UPDATE SET ended_at = EXCLUDED.ended_at, waits_since = NULL, due = NULL,
                                          kept = NULL, approved = NULL, approved_at = NULL, approved_by = NULL""",
            [at],
        )
    erasure.finish_due(here)
    return total


def keep_sweeping(here: Installation, stop: threading.Event) -> None:
    """Sweeps, certifies, recalls, rotates and destroys what is due, again and again until ``stop``; of many, one works at a time.

    What fails is said in the log and tried again: the database may be away, a provider too.
    """
    while not stop.wait(here.config.sweep.every_seconds):
        for name, work in _WORK.items():
            if stop.is_set():
                return
            try:
                with _alone(here) as mine:
                    if mine:
                        work(here)
            except RefusedError as error:
                _log.warning("waits", work=name, because=error.message)
            except LicetError as error:
                _log.error("failed", work=name, kind=type(error).__name__, because=error.message)


def _rotate(here: Installation) -> None:
    kind = keys.due_now(here)
    if kind is not None:
        keys.rotate(here, kind)
    keys.destroy_due(here)


def _recall(here: Installation) -> None:
    from licet.service import recipients  # here, so that no other command waits for what reads exports

    recipients.recall_ended(here)


_WORK: dict[str, Callable[[Installation], object]] = {
    "sweep": sweep, "erasures": erasure.run, "recalls": _recall, "keys": _rotate,
}  # fmt: skip


@contextmanager
def _alone(here: Installation) -> Iterator[bool]:
    """Whether no other process is at it; held by a connection of its own, so that a crash lets go of it."""
    with here.pool.connection() as conn:
        row = conn.execute("SELECT pg_try_advisory_lock(%s)", [SWEEPS_LOCK]).fetchone()
        conn.commit()
        mine = row == (True,)
        try:
            yield mine
        finally:
            if mine:
                conn.execute("SELECT pg_advisory_unlock(%s)", [SWEEPS_LOCK])
                conn.commit()


def standing_in(tx: Transaction) -> Standing:
    """`standing`, in a transaction of the caller."""
    row = tx.execute("SELECT ended_at, waits_since, due, kept, approved, approved_by FROM sweeping").fetchone()
    row = row or (None,) * 6
    return Standing(ended_at=row[0], waits_since=row[1], due=row[2], kept=row[3], approved=row[4], approved_by=row[5])


def _allowed(here: Installation, at: datetime) -> int:
    """How much may be erased now; notes that the sweep waits, and raises RefusedError, where that is less than is due."""
    limits = here.config.sweep
    with transaction(here.pool) as tx:
        kept = erase.kept_count(tx)
        usual = max(limits.unasked, int(limits.share * kept))
        allowed = usual + (standing_in(tx).approved or 0)
        due = erase.due_count(tx, at, allowed + 1)
        if due > allowed:
            due = erase.due_count(tx, at, 2**31)
            tx.execute(
                """INSERT INTO sweeping (waits_since, due, kept) VALUES (%s, %s, %s)
                   ON CONFLICT (singleton) DO UPDATE
                      SET waits_since = coalesce(sweeping.waits_since, EXCLUDED.waits_since), due = EXCLUDED.due,
                          kept = EXCLUDED.kept, approved = NULL, approved_at = NULL, approved_by = NULL""",
                [at, due, kept],
            )
    if due > allowed:
        raise RefusedError(
            f"the sweep would erase `{due:,}`, of `{kept:,}` segments kept: more than the `{usual:,}` that need no asking",
            "look at `licet sweep --dry-run`; if it is meant, `licet sweep approve`",
            because="sweep_waits",
        )
    return allowed
