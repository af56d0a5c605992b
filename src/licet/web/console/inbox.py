"""The inbox: what waits for whoever is signed in, what is overdue first; each item names its page."""

from __future__ import annotations

from typing import Any

from litestar import Response, get

from licet.service import inbox
from licet.web.console import shared as shell
from licet.web.console.shared import STAFF
from licet.web.pages.shared import AnyRequest


@get("/console/inbox", may=STAFF, sync_to_thread=True, include_in_schema=False)
def waiting(request: AnyRequest) -> Response[Any]:
    """What waits for somebody with the roles of whoever asks."""
    visit = shell.opened(request)
    values = {"items": inbox.items(visit.here, visit.staff.roles), "mine": visit.staff.roles}
    return shell.page("console_inbox.html", visit, title="Inbox", section="/console/inbox", values=values)


ROUTES = (waiting,)
