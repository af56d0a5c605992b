"""The types of requests and responses about people's rights, as those of `web.api.schema`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from licet import wire
from licet.consent.deadlines import RightKind
from licet.consent.rights_requests import WORDS_CHARACTERS_MAX, SeenRequest, StaffAct
from licet.policy.regions import REGION
from licet.web.api.schema import Ref, Short, _Answer
from licet.web.api.schema import _In as RequestBody

Written = Annotated[
    str, Meta(max_length=WORDS_CHARACTERS_MAX, description="What somebody writes; it is sealed.")
]


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


class NewEnteredRequest(RequestBody, frozen=True, kw_only=True):
    """A request that reached staff another way. ``identity`` says how its sender was identified;
    both texts are sealed.

    ``account`` is left out for somebody who has none here; the account's own region goes before
    ``region``. ``received_at`` is when it came, by default now.
    """

    kind: RightKind
    words: Written
    identity: Written
    account: Ref | None = None
    region: Annotated[str, Meta(pattern=f"^{REGION.pattern}$", examples=["DE", "US-CA"])] | None = (
        None
    )
    received_at: datetime | None = None


class NewRequestAct(RequestBody, frozen=True, kw_only=True):
    """A step of staff's. ``reason`` is a word of the list of a pause (`identity`, `clarification`),
    an extension (`complexity`, `number`) or a refusal; ``words`` reach the person.
    """

    act: StaffAct
    reason: Short = ""
    words: Written = ""


class RightAnswer(_Answer, wire.RightTime, frozen=True, kw_only=True):
    kind: RightKind


class RightsAnswer(_Answer, wire.RightTimes, frozen=True, kw_only=True):
    rights: tuple[RightAnswer, ...]


class RequestPage(_Answer, wire.SentRequests, frozen=True, kw_only=True):
    items: tuple[SeenRequest, ...]
