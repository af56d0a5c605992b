"""One erasure in the console: how far it has come, what it waits for, who was asked to delete it,
and its certificate.
"""

from __future__ import annotations

from typing import Any

from litestar import Response, get
from litestar.params import FromPath

from licet.erasure import certificates
from licet.vault.certificate import WaitsFor
from licet.web.console import shared as shell
from licet.web.console.shared import HOLDS, OFFICE
from licet.web.pages.shared import AnyRequest

WAITS = {
    WaitsFor.hold: "A legal hold keeps what it is about.",
    WaitsFor.period: "Its keys are destroyed when its period ends.",
    WaitsFor.sweep: "The next sweep erases what is due.",
    WaitsFor.log: (
        "The log does not have all entries of the closed account yet, and its key must "
        "outlive "
        "them."
    ),
}


@get("/console/erasures/{erasure:str}", may=OFFICE, sync_to_thread=True, include_in_schema=False)
def one(request: AnyRequest, erasure: FromPath[str]) -> Response[Any]:
    """The progress of an erasure, and what it waits for."""
    visit = shell.opened(request)
    seen = certificates.status(visit.here, erasure)
    values = {
        "seen": seen,
        "waits": WAITS.get(seen.waits_for, "") if seen.waits_for else "",
        "may_act": visit.allows(HOLDS),
    }
    return shell.page(
        "console_erasure.html", visit, title="Erasure", section="/console/erasures", values=values
    )


@get(
    "/console/erasures/{erasure:str}/certificate",
    may=OFFICE,
    sync_to_thread=True,
    include_in_schema=False,
)
def certificate(request: AnyRequest, erasure: FromPath[str]) -> Response[bytes]:
    """The signed certificate, as a file."""
    visit = shell.opened(request)
    file = certificates.certificate_file(visit.here, erasure)
    headers = {
        "content-disposition": f'attachment; filename="{erasure}.json"',
        "cache-control": "no-store",
    }
    return Response(file, media_type="application/json", headers=headers)


ROUTES = (one, certificate)
