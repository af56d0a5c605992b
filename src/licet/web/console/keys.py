"""The encryption keys in the console: each epoch's state, what is due, and the rotation that an
owner orders.

    /console/keys            how the key chain stands, and what was ordered
    /console/keys/rotate     a rotation, or the rest of an interrupted one
    /console/keys/destroy    the epochs that no kept backup needs

Both acts are the verbs of `licet keys`. They run in the background: a page says how they ended.
"""

from __future__ import annotations

from typing import Any

from litestar import Response, get, post
from litestar.params import URLEncodedBody

from licet.access import staff_orders
from licet.access.staff_orders import OrderKind
from licet.erasure import epochs
from licet.erasure.key_rotation import Rotation
from licet.service import orders as work
from licet.store.connect import transaction
from licet.web.console import orders
from licet.web.console import shared as shell
from licet.web.console.orders import ORDERS_SHOWN_MAX, OrderAsked, OrderForm
from licet.web.console.shared import OWNS, STAFF
from licet.web.pages.shared import AnyRequest

SECTION = "/console/keys"
EPOCHS_SHOWN_MAX = 50
KINDS = (OrderKind.rotate_keys, OrderKind.destroy_epochs)
_SAID = {
    "rotate": "Ordered: the server begins within seconds, and this page says how it ended.",
    "destroy": (
        "Ordered: the server destroys within seconds what is due, and this page says how it ended."
    ),
}


@get("/console/keys", may=STAFF, sync_to_thread=True, include_in_schema=False)
def keys(request: AnyRequest) -> Response[Any]:
    """The encryption keys by their dates, what is due, and what was ordered."""
    visit = shell.opened(request)
    status = epochs.status(visit.here)
    with transaction(visit.here.pool) as tx:
        given = staff_orders.list_newest(tx, KINDS, ORDERS_SHOWN_MAX)
    values = {
        "keys": status,
        "shown": status.epochs[::-1][:EPOCHS_SHOWN_MAX],
        "next": epochs.next_rotation(visit.here),
        "spent": epochs.destroy_due(visit.here, dry_run=True),
        "orders": given,
        "owns": visit.allows(OWNS),
        "saved": _SAID.get(request.query_params.get("said", ""), ""),
    }
    return shell.page(
        "console_keys.html", visit, title="Encryption keys", section=SECTION, values=values
    )


@post("/console/keys/rotate", may=OWNS, sync_to_thread=True, include_in_schema=False)
def rotate(request: AnyRequest, data: URLEncodedBody[OrderForm]) -> Response[Any]:
    """Orders a rotation, after the confirmation; without a kind the one that is due, or the daily
    one.
    """
    visit = shell.opened(request)
    would = work.forecast(
        visit.here, OrderKind.rotate_keys, data.about if data.about in list(Rotation) else ""
    )
    asked = OrderAsked(
        title=f"Rotate the keys, {would.about}",
        label="Rotate",
        action=f"{SECTION}/rotate",
        section=SECTION,
        back=SECTION,
        means="Keys that were destroyed since the last rotation get out of reach of old copies. "
        "Nothing that is kept is lost,"
        " and everything works meanwhile. If the server is stopped, it goes on when it runs again.",
        would=would.would,
        fields={"about": would.about},
    )
    return orders.take(
        visit,
        data,
        asked,
        lambda reason: work.submit(
            visit.here, OrderKind.rotate_keys, would.about, reason=reason, actor=orders.by(visit)
        ),
        f"{SECTION}?said=rotate",
    )


@post("/console/keys/destroy", may=OWNS, sync_to_thread=True, include_in_schema=False)
def destroy(request: AnyRequest, data: URLEncodedBody[OrderForm]) -> Response[Any]:
    """Orders that the encryption keys that are due be destroyed, after the confirmation;
    RefusedError if none is due.
    """
    visit = shell.opened(request)
    would = work.forecast(visit.here, OrderKind.destroy_epochs)
    asked = OrderAsked(
        title="Destroy epochs",
        label="Destroy them",
        action=f"{SECTION}/destroy",
        section=SECTION,
        back=SECTION,
        means="Their keys are destroyed at the key provider. Backups that were made under them "
        "open nothing any more: each has"
        " expired. It cannot be taken back.",
        would=would.would,
        destroys=True,
    )
    return orders.take(
        visit,
        data,
        asked,
        lambda reason: work.submit(
            visit.here, OrderKind.destroy_epochs, reason=reason, actor=orders.by(visit)
        ),
        f"{SECTION}?said=destroy",
    )


ROUTES = (keys, rotate, destroy)
