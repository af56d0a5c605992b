"""The application: routes, the guard before them, the edge around them, and the OpenAPI document.

`create_app` takes an open installation. What runs beside requests (the writer, the reader, the
clean-up and, on request, the log's sequencer) runs in the application's lifespan. `problems`
defines every refusal.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache, partial

from litestar import Litestar
from litestar.concurrency import sync_to_thread
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme
from litestar.types import ASGIApp, Receive, Scope, Send

from licet import __version__, traces
from licet.clock import Clock, utc_now
from licet.config import Web
from licet.errors import LicetError
from licet.proof import documents as documents_of_log
from licet.service.housekeeping import keep_sweeping, watch_primary
from licet.service.orders import keep_working
from licet.store.circuit import CallWatch
from licet.vault.installation import Installation
from licet.web import encoded_slashes, meta
from licet.web.access.authentication import Guard
from licet.web.access.limits import BODY_BYTES_MAX
from licet.web.api import (
    accounts,
    choices,
    conversations,
    documents,
    erasures,
    events,
    feedback,
    inbox,
    leases,
    notice,
    otlp,
    preview,
    problems,
    projects,
    reference,
    rights,
    staff,
    staff_access,
    staff_models,
    staff_orders,
    staff_review,
    turns,
    verb_routes,
)
from licet.web.api.strict_json import StrictRequest
from licet.web.background import RETRY_SECONDS, BackgroundTask, Work
from licet.web.console import look_up
from licet.web.edge import EdgeMiddleware
from licet.web.pages import routes
from licet.web.site import Site
from licet.web.worker_channel import WorkersStanding
from licet.webhooks import delivery

API = [
    *accounts.ROUTES,
    *choices.ROUTES,
    *preview.ROUTES,
    *projects.ROUTES,
    *notice.ROUTES,
    *conversations.ROUTES,
    *feedback.ROUTES,
    *rights.ROUTES,
    *turns.ROUTES,
    *otlp.ROUTES,
    *staff.ROUTES,
    *staff_access.ROUTES,
    *staff_review.ROUTES,
    *staff_models.ROUTES,
    *staff_orders.ROUTES,
    *inbox.ROUTES,
    *leases.ROUTES,
    *events.ROUTES,
    *erasures.ROUTES,
    *documents.ROUTES,
    *verb_routes.ROUTES,
]


def create_app(
    installation: Installation,
    settings: Web,
    *,
    wall: Clock = utc_now,
    sequencer: bool = False,
    workers: int = 1,
    rates: int | None = None,
) -> Litestar:
    """The application on an open installation. ``wall`` is the clock for tokens and sessions. With
    ``sequencer`` it also appends committed entries to the log, sweeps, runs orders of staff and
    sends events, and loads the preview engine at its start rather than with the first preview.
    ``workers`` is how many processes share its limits, ``rates`` their table of
    `rates.shared_table`.
    """
    site = Site(installation, settings, wall, workers=workers, rates=rates)
    return installed(routed(cors(settings)), site, settings, workers=workers, sequencer=sequencer)


def routed(cors: CORSConfig | None = None) -> Litestar:
    """The routes and middleware, without an installation, which `installed` adds."""
    app = Litestar(
        route_handlers=[*API, *meta.ROUTES, routes.ENTRANCE, *routes.ROUTES, *look_up.ROUTES],
        middleware=[Guard],
        exception_handlers={
            LicetError: problems.on_ours,
            HTTPException: problems.on_http,
            Exception: problems.on_unknown,
        },
        lifespan=[_running],
        openapi_config=OPENAPI,
        cors_config=cors,
        request_max_body_size=BODY_BYTES_MAX,
        logging_config=None,
        request_class=StrictRequest,
        debug=False,
    )
    app.asgi_handler = traced(encoded_slashes.keeping(app.asgi_handler))
    return app


def installed(
    app: Litestar, site: Site, settings: Web, *, workers: int = 1, sequencer: bool = False
) -> Litestar:
    """``app`` for the installation of ``site``."""
    installation, edge = site.installation, EdgeMiddleware(settings)
    watch = site.dependencies.outside
    following = (
        BackgroundTask(installation, partial(documents_of_log.follow, watch=watch))
        if sequencer
        else None
    )
    works: dict[str, Work] = {}
    if following is not None:
        works = {
            "licet-sweep": keep_sweeping,
            "licet-deliverer": partial(send_events, watch=watch),
            "licet-orders": keep_working,
            **({"licet-primary": watch_primary} if installation.config.database_url else {}),
        }
    app.before_send = [edge.before_send]
    site.measure_restriction = edge.measure_restriction
    app.state = State(
        {
            "site": site,
            "edge": edge,
            "following": following,
            "runs": [
                *([partial(_previews_loaded, installation)] if following else []),
                site.running,
                *([site.dependencies.running, following.running] if following else []),
                *(
                    BackgroundTask(installation, work, name, RETRY_SECONDS).running
                    for name, work in works.items()
                ),
            ],
            "workers": WorkersStanding(wanted=workers),
            "figures": None,
        }
    )
    app.state.openapi = cache(lambda: reference.description(app))
    return app


@asynccontextmanager
async def _running(app: Litestar) -> AsyncIterator[None]:
    """Runs the background tasks while the application runs."""
    async with AsyncExitStack() as stack:
        for run in app.state.runs:
            await stack.enter_async_context(run(app))
        yield


def traced(app: ASGIApp) -> ASGIApp:
    """``app`` with a span around each request; its route is named by `EdgeMiddleware`."""

    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        with traces.request(
            lambda: {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        ):
            await app(scope, receive, send)

    return handler


def send_events(installation: Installation, stop: threading.Event, watch: CallWatch) -> None:
    """Sends events to their endpoints until ``stop``. `licet webhooks list` shows what is wrong
    with an endpoint.
    """
    delivery.follow(installation, stop, noted=problems.note, watch=watch)


@asynccontextmanager
async def _previews_loaded(installation: Installation, _: object) -> AsyncIterator[None]:
    """Loads the preview engine before the first request: compiling its patterns holds the
    interpreter's lock for most of a second, during which no gate would be answered.
    """
    try:
        await sync_to_thread(load_previews, installation)
    except Exception as error:  # the first preview tries again, and says why
        problems.note(error)
    yield


def load_previews(installation: Installation) -> None:
    """Loads the preview engine."""
    from licet.service import preview  # curation is loaded where it is used

    preview.load(installation)


OPENAPI = OpenAPIConfig(
    title="Licet",
    version=__version__,
    description="Decides, keeps and proves what an AI assistant may learn from its users.",
    render_plugins=[],
    use_handler_docstrings=True,
    operation_id_creator=reference.operation_id,
    path="/openapi",
    security=[{"token": []}, {"key": []}, {"session": []}],
    components=Components(
        security_schemes={
            "token": SecurityScheme(
                type="http",
                scheme="bearer",
                bearer_format="JWT",
                description="A person, by the host application's token.",
            ),
            "key": SecurityScheme(
                type="http", scheme="bearer", description="A service, by its key `licet_..`."
            ),
            "session": SecurityScheme(
                type="apiKey",
                security_scheme_in="cookie",
                name="__Host-licet",
                description="A browser's session.",
            ),
        }
    ),
)


def cors(settings: Web) -> CORSConfig | None:
    """The sites that may call the API from a browser, never with cookies: they send a token."""
    if not settings.embed_origins:
        return None
    return CORSConfig(
        allow_origins=list(settings.embed_origins),
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=[
            "authorization",
            "content-type",
            "idempotency-key",
            "licet-fragment",
            "accept-language",
        ],
        expose_headers=["retry-after", "idempotent-replayed", "link"],
        allow_credentials=False,
        max_age=600,
    )
