"""What staff send and are answered over the API about keys, staff, releases, their review, and
models.
"""

from __future__ import annotations

from datetime import datetime

from licet.release.measurement import MeasurementStatement
from licet.service.model_view import ConsumedShare
from licet.service.release_verbs import ModelAnswer
from licet.service.review_verbs import ReplacementCounts
from licet.service.staff_verb import VerbAnswer
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
