"""No statement of a verb or a page reads all of a table that grows, or loops over an aggregate.

The statements are those of `bench/growth.py`, as they ran, with their values. The installation is
small and its statistics say that it is large: each table that grows and has rows is said to have
three million, so that the planner weighs what it would weigh at millions of turns. What is planned
to read all is listed in `PLANNED`, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from bench.growth import GROWING, PlanRecorder, faults, filled, found, grown, served

from ..state_hook import unlived

TURNS, ROWS = 5_000, 3_000_000
STATEMENTS_MIN = 100


@pytest.fixture(scope="module")
def recorded(
    databases: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> PlanRecorder:
    """The plans of every unit's statements."""
    recorder = PlanRecorder()
    with grown(unlived(databases()), tmp_path_factory.mktemp("growth"), TURNS) as installation:
        with installation.pool.connection() as conn:
            for table in sorted(GROWING):
                conn.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
            conn.execute(
                "UPDATE pg_class SET reltuples = %s WHERE relname = ANY(%s) AND relpages > 0",
                [ROWS, sorted(GROWING)],
            )
            recorder.among = filled(conn)
        recorder.watch(installation.pool)
        with served(installation) as units:
            for unit in units:
                recorder.unit = unit.name
                unit.act(0)
    return recorder


def test_the_statements_are_recorded(recorded: PlanRecorder) -> None:
    assert len(recorded.of) >= STATEMENTS_MIN


def test_no_statement_reads_all_of_what_grows(recorded: PlanRecorder) -> None:
    print("\n".join(found(recorded)))
    assert found(recorded) == []


def test_a_plan_that_breaks_a_rule_is_found() -> None:
    scan = {"Node Type": "Seq Scan", "Relation Name": "blocks", "Parent Relationship": "Outer"}
    looked = {
        "Node Type": "Index Scan",
        "Relation Name": "blocks",
        "Parent Relationship": "Outer",
        "Index Cond": "x",
    }
    outer = {
        "Node Type": "Index Scan",
        "Relation Name": "accounts",
        "Index Cond": "x",
        "Parent Relationship": "Outer",
    }

    def looped(inner: dict[str, object]) -> list[str]:
        summed = {"Node Type": "Aggregate", "Parent Relationship": "Inner", "Plans": [inner]}
        return list(faults({"Node Type": "Nested Loop", "Plans": [outer, summed]}, GROWING))

    assert list(faults({"Node Type": "Limit", "Plans": [scan]}, GROWING)) == [
        "reads all of `blocks`"
    ]
    assert "loops over an aggregate" in looped(scan)
    assert looped(looked) == []


def test_the_tables_that_grow_are_tables(recorded: PlanRecorder) -> None:
    schema = Path("src/licet/store/migrations/0001_schema.sql").read_text(encoding="utf-8")
    assert [table for table in sorted(GROWING) if f"CREATE TABLE {table} (" not in schema] == []
