"""Replaced names of a release in the console: each as it was said beside what stands in its place.

    /console/releases/ID/replacements        opens rows, recorded
    /console/releases/ID/replacements/marks  stores which of the places that were shown were no name

Content is shown only in the response to a form, as everywhere in the console, and cannot be loaded
again.
"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response, post
from litestar.params import FromPath, URLEncodedBody

from licet.errors import UsageError
from licet.release.shown_replacements import PlaceRef
from licet.service import replacements
from licet.web.api.office import member_of
from licet.web.console import shared as shell
from licet.web.console.review import (
    SECTION,
    release_count,
    release_folder,
    release_path,
    release_shown,
)
from licet.web.console.shared import READS
from licet.web.console.tables import Fields, chosen_of
from licet.web.pages.shared import AnyRequest, seen_other


class ReplacementsForm(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows to open."""

    rows: str = str(replacements.ROWS)


@post(
    "/console/releases/{release:str}/replacements",
    may=READS,
    sync_to_thread=True,
    include_in_schema=False,
)
def read(
    request: AnyRequest, release: FromPath[str], data: URLEncodedBody[ReplacementsForm]
) -> Response[Any]:
    """Opens rows drawn from those in which a name was replaced. Each reading is recorded, and its
    person sees it.
    """
    visit = shell.opened(request)
    known = release_shown(visit, release)
    found = replacements.read(
        visit.here, release_folder(visit, known), member_of(visit.staff), release_count(data.rows)
    )
    values = {"release": known, "read": found, "wanted": data}
    title = f"Replaced names of {known.name}"
    return shell.page(
        "console_replacements.html", visit, title=title, section=SECTION, values=values
    )


@post(
    "/console/releases/{release:str}/replacements/marks",
    may=READS,
    sync_to_thread=True,
    include_in_schema=False,
)
def marks(request: AnyRequest, release: FromPath[str], data: Fields) -> Response[Any]:
    """Stores which of the places that the reader was shown were no name; they are counted, and
    teach nothing.
    """
    visit = shell.opened(request)
    known = release_shown(visit, release)
    folder, reader = release_folder(visit, known), member_of(visit.staff)
    for ref in map(_place_ref, chosen_of(data)):
        replacements.mark(visit.here, folder, reader, ref)
    return seen_other(f"{release_path(known)}#replacements")


def _place_ref(chosen: str) -> PlaceRef:
    row, _, place = chosen.partition(".")
    if not place:
        raise UsageError(f"`{chosen[:20]}` is not a place of a row")
    return PlaceRef(release_count(row), release_count(place))


ROUTES = (read, marks)
