"""Requests of people under the law: sent and followed by their person, and listed for staff
(`service.request_verbs` has their acts); the clocks; the region.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import Response, get, post, put
from litestar.params import JSONBody, QueryParameter
from msgspec import Meta

from licet import wire
from licet.access.roles import HELPS, Person, Scope, Service, Staff, StaffRole, may
from licet.consent import deadlines, request_register, rights_requests
from licet.consent.deadlines import RightKind
from licet.consent.request_register import RequestRow
from licet.consent.rights import ReceivedVia, RequestState
from licet.consent.rights_requests import (
    LISTED_MAX,
    ReplyToRequest,
    SeenRequest,
    SendRequest,
    WithdrawRequest,
)
from licet.policy.regions import REGION
from licet.service.request_verbs import Written
from licet.store.connect import Transaction
from licet.vault import account_region, policy_versions
from licet.vault.commands import SetRegion
from licet.vault.ids import Prefix, parse
from licet.vault.requests import VerbRequest
from licet.web.api import schema
from licet.web.api import shared as shell
from licet.web.api.accounts import SEES
from licet.web.api.references import account_of, not_found, own, site_of
from licet.web.api.shared import (
    READS,
    WRITES,
    AccountRef,
    AnyRequest,
    Cursor,
    IdempotencyKey,
    id_parameter,
)

TAG = ["rights"]
SENDS = may(person=True, scope=Scope.accounts_write)
OWN = may(person=True)
LISTS = may(staff=HELPS)
RequestRef = Annotated[str, id_parameter("`req_..`, as sending it answered.")]
Kind = Annotated[
    RightKind | None, QueryParameter(name="kind", required=False, description="Only of this kind.")
]
State = Annotated[
    RequestState | None,
    QueryParameter(
        name="state",
        required=False,
        description="Only in this state; without it the open and the paused ones.",
    ),
]
Most = Annotated[
    int,
    QueryParameter(
        name="limit",
        ge=1,
        le=LISTED_MAX,
        required=False,
        description="How many requests a page has at most.",
    ),
]


class NewRegion(schema.RequestBody, frozen=True, kw_only=True):
    """``region`` is a country as ISO 3166-1 alpha-2, or a part of one as ISO 3166-2; null: not
    known.
    """

    region: Annotated[str, Meta(pattern=f"^{REGION.pattern}$", examples=["DE", "US-CA"])] | None


class NewRequest(schema.RequestBody, frozen=True, kw_only=True):
    """A request of a person; ``words`` are theirs, sealed, and may be left out."""

    kind: RightKind
    words: Written = ""


class NewReply(schema.RequestBody, frozen=True, kw_only=True):
    words: Written


class RightAnswer(schema.WireAnswer, wire.RightTime, frozen=True, kw_only=True):
    kind: RightKind


class RightsAnswer(schema.WireAnswer, wire.RightTimes, frozen=True, kw_only=True):
    rights: tuple[RightAnswer, ...]


class RequestPage(schema.WireAnswer, wire.SentRequests, frozen=True, kw_only=True):
    items: tuple[SeenRequest, ...]


@put(
    "/v1/accounts/{account:str}/region",
    may=may(scope=Scope.accounts_write),
    responses=WRITES,
    tags=["accounts"],
)
async def set_region(
    request: AnyRequest,
    account: AccountRef,
    data: JSONBody[NewRegion],
    idempotency_key: IdempotencyKey = None,
) -> Response[schema.ChangeAnswer]:
    """Sets where the person lives, which selects the deadlines of their later requests and the
    region's values of the policy. If the age is unknown or below the minimum there, every grant
    ends; `ended` lists them.
    """
    holder = await account_of(request, account)
    command = SetRegion(account=holder, at=site_of(request).now(), region=data.region)
    return await shell.write_change(request, command, idempotency_key)


@get("/v1/accounts/{account:str}/rights", may=SEES, responses=READS, tags=TAG)
async def list_rights(request: AnyRequest, account: AccountRef) -> RightsAnswer:
    """When each right would be answered if it were requested now, and by which law."""
    site, holder = site_of(request), await account_of(request, account)
    at = site.now()

    def read(tx: Transaction) -> RightsAnswer:
        found = account_region.load_regions(tx, [holder])
        if holder not in found:
            raise not_found()
        region = found[holder]
        named = policy_versions.current(tx).in_force(at).authority_of(region)
        rights = tuple(_right(kind, region, at, named) for kind in RightKind)
        return RightsAnswer(region=region, rights=rights)

    return await site.reading(read)


def _right(kind: RightKind, region: str | None, at: datetime, authority: str | None) -> RightAnswer:
    """``authority`` is the one that the policy names, which replaces that of the law."""
    times = deadlines.deadline(kind, region)
    return RightAnswer(
        kind=kind,
        due_at=times.due_at(at),
        extends_to=times.extended_to(at),
        acknowledge_by=times.acknowledge_by(at),
        laws=times.laws,
        sources=times.sources,
        authority=authority or times.authority,
    )


@post("/v1/accounts/{account:str}/requests", may=SENDS, responses=WRITES, tags=TAG)
async def send_request(
    request: AnyRequest,
    account: AccountRef,
    data: JSONBody[NewRequest],
    idempotency_key: IdempotencyKey = None,
) -> Response[SeenRequest]:
    """Records a request of the person. An objection, or a request to restrict, is also the
    account's no.
    """
    site, holder = site_of(request), await account_of(request, account)
    caller = request.auth
    asked = SendRequest(
        account=holder,
        at=site.now(),
        keyring=site.installation.keyring,
        kind=data.kind,
        words=data.words,
        via=ReceivedVia.api,
        by=f"host:{caller.name}" if isinstance(caller, Service) else rights_requests.PERSON,
    )
    written = await shell.write(request, asked, idempotency_key)
    made = written.finished if isinstance(written.finished, RequestRow) else None
    if made is None:  # it was sent before, under the same key
        at = written.answer.at
        made = await site.reading(
            lambda tx: request_register.find_received(tx, holder, data.kind, at)
        )
    if made is None:
        raise not_found()
    named = made.request
    body = await site.reading(lambda tx: _own(tx, request, holder, named))
    return shell.answered(body, written, 201)


@get("/v1/accounts/{account:str}/requests", may=SEES, responses=READS, tags=TAG)
async def list_own_requests(
    request: AnyRequest, account: AccountRef, cursor: Cursor = None
) -> RequestPage:
    """The account's requests, newest first, without their texts."""
    site, holder = site_of(request), await account_of(request, account)
    before, at = shell.uuid_cursor(cursor), site.now()

    def read(tx: Transaction) -> RequestPage:
        if holder not in account_region.load_regions(tx, [holder]):
            raise not_found()
        rows = request_register.list_by_account(tx, holder, shell.LIMIT + 1, before=before)
        return _page(rows, shell.LIMIT, at)

    return await site.reading(read)


def _page(rows: list[RequestRow], limit: int, at: datetime) -> RequestPage:
    return RequestPage(
        items=tuple(rights_requests.summary(row, at) for row in rows[:limit]),
        next=shell.cursor_of(rows[limit - 1].request) if len(rows) > limit else None,
    )


@get("/v1/accounts/{account:str}/requests/{request_id:str}", may=SEES, responses=READS, tags=TAG)
async def get_own_request(
    request: AnyRequest, account: AccountRef, request_id: RequestRef
) -> SeenRequest:
    """A request with its steps. Its texts are for its own person, and for the staff who
    answer it.
    """
    site, holder = site_of(request), await account_of(request, account)
    named = parse(Prefix.request, request_id)
    return await site.reading(lambda tx: _own(tx, request, holder, named))


def _own(tx: Transaction, request: AnyRequest, holder: UUID, named: UUID) -> SeenRequest:
    site, caller = site_of(request), request.auth
    found = rights_requests.open_request(
        tx, site.installation.keyring, rights_requests.get_own(tx, holder, named)
    )
    return rights_requests.detail(
        found,
        site.now(),
        for_staff=not isinstance(caller, Person),
        with_words=own(caller) == holder or _answers(request),
    )


def _answers(request: AnyRequest) -> bool:
    return isinstance(request.auth, Staff) and StaffRole.privacy_officer in request.auth.roles


@post(
    "/v1/accounts/{account:str}/requests/{request_id:str}/reply",
    may=OWN,
    responses=WRITES,
    status_code=200,
    tags=TAG,
)
async def reply_to_request(
    request: AnyRequest,
    account: AccountRef,
    request_id: RequestRef,
    data: JSONBody[NewReply],
    idempotency_key: IdempotencyKey = None,
) -> Response[SeenRequest]:
    """Answers a question of staff; resumes the paused request."""
    site, holder, named = (
        site_of(request),
        await account_of(request, account),
        parse(Prefix.request, request_id),
    )
    verb = ReplyToRequest(
        account=holder,
        at=site.now(),
        keyring=site.installation.keyring,
        request=named,
        words=data.words,
    )
    return await _moved(request, verb, named, idempotency_key)


@post(
    "/v1/accounts/{account:str}/requests/{request_id:str}/withdraw",
    may=OWN,
    responses=WRITES,
    status_code=200,
    tags=TAG,
)
async def withdraw_request(
    request: AnyRequest,
    account: AccountRef,
    request_id: RequestRef,
    idempotency_key: IdempotencyKey = None,
) -> Response[SeenRequest]:
    """Withdraws a request; a no that came with it stays."""
    site, holder, named = (
        site_of(request),
        await account_of(request, account),
        parse(Prefix.request, request_id),
    )
    verb = WithdrawRequest(
        account=holder, at=site.now(), keyring=site.installation.keyring, request=named
    )
    return await _moved(request, verb, named, idempotency_key)


async def _moved(
    request: AnyRequest, verb: VerbRequest, named: UUID, key: str | None
) -> Response[SeenRequest]:
    written = await shell.write(request, verb, key)
    body = await site_of(request).reading(lambda tx: _own(tx, request, verb.account, named))
    return shell.answered(body, written, 200)


# Staff


@get("/v1/requests", may=LISTS, responses=shell.refusals(), tags=TAG)
async def list_requests(
    request: AnyRequest,
    kind: Kind = None,
    standing: State = None,
    cursor: Cursor = None,
    limit: Most = shell.LIMIT,
) -> RequestPage:
    """Requests by due date, without their texts."""
    site, after = site_of(request), shell.uuid_cursor(cursor)
    states = (standing,) if standing is not None else (RequestState.open, RequestState.paused)
    kinds = (kind,) if kind is not None else ()
    at = site.now()

    def read(tx: Transaction) -> RequestPage:
        return _page(
            request_register.list_by_due(tx, limit + 1, kinds=kinds, states=states, after=after),
            limit,
            at,
        )

    return await site.reading(read)


@get("/v1/requests/{request_id:str}", may=LISTS, responses=READS, tags=TAG)
async def get_request(request: AnyRequest, request_id: RequestRef) -> SeenRequest:
    """A request with its steps; a privacy officer also gets the texts."""
    site, with_words = site_of(request), _answers(request)
    return await site.calling(
        lambda: rights_requests.get_request(site.installation, request_id, with_words=with_words)
    )


ROUTES = [
    set_region,
    list_rights,
    send_request,
    list_own_requests,
    get_own_request,
    reply_to_request,
    withdraw_request,
    list_requests,
    get_request,
]
