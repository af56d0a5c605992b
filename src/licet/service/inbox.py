"""The staff inbox: open items with due date, roles, holder and history.

A page merges all sources (`inbox_sources`) by due date. Each source reads a bounded number of rows,
so a page's cost does not grow with the backlog. Items are not stored and disappear when their
subject is done; only assignments and history are stored (`access.inbox_register`). A failing source
yields an item that reports it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

from licet.access import inbox_register
from licet.access.inbox_register import InboxStep, ItemHolder, ItemSubject
from licet.access.roles import StaffRole
from licet.consent import request_register
from licet.errors import LicetError, NotFoundError, UsageError
from licet.masked import Masked
from licet.release.signatures import StaffMember
from licet.service import staff_tables
from licet.service.inbox_sources import (
    FIRST,
    KINDS,
    SOURCES,
    InboxItem,
    InboxReading,
    InboxSource,
    ItemKind,
    ItemOrder,
    ListedSource,
    Placed,
    SourcePage,
    hold_keys,
)
from licet.service.staff_tables import CellKind, TableCell, TableColumn
from licet.store.connect import Transaction, transaction, translate_errors
from licet.vault import account_view, certificate, holds
from licet.vault.ids import Prefix, parse
from licet.vault.installation import Installation

PAGE_ITEMS, PAGE_ITEMS_MAX = 50, 200
HELD_MAX = 500  # items held by the viewer that are shown
ROUNDS_MAX = 5  # reads of the sources for a page that filters leave short
CURSOR_CHARACTERS_MAX = 500
CSV_ITEMS_MAX = 100_000


class HeldFilter(StrEnum):
    """Filters items by their holder."""

    me = "me"
    nobody = "nobody"
    somebody = "somebody"


class ItemSort(StrEnum):
    """The order of a view: by due date, or by kind."""

    due = "due"
    kind = "kind"


class InboxView(msgspec.Struct, frozen=True, kw_only=True):
    """An empty filter matches everything. ``after`` is the previous page's cursor."""

    kind: ItemKind | None = None
    held: HeldFilter | None = None
    overdue: bool = False
    sort: ItemSort = ItemSort.due
    after: str = ""
    limit: int = PAGE_ITEMS


class InboxPage(msgspec.Struct, frozen=True, kw_only=True):
    """``next`` is None at the end; ``stopped``: the page is short because `ROUNDS_MAX` was
    reached.
    """

    items: tuple[InboxItem, ...]
    next: str | None
    stopped: bool = False


class ItemSeen(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """``waits`` is None once it is done; ``steps`` have no text for viewers who may not act."""

    item: str
    kind: ItemKind
    waits: InboxItem | None
    holder: str | None
    taken_at: datetime | None
    may_act: bool
    steps: tuple[InboxStep, ...]


class _Cursor(msgspec.Struct, frozen=True, array_like=True):
    asked_at: datetime
    at: datetime
    kind: ItemKind
    subject: str


# The list


def page(
    installation: Installation,
    viewer: StaffMember,
    view: InboxView,
    sources: Sequence[InboxSource] = SOURCES,
) -> InboxPage:
    """Returns a page of the items visible to the viewer's roles; an auditor sees all."""
    selected = [
        source
        for source in sources
        if _may_see(viewer, KINDS[source.kind]) and view.kind in (None, source.kind)
    ]
    if view.held is HeldFilter.me:
        return _own_page(installation, viewer, view, selected)
    cursor = _read_cursor(view.after)
    at, after = (
        (cursor.asked_at, _order(cursor)) if cursor is not None else (installation.clock(), None)
    )
    with InboxReading(installation, at) as reading:
        return _page(reading, viewer, view, selected, after)


def _page(
    reading: InboxReading,
    viewer: StaffMember,
    view: InboxView,
    selected: Sequence[InboxSource],
    after: ItemOrder | None,
) -> InboxPage:
    at, found, pages = reading.at, list[InboxItem](), dict[int, SourcePage]()
    for _ in range(ROUNDS_MAX):
        merged, until = _merge_sources(reading, view, selected, after, pages)
        fitting = [
            (order, item)
            for order, item in _with_holders(reading, merged)
            if _matches(item, viewer, view)
        ]
        room = view.limit - len(found)
        found += [item for _, item in fitting[:room]]
        if len(fitting) > room:
            return InboxPage(items=tuple(found), next=_encode_cursor(at, fitting[room - 1][0]))
        after = until
        if after is not None and view.overdue and view.sort is ItemSort.due and after.at > at:
            after = None  # later items are not due yet
        if after is None or len(found) >= view.limit:
            return InboxPage(
                items=tuple(found), next=_encode_cursor(at, after) if after is not None else None
            )
    return InboxPage(
        items=tuple(found), next=_encode_cursor(at, after) if after else None, stopped=True
    )


def _merge_sources(
    reading: InboxReading,
    view: InboxView,
    selected: Sequence[InboxSource],
    after: ItemOrder | None,
    pages: dict[int, SourcePage],
) -> tuple[list[Placed], ItemOrder | None]:
    """Merges the items of all sources behind ``after``, up to the end of the first source that has
    more; returns that end too. ``pages`` caches each source's last answer until ``after`` has
    passed it.
    """

    def place(order: ItemOrder) -> tuple[Any, ...]:
        rank = list(ItemKind).index(order.kind)
        return (
            (rank, order.at, order.subject)
            if view.sort is ItemSort.kind
            else (order.at, rank, order.subject)
        )

    for number, source in enumerate(selected):
        old = pages.get(number)
        if old is None or (
            after is not None and old.until is not None and place(old.until) <= place(after)
        ):
            pages[number] = _ask_source(reading, source, after, view)
    ends = [source_page.until for source_page in pages.values() if source_page.until is not None]
    until = min(ends, key=place) if ends else None
    found = sorted(
        (placed for part in pages.values() for placed in part.found),
        key=lambda placed: place(placed.order),
    )
    if after is not None:
        found = [placed for placed in found if place(placed.order) > place(after)]
    return [
        placed for placed in found if until is None or place(placed.order) <= place(until)
    ], until


def _ask_source(
    reading: InboxReading, source: InboxSource, after: ItemOrder | None, view: InboxView
) -> SourcePage:
    """Returns a source's next items. Sorted by kind, kinds before that of ``after`` are exhausted,
    later ones begin.
    """
    if after is not None and view.sort is ItemSort.kind and source.kind is not after.kind:
        order = list(ItemKind)
        if order.index(source.kind) < order.index(after.kind):
            return SourcePage([])
        after = None
    try:
        with translate_errors():
            return source.page(reading, after, view.limit + 1)
    except LicetError as error:
        reading.reset()
        if after is not None:
            return SourcePage([])
        what = f"These items cannot be read: {error.message}".replace("`", "")
        unknown = InboxItem(
            item=f"{source.kind.value}:unknown",
            kind=source.kind,
            what=what,
            act="Load the page again; if it lasts, look with licet doctor.",
            page="",
            due_at=None,
            overdue=True,
            who=KINDS[source.kind],
        )
        return SourcePage([Placed(FIRST, unknown)])


def _with_holders(
    reading: InboxReading, found: Sequence[Placed]
) -> list[tuple[ItemOrder, InboxItem]]:
    if not found:
        return []
    holders = inbox_register.find_holders(reading.tx, [placed.item.item for placed in found])
    return [
        (placed.order, _with_holder(placed.item, holders.get(placed.item.item))) for placed in found
    ]


def _with_holder(item: InboxItem, has: ItemHolder | None) -> InboxItem:
    return (
        item
        if has is None
        else msgspec.structs.replace(item, holder=has.email, taken_at=has.taken_at)
    )


def _matches(item: InboxItem, viewer: StaffMember, view: InboxView) -> bool:
    if view.held is not None and (view.held is HeldFilter.nobody) != (item.holder is None):
        return False
    return _may_see(viewer, item.who) and (item.overdue or not view.overdue)


def _own_page(
    installation: Installation,
    viewer: StaffMember,
    view: InboxView,
    selected: Sequence[InboxSource],
) -> InboxPage:
    with transaction(installation.pool) as tx:
        names = inbox_register.list_held(tx, viewer.staff_id, HELD_MAX)
        holders = inbox_register.find_holders(tx, names)
    now, found = installation.clock(), list[InboxItem]()
    with InboxReading(installation, now) as reading:
        # as the sources stand
        for name in sorted(names, key=lambda name: kind_of(name) is not ItemKind.model):
            item = _find(reading, name, selected)
            if item is not None and (item.overdue or not view.overdue):
                found.append(_with_holder(item, holders.get(name)))
    never = datetime.max.replace(tzinfo=now.tzinfo)
    found.sort(key=lambda item: (item.due_at or never, item.item))
    return InboxPage(items=tuple(found), next=None)


def _may_see(viewer: StaffMember, roles: Sequence[StaffRole]) -> bool:
    return StaffRole.auditor in viewer.roles or not viewer.roles.isdisjoint(roles)


def _order(cursor: _Cursor) -> ItemOrder:
    return ItemOrder(cursor.at, cursor.kind, cursor.subject)


def _encode_cursor(asked_at: datetime, order: ItemOrder) -> str:
    made = msgspec.json.encode(_Cursor(asked_at, order.at, order.kind, order.subject))
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode()


def _read_cursor(text: str) -> _Cursor | None:
    if not text:
        return None
    try:
        if len(text) > CURSOR_CHARACTERS_MAX:
            raise ValueError("too long")
        found = msgspec.json.decode(
            base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=_Cursor
        )
        if found.asked_at.tzinfo is None or found.at.tzinfo is None or not found.subject.isascii():
            raise ValueError("no place")
        for source in SOURCES:  # no item can have such a subject
            if source.kind is found.kind and found.at != FIRST and isinstance(source, ListedSource):
                source.keys_of(found.subject)
        return found
    except (ValueError, LicetError, msgspec.MsgspecError):
        raise UsageError(
            "the place to go on from is none that a page gave", "begin at the first page"
        ) from None


# As a file

COLUMNS = (
    TableColumn("Item", CellKind.text),
    TableColumn("Kind", CellKind.word),
    TableColumn("Until", CellKind.moment),
    TableColumn("Overdue", CellKind.late),
    TableColumn("What waits", CellKind.text),
    TableColumn("What to do", CellKind.text),
    TableColumn("Who has it", CellKind.text),
    TableColumn("Since", CellKind.moment),
    TableColumn("Account", CellKind.account),
)


def cells(item: InboxItem) -> tuple[TableCell, ...]:
    first = (item.item, item.kind.value, item.due_at, item.overdue, item.what, item.act)
    values = (*first, item.holder, item.taken_at, item.account)
    return tuple(
        TableCell(column.kind, value) for column, value in zip(COLUMNS, values, strict=True)
    )


def as_csv(installation: Installation, viewer: StaffMember, view: InboxView) -> Iterator[bytes]:
    """Returns all items of a view as CSV (`staff_tables.csv_lines`)."""
    return staff_tables.csv_lines(
        COLUMNS, (cells(item) for item in _iter_items(installation, viewer, view)), CSV_ITEMS_MAX
    )


def _iter_items(
    installation: Installation, viewer: StaffMember, view: InboxView
) -> Iterator[InboxItem]:
    after: str | None = ""
    while after is not None:
        found = page(
            installation, viewer, msgspec.structs.replace(view, after=after, limit=PAGE_ITEMS_MAX)
        )
        yield from found.items
        after = found.next


# One item


def get(installation: Installation, viewer: StaffMember, item: str) -> ItemSeen:
    """Returns an item; NotFoundError if it never existed or is not visible to these roles."""
    waits, subject = find(installation, viewer, item)
    acts = may_act(viewer, waits, item)
    with transaction(installation.pool) as tx:
        has = inbox_register.find_holders(tx, [item]).get(item)
        steps = inbox_register.list_steps(tx, installation.keyring, subject)
    if waits is None and not steps:
        raise NotFoundError(f"no item `{item}`", "`licet inbox list` shows them")
    return ItemSeen(
        item=item,
        kind=kind_of(item),
        waits=waits,
        holder=has.email if has else None,
        taken_at=has.taken_at if has else None,
        may_act=acts,
        steps=tuple(step if acts else msgspec.structs.replace(step, words="") for step in steps),
    )


def find(
    installation: Installation, viewer: StaffMember, item: str
) -> tuple[InboxItem | None, ItemSubject]:
    """Returns the open item, None once it is done, and its subject; NotFoundError if not visible to
    these roles.
    """
    kind = kind_of(item)
    if not _may_see(viewer, KINDS[kind]):
        raise NotFoundError(f"no item `{item}`", "`licet inbox list` shows them")
    with InboxReading(installation, installation.clock()) as reading:
        return _find(reading, item, SOURCES), subject_of(reading.tx, item)


def may_act(viewer: StaffMember, waits: InboxItem | None, item: str) -> bool:
    return not viewer.roles.isdisjoint(waits.who if waits is not None else KINDS[kind_of(item)])


def kind_of(item: str) -> ItemKind:
    """Returns the kind in an item's name; NotFoundError if there is none."""
    kind, colon, subject = item.partition(":")
    if (
        kind not in list(ItemKind)
        or not colon
        or not subject
        or len(item) > 190
        or not item.isascii()
    ):
        raise NotFoundError(f"no item `{item[:60]}`", "`licet inbox list` shows them")
    return ItemKind(kind)


def _find(reading: InboxReading, item: str, sources: Sequence[InboxSource]) -> InboxItem | None:
    kind, _, subject = item.partition(":")
    for source in sources:
        if source.kind == kind:
            try:
                found = source.find(reading, subject)
            except (NotFoundError, UsageError):
                continue
            if found is not None:
                return found
    return None


def subject_of(tx: Transaction, item: str) -> ItemSubject:
    """Returns the subject of an item; NotFoundError for a malformed name."""
    kind, subject = kind_of(item), item.partition(":")[2]
    first = subject.partition("+")[0]
    match kind:
        case ItemKind.request:
            row = request_register.get(tx, parse(Prefix.request, subject))
            if row is None:
                raise NotFoundError(f"no item `{item}`")
            forgotten = row.account is None and row.forgotten_at is not None
            return ItemSubject(
                item=item, account=row.account, request=row.request, forgotten=forgotten
            )
        case ItemKind.erasure | ItemKind.recall if subject != "exports":
            return ItemSubject(
                item=item, account=certificate.get(tx, parse(Prefix.erasure, first)).account
            )
        case ItemKind.misuse | ItemKind.flag | ItemKind.hold:
            conversation = parse(Prefix.conversation, first)
            account = account_view.owner(tx, conversation)
            if account is None:
                raise NotFoundError(f"no item `{item}`")
            is_disclosed = kind is not ItemKind.hold or _is_disclosed_hold(tx, account, subject)
            return ItemSubject(item=item, account=account, is_disclosed=is_disclosed)
        case _:
            return ItemSubject(item=item)


def _is_disclosed_hold(tx: Transaction, account: UUID, subject: str) -> bool:
    """Whether the person may see a hold; False once it has ended."""
    try:
        conversation, matter = hold_keys(subject)
    except ValueError:
        raise NotFoundError(f"no hold `{subject}`") from None
    return holds.is_disclosed(tx, account, conversation, matter)
