"""Rate limit counters shared by all hosts: the table `rates`.

A caller is an opaque number with one instant: when its counted requests would have been made at the
permitted rate (the generic cell rate algorithm, ITU-T I.371). The clock is that of the database,
the same for all.
"""

from __future__ import annotations

from collections.abc import Mapping

from licet.store.connect import Transaction

SWEPT_ROWS_MAX = 10_000


def count_requests(tx: Transaction, seconds: Mapping[int, float]) -> dict[int, float]:
    """Counts requests of callers, as the seconds that they take at each one's rate. Returns in how
    many seconds each is due.

    Rows are locked in one order, so that hosts which count the same callers wait for each other and
    no more.
    """
    return dict(
        tx.execute(
            """INSERT INTO rates AS known (caller, due_at)
               SELECT caller, now() + make_interval(secs => taken)
                 FROM unnest(%s::bigint[], %s::float8[]) AS t(caller, taken) ORDER BY caller
               ON CONFLICT (caller) DO UPDATE
                 SET due_at = greatest(known.due_at, now()) + (excluded.due_at - now())
               RETURNING caller, extract(epoch FROM due_at - now())::float8""",
            [list(seconds), list(seconds.values())],
        ).fetchall()
    )


def sweep(tx: Transaction) -> None:
    """Deletes callers whose instant has passed, a bounded number of them; skips locked rows."""
    tx.execute(
        """DELETE FROM rates WHERE caller IN
           (SELECT caller FROM rates WHERE due_at <= now() LIMIT %s FOR UPDATE SKIP LOCKED)""",
        [SWEPT_ROWS_MAX],
    )
