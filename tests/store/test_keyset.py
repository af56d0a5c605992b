"""Pages by key: every row once, in order, whatever the page's size; a bound on what a page looks
at; no text is ever SQL.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from licet.errors import UsageError
from licet.store import keyset
from licet.store.connect import Pool, Transaction, transaction
from licet.store.keyset import (
    SCANNED_MAX,
    KeyColumn,
    KeyType,
    ListChoice,
    ListFilter,
    Listing,
    ListOrder,
    TableView,
    read_day,
    read_name,
)

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
KEYS = (KeyColumn("t.day", KeyType.timestamptz), KeyColumn("t.id", KeyType.uuid))
FEW = 40
LISTING = Listing(
    columns="t.number, t.word, t.day < %(at)s",
    source="FROM things t",
    orders={
        "up": ListOrder(label="up", columns=KEYS),
        "down": ListOrder(label="down", columns=KEYS, descending=True),
        "score": ListOrder(
            label="score",
            columns=(
                KeyColumn("t.score", KeyType.real),
                KeyColumn("t.number", KeyType.bigint),
                KeyColumn("t.word", KeyType.text),
                KeyColumn("t.raw", KeyType.bytea),
            ),
        ),
    },
    filters={
        "word": ListFilter(label="Word", sql="t.word = %(value)s", read=read_name),
        "from": ListFilter(label="From", sql="t.day >= %(value)s", read=read_day, indexed=True),
        "state": ListFilter(
            label="State",
            choices={
                "past": ListChoice(label="past", looked="t.day < %(at)s"),
                "rare": ListChoice(
                    label="rare", kept="t.number % 97 = 0".replace("%", "%%"), scanned_max=FEW
                ),
            },
        ),
    },
)
ROWS = 300


@pytest.fixture
def tx(pool: Pool):
    with transaction(pool) as tx:
        tx.execute(
            "CREATE TEMPORARY TABLE things (id uuid, day timestamptz, number bigint, word text, "
            "score real, raw bytea)"
            " ON COMMIT DROP"
        )
        for n in range(ROWS):
            day = NOW + timedelta(days=n // 5 - 30)
            values = [
                UUID(int=n * 7919 % 1009),
                day,
                n,
                "odd" if n % 2 else "even",
                n % 3 / 4,
                bytes([n % 7]),
            ]
            tx.execute("INSERT INTO things VALUES (%s, %s, %s, %s, %s, %s)", values)
        yield tx


def walked(tx: Transaction, view: TableView) -> list[int]:
    """The numbers of all pages of a view; no page is larger than asked for, and none but a stopped
    one is short of it.
    """
    found, after = list[int](), view.after
    for _ in range(ROWS + 1):
        page = keyset.page(
            tx,
            LISTING,
            TableView(filters=view.filters, order=view.order, after=after, rows=view.rows),
            NOW,
        )
        assert len(page.rows) <= view.rows
        assert len(page.rows) == view.rows or page.stopped or not page.after
        found += [row[0] for row in page.rows]
        after = page.after
        if not after:
            return found
    raise AssertionError("the pages do not end")


@pytest.mark.parametrize("rows", [1, 7, 50, 299, 300, 301])
@pytest.mark.parametrize("order", ["up", "down", "score"])
def test_the_pages_of_an_order_have_every_row_once_and_in_order(
    tx: Transaction, rows: int, order: str
) -> None:
    by = {"up": "day, id", "down": "day DESC, id DESC", "score": "score, number, word, raw"}[order]
    expected = [row[0] for row in tx.execute(f"SELECT number FROM things ORDER BY {by}")]
    assert walked(tx, TableView(order=order, rows=rows)) == expected


@pytest.mark.parametrize(
    ("filters", "of"),
    [
        ({"word": "odd"}, lambda n: n % 2 == 1),
        ({"from": "2026-06-10"}, lambda n: n // 5 - 30 >= 9),
        ({"state": "past"}, lambda n: n // 5 - 30 < 0),
        ({"state": "past", "word": "odd"}, lambda n: n // 5 - 30 < 0 and n % 2 == 1),
        ({"state": "rare"}, lambda n: n % 97 == 0),
        ({"state": "rare", "word": "odd"}, lambda n: n % 97 == 0 and n % 2 == 1),
        ({"word": "' OR true --"}, lambda _: False),
    ],
)
def test_filters_hold_together_and_a_text_is_a_value_and_never_sql(
    tx: Transaction, filters: dict[str, str], of
) -> None:
    assert sorted(walked(tx, TableView(filters=filters, rows=20))) == [
        n for n in range(ROWS) if of(n)
    ]


def test_a_page_looks_at_no_more_rows_than_its_bound_and_says_where_it_stopped(
    tx: Transaction,
) -> None:
    first = keyset.page(tx, LISTING, TableView(filters={"state": "rare"}), NOW)
    assert first.stopped
    assert len(first.rows) <= 1
    looked = [
        row[0] for row in tx.execute("SELECT number FROM things ORDER BY day, id LIMIT %s", [FEW])
    ]
    assert [row[0] for row in first.rows] == [n for n in looked if n % 97 == 0]
    assert FEW < SCANNED_MAX


@pytest.mark.parametrize(
    "view",
    [
        TableView(filters={"nothing": "1"}),
        TableView(filters={"state": "odd"}),
        TableView(filters={"from": "June"}),
        TableView(filters={"word": "x" * 201}),
        TableView(filters={"word": "a\0b"}),
        TableView(order="sideways"),
        TableView(after="%%%"),
        TableView(after="W10"),
        TableView(after="x" * 600),
    ],
)
def test_what_a_list_does_not_have_is_said_and_reaches_no_statement(
    tx: Transaction, view: TableView
) -> None:
    with pytest.raises(UsageError):
        keyset.page(tx, LISTING, view, NOW)
    tx.execute("SELECT 1")


def test_a_place_of_another_order_is_refused(tx: Transaction) -> None:
    after = keyset.page(tx, LISTING, TableView(rows=1), NOW).after
    with pytest.raises(UsageError, match="another list or order"):
        keyset.page(tx, LISTING, TableView(rows=1, order="score", after=after), NOW)
