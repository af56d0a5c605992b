"""The tagger that ships as the first stage of a cascade: it decides which passages the slower detectors read.

Promises: what the tagger finds is found; what the others find is found where it stands in a passage in which the tagger
does not rule a name out. A text is still read by itself. How much is lost, and how much faster it is, was measured:
bench/RESULTS.md, names.

What it rules out was chosen by the recall that is kept, on the development part of WNUT17, which is in no figure: of the bounds
that were tried, some with which none of the people is lost whom the union of it and spaCy finds there. A word counts as possible
at a thousandth: in posts the tagger gives most of the names that it misses no more. A short text is read as a whole, because
spaCy finds less in parts of one, and passages near each other as one, because each costs as much as 200 characters.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from licet.curate.detect import DetectedSpan, Detector, DetectorUnion, merged, shifted
from licet.curate.names_built_in import BuiltIn, PassageBounds
from licet.curate.rules import IdentifierKind

NOT_RULED_OUT = PassageBounds(written=0.0005, other=0.001, around=12, apart=40, whole=60)


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
        read = self.first.read_with_passages(texts, kinds, NOT_RULED_OUT)
        found = [list(one.spans) for one in read]
        places = [(number, start, end) for number, one in enumerate(read) for start, end in one.passages]
        passages = [texts[number][start:end] for number, start, end in places]
        for other in self.others:
            for (number, start, _), own in zip(places, other.detect(passages, kinds), strict=True):
                found[number] += [shifted(span, start) for span in own]
        return [merged(own) for own in found]


def together(found: Sequence[Detector]) -> Detector:
    """What any of them finds; where the one that ships is among several, it decides what the others read."""
    first = next((one for one in found if isinstance(one, BuiltIn)), None)
    others = tuple(one for one in found if one is not first)
    return CascadeDetector(first, others) if first is not None and others else DetectorUnion(tuple(found))
