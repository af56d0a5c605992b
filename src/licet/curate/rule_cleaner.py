"""The structured layer of de-identification, as a release and a preview of one need it."""

from __future__ import annotations

from collections.abc import Sequence

from licet.curate import deidentify, detect, rules
from licet.release.curation import CleanedTexts


class RuleCleaner:
    """The structured layer of de-identification, as a release needs it."""

    @property
    def rules(self) -> str:
        return "licet-rules"

    @property
    def sha256(self) -> str:
        return rules.ours().sha256

    def clean(self, texts: Sequence[str], key: bytes) -> CleanedTexts:
        return counted(deidentify.deidentify(texts, key))

    def clean_named(
        self, texts: Sequence[str], key: bytes, names: Sequence[Sequence[detect.DetectedSpan]]
    ) -> CleanedTexts:
        return counted(deidentify.deidentify(texts, key, names=names))


def counted(cleaned: deidentify.DeidentifiedTexts) -> CleanedTexts:
    """The texts, and how many spans of each kind were replaced, as a release has them."""
    replaced = {kind.value: count for kind, count in cleaned.counts.items()}
    return CleanedTexts(cleaned.texts, replaced, cleaned.doubtful)
