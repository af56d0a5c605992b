"""The application on an installation, with routes that are made once in a process: to make them
takes 0.3 s.

Each application that is asked for is one of its own: its state, its hooks, what runs beside it. Of
the routes, and of what stands before each, nothing knows an installation; they look it up in the
application that a request came to.
"""

from __future__ import annotations

from copy import copy
from functools import cache

from litestar import Litestar
from litestar.events import SimpleEventEmitter

from licet.clock import Clock, utc_now
from licet.config import Web
from licet.vault.installation import Installation
from licet.web.app import cors, installed, routed
from licet.web.site import Site


@cache
def _routed(origins: tuple[str, ...]) -> Litestar:
    return routed(cors(Web(embed_origins=origins)))


def application(installation: Installation, web: Web, *, wall: Clock = utc_now) -> Litestar:
    """As `create_app`. The names of other sites that may call the API are part of the routes."""
    app = copy(_routed(tuple(web.embed_origins)))
    app.asgi_router = copy(app.asgi_router)
    app.asgi_router.app = app  # which it starts and stops
    app.event_emitter = SimpleEventEmitter([])
    return installed(app, Site(installation, web, wall), web)
