"""The lists of the console: holds and flags, policy, requests, readings, releases, the log; keys and staff, which can
be revoked.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath

from licet.access import service_keys, sessions
from licet.errors import NotFoundError
from licet.proof import documents
from licet.release import catalog
from licet.service import oversight
from licet.store.connect import transaction
from licet.vault import installation
from licet.web.console import shared as shell
from licet.web.console.shared import LOOKS, OFFICE, OWNS, STAFF
from licet.web.pages.shared import AnyRequest, seen_other


@get("/console/holds", may=LOOKS, sync_to_thread=True, include_in_schema=False)
def holds(request: AnyRequest) -> Response[Any]:
    """The conversations under legal hold, and the flagged ones. The matter of a hold is content, and is not shown."""
    visit = shell.opened(request)
    values = {
        "holds": oversight.holds(visit.here), "flags": oversight.flags(visit.here), "now": visit.here.clock(),
        "by_account": visit.allows(OFFICE),
    }  # fmt: skip
    return shell.page("console_holds.html", visit, title="Holds and flags", section="/console/holds", values=values)


@get("/console/policy", may=STAFF, sync_to_thread=True, include_in_schema=False)
def policy(request: AnyRequest) -> Response[Any]:
    """Every version, and its published notices."""
    visit = shell.opened(request)
    values = {
        "in_force": installation.policies(visit.here).in_force(visit.here.clock()),
        "versions": oversight.versions(visit.here), "notices": oversight.notices(visit.here),
    }  # fmt: skip
    return shell.page("console_policy.html", visit, title="Policy", section="/console/policy", values=values)


@get("/console/requests", may=OFFICE, sync_to_thread=True, include_in_schema=False)
def requests(request: AnyRequest) -> Response[Any]:
    """What people asked to have erased, and the progress."""
    visit = shell.opened(request)
    values = {"requests": oversight.requests(visit.here)}
    return shell.page("console_requests.html", visit, title="Erasures", section="/console/requests", values=values)


@get("/console/readings", may=OFFICE, sync_to_thread=True, include_in_schema=False)
def readings(request: AnyRequest) -> Response[Any]:
    """Every reading of content by staff."""
    visit = shell.opened(request)
    values = {"readings": oversight.readings(visit.here)}
    return shell.page("console_readings.html", visit, title="Readings", section="/console/readings", values=values)


@get("/console/releases", may=STAFF, sync_to_thread=True, include_in_schema=False)
def releases(request: AnyRequest) -> Response[Any]:
    """Every release and its counts."""
    visit = shell.opened(request)
    known, found = installation.policies(visit.here), catalog.releases(visit.here)
    values = {"releases": found[::-1], "version_of": {one.release_id: known[one.version].version for one in found}}
    return shell.page("console_releases.html", visit, title="Releases", section="/console/releases", values=values)


@get("/console/log", may=STAFF, sync_to_thread=True, include_in_schema=False)
def log(request: AnyRequest) -> Response[Any]:
    """The logs as their readers see them, and the entries that wait to be appended."""
    visit = shell.opened(request)
    following = request.app.state.following
    values = {
        "ledger": documents.status(visit.here), "fault": following.fault if following is not None else "",
        "follows": following is not None,
    }  # fmt: skip
    return shell.page("console_log.html", visit, title="Log", section="/console/log", values=values)


# Keys and staff


@get("/console/access", may=OWNS, sync_to_thread=True, include_in_schema=False)
def access(request: AnyRequest) -> Response[Any]:
    """The keys of services, and staff."""
    visit = shell.opened(request)
    with transaction(visit.here.pool) as tx:
        values = {
            "keys": service_keys.every(tx)[::-1], "people": sessions.every_staff(tx, visit.site.wall()),
            "saved": _SAID.get(request.query_params.get("said", ""), ""), "own": visit.staff.staff_id,
        }  # fmt: skip
    return shell.page("console_access.html", visit, title="Keys and staff", section="/console/access", values=values)


_SAID = {
    "key": "The key is revoked: a server refuses it within a second.",
    "staff": "Their roles given here are gone, and their sessions have ended.",
}


@post("/console/access/keys/{name:str}/revoke", may=OWNS, sync_to_thread=True, include_in_schema=False)
def revoke_key(request: AnyRequest, name: FromPath[str]) -> Response[Any]:
    """Revokes a key."""
    visit = shell.opened(request)
    with transaction(visit.here.pool) as tx:
        service_keys.revoke(tx, name, visit.here.clock(), visit.here.keyring.restrictions)
    return seen_other("/console/access?said=key")


@post("/console/access/staff/{staff:str}/revoke", may=OWNS, sync_to_thread=True, include_in_schema=False)
def revoke_staff(request: AnyRequest, staff: FromPath[str]) -> Response[Any]:
    """Removes a member's roles that were given here and ends their sessions; RefusedError for an owner."""
    visit, who = shell.opened(request), _staff_id(staff)
    with transaction(visit.here.pool) as tx:
        sessions.revoke_staff(tx, who)
    return seen_other("/console/access?said=staff")


def _staff_id(text: str) -> UUID:
    try:
        return UUID(hex=text)
    except ValueError:
        raise NotFoundError("no such member of staff") from None


ROUTES = (holds, policy, requests, readings, releases, log, access, revoke_key, revoke_staff)
