"""Backups in the console: the age of the newest, each of them, and the drills that proved that one
can be restored.

    /console/backups          what is on record
    /console/backups/drill    orders a drill of the newest backup

Nothing is restored here over what is in use: that is done on the machine, with no server running
(`licet restore`).
"""

from __future__ import annotations

from typing import Any

from litestar import Response, get, post
from litestar.params import URLEncodedBody

from licet.access import staff_orders
from licet.access.staff_orders import OrderKind
from licet.backup import archives, drills
from licet.service import orders as work
from licet.service.inbox_sources import BACKUP_DAYS
from licet.store.connect import transaction
from licet.web.console import orders
from licet.web.console import shared as shell
from licet.web.console.orders import ORDERS_SHOWN_MAX, OrderAsked, OrderForm
from licet.web.console.shared import OWNS, STAFF
from licet.web.pages.shared import AnyRequest

SECTION = "/console/backups"
BACKUPS_SHOWN_MAX, DRILLS_SHOWN_MAX = 100, 20
_SAID = {"drill": "Ordered: the server begins within seconds, and this page says how it ended."}


@get("/console/backups", may=STAFF, sync_to_thread=True, include_in_schema=False)
def backups(request: AnyRequest) -> Response[Any]:
    """The backups, the drills, and what is late."""
    visit = shell.opened(request)
    here, at = visit.here, visit.here.clock()
    known, tried = (
        archives.list_registered(here, BACKUPS_SHOWN_MAX),
        drills.list_newest(here, DRILLS_SHOWN_MAX),
    )
    proved = {one.backup: one for one in reversed(tried)}
    with transaction(here.pool) as tx:
        given = staff_orders.list_newest(tx, (OrderKind.drill_backup,), ORDERS_SHOWN_MAX)
    values = {
        "backups": known,
        "drills": tried,
        "of": proved,
        "orders": given,
        "owns": visit.allows(OWNS),
        "age_days": (at - known[0].made_at).days if known else None,
        "late_days": BACKUP_DAYS,
        "due": drills.due_at(here),
        "kept_days": here.config.key_chain.backup_days,
        "every": here.config.key_chain.drill_days,
        "saved": _SAID.get(request.query_params.get("said", ""), ""),
    }
    return shell.page(
        "console_backups.html", visit, title="Backups", section=SECTION, values=values
    )


@post("/console/backups/drill", may=OWNS, sync_to_thread=True, include_in_schema=False)
def drill(request: AnyRequest, data: URLEncodedBody[OrderForm]) -> Response[Any]:
    """Orders a drill, after the confirmation; NotFoundError if there is no backup."""
    visit = shell.opened(request)
    would = work.forecast(visit.here, OrderKind.drill_backup)
    asked = OrderAsked(
        title="Drill a backup",
        label="Begin the drill",
        action=f"{SECTION}/drill",
        section=SECTION,
        back=SECTION,
        means="The newest backup is restored into a scratch place, proved there and removed again. "
        "Nothing that is in use is"
        " touched, nothing of it can be reached from outside, and no content is opened. It takes "
        "disk for a second database.",
        would=would.would,
    )
    return orders.take(
        visit,
        data,
        asked,
        lambda reason: work.submit(
            visit.here, OrderKind.drill_backup, would.about, reason=reason, actor=orders.by(visit)
        ),
        f"{SECTION}?said=drill",
    )


ROUTES = (backups, drill)
