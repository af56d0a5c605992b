"""The system itself in the console: its encryption keys, backups, log, and what was ordered of it.

    /console/keys        each epoch's state and what is due;  ../rotate  ../destroy
    /console/backups     the age of the newest, each of them, and the drills of them;  ../drill
    /console/log         how large it is, who cosigned it, and whether it holds;  ../witness
    /console/background  what runs by itself, and the approval of a sweep that waits
    /console/orders      all that staff ordered about the system, as a table

What is ordered here (`service.order_verbs`) runs in the background: a page says how it ended.
Nothing is restored here over what is in use: that is done on the machine, with no server running
(`licet restore`).
"""

from __future__ import annotations

from typing import Any

from litestar import Response

from licet.access.staff_orders import OrderKind
from licet.backup import archives, drills
from licet.erasure import epochs, sweeper
from licet.errors import LicetError
from licet.proof import documents
from licet.service import staff_tables
from licet.service.erasure_verbs import APPROVE
from licet.service.inbox_sources import BACKUP_DAYS, ItemKind, compact_age
from licet.web.console import shared as shell
from licet.web.console import tables
from licet.web.console.shared import STAFF, RouteVisit
from licet.web.console.tables import ConsoleTable
from licet.web.pages.shared import AnyRequest, get_page
from licet.webhooks import endpoints

EPOCHS_SHOWN_MAX = 50
BACKUPS_SHOWN_MAX, DRILLS_SHOWN_MAX = 50, 20


@get_page("/console/keys", may=STAFF)
def keys(visit: RouteVisit) -> Response[Any]:
    """The encryption keys by date, due rotations, and orders."""
    status = epochs.status(visit.installation)
    return shell.page(
        "console_keys.html",
        visit,
        keys=status,
        shown=status.epochs[::-1][:EPOCHS_SHOWN_MAX],
        next=epochs.next_rotation(visit.installation),
        spent=epochs.destroy_due(visit.installation, dry_run=True),
        orders=visit.orders(OrderKind.rotate_keys, OrderKind.destroy_epochs),
    )


@get_page("/console/backups", may=STAFF)
def backups(visit: RouteVisit) -> Response[Any]:
    """The backups, the drills, and overdue ones."""
    installation, now = visit.installation, visit.installation.clock()
    known = archives.list_registered(installation, BACKUPS_SHOWN_MAX)
    tried = drills.list_newest(installation, DRILLS_SHOWN_MAX)
    return shell.page(
        "console_backups.html",
        visit,
        backups=known,
        drills=tried,
        of={drill.backup: drill for drill in reversed(tried)},
        age_days=(now - known[0].made_at).days if known else None,
        late_days=BACKUP_DAYS,
        due=drills.due_at(installation),
        kept_days=installation.config.key_chain.backup_days,
        every=installation.config.key_chain.drill_days,
        orders=visit.orders(OrderKind.drill_backup),
    )


@get_page("/console/log", may=STAFF)
def log(request: AnyRequest, visit: RouteVisit) -> Response[Any]:
    """The logs as readers see them, their witnesses, and the waiting entries."""
    following = request.app.state.following
    try:
        ledger = documents.status(visit.installation)
    except LicetError:  # the page says below what does not hold
        ledger = None
    return shell.page(
        "console_log.html",
        visit,
        ledger=ledger,
        fault=following.fault if following is not None else "",
        follows=following is not None,
        checked={state.origin: state for state in documents.check_years(visit.installation)},
        asks=documents.witnesses(visit.installation) is not None,
        orders=visit.orders(OrderKind.cosign_log),
    )


ORDERS = ConsoleTable(
    table=staff_tables.ORDERS,
    may=STAFF,
    about=("Operations that staff ordered, with the reason and the result."),
    views={
        "All": "",
        "Not ended": "state=open",
        "Failed": "state=failed",
    },
)


# What runs by itself


@get_page("/console/background", may=STAFF)
def background(visit: RouteVisit) -> Response[Any]:
    """The state of the sweep, the keys, the backups and the endpoints."""
    sweep = sweeper.sweep_status(visit.installation)
    return shell.page(
        "console_work.html",
        visit,
        sweep=sweep,
        item=f"{ItemKind.sweep.value}:{compact_age(sweep.waits_since)}"
        if sweep.waits_since is not None
        else "",
        keys=epochs.status(visit.installation),
        hosts=endpoints.list_endpoints(visit.installation),
        may_approve=visit.allows(APPROVE.may),
    )


ROUTES = (keys, backups, log, *tables.routes_of(ORDERS), background)
