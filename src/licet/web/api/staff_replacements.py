"""Replaced names of a release, for staff: each as it was said beside what stands in its place, and
marks of what was no name.

Every row that is opened is on record, and its person sees that: opening has no `Idempotency-Key`,
because a second answer with content is a second reading.
"""

from __future__ import annotations

from litestar import post
from litestar.params import JSONBody

from licet.service import replacements
from licet.web.api import shared as shell
from licet.web.api import staff_schema as schema
from licet.web.api.references import site_of
from licet.web.api.shared import AnyRequest
from licet.web.api.staff_review import (
    ACTS,
    READS,
    TAG,
    known_release,
    member,
    release_folder,
)
from licet.web.api.verb_routes import ReleaseRef


@post(
    "/v1/releases/{release:str}/replacements", may=READS, responses=ACTS, status_code=200, tags=TAG
)
async def read_replacements(
    request: AnyRequest, release: ReleaseRef, data: JSONBody[schema.ReadReplacements]
) -> schema.ReplacementsOpened:
    """Opens rows drawn at random from those in which a name was replaced, before beside after. Each
    reading is on record, and its person sees it.
    """
    site, reader, named = site_of(request), member(request), shell.uuid_of(release)

    def read() -> schema.ReplacementsOpened:
        found = replacements.read(
            site.here, release_folder(site, known_release(site, named)), reader, data.rows
        )
        return schema.ReplacementsOpened(
            rows=found.rows,
            differ=found.differ,
            places=tuple(
                schema.ReplacementOpened(
                    row=one.row,
                    place=one.place,
                    kind=one.kind,
                    said=_text(one.said),
                    leaves=_text(one.leaves),
                    no_name=one.no_name,
                )
                for one in found.places
            ),
        )

    return await site.calling(read)


def _text(around: tuple[str, str, str]) -> schema.PlaceText:
    before, name, behind = around
    return schema.PlaceText(before=before, name=name, behind=behind)


ROUTES = [read_replacements]
