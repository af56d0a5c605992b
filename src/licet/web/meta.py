"""Liveness, readiness, metrics, the OpenAPI document, and the stand-alone verifier."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from litestar import Request, Response, get
from litestar.concurrency import sync_to_thread
from prometheus_client import CONTENT_TYPE_LATEST

from licet.access.roles import ANYBODY
from licet.errors import BusyError, LicetError
from licet.verifier import bundle
from licet.web.api.references import site_of
from licet.web.metrics import of_build, of_disks, of_installation, of_workers, shown

AnyRequest = Request[Any, Any, Any]


@get("/healthz", may=ANYBODY, include_in_schema=False, sync_to_thread=False)
def healthz() -> dict[str, str]:
    """Answers if the server runs; one process answers for all."""
    return {"status": "ok"}


@get("/readyz", may=ANYBODY, include_in_schema=False)
async def readyz(request: AnyRequest) -> dict[str, str | list[str]]:
    """The database answers with a schema that this version knows, a policy has been applied and no
    worker's sequencer has stopped; BusyError (503) otherwise. `silent` names what does not answer
    any worker, and stops some requests only: see docs/operate.md.

    It queries the database at most once a second, and waits no longer than that.
    """
    site, following = site_of(request), request.app.state.following
    faults = [
        *([following.fault] if following is not None else []),
        *request.app.state.workers.faults,
    ]
    if fault := next(filter(None, faults), ""):
        raise BusyError(
            f"the log's sequencer has stopped: `{fault}`",
            "read the log of the server",
            because=site.dependencies.held_up_by,
        )

    policy = await site.policy_probe.answer()
    silent = sorted({*site.dependencies.silent, *request.app.state.workers.silent})
    return {"status": "ready", "policy": policy, **({"silent": silent} if silent else {})}


@get("/metrics", may=ANYBODY, include_in_schema=False)
async def metrics(request: AnyRequest) -> Response[bytes]:
    """Metrics for Prometheus, of all workers; no label names a person. Without the database, its
    figures are the last known ones."""
    state = request.app.state
    site = site_of(request)
    with suppress(LicetError):
        state.figures = await site.figures_probe.answer()
    state.edge.measure_pool(site.installation.pool.get_stats())
    state.edge.measure_dependencies(site.dependencies.watched, site.dependencies.silent)
    families = [
        of_build(),
        *of_disks(site.dependencies.folders),
        *of_workers(state.workers),
        *of_installation(state.figures),
    ]
    text = await sync_to_thread(shown, state.edge.registry, families)
    return Response(text, headers={"content-type": CONTENT_TYPE_LATEST})


@get("/openapi.json", may=ANYBODY, include_in_schema=False, sync_to_thread=False)
def openapi(request: AnyRequest) -> Response[bytes]:
    """The API's description (OpenAPI 3.1)."""
    return Response(request.app.state.openapi(), media_type="application/json")


@get("/verifier.py", may=ANYBODY, include_in_schema=False, sync_to_thread=False)
def verifier_file() -> Response[bytes]:
    """The stand-alone verifier, as a download. The page of a receipt tells its reader to run it."""
    headers = {
        "content-disposition": 'attachment; filename="verifier.py"',
        "cache-control": "no-store",
    }
    return Response(bundle.source(), media_type="text/x-python; charset=utf-8", headers=headers)


ROUTES = [healthz, readyz, metrics, openapi, verifier_file]
