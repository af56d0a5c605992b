"""The papers that the law asks for, on the console: what was made, a button to make one, and files
to download.
"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response
from litestar.params import FromPath, URLEncodedBody

from licet.errors import NotFoundError, RefusedError
from licet.legal import papers
from licet.legal.paper import PaperKind, load_form
from licet.web.console import shared as shell
from licet.web.console.shared import HOLDS, OFFICE, RouteVisit, Visit
from licet.web.pages.shared import NO_FAULTS, Faults, get_page, post_page, seen_other

FORMATS = {"md": "markdown", "html": "html", "json": "json"}
TYPES = {
    "md": "text/markdown; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "json": "application/json",
}
SAID = {
    "made": "The paper is made and signed. The log takes its leaf next.",
    "again": "The same paper was there already: nothing was added.",
}


class PaperOrder(msgspec.Struct, frozen=True, kw_only=True):
    """The form: which paper."""

    kind: str = ""


@get_page("/console/documents", may=OFFICE)
def listing(visit: RouteVisit) -> Response[Any]:
    """The papers that were made, the newest first, with their files."""
    return _page(visit, flash=SAID.get(visit.query.get("flash", ""), ""))


@post_page("/console/documents", may=HOLDS)
def make(visit: RouteVisit, data: URLEncodedBody[PaperOrder]) -> Response[Any]:
    """Makes a paper at the end of the log."""
    if data.kind not in {kind.value for kind in PaperKind}:
        return _page(visit, faults=Faults((("kind", "make-kind", "Pick a paper."),)))
    try:
        made = papers.make(visit.installation, PaperKind(data.kind), actor=visit.staff.recorded_as)
    except RefusedError as error:
        return _page(visit, faults=Faults((("kind", "make-kind", shell.sentence(error.message)),)))
    return seen_other(f"/console/documents?flash={'again' if made.again else 'made'}")


@get_page("/console/documents/{sha256:str}/{form:str}", may=OFFICE)
def download(visit: RouteVisit, sha256: FromPath[str], form: FromPath[str]) -> Response[Any]:
    """A paper as a file."""
    if form not in FORMATS:
        raise NotFoundError(f"no form `{form}` of a paper", f"one of {', '.join(FORMATS)}")
    file = papers.render_stored(visit.installation, sha256, FORMATS[form])
    named = {
        "content-disposition": f'attachment; filename="paper-{sha256[:12]}.{form}"',
        "cache-control": "no-store",
    }
    return Response(file, media_type=TYPES[form], headers=named)


def _page(visit: Visit, *, flash: str = "", faults: Faults = NO_FAULTS) -> Response[Any]:
    return shell.page(
        "console_documents.html",
        visit,
        errors=faults,
        papers=papers.list_papers(visit.installation),
        kinds={kind.value: load_form(kind).title for kind in PaperKind},
        saved=flash,
        formats=tuple(FORMATS),
    )


ROUTES = (listing, make, download)
