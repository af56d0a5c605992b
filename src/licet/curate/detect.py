"""Detectors of names in texts: one protocol, and a detector that remembers.

Promises: a detector returns the same spans for the same texts; ``name`` and ``sha256`` identify
everything else that its answers depend on. Detectors of names look at each text by itself.
``Cached`` queries each text once and stores hashes and positions, never the text; it is empty when
it is sent to another process.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from functools import cache
from hashlib import blake2b
from typing import Any, Protocol

import msgspec

from licet.curate.rules import IdentifierKind

CACHED_TEXTS_MAX = 500_000  # of some 100 bytes each, and a span more 150


class DetectedSpan(msgspec.Struct, frozen=True, order=True):
    """Characters ``[start, end)`` of one text that ``rule`` holds to be of ``kind``.

    ``read``: the value as it reads where it is written otherwise, in escapes for example.
    """

    start: int
    end: int
    kind: IdentifierKind
    score: float
    rule: str
    read: str = ""

    def __repr__(self) -> str:
        return (
            f"DetectedSpan({self.start}, {self.end}, {self.kind.value}, {self.score}, {self.rule})"
        )


class Detector(Protocol):
    """Finds spans. It pickles; what it loads, it loads where it is first used."""

    @property
    def name(self) -> str:
        """A word, in lower case."""

    @property
    def sha256(self) -> str:
        """The hash of the model and of how it is used, in hexadecimal."""

    def detect(
        self, texts: Sequence[str], kinds: Sequence[IdentifierKind]
    ) -> list[list[DetectedSpan]]:
        """One list for each text, in order: spans of ``kinds`` in characters, which do not
        overlap.
        """

    def unread(self, text: str) -> str:
        """The language of a text in which nothing is looked for, or nothing."""


def sound(text: str) -> str:
    """``text`` with a question mark for each lone surrogate, which models do not take: as many
    characters as before.
    """
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def merged(spans: Iterable[DetectedSpan]) -> list[DetectedSpan]:
    """The spans in their order, those that overlap made one. Of equals the one given first tells
    kind and rule.
    """
    out: list[DetectedSpan] = []
    best: list[DetectedSpan] = []  # of each in `out`, the one that gave it its kind
    for span in sorted(spans, key=lambda s: s.start):
        if not out or span.start >= out[-1].end:
            out.append(span)
            best.append(span)
            continue
        if (span.end - span.start, span.score) > (best[-1].end - best[-1].start, best[-1].score):
            best[-1] = span
        wider, told = out[-1], best[-1]
        score = max(wider.score, span.score)
        out[-1] = DetectedSpan(wider.start, max(wider.end, span.end), told.kind, score, told.rule)
    return out


def uncovered(span: DetectedSpan, covers: Sequence[DetectedSpan]) -> list[DetectedSpan]:
    """What of ``span`` lies outside of ``covers``, which are in order and do not overlap."""
    out, start = [], span.start
    for cover in covers:
        if cover.end <= start or cover.start >= span.end:
            continue
        if cover.start > start:
            out.append(msgspec.structs.replace(span, start=start, end=cover.start))
        start = cover.end
    if start < span.end:
        out.append(msgspec.structs.replace(span, start=start))
    return out


class CachedDetector:
    """A detector of single texts that is asked for each text once in a process."""

    def __init__(self, detector: Detector, texts_max: int = CACHED_TEXTS_MAX) -> None:
        self.detector, self.texts_max = detector, texts_max
        self._key, self._known = _kept(detector.sha256)

    @property
    def name(self) -> str:
        return self.detector.name

    @property
    def sha256(self) -> str:
        return self.detector.sha256

    def detect(
        self, texts: Sequence[str], kinds: Sequence[IdentifierKind]
    ) -> list[list[DetectedSpan]]:
        hashes = self._hashes(texts, kinds)
        missing = {h: text for h, text in zip(hashes, texts, strict=True) if h not in self._known}
        found = dict(
            zip(
                missing,
                map(tuple, self.detector.detect(list(missing.values()), kinds)),
                strict=True,
            )
        )
        answers = [list(found[h] if h in found else self._known[h]) for h in hashes]
        if len(self._known) + len(found) > self.texts_max:
            self._known.clear()
        self._known.update(found)
        return answers

    def unread(self, text: str) -> str:
        return self.detector.unread(text)

    def unasked(self, texts: Sequence[str], kinds: Sequence[IdentifierKind]) -> list[str]:
        """Those of ``texts`` for which the detector would have to be asked, each once, in order."""
        hashes = self._hashes(texts, kinds)
        return list(
            dict.fromkeys(
                text for h, text in zip(hashes, texts, strict=True) if h not in self._known
            )
        )

    def _hashes(self, texts: Sequence[str], kinds: Sequence[IdentifierKind]) -> list[bytes]:
        asked = "\n".join((*sorted(kinds), ""))
        keyed = ((asked + text).encode("utf-8", "surrogatepass") for text in texts)
        return [blake2b(one, key=self._key, digest_size=16).digest() for one in keyed]

    def __reduce__(self) -> tuple[Any, ...]:
        return CachedDetector, (self.detector, self.texts_max)


@cache
def _kept(_sha256: str) -> tuple[bytes, dict[bytes, tuple[DetectedSpan, ...]]]:
    """A key of this process and what is known under it: a plan that travels twice to a worker finds
    it again.
    """
    return secrets.token_bytes(32), {}
