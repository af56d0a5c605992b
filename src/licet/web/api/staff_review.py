"""Releases and their review, for staff: who has rows, what differs from another, the sample that
people read, and replaced names, each original beside its replacement.

Every row that is opened is on record, and its person sees that: opening has no `Idempotency-Key`,
because a second answer with content is a second reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.params import JSONBody, PathParameter

from licet.access.roles import TEAM, Staff, StaffRole, may
from licet.release import catalog, measurement, registry, shown_replacements, signatures
from licet.release.diff import ReleaseDiff
from licet.release.registry import Release
from licet.release.rows import MessageShape
from licet.release.signatures import StaffMember
from licet.service import release_view, replacements, slice_sample
from licet.service.release_verbs import (
    OpenRow,
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
from licet.web.api.shared import AnyRequest, member_of
from licet.web.api.verb_routes import ReleaseRef
from licet.web.site import Site

EVERY = may(staff=TEAM)
READS = may(staff=(StaffRole.privacy_officer, StaffRole.reviewer))
TAG = ["releases"]
ACTS = shell.refusals(404, 409, 413, 422)

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


@post(
    "/v1/releases/{release:str}/review/rows", may=READS, responses=ACTS, status_code=200, tags=TAG
)
async def open_row(
    request: AnyRequest, release: ReleaseRef, data: JSONBody[OpenRow]
) -> schema.RowOpened:
    """Opens the next row of the open sample. The reading is recorded, and its person sees it."""
    site, reader, named = site_of(request), member(request), shell.uuid_of(release)

    def read() -> schema.RowOpened:
        folder = find_folder(site.installation, known_release(site, named))
        found = signatures.read_next(site.installation, folder, reader, second=data.second)
        if found is None:
            return schema.RowOpened(row=None, left=0, drawn=0, messages=())
        return schema.RowOpened(
            row=found.ordinal,
            left=found.left,
            drawn=found.drawn,
            messages=_messages(found.messages),
        )

    return await site.calling(read)


@post("/v1/releases/{release:str}/slice", may=READS, responses=ACTS, status_code=200, tags=TAG)
async def read_slice(
    request: AnyRequest, release: ReleaseRef, data: JSONBody[schema.ReadSlice]
) -> schema.SliceOpened:
    """Opens rows drawn at random from those whose labels match, or the row with a number. Each
    reading is recorded, and its person sees it.
    """
    site, reader, named = site_of(request), member(request), shell.uuid_of(release)

    def read() -> schema.SliceOpened:
        folder = find_folder(site.installation, known_release(site, named))
        if data.row is not None:
            found = slice_sample.read_rows(site.installation, folder, reader, [data.row])
        else:
            found = slice_sample.read_slice(
                site.installation, folder, reader, data.where, data.rows
            )
        return schema.SliceOpened(
            scanned=found.scanned,
            matching=found.matching,
            rows=tuple(
                schema.SliceRowOpened(
                    row=one.ordinal,
                    split=one.split,
                    language=one.language,
                    topic=one.topic,
                    messages=_messages(one.messages),
                )
                for one in found.rows
            ),
        )

    return await site.calling(read)


@post(
    "/v1/releases/{release:str}/replacements", may=READS, responses=ACTS, status_code=200, tags=TAG
)
async def read_replacements(
    request: AnyRequest, release: ReleaseRef, data: JSONBody[schema.ReadReplacements]
) -> schema.ReplacementsOpened:
    """Opens rows drawn at random from those with a replaced name, with the original beside the
    replacement. Each reading is recorded, and its person sees it.
    """
    site, reader, named = site_of(request), member(request), shell.uuid_of(release)

    def read() -> schema.ReplacementsOpened:
        found = replacements.read_replacements(
            site.installation,
            find_folder(site.installation, known_release(site, named)),
            reader,
            data.rows,
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


def _messages(messages: Sequence[MessageShape]) -> tuple[schema.ReviewedMessage, ...]:
    return tuple(
        schema.ReviewedMessage(role=one["role"], content=one["content"]) for one in messages
    )


def member(request: AnyRequest) -> StaffMember:
    """The acting member of staff."""
    caller = request.auth
    assert isinstance(caller, Staff)
    return member_of(caller)


def known_release(site: Site, named: UUID) -> Release:
    """The release with our id; NotFoundError for none."""
    with transaction(site.installation.pool) as tx:
        return registry.get(tx, named)


def _release(release: Release) -> schema.ReleaseAnswer:
    sha256 = release.manifest_sha256.hex() if release.manifest_sha256 is not None else None
    values = {**msgspec.structs.asdict(release), "id": release.release_id.hex}
    return msgspec.convert({**values, "manifest_sha256": sha256}, schema.ReleaseAnswer)


ROUTES = [
    list_releases,
    get_release,
    diff_release,
    get_review,
    open_row,
    read_slice,
    read_replacements,
]
