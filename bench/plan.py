"""`licet policy plan` over a population: what it costs the database and this process, for each
change.

The population is that of `bench population`, with four turns a segment and a body for each; its
statistics are those that PostgreSQL has right after it was written: none, until they are gathered,
which is a row of its own. Time is the processor's: of the backend, and of this process, which
brings the accounts. The floor is the backend's time for the same tables joined and their bytes
summed, with nothing decided. Goal: 5 s of the backend a million segments, whatever the change and
the size.

    python -m bench plan [SEGMENTS ...]
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from bench import Row, server_seconds
from bench.population import ASKS, NOW, POLICIES, build
from licet.policy.file import Policy, extend
from licet.store import embedded, statistics
from licet.store.connect import Pool, Transaction, open_pool
from licet.store.migrate import migrate
from licet.vault import policy_plan
from licet.vault.population import for_many

SIZES = (100_000, 1_000_000)
GOAL = 5.0  # us of the backend a segment
BODY_BYTES, TURNS = 200, 4  # of a turn; of a segment
FLOOR = """SELECT count(*), max(s.keep_until), max(a.last_at), sum(s.stored_bytes)
    FROM segments s JOIN conversations c USING (account_id, conversation_id)
      JOIN accounts a USING (account_id)"""
EFFECTIVE = (NOW + timedelta(days=40)).date().isoformat()
_DATES = {
    "extends": "article-2025", "version": EFFECTIVE, "effective": EFFECTIVE, "decide_by": None, "material": True,
    "choice": ASKS,
}  # fmt: skip
CHANGES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "scope, a plan leaves": {"scope": {"plans": ["free", "max"]}},
    "scope, a surface leaves": {"scope": {"surfaces": ["cli"]}},
    "reach, from there on alone": {"reach": "turn"},
    "age, from 31": {"min_age": 31},
    "question, asked again by a day": {"decide_by": (NOW + timedelta(days=70)).date().isoformat()},
    "question, one less": {"choice": ASKS[:1]},
    "period, a year less": {"keep": {"opted_in": "P4Y"}},
}


def changed(what: str) -> Policy:
    """The version with one change."""
    return extend({**_DATES, **CHANGES[what]})


class Drawn(NamedTuple):
    """Processor seconds of one plan: of the backend, and of this process."""

    backend: float
    process: float


def main(arguments: list[str]) -> list[Row]:
    """Microseconds a segment, for each size and change."""
    rows = []
    for segments in [int(argument) for argument in arguments] or SIZES:
        with town(segments) as pool:
            gathered = of_backend(pool, lambda _: statistics.gather(pool))
            bare = of_backend(pool, floor)
            rows.append(row(segments, "statistics gathered", gathered, bare))
            rows += [row(segments, what, drawn(pool, changed(what)), bare) for what in CHANGES]
    return rows


def row(segments: int, what: str, spent: Drawn, bare: Drawn) -> Row:
    each, least = spent.backend / segments * 1e6, bare.backend / segments * 1e6
    return Row(
        f"plan: {what}; of {segments:,} segments, us of the database each (goal: {GOAL:g})",
        f"{each:.2f}",
        f"{least:.2f}",
        f"{least / each:.2f}; and {spent.process / segments * 1e6:.2f} of the process",
    )


@contextmanager
def town(segments: int) -> Iterator[Pool]:
    """A database of its own with so many segments, and no statistics."""
    with (
        tempfile.TemporaryDirectory(prefix="licet-bench-") as folder,
        embedded.running(Path(folder) / "postgres", embedded.Options(durable=False)) as dsn,
        open_pool(dsn) as pool,
    ):
        with pool.connection() as conn:
            migrate(conn)
            fill(conn, segments)
        yield pool


def fill(conn: Transaction, segments: int) -> None:
    """The population and its blocks."""
    # Not by an UPDATE afterwards: it would leave a table of twice the size.
    conn.execute(f"ALTER TABLE segments ALTER COLUMN stored_bytes SET DEFAULT {BODY_BYTES * TURNS}")
    build(conn, segments, gather=False)
    conn.execute("ALTER TABLE segments ALTER COLUMN stored_bytes SET DEFAULT 0")
    conn.execute("SET session_replication_role = replica")
    for statement in (
        f"""INSERT INTO blocks (account_id, conversation_id, first_turn, segment, seq, roles,
                                origins, times, sizes, sealed)
           SELECT account_id, conversation_id, first_turn, segment, first_turn,
                  left(repeat('ua', turns), turns), '', decode(repeat('00', 8 * turns), 'hex'),
                  decode(repeat('{BODY_BYTES:08x}', turns), 'hex'),
                  decode(repeat('5a', {BODY_BYTES} * turns), 'hex')
             FROM segments, LATERAL (SELECT last_turn - first_turn + 1 AS turns) n""",
    ):
        conn.execute(statement)
    conn.execute("SET session_replication_role = origin")


def drawn(pool: Pool, new: Policy) -> Drawn:
    """What drawing one plan takes."""
    return of_backend(pool, lambda conn: policy_plan.draw_plan(conn, POLICIES, new, NOW))


def floor(conn: Transaction) -> None:
    with for_many(conn):
        conn.execute(FLOOR).fetchall()


def of_backend(pool: Pool, act: Callable[[Transaction], object]) -> Drawn:
    """The processor time of an act on one connection, which no parallel worker helps."""
    with pool.connection() as conn:
        conn.execute("SET max_parallel_workers_per_gather = 0")
        conn.commit()
        before, begun = server_seconds(conn), time.process_time()
        act(conn)
        spent = Drawn(server_seconds(conn) - before, time.process_time() - begun)
        conn.rollback()
    return spent
