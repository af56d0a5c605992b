"""Who was given releases, and one recipient: what it got, under which leases, what of it lives,
what it is to delete.

/console/recipients               every handout, as a table
/console/recipients/{recipient}   one recipient
"""

from __future__ import annotations

from typing import Any

from litestar import Response, get
from litestar.params import FromPath

from licet.erasure.recall_register import RECALLS_COUNTED_MAX
from licet.service import release_view, staff_tables
from licet.web.console import shared as shell
from licet.web.console import tables
from licet.web.console.shared import OFFICE, STAFF
from licet.web.console.tables import ConsoleTable, SavedView
from licet.web.pages.shared import AnyRequest

SECTION = "/console/recipients"
RECIPIENTS = ConsoleTable(
    table=staff_tables.RECIPIENTS,
    title="Recipients",
    about=(
        "Which recipient was given which release, and what it has still to delete. Recalls are "
        "counted up to a thousand here."
    ),
    views=(
        SavedView("All", ""),
        SavedView("With recalls open", "state=open&order=oldest"),
        SavedView("Overdue", "state=overdue&order=oldest"),
    ),
)


@get("/console/recipients", may=STAFF, sync_to_thread=True, include_in_schema=False)
def recipients(request: AnyRequest) -> Response[Any]:
    """Every handout of a release."""
    return tables.show(request, RECIPIENTS)


@get("/console/recipients/{recipient:str}", may=STAFF, sync_to_thread=True, include_in_schema=False)
def one(request: AnyRequest, recipient: FromPath[str]) -> Response[Any]:
    """One recipient; NotFoundError for one that was given nothing."""
    visit = shell.opened(request)
    values = {
        "seen": release_view.recipient(visit.here, recipient),
        "most": RECALLS_COUNTED_MAX,
        "office": visit.allows(OFFICE),
    }
    return shell.page(
        "console_recipient.html",
        visit,
        title=f"Recipient {recipient}",
        section=SECTION,
        values=values,
    )


ROUTES = (recipients, one)
