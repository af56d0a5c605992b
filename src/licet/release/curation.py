"""The interface between a build and curation: plain values, so that the build does not depend on an
engine.

A build passes the documents of a page that it decided and unsealed. It gets each back with
identifiers replaced, its labels, and the reason if a rule rejects it. Duplicates are known only at
the end: the build enters the sketch of each document that became a row, and then asks which rows
lose. If curation is expensive, a survey of sketches alone comes
first: it tells which documents are going to lose, so that they need not be curated.

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
    """The author of a text; ``name`` and ``call`` are the name and the arguments of a tool call,
    ``system`` and ``offered`` the host's instructions and its descriptions of tools. These two are
    the same in many conversations: they are cleaned, and tell nothing of language, quality or
    duplicates.
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
    unread_language = "unread_language"  # nothing looks for names in it
    benchmark = "benchmark"


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate row. ``name`` distinguishes it from others in every release; ``key`` is the key
    of its surrogates.

    ``known``: what the same finder found in each text before, as `Curated.found` has it; empty if
    nothing is known of any.
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
    """A curated document: its texts, one each; how many of each kind were replaced in them; why it
    is rejected, or None; its sketch for duplicates, and what was found in each text by who looks
    for names, which only curation reads.
    ``unread_language``: the first language of its texts in which nothing looks for names, where it
    is left out for that.
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
    """The texts, one each, with identifiers replaced, and how many of each kind were. ``doubtful``:
    what could not be read, or cut safely, is in them; the conversation is left out.
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
    """What curates the documents of pages, in any process."""

    @property
    def finder(self) -> str:
        """The hash of all that `Curated.found` depends on beside the text; empty if nobody looks
        for names.
        """

    def curate(self, documents: Sequence[Document]) -> Sequence[Curated]:
        """Each document curated, in order. The same documents give the same result, in any grouping
        and process.
        """

    def sketch(self, documents: Sequence[Document]) -> Sequence[object]:
        """For each document, in order, the sketch that `curate` returns, and nothing else; empty if
        nothing is compared.
        """


class Curation(PageCuration, Protocol):
    """What happens to documents between unsealing and sealing. One object serves one build."""

    @property
    def plan(self) -> str:
        """The hash of the steps, in hexadecimal; empty if rows get no labels."""

    @property
    def found_by(self) -> FoundBy:
        """What looked for names, and what de-identification as a whole is known to find."""

    @property
    def duplicates(self) -> Duplicates | None:
        """The detector of duplicates; None if nothing is compared."""

    def elsewhere(self) -> PageCuration:
        """The same curation for another process, to which it goes pickled; UsageError if it is
        bound to this one.
        """


class Duplicates(Protocol):
    """Finds the rows of a build whose content other rows have too. Its state is dropped with the
    build.
    """

    def enter(self, ordinal: int, sketch: object) -> None:
        """Takes note of what became the row ``ordinal``."""

    def lost(self) -> Sequence[int]:
        """The ordinals of the entered rows whose content other rows have too; called once, at the
        end.
        """

    def survey(self) -> SurveyProtocol | None:
        """A survey for this build; None if curating what loses costs less than looking ahead."""


class SurveyProtocol(Protocol):
    """Predicts which documents lose, before the build. All are entered first; then it asks about
    those to which others lose.
    """

    def enter(self, document: Document, sketch: object, *, stays: bool = False) -> None:
        """Takes note of a document; ``stays``: it is a row already."""

    def asked(self) -> SurveyQuestion | None:
        """Documents to which others lose, if they stay: does curation accept them? None if that is
        known of all.

        Those that were asked about and not judged since count as rejected.
        """

    def judge(self, document: Document, *, stays: bool) -> None:
        """The answer about one of them."""

    def is_lost(self, name: bytes) -> bool:
        """Whether documents that stay have the content of the one of this name; called when nothing
        more is to be asked.
        """


class SurveyQuestion(Protocol):
    """Documents about which a survey asks."""

    def some_of(self, conversation: UUID) -> bool:
        """Whether any document of a conversation is among them."""

    def __contains__(self, document: Document, /) -> bool: ...


class Plain:
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

    def elsewhere(self) -> Plain:
        return self
