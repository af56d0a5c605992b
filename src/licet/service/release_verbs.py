"""Staff verbs on releases: build and purge, review, signatures, marks of replaced names, recalls of
exports; and retiring a model.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from licet.access.roles import StaffRole
from licet.access.staff_orders import OrderKind
from licet.erasure.recall_register import RECALL_DAYS
from licet.errors import NotFoundError
from licet.release import registry, release_store, signatures
from licet.release.registry import Release
from licet.release.review import LeakBound, ReviewFinding, ReviewStatement
from licet.release.sample import ReviewSignature
from licet.release.shown_replacements import MarkCounts, PlaceRef
from licet.release.signatures import Agreement, ReleaseStanding
from licet.service import model_view, replacements
from licet.service.model_view import ModelView
from licet.service.order_verbs import BEGINS, place_order
from licet.service.orders import OrderForecast
from licet.service.staff_verb import (
    OFFICER,
    AnyCall,
    AnyVerb,
    GivenReason,
    NoBody,
    Reason,
    StaffVerb,
    VerbAnswer,
    VerbBody,
    VerbCall,
)
from licet.store.connect import transaction
from licet.train import export_files, lineage
from licet.train.canary_register import AuditResult
from licet.train.export_files import Export
from licet.train.lineage import Affected
from licet.train.model_registry import RecordedModel
from licet.vault.ids import Prefix, parse
from licet.vault.installation import Installation

DRAWING = (StaffRole.privacy_officer, StaffRole.curator, StaffRole.reviewer)
READING = (StaffRole.privacy_officer, StaffRole.reviewer)
SIGNING = (StaffRole.owner, StaffRole.privacy_officer, StaffRole.curator)
RETIRING = BUILDING = (StaffRole.owner, StaffRole.curator)


class NewBuild(VerbBody, frozen=True, kw_only=True):
    name: Annotated[
        str,
        Meta(
            pattern="^[a-z0-9][a-z0-9_.-]{0,63}$",
            description="Lower-case letters, digits, `-`, `_` and `.`, 64 at most.",
        ),
    ]
    purpose: Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,31}$")]
    reason: Reason


class SampleAnswer(VerbAnswer, frozen=True, kw_only=True):
    """``bound`` applies to the rows drawn at random; unread rows are not in it."""

    drawn: int
    done: int
    left: int
    bound: LeakBound
    agreement: Agreement


class ReviewAnswer(VerbAnswer, frozen=True, kw_only=True):
    """A release's open sample, the newest statement, and its signatures."""

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


class NewSample(VerbBody, frozen=True, kw_only=True):
    """The numbers of rows to draw at random, and by risk."""

    chance: Annotated[int, Meta(ge=1, le=10_000)] = 100
    risk: Annotated[int, Meta(ge=0, le=10_000)] = 20


class OpenRow(VerbBody, frozen=True, kw_only=True):
    """``second``: a row judged by another reader."""

    second: bool = False


class NewFinding(VerbBody, frozen=True, kw_only=True):
    row: Annotated[int, Meta(ge=0, le=2**31 - 1)]
    finding: ReviewFinding
    second: bool = False


class SignRelease(VerbBody, frozen=True, kw_only=True):
    """``names_in``: the signer knows that the release was not searched for names."""

    names_in: Annotated[
        bool,
        Meta(
            description="Sign although nothing looked for names, so that names are still in the "
            "text."
        ),
    ] = False


class FindingUndone(VerbAnswer, frozen=True, kw_only=True):
    row: int


class MarkReplacement(VerbBody, frozen=True, kw_only=True):
    """A ``place`` shown to the caller, and whether it is no name."""

    row: Annotated[int, Meta(ge=0)]
    place: Annotated[int, Meta(ge=0)]
    no_name: bool = True


class ReplacementKindCounts(VerbAnswer, frozen=True, kw_only=True):
    shown: int
    no_name: int


class ReplacementCounts(VerbAnswer, frozen=True, kw_only=True):
    """Replaced names shown to readers beside the original, and those marked as no name."""

    shown: int
    no_name: int
    kinds: Mapping[str, ReplacementKindCounts]

    @classmethod
    def from_marks(cls, found: Mapping[str, MarkCounts]) -> ReplacementCounts:
        return cls(
            shown=sum(counts.shown for counts in found.values()),
            no_name=sum(counts.no_name for counts in found.values()),
            kinds=msgspec.convert(found, dict[str, ReplacementKindCounts], from_attributes=True),
        )


def folder_of(installation: Installation, release: str) -> str:
    """Our own copy of a sealed release, by its id; NotFoundError."""
    with transaction(installation.pool) as tx:
        name = release if "_" in release else f"rel_{release}"
        known = registry.get(tx, parse(Prefix.release, name))
    return find_folder(installation, known)


def find_folder(installation: Installation, release: Release) -> str:
    """Our own copy of a sealed release; a submitted name is never a path. NotFoundError."""
    folder = release_store.find_folder(installation, release) if release.state == "sealed" else None
    if folder is None:
        raise NotFoundError(f"our own copy of release `{release.name}` is not here")
    return str(folder)


def review_answer(standing: ReleaseStanding) -> ReviewAnswer:
    return msgspec.convert(standing, ReviewAnswer, from_attributes=True)


def _folder(call: AnyCall) -> str:
    return call.target if call.by_command else folder_of(call.installation, call.target)


def _review(call: AnyCall, done: ReleaseStanding | None) -> ReviewAnswer:
    return review_answer(done or signatures.get_standing(call.installation, _folder(call)))


DRAW: StaffVerb[NewSample, ReleaseStanding] = StaffVerb(
    name="draw_sample",
    about="Draws a sample of a release; 409 while another one is open.",
    who=DRAWING,
    takes=NewSample,
    run=lambda call: signatures.draw(
        call.installation, _folder(call), chance=call.sent.chance, by_risk=call.sent.risk
    ),
    route="releases/{release:str}/review/sample",
    page="releases/{release:str}/sample",
    tag="releases",
    answers=ReviewAnswer,
    answer=_review,
    label="Draw a sample",
    did=lambda *_: "A sample is drawn: read its rows on the page of the release.",
)


def _store_finding(call: VerbCall[NewFinding]) -> ReleaseStanding:
    sent, folder = call.sent, _folder(call)
    signatures.record_finding(
        call.installation, folder, call.staff, sent.row, sent.finding, second=sent.second
    )
    return signatures.get_standing(call.installation, folder)


FIND: StaffVerb[NewFinding, ReleaseStanding] = StaffVerb(
    name="give_finding",
    about="Stores what the caller found in the row that they opened last; 409 for another row.",
    who=READING,
    takes=NewFinding,
    run=_store_finding,
    route="releases/{release:str}/review/findings",
    tag="releases",
    answers=ReviewAnswer,
    answer=_review,
)
UNDO: StaffVerb[OpenRow, int] = StaffVerb(
    name="undo_finding",
    about="Takes the caller's newest finding back; its row is the next that they are given.",
    who=READING,
    takes=OpenRow,
    run=lambda call: signatures.undo(
        call.installation, _folder(call), call.staff, second=call.sent.second
    ),
    route="releases/{release:str}/review/undo",
    tag="releases",
    answers=FindingUndone,
    answer=lambda call, row: FindingUndone(row=int(call.made) if row is None else row),
    made=str,
)
CLOSE: StaffVerb[NoBody, ReleaseStanding] = StaffVerb(
    name="close_review",
    about="States what the sample found, signed, beside the manifest; 409 while a row has no "
    "finding.",
    who=DRAWING,
    takes=NoBody,
    run=lambda call: signatures.close(call.installation, _folder(call)),
    route="releases/{release:str}/review/close",
    page="releases/{release:str}/close",
    tag="releases",
    answers=ReviewAnswer,
    answer=_review,
    label="State what was found",
    did=lambda *_: "What was found is stated, beside the manifest.",
)
SIGN: StaffVerb[SignRelease, ReleaseStanding] = StaffVerb(
    name="sign_release",
    about="Signs a release as it was reviewed, after every check. It takes two signatures; refused "
    "where a check fails or the caller has signed already.",
    who=SIGNING,
    takes=SignRelease,
    run=lambda call: signatures.sign(
        call.installation, _folder(call), call.staff, names_in=call.sent.names_in
    ),
    path="releases/{release:str}/sign",
    tag="releases",
    answers=ReviewAnswer,
    answer=_review,
    label="Sign it off",
    did=lambda *_: "Signed, and on record.",
    command="release sign",
    by="member",
    example="tuesday --by ana@example.org",
)


def _marks_answer(
    call: VerbCall[MarkReplacement], done: Mapping[str, MarkCounts] | None
) -> ReplacementCounts:
    release = parse(Prefix.release, f"rel_{call.target}")
    return ReplacementCounts.from_marks(
        done or replacements.count_replacements(call.installation, release)
    )


MARK: StaffVerb[MarkReplacement, Mapping[str, MarkCounts]] = StaffVerb(
    name="mark_replacement",
    about="Marks a place that the caller was shown last as no name, or takes that back; 409 for "
    "another one. It changes no release and teaches nothing: it is counted.",
    who=READING,
    takes=MarkReplacement,
    run=lambda call: replacements.mark_replacement(
        call.installation,
        _folder(call),
        call.staff,
        PlaceRef(call.sent.row, call.sent.place),
        no_name=call.sent.no_name,
    ),
    route="releases/{release:str}/replacements/mark",
    tag="releases",
    answers=ReplacementCounts,
    answer=_marks_answer,
)


class ModelAnswer(VerbAnswer, frozen=True, kw_only=True):
    """``affected`` is null if none of its rows was withdrawn or erased since, ``audit`` without a
    canary audit.
    """

    model: RecordedModel
    affected: Affected | None
    audited_at: datetime | None
    audit: AuditResult | None

    @classmethod
    def from_view(cls, seen: ModelView) -> ModelAnswer:
        return msgspec.convert(seen, cls, from_attributes=True)


def _retire(call: VerbCall[GivenReason]) -> ModelView:
    if not call.dry_run:
        lineage.retire(call.installation, call.target, actor=call.actor, reason=call.sent.reason)
    return model_view.show(call.installation, call.target).seen


RETIRE: StaffVerb[GivenReason, ModelView] = StaffVerb(
    name="retire_model",
    about="Records that a model is used no more, and why. It stays on record, and a repetition "
    "changes nothing.",
    who=RETIRING,
    takes=GivenReason,
    run=_retire,
    path="models/{model:str}/retire",
    tag="models",
    answers=ModelAnswer,
    answer=lambda call, done: ModelAnswer.from_view(
        done or model_view.show(call.installation, call.target).seen
    ),
    label="Retire it",
    title=lambda _, seen: f"Retire {seen.model.name}",
    means="It stays on record, but later withdrawals of its rows are not reported any more. "
    "Retire it when its weights are deleted.",
    flash="It is retired, and on record as that.",
    did=lambda *_: "It is retired, and on record as that.",
    destroys=True,
    command="models retire",
    needs_reason=True,
    noun="MODEL",
    example="model_0190f3a4c2d87b6e9a51c3d4e5f60718 --reason 'its weights are deleted'",
)


BUILD: StaffVerb[NewBuild, OrderForecast] = StaffVerb(
    name="build_release",
    about="Orders the build of a release.",
    who=BUILDING,
    takes=NewBuild,
    run=lambda call: place_order(
        call, OrderKind.build_release, f"{call.sent.name} {call.sent.purpose}"
    ),
    page="releases/build",
    named_by="name",
    label="Build it",
    title=lambda call, _: f"Build {call.sent.name}",
    means="The server reads what may be used, takes out what identifies, and seals it into a new "
    "release. It is handed to nobody by that. If the server is stopped, it goes on when it runs "
    "again.",
    would=lambda _, would: would.would,
    flash=BEGINS,
)


def _name_of(call: AnyCall) -> str:
    with transaction(call.installation.pool) as tx:
        return registry.get(tx, parse(Prefix.release, f"rel_{call.target}")).name


PURGE: StaffVerb[GivenReason, OrderForecast] = StaffVerb(
    name="purge_release",
    about="Orders the removal of a release's dead rows.",
    who=BUILDING,
    takes=GivenReason,
    run=lambda call: place_order(call, OrderKind.purge_release, _name_of(call)),
    page="releases/{release:str}/purge",
    label="Purge it",
    title=lambda _, would: f"Purge {would.about}",
    means="Rows whose keys are destroyed are removed from its files; nobody can open them "
    "any more. "
    "A signed addendum states it. Copies that were handed out take it up with the same command.",
    would=lambda _, would: would.would,
    flash=BEGINS,
)


class ExportRecall(GivenReason, frozen=True, kw_only=True):
    dry_run: bool = False


def _recall(call: VerbCall[ExportRecall]) -> Export:
    if call.dry_run:
        return export_files.get(call.installation, call.target)
    return export_files.recall(call.installation, call.target)


RECALL: StaffVerb[ExportRecall, Export] = StaffVerb(
    name="recall_export",
    about="Asks the recipient of an export to delete all of it.",
    who=OFFICER,
    takes=ExportRecall,
    run=_recall,
    order=OrderKind.recall_export,
    page="exports/{export:str}/recall",
    label="Recall it",
    title=lambda _, export: f"Recall what {export.recipient} was given",
    means=f"The recipient is to delete all of it within {RECALL_DAYS} days, and to say so.",
    would=lambda _, export: (
        f"{export.rows:,} rows of {export.release}, exported as {export.format}.",
    ),
    did=lambda _, export: f"{export.recipient} is to delete it.",
    back="/console/recalls",
    flash="It is recalled, and on record.",
    command="recall export",
    noun="EXPORT",
    example="exp_0190f3a4c2d87b6e9a51c3d4e5f60718",
)


VERBS: tuple[AnyVerb, ...] = (
    BUILD,
    PURGE,
    RECALL,
    DRAW,
    FIND,
    UNDO,
    CLOSE,
    SIGN,
    MARK,
    RETIRE,
)
