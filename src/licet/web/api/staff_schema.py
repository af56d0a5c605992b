"""What staff send and are answered over the API about keys, staff, releases, their review, and
models.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from licet.masked import Masked
from licet.release.measurement import MeasurementStatement
from licet.release.review import LeakBound, ReviewFinding, ReviewStatement
from licet.release.sample import ReviewSignature
from licet.release.shown_replacements import MarkCounts
from licet.release.signatures import Agreement
from licet.service.model_view import ConsumedShare
from licet.train.canary_register import AuditResult, RecordedAudit
from licet.train.lineage import Affected, LearntModel
from licet.train.model_registry import RecordedModel


class _Sent(Masked, msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request body. Unknown keys are rejected, because a misspelt one would otherwise be
    ignored.
    """


class _Answer(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A response body."""


# Releases and their review


class ReleaseAnswer(_Answer, frozen=True, kw_only=True):
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


class ReleaseAnswers(_Answer, frozen=True, kw_only=True):
    items: tuple[ReleaseAnswer, ...]


class FunnelStepAnswer(_Answer, frozen=True, kw_only=True):
    """What was left out for one reason, and how many candidates were still in after it. Both count
    turns.
    """

    reason: str
    out: int
    left: int


class ReleaseHolder(_Answer, frozen=True, kw_only=True):
    """Somebody who has rows of a release: by a handout, by an export in clear, or by keys that are
    leased.
    """

    recipient: str
    how: str
    since: datetime


class ReplacementKindCounts(_Answer, frozen=True, kw_only=True):
    shown: int
    no_name: int


class ReplacementCounts(_Answer, frozen=True, kw_only=True):
    """Replaced names of a release that readers were shown beside the text before, and those they
    marked as no name.
    """

    shown: int
    no_name: int
    kinds: Mapping[str, ReplacementKindCounts]

    @classmethod
    def of(cls, found: Mapping[str, MarkCounts]) -> ReplacementCounts:
        """The counts by kind, and together."""
        kinds = {
            kind: ReplacementKindCounts(shown=one.shown, no_name=one.no_name)
            for kind, one in found.items()
        }
        every = kinds.values()
        return cls(
            shown=sum(one.shown for one in every),
            no_name=sum(one.no_name for one in every),
            kinds=kinds,
        )


class ReleaseWhole(_Answer, frozen=True, kw_only=True):
    """A sealed release: ``usable`` is how many of its rows may be used now, ``measurement`` the
    newest of what curation costs a model.
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


class SampleAnswer(_Answer, frozen=True, kw_only=True):
    """An open sample. ``bound`` is that of the rows of the chance part; unread are those that
    nobody has read yet, or can read any more.
    """

    drawn: int
    done: int
    left: int
    bound: LeakBound
    agreement: Agreement


class ReviewAnswer(_Answer, frozen=True, kw_only=True):
    """How the review of a release stands: its open sample, the newest statement, and who signed
    that.
    """

    release: str
    rows: int
    looked_for_names: bool
    rows_purged: int
    sample: SampleAnswer | None
    statement: ReviewStatement | None
    statement_sha256: str | None
    says: str | None
    signatures: tuple[ReviewSignature, ...]
    signatures_needed: int
    second_identity: bool
    signed_off: bool


class NewSample(_Sent, frozen=True, kw_only=True):
    """How many rows to draw by chance, and how many by risk."""

    chance: Annotated[int, Meta(ge=1, le=10_000)] = 100
    risk: Annotated[int, Meta(ge=0, le=10_000)] = 20


class OpenRow(_Sent, frozen=True, kw_only=True):
    """``second``: a row that somebody else has judged."""

    second: bool = False


class NewFinding(_Sent, frozen=True, kw_only=True):
    row: Annotated[int, Meta(ge=0, le=2**31 - 1)]
    finding: ReviewFinding
    second: bool = False


class SignRelease(_Sent, frozen=True, kw_only=True):
    """``names_in``: the signer knows that nobody looked for names in it."""

    names_in: bool = False


class ReviewedMessage(_Answer, frozen=True, kw_only=True):
    role: str
    content: str


class RowOpened(_Answer, frozen=True, kw_only=True):
    """A row that was opened; ``row`` is null where none is left to read."""

    row: int | None
    left: int
    drawn: int
    messages: tuple[ReviewedMessage, ...]


class ReadSlice(_Sent, frozen=True, kw_only=True):
    """Which rows, by their labels, and how many of them; or one row by its number."""

    where: Annotated[str, Meta(max_length=4_096)] = ""
    rows: Annotated[int, Meta(ge=1, le=50)] = 5
    row: Annotated[int, Meta(ge=0)] | None = None


class SliceRowOpened(_Answer, frozen=True, kw_only=True):
    row: int
    split: str
    language: str
    topic: str
    messages: tuple[ReviewedMessage, ...]


class SliceOpened(_Answer, frozen=True, kw_only=True):
    """``matching`` of the ``scanned`` rows are in the slice; ``rows`` of these were drawn and
    opened.
    """

    scanned: int
    matching: int
    rows: tuple[SliceRowOpened, ...]


class ReadReplacements(_Sent, frozen=True, kw_only=True):
    rows: Annotated[int, Meta(ge=1, le=20)] = 5


class PlaceText(_Answer, frozen=True, kw_only=True):
    """A name, with a few words of what stands before it and behind it."""

    before: str
    name: str
    behind: str


class ReplacementOpened(_Answer, frozen=True, kw_only=True):
    """One place: ``said`` as it was and ``leaves`` as the release has it."""

    row: int
    place: int
    kind: str
    said: PlaceText
    leaves: PlaceText
    no_name: bool


class ReplacementsOpened(_Answer, frozen=True, kw_only=True):
    """The ``places`` of ``rows`` rows; ``differ`` more were drawn, and are not what the release
    holds if made now.
    """

    rows: int
    differ: int
    places: tuple[ReplacementOpened, ...]


class MarkReplacement(_Sent, frozen=True, kw_only=True):
    """A place that the caller was shown, and whether it was no name."""

    row: Annotated[int, Meta(ge=0)]
    place: Annotated[int, Meta(ge=0)]
    no_name: bool = True


class FindingUndone(_Answer, frozen=True, kw_only=True):
    row: int


# Models


class ModelAnswer(_Answer, frozen=True, kw_only=True):
    """A model on record; ``affected`` is null where nothing that it learnt from was withdrawn or
    erased since, ``audit`` where no canary audit was run for it.
    """

    model: RecordedModel
    affected: Affected | None
    audited_at: datetime | None
    audit: AuditResult | None


class ModelAnswers(_Answer, frozen=True, kw_only=True):
    items: tuple[ModelAnswer, ...]


class ModelWhole(_Answer, frozen=True, kw_only=True):
    """A model with its run and its canary audits, the newest first."""

    model: RecordedModel
    affected: Affected | None
    release_id: str
    run: ConsumedShare
    audits: tuple[RecordedAudit, ...]


class LearntModels(_Answer, frozen=True, kw_only=True):
    items: tuple[LearntModel, ...]
