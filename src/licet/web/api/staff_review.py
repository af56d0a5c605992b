"""Releases for staff: who has rows, what differs from another, and how the review stands
(`service.review_verbs` has what is done in it).
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get
from litestar.params import PathParameter

from licet.access.roles import TEAM, may
from licet.release import catalog, measurement, registry, shown_replacements, signatures
from licet.release.diff import ReleaseDiff
from licet.release.registry import Release
from licet.service import release_view
from licet.service.review_verbs import (
    ReplacementCounts,
    ReviewAnswer,
    find_folder,
    folder_of,
    review_answer,
)
from licet.store.connect import transaction
from licet.web.api import shared as shell
from licet.web.api import staff_schema as schema
from licet.web.api.references import site_of
from licet.web.api.shared import AnyRequest
from licet.web.api.verb_routes import ReleaseRef
from licet.web.site import Site

EVERY = may(staff=TEAM)
TAG = ["releases"]

OtherRef = Annotated[
    str, PathParameter(description="The id of the older release.", min_length=1, max_length=64)
]


@get("/v1/releases", may=EVERY, responses=shell.refusals(), tags=TAG)
async def list_releases(request: AnyRequest) -> schema.ReleaseAnswers:
    """Every release, the newest first."""
    site = site_of(request)
    found = await site.calling(lambda: catalog.list_releases(site.installation))
    return schema.ReleaseAnswers(items=tuple(map(_release, reversed(found))))


@get("/v1/releases/{release:str}", may=EVERY, responses=shell.refusals(404), tags=TAG)
async def get_release(request: AnyRequest, release: ReleaseRef) -> schema.ReleaseWhole:
    """A sealed release: how candidates became rows, how many rows are usable now, its recipients,
    and the models trained on it.
    """
    site, named = site_of(request), shell.uuid_of(release)

    def read() -> schema.ReleaseWhole:
        known = known_release(site, named)
        find_folder(site.installation, known)
        seen = release_view.view(site.installation, known)
        with transaction(site.installation.pool) as tx:
            measured = measurement.newest(tx, known.release_id)
            marked = shown_replacements.counts(tx, known.release_id)
        return schema.ReleaseWhole(
            release=_release(known),
            candidates=seen.candidates,
            included=seen.included,
            usable=seen.usable,
            funnel=tuple(
                schema.FunnelStepAnswer(reason=one.reason, out=one.out, left=one.left)
                for one in seen.funnel
            ),
            looked_for_names=seen.looked_for_names,
            models=seen.models,
            measurement=measured.statement if measured else None,
            replacements=ReplacementCounts.from_marks(marked),
            recipients=(
                *(
                    schema.ReleaseHolder(
                        recipient=one.recipient, how="handout", since=one.handed_at
                    )
                    for one in seen.handouts
                ),
                *(
                    schema.ReleaseHolder(recipient=one.recipient, how="export", since=one.made_at)
                    for one in seen.exports
                ),
                *(
                    schema.ReleaseHolder(recipient=one.recipient, how="leases", since=one.newest_at)
                    for one in seen.leases
                ),
            ),
        )

    return await site.calling(read)


@get(
    "/v1/releases/{release:str}/against/{other:str}",
    may=EVERY,
    responses=shell.refusals(404),
    tags=TAG,
)
async def diff_release(request: AnyRequest, release: ReleaseRef, other: OtherRef) -> ReleaseDiff:
    """The differences of a release from an older one: settings, counts, and rows by reason."""
    site, named, than = site_of(request), shell.uuid_of(release), shell.uuid_of(other)

    def read() -> ReleaseDiff:
        new, old = (
            find_folder(site.installation, known_release(site, one)) for one in (named, than)
        )
        return catalog.diff_releases(site.installation, old, new)

    return await site.calling(read)


# The review


@get("/v1/releases/{release:str}/review", may=EVERY, responses=shell.refusals(404), tags=TAG)
async def get_review(request: AnyRequest, release: ReleaseRef) -> ReviewAnswer:
    """The state of a release's review: its open sample, the newest statement, and its
    signatures.
    """
    site = site_of(request)
    return await site.calling(
        lambda: review_answer(
            signatures.get_standing(site.installation, folder_of(site.installation, release))
        )
    )


def known_release(site: Site, named: UUID) -> Release:
    """The release with our id; NotFoundError for none."""
    with transaction(site.installation.pool) as tx:
        return registry.get(tx, named)


def _release(release: Release) -> schema.ReleaseAnswer:
    sha256 = release.manifest_sha256.hex() if release.manifest_sha256 is not None else None
    values = {**msgspec.structs.asdict(release), "id": release.release_id.hex}
    return msgspec.convert({**values, "manifest_sha256": sha256}, schema.ReleaseAnswer)


ROUTES = [list_releases, get_release, diff_release, get_review]
