"""The records of the console: policy and notices, releases."""

from __future__ import annotations

from typing import Any

from litestar import Response, get

from licet.release import catalog
from licet.service import oversight
from licet.vault import installation
from licet.web.console import shared as shell
from licet.web.console.shared import STAFF
from licet.web.pages.shared import AnyRequest


@get("/console/policy", may=STAFF, sync_to_thread=True, include_in_schema=False)
def policy(request: AnyRequest) -> Response[Any]:
    """Every version, and its published notices."""
    visit = shell.opened(request)
    values = {
        "in_force": installation.policies(visit.here).in_force(visit.here.clock()),
        "versions": oversight.versions(visit.here), "notices": oversight.notices(visit.here),
    }  # fmt: skip
    return shell.page("console_policy.html", visit, title="Policy", section="/console/policy", values=values)


@get("/console/releases", may=STAFF, sync_to_thread=True, include_in_schema=False)
def releases(request: AnyRequest) -> Response[Any]:
    """Every release and its counts."""
    visit = shell.opened(request)
    known, found = installation.policies(visit.here), catalog.releases(visit.here)
    values = {"releases": found[::-1], "version_of": {one.release_id: known[one.version].version for one in found}}
    return shell.page("console_releases.html", visit, title="Releases", section="/console/releases", values=values)


ROUTES = (policy, releases)
