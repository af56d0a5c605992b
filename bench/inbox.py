"""A page of the inbox beside the bare page: the first 50 requests by the same key, with no filter,
no other source, no meaning.

The goal is 200 ms of processor time for any page, of this process and of the database's backends
together: the first one, one in the middle, one that looks on because a filter leaves nothing, and
what one member of staff has. Requests are made by the
server: a third is to be confirmed first, a tenth waits for its person, and some hundreds are had by
somebody. Beside them are as many erasures (of which some are late), entries that wait for the log,
and overdue answers of an endpoint.

    python -m bench inbox [REQUESTS]
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from litestar.testing import TestClient

from bench import Row, server_seconds, tables
from bench.tables import BEGIN, CHATS, NOW
from licet.access import sessions
from licet.access.roles import StaffRole
from licet.config import Configuration, Web
from licet.keys.keyring import Keyring
from licet.keys.material import FileProvider
from licet.policy.file import preset
from licet.release.signatures import StaffMember
from licet.service import inbox, policy_changes
from licet.service.inbox import HeldFilter, InboxView, ItemSort
from licet.service.inbox_sources import ItemKind
from licet.store import embedded
from licet.store.connect import Pool, Transaction, open_pool, transaction
from licet.store.migrate import migrate
from licet.vault.installation import Installation
from licet.web.app import create_app

ROUNDS = 20  # the kernel counts a backend's time in hundredths of a second
WARM_UP = 6
GOAL = 0.2
HELD = 500  # of one member of staff

REQUESTS = f"""INSERT INTO rights_requests (request_id, account_id, kind, via, region, received_at,
        due_at, acknowledge_by,
        paused_at, stops, state)
    SELECT {tables._ID.format(at="asked", n="n")},
      {tables._ACCOUNT.format(n=f"n %% (%(count)s / {CHATS})")},
           (ARRAY['access', 'portability', 'rectification', 'erasure'])[1 + n %% 4], 'page', 'DE',
             asked,
           asked + interval '45 days', CASE WHEN n %% 3 = 0 THEN asked + interval '10 days' END,
           CASE WHEN n %% 10 = 0 THEN asked + interval '1 day' END, n %% 10 = 0,
           CASE WHEN n %% 10 = 0 THEN 'paused' ELSE 'open' END
      FROM (SELECT n, {tables._AT} AS asked FROM generate_series(0::bigint, %(count)s - 1) n) made"""
WAITING = f"""INSERT INTO outbox (account_id, entry, payload, occurred_at)
    SELECT {tables._ACCOUNT.format(n=f"n %% (%(count)s / {CHATS})")}, 'choice', '{{}}', %(now)s
      FROM generate_series(0::bigint, %(count)s - 1) n"""
ENDPOINT = """INSERT INTO endpoints (endpoint_id, name, url, kinds, made_at)
    VALUES (%(endpoint)s, 'assistant', 'https://assistant.example/events', '{conversation_deleted}',
      %(now)s)"""
OWED = f"""INSERT INTO deliveries (account_id, event_id, endpoint_id, row_no, delivered_at,
    acknowledge_by)
    SELECT {tables._ACCOUNT.format(n=f"n %% (%(count)s / {CHATS})")},
      {tables._ACCOUNT.format(n="n")}, %(endpoint)s, n, %(now)s,
           %(now)s FROM generate_series(0::bigint, %(count)s - 1) n"""
HOLDS = """INSERT INTO inbox_items (item, staff_id, taken_at, steps)
    SELECT 'request:req_' || replace(request_id::text, '-', ''), %(staff)s, %(now)s, 0
      FROM (SELECT request_id, row_number() OVER (ORDER BY request_id) AS n,
        count(*) OVER () AS count
              FROM rights_requests) r WHERE n %% (count / %(held)s) = 0 LIMIT %(held)s"""
FLOOR = """SELECT r.*, least(due_at, CASE WHEN acknowledged_at IS NULL
     THEN acknowledge_by END) AS next_at FROM rights_requests r
     WHERE ended_at IS NULL AND (NOT stops OR (acknowledged_at IS NULL AND acknowledge_by IS NOT NULL))
     ORDER BY 17, request_id LIMIT 50"""


class Spent(NamedTuple):
    """Seconds: by the clock, and of processor time of this process and of the database."""

    wall: float
    process: float
    database: float

    @property
    def processor(self) -> float:
        """Of both."""
        return self.process + self.database


def main(arguments: list[str]) -> list[Row]:
    """Milliseconds of processor time a page."""
    count = int(arguments[0]) if arguments else 100_000
    with (
        tempfile.TemporaryDirectory(prefix="licet-bench-") as folder,
        embedded.running(Path(folder) / "postgres") as dsn,
        open_pool(dsn) as pool,
    ):
        with pool.connection() as conn:
            migrate(conn)
        installation = Installation(
            config=Configuration(data=Path(folder)),
            pool=pool,
            keyring=Keyring(FileProvider(Path(folder) / "keys")),
            clock=lambda: NOW,
        )
        policy_changes.apply_policy(installation, preset("article-2025"), actor="bench")
        with pool.connection() as conn:
            ada = sessions.find_or_add_staff(conn, "ada@example.org", NOW, os.urandom)
            cookie = sessions.begin_staff(conn, ada, list(StaffRole), NOW, os.urandom)
            build(conn, ada, count)
        floor = spent(installation.pool, lambda: bare(installation.pool))
        return [
            *of_sources(installation, ada, count, floor),
            *of_console(installation, cookie, count, floor),
        ]


def build(tx: Transaction, staff: UUID, count: int) -> None:
    """The rows. Foreign keys are not checked, as those of `tables`."""
    tx.execute("SET session_replication_role = replica")
    values = {
        "begin": BEGIN,
        "now": NOW,
        "count": count,
        "endpoint": UUID(int=5),
        "staff": staff,
        "held": HELD,
    }
    for statement in (REQUESTS, WAITING, ENDPOINT, OWED, HOLDS):
        tx.execute(statement, values)
    tx.commit()
    tables.build(tx, count, count)


def of_sources(installation: Installation, staff: UUID, count: int, floor: Spent) -> list[Row]:
    """The page itself: all sources, for somebody with every role."""
    by = StaffMember(
        staff_id=staff, email="ada@example.org", roles=frozenset(StaffRole), via="console"
    )
    first = InboxView(kind=ItemKind.request)
    middle = inbox.page(installation, by, InboxView(kind=ItemKind.request, limit=200)).next
    assert middle is not None
    views = {
        "what is due first": InboxView(),
        "the page behind it": InboxView(after=inbox.page(installation, by, InboxView()).next or ""),
        "requests alone": first,
        "requests behind the first 200": InboxView(kind=ItemKind.request, after=middle),
        "kind by kind": InboxView(sort=ItemSort.kind),
        "the overdue": InboxView(overdue=True),
        "that nobody has": InboxView(held=HeldFilter.nobody),
        "that somebody has": InboxView(held=HeldFilter.somebody),
        f"the {HELD} that one member of staff has": InboxView(held=HeldFilter.me),
    }
    return [
        row(
            f"{count:,} requests: {what}",
            spent(installation.pool, lambda view=view: inbox.page(installation, by, view)),
            floor,
        )
        for what, view in views.items()
    ]


def of_console(installation: Installation, cookie: str, count: int, floor: Spent) -> list[Row]:
    """The console's page, from the request of a browser to the last byte of its answer."""
    settings = Web(person_requests_per_minute=100_000)  # more than any machine asks for
    app = create_app(installation, settings, wall=lambda: NOW)
    with TestClient(app, base_url="https://console.example") as client:

        def ask(path: str) -> None:
            answer = client.get(path, headers={"cookie": f"{sessions.COOKIE}={cookie}"})
            assert answer.status_code == 200, answer.text

        pages = {
            "what is due first": "",
            "that somebody has": "?held=somebody",
            "that I have": "?held=me",
        }
        return [
            row(
                f"{count:,} requests, the console: {what}",
                spent(installation.pool, lambda q=q: ask(f"/console/inbox{q}")),
                floor,
            )
            for what, q in pages.items()
        ]


def bare(pool: Pool) -> None:
    with transaction(pool) as tx:
        tx.execute(FLOOR).fetchall()


def spent(pool: Pool, act: Callable[[], object]) -> Spent:
    """What an act costs, by the mean of the rounds; the first ones, in which statements are
    prepared, are not counted.
    """
    for _ in range(WARM_UP):
        act()
    with pool.connection() as conn:
        server, process, begun = server_seconds(conn), time.process_time(), time.perf_counter()
        for _ in range(ROUNDS):
            act()
        wall, process, server = (
            time.perf_counter() - begun,
            time.process_time() - process,
            server_seconds(conn) - server,
        )
    return Spent(wall / ROUNDS, process / ROUNDS, server / ROUNDS)


def row(what: str, figure: Spent, floor: Spent) -> Row:
    assert floor.processor > 0
    said = (
        f"{figure.processor * 1e3:.1f} ms, of it {figure.database * 1e3:.1f} of the database; "
        f"wall {figure.wall * 1e3:.1f}"
    )
    over = "" if figure.processor <= GOAL else f"  OVER THE GOAL OF {GOAL * 1e3:.0f} ms"
    return Row(
        f"inbox, {what}",
        said + over,
        f"{floor.processor * 1e3:.1f} ms",
        f"{floor.processor / figure.processor:.2f}",
    )
