"""Row keys and withdrawn rows for training runs: only for services with the scope `release:lease`,
each for the recipient and the releases to which its key is bound.

Clients poll the withdrawn rows. Their `ETag` is a sequence number: with `If-None-Match`, a 304 says
that nothing is new, and its header `licet-head` has a signed statement of that and of how long it
is valid, in Base64. A 200 has the whole file. The header `licet-log-key` has the public key that
verifies the addenda of purges, in Base64.
"""

from __future__ import annotations

import base64
from typing import Annotated

from litestar import Response, get, post
from litestar.params import HeaderParameter, JSONBody

from licet.access.roles import Scope, Service, may
from licet.release.reader import RatedMessage
from licet.train import gate_files
from licet.train.gate_files import LeaseHolder, LeaseRequest, Publisher
from licet.train.remote import HEAD_HEADER, LOG_KEY_HEADER
from licet.web.api import schema
from licet.web.api import shared as shell
from licet.web.api.references import site_of
from licet.web.api.shared import AnyRequest, id_parameter

TAG = ["releases"]
MAY = may(scope=Scope.release_lease)
MEDIA_TYPE = "application/octet-stream"

ReleaseRef = Annotated[str, id_parameter("The release's id, 32 hexadecimal digits.")]
IfNoneMatch = Annotated[
    str | None,
    HeaderParameter(
        name="If-None-Match", max_length=64, required=False, description="The `ETag` that is known."
    ),
]


def publisher_of(request: AnyRequest) -> Publisher:
    """The publisher of this process, created on first use. Two at once would differ only in their
    caches.
    """
    state = request.app.state
    if "publisher" not in state:
        state.publisher = Publisher(site_of(request).installation)
    made: Publisher = state.publisher
    return made


@get(
    "/v1/releases/{release:str}/withdrawn",
    may=MAY,
    responses=shell.READS,
    tags=TAG,
    media_type=MEDIA_TYPE,
)
async def get_withdrawn(
    request: AnyRequest, release: ReleaseRef, known: IfNoneMatch = None
) -> Response[bytes]:
    """The withdrawn rows of a release, as one signed file; 304 and a new head if nothing is new."""
    named, site = shell.uuid_of(release), site_of(request)
    await site.calling(
        lambda: gate_files.sealed_for_holder(site.installation, named, _holder(request))
    )
    publisher = await site.calling(lambda: publisher_of(request))
    made = await site.calling(lambda: publisher.publish(named))
    tag = f'"{made.number}"'
    headers = {
        "etag": tag,
        HEAD_HEADER: base64.b64encode(made.signed).decode(),
        LOG_KEY_HEADER: base64.b64encode(publisher.log_key).decode(),
    }
    if known == tag:
        return Response(b"", status_code=304, headers=headers, media_type=MEDIA_TYPE)
    return Response(made.file, headers=headers, media_type=MEDIA_TYPE)


@post(
    "/v1/releases/{release:str}/leases", may=MAY, responses=shell.refusals(404, 409, 413), tags=TAG
)
async def lease_rows(
    request: AnyRequest, release: ReleaseRef, data: JSONBody[schema.NewLease]
) -> schema.LeaseAnswer:
    """The keys of the rows of one part that may be used now. Each lease is recorded, with its
    recipient.

    The key must be bound to this recipient and this release, and the policy in force must name the
    recipient.
    """
    site, holder = site_of(request), _holder(request)
    asked = LeaseRequest(
        release_id=shell.uuid_of(release),
        part=data.part,
        recipient=data.recipient,
        ordinals=data.ordinals,
        seconds=data.seconds,
    )
    given = await site.calling(lambda: gate_files.lease_keys(site.installation, asked, holder))
    return schema.LeaseAnswer(
        id=given.lease_id.hex,
        release=asked.release_id.hex,
        part=asked.part,
        expires=given.expires,
        seconds=given.seconds,
        manifest_sha256=given.manifest_sha256,
        ordinals=given.ordinals,
        keys=base64.b64encode(given.keys).decode(),
        ratings={ordinal: tuple(map(_rated, some)) for ordinal, some in given.ratings.items()},
    )


def _holder(request: AnyRequest) -> LeaseHolder:
    """The recipient to whom the caller's key is bound."""
    caller = request.auth
    assert isinstance(caller, Service)
    bound = caller.bound
    return LeaseHolder(
        key_id=caller.key_id, recipient=bound.recipient, own=bound.own, releases=bound.releases
    )


def _rated(message: RatedMessage) -> schema.RatedAnswer:
    return schema.RatedAnswer(
        message=message.message, rating=message.rating, check=message.check, score=message.score
    )


ROUTES = [get_withdrawn, lease_rows]
