"""The components, each in every state, for anybody: what a product team looks at before it embeds
them.

No account is behind it and nothing is sent: the components show recorded fragments of an invented
person. A test makes the fragments anew from the pages and compares them.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from litestar import Response, get
from markupsafe import Markup

from licet.access.roles import ANYBODY
from licet.consent.catalogue import catalogue
from licet.consent.language_tags import ENGLISH
from licet.web import static_files
from licet.web.pages import shared as shell
from licet.web.pages.shared import AnyRequest

FRAGMENTS = (
    "notice",
    "put_off",
    "answered",
    "nothing",
    "settings",
    "data",
    "badge",
    "receipt",
    "refused",
)


@get("/elements", may=ANYBODY, sync_to_thread=False)
def elements(request: AnyRequest) -> Response[str]:
    """The components in every state, with recorded fragments, without an account."""
    headers = {"cache-control": "no-store", "vary": "accept-encoding"}
    if static_files.accepts_gzip(request.headers.get("accept-encoding", "")):
        made: type[Response[str]] = shell.GzippedPage
        headers["content-encoding"] = "gzip"
    else:
        made = Response
    return made(_page(), media_type="text/html", headers=headers)


@cache
def _page() -> str:
    """A page for developers, in English, like the console."""
    return shell.render(
        "elements.html",
        catalogue(ENGLISH),
        title="Licet’s components",
        fragments={name: fragment(name) for name in FRAGMENTS},
    )


def fragment(name: str) -> Markup:
    """A recorded fragment."""
    return Markup((files("licet.web") / "examples" / f"{name}.html").read_text("utf-8"))  # noqa: S704 a file of ours
