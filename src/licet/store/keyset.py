"""Keyset pagination: pages of a table by key, filtered, sorted, with a bound on scanned rows.

The owner of a table declares its `Listing`: columns, orders and filters as SQL; external input is
only passed as values. A page continues after the last row of the previous one (`after`), so the
millionth page costs as much as the first.

A filter with an index is `indexed` and narrows the scan. Any other is tested row by row, on at most
``scanned_max`` rows a page; a page that ends short says where the next one continues. So every page
is bounded, and a rare row of a large table is found after several pages.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any, assert_never
from uuid import UUID

import msgspec

from licet.errors import UsageError
from licet.policy.period import instant, rfc3339
from licet.store.connect import Transaction

SCANNED_MAX = 20_000
PAGE_ROWS = 50
PAGE_ROWS_MAX = 1_000
CURSOR_CHARACTERS_MAX = 500
TEXT_CHARACTERS_MAX = 200

Row = Sequence[Any]


class KeyType(StrEnum):
    """The type of a sort column in a cursor."""

    timestamptz = "timestamptz"
    uuid = "uuid"
    bytea = "bytea"
    text = "text"
    real = "float8"
    bigint = "int8"


class KeyColumn(msgspec.Struct, frozen=True):
    """A sort column; never null."""

    sql: str
    type: KeyType


class ListOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order of a list. Its columns together identify a row and are all ascending or all
    descending.
    """

    label: str
    columns: tuple[KeyColumn, ...]
    descending: bool = False


def newest_and_oldest(columns: tuple[KeyColumn, ...]) -> dict[str, ListOrder]:
    """Returns the orders newest first and oldest first, for ``columns`` that grow with time."""
    return {
        "newest": ListOrder(label="newest first", columns=columns, descending=True),
        "oldest": ListOrder(label="oldest first", columns=columns),
    }


class ListChoice(msgspec.Struct, frozen=True, kw_only=True):
    """A value of a filter. ``looked`` is a condition with an index, ``kept`` one that is tested row
    by row on at most ``scanned_max`` rows; ``%(at)s`` is the page's time.
    """

    label: str
    looked: str = ""
    kept: str = ""
    scanned_max: int = SCANNED_MAX


class ListFilter(msgspec.Struct, frozen=True, kw_only=True):
    """A filter: one of ``choices``, or a text that ``read`` parses into the ``%(value)s`` of
    ``sql``. ``hint`` is an example, for a form.
    """

    label: str
    choices: Mapping[str, ListChoice] = {}
    sql: str = ""
    read: Callable[[str], object] | None = None
    indexed: bool = False
    hint: str = ""


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """A pageable list. ``source`` is its FROM clause with the alias t; ``joins`` apply to shown or
    filtered rows and neither drop nor duplicate any. The first order is the default.
    """

    columns: str
    source: str
    joins: str = ""
    orders: Mapping[str, ListOrder]
    filters: Mapping[str, ListFilter] = {}


class TableView(msgspec.Struct, frozen=True, kw_only=True):
    """A request for a page. ``filters`` are texts by the name of a filter; ``order`` is empty for
    the default.
    """

    filters: Mapping[str, str] = {}
    order: str = ""
    after: str = ""
    rows: int = PAGE_ROWS


class TablePage(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of a list. ``after`` is where the next page begins, empty at the end; ``stopped``: this
    page ended at the bound of scanned rows. ``keys`` are each row's keys in the order; ``last``
    those of the row at the bound.
    """

    rows: tuple[Row, ...]
    after: str
    stopped: bool
    keys: tuple[Row, ...] = ()
    last: Row | None = None


def page(tx: Transaction, listing: Listing, view: TableView, now: datetime) -> TablePage:
    """Returns a page of a list; UsageError for an unknown filter, order or cursor."""
    order, rows_max = _order(listing, view), min(max(view.rows, 1), PAGE_ROWS_MAX)
    scan_conditions, row_conditions, values, scanned = _conditions(listing, view, now)
    if (
        not row_conditions
    ):  # every scanned row is on the page: join these few by key, not a whole table
        scanned = min(scanned, rows_max + 1)
    if view.after:
        scan_conditions.append(_after_condition(order))
        values |= _read_cursor(order, view.after)
    by = _order_by(order)
    rows = tx.execute(
        _statement(listing, order, scan_conditions, row_conditions),
        {**values, "scanned": scanned, "most": rows_max + 1},
    ).fetchall()
    width = len(order.columns)
    if len(rows) > rows_max:
        return TablePage(
            rows=_cut(rows[:rows_max], width),
            after=_cursor(order, rows[rows_max - 1][-width:]),
            stopped=False,
            keys=_keys(rows[:rows_max], width),
        )
    last = tx.execute(
        f"""SELECT {", ".join(c.sql for c in order.columns)} {listing.source}
             WHERE {_conjunction(scan_conditions)}
             ORDER BY {by} OFFSET %(skipped)s LIMIT 1""",
        {**values, "skipped": scanned - 1},
    ).fetchone()
    return TablePage(
        rows=_cut(rows, width),
        after=_cursor(order, last) if last else "",
        stopped=last is not None,
        keys=_keys(rows, width),
        last=last,
    )


def first_rows(
    tx: Transaction, listing: Listing, view: TableView, now: datetime
) -> list[tuple[Row, Row]]:
    """Returns the first rows of a view with their keys, without a cursor: for filters that leave a
    row or two.
    """
    order = _order(listing, view)
    scan_conditions, row_conditions, values, scanned = _conditions(listing, view, now)
    rows = tx.execute(
        _statement(listing, order, scan_conditions, row_conditions),
        {**values, "scanned": scanned, "most": view.rows},
    ).fetchall()
    width = len(order.columns)
    return list(zip(_cut(rows, width), _keys(rows, width), strict=True))


def _statement(
    listing: Listing,
    order: ListOrder,
    scan_conditions: Sequence[str],
    row_conditions: Sequence[str],
) -> str:
    by = _order_by(order)
    # The inner statement stops when the outer one has enough rows.
    return f"""SELECT {listing.columns}, {", ".join(c.sql for c in order.columns)}
              FROM (SELECT t.* {listing.source} WHERE {_conjunction(scan_conditions)}
                ORDER BY {by} LIMIT %(scanned)s) t
              {listing.joins} WHERE {_conjunction(row_conditions)} ORDER BY {by} LIMIT %(most)s"""


def cursor_at(listing: Listing, order: str, keys: Row) -> str:
    """The cursor after the row with these keys, whether it exists or not."""
    return _cursor(listing.orders[order], keys)


def all_rows(
    read_page: Callable[[TableView], TablePage], view: TableView, rows_max: int
) -> Iterator[Row]:
    """Yields the rows of all pages of a view, at most ``rows_max``."""
    count, after = 0, ""
    while count < rows_max:
        page_rows = min(PAGE_ROWS_MAX, rows_max - count)
        found = read_page(msgspec.structs.replace(view, after=after, rows=page_rows))
        yield from found.rows
        count, after = count + len(found.rows), found.after
        if not after:
            return


def read_day(text: str) -> datetime:
    """Parses 2026-06-01 as the beginning of that day, in UTC."""
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        raise UsageError(f"`{text[:40]}` is no day", "write it as 2026-06-01") from None


def read_name(text: str) -> str:
    """A name as stored in a column."""
    if "\0" in text:
        raise UsageError("a name has no character 0")
    return text.strip()


def read_last_day(text: str) -> datetime:
    """Parses a day as its end: the beginning of the next one."""
    return read_day(text) + timedelta(days=1)


def _order(listing: Listing, view: TableView) -> ListOrder:
    if not view.order:
        return next(iter(listing.orders.values()))
    if view.order not in listing.orders:
        raise UsageError(
            f"the list has no order `{view.order[:40]}`", f"it has {', '.join(listing.orders)}"
        )
    return listing.orders[view.order]


def _conditions(
    listing: Listing, view: TableView, now: datetime
) -> tuple[list[str], list[str], dict[str, object], int]:
    """Returns indexed conditions, conditions tested row by row, their values, and the bound of
    rows.
    """
    scan_conditions, row_conditions, values, scanned = (
        list[str](),
        list[str](),
        dict[str, object]({"at": now}),
        SCANNED_MAX,
    )
    for name, text in view.filters.items():
        chosen_filter = listing.filters.get(name)
        if chosen_filter is None:
            raise UsageError(
                f"the list has no filter `{name[:40]}`", f"it has {', '.join(listing.filters)}"
            )
        if chosen_filter.read is not None:
            if len(text) > TEXT_CHARACTERS_MAX:
                raise UsageError(
                    f"the value of `{name}` is longer than {TEXT_CHARACTERS_MAX} characters"
                )
            values[f"value_{name}"] = chosen_filter.read(text)
            (scan_conditions if chosen_filter.indexed else row_conditions).append(
                chosen_filter.sql.replace("%(value)s", f"%(value_{name})s")
            )
        elif text in chosen_filter.choices:
            chosen = chosen_filter.choices[text]
            scan_conditions += [chosen.looked] if chosen.looked else []
            row_conditions += [chosen.kept] if chosen.kept else []
            scanned = min(scanned, chosen.scanned_max)
        else:
            raise UsageError(
                f"`{text[:40]}` is no value of `{name}`",
                f"it is one of {', '.join(chosen_filter.choices)}",
            )
    return scan_conditions, row_conditions, values, scanned


def _conjunction(conditions: Sequence[str]) -> str:
    return " AND ".join(f"({condition})" for condition in conditions) or "true"


def _order_by(order: ListOrder) -> str:
    return ", ".join(f"{c.sql}{' DESC' if order.descending else ''}" for c in order.columns)


def _after_condition(order: ListOrder) -> str:
    columns = ", ".join(c.sql for c in order.columns)
    keys = ", ".join(f"%(key_{n})s::{c.type.value}" for n, c in enumerate(order.columns))
    return f"({columns}) {'<' if order.descending else '>'} ({keys})"


def _cut(rows: Sequence[Row], width: int) -> tuple[Row, ...]:
    return tuple(row[:-width] for row in rows)


def _keys(rows: Sequence[Row], width: int) -> tuple[Row, ...]:
    return tuple(row[-width:] for row in rows)


def _cursor(order: ListOrder, keys: Row) -> str:
    """The last row's keys as text for a URL."""
    parts = [_text(column.type, key) for column, key in zip(order.columns, keys, strict=True)]
    return base64.urlsafe_b64encode(msgspec.json.encode(parts)).rstrip(b"=").decode()


def _text(type_: KeyType, key: Any) -> str:  # noqa: ANN401 a value of the database
    match type_:
        case KeyType.timestamptz:
            return rfc3339(key)
        case KeyType.uuid | KeyType.bytea:
            return str(key.hex() if isinstance(key, bytes) else key.hex)
        case KeyType.text | KeyType.real | KeyType.bigint:
            return str(key)
        case _:
            assert_never(type_)


def _read_cursor(order: ListOrder, text: str) -> dict[str, object]:
    try:
        if len(text) > CURSOR_CHARACTERS_MAX:
            raise ValueError("too long")
        parts = msgspec.json.decode(
            base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=list[str]
        )
        pairs = enumerate(zip(order.columns, parts, strict=True))
        return {f"key_{n}": _value(column.type, part) for n, (column, part) in pairs}
    except (ValueError, UsageError, msgspec.MsgspecError):
        raise UsageError(
            "the place to go on from is of another list or order", "begin at its first page"
        ) from None


def _value(type_: KeyType, text: str) -> object:
    match type_:
        case KeyType.timestamptz:
            return instant(text)
        case KeyType.uuid:
            return UUID(hex=text)
        case KeyType.bytea:
            return bytes.fromhex(text)
        case KeyType.text:
            if "\0" in text:
                raise ValueError("no text of the database")
            return text
        case KeyType.real:
            return float(text)
        case KeyType.bigint:
            return int(text)
        case _:
            assert_never(type_)
