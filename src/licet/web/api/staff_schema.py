"""What staff send and are answered over the API about keys, staff, releases, their review, and
models.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from licet.release.measurement import MeasurementStatement
from licet.service.model_view import ConsumedShare
from licet.service.release_verbs import ModelAnswer, ReplacementCounts
from licet.service.staff_verb import VerbAnswer, VerbBody
from licet.train.canary_register import RecordedAudit
from licet.train.lineage import Affected, LearntModel
from licet.train.model_registry import RecordedModel

# Releases and their review


class ReleaseAnswer(VerbAnswer, frozen=True, kw_only=True):
    """A release: `building` until it is `sealed`."""

    id: str
    name: str
    purpose: str
    state: str
    version: int
    begun_at: datetime
    sealed_at: datetime | None
    rows: int | None
    turns: int | None
    manifest_sha256: str | None


class ReleaseAnswers(VerbAnswer, frozen=True, kw_only=True):
    items: tuple[ReleaseAnswer, ...]


class FunnelStepAnswer(VerbAnswer, frozen=True, kw_only=True):
    """The turns left out for one reason, and the candidate turns that remained after it."""

    reason: str
    out: int
    left: int


class ReleaseHolder(VerbAnswer, frozen=True, kw_only=True):
    """A recipient of a release: by a handout, by an export in clear, or by leased keys."""

    recipient: str
    how: str
    since: datetime


class ReleaseWhole(VerbAnswer, frozen=True, kw_only=True):
    """A sealed release: ``usable`` of its rows may be used now, ``measurement`` is the newest of
    what curation costs a model.
    """

    release: ReleaseAnswer
    candidates: int
    included: int
    funnel: tuple[FunnelStepAnswer, ...]
    usable: int
    looked_for_names: bool
    recipients: tuple[ReleaseHolder, ...]
    models: tuple[RecordedModel, ...]
    measurement: MeasurementStatement | None
    replacements: ReplacementCounts


class ReviewedMessage(VerbAnswer, frozen=True, kw_only=True):
    role: str
    content: str


class RowOpened(VerbAnswer, frozen=True, kw_only=True):
    """An opened row; ``row`` is null if none is left to read."""

    row: int | None
    left: int
    drawn: int
    messages: tuple[ReviewedMessage, ...]


class ReadSlice(VerbBody, frozen=True, kw_only=True):
    """Rows by their labels, and how many of them; or one row by its number."""

    where: Annotated[str, Meta(max_length=4_096)] = ""
    rows: Annotated[int, Meta(ge=1, le=50)] = 5
    row: Annotated[int, Meta(ge=0)] | None = None


class SliceRowOpened(VerbAnswer, frozen=True, kw_only=True):
    row: int
    split: str
    language: str
    topic: str
    messages: tuple[ReviewedMessage, ...]


class SliceOpened(VerbAnswer, frozen=True, kw_only=True):
    """``matching`` of the ``scanned`` rows are in the slice; ``rows`` of these were drawn and
    opened.
    """

    scanned: int
    matching: int
    rows: tuple[SliceRowOpened, ...]


class ReadReplacements(VerbBody, frozen=True, kw_only=True):
    rows: Annotated[int, Meta(ge=1, le=20)] = 5


class PlaceText(VerbAnswer, frozen=True, kw_only=True):
    """A name, with a few words before and after it."""

    before: str
    name: str
    behind: str


class ReplacementOpened(VerbAnswer, frozen=True, kw_only=True):
    """One replaced place: ``said`` is the original text, ``leaves`` the release's."""

    row: int
    place: int
    kind: str
    said: PlaceText
    leaves: PlaceText
    no_name: bool


class ReplacementsOpened(VerbAnswer, frozen=True, kw_only=True):
    """The ``places`` of ``rows`` rows; ``differ`` more rows were drawn, but would be curated
    differently now.
    """

    rows: int
    differ: int
    places: tuple[ReplacementOpened, ...]


# Models


class ModelAnswers(VerbAnswer, frozen=True, kw_only=True):
    items: tuple[ModelAnswer, ...]


class ModelWhole(VerbAnswer, frozen=True, kw_only=True):
    """A model with its run and its canary audits, the newest first."""

    model: RecordedModel
    affected: Affected | None
    release_id: str
    run: ConsumedShare
    audits: tuple[RecordedAudit, ...]


class LearntModels(VerbAnswer, frozen=True, kw_only=True):
    items: tuple[LearntModel, ...]
