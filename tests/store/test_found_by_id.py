"""What is looked up without its account has an index that finds it, though none guards it over all
accounts (ADR 22).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

import pytest

from licet.clock import utc_now
from licet.errors import NotFoundError
from licet.release import registry
from licet.store.connect import Pool, Transaction
from licet.vault import account_view, certificate, host_events
from licet.webhooks import acknowledgements

ONE = UUID(int=1)
LOOKED_UP: dict[str, Callable[[Transaction], object]] = {
    "account_hosts_pkey": lambda tx: account_view.account_by_host(tx, b"host"),
    "erasures_by_id": lambda tx: certificate.get(tx, ONE),
    "events_by_id": lambda tx: acknowledgements.acknowledge(tx, ONE, "app", utc_now()),
    "events_by_number": lambda tx: host_events.list_since(tx, 1, 10),
    "release_runs_by_block": lambda tx: registry.rows_at(tx, ONE, [1]),
}


def forget_sizes(conn: Transaction, index: str) -> None:
    """Until the transaction ends, the index's table is as one that no test before has filled: the
    planner goes by its sizes.
    """
    table = conn.execute(
        "SELECT indrelid::regclass::text, indrelid FROM pg_index WHERE indexrelid = %s::regclass",
        [index],
    ).fetchone()
    assert table is not None
    conn.execute("SET LOCAL session_replication_role = replica")
    conn.execute(f"TRUNCATE {table[0]} CASCADE")
    conn.execute("DELETE FROM pg_statistic WHERE starelid = %s", [table[1]])


@pytest.mark.parametrize("index", LOOKED_UP)
def test_what_is_looked_up_by_its_id_alone_is_found_by_an_index(pool: Pool, index: str) -> None:
    with pool.connection() as conn:
        conn.execute("SET LOCAL enable_seqscan = off")  # the tables are empty
        conn.execute("DISCARD PLANS")  # of tests before, which were made without that
        forget_sizes(conn, index)
        before = conn.execute("SELECT pg_stat_get_xact_numscans(%s::regclass)", [index]).fetchone()
        with suppress(NotFoundError):
            LOOKED_UP[index](conn)
        after = conn.execute("SELECT pg_stat_get_xact_numscans(%s::regclass)", [index]).fetchone()
        assert before and after and after[0] > before[0]
        conn.rollback()
