"""The structured layer of de-identification as a `Cleaner`, for releases and previews."""

from __future__ import annotations

from collections.abc import Sequence

from licet.curate import deidentify, detect, rules
from licet.curate.changed_places import count_changes
from licet.release.curation import CleanedTexts


class RuleCleaner:
    """The structured layer of de-identification, for releases."""

    @property
    def rules(self) -> str:
        return "licet-rules"

    @property
    def sha256(self) -> str:
        return rules.load_rules().sha256

    def clean(self, texts: Sequence[str], key: bytes) -> CleanedTexts:
        return self.clean_named(texts, key, None)

    def clean_named(
        self,
        texts: Sequence[str],
        key: bytes,
        names: Sequence[Sequence[detect.DetectedSpan]] | None,
    ) -> CleanedTexts:
        return apply_replacements(texts, deidentify.substitutions(texts, key, names=names))


def apply_replacements(
    texts: Sequence[str], substitutions: Sequence[Sequence[deidentify.Substitution]]
) -> CleanedTexts:
    """The texts with replacements applied, counted by kind and place."""
    if not any(substitutions):
        return CleanedTexts(texts, {})
    cleaned = deidentify.substitute(texts, substitutions)
    replaced = {kind.value: count for kind, count in cleaned.counts.items()}
    return CleanedTexts(
        cleaned.texts, replaced, cleaned.doubtful, count_changes(texts, substitutions)
    )
