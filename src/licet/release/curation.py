"""The interface between a build and curation: plain values, independent of an engine.

A build passes the decided and unsealed documents of a page. Each comes back with identifiers
replaced, labels, and the reason if a rule rejects it. Duplicates are known only at the end: the
build enters the sketch of each row, then asks which rows lose. If curation is expensive, a survey
of sketches comes first and predicts the losers, which then need no curation.

``repr`` is masked, because a document is content.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol
from uuid import UUID

import msgspec

from licet.policy.state import ConversationKind
from licet.release.changed_words import ChangedWords
from licet.release.manifest import MeasuredFigures, NamesPin
from licet.release.rows import Labels


class Voice(StrEnum):
    """The author of a text. ``name`` and ``call``: the name and arguments of a tool call;
    ``system`` and ``offered``: the host's instructions and tool descriptions, which many
    conversations share, so that they are cleaned but not used for labels or duplicates.
    """

    user = "user"
    assistant = "assistant"
    tool = "tool"
    name = "name"
    call = "call"
    system = "system"
    offered = "offered"


class LeftOut(StrEnum):
    """Why curation rejects what may be used."""

    duplicate = "duplicate"
    low_quality = "low_quality"
    doubtful = "doubtful"
    unread_language = "unread_language"  # names are not detected in it
    benchmark = "benchmark"


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate row. ``name`` identifies it in every release; ``key`` is its surrogates' key.

    ``known``: earlier findings of the same finder in each text (`Curated.found`), or empty.
    """

    account: bytes
    name: bytes
    kind: ConversationKind
    key: bytes
    voices: tuple[Voice, ...]
    texts: tuple[str, ...]
    known: tuple[bytes, ...] = ()

    def __repr__(self) -> str:
        return f"Document({self.kind}, sealed, {len(self.texts)} texts)"


class Curated(msgspec.Struct, frozen=True, kw_only=True):
    """A curated document: its texts, replacements by kind, the reason if it is rejected, its sketch
    for duplicates, and the name findings in each text, in curation's own encoding.

    ``unread_language``: the language for which it is left out, because names are not detected in
    it.
    """

    texts: Sequence[str]
    replaced: Mapping[str, int]
    dropped: LeftOut | None = None
    labels: Labels | None = None
    sketch: object = None
    found: Sequence[bytes] = ()
    changes: ChangedWords = ChangedWords()
    unread_language: str = ""

    def __repr__(self) -> str:
        return f"Curated(sealed, {len(self.texts)} texts, {self.dropped or 'kept'})"


class CleanedTexts(NamedTuple):
    """The texts with identifiers replaced, and replacements by kind. ``doubtful``: something could
    not be read or cut safely, so the conversation is left out.
    """

    texts: Sequence[str]
    replaced: Mapping[str, int]
    doubtful: bool = False
    changes: ChangedWords = ChangedWords()


class Cleaner(Protocol):
    """De-identifies the texts of one conversation."""

    @property
    def rules(self) -> str:
        """The name of the rules."""

    @property
    def sha256(self) -> str:
        """The hash of the rules' file, in hexadecimal."""

    def clean(self, texts: Sequence[str], key: bytes) -> CleanedTexts:
        """The texts with identifiers replaced under ``key``."""


class FoundBy(msgspec.Struct, frozen=True, kw_only=True):
    """The manifest's statement on detection beside the rules."""

    names: NamesPin | msgspec.UnsetType = msgspec.UNSET
    measured: tuple[MeasuredFigures, ...] | msgspec.UnsetType = msgspec.UNSET


class PageCuration(Protocol):
    """Curates the documents of pages, in any process."""

    @property
    def finder(self) -> str:
        """The hash of all that `Curated.found` depends on beside the text; empty without a search
        for names.
        """

    def curate(self, documents: Sequence[Document]) -> Sequence[Curated]:
        """Each document curated, in order. The same documents give the same result, in any grouping
        and process.
        """

    def sketch(self, documents: Sequence[Document]) -> Sequence[object]:
        """The sketch of each document alone, in order, as `curate` returns it; empty if nothing is
        compared.
        """


class Curation(PageCuration, Protocol):
    """The processing of documents between unsealing and sealing; one object serves one build."""

    @property
    def plan(self) -> str:
        """The hash of the steps, in hexadecimal; empty if rows get no labels."""

    @property
    def found_by(self) -> FoundBy:
        """The name detection, and the measured figures of de-identification."""

    @property
    def duplicates(self) -> Duplicates | None:
        """The detector of duplicates; None if nothing is compared."""

    def elsewhere(self) -> PageCuration:
        """A picklable equivalent for another process; UsageError if it is bound to this one."""


class Duplicates(Protocol):
    """Finds a build's duplicate rows. Its state is dropped with the build."""

    def enter(self, ordinal: int, sketch: object) -> None:
        """Adds the sketch of the row ``ordinal``."""

    def lost(self) -> Sequence[int]:
        """The ordinals of rows to drop as duplicates; called once, at the end."""

    def survey(self) -> SurveyProtocol | None:
        """A survey for this build; None if curating losers costs less than a survey."""


class SurveyProtocol(Protocol):
    """Predicts which documents lose. All are entered first; then it asks about possible winners."""

    def enter(self, document: Document, sketch: object, *, stays: bool = False) -> None:
        """Adds a document; ``stays``: it is a row already."""

    def next_question(self) -> SurveyQuestion | None:
        """The possible winners that curation has yet to judge; None if there are none left.

        Those of the previous question that were not judged count as rejected.
        """

    def judge(self, document: Document, *, stays: bool) -> None:
        """Records whether curation accepts a document."""

    def is_lost(self, name: bytes) -> bool:
        """Whether the named document is a duplicate; called once no question is left."""


class SurveyQuestion(Protocol):
    """Documents that a survey asks about."""

    def concerns(self, conversation: UUID) -> bool:
        """Whether any document of a conversation is among them."""

    def __contains__(self, document: Document, /) -> bool: ...


class PlainCuration:
    """Only de-identifies."""

    plan = finder = ""
    found_by = FoundBy()
    duplicates = None

    def __init__(self, cleaner: Cleaner) -> None:
        self._cleaner = cleaner

    def curate(self, documents: Sequence[Document]) -> Sequence[Curated]:
        cleaned = (self._cleaner.clean(document.texts, document.key) for document in documents)
        return [
            Curated(
                texts=one.texts,
                replaced=one.replaced,
                dropped=LeftOut.doubtful if one.doubtful else None,
                changes=one.changes,
            )
            for one in cleaned
        ]

    def sketch(self, documents: Sequence[Document]) -> Sequence[object]:
        return ()

    def elsewhere(self) -> PlainCuration:
        return self
