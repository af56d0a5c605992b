"""The papers that the law asks for, for staff: listed, and handed out as files."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from litestar import Response, get
from litestar.params import PathParameter, QueryParameter

from licet.access.roles import OFFICE, may
from licet.legal import papers
from licet.web.api import schema
from licet.web.api import shared as shell
from licet.web.api.references import site_of
from licet.web.api.shared import AnyRequest

SEES = may(staff=OFFICE)
TAG = ["staff"]
PaperFormat: TypeAlias = Literal["json", "markdown", "html"]
TYPES: dict[PaperFormat, str] = {
    "json": "application/json",
    "markdown": "text/markdown",
    "html": "text/html",
}

DocumentRef = Annotated[
    str,
    PathParameter(
        description="The SHA-256 of the paper, in hexadecimal.", min_length=64, max_length=64
    ),
]
AsFormat = Annotated[
    PaperFormat,
    QueryParameter(
        name="format", description="The signed file (json), or a text to read (markdown, html)."
    ),
]


@get("/v1/documents", may=SEES, responses=shell.refusals(), tags=TAG)
async def list_documents(request: AnyRequest) -> schema.Documents:
    """The legal documents made so far, newest first, at most a thousand."""
    site = site_of(request)
    return schema.Documents(
        items=tuple(await site.calling(lambda: papers.list_papers(site.installation)))
    )


@get(
    "/v1/documents/{sha256:str}",
    may=SEES,
    responses=shell.refusals(404),
    tags=TAG,
    media_type="application/json",
)
async def get_document(
    request: AnyRequest, sha256: DocumentRef, form: AsFormat = "json"
) -> Response[bytes]:
    """A document as a file: signed, with its proof once the log has it, or to read."""
    site = site_of(request)
    file = await site.calling(lambda: papers.render(site.installation, sha256, form))
    return Response(file, media_type=TYPES[form])


ROUTES = [list_documents, get_document]
