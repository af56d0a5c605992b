"""Staff tables: column types, pages, and CSV. They never contain content.

The owner of a table declares its `Listing` with the SQL; its columns are declared here in the same
order, so that page and file agree. Ids have their prefix, staff are shown by address, releases by
name.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import Any, assert_never
from uuid import UUID

import msgspec

from licet.access import sessions, staff_orders
from licet.consent import notice, request_register
from licet.erasure import recall_register
from licet.misuse import suggestions
from licet.policy.period import rfc3339
from licet.release import registry
from licet.store import keyset
from licet.store.connect import Transaction, snapshot
from licet.store.keyset import Listing, TablePage, TableView
from licet.vault import (
    account_view,
    certificate,
    holds,
    policy_versions,
    safety_copies,
    staff_reads,
)
from licet.vault.ids import Prefix, format_id
from licet.vault.installation import Installation

CSV_ROWS_MAX = 1_000_000
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class CellKind(StrEnum):
    """The type of a column, which determines its display."""

    account = "account"
    conversation = "conversation"
    erasure = "erasure"
    request = "request"
    handout = "handout"
    notice = "notice"
    recipient = "recipient"
    version = "version"  # of the policy
    digest = "digest"
    release = "release"
    staff = "staff"
    moment = "moment"
    word = "word"
    text = "text"
    number = "number"
    score = "score"
    flag = "flag"  # yes or no
    late = "late"  # whether the day before it has passed


class TableColumn(msgspec.Struct, frozen=True):
    head: str
    kind: CellKind


class StaffTable(msgspec.Struct, frozen=True, kw_only=True):
    """A list for staff. ``acts_on`` are the columns that identify a row to an act; empty without
    acts.
    """

    name: str
    listing: Listing
    columns: tuple[TableColumn, ...]
    acts_on: tuple[int, ...] = ()


class TableCell(msgspec.Struct, frozen=True):
    """A cell. ``value`` is text, except for times, numbers and missing values."""

    kind: CellKind
    value: str | datetime | int | float | bool | None


def _columns(**heads: CellKind) -> tuple[TableColumn, ...]:
    return tuple(TableColumn(head.replace("_", " "), kind) for head, kind in heads.items())


K = CellKind
REQUESTS = StaffTable(
    name="rights",
    listing=request_register.LISTING,
    columns=_columns(
        Request=K.request,
        Kind=K.word,
        State=K.word,
        Due=K.moment,
        Overdue=K.late,
        Received=K.moment,
        By_way_of=K.word,
        Region=K.word,
        Account=K.account,
    ),
)
ERASURES = StaffTable(
    name="erasures",
    listing=certificate.LISTING,
    acts_on=(0,),
    columns=_columns(
        Erasure=K.erasure,
        After=K.word,
        State=K.word,
        Asked_for=K.moment,
        Due=K.moment,
        Held=K.flag,
        Overdue=K.late,
        Verified=K.moment,
        Conversation=K.conversation,
        Account=K.account,
    ),
)
CONVERSATIONS = StaffTable(
    name="conversations",
    listing=account_view.CONVERSATIONS,
    acts_on=(0,),
    columns=_columns(
        Conversation=K.conversation,
        Kind=K.word,
        Begun=K.moment,
        Incognito=K.flag,
        Kept_out=K.flag,
        Deleted=K.moment,
        Held=K.flag,
        Safety_copy_until=K.moment,
        Account=K.account,
    ),
)
ACCOUNTS = StaffTable(
    name="accounts",
    listing=account_view.ACCOUNTS,
    columns=_columns(
        Account=K.account,
        Plan=K.word,
        Opened=K.moment,
        Closed=K.moment,
        Grant_in_force=K.flag,
        Last_event=K.moment,
    ),
)
HOLDS = StaffTable(
    name="holds",
    listing=holds.LISTING,
    acts_on=(0,),
    columns=_columns(
        Conversation=K.conversation,
        Reason=K.word,
        Placed=K.moment,
        By=K.text,
        Person_sees_it=K.flag,
        Turns_held=K.number,
        Turns_not_held=K.number,
        Review=K.moment,
        Overdue=K.late,
        Account=K.account,
    ),
)
FLAGS = StaffTable(
    name="flags",
    listing=safety_copies.FLAGS,
    columns=_columns(
        Conversation=K.conversation,
        Flagged=K.moment,
        Score=K.score,
        Upheld=K.moment,
        Overturned=K.moment,
        Copy_until=K.moment,
        Score_until=K.moment,
        Account=K.account,
    ),
)
SUGGESTIONS = StaffTable(
    name="suggestions",
    listing=suggestions.LISTING,
    acts_on=(0,),
    columns=_columns(
        Conversation=K.conversation,
        Score=K.score,
        Suggested=K.moment,
        By=K.staff,
        Decision=K.word,
        Decided=K.moment,
        Decided_by=K.staff,
        Account=K.account,
    ),
)
RECALLS = StaffTable(
    name="recalls",
    listing=recall_register.RECALLS,
    acts_on=(0, 1),
    columns=_columns(
        Erasure=K.erasure,
        Handout=K.handout,
        Recipient=K.text,
        Release=K.release,
        Recalled=K.moment,
        Due=K.moment,
        Acknowledged=K.moment,
        Overdue=K.late,
        Account=K.account,
    ),
)
READINGS = StaffTable(
    name="readings",
    listing=staff_reads.LISTING,
    columns=_columns(
        Read=K.moment,
        By=K.staff,
        As=K.word,
        Why=K.word,
        Ticket=K.text,
        Messages=K.number,
        Conversation=K.conversation,
        Account=K.account,
    ),
)
RECIPIENTS = StaffTable(
    name="recipients",
    listing=recall_register.HANDOUTS,
    columns=_columns(
        Recipient=K.recipient,
        Release=K.release,
        Handed_out=K.moment,
        Recalls_open=K.number,
        First_due=K.moment,
        Overdue=K.late,
        Handout=K.handout,
    ),
)
NOTICES = StaffTable(
    name="notices",
    listing=notice.LISTING,
    columns=_columns(
        Notice=K.notice,
        Version=K.version,
        Language=K.word,
        For=K.word,
        Published=K.moment,
        By=K.text,
        **{"SHA-256": K.digest},
    ),
)
ORDERS = StaffTable(
    name="orders",
    listing=staff_orders.LISTING,
    columns=_columns(
        Ordered=K.moment,
        By=K.text,
        What=K.word,
        Of=K.text,
        Reason=K.text,
        State=K.word,
        What_became_of_it=K.text,
    ),
)
TABLES = {
    table.name: table
    for table in (
        REQUESTS,
        ERASURES,
        CONVERSATIONS,
        ACCOUNTS,
        HOLDS,
        FLAGS,
        SUGGESTIONS,
        RECALLS,
        READINGS,
        RECIPIENTS,
        NOTICES,
        ORDERS,
    )
}
_PREFIXES = {
    K.account: Prefix.account,
    K.conversation: Prefix.conversation,
    K.erasure: Prefix.erasure,
    K.handout: Prefix.handout,
    K.request: Prefix.request,
}


def read_page(
    installation: Installation, table: StaffTable, view: TableView, now: datetime | None = None
) -> TablePage:
    """Returns a page of a table, its rows as `TableCell`s, as of ``now``; UsageError for an unknown
    filter, order or cursor.
    """
    with snapshot(installation.pool) as tx:
        found = keyset.page(tx, table.listing, view, now or installation.clock())
        return msgspec.structs.replace(found, rows=_cells(tx, table, found.rows))


def as_csv(installation: Installation, table: StaffTable, view: TableView) -> Iterator[bytes]:
    """Returns all rows of a view, as CSV by RFC 4180; a cell that a spreadsheet would read as a
    formula begins with an apostrophe.

    Pages are read one after another, so a row changed meanwhile appears in its old or new state.
    The list is cut at `CSV_ROWS_MAX`, as its last line says.
    """
    now = installation.clock()
    rows = keyset.all_rows(
        lambda page: read_page(installation, table, page, now), view, CSV_ROWS_MAX
    )
    return csv_lines(table.columns, rows, CSV_ROWS_MAX)


def csv_lines(
    columns: Sequence[TableColumn], rows: Iterable[Sequence[TableCell]], limit: int
) -> Iterator[bytes]:
    """Returns rows of cells under their heads, as CSV; cut at ``limit``, as the last line says."""
    yield _line([column.head for column in columns])
    for row in islice(rows, limit):
        yield _line([_plain(cell) for cell in row])
        limit -= 1
    if limit == 0:
        yield _line(["cut here: filter more narrowly"])


def _cells(
    tx: Transaction, table: StaffTable, rows: Sequence[Sequence[Any]]
) -> tuple[tuple[TableCell, ...], ...]:
    kinds = [column.kind for column in table.columns]
    staff = {
        v
        for row in rows
        for kind, v in zip(kinds, row, strict=True)
        if kind is K.staff and v is not None
    }
    releases = {v for row in rows for kind, v in zip(kinds, row, strict=True) if kind is K.release}
    names = dict[UUID | int, str]()
    if staff:
        names.update(sessions.addresses(tx, staff).items())
    if releases:
        names.update(registry.names(tx, list(releases)).items())
    if K.version in kinds:
        names.update(policy_versions.names(tx).items())
    return tuple(
        tuple(_cell(kind, value, names) for kind, value in zip(kinds, row, strict=True))
        for row in rows
    )


def _cell(kind: CellKind, value: Any, names: Mapping[UUID | int, str]) -> TableCell:  # noqa: ANN401 of a row
    if value is None or value == "":
        return TableCell(kind, None)
    match kind:
        case K.account | K.conversation | K.erasure | K.handout | K.request:
            return TableCell(kind, format_id(_PREFIXES[kind], value))
        case K.staff | K.release | K.version:
            return TableCell(kind, names[value])
        case K.notice | K.digest:
            return TableCell(kind, value.hex if isinstance(value, UUID) else bytes(value).hex())
        case K.moment | K.number | K.score | K.flag | K.late | K.text | K.recipient:
            return TableCell(kind, value)
        case K.word:
            return TableCell(kind, str(value).replace("_", " "))
        case _:
            assert_never(kind)


def _plain(cell: TableCell) -> str:
    match cell.value:
        case None:
            return ""
        case bool():
            return "yes" if cell.value else "no"
        case datetime():
            return rfc3339(cell.value)
        case _:
            text = str(cell.value)
            return f"'{text}" if cell.kind is K.text and text.startswith(_FORMULA) else text


def _line(cells: Sequence[str]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n").writerow(cells)
    return out.getvalue().encode()
