"""Keys of services and staff, for the owner (`service.access_verbs`).

    /console/access                          both lists, and the forms that make
    /console/access/keys  staff              makes one; the secret is in the answer, once, and cannot be shown again
    /console/access/keys/NAME                a key: its limits, its history, and the form that changes it
    ../keys/NAME/limit  ../revoke            each shows what would change, asks why, then does it
    ../staff/ID/roles                        gives a member of staff other roles
    ../staff/ID/revoke                       takes their roles away and signs them out: asked first

What makes a secret answers it in the page itself and never redirects to it: a secret is in no
address and no history. The form of a key carries the version that its reader saw: a change of an
older version is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litestar import Response
from litestar.params import FromPath

from licet.access import service_keys, sessions
from licet.access.roles import Scope, StaffRole
from licet.errors import LicetError
from licet.service.access_verbs import ADD_STAFF, LIMIT_KEY, MAKE_KEY, SET_ROLES, member_id
from licet.store.connect import transaction
from licet.web.console import shared as shell
from licet.web.console import verb_forms as forms
from licet.web.console.shared import OWNS, RouteVisit, Visit
from licet.web.console.tables import Fields
from licet.web.pages.shared import NO_FAULTS, Faults, get_page, post_page
from licet.webhooks import endpoints

ROLES_GIVEN = tuple(role for role in StaffRole if role is not StaffRole.owner)
KEPT = ("name", "recipient", "releases", "endpoint", "requests_per_minute", "expires_at", "email")


@get_page("/console/access", may=OWNS)
def access(visit: RouteVisit) -> Response[Any]:
    """The keys of services, and staff."""
    return _lists(visit)


def _lists(
    visit: Visit,
    *,
    secret: tuple[str, str] | None = None,
    faults: Faults = NO_FAULTS,
    kept: Mapping[str, str] | None = None,
) -> Response[Any]:
    """Both lists and both forms; ``secret`` is a just created secret with its description."""
    with transaction(visit.installation.pool) as tx:
        values: dict[str, Any] = {
            "keys": service_keys.list_keys(tx)[::-1],
            "people": sessions.list_staff(tx, visit.site.wall()),
            "own": visit.staff.staff_id,
            "secret": secret,
            "scopes": tuple(Scope),
            "roles_given": ROLES_GIVEN,
            "now": visit.installation.clock(),
            "kept": kept or dict.fromkeys(KEPT, ""),
        }
    values["endpoints"] = [
        status.endpoint for status in endpoints.list_endpoints(visit.installation)
    ]
    return shell.page("console_access.html", visit, errors=faults, **values)


def _refuse(place: str) -> forms.Refused:
    """The lists again, with the error beside the submitted form."""
    return lambda visit, _, data, error: _lists(
        visit,
        faults=shell.fault(place, error),
        kept={name: " ".join(forms.many(data, name)) for name in KEPT},
    )


@post_page("/console/access/staff/{staff:str}/roles", may=OWNS)
def set_roles(visit: RouteVisit, staff: FromPath[str], data: Fields) -> Response[Any]:
    """Sets a member's roles, from the form that shows the present ones."""
    if data.get("confirmed") == "yes":
        return forms.take(visit, SET_ROLES, {"roles": [], "was": [], **data}, staff, refused=_roles)
    return _roles(visit, staff, data)


def _roles(
    visit: Visit, staff: str, _: Mapping[str, Any], error: LicetError | None = None
) -> Response[Any]:
    with transaction(visit.installation.pool) as tx:
        member = sessions.get_staff(tx, member_id(tx, staff), visit.site.wall())
    return shell.page(
        "console_staff.html",
        visit,
        title=f"Roles of {member.email}",
        errors=shell.fault("staff-roles", error),
        member=member,
        roles_given=ROLES_GIVEN,
    )


@get_page("/console/access/keys/{name:str}", may=OWNS)
def show_key(visit: RouteVisit, name: FromPath[str]) -> Response[Any]:
    """One key: its limits, its changes, and the form for changing it."""
    return _key(visit, name, {})


def _key(
    visit: Visit, name: str, data: Mapping[str, Any], error: LicetError | None = None
) -> Response[Any]:
    with transaction(visit.installation.pool) as tx:
        known = service_keys.find_by_name(tx, name)
        changes = service_keys.list_changes(tx, known.key_id)
    kept = {
        "scopes": " ".join(known.scopes),
        "releases": " ".join(known.releases),
        "requests_per_minute": str(known.requests_per_minute or ""),
        "expires_at": f"{known.expires_at:%Y-%m-%d}" if known.expires_at else "",
    }
    if data:
        kept = {field: " ".join(forms.many(data, field)) for field in kept}
    return shell.page(
        "console_key.html",
        visit,
        title=f"Key {name}",
        errors=shell.fault("key-limits", error),
        key=known,
        changes=changes,
        kept=kept,
        scopes=tuple(Scope),
        state=known.state(visit.installation.clock()),
        ticked=kept["scopes"].split(),
    )


ROUTES = (
    access,
    set_roles,
    show_key,
    forms.form_of(
        MAKE_KEY,
        lambda visit, call, secret: _lists(visit, secret=(f"The key {call.target}", secret)),
        _refuse("key-name"),
    ),
    forms.form_of(
        ADD_STAFF,
        lambda visit, call, link: _lists(visit, secret=(f"The link for {call.target}", link)),
        _refuse("staff-email"),
    ),
    forms.form_of(LIMIT_KEY, refused=_key),
)
