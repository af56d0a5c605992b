"""What runs by itself: the sweep and its approval, the rotation of the keys, backups, and who hears of events."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.params import URLEncodedBody

from licet.access.roles import StaffRole, may
from licet.backup import archives
from licet.erasure import epochs, sweeper
from licet.errors import RefusedError
from licet.web.console import shared as shell
from licet.web.console.shared import STAFF
from licet.web.pages.shared import AnyRequest, seen_other
from licet.webhooks import endpoints

APPROVES = may(staff=(StaffRole.owner, StaffRole.privacy_officer))
BACKUPS_LISTED_MAX = 50
AMOUNT_DIGITS_MAX = 18
_SAID = {"approved": "Approved, and on record: the next sweep erases that much."}


class ApprovalForm(msgspec.Struct, frozen=True, kw_only=True):
    """How much was shown to whoever approves: another amount meanwhile is shown anew, and not approved."""

    due: str = ""


@get("/console/background", may=STAFF, sync_to_thread=True, include_in_schema=False)
def work(request: AnyRequest) -> Response[Any]:
    """How the sweep, the keys, the backups and the endpoints stand."""
    return _shown(shell.opened(request), _SAID.get(request.query_params.get("said", ""), ""))


@post("/console/background/approve", may=APPROVES, sync_to_thread=True, include_in_schema=False)
def approve(request: AnyRequest, data: URLEncodedBody[ApprovalForm]) -> Response[Any]:
    """Approves the amount that the waiting sweep announced, if it is still the one that was shown."""
    visit = shell.opened(request)
    try:
        sweeper.approve(visit.here, f"staff:{visit.staff.email}", due=_amount(data.due))
    except RefusedError:
        return _shown(visit, "The amount is another one by now, and nothing was approved: look at it again.")
    return seen_other("/console/background?said=approved")


def _amount(text: str) -> int:
    """The amount of a form; one that no sweep announces where it is none."""
    return int(text) if text.isdecimal() and len(text) <= AMOUNT_DIGITS_MAX else -1


def _shown(visit: shell.Visit, said: str) -> Response[Any]:
    values = {
        "sweep": sweeper.standing(visit.here), "keys": epochs.status(visit.here), "hosts": endpoints.every(visit.here),
        "backups": archives.registered(visit.here, BACKUPS_LISTED_MAX), "may_approve": visit.allows(APPROVES), "saved": said,
    }  # fmt: skip
    return shell.page("console_work.html", visit, title="Background work", section="/console/background", values=values)


ROUTES = (work, approve)
