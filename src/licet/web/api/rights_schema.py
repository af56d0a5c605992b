"""The types of requests and responses about people's rights, as those of `web.api.schema`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from licet import wire
from licet.consent.deadlines import RightKind
from licet.consent.rights_requests import SeenRequest
from licet.policy.regions import REGION
from licet.service.request_verbs import Written
from licet.web.api.schema import _Answer
from licet.web.api.schema import _In as RequestBody


class NewRegion(RequestBody, frozen=True, kw_only=True):
    """``region`` is a country as ISO 3166-1 alpha-2, or a part of one as ISO 3166-2; null: not
    known.
    """

    region: Annotated[str, Meta(pattern=f"^{REGION.pattern}$", examples=["DE", "US-CA"])] | None


class NewRequest(RequestBody, frozen=True, kw_only=True):
    """A request of a person; ``words`` are theirs, sealed, and may be left out."""

    kind: RightKind
    words: Written = ""


class NewReply(RequestBody, frozen=True, kw_only=True):
    words: Written


class RightAnswer(_Answer, wire.RightTime, frozen=True, kw_only=True):
    kind: RightKind


class RightsAnswer(_Answer, wire.RightTimes, frozen=True, kw_only=True):
    rights: tuple[RightAnswer, ...]


class RequestPage(_Answer, wire.SentRequests, frozen=True, kw_only=True):
    items: tuple[SeenRequest, ...]
