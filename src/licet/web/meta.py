"""Liveness, readiness, metrics, the OpenAPI document, and the stand-alone verifier."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from litestar import Request, Response, get
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from licet.access.roles import ANYBODY
from licet.errors import BusyError, LicetError
from licet.verifier import bundle
from licet.web.api.references import site_of

AnyRequest = Request[Any, Any, Any]


@get("/healthz", may=ANYBODY, include_in_schema=False, sync_to_thread=False)
def healthz() -> dict[str, str]:
    """The server answers."""
    return {"status": "ok"}


@get("/readyz", may=ANYBODY, include_in_schema=False)
async def readyz(request: AnyRequest) -> dict[str, str]:
    """The database answers, a policy has been applied and the log's sequencer runs; BusyError (503) otherwise.

    Like /metrics, it queries the database at most once a second, and waits no longer than that.
    """
    site, following = site_of(request), request.app.state.following
    if following is not None and following.fault:
        raise BusyError(f"the log's sequencer has stopped: `{following.fault}`", "read the log of the server")

    return {"status": "ready", "policy": await site.policy_probe.answer()}


@get("/metrics", may=ANYBODY, include_in_schema=False)
async def metrics(request: AnyRequest) -> Response[bytes]:
    """Metrics for Prometheus; no label names a person. Without the database, its figures are the last known ones."""
    edge = request.app.state.edge
    with suppress(LicetError):
        standing = await site_of(request).work_probe.answer()
        edge.sweep_waits.set(standing.sweep.due if standing.sweep.waits else 0)
        edge.sweep_ended.set(standing.sweep.ended_at.timestamp() if standing.sweep.ended_at else 0)
        edge.closures_wait.set(standing.closures)
    shown = generate_latest(edge.registry)
    return Response(shown, headers={"content-type": CONTENT_TYPE_LATEST})


@get("/openapi.json", may=ANYBODY, include_in_schema=False, sync_to_thread=False)
def openapi(request: AnyRequest) -> Response[bytes]:
    """The API's description (OpenAPI 3.1)."""
    return Response(request.app.state.openapi(), media_type="application/json")


@get("/verifier.py", may=ANYBODY, include_in_schema=False, sync_to_thread=False)
def verifier_file() -> Response[bytes]:
    """The stand-alone verifier, as a download. The page of a receipt tells its reader to run it."""
    headers = {"content-disposition": 'attachment; filename="verifier.py"', "cache-control": "no-store"}
    return Response(bundle.source(), media_type="text/x-python; charset=utf-8", headers=headers)


ROUTES = [healthz, readyz, metrics, openapi, verifier_file]
