"""The sweep: erases what is due, automatically, in bounded batches, and never more than expected
without approval.

If a sweep would erase more than a set share of the stored content, it waits for approval and
reports that in `licet sweep status`, /metrics, `licet doctor` and the console. A person then
approves that amount, or finds out what moved the dates. Waiting makes nothing usable: content that
is due is denied from its date on, swept or not.

The work list is the dates in the tables themselves. A stopped sweep therefore continues when it is
called again, two sweeps share the work, and no queue can disagree with what is due.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec

from licet.consent import request_register
from licet.erasure import certificates, sweep_batches
from licet.erasure.sweep_batches import SweepResult
from licet.errors import RefusedError
from licet.keys import fence
from licet.store.connect import Transaction, transaction
from licet.store.rows import select
from licet.vault import expiry, verbs
from licet.vault.installation import Installation, load_policies

SWEEPS_LOCK = 0x6C69737765657073  # ASCII of `lisweeps`


class SweepStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the sweep. It waits for a person if ``waits_since`` is set and ``approved`` is
    less than ``due``.

    Counts are of segments, feedback and safety copies; ``kept`` is of segments only.
    """

    ended_at: datetime | None = None
    waits_since: datetime | None = None
    due: int | None = None
    kept: int | None = None
    approved: int | None = None
    approved_by: str | None = None

    @property
    def waits(self) -> bool:
        return self.due is not None and (self.approved or 0) < self.due


def sweep_status(installation: Installation) -> SweepStatus:
    """The state of the sweep."""
    with transaction(installation.pool) as tx:
        return sweep_status_in(tx)


def approve(installation: Installation, by: str, *, amount: int | None = None) -> SweepStatus:
    """Approves a waiting sweep; ``by`` is ``staff:..`` or ``user:..``.

    ``amount`` is the amount that was approved. RefusedError if no sweep waits, or not for that amount.
    """
    with transaction(installation.pool) as tx:
        approved = tx.execute(
            """UPDATE sweeping SET approved = due, approved_at = %(at)s, approved_by = %(by)s
                WHERE due IS NOT NULL AND (%(due)s::bigint IS NULL OR due = %(due)s)""",
            {"at": installation.clock(), "by": by, "due": amount},
        ).rowcount
        now = sweep_status_in(tx)
    if approved:
        return now
    if amount is None:
        raise RefusedError("no sweep waits for approval")
    raise RefusedError(
        "no sweep waits for that amount",
        "`licet sweep status` and `GET /v1/sweep` say how it stands",
        because="amount",
    )


def sweep(
    installation: Installation,
    *,
    dry_run: bool = False,
    progress: Callable[[SweepResult], None] | None = None,
) -> SweepResult:
    """Erases what is due now, and certifies requested erasures; a dry run only counts.

    RefusedError if it would erase more than it may without approval: before it begins, or when that
    much more becomes due.
    """
    at = installation.clock()
    if dry_run:
        with transaction(installation.pool) as tx:
            return sweep_batches.count_due(tx, at)
    verbs.advance(installation.pool, load_policies(installation), at)
    total, left = SweepResult(), _check_allowed(installation, at)
    while True:
        with transaction(installation.pool) as tx:
            fence.check(tx)
            batch = sweep_batches.sweep_batch(tx, at)
        total = total.plus(batch)
        left -= batch.segments + batch.feedback + batch.reasons.get("safety", 0)
        if progress is not None:
            progress(total)
        if not batch.more:
            break
        if left < 0:
            left = _check_allowed(installation, at)
    with transaction(installation.pool) as tx:
        request_register.forget(tx, at)
        tx.execute(
            """INSERT INTO sweeping (ended_at) VALUES (%s)
               ON CONFLICT (singleton) DO UPDATE
                 SET ended_at = EXCLUDED.ended_at, waits_since = NULL, due = NULL,
                                          kept = NULL, approved = NULL, approved_at = NULL,
                                            approved_by = NULL""",
            [at],
        )
    certificates.finish_due(installation)
    return total


def sweep_status_in(tx: Transaction) -> SweepStatus:
    """`sweep_status`, in the caller's transaction."""
    rows = select(
        tx,
        SweepStatus,
        "SELECT ended_at, waits_since, due, kept, approved, approved_by FROM sweeping",
    )
    return rows[0] if rows else SweepStatus()


def _check_allowed(installation: Installation, now: datetime) -> int:
    """The amount that may be erased now. If more is due, records that the sweep waits and raises
    RefusedError.
    """
    limits = installation.config.sweep
    with transaction(installation.pool) as tx:
        kept = expiry.kept_count(tx)
        usual = max(limits.unasked, int(limits.share * kept))
        approved = sweep_status_in(tx).approved
        allowed = usual + (approved or 0)
        due = expiry.due_count(tx, now, allowed + 1)
        if due > allowed:
            due = expiry.due_count(tx, now, 2**31)
            # An approval that was given since is not taken back: the next sweep goes by it.
            tx.execute(
                """INSERT INTO sweeping (waits_since, due, kept) VALUES (%s, %s, %s)
                   ON CONFLICT (singleton) DO UPDATE
                      SET waits_since = coalesce(sweeping.waits_since, EXCLUDED.waits_since),
                        due = EXCLUDED.due,
                          kept = EXCLUDED.kept, approved = NULL, approved_at = NULL,
                            approved_by = NULL
                    WHERE sweeping.approved IS NOT DISTINCT FROM %s""",
                [now, due, kept, approved],
            )
    if due > allowed:
        raise RefusedError(
            f"the sweep would erase `{due:,}` of `{kept:,}` stored segments, more than the "
            f"`{usual:,}` allowed without approval",
            "check `licet sweep --dry-run`; if that is intended, run `licet sweep approve`",
            because="sweep_waits",
        )
    return allowed
