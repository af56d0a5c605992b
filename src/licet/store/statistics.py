"""The planner's statistics: gathered by whoever has just written much, or is about to read all.

PostgreSQL gathers them by itself a minute or so after a table has grown. A command that brings in half a million rows and
asks about all of them in the next second would be planned for an empty table.
"""

from __future__ import annotations

from psycopg import sql

from licet.store.connect import Pool, transaction

GROWN = 1.2  # times the pages at which they were last gathered
PAGES_MIN = 16  # below it every plan is fast


def gather(pool: Pool) -> list[str]:
    """Has the statistics of tables gathered that have grown much since they last were; their names."""
    with transaction(pool) as tx:
        rows = tx.execute(
            """SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
                  AND pg_relation_size(oid) / current_setting('block_size')::int > %s * relpages + %s ORDER BY relname""",
            [GROWN, PAGES_MIN],
        ).fetchall()
    for (name,) in rows:
        with transaction(pool) as tx:  # one that is being looked at by somebody else is left to them
            tx.execute(sql.SQL("ANALYZE (SKIP_LOCKED) {}").format(sql.Identifier(name)))
    return [name for (name,) in rows]
