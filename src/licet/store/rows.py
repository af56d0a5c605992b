"""Appending rows: a few by one INSERT, which may share a round trip with others, or many by binary COPY, which may not.

Both keep the rows' order, so that an identity column counts in it. A COPY takes two round trips of its own and, per
row, a tenth of the time of an INSERT.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeAlias, cast

from psycopg.pq import PipelineStatus

from licet.store.connect import Transaction

INSERTED_ROWS_MAX = 256  # above it a COPY is the faster one
STATEMENTS_KEPT_MAX = 200


@contextmanager
def pipelined(tx: Transaction) -> Iterator[None]:
    """Sends the statements of the block without waiting for each response; the first failure is raised at its end.

    They run in order, each as if alone. Reading a response waits for the earlier ones; a COPY is refused.
    """
    if tx.info.pipeline_status is not PipelineStatus.OFF:
        yield
        return
    with tx.pipeline():
        yield


class AppendedTable:
    """A table to which rows are appended; ``columns`` maps each name to its type.

    ``statement`` is how they are written where that is not a plain INSERT: it reads `unnested` or `few` of the columns.
    ``then`` follows it in the same statement, and reads what it returns as `new_NAME`.
    """

    def __init__(self, name: str, columns: Mapping[str, str], statement: str = "", then: str = "") -> None:
        self.name, self.columns, self.then, self.is_plain = name, columns, then, not statement
        self.statement = statement or f"INSERT INTO {name} ({', '.join(columns)}) SELECT * FROM {unnested(columns)}"

    def values(self, rows: Sequence[Sequence[object]]) -> dict[str, Any]:
        """The parameters of the statement."""
        return arrays(self.columns, dict(zip(self.columns, zip(*rows, strict=True), strict=True))) | {"few": len(rows)}


TableRows: TypeAlias = tuple[AppendedTable, Sequence[Sequence[object]]]


def insert(tx: Transaction, table: AppendedTable, rows: Sequence[Sequence[object]]) -> None:
    """Appends ``rows`` to ``table``."""
    if len(rows) > INSERTED_ROWS_MAX and table.is_plain:
        copy_in(tx, table.name, table.columns, rows)
    elif rows:
        tx.execute(
            f"WITH new_{table.name} AS ({table.statement}) {table.then}" if table.then else table.statement,
            table.values(rows),
        )


def insert_together(tx: Transaction, each: Iterable[TableRows]) -> None:
    """Writes the rows of several tables by one statement: to write a few rows costs less than a statement does.

    The rows of each table keep their order. What one table is given another does not see, and foreign keys are checked when
    all is written.
    """
    these = [(table, rows) for table, rows in each if rows]
    if len(these) > 1 and max(len(rows) for _, rows in these) <= INSERTED_ROWS_MAX:
        values = {f"{table.name}_{name}": value for table, rows in these for name, value in table.values(rows).items()}
        tx.execute(_together(tuple(table for table, _ in these)), values)
        return
    for table, rows in these:
        insert(tx, table, rows)


@lru_cache(maxsize=STATEMENTS_KEPT_MAX)
def _together(tables: tuple[AppendedTable, ...]) -> str:
    """One statement of those of the tables; the name of each stands before its parameters."""
    parts = [f"new_{one.name} AS ({one.statement.replace('%(', f'%({one.name}_')})" for one in tables]
    parts += [f"after_{one.name} AS ({one.then})" for one in tables if one.then]
    return f"WITH {', '.join(parts)} SELECT"


def unnested(columns: Mapping[str, str]) -> str:
    """The rows of `arrays` in the form in which a statement reads them; ``columns`` maps each name to its type."""
    return f"unnest({', '.join(f'%({name})s::{kind}[]' for name, kind in columns.items())})"


def few(columns: Mapping[str, str]) -> str:
    """`unnested` for a join by a key, with the number of rows as the parameter ``few``.

    The server assumes ten rows for an array of unknown length; for one row it plans anew at each execution, which takes up
    to five times as long as to run it. With a limit that is a parameter every plan assumes one row, and is kept.
    """
    return f"(SELECT * FROM {unnested(columns)} AS k({', '.join(columns)}) LIMIT %(few)s)"


def arrays(columns: Mapping[str, str], values: Mapping[str, Iterable[Any]]) -> dict[str, Any]:
    """Each column's values as one parameter.

    Written here and not by the driver, which took longer to write the arrays of a batch than the rule took to fold it,
    and declared another type to the server, which then plans anew, for each mixture of small and large numbers.
    """
    return {name: _array(kind, values[name]) for name, kind in columns.items()}


def _array(kind: str, values: Iterable[Any]) -> str | list[bytes | None]:
    if kind == "bytea":
        return list(values)
    write = _WRITTEN[kind]
    return "{" + ",".join(["NULL" if value is None else write(value) for value in values]) + "}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


_WRITTEN: dict[str, Callable[[Any], str]] = {
    "uuid": lambda value: str(value.hex), "int2": str, "int4": str, "int8": str, "float4": repr, "bool": str,
    "text": _quoted, "timestamptz": datetime.isoformat,
}  # fmt: skip


def copy_in(tx: Transaction, table: str, columns: Mapping[str, str], rows: Sequence[Sequence[object]]) -> None:
    """Appends ``rows`` to ``table`` by binary COPY."""
    if not rows:
        return
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)"
    with tx.cursor() as cursor, cursor.copy(cast("Any", statement)) as copy:
        copy.set_types(list(columns.values()))
        for row in rows:
            copy.write_row(row)
