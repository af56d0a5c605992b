"""What a build asks of curation, and what it gets: values only, so that the one who builds knows no engine.

A build hands over the documents of a page that it decided and unsealed, and gets each back with what identifies
replaced, its labels, and, where a rule refuses it, the reason. Duplicates are told when all are known: the build
enters the sketch of each document that became a row, and asks at the end which rows lost. Where curating costs much, a
survey comes first, of sketches alone: it tells which documents are going to lose, so that they need not be curated.

``repr`` is masked: a document is content.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import msgspec

from licet.policy.state import ConversationKind
from licet.release.manifest import MeasuredFigures, NamesPin
from licet.release.rows import Labels


class Voice(StrEnum):
    """Whose a text is; ``name`` and ``call`` are the name and the arguments of a tool call."""

    user = "user"
    assistant = "assistant"
    tool = "tool"
    name = "name"
    call = "call"


class LeftOut(StrEnum):
    """Why curation leaves out what may be used."""

    duplicate = "duplicate"
    low_quality = "low_quality"
    doubtful = "doubtful"
    benchmark = "benchmark"


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """What may become one row. ``name``: what tells it from others in every release; ``key``: its surrogates' key."""

    account: bytes
    name: bytes
    kind: ConversationKind
    key: bytes
    voices: tuple[Voice, ...]
    texts: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Document({self.kind}, sealed, {len(self.texts)} texts)"


class Curated(msgspec.Struct, frozen=True, kw_only=True):
    """A document as it may be learnt from: its texts, one each; how many of each kind were replaced in them; why it
    is left out, or None; and what tells duplicates, which only curation reads.
    """

    texts: Sequence[str]
    replaced: Mapping[str, int]
    dropped: LeftOut | None = None
    labels: Labels | None = None
    sketch: object = None

    def __repr__(self) -> str:
        return f"Curated(sealed, {len(self.texts)} texts, {self.dropped or 'kept'})"


class Cleaner(Protocol):
    """De-identifies the texts of one conversation."""

    @property
    def rules(self) -> str:
        """The name of the rules."""

    @property
    def sha256(self) -> str:
        """The hash of the rules' file, in hexadecimal."""

    def clean(self, texts: Sequence[str], key: bytes) -> tuple[Sequence[str], Mapping[str, int]]:
        """The texts, one each, with what identifies replaced under ``key``, and how many of each kind were."""


class FoundBy(msgspec.Struct, frozen=True, kw_only=True):
    """What a manifest says of detection beside the rules."""

    names: NamesPin | msgspec.UnsetType = msgspec.UNSET
    measured: tuple[MeasuredFigures, ...] | msgspec.UnsetType = msgspec.UNSET


class Curation(Protocol):
    """What becomes of documents between their unsealing and their sealing. One object serves one build."""

    @property
    def plan(self) -> str:
        """The hash of what is done, in hexadecimal; empty where rows get no labels."""

    @property
    def found_by(self) -> FoundBy:
        """What looked for names, and what de-identification as a whole is known to find."""

    @property
    def duplicates(self) -> Duplicates | None:
        """What tells duplicates; None where nothing is compared."""

    def curate(self, documents: Sequence[Document]) -> Sequence[Curated]:
        """Each document curated, in order. The same documents give the same answer, in any grouping."""


class Duplicates(Protocol):
    """Tells which rows of a build hold what others hold as well. What it keeps for that dies with the build."""

    def sketch(self, documents: Sequence[Document]) -> Sequence[object]:
        """Of each document, in order, what `curate` gives as its sketch, and nothing else of what that does."""

    def enter(self, ordinal: int, sketch: object) -> None:
        """Takes note of what became the row ``ordinal``."""

    def lost(self) -> Sequence[int]:
        """The ordinals, of those entered, whose content other rows hold as well; called once, at the end."""

    def survey(self) -> SurveyProtocol | None:
        """A survey for this build; None where curating what loses costs less than to look ahead."""


class SurveyProtocol(Protocol):
    """Tells before the build which documents will lose. First all enter; then whom the others lose to is asked about."""

    def enter(self, document: Document, sketch: object, *, stays: bool = False) -> None:
        """Takes note of a document; ``stays``: it is a row already."""

    def asked(self) -> SurveyQuestion | None:
        """Documents to which others lose, if they stay: does curation leave them in? None where that is known of all.

        Those that were asked about and not judged since count as left out.
        """

    def judge(self, document: Document, *, stays: bool) -> None:
        """The answer about one of them."""

    def is_lost(self, document: Document) -> bool:
        """Whether documents that stay hold what this one holds; asked when nobody is to be asked about any more."""


class SurveyQuestion(Protocol):
    """Documents that a survey asks about."""

    def some_of(self, conversation: UUID) -> bool:
        """Whether any of a conversation is among them."""

    def __contains__(self, document: Document, /) -> bool: ...


class Plain:
    """De-identifies and does nothing else."""

    plan = ""
    found_by = FoundBy()
    duplicates = None

    def __init__(self, cleaner: Cleaner) -> None:
        self._cleaner = cleaner

    def curate(self, documents: Sequence[Document]) -> Sequence[Curated]:
        cleaned = (self._cleaner.clean(document.texts, document.key) for document in documents)
        return [Curated(texts=texts, replaced=replaced) for texts, replaced in cleaned]
