"""A plan over four times as many conversations costs the database four times the work, whatever the
version changes.

Work is counted and not timed: the rows that every step of every statement reads, makes or throws
away, as EXPLAIN ANALYZE counts them. With the statistics that PostgreSQL has right after an import,
which are none, and with those gathered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from licet.policy.file import Policies, Policy, extend
from licet.policy.period import instant
from licet.store import statistics
from licet.store.connect import Transaction, open_pool
from licet.vault import plan_counts
from licet.vault.population import for_many

from ..state_hook import unlived

FEW, MANY = 1_000, 4_000
# Sorting costs a little more than its rows, and a side of a join may be read in one size alone; the
# square would be four times as much.
GROWTH_MAX = 2 * MANY / FEW
NOW = instant("2025-12-01")
ASKS = [
    {"question": "models", "covers": ["improve_models"]},
    {"question": "safety", "covers": ["safety_classifiers"]},
]
FIRST = extend({"extends": "article-2025", "min_age": 18, "choice": ASKS})
NEXT: dict[str, Any] = {
    "extends": "article-2025", "min_age": 18, "choice": ASKS,
    "version": "2026-02-01", "effective": "2026-02-01", "decide_by": None,
}  # fmt: skip
CHANGES: dict[str, dict[str, Any]] = {
    "scope, a plan leaves": {"scope": {"plans": ["free", "max"]}},
    "scope, a surface leaves": {"scope": {"surfaces": ["cli"]}},
    "reach": {"reach": "turn"},
    "age": {"min_age": 21},
    "asked again": {"decide_by": "2026-03-01"},
    "a question less": {"choice": ASKS[:1]},
    "period": {"keep": {"opted_in": "P4Y"}},
}
TABLES = ("accounts", "standings", "conversations", "segments", "blocks")
# Ten conversations an account, every second one resumed on another surface; two turns a segment.
PEOPLE = (
    """INSERT INTO accounts (account_id, bucket, wrapped_key, plan, age, opened_at, last_at, seen,
       granted, in_force)
       SELECT lpad(to_hex(n), 32, '0')::uuid, 0, '\\x00', 'pro', 20 + n %% 30, %(at)s, %(at)s, 0, 2,
         2
         FROM generate_series(1, %(conversations)s / 10) n""",
    """INSERT INTO standings (account_id, question, standing, answered, granted_before, grant_no)
       SELECT account_id, question, 'granted', 0, true, number
         FROM accounts, (VALUES ('models', 1), ('safety', 2)) AS q(question, number)""",
    """INSERT INTO conversations (account_id, conversation_id, kind, incognito, narrowed,
                                   narrowings, begun_at, deciding,
                                   deciding_grants, deciding_narrowing, deciding_stale,
                                     out_of_scope)
       SELECT a.account_id, lpad(to_hex((a.n - 1) * 10 + c + (1::bigint << 40)), 32, '0')::uuid,
         'chat', false, false, 0,
              %(at)s, c %% 2, '{1,2}', 0, '', false
         FROM (SELECT account_id, row_number() OVER () AS n FROM accounts) a,
           generate_series(0, 9) c""",
    """INSERT INTO segments (account_id, conversation_id, segment, plan, surface, in_scope, version,
                              narrowed, stale,
                              grants, narrowing, origins, first_turn, last_turn, last_at, has_user,
                                keep_until, key_slot)
       SELECT account_id, conversation_id, s, 'pro', CASE s WHEN 0 THEN 'app'
         ELSE 'cli' END, true, 0, false, '', '{1,2}',
              0, 'typed', 1 + 2 * s, 2 + 2 * s, %(at)s, true, %(at)s + interval '5 years', s
         FROM conversations, generate_series(0, deciding) s""",
    """INSERT INTO blocks (account_id, conversation_id, first_turn, segment, seq, roles, origins,
                            times, sizes, sealed)
       SELECT account_id, conversation_id, first_turn, segment, first_turn, 'uu', '',
              decode(repeat('00', 16), 'hex'), decode(repeat('00000001', 2), 'hex'), '\\x5a5a'
         FROM segments""",
)


def peopled(dsn: str, conversations: int) -> None:
    """Fills a database. Foreign keys are not checked, and nobody gathers statistics in passing."""
    with psycopg.connect(dsn) as conn:
        for table in TABLES:
            conn.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
        conn.execute("SET LOCAL session_replication_role = replica")
        for statement in PEOPLE:
            conn.execute(statement, {"conversations": conversations, "at": instant("2025-09-05")})


@pytest.fixture(scope="module")
def towns(databases: Callable[..., str]) -> dict[int, str]:
    made = {size: unlived(databases()) for size in (FEW, MANY)}
    for size, dsn in made.items():
        peopled(dsn, size)
    return made


def version(what: str) -> Policy:
    return extend({**NEXT, **CHANGES[what]})


def work(tx: Transaction, new: Policy) -> dict[str, float]:
    """The rows that each statement of the plan goes through, by its name."""
    known = Policies([FIRST])
    found = {}
    change = plan_counts.PlannedChange(
        known=known, after=Policies([FIRST, new]), new=new, at=new.effective, since=0
    )
    given = plan_counts.given_origins(tx)
    whole = plan_counts.statements(change, [new.effective], given)
    apart = plan_counts.statements(change, [new.effective], [*given, (0, "typed,said_by_nobody")])
    assert (len(whole), len(apart)) == (1, 2)
    for name, asked in [("flags looked up", whole["segments"]), *apart.items()]:
        row = tx.execute(
            f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {asked.sql}", asked.values
        ).fetchone()
        assert row is not None
        found[name] = rows_of(row[0][0]["Plan"])
    return found


def rows_of(node: dict[str, Any]) -> float:
    handled = node["Actual Rows"] + sum(
        value for key, value in node.items() if key.startswith("Rows Removed")
    )
    return float(
        handled * node["Actual Loops"] + sum(rows_of(inner) for inner in node.get("Plans", []))
    )


def grown(
    towns: dict[int, str], what: str, asking: Callable[[Transaction], Any]
) -> dict[str, float]:
    """How many times the work of the few is that of the many, by statement."""
    seen = {}
    for size, dsn in towns.items():
        with psycopg.connect(dsn) as tx, asking(tx):
            seen[size] = work(tx, version(what))
            tx.rollback()
    assert all(rows >= FEW for rows in seen[FEW].values()), "every statement read the population"
    return {name: seen[MANY][name] / seen[FEW][name] for name in seen[FEW]}


@pytest.mark.parametrize("gathered", [False, True], ids=["no statistics", "gathered"])
@pytest.mark.parametrize("what", CHANGES)
def test_four_times_the_conversations_are_four_times_the_work(
    towns: dict[int, str], what: str, gathered: bool
) -> None:
    if gathered:
        for dsn in towns.values():
            with open_pool(dsn) as pool:
                statistics.gather(pool)
    growth = grown(towns, what, for_many)
    assert max(growth.values()) <= GROWTH_MAX, growth


def test_the_count_sees_a_plan_that_looks_at_each_row_for_each_row(towns: dict[int, str]) -> None:
    """The control: with loops alone the same statements take the square."""

    class Loops:
        def __init__(self, tx: Transaction) -> None:
            for setting in (
                "enable_hashjoin",
                "enable_mergejoin",
                "enable_memoize",
                "enable_indexscan",
                "enable_bitmapscan",
            ):
                tx.execute(f"SET LOCAL {setting} = off")

        def __enter__(self) -> None: ...

        def __exit__(self, *_: object) -> None: ...

    seen = {}
    for size in (FEW // 10, FEW // 5):  # a square of little is enough
        with psycopg.connect(towns[FEW]) as tx, Loops(tx):
            few = f"(SELECT * FROM segments ORDER BY account_id, conversation_id LIMIT {size})"
            row = tx.execute(
                f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) SELECT count(*) FROM {few} a "
                f"JOIN {few} b USING (conversation_id)"
            ).fetchone()
            assert row is not None
            seen[size] = rows_of(row[0][0]["Plan"])
    assert seen[FEW // 5] / seen[FEW // 10] > 3.5


def test_statistics_are_gathered_of_what_has_grown_much_and_of_nothing_else(
    databases: Callable[..., str],
) -> None:
    dsn = unlived(databases())
    with open_pool(dsn) as pool:
        assert statistics.gather(pool) == []
        peopled(dsn, FEW)
        assert set(statistics.gather(pool)) >= {"segments", "blocks"}
        with psycopg.connect(dsn) as conn:
            assert conn.execute(
                "SELECT reltuples FROM pg_class WHERE relname = 'segments'"
            ).fetchone() == (1.5 * FEW,)
        assert statistics.gather(pool) == [], "nothing has grown since"
