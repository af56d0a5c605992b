"""Requests of people in the console: the list by due date, one request with what can be done, and
entering one.

What somebody wrote to the staff is shown to a privacy officer, who answers it, and in no list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litestar import Response
from litestar.params import FromPath

from licet.consent import rights_requests
from licet.consent.deadlines import RightKind
from licet.consent.rights import ExtensionReason, RefusalReason
from licet.consent.rights_requests import WORDS_CHARACTERS_MAX, RightsRequest, StaffAct
from licet.errors import LicetError, RefusedError, UsageError
from licet.service import staff_tables
from licet.service.request_verbs import ENTER, STEP, NewEnteredRequest
from licet.service.staff_verb import AnyCall
from licet.web.console import shared as shell
from licet.web.console import tables
from licet.web.console import verb_forms as forms
from licet.web.console.shared import ANSWERS, HELPS, RouteVisit, Visit
from licet.web.console.tables import ConsoleTable, Fields
from licet.web.pages.shared import NO_FAULTS, Faults, get_page, post_page, seen_other

SECTION = "/console/rights"
REFUSALS = {
    RefusalReason.unfounded: "it is manifestly unfounded",
    RefusalReason.excessive: "it is excessive",
    RefusalReason.not_identified: "it is not certain who sent it",
    RefusalReason.kept_by_law: "a law demands that this is kept",
    RefusalReason.rights_of_others: "the rights of others",
    RefusalReason.not_ours: "it is not kept here",
}
EXTENSIONS = {
    ExtensionReason.complexity: "it is complex",
    ExtensionReason.number: "there are many requests",
}


REQUESTS = ConsoleTable(
    table=staff_tables.REQUESTS,
    may=HELPS,
    about="Requests under data protection law. The text of each is on its page.",
    views={
        "To be answered": "state=waiting",
        "Overdue": "state=overdue",
        "Waiting for the person": "state=paused",
        "All": "order=newest",
    },
    acts_may=ANSWERS,
    adds=("Enter a request", f"{SECTION}/enter"),
)


@get_page("/console/rights/{request_id:str}", may=HELPS)
def one_request(visit: RouteVisit, request_id: FromPath[str]) -> Response[Any]:
    """One request: its dates, its steps, and the possible acts."""
    return _one(visit, request_id)


def _one(
    visit: Visit, name: str, kept: Mapping[str, Any] | None = None, faults: Faults = NO_FAULTS
) -> Response[Any]:
    answers = visit.allows(ANSWERS)
    found = rights_requests.get_request(visit.installation, name, with_words=answers)
    return shell.page(
        "console_right.html",
        visit,
        title=shell.unbroken(
            f"{found.kind.value.capitalize()}, received {found.received_at:%Y-%m-%d}"
        ),
        errors=faults,
        request=found,
        answers=answers and found.ended_at is None,
        with_words=answers,
        kept={"act": "", "reason": "", "words": "", **(kept or {})},
        refusals=REFUSALS,
        extensions=EXTENSIONS,
        words_max=WORDS_CHARACTERS_MAX,
    )


def _refuse_step(
    visit: Visit, request_id: str, data: Mapping[str, Any], error: LicetError
) -> Response[Any]:
    """The request again, with the error beside the step's form."""
    if not isinstance(error, RefusedError | UsageError):
        raise error
    act = str(data.get("act", ""))
    act = act if act in list(StaffAct) else StaffAct.answer.value
    field = act if act in (StaffAct.acknowledge, StaffAct.resume) else f"{act}-words"
    return _one(visit, request_id, data, shell.fault(act, error, field))


# Entering one


@get_page("/console/rights/enter", may=ANSWERS)
def ask_entry(visit: RouteVisit) -> Response[Any]:
    """The form for a request received by letter, mail or telephone."""
    return _entry(visit)


def _entry(
    visit: Visit,
    _: str = "",
    data: Mapping[str, Any] | None = None,
    error: LicetError | None = None,
) -> Response[Any]:
    kept = {**dict.fromkeys(NewEnteredRequest.__struct_fields__, ""), **(data or {})}
    return shell.page(
        "console_right_entry.html",
        visit,
        title="Enter a request",
        errors=shell.fault("kind", error),
        kept=kept,
        kinds=list(RightKind),
        words_max=WORDS_CHARACTERS_MAX,
    )


@post_page("/console/rights/enter", may=ANSWERS)
def enter(visit: RouteVisit, data: Fields) -> Response[Any]:
    """Records the request, and redirects to its page."""
    sent = {**data, "region": str(data.get("region", "")).upper()}
    return forms.take(visit, ENTER, sent, then=_entered, refused=_entry)


def _entered(_: Visit, __: AnyCall, request: RightsRequest) -> Response[Any]:
    return seen_other(f"{SECTION}/{request.shown_id}")


ROUTES = (
    *tables.routes_of(REQUESTS),
    ask_entry,
    enter,
    one_request,
    forms.form_of(STEP, refused=_refuse_step),
)
