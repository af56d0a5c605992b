"""The page that documents the API, made from its description, so that it needs nothing from
elsewhere. With scripts it sends what its reader tries to this server.
"""

from __future__ import annotations

import re
from functools import lru_cache

from litestar import Response
from markupsafe import Markup, escape

from licet.access.roles import ANYBODY
from licet.consent.catalogue import catalogue
from licet.web import static_files
from licet.web.api import reference
from licet.web.pages import shared as shell
from licet.web.pages.shared import AnyRequest, get_page


@get_page("/docs", may=ANYBODY)
def api_reference(request: AnyRequest) -> Response[bytes]:
    """The API by operation: callers, parameters, responses and an example."""
    packed = static_files.accepts_gzip(request.headers.get("accept-encoding", ""))
    html = _page(request.app.state.openapi())
    headers = {"cache-control": "no-store", "vary": "accept-encoding"}
    if not packed:
        return Response(html, media_type="text/html; charset=utf-8", headers=headers)
    return Response(
        _packed(html),
        media_type="text/html; charset=utf-8",
        headers={**headers, "content-encoding": "gzip"},
    )


def _marked(text: str) -> Markup:
    """A sentence with its backticked names as code."""
    # it was escaped
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704


@lru_cache(maxsize=1)
def _packed(html: bytes) -> bytes:
    return shell.compress_page(html)


@lru_cache(maxsize=1)
def _page(description: bytes) -> bytes:
    return shell.render(
        "api_reference.html",
        catalogue(),
        title="The API of Licet",
        md=_marked,
        tags=reference.shown(reference.read(description)),
    ).encode()


ROUTES = [api_reference]
