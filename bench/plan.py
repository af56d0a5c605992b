"""`licet policy plan` over a population: what the database does for each change, a second and core.

The population is that of `bench population`, with four turns a segment and a body for each; its statistics are those that
PostgreSQL has right after it was written: none, until the plan gathers them. Goal: twice the conversations, twice the time,
whatever the change. The floor is the same plan of a version that changes nothing but its date.

    python -m bench plan [CONVERSATIONS ...]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from bench import Row
from bench.population import ASKS, NOW, POLICIES, build
from licet.policy.file import Policy, extend
from licet.store import embedded, statistics
from licet.store.connect import Pool, Transaction, opened
from licet.store.migrate import migrate
from licet.vault import policy_plan

SIZES = (10_000, 30_000)
SEGMENTS_EACH = 1.25  # of a conversation, in that population
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


def main(arguments: list[str]) -> list[Row]:
    """Seconds of the database for each change, and what the largest takes beside the smallest, by conversation."""
    sizes = [int(argument) for argument in arguments] or list(SIZES)
    took: dict[str, list[float]] = {what: [] for what in CHANGES}
    for conversations in sizes:
        with town(conversations) as pool:
            for what in CHANGES:
                took[what].append(drawn(pool, changed(what)))
    rows = []
    for what, seconds in took.items():
        floor = took["nothing"]
        rows += [
            Row(f"plan: {what}; of {size:,} conversations", f"{spent:.2f} s", f"{bare:.2f} s", f"{spent / bare:.2f}")
            for size, spent, bare in zip(sizes, seconds, floor, strict=True)
        ]
        growth = (seconds[-1] / seconds[0]) / (sizes[-1] / sizes[0])
        rows.append(
            Row(f"plan: {what}; time by conversation, largest to smallest", f"{growth:.2f}", "1.00", f"{growth:.2f}")
        )
    return rows


@contextmanager
def town(conversations: int) -> Iterator[Pool]:
    """A database of its own with so many conversations, about, and no statistics."""
    with (
        tempfile.TemporaryDirectory(prefix="licet-bench-") as folder,
        embedded.running(Path(folder) / "postgres", embedded.Options(durable=False)) as dsn,
        opened(dsn) as pool,
    ):
        with pool.connection() as conn:
            migrate(conn)
            fill(conn, conversations)
        yield pool


def fill(conn: Transaction, conversations: int) -> None:
    """The population, its turns and their bodies."""
    build(conn, int(conversations * SEGMENTS_EACH), gather=False)
    conn.execute("SET session_replication_role = replica")
    for statement in (
        """INSERT INTO turns (account_id, conversation_id, turn, segment, seq, role, origin, occurred_at)
           SELECT account_id, conversation_id, turn, segment, turn, CASE turn % 2 WHEN 1 THEN 'user' ELSE 'assistant' END,
                  CASE turn % 2 WHEN 1 THEN 'typed' ELSE 'assistant' END, last_at
             FROM segments, generate_series(first_turn, last_turn) AS turn""",
        """INSERT INTO bodies (account_id, conversation_id, turn, segment, sealed)
           SELECT account_id, conversation_id, turn, segment, decode(repeat('5a', 200), 'hex') FROM turns""",
    ):
        conn.execute(statement)
    conn.execute("SET session_replication_role = origin")


def drawn(pool: Pool, new: Policy) -> float:
    """Seconds that drawing one plan takes, its statistics gathered as the command does."""
    begun = time.perf_counter()
    statistics.gather(pool)
    with pool.connection() as conn:
        policy_plan.draw(conn, POLICIES, new, NOW)
        conn.rollback()
    return time.perf_counter() - begun


if __name__ == "__main__":
    for row in main(sys.argv[1:]):
        print(" | ".join(row))
