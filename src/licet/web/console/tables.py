"""The tables of the console: filtered, sorted and paged by the server, with the view in the
address.

    /console/erasures  conversations  accounts  flags  suggestions  recalls  readings  holds
    ..?state=overdue&order=oldest        a view, which can be kept as a bookmark or sent to a colleague
    ..&after=PLACE                       its next page
    ..&as=csv                            all of it, as a file
    ../act                               an act on the selected rows: one confirmation, with its forecast

A table holds ids, words, times and numbers, and never content. Each of its acts calls the verb that
the command line and the API call, row by row. A failure is reported for its row and does not stop
the others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlencode

import msgspec
from litestar import Response
from litestar.handlers import HTTPRouteHandler
from litestar.params import URLEncodedBody
from litestar.response import Stream

from licet.access.roles import NOBODY, May
from licet.errors import LicetError, UsageError
from licet.service import inbox_verbs, staff_tables
from licet.service.inbox_acts import ActValues, InboxAct
from licet.service.inbox_sources import ItemKind
from licet.service.staff_tables import StaffTable
from licet.store.keyset import TablePage, TableView
from licet.web.console import shared as shell
from licet.web.console.shared import RouteVisit, Visit
from licet.web.pages.shared import NO_FAULTS, Faults, get_page, post_page, seen_other

CHOSEN_MAX = 200
ItemName: TypeAlias = Callable[[Visit, Sequence[str], Mapping[str, Any]], str]
RowAct: TypeAlias = Callable[[Visit, Sequence[str], Mapping[str, Any], bool], str]
Fields: TypeAlias = URLEncodedBody[dict[str, Any]]


class TableAct(msgspec.Struct, frozen=True, kw_only=True):
    """An act on selected rows. ``does`` describes its effect on people, in a sentence or two.
    ``run`` performs it on one row and describes the result, or with `dry_run`, its last argument,
    describes what that would be; it takes the row's names and the form, and its errors are reported
    per row. ``fields`` are the form's further fields, which ``check`` validates. ``item`` is the
    row's inbox item, where the reason is stored; an act without it asks for a reason of its own.
    """

    name: str
    label: str
    means: str
    run: RowAct
    destroys: bool = False
    fields: str = ""
    item: ItemName | None = None
    check: Callable[[Visit, Mapping[str, Any]], Faults] = lambda *_: NO_FAULTS


def row_act(act: InboxAct, kind: ItemKind) -> TableAct:
    """An inbox act (`service.inbox_acts`) on rows named like its items of a kind."""

    def run(visit: Visit, names: Sequence[str], _: Mapping[str, Any], dry_run: bool) -> str:
        call = act.forecast if dry_run else act.does
        return call(visit.installation, visit.member, "+".join(names), ActValues(reason=""))

    return TableAct(
        name=act.name,
        label=act.label,
        means=act.means,
        destroys=act.destroys,
        run=run,
        item=lambda _, names, __: f"{kind.value}:{'+'.join(names)}",
    )


class ConsoleTable(msgspec.Struct, frozen=True, kw_only=True):
    """A table as a page of the console. ``about`` are its sentences; ``views`` are queries that
    many ask for, the first of them what an address without one shows. ``acts_may`` is who sees the
    acts and the link that ``adds`` a row, by its label and page: those whom the routes let in that
    take them.
    """

    table: StaffTable
    about: str
    views: Mapping[str, str]
    may: May
    acts: tuple[TableAct, ...] = ()
    acts_may: May = NOBODY
    adds: tuple[str, str] | None = None

    @property
    def path(self) -> str:
        return f"/console/{self.table.name}"


def routes_of(table: ConsoleTable) -> tuple[HTTPRouteHandler, ...]:
    """The page of a table and, with acts, the route for selected rows."""

    def listed(visit: RouteVisit) -> Response[Any]:
        return show(visit, table)

    def acted(visit: RouteVisit, data: Fields) -> Response[Any]:
        """Performs the confirmed act on the selected rows."""
        return act(visit, table, data)

    listed.__doc__ = table.about
    page = get_page(table.path, may=table.may)(listed)
    acts = post_page(f"{table.path}/act", may=table.acts_may)
    return (page, acts(acted)) if table.acts else (page,)


def show(visit: Visit, table: ConsoleTable) -> Response[Any]:
    """A view of a table, as a page or as a file; an invalid query is explained on the page."""
    query = visit.query or dict(parse_qsl(next(iter(table.views.values()))))
    view, faults = view_of(table.table, query), NO_FAULTS
    try:
        found = staff_tables.read_page(visit.installation, table.table, view)
    except UsageError as error:
        faults, found = shell.fault("filters", error), TablePage(rows=(), after="", stopped=False)
    if query.get("as") == "csv" and not faults:
        lines = staff_tables.as_csv(visit.installation, table.table, view)
        return csv_file(visit, table.table.name, lines)
    does = visit.allows(table.acts_may)
    return shell.page(
        "console_table.html",
        visit,
        errors=faults,
        status_code=400 if faults else 200,
        of=table,
        found=found,
        view=view,
        acts=table.acts if does else (),
        adds=table.adds if does else None,
        saved=_SAID.get(query.get("flash", ""), ""),
        next=_address(table, view, after=found.after) if found.after else "",
        first=_address(table, view) if view.after else "",
        file=_address(table, view, **{"as": "csv"}),
        current=urlencode(_named(view)),
        sorts=_sorts(table, view),
        orders=dict(list(table.table.listing.orders.items())[1:]),
    )


class ColumnSort(msgspec.Struct, frozen=True):
    """The present order of a column (`aria-sort`), and the link that reverses it."""

    now: str
    href: str


def _sorts(table: ConsoleTable, view: TableView) -> dict[int, ColumnSort]:
    """The columns by which rows can be ordered: those that come first in an order."""
    listing, found = table.table.listing, dict[int, ColumnSort]()
    columns = [text.strip() for text in re.split(r",\s*(?![^()]*\))", listing.columns)]
    orders = dict(listing.orders)
    current = view.order if view.order in orders else next(iter(orders))
    for name, order in orders.items():
        sql = order.columns[0].sql  # the column, or what it is reckoned from
        place = next((n for n, column in enumerate(columns) if column.split()[0] == sql), -1)
        if place < 0 or (place in found and found[place].now):
            continue
        turned = [
            other
            for other, one in orders.items()
            if one.columns[0].sql == columns[place] and other != current
        ]
        now = "" if name != current else "descending" if order.descending else "ascending"
        to = turned[0] if now and turned else name
        found[place] = ColumnSort(now, _address(table, TableView(filters=view.filters, order=to)))
    return found


def view_of(table: StaffTable, query: Mapping[str, str]) -> TableView:
    """The view in a query; ignores empty fields of a form."""
    filters = {
        name: text
        for name, text in query.items()
        if text.strip() and name not in ("order", "after", "as", "flash")
    }
    return TableView(filters=filters, order=query.get("order", ""), after=query.get("after", ""))


def _named(view: TableView) -> dict[str, str]:
    return {**view.filters, **({"order": view.order} if view.order else {})}


def _address(table: ConsoleTable, view: TableView, **more: str) -> str:
    query = urlencode({**_named(view), **more})
    return f"{table.path}?{query}" if query else table.path


def csv_file(visit: Visit, name: str, lines: Iterator[bytes]) -> Response[Any]:
    """A list as a CSV file named after it and the day."""
    name = f"{name}-{visit.installation.clock():%Y-%m-%d}.csv"
    return Stream(
        lines,
        media_type="text/csv; charset=utf-8",
        headers={
            "content-disposition": f'attachment; filename="{name}"',
            "cache-control": "no-store",
        },
    )


# Acts on what was chosen


class ActLine(msgspec.Struct, frozen=True):
    """A row of an act: its names, the effect or result, and whether it failed."""

    names: tuple[str, ...]
    says: str
    failed: bool


def act(visit: Visit, table: ConsoleTable, data: Mapping[str, Any]) -> Response[Any]:
    """Asks for confirmation of an act on the selected rows, or performs it and reports
    each result.
    """
    chosen = chosen_of(data)
    wanted = next((one for one in table.acts if one.name == data.get("act")), None)
    if wanted is None:
        raise UsageError("no such act")
    if not chosen:
        return seen_other(f"{table.path}?flash=nothing")
    faults = (
        wanted.check(visit, data) if not wanted.fields or data.get("asked") == "yes" else NO_FAULTS
    )
    asks, confirmed = (
        bool(wanted.fields) and (data.get("asked") != "yes" or bool(faults)),
        data.get("confirmed") == "yes",
    )
    if confirmed and not asks and wanted.item is not None:
        faults = shell.why_faults(_why(data))
        confirmed = not faults
    run = _recorded(wanted, data) if confirmed else wanted.run
    lines = [] if asks else [_line(visit, run, one, data, not confirmed) for one in chosen]
    return shell.page(
        "console_act.html",
        visit,
        title=wanted.label,
        errors=faults,
        of=table,
        act=wanted,
        lines=lines,
        asks=asks,
        done=confirmed and not asks,
        chosen=chosen,
        kept={name: str(data.get(name, "")) for name in (*FIELDS, shell.WHY)},
    )


def _why(data: Mapping[str, Any]) -> str:
    return str(data.get(shell.WHY, ""))


def _recorded(wanted: TableAct, data: Mapping[str, Any]) -> RowAct:
    """The act, which first records its reason."""
    item = wanted.item
    if item is None:
        return wanted.run
    name, why = wanted.name.replace("-", "_"), _why(data)
    return lambda visit, names, form, dry_run: inbox_verbs.run_recorded(
        visit.installation,
        visit.member,
        item(visit, names, form),
        name,
        why,
        lambda: wanted.run(visit, names, form, dry_run),
    )


def chosen_of(data: Mapping[str, Any]) -> list[str]:
    """The selected rows, without repetitions; UsageError for more than `CHOSEN_MAX`."""
    found = data.get("chosen", [])
    chosen = list(
        dict.fromkeys(str(one) for one in (found if isinstance(found, list) else [found]) if one)
    )
    if len(chosen) > CHOSEN_MAX:
        raise UsageError(f"`{len(chosen)}` rows at once", f"choose {CHOSEN_MAX} at most")
    return chosen


def _line(visit: Visit, run: RowAct, word: str, data: Mapping[str, Any], dry_run: bool) -> ActLine:
    names = tuple(word.split("+"))
    try:
        return ActLine(names, run(visit, names, data, dry_run), False)
    except LicetError as error:
        return ActLine(names, error.message.replace("`", ""), True)


FIELDS = ("matter", "reason", "review_at", "told")
_SAID = {"nothing": "Nothing was selected. Nothing was changed."}
