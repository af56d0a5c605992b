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

import msgspec
from litestar import Response, get, post
from litestar.params import URLEncodedBody

from licet.access import staff_orders
from licet.access.inbox_register import WORDS_CHARACTERS_MAX
from licet.access.roles import StaffRole, may
from licet.access.staff_orders import OrderKind
from licet.backup import archives, drills
from licet.erasure import epochs, sweeper
from licet.errors import LicetError, RefusedError
from licet.proof import documents
from licet.service import inbox_verbs, staff_tables
from licet.service.inbox_sources import BACKUP_DAYS, ItemKind, compact_age
from licet.store.connect import transaction
from licet.web.api.shared import member_of
from licet.web.console import shared as shell
from licet.web.console import tables
from licet.web.console import verb_forms as forms
from licet.web.console.shared import OWNS, STAFF, Visit
from licet.web.console.tables import ConsoleTable, SavedView
from licet.web.console.verb_forms import ORDERS_SHOWN_MAX
from licet.web.pages.shared import NO_FAULTS, AnyRequest, Faults, seen_other
from licet.webhooks import endpoints

EPOCHS_SHOWN_MAX = 50
BACKUPS_SHOWN_MAX, DRILLS_SHOWN_MAX = 100, 20


def _ordered(request: AnyRequest, visit: Visit, *kinds: OrderKind) -> dict[str, Any]:
    """Values of every system page: the newest orders, and the result of the last form."""
    with transaction(visit.installation.pool) as tx:
        newest = staff_orders.list_newest(tx, kinds, ORDERS_SHOWN_MAX)
    return {
        "orders": newest,
        "owns": visit.allows(OWNS),
        "saved": forms.flash_of(request),
    }


@get("/console/keys", may=STAFF, sync_to_thread=True, include_in_schema=False)
def keys(request: AnyRequest) -> Response[Any]:
    """The encryption keys by their dates, what is due, and what was ordered."""
    visit = shell.opened(request)
    status = epochs.status(visit.installation)
    values = {
        "keys": status,
        "shown": status.epochs[::-1][:EPOCHS_SHOWN_MAX],
        "next": epochs.next_rotation(visit.installation),
        "spent": epochs.destroy_due(visit.installation, dry_run=True),
        **_ordered(request, visit, OrderKind.rotate_keys, OrderKind.destroy_epochs),
    }
    return shell.page(
        "console_keys.html",
        visit,
        title="Encryption keys",
        section="/console/keys",
        values=values,
    )


@get("/console/backups", may=STAFF, sync_to_thread=True, include_in_schema=False)
def backups(request: AnyRequest) -> Response[Any]:
    """The backups, the drills, and what is late."""
    visit = shell.opened(request)
    installation, now = visit.installation, visit.installation.clock()
    known = archives.list_registered(installation, BACKUPS_SHOWN_MAX)
    tried = drills.list_newest(installation, DRILLS_SHOWN_MAX)
    values = {
        "backups": known,
        "drills": tried,
        "of": {drill.backup: drill for drill in reversed(tried)},
        "age_days": (now - known[0].made_at).days if known else None,
        "late_days": BACKUP_DAYS,
        "due": drills.due_at(installation),
        "kept_days": installation.config.key_chain.backup_days,
        "every": installation.config.key_chain.drill_days,
        **_ordered(request, visit, OrderKind.drill_backup),
    }
    return shell.page(
        "console_backups.html", visit, title="Backups", section="/console/backups", values=values
    )


@get("/console/log", may=STAFF, sync_to_thread=True, include_in_schema=False)
def log(request: AnyRequest) -> Response[Any]:
    """The logs as their readers see them, their witnesses, and the entries that wait to be
    appended.
    """
    visit = shell.opened(request)
    following = request.app.state.following
    try:
        ledger = documents.status(visit.installation)
    except LicetError:  # the page says below what does not hold
        ledger = None
    values = {
        "ledger": ledger,
        "fault": following.fault if following is not None else "",
        "follows": following is not None,
        "checked": {state.origin: state for state in documents.check_years(visit.installation)},
        "asks": documents.witnesses(visit.installation) is not None,
        **_ordered(request, visit, OrderKind.cosign_log),
    }
    return shell.page("console_log.html", visit, title="Log", section="/console/log", values=values)


ORDERS = ConsoleTable(
    table=staff_tables.ORDERS,
    title="Orders",
    about=(
        "What staff had the system do about itself, with the reason that each gave, and how it "
        "ended."
    ),
    views=(
        SavedView("All", ""),
        SavedView("Not ended", "state=open"),
        SavedView("Failed", "state=failed"),
    ),
)


@get("/console/orders", may=STAFF, sync_to_thread=True, include_in_schema=False)
def list_orders(request: AnyRequest) -> Response[Any]:
    """Every order."""
    return tables.show(request, ORDERS)


# What runs by itself


APPROVES = may(staff=(StaffRole.owner, StaffRole.privacy_officer))
BACKUPS_SHOWN_MAX = 50
AMOUNT_DIGITS_MAX = 18
APPROVED = {"approved": "Approved, and on record: the next sweep erases that much."}


class ApprovalForm(msgspec.Struct, frozen=True, kw_only=True):
    """The amount shown to the approver, and their reason. If the amount has changed meanwhile, the
    form is shown again and nothing is approved.
    """

    due: str = ""
    why: str = ""


@get("/console/background", may=STAFF, sync_to_thread=True, include_in_schema=False)
def background(request: AnyRequest) -> Response[Any]:
    """How the sweep, the keys, the backups and the endpoints stand."""
    return _background(
        shell.opened(request), APPROVED.get(request.query_params.get("flash", ""), "")
    )


@post("/console/background/approve", may=APPROVES, sync_to_thread=True, include_in_schema=False)
def approve(request: AnyRequest, data: URLEncodedBody[ApprovalForm]) -> Response[Any]:
    """Approves the amount that the waiting sweep announced, if it is still the one that was
    shown.
    """
    visit = shell.opened(request)
    by, since = visit.staff.recorded_as, sweeper.sweep_status(visit.installation).waits_since
    faults = shell.why_faults(data.why) if since is not None else NO_FAULTS
    if faults:
        return _background(visit, "", data, faults)
    try:
        if since is None:
            raise RefusedError("no sweep waits for approval")
        inbox_verbs.run_recorded(
            visit.installation,
            member_of(visit.staff),
            f"{ItemKind.sweep.value}:{compact_age(since)}",
            "approve",
            data.why,
            lambda: f"{sweeper.approve(visit.installation, by, due=_amount(data.due)).approved}",
        )
    except RefusedError as error:
        if error.because == "taken":
            return _background(
                visit, "", data, Faults((("why-reason", "why", shell.sentence(error.message)),))
            )
        return _background(
            visit, "The amount is another one by now, and nothing was approved: look at it again."
        )
    return seen_other("/console/background?flash=approved")


def _amount(text: str) -> int:
    """The amount of a form; one that no sweep announces where it is none."""
    return int(text) if text.isdecimal() and len(text) <= AMOUNT_DIGITS_MAX else -1


def _background(
    visit: shell.Visit, flash: str, kept: ApprovalForm | None = None, faults: Faults = NO_FAULTS
) -> Response[Any]:
    values = {
        "sweep": sweeper.sweep_status(visit.installation),
        "keys": epochs.status(visit.installation),
        "hosts": endpoints.list_endpoints(visit.installation),
        "backups": archives.list_registered(visit.installation, BACKUPS_SHOWN_MAX),
        "may_approve": visit.allows(APPROVES),
        "saved": flash,
        "why": kept.why if kept is not None else "",
        "why_max": WORDS_CHARACTERS_MAX,
    }
    return shell.page(
        "console_work.html",
        visit,
        title="Background work",
        section="/console/background",
        values=values,
        errors=faults,
        status=422 if faults else 200,
    )


ROUTES = (
    keys,
    backups,
    log,
    list_orders,
    background,
    approve,
)
