"""Staff verbs on the review of a release: its sample row by row, findings, signatures, and marks of
replaced names.

Every row that is opened is on record, and its person sees that. Opening has no `Idempotency-Key`,
because a second answer with content is a second reading.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from licet.access.roles import StaffRole
from licet.errors import NotFoundError
from licet.release import registry, release_store, signatures
from licet.release.registry import Release
from licet.release.review import LeakBound, ReviewFinding, ReviewStatement
from licet.release.rows import MessageShape
from licet.release.sample import ReviewSignature
from licet.release.shown_replacements import MarkCounts, PlaceRef
from licet.release.signatures import Agreement, ReleaseStanding, RowShown, SampleSeen
from licet.service import replacements, slice_sample
from licet.service.replacements import ReplacementsRead
from licet.service.slice_sample import SliceRead
from licet.service.staff_verb import (
    AnyCall,
    AnyVerb,
    NoBody,
    StaffVerb,
    VerbAnswer,
    VerbBody,
    VerbCall,
)
from licet.store.connect import transaction
from licet.vault.ids import Prefix, parse
from licet.vault.installation import Installation

DRAWING = (StaffRole.privacy_officer, StaffRole.curator, StaffRole.reviewer)
READING = (StaffRole.privacy_officer, StaffRole.reviewer)
SIGNING = (StaffRole.owner, StaffRole.privacy_officer, StaffRole.curator)


class SampleAnswer(VerbAnswer, frozen=True, kw_only=True):
    """``bound`` applies to the random part; nobody has read the unread rows."""

    drawn: int
    done: int
    left: int
    bound: LeakBound
    agreement: Agreement


class ReviewAnswer(VerbAnswer, frozen=True, kw_only=True):
    """A release's open sample, the newest statement, and who signed that."""

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
    """How many rows to draw at random, and how many by risk."""

    chance: Annotated[int, Meta(ge=1, le=10_000)] = 100
    risk: Annotated[int, Meta(ge=0, le=10_000)] = 20


class OpenRow(VerbBody, frozen=True, kw_only=True):
    """``second``: a row that somebody else has judged."""

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
    """A ``place`` that the caller was shown, and whether it was no name."""

    row: Annotated[int, Meta(ge=0)]
    place: Annotated[int, Meta(ge=0)]
    no_name: bool = True


class ReplacementKindCounts(VerbAnswer, frozen=True, kw_only=True):
    shown: int
    no_name: int


class ReplacementCounts(VerbAnswer, frozen=True, kw_only=True):
    """Replaced names that readers were shown beside the text before, and those marked as no
    name.
    """

    shown: int
    no_name: int
    kinds: Mapping[str, ReplacementKindCounts]

    @classmethod
    def from_marks(cls, marks: Mapping[str, MarkCounts]) -> ReplacementCounts:
        return cls(
            shown=sum(counts.shown for counts in marks.values()),
            no_name=sum(counts.no_name for counts in marks.values()),
            kinds=msgspec.convert(marks, dict[str, ReplacementKindCounts], from_attributes=True),
        )


def folder_of(installation: Installation, release: str) -> str:
    """Our own copy of a sealed release, by its id; NotFoundError."""
    with transaction(installation.pool) as tx:
        name = release if "_" in release else f"rel_{release}"
        known = registry.get(tx, parse(Prefix.release, name))
    return find_folder(installation, known)


def find_folder(installation: Installation, release: Release) -> str:
    """Our own copy of a sealed release; a name that was sent is never a path. NotFoundError."""
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


FIND: StaffVerb[NewFinding, SampleSeen] = StaffVerb(
    name="give_finding",
    about="Stores what the caller found in the row that they opened last; 409 for another row.",
    who=READING,
    takes=NewFinding,
    run=lambda call: signatures.record_finding(
        call.installation,
        _folder(call),
        call.staff,
        call.sent.row,
        call.sent.finding,
        second=call.sent.second,
    ),
    route="releases/{release:str}/review/findings",
    page="releases/{release:str}/finding",
    tag="releases",
    answers=ReviewAnswer,
    answer=lambda call, _: _review(call, None),
    did=lambda _, sample: f"{sample.left:,} of {sample.drawn:,} rows are left",
    by="member",
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
    label="State the findings",
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


# Opened content


class ReviewedMessage(VerbAnswer, frozen=True, kw_only=True):
    role: str
    content: str


class RowOpened(VerbAnswer, frozen=True, kw_only=True):
    """A row that was opened; ``row`` is null where none is left to read."""

    row: int | None
    left: int
    drawn: int
    messages: tuple[ReviewedMessage, ...]


class ReadSlice(VerbBody, frozen=True, kw_only=True):
    """Which rows, by their labels, and how many of them; or one row by its number."""

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


class PlaceText(VerbAnswer, frozen=True):
    """A name, with a few words of what stands before it and behind it."""

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
    """The ``places`` of ``rows`` rows; ``differ`` more were drawn, and are not what the release
    holds if made now.
    """

    rows: int
    differ: int
    places: tuple[ReplacementOpened, ...]


def _messages(messages: Sequence[MessageShape]) -> tuple[ReviewedMessage, ...]:
    return msgspec.convert(messages, tuple[ReviewedMessage, ...])


def _row_answer(_: AnyCall, done: RowShown | None) -> RowOpened:
    if done is None:
        return RowOpened(row=None, left=0, drawn=0, messages=())
    return RowOpened(
        row=done.ordinal, left=done.left, drawn=done.drawn, messages=_messages(done.messages)
    )


OPEN_ROW: StaffVerb[OpenRow, RowShown | None] = StaffVerb(
    name="open_row",
    about="Opens the next row of the open sample. The reading is on record, and its person sees it.",
    who=READING,
    takes=OpenRow,
    run=lambda call: signatures.read_next(
        call.installation, _folder(call), call.staff, second=call.sent.second
    ),
    route="releases/{release:str}/review/rows",
    page="releases/{release:str}/row",
    tag="releases",
    keyed=False,
    answers=RowOpened,
    answer=_row_answer,
)


def _read_slice(call: VerbCall[ReadSlice]) -> SliceRead:
    sent, place = call.sent, (call.installation, _folder(call), call.staff)
    if sent.row is not None:
        return slice_sample.read_rows(*place, [sent.row])
    return slice_sample.read_slice(*place, sent.where, sent.rows)


def _slice_answer(_: AnyCall, done: SliceRead | None) -> SliceOpened:
    assert done is not None, "without a key it is not repeated"
    return SliceOpened(
        scanned=done.scanned,
        matching=done.matching,
        rows=tuple(
            SliceRowOpened(
                row=row.ordinal,
                split=row.split,
                language=row.language,
                topic=row.topic,
                messages=_messages(row.messages),
            )
            for row in done.rows
        ),
    )


READ_SLICE: StaffVerb[ReadSlice, SliceRead] = StaffVerb(
    name="read_slice",
    about="Opens rows drawn at random from those whose labels match, or the one of a number. Each "
    "reading is on record, and its person sees it.",
    who=READING,
    takes=ReadSlice,
    run=_read_slice,
    path="releases/{release:str}/slice",
    tag="releases",
    keyed=False,
    answers=SliceOpened,
    answer=_slice_answer,
)


def _replacements_answer(_: AnyCall, done: ReplacementsRead | None) -> ReplacementsOpened:
    assert done is not None, "without a key it is not repeated"
    return ReplacementsOpened(
        rows=done.rows,
        differ=done.differ,
        places=tuple(
            ReplacementOpened(
                row=place.row,
                place=place.place,
                kind=place.kind,
                said=PlaceText(*place.said),
                leaves=PlaceText(*place.leaves),
                no_name=place.no_name,
            )
            for place in done.places
        ),
    )


READ_REPLACEMENTS: StaffVerb[ReadReplacements, ReplacementsRead] = StaffVerb(
    name="read_replacements",
    about="Opens rows drawn at random from those in which a name was replaced, before beside after. "
    "Each reading is on record, and its person sees it.",
    who=READING,
    takes=ReadReplacements,
    run=lambda call: replacements.read_replacements(
        call.installation, _folder(call), call.staff, call.sent.rows
    ),
    path="releases/{release:str}/replacements",
    tag="releases",
    keyed=False,
    answers=ReplacementsOpened,
    answer=_replacements_answer,
)
VERBS: tuple[AnyVerb, ...] = (
    DRAW,
    OPEN_ROW,
    FIND,
    UNDO,
    CLOSE,
    SIGN,
    READ_SLICE,
    READ_REPLACEMENTS,
    MARK,
)
