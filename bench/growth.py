"""Every verb and page as an installation grows: what one costs in processor time, and what its
statements would read.

An installation of so many turns is made by the server, ten turns a conversation, ten conversations
an account, a body for each turn; beside it a few accounts live, which were made by the verbs and
are asked of. A unit is one verb or one page, from its call to its commit or the last byte of its
answer. Its cost is processor time of this process and of all the database's backends; of a constant
cost the last column is 1.0. The statements that ran are explained at the largest size: none may
read all of a table that grows, or loop over an aggregate, but for those in `PLANNED`. A picture is
written beside the results.

    python -m bench growth [TURNS ...]
"""

from __future__ import annotations

import contextlib
import html
import math
import os
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from litestar.testing import TestClient

from bench import Row, server_seconds
from licet.access import sessions
from licet.access.roles import StaffRole
from licet.clock import utc_now
from licet.config import Configuration, Web
from licet.consent import own_conversations
from licet.erasure import sweep_batches
from licet.keys.keyring import Keyring
from licet.keys.material import WRAPPED_BYTES, FileProvider
from licet.policy.file import preset
from licet.service import policy_changes, population_status
from licet.store import embedded
from licet.store.connect import Pool, Transaction, open_pool, transaction
from licet.store.migrate import migrate
from licet.vault import account_view, verbs
from licet.vault import commands as do
from licet.vault.content import Content, encode
from licet.vault.ids import uuid7
from licet.vault.installation import Installation, load_policies
from licet.web.app import create_app

SIZES = (10_000, 100_000)
ROUNDS, WARM_UP = 20, 3
ROUNDS_MIN, SECONDS_MAX = 3, 10
LIMIT = 10**9  # requests a minute
SWEEP_AHEAD = timedelta(days=20)  # by then one segment in a hundred is due
ROWS_MIN = 50_000  # of a table whose plans are held to the rules
LIVING, CHATS = 50, 12  # accounts that live, and conversations of each
PICTURE = Path(__file__).with_name("growth.svg")
GROWING = frozenset({
    "accounts", "account_hosts", "standings", "projects", "journal", "choices", "key_pages", "conversations",
    "scoped_grants", "segments", "blocks", "safety_bodies", "flags", "holds", "feedback", "feedback_bodies", "copies",
    "outbox", "log_accounts", "release_runs", "erasures", "events", "deliveries", "rights_requests", "rights_steps",
    "idempotency_keys", "staff_reads", "shown", "inbox_items",
})  # fmt: skip
# Statements that may read all of a table, by a part of their text, and why.
PLANNED: dict[str, str] = {}  # the beginning of a statement, and why it may

# Of (turns): a hundred turns an account. Ids are apart from those that the verbs make.
BALLAST = (
    """INSERT INTO accounts (account_id, bucket, wrapped_key, plan, age, opened_at, last_at, seen,
       granted, in_force)
       SELECT lpad(to_hex(n), 32, '0')::uuid, 0, '\\x00', 'pro', 20 + n %% 30, %(at)s, %(at)s, 0, 1,
         1
         FROM generate_series(1, %(turns)s / 100) n""",
    """INSERT INTO key_pages (account_id, page, slots)
         SELECT account_id, 0, decode(repeat('01', 10 * %(wrapped)s), 'hex')
         FROM accounts""",
    """INSERT INTO standings (account_id, question, standing, answered, granted_before, grant_no)
       SELECT account_id, 'training', 'granted', 0, true, 1 FROM accounts""",
    """INSERT INTO conversations (account_id, conversation_id, kind, incognito, narrowed,
                                   narrowings, begun_at, deleted_at,
                                   deciding, deciding_grants, deciding_narrowing, deciding_stale,
                                     out_of_scope)
       SELECT account_id, lpad(to_hex(n * 10 + c + (1::bigint << 40)), 32, '0')::uuid, 'chat',
         false, false, 0, %(at)s,
              CASE WHEN n %% 100 = 0 AND c = 0 THEN %(at)s::timestamptz END, 0, '{1}', 0, '', false
         FROM (SELECT account_id, row_number() OVER () AS n FROM accounts) a,
           generate_series(0, 9) c""",
    """INSERT INTO segments (account_id, conversation_id, segment, plan, surface, in_scope, version,
                              narrowed, stale, grants,
                              narrowing, origins, first_turn, last_turn, last_at, has_user,
                                keep_until, key_slot)
       SELECT account_id, conversation_id, 0, 'pro', 'app', true, 0, false, '', '{1}', 0,
         'assistant,typed', 1, 10, %(at)s,
              true, %(at)s + CASE hashtext(conversation_id::text) %% 100 WHEN 0
                THEN interval '10 days'
                                  ELSE interval '1 year' + hashtext(conversation_id::text) %% 300 * interval '1 day' END,
              get_byte(uuid_send(conversation_id), 15) %% 10
         FROM conversations""",
    """INSERT INTO blocks (account_id, conversation_id, first_turn, segment, seq, roles, origins,
                            times, sizes, sealed)
       SELECT account_id, conversation_id, 1, 0, 1, repeat('ua', 5), '',
              decode(repeat('00', 80), 'hex'), decode(repeat('000000c8', 10), 'hex'),
              decode(repeat('5a', 2000), 'hex') FROM segments""",
    """INSERT INTO flags (account_id, conversation_id, seq, flagged_at, score_until)
       SELECT account_id, conversation_id, 1, %(at)s, %(at)s + interval '30 days' FROM conversations
        WHERE hashtext(conversation_id::text) %% 50 = 0""",
    """INSERT INTO projects (account_id, project_id, host_hmac, begun_at)
       SELECT account_id, account_id, uuid_send(account_id), %(at)s FROM accounts""",
    """INSERT INTO scoped_grants (account_id, grant_no, question, project_id, begun_at)
       SELECT account_id, 2, 'training', account_id, %(at)s FROM accounts
         WHERE hashtext(account_id::text) %% 10 = 0""",
    """INSERT INTO erasures (account_id, erasure_id, conversation_id, cause, state, requested_at,
                              fenced_at, shredded_at,
                              swept_at, verified_at, certificate)
       SELECT account_id, md5(conversation_id::text)::uuid, conversation_id, 'deletion', 'verified',
         deleted_at, deleted_at,
              deleted_at, deleted_at, deleted_at, repeat('x', 500) FROM conversations
                WHERE deleted_at IS NOT NULL""",
)


class Unit(NamedTuple):
    """A verb or a page, called with a number that no call before had."""

    name: str
    act: Callable[[int], object]


# The installation


def fill(tx: Transaction, turns: int) -> None:
    """So many turns with what belongs to them. Foreign keys are not checked."""
    tx.execute("SET session_replication_role = replica")
    for statement in BALLAST:
        tx.execute(statement, {"turns": turns, "at": utc_now(), "wrapped": WRAPPED_BYTES})
    tx.execute("SET session_replication_role = origin")
    tx.commit()


@contextlib.contextmanager
def grown(dsn: str, folder: Path, turns: int) -> Iterator[Installation]:
    """An installation with so many turns, and the accounts that live."""
    with open_pool(dsn) as pool:
        with pool.connection() as conn:
            migrate(conn)
        installation = Installation(
            config=Configuration(data=folder),
            pool=pool,
            keyring=Keyring(FileProvider(folder / "keys")),
            clock=utc_now,
        )
        policy_changes.apply_policy(installation, preset("article-2025"), actor="bench")
        with pool.connection() as conn:
            fill(conn, turns)
        live(installation)
        with pool.connection() as conn:
            conn.autocommit = True
            conn.execute("VACUUM (ANALYZE)")
            conn.autocommit = False
        yield installation


def live(installation: Installation) -> None:
    at, known = installation.clock(), load_policies(installation)
    people = [uuid7(at, os.urandom(10)) for _ in range(LIVING)]
    body = encode(Content(text="what is said is kept until the period ends"))
    commands: list[do.Command] = [
        do.OpenAccount(account=one, at=at, host=one.bytes, plan="pro", age=30) for one in people
    ]
    commands += [do.Choose(account=one, at=at, allow=True) for one in people]
    commands += [
        do.AddTurn(account=one, at=at, content=body) for one in people for _ in range(CHATS)
    ]
    verbs.replay(installation.pool, installation.keyring, known, commands)


class _Living(NamedTuple):
    account: UUID
    conversation: UUID


def living(installation: Installation) -> list[_Living]:
    """The conversations that live, no two of one account side by side."""
    with transaction(installation.pool) as tx:
        rows = tx.execute(
            """SELECT account_id, conversation_id FROM conversations
                WHERE account_id IN (SELECT account_id FROM account_hosts)
                ORDER BY row_number() OVER (PARTITION BY account_id ORDER BY conversation_id),
                  account_id"""
        ).fetchall()
    return [_Living(*row) for row in rows]


def units(
    installation: Installation, client: TestClient[Any], cookies: Mapping[str, str]
) -> list[Unit]:
    """Every verb on an account that lives, and every page."""
    chats, known = living(installation), load_policies(installation)

    def told(make: Callable[[_Living, int], do.Command]) -> Callable[[int], object]:
        return lambda number: verbs.apply_commands(
            installation, [make(chats[number % len(chats)], number)]
        )

    def asked(path: str, who: str) -> Callable[[int], object]:
        def ask(_: int) -> None:
            answer = client.get(
                path,
                headers={"cookie": f"{sessions.COOKIE}={cookies[who]}"},
                follow_redirects=False,
            )
            assert answer.status_code == 200, (path, answer.status_code, answer.text[:500])

        return ask

    def read(act: Callable[[Transaction, _Living], object]) -> Callable[[int], object]:
        def once(number: int) -> None:
            with transaction(installation.pool) as tx:
                act(tx, chats[number % len(chats)])

        return once

    def swept(_: int) -> None:
        with installation.pool.connection() as tx:
            sweep_batches.sweep_batch(tx, installation.clock() + SWEEP_AHEAD, limit=20)
            tx.rollback()

    body = encode(Content(text="one more turn"))
    now = installation.clock
    return [
        Unit("gate", read(lambda tx, one: account_view.load_gates(tx, [one.account], now()))),
        Unit("open an account", lambda _: verbs.apply_commands(installation, [_opening(now())])),
        Unit(
            "say",
            told(
                lambda one, _: do.AddTurn(
                    account=one.account, at=now(), conversation=one.conversation, content=body
                )
            ),
        ),
        Unit(
            "begin a conversation",
            told(lambda one, _: do.AddTurn(account=one.account, at=now(), content=body)),
        ),
        Unit(
            "choose",
            told(
                lambda one, number: do.Choose(account=one.account, at=now(), allow=number % 2 > 0)
            ),
        ),
        Unit(
            "set a plan", told(lambda one, _: do.SetPlan(account=one.account, at=now(), plan="max"))
        ),
        Unit(
            "keep out",
            told(
                lambda one, _: do.Narrow(
                    account=one.account, at=now(), conversation=one.conversation
                )
            ),
        ),
        Unit(
            "let in",
            told(
                lambda one, _: do.Widen(
                    account=one.account, at=now(), conversation=one.conversation
                )
            ),
        ),
        Unit(
            "flag",
            told(
                lambda one, _: do.Flag(account=one.account, at=now(), conversation=one.conversation)
            ),
        ),
        Unit(
            "delete",
            told(
                lambda one, _: do.Delete(
                    account=one.account, at=now(), conversation=one.conversation
                )
            ),
        ),
        Unit("sweep 20 segments", swept),
        Unit(
            "read a conversation's turns",
            read(
                lambda tx, one: own_conversations.get(
                    tx, installation.keyring, known, one.account, one.conversation, now()
                )
            ),
        ),
        Unit("status", lambda _: population_status.status(installation)),
        *(Unit(f"page {path}", asked(path, "person")) for path in PERSON_PAGES),
        *(Unit(f"page {path}", asked(path, "staff")) for path in STAFF_PAGES),
    ]


PERSON_PAGES = ("/", "/chats")
STAFF_PAGES = tuple(
    f"/console{page}"
    for page in (
        "",
        "/accounts",
        "/conversations",
        "/erasures",
        "/flags",
        "/holds",
        "/inbox",
        "/background",
        "/keys",
        "/log",
        "/models",
        "/readings",
        "/releases",
        "/rights",
        "/webhooks",
        "/policy",
        "/suggestions",
        "/recalls",
    )
)


def _opening(at: datetime) -> do.Command:
    account = uuid7(at, os.urandom(10))
    return do.OpenAccount(account=account, at=at, host=account.bytes, plan="pro", age=30)


# What the statements read


class PlanRecorder:
    """The plan of each statement that a pool's connections run, by its text; asked for where it
    ran, with its values.
    """

    def __init__(self) -> None:
        self.plans: dict[str, dict[str, Any]] = {}
        self.of: dict[str, str] = {}  # the unit that ran it first
        self.unit = ""
        self.among: frozenset[str] = frozenset()  # the tables that are looked for

    def watch(self, pool: Pool) -> None:
        """Every connection that the pool makes from here on, and those that wait in it."""
        recorder = self

        class Recording(psycopg.Cursor[Any]):
            def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
                recorder.explain(self.connection, query, params)
                return super().execute(query, params, **options)

        pool.kwargs = {
            **(pool.kwargs if isinstance(pool.kwargs, dict) else {}),
            "cursor_factory": Recording,
        }
        waiting = [pool.getconn() for _ in range(pool.get_stats()["pool_size"])]
        for conn in waiting:
            conn.cursor_factory = Recording
            pool.putconn(conn)

    def explain(self, conn: psycopg.Connection[Any], query: Any, params: Any) -> None:
        """Before the statement runs: it may change what its plan would be."""
        if not self.unit or not isinstance(query, str) or query in self.plans:
            return
        if query.split(None, 1)[0].upper() not in ("SELECT", "WITH", "INSERT", "UPDATE", "DELETE"):
            return
        self.plans[query] = {}
        with psycopg.Cursor(conn) as cursor:
            row = cursor.execute(f"EXPLAIN (FORMAT JSON) {query}", params).fetchone()
        assert row is not None
        self.plans[query], self.of[query] = row[0][0]["Plan"], self.unit


def filled(tx: Transaction) -> frozenset[str]:
    """The tables that grow and have many rows: to read all of a few is the fastest plan."""
    rows = tx.execute(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples >= %s AND relname = "
        "ANY(%s)",
        [ROWS_MIN, sorted(GROWING)],
    ).fetchall()
    return frozenset(name for (name,) in rows)


def faults(plan: dict[str, Any], among: Collection[str]) -> Iterator[str]:
    """Where a plan reads all of one of the tables, or loops over an aggregate of one."""
    if plan.get("Node Type") == "Seq Scan" and plan.get("Relation Name") in among:
        yield f"reads all of `{plan['Relation Name']}`"
    for inner in plan.get("Plans", []):
        is_looped = (
            plan.get("Node Type") == "Nested Loop" and inner.get("Parent Relationship") == "Inner"
        )
        if is_looped and _aggregates(inner, among):
            yield "loops over an aggregate"
        yield from faults(inner, among)


def _aggregates(plan: dict[str, Any], among: Collection[str]) -> bool:
    """Whether it aggregates what no condition of an index narrows."""
    if plan["Node Type"] == "Aggregate":
        return any(_reads_widely(inner, among) for inner in plan.get("Plans", []))
    passes = ("Subquery Scan", "Materialize", "Memoize", "Limit", "Sort", "Unique", "Result")
    return plan["Node Type"] in passes and any(
        _aggregates(inner, among) for inner in plan.get("Plans", [])
    )


def _reads_widely(plan: dict[str, Any], among: Collection[str]) -> bool:
    is_scan = plan.get("Relation Name") in among and plan["Node Type"] != "Bitmap Heap Scan"
    return (is_scan and "Index Cond" not in plan) or any(
        _reads_widely(inner, among) for inner in plan.get("Plans", [])
    )


def found(recorder: PlanRecorder) -> list[str]:
    """The faults of all statements that are not planned, each with its unit and the beginning of
    its text.
    """
    return [
        f"{recorder.of[query]}: {fault}: {' '.join(query.split())[:300]}"
        for query, plan in recorder.plans.items()
        if plan and not any(part in query for part in PLANNED)
        for fault in dict.fromkeys(faults(plan, recorder.among))
    ]


# The run


@contextlib.contextmanager
def served(installation: Installation) -> Iterator[list[Unit]]:
    """The units, with an application and sessions of a person and of staff."""
    chats, now = living(installation), installation.clock()
    with transaction(installation.pool) as tx:
        ada = sessions.find_or_add_staff(tx, "ada@example.org", now, os.urandom)
        cookies = {
            "person": sessions.begin_person(tx, chats[0].account, now, os.urandom),
            "staff": sessions.begin_staff(tx, ada, list(StaffRole), now, os.urandom),
        }
    app = create_app(
        installation, Web(person_requests_per_minute=LIMIT, service_requests_per_minute=LIMIT)
    )
    with TestClient(app, base_url="https://console.example") as client:
        yield units(installation, client, cookies)


def main(arguments: list[str]) -> list[Row]:
    """Microseconds of processor time of each unit at each size."""
    sizes = [int(argument) for argument in arguments] or list(SIZES)
    costs: dict[str, dict[int, float]] = {}
    rows = []
    for turns in sizes:
        with (
            tempfile.TemporaryDirectory(prefix="licet-bench-") as folder,
            embedded.running(Path(folder) / "postgres") as dsn,
        ):
            begun = time.perf_counter()
            with grown(dsn, Path(folder), turns) as installation:
                rows.append(
                    Row(
                        f"{turns:,} turns made, s by the clock",
                        f"{time.perf_counter() - begun:.0f}",
                    )
                )
                recorder = PlanRecorder()
                with transaction(installation.pool) as tx:
                    recorder.among = filled(tx)
                if turns == max(sizes):
                    recorder.watch(installation.pool)
                with (
                    open(os.devnull, "w", encoding="utf-8") as null,
                    contextlib.redirect_stdout(null),
                    served(installation) as every,
                ):
                    for unit in every:
                        recorder.unit = unit.name
                        costs.setdefault(unit.name, {})[turns] = cost(installation.pool, unit)
                rows += [Row(f"at {turns:,} turns: {fault}", "OVER") for fault in found(recorder)]
    PICTURE.write_text(picture(costs, sizes), encoding="utf-8")
    return [*rows, *(row(name, of) for name, of in costs.items())]


def cost(pool: Pool, unit: Unit) -> float:
    """Microseconds of a call: of this process and of the database. What takes seconds is called
    less often.
    """
    for number in range(WARM_UP):
        unit.act(number)
    with pool.connection() as conn:
        server, process, waited = server_seconds(conn), time.process_time(), time.perf_counter()
        done = 0
        while done < ROUNDS and (done < ROUNDS_MIN or time.perf_counter() - waited < SECONDS_MAX):
            unit.act(WARM_UP + done)
            done += 1
        return (server_seconds(conn) - server + time.process_time() - process) / done * 1e6


def row(name: str, of: dict[int, float]) -> Row:
    sizes = sorted(of)
    told = ", ".join(f"{of[size]:,.0f}" for size in sizes)
    return Row(
        f"{name}: us at {', '.join(f'{size:,}' for size in sizes)} turns",
        told,
        "",
        f"{of[sizes[-1]] / of[sizes[0]]:.1f}",
    )


def picture(costs: Mapping[str, Mapping[int, float]], sizes: list[int]) -> str:
    """A bar for each unit and size, longer by its logarithm: what grows is a staircase."""
    height, left, width = 14, 250, 560
    most = max(math.log10(max(us, 10)) for of in costs.values() for us in of.values())
    shades = ["#9bb7d4", "#4f7fb0", "#1f4e79"]
    lines = []
    for place, (name, of) in enumerate(costs.items()):
        top = 24 + place * (height * len(sizes) + 6)
        lines.append(
            f'<text x="{left - 8}" y="{top + 11}" text-anchor="end">{html.escape(name)}</text>'
        )
        for number, size in enumerate(sizes):
            long = (math.log10(max(of[size], 10)) - 1) / (most - 1) * width
            y = top + number * height
            lines.append(
                f'<rect x="{left}" y="{y}" width="{long:.0f}" height="{height - 2}" fill="{shades[number % 3]}"/>'
            )
            lines.append(f'<text x="{left + long + 5:.0f}" y="{y + 10}">{of[size]:,.0f}</text>')
    tall = 24 + len(costs) * (height * len(sizes) + 6)
    key = ", ".join(f"{size:,}" for size in sizes)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 90}" height="{tall}" font-family="sans-serif"'
            ' font-size="11">',
            f"<title>Processor time of each verb and page, in microseconds, at {key} turns</title>",
            '<rect width="100%" height="100%" fill="#fff"/>',
            f'<text x="8" y="15">us of processor time a call, logarithmic; from light to dark at {key} turns</text>',
            *lines,
            "</svg>",
            "",
        ]
    )
