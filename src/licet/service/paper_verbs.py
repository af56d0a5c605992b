"""The staff verb on the papers that the law asks for: a privacy officer makes one."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from licet.legal import papers
from licet.legal.paper import PaperKind
from licet.legal.papers import MadePaper
from licet.service.staff_verb import (
    OFFICER,
    AnyVerb,
    StaffVerb,
    VerbAnswer,
    VerbBody,
    VerbCall,
    no_sentences,
)


class NewDocument(VerbBody, frozen=True, kw_only=True):
    """Which paper, at which position of the log, about which releases; ``dry_run`` keeps none."""

    kind: PaperKind
    position: (
        Annotated[
            str,
            Meta(
                max_length=32,
                description="How many entries of the log count: 1234, or 2026/1234; by default all.",
            ),
        ]
        | None
    ) = None
    releases: Annotated[
        tuple[Annotated[str, Meta(max_length=64)], ...],
        Meta(max_length=1000, description="Only these releases; by default every one up to there."),
    ] = ()
    dry_run: bool = False


class DocumentMade(VerbAnswer, frozen=True, kw_only=True):
    """``again``: the same paper was there already. ``to_be_provided`` are the open keys of
    `controller.yaml`.
    """

    kind: str
    position: str
    sha256: str
    again: bool
    to_be_provided: tuple[str, ...]


def _make(call: VerbCall[NewDocument]) -> MadePaper:
    sent = call.sent
    return papers.make(
        call.installation,
        sent.kind,
        actor=call.actor,
        log_position=call.made or sent.position,
        releases=sent.releases,
        dry_run=call.dry_run,
    )


MAKE: StaffVerb[NewDocument, MadePaper] = StaffVerb(
    name="make_document",
    about="Makes a paper that the law asks for, at a position of the log. Made again, the same one "
    "is found.",
    who=OFFICER,
    takes=NewDocument,
    run=_make,
    path="documents",
    named_by="kind",
    answers=DocumentMade,
    answer=lambda call, done: msgspec.convert(
        done or _make(msgspec.structs.replace(call, dry_run=call.sent.dry_run)),
        DocumentMade,
        from_attributes=True,
    ),
    made=lambda done: done.position,
    would=no_sentences,
    command="document make",
    noun="KIND",
    example="ropa --by counsel",
    flash="The paper is made and signed. The log takes its leaf next.",
)
VERBS: tuple[AnyVerb, ...] = (MAKE,)
