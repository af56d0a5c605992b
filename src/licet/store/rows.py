"""Reads rows as values, and appends rows: a few by INSERT, which may share a round trip, or many by
binary COPY, which may not. Both keep the rows' order, so an identity column numbers them in it. A
COPY takes two round trips and, per row, a tenth of the time of an INSERT. `change` sends several
changes as one statement.

These statements are prepared at their first execution on a connection, not at the sixth as by
default: with sixteen connections, planning would long cost more than executing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias, TypeVar, cast
from uuid import UUID

import msgspec
from psycopg.pq import PipelineStatus
from psycopg.rows import dict_row

from licet.store.connect import Transaction

Value = TypeVar("Value")
Params: TypeAlias = Sequence[Any] | Mapping[str, Any]
INSERTED_ROWS_MAX = 256  # above it a COPY is the faster one


def select(tx: Transaction, kind: type[Value], query: str, params: Params = ()) -> list[Value]:
    """Returns the rows of a query as values of ``kind``, whose fields are named like its columns.
    Not for hot paths.
    """
    with tx.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query, params).fetchall()
    return [msgspec.convert(row, kind, builtin_types=(UUID, datetime, bytes)) for row in rows]


@contextmanager
def pipelined(tx: Transaction) -> Iterator[None]:
    """Sends the statements of the block without waiting for responses; raises the first failure at
    its end.

    They run in order, each as if alone. Reading a response waits for the earlier ones; COPY is
    refused.
    """
    if tx.info.pipeline_status is not PipelineStatus.OFF:
        yield
        return
    with tx.pipeline():
        yield


def insert(
    tx: Transaction, table: str, columns: Mapping[str, str], rows: Sequence[Sequence[object]]
) -> None:
    """Appends ``rows`` to ``table``; ``columns`` maps each name to its type."""
    change(tx, insert_changes(tx, table, columns, rows))


def unnest_sql(columns: Mapping[str, str]) -> str:
    """Returns the SQL source of the rows in `unnest_values`; ``columns`` maps each name to its type."""
    return f"unnest({', '.join(f'%({name})s::{kind}[]' for name, kind in columns.items())})"


class Change(NamedTuple):
    """A statement that changes rows; ``values`` are its parameters in order, ``before`` the queries
    of its `WITH`. ``shared`` is a query without parameters that precedes all others, once for all
    changes that have it.
    """

    text: str
    values: Sequence[Any]
    before: str = ""
    shared: str = ""


def change(tx: Transaction, changes: Sequence[Change]) -> None:
    """Sends ``changes`` as one statement.

    Each sees the tables as before the statement, in no given order: none may change another's row
    or need its effect (PostgreSQL manual, 7.8.4). Foreign keys and triggers run after all of them.
    """
    if not changes:
        return
    *others, last = changes
    parts = [shared for shared in dict.fromkeys(change.shared for change in changes) if shared]
    parts += [
        part
        for number, change in enumerate(others)
        for part in (change.before, f"change_{number} AS ({change.text})")
        if part
    ]
    parts += [last.before] if last.before else []
    text = f"WITH {', '.join(parts)} {last.text}" if parts else last.text
    tx.execute(text, [value for change in changes for value in change.values], prepare=True)


def insert_changes(
    tx: Transaction, table: str, columns: Mapping[str, str], rows: Sequence[Sequence[object]]
) -> list[Change]:
    """Returns `insert` as changes for one statement with others; writes a large batch at once by
    COPY.
    """
    if len(rows) > INSERTED_ROWS_MAX:
        copy_in(tx, table, columns, rows)
    if not 0 < len(rows) <= INSERTED_ROWS_MAX:
        return []
    text = f"INSERT INTO {table} ({', '.join(columns)}) SELECT k.* FROM {rows_sql(columns)} k"
    return [Change(text, rows_values(columns, by_column(columns, rows)))]


def by_column(columns: Iterable[str], rows: Sequence[Sequence[object]]) -> dict[str, Sequence[Any]]:
    """Transposes ``rows``, at least one, into values by column name."""
    return dict(zip(columns, zip(*rows, strict=True), strict=True))


def rows_sql(columns: Mapping[str, str]) -> str:
    """Returns the SQL source of the rows in `rows_values`; ``columns`` maps each name to its type."""
    return f"unnest({', '.join(f'%s::{kind}[]' for kind in columns.values())})"


def rows_values(columns: Mapping[str, str], values: Mapping[str, Iterable[Any]]) -> list[Any]:
    """The parameters of `rows_sql`: one array a column."""
    return [_array(kind, values[name]) for name, kind in columns.items()]


def keys_sql(columns: Mapping[str, str]) -> str:
    """Returns the SQL source of the rows in `keys_values`, for joining with a table by key.

    Without `LIMIT` the server assumes ten rows for an array of unknown length, prefers a custom
    plan for an array of one, and so plans at each execution, which takes longer than executing.
    With a limit it does not know, every plan assumes one row, and the first one is kept.
    """
    return f"(SELECT * FROM {rows_sql(columns)} AS k({', '.join(columns)}) LIMIT %s)"


def keys_values(
    columns: Mapping[str, str], values: Mapping[str, Iterable[Any]], count: int
) -> list[Any]:
    """The parameters of `keys_sql`, for ``count`` rows."""
    return [*rows_values(columns, values), count]


def unnest_values(
    columns: Mapping[str, str], values: Mapping[str, Iterable[Any]]
) -> dict[str, Any]:
    """Encodes each column's values as one array parameter.

    Not the driver's encoding: it took longer than folding the batch, and declared types that depend
    on the values, so that the server planned anew for each mixture of small and large numbers.
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
    "uuid": lambda value: str(value.hex),
    "int2": str,
    "int4": str,
    "int8": str,
    "float4": repr,
    "float8": repr,
    "bool": str,
    "text": _quoted,
    "timestamptz": datetime.isoformat,
}


def copy_in(
    tx: Transaction, table: str, columns: Mapping[str, str], rows: Sequence[Sequence[object]]
) -> None:
    """Appends ``rows`` to ``table`` by binary COPY."""
    if not rows:
        return
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)"
    with tx.cursor() as cursor, cursor.copy(cast("Any", statement)) as copy:
        copy.set_types(list(columns.values()))
        for row in rows:
            copy.write_row(row)
