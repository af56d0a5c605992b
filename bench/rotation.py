"""A daily rotation after 3 accounts in 100 erased something, beside the same rows written with none
of its meaning.

The marked accounts are spread, so that every bucket has some: each bucket gets a new key and every
account is wrapped anew, which is the most that a rotation writes. The floor locks and updates the
same rows in the same transactions, with bytes of the same length. WAL counts whole page images too,
of which there is one a page and checkpoint. The last row is arithmetic, not a measurement: a
hundred million accounts at this rate, on this machine, by one worker.

    python -m bench rotation [ACCOUNTS]
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from bench import Row
from licet.erasure import key_rotation
from licet.erasure.key_rotation import Rotation, RotationResult
from licet.keys.keyring import Keyring
from licet.keys.material import (
    ACCOUNT_KEYS_BYTES,
    BUCKETS,
    EMPTY_PAGE,
    KEY_BYTES,
    AccountKeys,
    FileProvider,
    KeyMaterial,
    bucket_of,
    seal,
    slot_place,
    wrap_account_keys,
    write_slot,
)
from licet.store import embedded
from licet.store.connect import Pool, Transaction, open_pool, transaction
from licet.store.migrate import migrate
from licet.store.rows import copy_in
from licet.vault.account_keys import destroy_slots

SLOTS, LOAD_ACCOUNTS, SPENT_PERCENT, MANY = 4, 2_000, 3, 100_000_000
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ACCOUNTS = {
    "account_id": "uuid", "bucket": "int4", "wrapped_key": "bytea", "next_slot": "int4",
    "plan": "text", "opened_at": "timestamptz", "last_at": "timestamptz", "seen": "int2",
}  # fmt: skip
PAGES = {"account_id": "uuid", "page": "int4", "slots": "bytea"}


def main(arguments: list[str]) -> list[Row]:
    """Seconds, WAL bytes and rows of a rotation."""
    accounts = int(arguments[0]) if arguments else 100_000
    with (
        tempfile.TemporaryDirectory(prefix="licet-bench-") as folder,
        embedded.running(Path(folder) / "postgres") as dsn,
        open_pool(dsn) as pool,
    ):
        with pool.connection() as conn:
            migrate(conn)
        keyring = Keyring(FileProvider(Path(folder) / "keys"))
        marked = build(pool, keyring, accounts)
        waits: list[float] = []
        done: list[RotationResult] = []
        ours = measured(pool, lambda: done.append(turn(pool, keyring, waits)))
        floor = measured(pool, lambda: plain(pool, marked))
        return rows(accounts, done[0], ours, floor, max(waits))


def rows(
    accounts: int,
    done: RotationResult,
    ours: tuple[float, int],
    floor: tuple[float, int],
    longest: float,
) -> list[Row]:
    seconds, wal = ours
    written = done.buckets + done.accounts_rewrapped + done.pages
    times = MANY / accounts
    return [
        Row(
            f"rotation, {accounts:,} accounts, {SPENT_PERCENT} % marked, "
            f"{done.buckets_rekeyed:,} buckets rekeyed",
            f"{seconds:.1f} s",
            f"{floor[0]:.1f} s",
            f"{floor[0] / seconds:.2f}",
        ),
        Row(
            f"  WAL of {written:,} rows",
            f"{wal / 1e6:.0f} MB",
            f"{floor[1] / 1e6:.0f} MB",
            f"{floor[1] / wal:.2f}",
        ),
        Row(
            "  the longest that one bucket's accounts were locked",
            f"{longest * 1000:.0f} ms",
            "",
            "",
        ),
        Row(
            f"  {MANY:,} accounts at this rate (arithmetic)",
            f"{seconds * times / 3600:.1f} h, {wal * times / 1e9:,.0f} GB WAL",
            "",
            "",
        ),
    ]


def turn(pool: Pool, keyring: Keyring, waits: list[float]) -> RotationResult:
    last = [time.perf_counter()]

    def seen(_: RotationResult) -> None:
        now = time.perf_counter()
        waits.append(now - last[0])
        last[0] = now

    return key_rotation.rotate(pool, keyring, Rotation.daily, lambda: NOW, seen)


def plain(pool: Pool, marked: set[UUID]) -> None:
    for bucket in range(BUCKETS):
        with transaction(pool) as tx:
            tx.execute("SELECT bucket FROM buckets WHERE bucket = %s FOR NO KEY UPDATE", [bucket])
            accounts = [
                row[0]
                for row in tx.execute(
                    "SELECT account_id FROM accounts WHERE bucket = %s ORDER BY account_id "
                    "FOR NO KEY UPDATE",
                    [bucket],
                )
            ]
            mine = [account for account in accounts if account in marked]
            tx.execute(
                """UPDATE accounts a SET wrapped_key = n.wrapped
                    FROM unnest(%b::uuid[], %b::bytea[]) AS n(id, wrapped)
                    WHERE a.account_id = n.id""",
                [accounts, [os.urandom(ACCOUNT_KEYS_BYTES)] * len(accounts)],
            )
            pages = tx.execute(
                "SELECT account_id, slots FROM key_pages WHERE account_id = ANY(%s)", [mine]
            ).fetchall()
            tx.execute(
                """UPDATE key_pages p SET slots = n.slots
                    FROM unnest(%b::uuid[], %b::bytea[]) AS n(id, slots)
                    WHERE p.account_id = n.id""",
                [[row[0] for row in pages], [row[1] for row in pages]],
            )
            tx.execute("UPDATE buckets SET wrapped = wrapped WHERE bucket = %s", [bucket])


def measured(pool: Pool, act: Callable[[], object]) -> tuple[float, int]:
    """Seconds and bytes of WAL, from a checkpoint on."""
    with pool.connection() as conn:
        conn.execute("CHECKPOINT")
        (before,) = conn.execute("SELECT pg_current_wal_lsn()").fetchone() or ("0/0",)
    begun = time.perf_counter()
    act()
    seconds = time.perf_counter() - begun
    with pool.connection() as conn:
        (count,) = conn.execute(
            "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), %s)", [before]
        ).fetchone() or (0,)
    return seconds, int(count)


def build(pool: Pool, keyring: Keyring, accounts: int) -> set[UUID]:
    """Accounts with living keys, by COPY; answers those in which a key was destroyed."""
    marked = set()
    with transaction(pool) as tx:
        keyring.make_buckets(tx, set(range(BUCKETS)))
        keys = keyring.bucket_keys(tx, set(range(BUCKETS)))
    for start in range(0, accounts, LOAD_ACCOUNTS):
        ids = [
            UUID(int=(n << 80) + int.from_bytes(os.urandom(8), "big"))
            for n in range(start, start + LOAD_ACCOUNTS)
        ]
        with transaction(pool) as tx:
            load(tx, keys, ids)
            spent = [account for n, account in enumerate(ids) if n % 100 < SPENT_PERCENT]
            destroy_slots(tx, [(account, 0) for account in spent])
        marked |= set(spent)
    with pool.connection() as conn:
        conn.autocommit = True
        conn.execute("VACUUM (ANALYZE)")
        conn.autocommit = False
    return marked


def load(tx: Transaction, buckets: dict[int, KeyMaterial], ids: list[UUID]) -> None:
    rows: list[tuple[Any, ...]] = []
    pages: list[tuple[Any, ...]] = []
    for account in ids:
        chain = AccountKeys(
            slots=KeyMaterial(os.urandom(KEY_BYTES)), own=KeyMaterial(os.urandom(KEY_BYTES))
        )
        bucket = bucket_of(account)
        wrapped = wrap_account_keys(buckets[bucket], account, chain)
        rows.append((account, bucket, wrapped, SLOTS, "pro", NOW, NOW, 0))
        page = EMPTY_PAGE
        for slot in range(SLOTS):
            page = write_slot(
                page, slot, seal(chain.slots, os.urandom(KEY_BYTES), slot_place(account, slot))
            )
        pages.append((account, 0, page))
    copy_in(tx, "accounts", ACCOUNTS, rows)
    copy_in(tx, "key_pages", PAGES, pages)
