"""What runs by itself: the sweep and its approval, the rotation of the keys, backups, and who hears
of events.
"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.params import URLEncodedBody

from licet.access.inbox_register import WORDS_CHARACTERS_MAX
from licet.access.roles import StaffRole, may
from licet.backup import archives
from licet.erasure import epochs, sweeper
from licet.errors import RefusedError
from licet.service import inbox_verbs
from licet.service.inbox_sources import ItemKind, compact_age
from licet.web.api.office import member_of
from licet.web.console import shared as shell
from licet.web.console.shared import STAFF
from licet.web.pages.shared import NO_FAULTS, AnyRequest, Faults, seen_other
from licet.webhooks import endpoints

APPROVES = may(staff=(StaffRole.owner, StaffRole.privacy_officer))
BACKUPS_LISTED_MAX = 50
AMOUNT_DIGITS_MAX = 18
_SAID = {"approved": "Approved, and on record: the next sweep erases that much."}


class ApprovalForm(msgspec.Struct, frozen=True, kw_only=True):
    """How much was shown to whoever approves, and why they do: another amount meanwhile is shown
    anew, and not approved.
    """

    due: str = ""
    why: str = ""


@get("/console/background", may=STAFF, sync_to_thread=True, include_in_schema=False)
def work(request: AnyRequest) -> Response[Any]:
    """How the sweep, the keys, the backups and the endpoints stand."""
    return _shown(shell.opened(request), _SAID.get(request.query_params.get("said", ""), ""))


@post("/console/background/approve", may=APPROVES, sync_to_thread=True, include_in_schema=False)
def approve(request: AnyRequest, data: URLEncodedBody[ApprovalForm]) -> Response[Any]:
    """Approves the amount that the waiting sweep announced, if it is still the one that was
    shown.
    """
    visit = shell.opened(request)
    by, since = visit.staff.recorded_as, sweeper.sweep_status(visit.here).waits_since
    faults = shell.why_faults(data.why) if since is not None else NO_FAULTS
    if faults:
        return _shown(visit, "", data, faults)
    try:
        if since is None:
            raise RefusedError("no sweep waits for approval")
        inbox_verbs.run_recorded(
            visit.here,
            member_of(visit.staff),
            f"{ItemKind.sweep.value}:{compact_age(since)}",
            "approve",
            data.why,
            lambda: f"{sweeper.approve(visit.here, by, due=_amount(data.due)).approved}",
        )
    except RefusedError as error:
        if error.because == "taken":
            return _shown(
                visit, "", data, Faults((("why-reason", "why", shell.sentence(error.message)),))
            )
        return _shown(
            visit, "The amount is another one by now, and nothing was approved: look at it again."
        )
    return seen_other("/console/background?said=approved")


def _amount(text: str) -> int:
    """The amount of a form; one that no sweep announces where it is none."""
    return int(text) if text.isdecimal() and len(text) <= AMOUNT_DIGITS_MAX else -1


def _shown(
    visit: shell.Visit, said: str, kept: ApprovalForm | None = None, faults: Faults = NO_FAULTS
) -> Response[Any]:
    values = {
        "sweep": sweeper.sweep_status(visit.here),
        "keys": epochs.status(visit.here),
        "hosts": endpoints.list_endpoints(visit.here),
        "backups": archives.list_registered(visit.here, BACKUPS_LISTED_MAX),
        "may_approve": visit.allows(APPROVES),
        "saved": said,
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


ROUTES = (work, approve)
