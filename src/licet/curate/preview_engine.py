"""Curates documents for a preview, as a build would, and lists every replacement.

The texts equal those of a build with the same settings, on any engine. Detectors and
benchmarks are loaded once a process. Findings are cached by a keyed hash of the text
(`detect.CachedDetector`), so that a long conversation can be searched for names in parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from licet.config import Curate
from licet.curate import deidentify, engine_settings
from licet.curate.batches import batches
from licet.curate.deidentify import Substitution
from licet.curate.detect import CachedDetector, DetectedSpan
from licet.curate.kernels import is_searched
from licet.curate.pipeline import read_curated
from licet.curate.plan import plan
from licet.curate.rule_cleaner import RuleCleaner, apply_replacements
from licet.policy.state import ConversationKind
from licet.release.curation import CleanedTexts, Curated, Document, Voice

REMEMBERED_TEXTS_MAX = 20_000
TEXT_WEIGHT = 100  # the fixed cost of a detector call, in characters of prose
# Curated once at the start, to load lists, compiled patterns and tables.
_SAMPLE = (
    "Ms Jane Poole of 12 High Street, Leeds (jane.poole@example.com, +44 113 496 0000, 4111 "
    "1111 1111 1111) asks: "
)
_SAMPLE_TIMES = 80


class PreviewedDocument(NamedTuple):
    """A curated document, and each text's replacements."""

    curated: Curated
    replaced: Sequence[Sequence[Substitution]]


class PreviewEngine:
    """Serves one thread at a time."""

    def __init__(self, chosen: Curate, left_in: bool = False) -> None:
        self._names = engine_settings.name_search_step(
            chosen, REMEMBERED_TEXTS_MAX, left_in=left_in
        )
        self._benchmarks = engine_settings.load_benchmarks(chosen)

    def heaviest(self, documents: Sequence[Document]) -> int:
        """The greatest `weight` of a text not yet searched for names."""
        return max(map(weight, self._unread(documents)), default=0)

    def search(self, documents: Sequence[Document], weight_max: int) -> tuple[int, int]:
        """Searches texts for names up to a total `weight`; returns the weight done and left."""
        unread = self._unread(documents)
        weights = list(map(weight, unread))
        spent = taken = 0
        while taken < len(unread) and spent + weights[taken] <= weight_max:
            spent, taken = spent + weights[taken], taken + 1
        if self._names is not None and taken:
            self._names.detector.detect(unread[:taken], self._names.kinds)
        return spent, sum(weights[taken:])

    def curate(self, documents: Sequence[Document], key: bytes) -> list[PreviewedDocument]:
        """Curates each document, in order. ``key``: 32 random bytes."""
        cleaner = _NotingCleaner()
        made = plan(cleaner, key, benchmarks=self._benchmarks, names=self._names)
        curated = [one for batch in batches(documents) for one in read_curated(made(batch))]
        return [PreviewedDocument(*each) for each in zip(curated, cleaner.noted, strict=True)]

    def _unread(self, documents: Sequence[Document]) -> list[str]:
        if self._names is None:
            return []
        detector = self._names.detector
        assert isinstance(detector, CachedDetector)
        spoken = [
            each
            for document in documents
            for each in zip(document.texts, document.voices, strict=True)
        ]
        return detector.uncached(
            [text for text, voice in spoken if is_searched(text, voice)], self._names.kinds
        )


def weight(text: str) -> int:
    """The cost of searching a text for names, in characters of prose."""
    return len(text) + TEXT_WEIGHT


@cache
def engine(chosen: Curate, left_in: bool) -> PreviewEngine:
    """The process's engine, fully loaded; the first call takes seconds.

    ``left_in``: the policy lets names in.
    """
    made = PreviewEngine(chosen, left_in)
    sample = Document(
        account=bytes(16),
        name=bytes(16),
        kind=ConversationKind.chat,
        key=bytes(32),
        voices=(Voice.user,),
        texts=(_SAMPLE * _SAMPLE_TIMES,),
    )
    made.curate([sample], bytes(32))
    return made


class _NotingCleaner(RuleCleaner):
    """Cleans as a build does, and records the replacements of each conversation."""

    def __init__(self) -> None:
        self.noted: list[list[list[Substitution]]] = []

    def clean_named(
        self, texts: Sequence[str], key: bytes, names: Sequence[Sequence[DetectedSpan]] | None
    ) -> CleanedTexts:
        substitutions = deidentify.substitutions(texts, key, names=names)
        self.noted.append(substitutions)
        return apply_replacements(texts, substitutions)
