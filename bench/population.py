"""The rule over a population in SQL, beside the same three-table join with one stored boolean as
its predicate.

Every segment gets its reason, where the floor reads the boolean of each. Goal: half the floor's speed. The population is made by
COPY, ten conversations an account: seven in ten allow, some chats were resumed, kept out, deleted,
incognito or flagged, some under an earlier version. Two questions are asked and answered alike; one
account in ten has a project that it allowed beside. What the floor's boolean holds is what the rule
answers, which the run asserts.

    python -m bench population [SEGMENTS]
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from bench import Row
from licet.policy.file import Policies, extend
from licet.store import embedded
from licet.store.connect import Transaction, open_pool
from licet.store.migrate import migrate
from licet.vault.population import DECISIONS, Rank, for_many, parameters

ROUNDS = 5
CHATS = 10  # an account's
BLOCK_ROWS = 5_000
FIRST, NOW, DAY = (
    datetime(2025, 9, 1, tzinfo=UTC),
    datetime(2025, 12, 1, tzinfo=UTC),
    timedelta(days=1),
)
LATER = {"version": "2025-10-15", "effective": "2025-10-15", "decide_by": None}
ASKS = [
    {"question": "models", "covers": ["improve_models"]},
    {"question": "safety", "covers": ["safety_classifiers"]},
]
POLICIES = Policies(
    [
        extend({"extends": "article-2025", "choice": ASKS}),
        extend({"extends": "article-2025", **LATER, "choice": ASKS, "material": False}),
    ]
)

JOIN = """FROM segments s JOIN conversations c USING (account_id, conversation_id)
  JOIN accounts a USING (account_id)"""
STATEMENTS = {
    "decide in SQL each segment, with its reason": (
        f"SELECT count(*) FILTER (WHERE s.usable), max(s.keep_until) {JOIN}",
        f"SELECT count(*) FILTER (WHERE rank = {Rank.PERMITTED}), max(until) FROM ({DECISIONS}) d",
    ),
}


class Lines(NamedTuple):
    """Rows of each table, as COPY reads them."""

    accounts: list[str]
    standings: list[str]
    projects: list[str]
    scoped_grants: list[str]
    conversations: list[str]
    segments: list[str]


COLUMNS = Lines(
    [
        (
            "account_id, bucket, wrapped_key, plan, age, opened_at, last_at, seen, closed_at, "
            "granted, in_force"
        )
    ],
    ["account_id, question, standing, answered, granted_before, grant_no"],
    ["account_id, project_id, host_hmac, begun_at"],
    ["account_id, grant_no, question, project_id, begun_at"],
    [
        "account_id, conversation_id, project_id, kind, incognito, narrowed, narrowings, begun_at, "
        "deleted_at, deciding,"
        " deciding_grants, deciding_narrowing, deciding_stale, out_of_scope"
    ],
    [
        "account_id, conversation_id, segment, plan, surface, in_scope, version, narrowed, stale, "
        "grants, narrowing,"
        " origins, first_turn, last_turn, last_at, has_user, keep_until, flagged_turn, "
        "safety_until, key_slot, usable"
    ],
)


def main(arguments: list[str]) -> list[Row]:
    """Decisions a second of a core that counts what may be used."""
    segments = int(arguments[0]) if arguments else 1_000_000
    with town(segments) as tx:
        return compare(tx, segments)


@contextmanager
def town(segments: int) -> Iterator[Transaction]:
    """A database of its own with that many segments."""
    with (
        tempfile.TemporaryDirectory(prefix="licet-bench-") as folder,
        embedded.running(Path(folder) / "postgres", embedded.Options(durable=False)) as dsn,
        open_pool(dsn) as pool,
        pool.connection() as conn,
    ):
        migrate(conn)
        build(conn, segments)
        yield conn


def compare(tx: Transaction, segments: int, rounds: int = ROUNDS) -> list[Row]:
    tx.execute("SET max_parallel_workers_per_gather = 0")  # a core each
    values = parameters(POLICIES, "improve_models", NOW)
    with for_many(tx):
        return [
            row(tx, what, statements, values, segments, rounds)
            for what, statements in STATEMENTS.items()
        ]


def row(
    tx: Transaction,
    what: str,
    statements: tuple[str, str],
    values: dict[str, Any],
    segments: int,
    rounds: int,
) -> Row:
    """Segments a second and core; the best of the rounds, as another program only ever takes time
    away.
    """
    best, found = [math.inf, math.inf], set()
    for _ in range(rounds):
        for place, statement in enumerate(statements):
            begun = time.perf_counter()
            found.add(tx.execute(statement, values).fetchone())
            best[place] = min(best[place], time.perf_counter() - begun)
    assert len(found) == 1, found
    floor, rule = best
    return Row(
        f"{what}: of {segments:,} segments, a second and core",
        f"{segments / rule:,.0f}",
        f"{segments / floor:,.0f}",
        f"{floor / rule:.2f}",
    )


def build(tx: Transaction, segments: int, *, gather: bool = True) -> None:
    """Fills the three tables, and has their statistics gathered.

    Foreign keys are not checked, so that buckets and versions need not be there.
    """
    tx.execute("SET session_replication_role = replica")
    tx.execute("ALTER TABLE segments ADD COLUMN usable boolean")
    draw, number, made = Random(1), 0, 0
    while made < segments:
        lines = Lines([], [], [], [], [], [])
        while len(lines.segments) < BLOCK_ROWS and made + len(lines.segments) < segments:
            number += 1
            add_account(draw, number, lines, segments - made)
        for table, columns, rows in zip(Lines._fields, COLUMNS, lines, strict=True):
            with (
                tx.cursor() as cursor,
                cursor.copy(f"COPY {table} ({columns[0]}) FROM STDIN") as copy,
            ):
                copy.write("".join(rows))
        made += len(lines.segments)
    tx.commit()
    if gather:
        tx.autocommit = True
        tx.execute("VACUUM (ANALYZE, FREEZE)")


def add_account(draw: Random, number: int, lines: Lines, most: int) -> None:
    """One account with its chats; ``most`` bounds how many segments there may be in all."""
    account, project = f"{number:032x}", f"{number:016x}{1:016x}"
    allows, closed = draw.random() < 0.7, draw.random() < 0.02
    grants = (1, 2) if allows and not closed else ()
    standing = (
        "granted" if grants else "withdrawn" if allows else draw.choice(("declined", "undecided"))
    )
    own = (3, 4) if not closed and standing != "undecided" and draw.random() < 0.1 else ()
    answered = None if standing == "undecided" else 0
    lines.accounts.append(
        line(
            account,
            0,
            "\\\\x00",
            "pro",
            draw.choice((None, 30)),
            FIRST,
            NOW,
            1,
            NOW if closed else None,
            4,
            len(grants) + len(own),
        )
    )
    for place, question in enumerate(("models", "safety")):
        if standing != "undecided":
            lines.standings.append(
                line(
                    account,
                    question,
                    standing,
                    answered,
                    allows or bool(own),
                    grants[place] if grants else None,
                )
            )
        if own:
            lines.scoped_grants.append(line(account, own[place], question, project, FIRST))
    if own:
        lines.projects.append(line(account, project, "\\\\x01", FIRST))
    for chat in range(CHATS):
        if len(lines.segments) < most:
            in_project = bool(own) and chat < 2
            of = Kept(account, f"{number:024x}{chat:08x}", project if in_project else None, closed)
            add_chat(draw, of, own if in_project else grants, lines, most)


class Kept(NamedTuple):
    """Whose a chat is, and where."""

    account: str
    chat: str
    project: str | None
    closed: bool


def add_chat(draw: Random, of: Kept, grants: tuple[int, ...], lines: Lines, most: int) -> None:
    """A chat of one segment, or of two where it was resumed under the permission."""
    incognito, narrowed, deleted = draw.random() < 0.05, draw.random() < 0.04, draw.random() < 0.05
    flagged, in_scope, resumed = draw.random() < 0.02, draw.random() < 0.97, draw.random() < 0.25
    given = grants if in_scope and not incognito and not narrowed and draw.random() < 0.9 else ()
    at = FIRST + draw.random() * 85 * DAY
    usable = bool(given) and not of.closed and not deleted
    until = at + (1826 if usable else 30) * DAY
    count = min(1 + resumed, most - len(lines.segments))
    lines.conversations.append(
        line(
            of.account,
            of.chat,
            of.project,
            "chat",
            incognito,
            narrowed,
            int(narrowed),
            at,
            NOW if deleted else None,
            count - 1,
            array(given),
            0,
            "",
            not in_scope,
        )
    )
    for segment in range(count):
        # what came first was said before the permission
        of_segment = given if segment == count - 1 else ()
        lines.segments.append(
            line(
                of.account,
                of.chat,
                segment,
                "pro",
                "app" if in_scope else "api",
                in_scope,
                int(at >= POLICIES[1].effective),
                narrowed,
                "",
                array(of_segment),
                0,
                "assistant,typed",
                1 + 4 * segment,
                4 + 4 * segment,
                at,
                True,
                until,
                4 if flagged else 0,
                at + 730 * DAY if flagged else None,
                segment,
                usable,
            )
        )


def array(numbers: tuple[int, ...]) -> str:
    return "{" + ",".join(map(str, numbers)) + "}"


def line(*values: Any) -> str:
    return "\t".join("\\N" if value is None else str(value) for value in values) + "\n"
