"""What a build asks of curation, and what it gets: values only, so that the one who builds knows no engine.

A build hands over the documents of a page that it decided and unsealed, and gets each back with what identifies
replaced, its labels, and, where a rule refuses it, the reason. Duplicates are told when all are known: the build
enters each document that became a row, and asks at the end which rows lost.

``repr`` is masked: a document is content.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

from licet.policy.state import Kind
from licet.release.manifest import Measured, NamesPin
from licet.release.rows import Labels


class Voice(StrEnum):
    """Whose a text is; ``name`` and ``call`` are the name and the arguments of a tool call."""

    user = "user"
    assistant = "assistant"
    tool = "tool"
    name = "name"
    call = "call"


class Left(StrEnum):
    """Why curation leaves out what may be used."""

    duplicate = "duplicate"
    low_quality = "low_quality"
    doubtful = "doubtful"
    benchmark = "benchmark"


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """What may become one row. ``name``: what tells it from others in every release; ``key``: its surrogates' key."""

    account: bytes
    name: bytes
    kind: Kind
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
    dropped: Left | None = None
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
    measured: tuple[Measured, ...] | msgspec.UnsetType = msgspec.UNSET


class Curation(Protocol):
    """What becomes of documents between their unsealing and their sealing. One object serves one build."""

    @property
    def plan(self) -> str:
        """The hash of what is done, in hexadecimal; empty where rows get no labels."""

    @property
    def found_by(self) -> FoundBy:
        """What looked for names, and what de-identification as a whole is known to find."""

    def curate(self, documents: Sequence[Document]) -> Sequence[Curated]:
        """Each document curated, in order. The same documents give the same answer, in any grouping."""

    def enter(self, ordinal: int, curated: Curated) -> None:
        """Takes note that a document became the row ``ordinal``."""

    def lost(self) -> Sequence[int]:
        """The ordinals, of those entered, whose content other rows hold as well; called once, at the end."""


class Plain:
    """De-identifies and does nothing else."""

    plan = ""
    found_by = FoundBy()

    def __init__(self, cleaner: Cleaner) -> None:
        self._cleaner = cleaner

    def curate(self, documents: Sequence[Document]) -> Sequence[Curated]:
        cleaned = (self._cleaner.clean(document.texts, document.key) for document in documents)
        return [Curated(texts=texts, replaced=replaced) for texts, replaced in cleaned]

    def enter(self, ordinal: int, curated: Curated) -> None:
        """Nothing is compared here."""

    def lost(self) -> Sequence[int]:
        return ()
