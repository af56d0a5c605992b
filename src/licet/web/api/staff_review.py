"""Releases and their review, for staff: who has rows, what differs from another, and the sample
that people read.

Every row that is opened is on record, and its person sees that: opening has no `Idempotency-Key`,
because a second answer with content is a second reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from litestar import Response, get, post
from litestar.params import JSONBody, PathParameter

from licet.access.roles import Staff, StaffRole, may
from licet.errors import NotFoundError
from licet.release import catalog, homes, measurement, registry, shown_replacements, signatures
from licet.release.diff import ReleaseDiff
from licet.release.registry import Release
from licet.release.rows import MessageShape
from licet.release.signatures import ReleaseStanding, StaffMember
from licet.service import release_view, slice_sample
from licet.store.connect import transaction
from licet.web.api import shared as shell
from licet.web.api import staff_schema as schema
from licet.web.api.office import member_of
from licet.web.api.references import site_of
from licet.web.api.shared import Acted, AnyRequest, IdempotencyKey
from licet.web.site import Site

EVERY = may(staff=tuple(StaffRole))
DRAWS = may(staff=(StaffRole.privacy_officer, StaffRole.curator, StaffRole.reviewer))
READS = may(staff=(StaffRole.privacy_officer, StaffRole.reviewer))
SIGNS = may(staff=(StaffRole.owner, StaffRole.privacy_officer, StaffRole.curator))
TAG = ["releases"]
ACTS = shell.refusals(404, 409, 413, 422)

ReleaseRef = Annotated[
    str,
    PathParameter(
        description="The release's id, as its manifest has it.", min_length=1, max_length=64
    ),
]
OtherRef = Annotated[
    str, PathParameter(description="The id of the older release.", min_length=1, max_length=64)
]


@get("/v1/releases", may=EVERY, responses=shell.refusals(), tags=TAG)
async def list_releases(request: AnyRequest) -> schema.ReleaseAnswers:
    """Every release, the newest first."""
    site = site_of(request)
    found = await site.calling(lambda: catalog.releases(site.here))
    return schema.ReleaseAnswers(items=tuple(map(_release, reversed(found))))


@get("/v1/releases/{release:str}", may=EVERY, responses=shell.refusals(404), tags=TAG)
async def get_release(request: AnyRequest, release: ReleaseRef) -> schema.ReleaseWhole:
    """A sealed release: how candidates became rows, how many live now, who has them, and what
    learnt from them.
    """
    site, named = site_of(request), shell.uuid_of(release)

    def read() -> schema.ReleaseWhole:
        known = known_release(site, named)
        release_folder(site, known)
        seen = release_view.view(site.here, known)
        with transaction(site.here.pool) as tx:
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
            replacements=schema.ReplacementCounts.of(marked),
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
    """What a release has that an older one has not, and the reverse: settings, counts, and rows by
    reason.
    """
    site, named, than = site_of(request), shell.uuid_of(release), shell.uuid_of(other)

    def read() -> ReleaseDiff:
        new, old = (release_folder(site, known_release(site, one)) for one in (named, than))
        return catalog.diff_releases(site.here, old, new)

    return await site.calling(read)


# The review


@get("/v1/releases/{release:str}/review", may=EVERY, responses=shell.refusals(404), tags=TAG)
async def get_review(request: AnyRequest, release: ReleaseRef) -> schema.ReviewAnswer:
    """How the review of a release stands: its open sample, the newest statement, and who signed
    that.
    """
    site, named = site_of(request), shell.uuid_of(release)
    return await site.calling(lambda: _review(site, named))


@post(
    "/v1/releases/{release:str}/review/sample", may=DRAWS, responses=ACTS, status_code=200, tags=TAG
)
async def draw_sample(
    request: AnyRequest,
    release: ReleaseRef,
    data: JSONBody[schema.NewSample],
    idempotency_key: IdempotencyKey = None,
) -> Response[schema.ReviewAnswer]:
    """Draws a sample of a release; 409 while another one is open."""
    site, named = site_of(request), shell.uuid_of(release)

    def draw() -> Acted[schema.ReviewAnswer]:
        folder = release_folder(site, known_release(site, named))
        return Acted(
            _standing(signatures.draw(site.here, folder, chance=data.chance, by_risk=data.risk))
        )

    return await shell.acted(request, idempotency_key, draw, lambda _: _review(site, named))


@post(
    "/v1/releases/{release:str}/review/rows", may=READS, responses=ACTS, status_code=200, tags=TAG
)
async def open_row(
    request: AnyRequest, release: ReleaseRef, data: JSONBody[schema.OpenRow]
) -> schema.RowOpened:
    """Opens the next row of the open sample. The reading is on record, and its person sees it."""
    site, reader, named = site_of(request), member(request), shell.uuid_of(release)

    def read() -> schema.RowOpened:
        folder = release_folder(site, known_release(site, named))
        found = signatures.read_next(site.here, folder, reader, second=data.second)
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
    """Opens rows drawn at random from those whose labels match, or the one of a number. Each
    reading is on record, and its person sees it.
    """
    site, reader, named = site_of(request), member(request), shell.uuid_of(release)

    def read() -> schema.SliceOpened:
        folder = release_folder(site, known_release(site, named))
        if data.row is not None:
            found = slice_sample.read_numbered(site.here, folder, reader, [data.row])
        else:
            found = slice_sample.read(site.here, folder, reader, data.where, data.rows)
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
    "/v1/releases/{release:str}/review/findings",
    may=READS,
    responses=ACTS,
    status_code=200,
    tags=TAG,
)
async def give_finding(
    request: AnyRequest,
    release: ReleaseRef,
    data: JSONBody[schema.NewFinding],
    idempotency_key: IdempotencyKey = None,
) -> Response[schema.ReviewAnswer]:
    """Stores what the caller found in the row that they opened last; 409 for another row."""
    site, reader, named = site_of(request), member(request), shell.uuid_of(release)

    def found() -> Acted[schema.ReviewAnswer]:
        folder = release_folder(site, known_release(site, named))
        signatures.found(site.here, folder, reader, data.row, data.finding, second=data.second)
        return Acted(_review(site, named))

    return await shell.acted(request, idempotency_key, found, lambda _: _review(site, named))


@post(
    "/v1/releases/{release:str}/review/undo", may=READS, responses=ACTS, status_code=200, tags=TAG
)
async def undo_finding(
    request: AnyRequest,
    release: ReleaseRef,
    data: JSONBody[schema.OpenRow],
    idempotency_key: IdempotencyKey = None,
) -> Response[schema.FindingUndone]:
    """Takes the caller's newest finding back; its row is the next that they are given."""
    site, reader, named = site_of(request), member(request), shell.uuid_of(release)

    def undo() -> Acted[schema.FindingUndone]:
        row = signatures.undo(
            site.here, release_folder(site, known_release(site, named)), reader, second=data.second
        )
        return Acted(schema.FindingUndone(row=row), str(row))

    return await shell.acted(
        request, idempotency_key, undo, lambda made: schema.FindingUndone(row=int(made))
    )


@post(
    "/v1/releases/{release:str}/review/close", may=DRAWS, responses=ACTS, status_code=200, tags=TAG
)
async def close_review(
    request: AnyRequest, release: ReleaseRef, idempotency_key: IdempotencyKey = None
) -> Response[schema.ReviewAnswer]:
    """States what the sample found, signed, beside the manifest; 409 while a row has no finding."""
    site, named = site_of(request), shell.uuid_of(release)

    def close() -> Acted[schema.ReviewAnswer]:
        return Acted(
            _standing(signatures.close(site.here, release_folder(site, known_release(site, named))))
        )

    return await shell.acted(request, idempotency_key, close, lambda _: _review(site, named))


@post("/v1/releases/{release:str}/sign", may=SIGNS, responses=ACTS, status_code=200, tags=TAG)
async def sign_release(
    request: AnyRequest,
    release: ReleaseRef,
    data: JSONBody[schema.SignRelease],
    idempotency_key: IdempotencyKey = None,
) -> Response[schema.ReviewAnswer]:
    """Signs a release as it was reviewed, after every check; 409 where one fails or the caller has
    signed already.
    """
    site, signer, named = site_of(request), member(request), shell.uuid_of(release)

    def sign() -> Acted[schema.ReviewAnswer]:
        folder = release_folder(site, known_release(site, named))
        return Acted(_standing(signatures.sign(site.here, folder, signer, names_in=data.names_in)))

    return await shell.acted(request, idempotency_key, sign, lambda _: _review(site, named))


def _messages(said: Sequence[MessageShape]) -> tuple[schema.ReviewedMessage, ...]:
    return tuple(schema.ReviewedMessage(role=one["role"], content=one["content"]) for one in said)


def member(request: AnyRequest) -> StaffMember:
    """The acting member of staff."""
    caller = request.auth
    assert isinstance(caller, Staff)
    return member_of(caller)


def known_release(site: Site, named: UUID) -> Release:
    """The release with our id; NotFoundError for none."""
    with transaction(site.here.pool) as tx:
        return registry.get(tx, named)


def release_folder(site: Site, known: Release) -> str:
    """Our own copy of a sealed release; a name that was sent is never a path."""
    folder = homes.folder(site.here, known) if known.state == "sealed" else None
    if folder is None:
        raise NotFoundError(f"our own copy of release `{known.name}` is not here")
    return str(folder)


def _release(known: Release) -> schema.ReleaseAnswer:
    return schema.ReleaseAnswer(
        id=known.release_id.hex,
        name=known.name,
        purpose=known.purpose,
        state=known.state,
        version=known.version,
        begun_at=known.begun_at,
        sealed_at=known.sealed_at,
        rows=known.rows,
        turns=known.turns,
        manifest_sha256=known.manifest_sha256.hex() if known.manifest_sha256 is not None else None,
    )


def _review(site: Site, named: UUID) -> schema.ReviewAnswer:
    return _standing(
        signatures.standing(site.here, release_folder(site, known_release(site, named)))
    )


def _standing(seen: ReleaseStanding) -> schema.ReviewAnswer:
    sample = seen.sample
    return schema.ReviewAnswer(
        release=seen.release,
        rows=seen.rows,
        looked_for_names=seen.looked_for_names,
        rows_purged=seen.rows_purged,
        statement=seen.statement,
        statement_sha256=seen.statement_sha256,
        says=seen.says,
        signatures=seen.signatures,
        signatures_needed=seen.signatures_needed,
        second_identity=seen.second_identity,
        signed_off=seen.signed_off,
        sample=None
        if sample is None
        else schema.SampleAnswer(
            drawn=sample.drawn,
            done=sample.done,
            left=sample.left,
            bound=sample.bound,
            agreement=sample.agreement,
        ),
    )


ROUTES = [
    list_releases,
    get_release,
    diff_release,
    get_review,
    draw_sample,
    open_row,
    give_finding,
    undo_finding,
    close_review,
    sign_release,
    read_slice,
]
