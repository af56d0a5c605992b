"""Keys of services and staff, for the owner: listed, made, limited and revoked, as in the console.

A secret is answered once, where it is made. The answer to a repetition under the same
`Idempotency-Key` has none: what was lost on the way is revoked, and another is made.
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from litestar import Response, get, post, put
from litestar.params import JSONBody, PathParameter

from licet.access import service_keys, sessions
from licet.access.roles import KeyBinding, Staff, StaffRole, may
from licet.access.service_keys import KeyAct, KeyLimits, ServiceKey
from licet.access.sessions import StaffAccount
from licet.errors import NotFoundError
from licet.store.connect import Transaction
from licet.vault.ids import Prefix, parse, shown
from licet.web.api import shared as shell
from licet.web.api import staff_schema as schema
from licet.web.api.references import site_of
from licet.web.api.shared import Acted, AnyRequest, IdempotencyKey
from licet.web.site import Site
from licet.webhooks import endpoints

OWNS = may(staff=(StaffRole.owner,))
TAG = ["staff"]
ACTS = shell.refusals(404, 409, 413, 422)

KeyRef = Annotated[
    str, PathParameter(description="The name of the key.", min_length=1, max_length=64)
]
StaffRef = Annotated[
    str, PathParameter(description="The member of staff, `staff_..`.", min_length=1, max_length=64)
]


# Keys


@get("/v1/api-keys", may=OWNS, responses=shell.refusals(), tags=TAG)
async def list_api_keys(request: AnyRequest) -> schema.ApiKeys:
    """Every key of a service, the newest first, without its secret."""
    site = site_of(request)

    def read(tx: Transaction) -> schema.ApiKeys:
        return schema.ApiKeys(
            items=tuple(_key(site, one) for one in reversed(service_keys.list_keys(tx)))
        )

    return await site.reading(read)


@get("/v1/api-keys/{name:str}", may=OWNS, responses=shell.refusals(404), tags=TAG)
async def get_api_key(request: AnyRequest, name: KeyRef) -> schema.ApiKeyWhole:
    """A key with what was changed of it, by whom and why."""
    site = site_of(request)

    def read(tx: Transaction) -> schema.ApiKeyWhole:
        known = service_keys.find_by_name(tx, name)
        changes = tuple(
            schema.KeyChangeAnswer(
                version=one.version,
                act=one.act,
                at=one.at,
                by=one.by,
                reason=one.reason,
                was=schema.KeyLimitsAnswer(
                    scopes=one.was.scopes,
                    releases=one.was.releases,
                    requests_per_minute=one.was.requests_per_minute,
                    expires_at=one.was.expires_at,
                ),
            )
            for one in service_keys.list_changes(tx, known.key_id)
        )
        return schema.ApiKeyWhole(key=_key(site, known), changes=changes)

    return await site.reading(read)


@post("/v1/api-keys", may=OWNS, responses=ACTS, tags=TAG)
async def make_api_key(
    request: AnyRequest, data: JSONBody[schema.NewApiKey], idempotency_key: IdempotencyKey = None
) -> Response[schema.ApiKeyMade]:
    """Makes a key, whose secret is in this answer alone."""
    site = site_of(request)

    def make(tx: Transaction) -> Acted[schema.ApiKeyMade]:
        bound = KeyBinding(
            recipient=data.recipient,
            own=data.own,
            releases=data.releases,
            endpoint=endpoints.id_of(tx, data.endpoint) if data.endpoint is not None else None,
        )
        secret = service_keys.create_key(
            tx,
            data.name,
            data.scopes,
            site.now(),
            site.here.keyring.random,
            bound,
            requests_per_minute=data.requests_per_minute,
            expires_at=data.expires_at,
        )
        return Acted(
            schema.ApiKeyMade(
                key=_key(site, service_keys.find_by_name(tx, data.name)), secret=secret
            )
        )

    def again(tx: Transaction) -> schema.ApiKeyMade:
        return schema.ApiKeyMade(
            key=_key(site, service_keys.find_by_name(tx, data.name)), secret=None
        )

    return await shell.acted(
        request, idempotency_key, shell.in_one(site, make), shell.again_in(site, again), 201
    )


@put("/v1/api-keys/{name:str}/limits", may=OWNS, responses=ACTS, tags=TAG)
async def limit_api_key(
    request: AnyRequest,
    name: KeyRef,
    data: JSONBody[schema.NewKeyLimits],
    idempotency_key: IdempotencyKey = None,
) -> Response[schema.ApiKeyAnswer]:
    """Gives a key other limits, which hold at once; 409 where somebody changed it since the version
    that was seen.
    """
    site, act = site_of(request), _act(request, data.reason)
    wanted = KeyLimits(
        scopes=data.scopes,
        releases=data.releases,
        requests_per_minute=data.requests_per_minute,
        expires_at=data.expires_at,
    )

    def limit(tx: Transaction) -> Acted[schema.ApiKeyAnswer]:
        restrictions = site.here.keyring.restrictions
        return Acted(
            _key(
                site,
                service_keys.set_limits(tx, name, wanted, act, restrictions, version=data.version),
            )
        )

    answer = await shell.acted(
        request, idempotency_key, shell.in_one(site, limit), _key_again(site, name)
    )
    site.forget_keys()
    return answer


@post("/v1/api-keys/{name:str}/revoke", may=OWNS, responses=ACTS, status_code=200, tags=TAG)
async def revoke_api_key(
    request: AnyRequest,
    name: KeyRef,
    data: JSONBody[schema.GivenReason],
    idempotency_key: IdempotencyKey = None,
) -> Response[schema.ApiKeyAnswer]:
    """Revokes a key, for good. A repetition changes nothing."""
    site, act = site_of(request), _act(request, data.reason)

    def revoke(tx: Transaction) -> Acted[schema.ApiKeyAnswer]:
        service_keys.revoke(tx, name, act, site.here.keyring.restrictions)
        return Acted(_key(site, service_keys.find_by_name(tx, name)))

    answer = await shell.acted(
        request, idempotency_key, shell.in_one(site, revoke), _key_again(site, name)
    )
    site.forget_keys()
    return answer


def _key_again(site: Site, name: str) -> shell.Again[schema.ApiKeyAnswer]:
    return shell.again_in(site, lambda tx: _key(site, service_keys.find_by_name(tx, name)))


def _act(request: AnyRequest, reason: str) -> KeyAct:
    caller = request.auth
    assert isinstance(caller, Staff)
    return KeyAct(by=caller.recorded_as, reason=reason, at=site_of(request).now())


def _key(site: Site, known: ServiceKey) -> schema.ApiKeyAnswer:
    return schema.ApiKeyAnswer(
        name=known.name,
        state=known.state(site.now()),
        scopes=known.scopes,
        recipient=known.recipient,
        own=known.own,
        releases=known.releases,
        endpoint=known.endpoint,
        requests_per_minute=known.requests_per_minute,
        expires_at=known.expires_at,
        made_at=known.made_at,
        revoked_at=known.revoked_at,
        version=known.version,
    )


# Staff


@get("/v1/staff", may=OWNS, responses=shell.refusals(), tags=TAG)
async def list_staff(request: AnyRequest) -> schema.StaffAnswers:
    """All staff that have signed in or were given a role, by address."""
    site = site_of(request)
    found = await site.reading(lambda tx: sessions.list_staff(tx, site.wall()))
    return schema.StaffAnswers(items=tuple(map(_member, found)))


@post("/v1/staff", may=OWNS, responses=ACTS, tags=TAG)
async def add_staff(
    request: AnyRequest, data: JSONBody[schema.NewStaff], idempotency_key: IdempotencyKey = None
) -> Response[schema.StaffAdded]:
    """Gives somebody roles, and answers a link that signs them in once."""
    site = site_of(request)

    def add(tx: Transaction) -> Acted[schema.StaffAdded]:
        secret = sessions.add_staff(
            tx, data.email, data.roles, site.wall(), site.here.keyring.random
        )
        link = f"{site.settings.url or ''}/sign-in/link/{secret}"
        return Acted(schema.StaffAdded(member=_by_address(tx, site, data.email), link=link))

    def again(tx: Transaction) -> schema.StaffAdded:
        return schema.StaffAdded(member=_by_address(tx, site, data.email), link=None)

    return await shell.acted(
        request, idempotency_key, shell.in_one(site, add), shell.again_in(site, again), 201
    )


@put("/v1/staff/{staff:str}/roles", may=OWNS, responses=ACTS, tags=TAG)
async def set_staff_roles(
    request: AnyRequest,
    staff: StaffRef,
    data: JSONBody[schema.NewRoles],
    idempotency_key: IdempotencyKey = None,
) -> Response[schema.StaffAnswer]:
    """Gives a member of staff other roles, which hold from their next request on; 409 where theirs
    changed meanwhile.
    """
    site, who = site_of(request), parse(Prefix.staff, staff)

    def change(tx: Transaction) -> Acted[schema.StaffAnswer]:
        sessions.set_roles(tx, who, data.roles, data.was)
        return Acted(_member(sessions.get_staff(tx, who, site.wall())))

    return await shell.acted(
        request, idempotency_key, shell.in_one(site, change), _member_again(site, who)
    )


@post("/v1/staff/{staff:str}/end", may=OWNS, responses=ACTS, status_code=200, tags=TAG)
async def end_staff(
    request: AnyRequest, staff: StaffRef, idempotency_key: IdempotencyKey = None
) -> Response[schema.StaffAnswer]:
    """Takes away the roles that were given here, and signs a member of staff out everywhere; 409
    for an owner.
    """
    site, who = site_of(request), parse(Prefix.staff, staff)

    def end(tx: Transaction) -> Acted[schema.StaffAnswer]:
        sessions.revoke_staff(tx, who)
        return Acted(_member(sessions.get_staff(tx, who, site.wall())))

    return await shell.acted(
        request, idempotency_key, shell.in_one(site, end), _member_again(site, who)
    )


def _member_again(site: Site, who: UUID) -> shell.Again[schema.StaffAnswer]:
    return shell.again_in(site, lambda tx: _member(sessions.get_staff(tx, who, site.wall())))


def _by_address(tx: Transaction, site: Site, email: str) -> schema.StaffAnswer:
    found = sessions.find_staff(tx, email)
    if found is None:
        raise NotFoundError("no such member of staff")
    return _member(sessions.get_staff(tx, found[0], site.wall()))


def _member(one: StaffAccount) -> schema.StaffAnswer:
    return schema.StaffAnswer(
        staff=shown(Prefix.staff, one.staff_id),
        email=one.email,
        roles=one.roles,
        made_at=one.made_at,
        sessions=one.sessions,
    )


ROUTES = [
    list_api_keys,
    get_api_key,
    make_api_key,
    limit_api_key,
    revoke_api_key,
    list_staff,
    add_staff,
    set_staff_roles,
    end_staff,
]
