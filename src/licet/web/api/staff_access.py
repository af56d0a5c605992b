"""Keys of services and staff, for the owner (`service.access_verbs`)."""

from __future__ import annotations

import msgspec
from litestar import get

from licet.access import service_keys, sessions
from licet.access.roles import StaffRole, may
from licet.service.access_verbs import ApiKeyAnswer, KeyChangeAnswer, StaffAnswer
from licet.service.staff_verb import VerbAnswer
from licet.store.connect import Transaction
from licet.web.api import shared as shell
from licet.web.api.references import site_of
from licet.web.api.shared import AnyRequest
from licet.web.api.verb_routes import KeyRef

OWNS = may(staff=(StaffRole.owner,))
TAG = ["staff"]


class ApiKeys(VerbAnswer, frozen=True, kw_only=True):
    items: tuple[ApiKeyAnswer, ...]


class ApiKeyWhole(VerbAnswer, frozen=True, kw_only=True):
    """A key with its changes, newest first."""

    key: ApiKeyAnswer
    changes: tuple[KeyChangeAnswer, ...]


class StaffAnswers(VerbAnswer, frozen=True, kw_only=True):
    items: tuple[StaffAnswer, ...]


# Keys


@get("/v1/api-keys", may=OWNS, responses=shell.refusals(), tags=TAG)
async def list_api_keys(request: AnyRequest) -> ApiKeys:
    """Every key of a service, the newest first, without its secret."""
    site = site_of(request)

    def read(tx: Transaction) -> ApiKeys:
        return ApiKeys(
            items=tuple(
                ApiKeyAnswer.from_key(one, site.now())
                for one in reversed(service_keys.list_keys(tx))
            )
        )

    return await site.reading(read)


@get("/v1/api-keys/{name:str}", may=OWNS, responses=shell.refusals(404), tags=TAG)
async def get_api_key(request: AnyRequest, name: KeyRef) -> ApiKeyWhole:
    """A key with its changes: by whom and why."""
    site = site_of(request)

    def read(tx: Transaction) -> ApiKeyWhole:
        known = service_keys.find_by_name(tx, name)
        changes = msgspec.convert(
            service_keys.list_changes(tx, known.key_id),
            tuple[KeyChangeAnswer, ...],
            from_attributes=True,
        )
        return ApiKeyWhole(key=ApiKeyAnswer.from_key(known, site.now()), changes=changes)

    return await site.reading(read)


# Staff


@get("/v1/staff", may=OWNS, responses=shell.refusals(), tags=TAG)
async def list_staff(request: AnyRequest) -> StaffAnswers:
    """All staff that have signed in or were given a role, by address."""
    site = site_of(request)
    found = await site.reading(lambda tx: sessions.list_staff(tx, site.wall()))
    return StaffAnswers(items=tuple(map(StaffAnswer.from_member, found)))


ROUTES = [list_api_keys, get_api_key, list_staff]
