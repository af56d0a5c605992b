"""The types of requests and responses about legal holds, as those of `web.api.schema`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from licet import wire
from licet.masked import Masked
from licet.service.oversight import HoldSeen
from licet.vault.commands import HoldReason, Outcome
from licet.vault.hold_coverage import HoldCoverage
from licet.vault.holds import MATTER_CHARACTERS_MAX
from licet.web.api.schema import _In as RequestBody
from licet.web.api.schema import _Out as AnswerBody

Matter = Annotated[
    str, Meta(min_length=1, max_length=MATTER_CHARACTERS_MAX, description="What a hold is for.")
]


class NewHold(RequestBody, frozen=True, kw_only=True):
    """``matter`` is its purpose in your own words, encrypted; the same words end the hold.
    ``told``: the person may see it.

    ``review_at`` is the day on which to review the hold, by default after 180 days. The hold does
    not end on it.
    """

    matter: Matter
    reason: HoldReason
    review_at: datetime | None = None
    told: bool = True


class HeldAnswer(Masked, wire.Done, frozen=True, kw_only=True):
    """A hold that stands: ``done``, or ``unchanged`` with ``because`` `held_already`; ``coverage``
    says what it keeps.

    A conversation of which nothing could be held is refused (409, `expired`), and no hold is
    placed.
    """

    outcome: Outcome
    conversation: str
    because: str
    review_at: datetime
    coverage: HoldCoverage


class EndHold(RequestBody, frozen=True, kw_only=True):
    matter: Matter


class Holds(AnswerBody, frozen=True, kw_only=True):
    """The newest holds; ``total`` also counts those that are not in ``items``."""

    items: tuple[HoldSeen, ...]
    total: int
