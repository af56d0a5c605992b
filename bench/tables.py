"""A page of the console's tables beside the bare page: the same first 50 rows by the same key, with
no filter and no meaning.

The goal is 200 ms for any page, whatever is asked for: the first one, one in the middle, one that a
filter leaves almost empty and that therefore looks at as many rows as it may, and the overdue among
the erasures. Rows are made by the server, in the order of their ids; one erasure in three thousand
is overdue, one conversation in a million incognito.

    python -m bench tables [CONVERSATIONS] [ERASURES]
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from bench import Row
from licet.config import Configuration
from licet.keys.keyring import Keyring
from licet.keys.material import FileProvider
from licet.service import staff_tables
from licet.service.staff_tables import StaffTable
from licet.store import embedded
from licet.store.connect import Pool, Transaction, open_pool, transaction
from licet.store.keyset import TableView
from licet.store.migrate import migrate
from licet.vault.ids import Prefix, format_id
from licet.vault.installation import Installation

ROUNDS = 5
CHATS = 100  # of an account
BEGIN, NOW, DAY = (
    datetime(2024, 1, 1, tzinfo=UTC),
    datetime(2026, 1, 1, tzinfo=UTC),
    timedelta(days=1),
)

# An id of the moment and of a number, as `ids.uuid7` makes them.
_ID = """(lpad(to_hex((extract(epoch FROM {at}) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex({n} & 4095), 3, '0') || '8'
    || lpad(to_hex({n}), 15, '0'))::uuid"""
_AT = (
    "(%(begin)s::timestamptz + (%(now)s::timestamptz - %(begin)s::timestamptz) * (n::float8 / "
    "%(count)s))"
)
_ACCOUNT = "lpad(to_hex({n}), 32, '0')::uuid"
ACCOUNTS = f"""INSERT INTO accounts (account_id, bucket, wrapped_key, plan, opened_at, last_at,
    seen)
    SELECT {_ACCOUNT.format(n="n")}, 0, '', 'pro', %(begin)s, %(now)s, 0
      FROM generate_series(0, %(count)s) n"""
CONVERSATIONS = f"""INSERT INTO conversations (account_id, conversation_id, kind, incognito,
        narrowed, narrowings, begun_at,
        deleted_at, deciding, deciding_stale, out_of_scope)
    SELECT {_ACCOUNT.format(n=f"n % (%(count)s / {CHATS})")}, {_ID.format(at="begun", n="n")},
      'chat', n %% 1000000 = 500000,
           false, 0, begun, CASE WHEN n %% 10 = 0 THEN begun END, 0, '', false
      FROM (SELECT n, {_AT} AS begun FROM generate_series(0::bigint, %(count)s - 1) n) made"""
ERASURES = f"""INSERT INTO erasures (account_id, erasure_id, conversation_id, cause, state,
        requested_at, fenced_at, shredded_at,
        swept_at, verified_at, certificate)
    SELECT {_ACCOUNT.format(n=f"n % (%(chats)s / {CHATS})")}, {_ID.format(at="asked", n="n")},
           {_ID.format(at="asked", n="n + (1::bigint << 40)")}, 'deletion', CASE WHEN is_open
             THEN 'fenced' ELSE 'verified' END,
           asked, asked, CASE WHEN NOT is_open THEN asked END, CASE WHEN NOT is_open THEN asked END,
           CASE WHEN NOT is_open THEN asked END, CASE WHEN NOT is_open THEN repeat('x', 2000) END
      FROM (SELECT n, {_AT} AS asked, n %% 3000 = 1500 OR n > 0.96 * %(count)s AS is_open
              FROM generate_series(0::bigint, %(count)s - 1) n) made"""
# Of an open one, what is to be gone: for the newest after their period, for the others long ago.
SEGMENTS = """INSERT INTO segments (account_id, conversation_id, segment, plan, surface, in_scope,
        version, narrowed, stale,
        first_turn, last_turn, last_at, has_user, keep_until)
    SELECT account_id, conversation_id, 0, 'pro', 'app', true, 0, false, '', 1, 2, requested_at,
      true,
           requested_at + interval '30 days' FROM erasures WHERE state <> 'verified'"""

FLOOR = "SELECT t.* FROM {table} t ORDER BY {key} DESC LIMIT 50"


def main(arguments: list[str]) -> list[Row]:
    """Milliseconds a page."""
    chats = int(arguments[0]) if arguments else 1_000_000
    erasures = int(arguments[1]) if len(arguments) > 1 else 100_000
    with (
        tempfile.TemporaryDirectory(prefix="licet-bench-") as folder,
        embedded.running(Path(folder) / "postgres") as dsn,
        open_pool(dsn) as pool,
    ):
        with pool.connection() as conn:
            migrate(conn)
            build(conn, chats, erasures)
        installation = Installation(
            config=Configuration(data=Path(folder)),
            pool=pool,
            keyring=Keyring(FileProvider(Path(folder) / "keys")),
            clock=lambda: NOW,
        )
        return [*of_erasures(installation, erasures), *of_conversations(installation, chats)]


def of_erasures(installation: Installation, count: int) -> list[Row]:
    table, floor = staff_tables.ERASURES, bare(installation.pool, "erasures", "requested_at")
    name = f"{count:,} erasures"
    views = {
        "the newest": TableView(),
        "one in the middle": TableView(after=place(installation, table, "2025-01-01")),
        "the overdue, oldest first": TableView(filters={"state": "overdue"}, order="oldest"),
        "all that a filter leaves out": TableView(filters={"cause": "hold_released"}),
    }
    return [
        row(f"{name}: {what}", page(installation, table, view), floor)
        for what, view in views.items()
    ]


def of_conversations(installation: Installation, count: int) -> list[Row]:
    table, floor = (
        staff_tables.CONVERSATIONS,
        bare(installation.pool, "conversations", "conversation_id"),
    )
    name = f"{count:,} conversations"
    views = {
        "the newest": TableView(),
        "one in the middle": TableView(after=place(installation, table, "2025-01-01")),
        "the deleted": TableView(filters={"state": "deleted"}),
        "one in a million, as far as a page looks": TableView(filters={"state": "incognito"}),
        "a day a year ago": TableView(
            filters={"from": "2025-01-01", "to": "2025-01-01", "kind": "chat"}
        ),
        "one account's": TableView(filters={"account": format_id(Prefix.account, UUID(int=7))}),
    }
    return [
        row(f"{name}: {what}", page(installation, table, view), floor)
        for what, view in views.items()
    ]


def place(installation: Installation, table: StaffTable, day: str) -> str:
    """Where a page begins behind a day."""
    return staff_tables.read_page(installation, table, TableView(filters={"to": day}, rows=1)).after


def page(installation: Installation, table: StaffTable, view: TableView) -> float:
    return best(lambda: staff_tables.read_page(installation, table, view))


def bare(pool: Pool, table: str, key: str) -> float:
    def ask() -> None:
        with transaction(pool) as tx:
            tx.execute(FLOOR.format(table=table, key=key)).fetchall()

    return best(ask)


def best(act: Callable[[], object]) -> float:
    """Seconds; the best of the rounds."""
    found = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        act()
        found.append(time.perf_counter() - begun)
    return min(found)


def row(what: str, figure: float, floor: float) -> Row:
    return Row(
        f"table page, {what}",
        f"{figure * 1e3:.1f} ms",
        f"{floor * 1e3:.1f} ms",
        f"{floor / figure:.2f}",
    )


def build(tx: Transaction, chats: int, erasures: int) -> None:
    """The rows. Foreign keys are not checked, so that buckets and versions need not be there."""
    tx.execute("SET session_replication_role = replica")
    values = {"begin": BEGIN, "now": NOW}
    tx.execute(ACCOUNTS, {**values, "count": chats // CHATS})
    tx.execute(CONVERSATIONS.replace("n % (", "n %% ("), {**values, "count": chats})
    tx.execute(ERASURES.replace("n % (", "n %% ("), {**values, "count": erasures, "chats": chats})
    tx.execute(SEGMENTS)
    tx.commit()
    tx.execute("SET session_replication_role = origin")
    tx.commit()
    tx.autocommit = True
    tx.execute("VACUUM (ANALYZE)")
    tx.autocommit = False
