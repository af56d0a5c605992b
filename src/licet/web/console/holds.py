"""The console's forms for legal holds: to place one on a conversation, or to end one, each with a
confirmation.

The first form shows the effect and asks; only the second form applies it. A matter is content: it
is sent in a form's body, is shown only in the response to that form, and is in no list.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from litestar import Response, post
from litestar.params import FromPath, URLEncodedBody

from licet.errors import NotFoundError, UsageError
from licet.policy.period import instant
from licet.vault import holds
from licet.vault.commands import HoldReason, Outcome
from licet.vault.hold_coverage import describe_coverage
from licet.vault.holds import MATTER_CHARACTERS_MAX, HoldAct
from licet.web.console import shared as shell
from licet.web.console.shared import HOLDS, Visit
from licet.web.pages.shared import NO_FAULTS, AnyRequest, Faults, seen_other

REASONS = {
    HoldReason.litigation: "a lawsuit",
    HoldReason.investigation: "an investigation",
    HoldReason.regulator: "a request of a regulator",
    HoldReason.preservation_order: "an order to preserve it",
    HoldReason.other: "another legal reason",
}


class HoldForm(msgspec.Struct, frozen=True, kw_only=True):
    """The form of a hold. ``untold`` is set if the matter forbids telling the person, ``confirmed``
    by the second form.
    """

    matter: str = ""
    reason: str = ""
    review: str = ""
    untold: str = ""
    confirmed: str = ""


@post(
    "/console/conversations/{conversation:str}/hold",
    may=HOLDS,
    sync_to_thread=True,
    include_in_schema=False,
)
def place(
    request: AnyRequest, conversation: FromPath[str], data: URLEncodedBody[HoldForm]
) -> Response[Any]:
    """Places a hold, after the confirmation."""
    visit = shell.opened(request)
    review_at, faults = read(visit, data)
    if faults:
        return _asking(visit, conversation, data, "place", faults=faults)
    (act,) = holds.place(
        visit.here,
        [conversation],
        matter=data.matter,
        reason=HoldReason(data.reason),
        review_at=review_at,
        is_told=not data.untold,
        by=visit.staff.recorded_as,
        dry_run=data.confirmed != "yes",
    )
    if data.confirmed != "yes" or act.outcome is Outcome.refused:
        return _asking(visit, conversation, data, "place", act)
    return seen_other(f"/console/conversations/{conversation}?said=held")


@post(
    "/console/conversations/{conversation:str}/end-hold",
    may=HOLDS,
    sync_to_thread=True,
    include_in_schema=False,
)
def end(
    request: AnyRequest, conversation: FromPath[str], data: URLEncodedBody[HoldForm]
) -> Response[Any]:
    """Ends a hold, after the confirmation."""
    visit = shell.opened(request)
    try:
        (act,) = holds.end(
            visit.here, [conversation], matter=data.matter, dry_run=data.confirmed != "yes"
        )
    except NotFoundError:
        fault = (
            "No hold on this conversation is for that matter. Write it as it was written when "
            "the hold was placed."
        )
        return _asking(
            visit, conversation, data, "end", faults=Faults((("end-matter", "hold-matter", fault),))
        )
    if data.confirmed != "yes":
        return _asking(visit, conversation, data, "end", act)
    return seen_other(f"/console/conversations/{conversation}?said=freed")


def read(visit: Visit, data: HoldForm) -> tuple[datetime | None, Faults]:
    faults = []
    if not data.matter.strip() or len(data.matter) > MATTER_CHARACTERS_MAX:
        faults.append(
            (
                "place-matter",
                "hold-matter",
                f"Say what it is for, in {MATTER_CHARACTERS_MAX} characters at most.",
            )
        )
    if data.reason not in {one.value for one in REASONS}:
        faults.append(("hold-reason", "hold-reason", "Pick a reason."))
    review_at: datetime | None = None
    try:
        review_at = instant(data.review) if data.review else None
        if review_at is not None and review_at <= visit.here.clock():
            faults.append(("hold-review", "hold-review", "Name a day that is still to come."))
    except (ValueError, UsageError):
        faults.append(("hold-review", "hold-review", "Write the day as 2026-06-01."))
    return review_at, Faults(tuple(faults)) if faults else NO_FAULTS


def _asking(
    visit: Visit,
    conversation: str,
    kept: HoldForm,
    what: str,
    act: HoldAct | None = None,
    *,
    faults: Faults = NO_FAULTS,
) -> Response[Any]:
    """The form again: with its errors, or with its effect."""
    values = {
        "conversation": conversation,
        "kept": kept,
        "what": what,
        "act": act,
        "reasons": REASONS,
        "matter_max": MATTER_CHARACTERS_MAX,
        "covered": describe_coverage(act.coverage) if act else "",
    }
    refused = act is not None and act.outcome is Outcome.refused
    return shell.page(
        "console_hold.html",
        visit,
        title="Place a legal hold" if what == "place" else "End a legal hold",
        section="/console/holds",
        errors=faults,
        values=values,
        status=422 if faults else 409 if refused else 200,
    )


ROUTES = (place, end)
