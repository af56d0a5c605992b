"""Planner statistics, for callers that have just written much or are about to read everything.

PostgreSQL gathers them by itself a minute or so after a table has grown. A command that imports
half a million rows and queries all of them in the next second would be planned for an empty table.
"""

from __future__ import annotations

from psycopg import sql

from licet.store.connect import Pool, transaction

GROWN = 1.2  # times the pages at which they were last gathered
PAGES_MIN = 16  # below it every plan is fast


def gather(pool: Pool) -> list[str]:
    """Gathers the statistics of tables that have grown much since the last time; returns their
    names.
    """
    with transaction(pool) as tx:
        rows = tx.execute(
            """SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
                  AND relkind = 'r'
                  AND pg_relation_size(oid) / current_setting('block_size')::int > %s * relpages + %s ORDER BY relname""",
            [GROWN, PAGES_MIN],
        ).fetchall()
    for (name,) in rows:
        with transaction(pool) as tx:  # a table that somebody else is analysing is left to them
            tx.execute(sql.SQL("ANALYZE (SKIP_LOCKED) {}").format(sql.Identifier(name)))
    return [name for (name,) in rows]
