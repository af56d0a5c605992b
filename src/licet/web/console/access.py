"""Keys of services and staff, for the owner: made here, limited, and revoked, each with a
confirmation.

    /console/access                          both lists, and the forms that make
    /console/access/keys  staff              makes one; the secret is in the answer, once, and cannot be shown again
    ../staff/ID/roles                        gives a member of staff other roles
    ../staff/ID/revoke                       takes their roles away and signs them out: asked first

`key_page` has one key: its limits, and revoking it.

What makes a secret answers it in the page itself and never redirects to it: a secret is in no
address and no history.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath, URLEncodedBody

from licet.access import service_keys, sessions
from licet.access.roles import KeyBinding, Scope, StaffRole
from licet.errors import LicetError, NotFoundError, UsageError
from licet.store.connect import transaction
from licet.web.console import shared as shell
from licet.web.console.key_page import day_of, fault, many, number
from licet.web.console.shared import OWNS, ConfirmForm, Visit
from licet.web.console.tables import Fields
from licet.web.pages.shared import NO_FAULTS, AnyRequest, Faults, seen_other
from licet.webhooks import endpoints

SECTION = "/console/access"
GIVEN = tuple(role for role in StaffRole if role is not StaffRole.owner)
_SAID = {
    "key": "The key is revoked: a server refuses it within a second.",
    "roles": "Their roles are changed, from their next request on.",
    "staff": "Their roles given here are gone, and their sessions have ended.",
}


@get("/console/access", may=OWNS, sync_to_thread=True, include_in_schema=False)
def access(request: AnyRequest) -> Response[Any]:
    """The keys of services, and staff."""
    return _shown(shell.opened(request), said=_SAID.get(request.query_params.get("said", ""), ""))


def _shown(
    visit: Visit,
    *,
    said: str = "",
    secret: tuple[str, str] | None = None,
    faults: Faults = NO_FAULTS,
    kept: Mapping[str, str] | None = None,
) -> Response[Any]:
    """Both lists and both forms; ``secret`` is what was just made, with what it is."""
    empty = dict.fromkeys(
        ("name", "recipient", "releases", "endpoint", "rate", "expires", "email"), ""
    )
    with transaction(visit.here.pool) as tx:
        values: dict[str, Any] = {
            "keys": service_keys.list_keys(tx)[::-1],
            "people": sessions.list_staff(tx, visit.site.wall()),
            "saved": said,
            "own": visit.staff.staff_id,
            "secret": secret,
            "scopes": tuple(Scope),
            "roles_given": GIVEN,
            "now": visit.here.clock(),
            "kept": {**empty, **(kept or {})},
        }
    values["endpoints"] = [one.endpoint for one in endpoints.list_endpoints(visit.here)]
    return shell.page(
        "console_access.html",
        visit,
        title="Keys and staff",
        section=SECTION,
        errors=faults,
        values=values,
        status=422 if faults else 200,
    )


def _refused(visit: Visit, data: Mapping[str, Any], place: str, error: LicetError) -> Response[Any]:
    """The page again, with what is wrong beside the form that was sent."""
    kept = {name: str(value) for name, value in data.items() if isinstance(value, str)}
    return _shown(visit, faults=fault(place, error), kept=kept)


@post("/console/access/keys", may=OWNS, sync_to_thread=True, include_in_schema=False)
def make_key(request: AnyRequest, data: Fields) -> Response[Any]:
    """Makes a key, and shows it, once."""
    visit, name = shell.opened(request), str(data.get("name", "")).strip()
    try:
        scopes = many(data, "scope")
        if not set(scopes) <= set(Scope):
            raise UsageError("that is no scope")
        endpoint = str(data.get("endpoint", "")).strip()
        with transaction(visit.here.pool) as tx:
            bound = KeyBinding(
                recipient=str(data.get("recipient", "")).strip() or None,
                own=data.get("own") == "yes",
                releases=tuple(str(data.get("releases", "")).split()),
                endpoint=endpoints.id_of(tx, endpoint) if endpoint else None,
            )
            rate = str(data.get("rate", "")).strip()
            text = service_keys.create_key(
                tx,
                name,
                map(Scope, scopes),
                visit.here.clock(),
                visit.here.keyring.random,
                bound,
                requests_per_minute=number(rate, "number of requests") if rate else None,
                expires_at=day_of(str(data.get("expires", "")).strip()),
            )
    except LicetError as error:
        return _refused(visit, data, "key-name", error)
    return _shown(visit, secret=(f"The key {name}", text))


@post("/console/access/staff", may=OWNS, sync_to_thread=True, include_in_schema=False)
def add_staff(request: AnyRequest, data: Fields) -> Response[Any]:
    """Gives somebody roles, and shows the link that signs them in, once."""
    visit, email = shell.opened(request), str(data.get("email", "")).strip()
    try:
        roles = many(data, "role")
        if not roles or not set(roles) <= set(StaffRole):
            raise UsageError("pick a role")
        with transaction(visit.here.pool) as tx:
            secret = sessions.add_staff(
                tx, email, map(StaffRole, roles), visit.site.wall(), visit.here.keyring.random
            )
    except LicetError as error:
        return _refused(visit, data, "staff-email", error)
    return _shown(
        visit,
        secret=(f"The link for {email}", f"{visit.site.settings.url or ''}/sign-in/link/{secret}"),
    )


@post(
    "/console/access/staff/{staff:str}/roles",
    may=OWNS,
    sync_to_thread=True,
    include_in_schema=False,
)
def set_roles(request: AnyRequest, staff: FromPath[str], data: Fields) -> Response[Any]:
    """Gives a member of staff other roles, after the form that shows those they have."""
    visit, who = shell.opened(request), _staff_id(staff)
    with transaction(visit.here.pool) as tx:
        member = sessions.get_staff(tx, who, visit.site.wall())
    faults = NO_FAULTS
    if data.get("confirmed") == "yes":
        try:
            wanted, was = many(data, "role"), str(data.get("was", "")).split()
            if not {*wanted, *was} <= set(StaffRole):
                raise UsageError("that is no role")
            with transaction(visit.here.pool) as tx:
                sessions.set_roles(tx, who, map(StaffRole, wanted), map(StaffRole, was))
            return seen_other("/console/access?said=roles")
        except LicetError as error:
            faults = fault("staff-roles", error)
    values = {"member": member, "roles_given": GIVEN}
    return shell.page(
        "console_staff.html",
        visit,
        title=f"Roles of {member.email}",
        section=SECTION,
        errors=faults,
        values=values,
        status=422 if faults else 200,
    )


@post(
    "/console/access/staff/{staff:str}/revoke",
    may=OWNS,
    sync_to_thread=True,
    include_in_schema=False,
)
def revoke_staff(
    request: AnyRequest, staff: FromPath[str], data: URLEncodedBody[ConfirmForm]
) -> Response[Any]:
    """Removes a member's roles that were given here and ends their sessions, after the
    confirmation; RefusedError for an owner.
    """
    visit, who = shell.opened(request), _staff_id(staff)
    with transaction(visit.here.pool) as tx:
        email = sessions.addresses(tx, [who]).get(who)
        if email is None:
            raise NotFoundError("no such member of staff")
        if data.confirmed == "yes":
            sessions.revoke_staff(tx, who)
            return seen_other("/console/access?said=staff")
    return shell.confirm(
        visit,
        title=f"Revoke {email}",
        section=SECTION,
        label="Revoke",
        back=SECTION,
        about="The roles given here are taken away, and they are signed out everywhere at once.",
        action=f"{SECTION}/staff/{who.hex}/revoke",
    )


def _staff_id(text: str) -> UUID:
    try:
        return UUID(hex=text)
    except ValueError:
        raise NotFoundError("no such member of staff") from None


ROUTES = (access, make_key, add_staff, set_roles, revoke_staff)
