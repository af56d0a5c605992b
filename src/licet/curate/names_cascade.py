"""The tagger that ships as the first stage of a cascade: it decides which passages the slower detectors read.

Promises: what the tagger finds is found; what the others find is found where it stands in a passage in which the tagger
holds a name, however unlikely, for possible. A text is still read by itself. How much is lost, and how much faster it
is, was measured: bench/RESULTS.md, names.

A passage reaches ``AROUND_TOKENS`` to either side, so that the other detectors read a name in its sentence.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from licet.curate.detect import DetectedSpan, Detector, merged, shifted
from licet.curate.names_built_in import BuiltIn
from licet.curate.rules import IdentifierKind

POSSIBLE = 0.02
AROUND_TOKENS = 24


class CascadeDetector(msgspec.Struct, frozen=True):
    """What ``first`` finds in a text, and what the ``others`` find where ``first`` does not rule a name out."""

    first: BuiltIn
    others: tuple[Detector, ...]

    @property
    def name(self) -> str:
        return "+".join(one.name for one in (self.first, *self.others))

    @property
    def sha256(self) -> str:
        return "+".join(one.sha256 for one in (self.first, *self.others))

    def detect(self, texts: Sequence[str], kinds: Sequence[IdentifierKind]) -> list[list[DetectedSpan]]:
        read = self.first.read_with_passages(texts, kinds, POSSIBLE, AROUND_TOKENS)
        found = [list(one.spans) for one in read]
        places = [(number, start, end) for number, one in enumerate(read) for start, end in one.passages]
        passages = [texts[number][start:end] for number, start, end in places]
        for other in self.others:
            for (number, start, _), own in zip(places, other.detect(passages, kinds), strict=True):
                found[number] += [shifted(span, start) for span in own]
        return [merged(own) for own in found]
