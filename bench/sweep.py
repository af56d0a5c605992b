"""The sweep beside a plain batched DELETE of the same rows, and a dry run beside the bare count of
what is due.

Half of a town's accounts is swept, the other half deleted: the same rows, batches and commits. The
sweep destroys keys, keeps stamps, ends copies and tells the journal and the log besides. The goal
is half the floor's rate, and for the dry run the floor's. As on any day, one chat in a hundred is
due as the dry run counts; one in three is as both erase.

    python -m bench sweep [ACCOUNTS]
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from bench import Row
from licet.erasure import sweep_batches
from licet.erasure.sweep_batches import BATCH_SEGMENTS_MAX
from licet.keys.material import EMPTY_SLOT
from licet.store import embedded
from licet.store.connect import Pool, Transaction, open_pool, transaction
from licet.store.migrate import migrate
from licet.store.rows import copy_in
from licet.vault.blocks import pack_sizes

ROUNDS = 3
CHATS, TURNS, TURN_BYTES, LOAD_ACCOUNTS = 12, 4, 600, 500
BEGIN, DAY = datetime(2025, 9, 1, tzinfo=UTC), timedelta(days=1)
# a day's dry run; the day on which both have much to erase
TODAY, NOW = BEGIN + 30 * DAY, BEGIN + 70 * DAY
SECOND_HALF = UUID(int=1 << 64)
NOBODY = UUID(int=0)

COLUMNS = {
    "accounts": "account_id uuid, bucket int4, wrapped_key bytea, next_slot int4, plan text,"
    " opened_at timestamptz, last_at timestamptz, seen int2",
    "key_pages": "account_id uuid, page int4, slots bytea",
    "conversations": "account_id uuid, conversation_id uuid, kind text, incognito bool, narrowed bool, narrowings int4,"
    " begun_at timestamptz, deciding int2, deciding_stale text, out_of_scope bool",
    "segments": "account_id uuid, conversation_id uuid, segment int2, plan text, surface text, in_scope bool,"
    " version int2, narrowed bool, stale text, first_turn int4, last_turn int4, last_at "
    "timestamptz, has_user bool,"
    " keep_until timestamptz, key_slot int4",
    "blocks": "account_id uuid, conversation_id uuid, first_turn int4, segment int2, seq int8, roles text,"
    " origins text, times bytea, sizes bytea, sealed bytea",
    "copies": "account_id uuid, conversation_id uuid, segment int2, place text, reference uuid,"
    " registered_at timestamptz",
}

DUE = "s.erased_at IS NULL AND s.keep_until <= %(at)s"
SAME = (
    "d.account_id = r.account_id AND d.conversation_id = r.conversation_id AND d.segment = "
    "r.segment"
)
DELETE = f"""
    WITH due AS (SELECT account_id, conversation_id, segment FROM segments s
                  WHERE {DUE} AND s.due_on <= %(at)s::date AND s.account_id >= %(from)s
                  ORDER BY s.due_on, account_id LIMIT %(limit)s),
         blocks AS (DELETE FROM blocks r USING due d WHERE {SAME})
    DELETE FROM segments r USING due d WHERE {SAME}"""


def main(arguments: list[str]) -> list[Row]:
    """Segments a second erased, and seconds of a dry run."""
    accounts = int(arguments[0]) if arguments else 8_000
    with (
        tempfile.TemporaryDirectory(prefix="licet-bench-") as folder,
        embedded.running(Path(folder) / "postgres") as dsn,
        open_pool(dsn) as pool,
    ):
        with pool.connection() as conn:
            migrate(conn)
            build(conn, accounts)
        return [*dry_run(pool), sweep(pool)]


def dry_run(pool: Pool) -> list[Row]:
    bare = timed(
        pool,
        lambda tx: tx.execute(
            f"SELECT count(*) FROM segments s WHERE {DUE}", {"at": TODAY}
        ).fetchone(),
    )
    counted = timed(pool, lambda tx: sweep_batches.count_due(tx, TODAY))
    return [
        Row(
            "sweep, dry run beside the bare count",
            f"{counted:.3f} s",
            f"{bare:.3f} s",
            f"{bare / counted:.2f}",
        )
    ]


def timed(pool: Pool, act: Callable[[Transaction], object]) -> float:
    """Seconds; the best of the rounds."""
    best = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        with transaction(pool) as tx:
            act(tx)
        best.append(time.perf_counter() - begun)
    return min(best)


def sweep(pool: Pool) -> Row:
    """By turns a batch of each, so that what else the machine does falls on both."""
    deleted = swept = 0
    floor = ours = 0.0
    more = True
    while more:
        begun = time.perf_counter()
        with transaction(pool) as tx:
            gone = tx.execute(
                DELETE, {"at": NOW, "from": SECOND_HALF, "limit": BATCH_SEGMENTS_MAX}
            ).rowcount
        if gone:
            deleted, floor = deleted + gone, floor + time.perf_counter() - begun
        begun = time.perf_counter()
        with transaction(pool) as tx:
            batch = sweep_batches.sweep_batch(tx, NOW)
        swept, ours, more = swept + batch.segments, ours + time.perf_counter() - begun, batch.more
    figure, low = swept / ours, deleted / floor
    what = f"sweep: {swept:,} segments of {TURNS} turns, a second"
    return Row(what, f"{figure:,.0f}", f"{low:,.0f}", f"{figure / low:.2f}")


def build(tx: Transaction, accounts: int) -> None:
    """The town, by COPY. Foreign keys are not checked, so that buckets and versions need not be
    there.
    """
    tx.execute("SET session_replication_role = replica")
    body = os.urandom(TURN_BYTES)
    for start in range(0, accounts, LOAD_ACCOUNTS):
        rows: dict[str, list[tuple[Any, ...]]] = {table: [] for table in COLUMNS}
        for number in range(start, start + LOAD_ACCOUNTS):
            add_account(rows, number, body, second_half=number % 2 == 1)
        for table, columns in COLUMNS.items():
            copy_in(tx, table, dict(column.split() for column in columns.split(",")), rows[table])
    tx.commit()
    tx.execute("SET session_replication_role = origin")
    tx.commit()
    tx.autocommit = True
    tx.execute("VACUUM (ANALYZE)")
    tx.autocommit = False


def add_account(
    rows: dict[str, list[tuple[Any, ...]]], number: int, body: bytes, *, second_half: bool
) -> None:
    account = UUID(int=number + (SECOND_HALF.int if second_half else 1))
    rows["accounts"].append((account, 0, b"", CHATS, "pro", BEGIN, NOW - DAY, 0))
    rows["key_pages"].append((account, 0, (b"\x01" * len(EMPTY_SLOT)) * CHATS))
    for chat in range(CHATS):
        key = (account, UUID(int=(number << 16) + chat + (1 << 100)))
        due = chat % 3 == 0
        until = BEGIN + (30 + number % 33 if due else 200 + chat) * DAY
        rows["conversations"].append((*key, "chat", False, False, 0, BEGIN, 0, "", False))
        rows["segments"].append(
            (*key, 0, "pro", "app", True, 0, False, "", 1, TURNS, BEGIN, True, until, chat)
        )
        sizes = pack_sizes([len(body)] * TURNS)
        rows["blocks"].append(
            (*key, 1, 0, 1, ("ua" * TURNS)[:TURNS], "", bytes(8 * TURNS), sizes, body * TURNS)
        )
        rows["copies"].append((*key, 0, "vault", NOBODY, BEGIN))
