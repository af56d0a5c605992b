"""The papers that the law asks for, on the console: what was made, a button to make one, and files
to download.
"""

from __future__ import annotations

from typing import Any

from litestar import Response
from litestar.params import FromPath

from licet.errors import LicetError, NotFoundError, RefusedError, UsageError
from licet.legal import papers
from licet.legal.paper import PaperKind, load_form
from licet.legal.papers import MadePaper
from licet.service.paper_verbs import MAKE
from licet.service.staff_verb import AnyCall
from licet.web.console import shared as shell
from licet.web.console import verb_forms as forms
from licet.web.console.shared import OFFICE, RouteVisit, Visit
from licet.web.pages.shared import NO_FAULTS, Faults, get_page, seen_other

FORMATS = {"md": "markdown", "html": "html", "json": "json"}
TYPES = {
    "md": "text/markdown; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "json": "application/json",
}
AGAIN = "The same paper exists already. Nothing was added."


@get_page("/console/documents", may=OFFICE)
def listing(visit: RouteVisit) -> Response[Any]:
    """The documents made so far, newest first, with their files."""
    return _page(visit)


def _made(_: Visit, __: AnyCall, made: MadePaper) -> Response[Any]:
    return seen_other(f"/console/documents?flash={'again' if made.again else MAKE.name}")


def _not_made(visit: Visit, _: str, __: object, error: LicetError) -> Response[Any]:
    if not isinstance(error, RefusedError | UsageError):
        raise error
    text = shell.sentence(error.message) if isinstance(error, RefusedError) else "Pick a paper."
    return _page(visit, faults=Faults((("kind", "make-kind", text),)))


@get_page("/console/documents/{sha256:str}/{form:str}", may=OFFICE)
def download(visit: RouteVisit, sha256: FromPath[str], form: FromPath[str]) -> Response[Any]:
    """A paper as a file."""
    if form not in FORMATS:
        raise NotFoundError(f"no form `{form}` of a paper", f"one of {', '.join(FORMATS)}")
    file = papers.render(visit.installation, sha256, FORMATS[form])
    named = {
        "content-disposition": f'attachment; filename="paper-{sha256[:12]}.{form}"',
        "cache-control": "no-store",
    }
    return Response(file, media_type=TYPES[form], headers=named)


def _page(visit: Visit, *, faults: Faults = NO_FAULTS) -> Response[Any]:
    again: dict[str, Any] = {"saved": AGAIN} if visit.query.get("flash") == "again" else {}
    return shell.page(
        "console_documents.html",
        visit,
        errors=faults,
        papers=papers.list_papers(visit.installation),
        kinds={kind.value: load_form(kind).title for kind in PaperKind},
        **again,
        formats=tuple(FORMATS),
    )


ROUTES = (listing, forms.form_of(MAKE, _made, _not_made), download)
