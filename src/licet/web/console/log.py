"""The log and its witnesses in the console: how large it is, who cosigned it and when, and whether
it holds.

/console/log            every year's log
/console/log/witness    asks the witnesses for their cosignatures
"""

from __future__ import annotations

from typing import Any

from litestar import Response, get, post
from litestar.params import URLEncodedBody

from licet.access import staff_orders
from licet.access.staff_orders import OrderKind
from licet.errors import LicetError
from licet.proof import documents
from licet.service import orders as work
from licet.store.connect import transaction
from licet.web.console import orders
from licet.web.console import shared as shell
from licet.web.console.orders import ORDERS_SHOWN_MAX, OrderAsked, OrderForm
from licet.web.console.shared import OWNS, STAFF
from licet.web.pages.shared import AnyRequest

SECTION = "/console/log"
_SAID = {
    "witness": "Ordered: the server asks them within seconds, and this page says who cosigned."
}


@get("/console/log", may=STAFF, sync_to_thread=True, include_in_schema=False)
def log(request: AnyRequest) -> Response[Any]:
    """The logs as their readers see them, their witnesses, and the entries that wait to be
    appended.
    """
    visit = shell.opened(request)
    following = request.app.state.following
    with transaction(visit.here.pool) as tx:
        given = staff_orders.list_newest(tx, (OrderKind.cosign_log,), ORDERS_SHOWN_MAX)
    try:
        ledger = documents.status(visit.here)
    except LicetError:  # what does not hold is said below
        ledger = None
    values = {
        "ledger": ledger,
        "fault": following.fault if following is not None else "",
        "follows": following is not None,
        "checked": {one.origin: one for one in documents.checked(visit.here)},
        "orders": given,
        "owns": visit.allows(OWNS),
        "asks": documents.witnesses(visit.here) is not None,
        "saved": _SAID.get(request.query_params.get("said", ""), ""),
    }
    return shell.page("console_log.html", visit, title="Log", section=SECTION, values=values)


@post("/console/log/witness", may=OWNS, sync_to_thread=True, include_in_schema=False)
def witness(request: AnyRequest, data: URLEncodedBody[OrderForm]) -> Response[Any]:
    """Orders that the witnesses be asked, after the confirmation; RefusedError where there are
    none.
    """
    visit = shell.opened(request)
    would = work.forecast(visit.here, OrderKind.cosign_log)
    asked = OrderAsked(
        title="Ask the witnesses",
        label="Ask them",
        action=f"{SECTION}/witness",
        section=SECTION,
        back=SECTION,
        means="Each witness is sent the newest checkpoint of the log, and cosigns it if it goes on "
        "from what it cosigned before."
        " The server asks them by itself too.",
        would=would.would,
    )
    return orders.take(
        visit,
        data,
        asked,
        lambda reason: work.submit(
            visit.here, OrderKind.cosign_log, reason=reason, actor=orders.by(visit)
        ),
        f"{SECTION}?said=witness",
    )


ROUTES = (log, witness)
