"""All that staff ordered in the console about the system itself, as a table."""

from __future__ import annotations

from typing import Any

from litestar import Response, get

from licet.service import staff_tables
from licet.web.console import tables
from licet.web.console.shared import STAFF
from licet.web.console.tables import ConsoleTable, SavedView
from licet.web.pages.shared import AnyRequest

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
def given(request: AnyRequest) -> Response[Any]:
    """Every order."""
    return tables.show(request, ORDERS)


ROUTES = (given,)
