"""Requests of people in the console: the list by due date, one request with what can be done, and
entering one.

What somebody wrote to the staff is shown to a privacy officer, who answers it, and in no list.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import Response
from litestar.params import FromPath, URLEncodedBody

from licet.consent import rights_requests
from licet.consent.deadlines import RightKind
from licet.consent.rights import ExtensionReason, RefusalReason, RequestState
from licet.consent.rights_requests import WORDS_CHARACTERS_MAX, EnteredRequest, StaffAct
from licet.errors import NotFoundError, RefusedError, UsageError
from licet.masked import Masked
from licet.policy.period import instant
from licet.vault.ids import Prefix, parse
from licet.web.console import shared as shell
from licet.web.console.shared import ANSWERS, HELPS, Visit
from licet.web.pages.shared import NO_FAULTS, AnyRequest, Faults, get_page, post_page, seen_other

PAGE_MAX = 50
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


class StepForm(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A step that staff take: ``words`` reach the person."""

    act: str = ""
    reason: str = ""
    words: str = ""


class EntryForm(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A request that came another way. ``account`` is an id of ours, empty for somebody who has
    none here.
    """

    kind: str = ""
    words: str = ""
    identity: str = ""
    account: str = ""
    region: str = ""
    received: str = ""


@get_page("/console/rights", may=HELPS)
def rights_list(request: AnyRequest) -> Response[Any]:
    """Requests by due date; the open ones, or those in a state, of a kind."""
    visit, asked = shell.opened(request), request.query_params
    kind, state, after = asked.get("kind", ""), asked.get("state", ""), asked.get("after", "")
    kinds = [RightKind(kind)] if kind in list(RightKind) else []
    states = (
        [RequestState(state)]
        if state in list(RequestState)
        else [RequestState.open, RequestState.paused]
    )
    found = rights_requests.list_requests(
        visit.here, PAGE_MAX + 1, kinds=kinds, states=states, after=after
    )
    view = {name: value for name, value in (("kind", kind), ("state", state)) if value}
    values = {
        "requests": found[:PAGE_MAX],
        "kinds": list(RightKind),
        "states": list(RequestState),
        "kind": kind,
        "state": state,
        "newest": f"{SECTION}?{urlencode(view)}" if after else "",
        "enters": visit.allows(ANSWERS),
        "more": f"{SECTION}?{urlencode({**view, 'after': found[PAGE_MAX - 1].id})}"
        if len(found) > PAGE_MAX
        else "",
    }
    return shell.page(
        "console_rights.html", visit, title="Requests of people", section=SECTION, values=values
    )


@get_page("/console/rights/{request_id:str}", may=HELPS)
def one_request(request: AnyRequest, request_id: FromPath[str]) -> Response[Any]:
    """One request: its dates, its steps, and what can be done now."""
    return _one(shell.opened(request), request_id, said=request.query_params.get("said", ""))


def _one(
    visit: Visit,
    name: str,
    kept: StepForm | None = None,
    faults: Faults = NO_FAULTS,
    said: str = "",
) -> Response[Any]:
    answers = visit.allows(ANSWERS)
    found = rights_requests.get_request(visit.here, name, with_words=answers)
    values = {
        "request": found,
        "answers": answers and found.ended_at is None,
        "with_words": answers,
        "kept": kept or StepForm(),
        "refusals": REFUSALS,
        "extensions": EXTENSIONS,
        "words_max": WORDS_CHARACTERS_MAX,
        "saved": "Done: it is the last step below." if said == "done" else "",
    }
    return shell.page(
        "console_right.html",
        visit,
        title=f"{found.kind.value.capitalize()}, received {found.received_at:%Y-%m-%d}",
        section=SECTION,
        errors=faults,
        values=values,
        status=422 if faults else 200,
    )


@post_page("/console/rights/{request_id:str}/step", may=ANSWERS)
def step(
    request: AnyRequest, request_id: FromPath[str], data: URLEncodedBody[StepForm]
) -> Response[Any]:
    """Takes a step; what does not hold comes back with its error."""
    visit = shell.opened(request)
    try:
        what = StaffAct(data.act)
        rights_requests.take_step(
            visit.here,
            request_id,
            what,
            visit.staff.recorded_as,
            reason=data.reason,
            words=data.words.strip(),
        )
    except ValueError:
        return _one(visit, request_id, data, _fault(data.act, "Choose what to do."))
    except (RefusedError, UsageError) as error:
        return _one(
            visit,
            request_id,
            data,
            _fault(data.act, f"{shell.sentence(error.message)} {shell.sentence(error.hint)}"),
        )
    return seen_other(f"{SECTION}/{request_id}?said=done")


def _fault(act: str, text: str) -> Faults:
    known = act if act in list(StaffAct) else StaffAct.answer.value
    return Faults(
        ((known, f"{known}-words" if known not in ("acknowledge", "resume") else known, text),)
    )


# Entering one


@get_page("/console/rights/enter", may=ANSWERS)
def ask_entry(request: AnyRequest) -> Response[Any]:
    """The form for a request that came by letter, mail or telephone."""
    return _entry(shell.opened(request), EntryForm())


def _entry(visit: Visit, kept: EntryForm, faults: Faults = NO_FAULTS) -> Response[Any]:
    values = {"kept": kept, "kinds": list(RightKind), "words_max": WORDS_CHARACTERS_MAX}
    return shell.page(
        "console_right_entry.html",
        visit,
        title="Enter a request",
        section=SECTION,
        errors=faults,
        values=values,
        status=422 if faults else 200,
    )


@post_page("/console/rights/enter", may=ANSWERS)
def enter(request: AnyRequest, data: URLEncodedBody[EntryForm]) -> Response[Any]:
    """Enters it, and leads to its page."""
    visit = shell.opened(request)
    try:
        found = rights_requests.enter(visit.here, _entered(data), visit.staff.recorded_as)
    except (NotFoundError, UsageError) as error:
        text = f"{shell.sentence(error.message)} {shell.sentence(error.hint)}"
        return _entry(visit, data, Faults((("kind", "kind", text),)))
    return seen_other(f"{SECTION}/{found.shown_id}")


def _entered(data: EntryForm) -> EnteredRequest:
    if data.kind not in list(RightKind):
        raise UsageError("choose what is asked for")
    return EnteredRequest(
        kind=RightKind(data.kind),
        words=data.words.strip(),
        identity=data.identity.strip(),
        account=parse(Prefix.account, data.account.strip()) if data.account.strip() else None,
        region=data.region.strip().upper() or None,
        received_at=_day(data.received.strip()),
    )


def _day(text: str) -> datetime | None:
    try:
        return instant(text) if text else None
    except ValueError:
        raise UsageError("the day of receipt is none", "write it as 2026-06-01") from None


ROUTES = (rights_list, ask_entry, enter, one_request, step)
