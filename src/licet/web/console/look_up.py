"""The console for staff: the state of the installation, and why one conversation may or may not be
used. No script.

    /console                             the overview: accounts, gates, stored content, and coming expiries
    /console/look-up                     searches by id, by the host's id, or by name
    /console/accounts/ID                 the state of an account, and why
    /console/conversations/ID  ../read   why it may be used, and reading it: with a reason, recorded, shown to its person

The other pages are in the modules beside it.
Every page shows what the routes of the API return for the same roles. A conversation's content is
shown on one page only, the response to a form with a reason, which cannot be loaded again; what
people write to the staff, on the page of their request, to a privacy officer. A host's id is sent
in a form's body, never in a URL.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from litestar import Response, Router
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, URLEncodedBody

from licet.access.roles import ForbiddenError, Staff, UnauthenticatedError
from licet.consent import rights_requests
from licet.erasure import certificates
from licet.errors import BusyError, DeniedError, LicetError, NotFoundError, RefusedError, UsageError
from licet.keys.fence import FencedError
from licet.policy.decide import MEANING, DecisionReason
from licet.proof import documents
from licet.release import catalog
from licet.service import (
    explanations,
    model_view,
    population_status,
    staff_lists,
    staff_tables,
)
from licet.service.explanations import AccountSeen, ConversationSeen
from licet.service.population_status import Forecast, PopulationStatus
from licet.store.connect import transaction
from licet.store.keyset import TableView
from licet.vault import account_view, staff_reads
from licet.vault.ids import Prefix, parse
from licet.vault.staff_reads import TICKET, ReadReason
from licet.web.api import problems, schema
from licet.web.api.references import HOST, site_of
from licet.web.api.staff import read_as_staff
from licet.web.console import (
    access,
    chart,
    holds,
    inbox,
    lists,
    papers,
    policy,
    releases,
    rights,
    system,
    verb_forms,
    webhooks,
)
from licet.web.console import shared as shell
from licet.web.console.shared import EVERY, FINDS, HELPS, READS, STAFF, RouteVisit, Visit
from licet.web.console.tables import FIELDS
from licet.web.pages.shared import NO_FAULTS, AnyRequest, Faults, get_page, post_page, seen_other

READS_LISTED_MAX = 50
NAME_CHARACTERS_MAX = 600
MATCHES_MAX = 20
RECEIPT = re.compile(r"urn:licet:receipt:([0-9a-f]{32}):\d+")
TABLED_MONTHS = (0, 1, 3, 6, 12, 24, 36, 48, 60)
REASONS = {
    ReadReason.misuse_review: "to review a report of misuse",
    ReadReason.person_request: "because the person asked us to",
    ReadReason.legal_matter: "for a legal matter",
    ReadReason.incident: "to look into a fault",
}


@get_page("/console", may=EVERY)
def overview(visit: RouteVisit) -> Response[Any]:
    """The accounts, the stored content, coming expiries, and open work."""
    status, coming = (
        population_status.status(visit.installation),
        population_status.forecast(visit.installation),
    )
    return shell.page(
        "console_overview.html",
        visit,
        status=status,
        tables=_tables(status),
        chart=chart.drawn(coming.moments, coming.kept, coming.short),
        coming=_tabled(coming),
        waiting=documents.status(visit.installation),
    )


def _tables(status: PopulationStatus) -> list[tuple[str, str, tuple[chart.Bar, ...]]]:
    """Counts with their shares, by title and unit."""
    counts = [
        *(
            (f"Consent status: {question}", "Accounts", _named(counts))
            for question, counts in status.standings.items()
        ),
        ("Gate", "Accounts", _named(status.gates)),
        ("Plan", "Accounts", list(status.plans.items())),
        ("Retention ends within", "Messages", list(status.expires.items())),
    ]
    return [(title, unit, chart.draw_shares(rows)) for title, unit, rows in counts]


def _named(counts: dict[str, int]) -> list[tuple[str, int]]:
    return [(name.replace("_", " "), count) for name, count in counts.items()]


def _tabled(coming: Forecast) -> list[tuple[datetime, int, int]]:
    """The forecast at the table's dates."""
    return [
        (coming.moments[n], coming.kept[n], coming.short[n])
        for n in TABLED_MONTHS
        if n < len(coming.moments)
    ]


# Search


class SearchForm(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of the form. ``account`` is needed if ``name`` is the host's id of a
    conversation.
    """

    name: str = ""
    account: str = ""


class Match(msgspec.Struct, frozen=True):
    """A search result: its URL, its name, and its kind."""

    page: str
    name: str
    kind: str


@get_page("/console/look-up", may=EVERY)
def look_up(visit: RouteVisit) -> Response[Any]:
    """The form, with the account of a conversation named by the host's id."""
    return _found(visit, SearchForm())


@post_page("/console/look-up", may=EVERY)
def find(visit: RouteVisit, data: URLEncodedBody[SearchForm]) -> Response[Any]:
    """Redirects to a single match, or lists the matches; the host's ids stay out of URLs."""
    try:
        found = [match for match in _matches(visit, data) if visit.may_open(match.page)]
    except (NotFoundError, UsageError):  # no id is that long
        found = []
    if len(found) == 1:
        return seen_other(found[0].page)
    fault = "No results that you may see."
    faults = NO_FAULTS if found else Faults((("name", "name", fault),))
    return _found(visit, data, found, faults)


def _found(
    visit: Visit, kept: SearchForm, matches: Sequence[Match] = (), faults: Faults = NO_FAULTS
) -> Response[Any]:
    return shell.page(
        "console_look_up.html",
        visit,
        title="Search",
        errors=faults,
        status_code=404 if faults else 200,
        kept=kept,
        found=matches[:MATCHES_MAX],
    )


def _matches(visit: Visit, form: SearchForm) -> list[Match]:
    """The matches of an id or a host's id, or of words in names; NotFoundError or UsageError for an
    id that names nothing.
    """
    name, account = (text.strip()[:NAME_CHARACTERS_MAX] for text in (form.name, form.account))
    if account:
        seen = _account(visit, account)
        found = staff_lists.conversation_by_host(
            visit.installation, parse(Prefix.account, seen), name.removeprefix(HOST)
        )
        return [_match("conversations", f"{found}")] if found is not None else []
    receipt = RECEIPT.fullmatch(name)
    if receipt is not None:
        return [_match("accounts", _account(visit, f"acc_{receipt[1]}"))]
    match name.partition("_")[0] if "_" in name else "":
        case "conv" | "turn":
            seen_one = explanations.explain(visit.installation, name)
            assert isinstance(seen_one, ConversationSeen)
            return [_match("conversations", seen_one.conversation)]
        case "req":
            return [_match("rights", rights_requests.get_request(visit.installation, name).id)]
        case "era":
            return [_match("erasures", certificates.status(visit.installation, name).erasure)]
        case "model":
            return [_match("models", model_view.show(visit.installation, name).seen.model.model)]
    named = _matches_by_word(visit, name.casefold()) if name else []
    try:
        return [_match("accounts", _account(visit, name)), *named]
    except (NotFoundError, UsageError):
        return named


def _match(section: str, name: str) -> Match:
    return Match(f"/console/{section}/{name}", name, section)


def _matches_by_word(visit: Visit, words: str) -> list[Match]:
    """The sections, releases, models and recipients with these words in their names."""
    found = [Match(one.path, one.label, "page") for one in shell.SECTIONS]
    if visit.allows(STAFF):
        found += [
            Match(f"/console/releases/{one.release_id.hex}", one.name, "release")
            for one in catalog.list_releases(visit.installation)
        ]
        found += [
            Match(f"/console/models/{one.model.model}", one.model.name, "model")
            for one in model_view.list_models(visit.installation)
        ]
        recipients = staff_tables.read_page(
            visit.installation, staff_tables.RECIPIENTS, TableView()
        )
        names = dict.fromkeys(str(row[0].value) for row in recipients.rows)
        found += [Match(f"/console/recipients/{one}", one, "recipient") for one in names]
    return [
        match
        for match in found
        if words in match.name.casefold() or match.page.rpartition("/")[2] == words[-32:]
    ]


def _account(visit: Visit, name: str) -> str:
    """Our id of an account."""
    if not name or not visit.allows(HELPS):
        raise NotFoundError("no such account")
    seen = explanations.explain(visit.installation, name.removeprefix(HOST))
    assert isinstance(seen, AccountSeen)
    return seen.account


# What was found


@get_page("/console/accounts/{account:str}", may=HELPS)
def account(visit: RouteVisit, account: FromPath[str]) -> Response[Any]:
    """The state of an account: its choices, its usable content, and the staff who read it."""
    holder = parse(Prefix.account, account)
    seen = explanations.explain(visit.installation, account)
    with transaction(visit.installation.pool) as tx:
        read = staff_reads.newest(tx, READS_LISTED_MAX, account=holder)
    assert isinstance(seen, AccountSeen)
    reasons = sorted({reason for found in seen.turns.values() for reason in found})
    return shell.page(
        "console_account.html",
        visit,
        title="Account",
        seen=seen,
        used=[
            (reason, *(found.get(reason, 0) for found in seen.turns.values()))
            for reason in sorted(reasons, key=DecisionReason.permitted.__ne__)
        ],
        meaning=MEANING,
        because=DecisionReason,
        reads=read,
        conversations=staff_tables.read_page(
            visit.installation, staff_tables.CONVERSATIONS, TableView(filters={"account": account})
        ),
        by_account=True,
        heads=[column.head for column in staff_tables.CONVERSATIONS.columns[:-1]],
    )


@get_page("/console/conversations/{conversation:str}", may=FINDS)
def conversation(visit: RouteVisit, conversation: FromPath[str]) -> Response[Any]:
    """Whether, why and until when a conversation may be used, without its content."""
    return _conversation(visit, conversation, ReadReasonForm())


class ReadReasonForm(msgspec.Struct, frozen=True, kw_only=True):
    """The form before a conversation is read."""

    reason: str = ""
    ticket: str = ""


@post_page("/console/conversations/{conversation:str}/read", may=READS)
def read(
    visit: RouteVisit, conversation: FromPath[str], data: URLEncodedBody[ReadReasonForm]
) -> Response[Any]:
    """Opens a conversation, with a reason. The reading is recorded, and its person sees it."""
    named, faults = parse(Prefix.conversation, conversation), []
    if data.reason not in REASONS:
        faults.append(("reason", "reason", "Pick a reason."))
    if TICKET.fullmatch(data.ticket) is None:
        faults.append(("ticket", "ticket", "Enter the ticket’s id: letters, digits and . _ / # -"))
    if faults:
        return _conversation(visit, conversation, data, Faults(tuple(faults)))
    why = schema.NewRead(reason=ReadReason(data.reason), ticket=data.ticket)
    try:
        with transaction(visit.installation.pool) as tx:
            holder = account_view.owner(tx, named)
            if holder is None:
                raise NotFoundError("no such conversation")
            turns = read_as_staff(tx, visit.site, visit.staff, holder, named, why).items
    except DeniedError:
        fault = "Your role cannot open this conversation. Nothing was read or recorded."
        return _conversation(
            visit, conversation, data, Faults((("reason", "reason", fault),)), status=403
        )
    return shell.page(
        "console_read.html",
        visit,
        title="Conversation, opened",
        conversation=conversation,
        turns=turns,
        reason=REASONS[why.reason],
        ticket=why.ticket,
    )


def _conversation(
    visit: Visit, name: str, kept: ReadReasonForm, faults: Faults = NO_FAULTS, *, status: int = 422
) -> Response[Any]:
    parse(Prefix.conversation, name)
    return shell.page(
        "console_conversation.html",
        visit,
        title="Conversation",
        errors=faults,
        status_code=status if faults else 200,
        seen=explanations.explain(visit.installation, name),
        kept=kept,
        reasons=REASONS,
        new_hold=dict.fromkeys(FIELDS, ""),
    )


def on_refusal(request: AnyRequest, error: Exception) -> Response[Any]:
    """A refusal as a page of the console."""
    problem = problems.problem_of(error) if isinstance(error, LicetError) else None
    status = (
        problem.status
        if problem
        else error.status_code
        if isinstance(error, HTTPException)
        else 500
    )
    if status >= 500 and not isinstance(error, BusyError | FencedError):
        problems.note(error)
    links: list[tuple[str, str]] = [("/console", "Overview")]
    match error:
        case UnauthenticatedError():
            line = "You are not signed in as staff, or your session has ended."
            links = [("/sign-in", "Sign in")] if site_of(request).settings.oidc_issuer else []
        case ForbiddenError():
            line = "Your roles do not allow this, or the form is from another session. Nothing was changed."
        case NotFoundError():
            line = "There is nothing here that you may see."
        case BusyError() | FencedError():
            line = "The server is busy. Nothing was changed. Try again in a moment."
        case RefusedError():
            line = f"Refused, nothing was changed: {error.message}."
        case _:
            line = "That did not work, and nothing was changed."
    title = "That did not work"
    if status < 500 and isinstance(request.scope.get("auth"), Staff):
        answer = shell.page(
            "console_plain.html",
            shell.opened(request),
            title=title,
            status_code=status,
            lines=[line],
            links=links,
        )
    else:
        answer = shell.plain(title, [line], status=status, links=links)
    answer.headers.update(problems.headers_of(error) if isinstance(error, LicetError) else {})
    return answer


PAGES = (
    overview,
    look_up,
    find,
    account,
    conversation,
    read,
    *inbox.ROUTES,
    *lists.ROUTES,
    *holds.ROUTES,
    *access.ROUTES,
    *papers.ROUTES,
    *rights.ROUTES,
    *policy.ROUTES,
    *releases.ROUTES,
    *system.ROUTES,
    *webhooks.ROUTES,
)


def router_of(handlers: Sequence[HTTPRouteHandler]) -> Router:
    """The router of pages of the console, which gives each its visit."""
    return Router(
        path="/",
        include_in_schema=False,
        dependencies={"visit": Provide(shell.opened, sync_to_thread=False)},
        route_handlers=handlers,
        exception_handlers={
            LicetError: on_refusal,
            HTTPException: on_refusal,
            Exception: on_refusal,
        },
    )


ROUTES = (router_of([*PAGES, *verb_forms.forms_beside(PAGES)]),)
