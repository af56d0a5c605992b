"""Planner statistics, for callers that have just written much or are about to read everything.

PostgreSQL gathers them about a minute after a table has grown. A command that imports half a
million rows and queries them a second later would be planned for an empty table.
"""

from __future__ import annotations

from psycopg import sql

from licet.store.connect import Pool, transaction

GROWN = 1.2  # times the pages at which they were last gathered
PAGES_MIN = 16  # below it every plan is fast


def gather(pool: Pool) -> list[str]:
    """Analyzes the tables that have grown much since their last statistics; returns their names."""
    with transaction(pool) as tx:
        rows = tx.execute(
            """SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
                  AND relkind = 'r'
                  AND pg_relation_size(oid) / current_setting('block_size')::int > %s * relpages + %s ORDER BY relname""",
            [GROWN, PAGES_MIN],
        ).fetchall()
    for (name,) in rows:
        with transaction(pool) as tx:  # skips a table that another session analyzes
            tx.execute(sql.SQL("ANALYZE (SKIP_LOCKED) {}").format(sql.Identifier(name)))
    return [name for (name,) in rows]
