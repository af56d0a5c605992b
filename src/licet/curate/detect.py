"""Detectors of names in texts: the protocol, and a caching detector.

A detector is deterministic; ``name`` and ``sha256`` identify all that its answers depend on besides
the text. Name detectors search each text by itself. ``CachedDetector`` queries each text once and
stores hashes and positions, never the text; it is pickled empty.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from functools import cache
from hashlib import blake2b
from typing import Any, Protocol

import msgspec

from licet.curate.rules import IdentifierKind

CACHED_TEXTS_MAX = 500_000  # some 100 bytes each, and 150 a span


class DetectedSpan(msgspec.Struct, frozen=True, order=True):
    """Characters ``[start, end)`` of a text that ``rule`` found to be of ``kind``.

    ``read``: the decoded value, if it is written otherwise, as in escapes.
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
    """Finds spans. It must pickle, and load its data on first use."""

    @property
    def name(self) -> str:
        """A lower-case word."""

    @property
    def sha256(self) -> str:
        """The hash of the model and of how it is used, in hexadecimal."""

    def detect(
        self, texts: Sequence[str], kinds: Sequence[IdentifierKind]
    ) -> list[list[DetectedSpan]]:
        """One list for each text, in order: non-overlapping spans of ``kinds``, in characters."""

    def unread_language(self, text: str) -> str:
        """The language of a text that is not searched, or empty."""


def replace_surrogates(text: str) -> str:
    """``text`` with question marks for lone surrogates, which models reject."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def merge_spans(spans: Iterable[DetectedSpan]) -> list[DetectedSpan]:
    """Sorts and merges overlapping spans. Of equal ones, the first gives kind and rule."""
    out: list[DetectedSpan] = []
    best: list[DetectedSpan] = []  # the span that gave each of `out` its kind
    for span in sorted(spans, key=lambda s: s.start):
        if not out or span.start >= out[-1].end:
            out.append(span)
            best.append(span)
            continue
        if (span.end - span.start, span.score) > (best[-1].end - best[-1].start, best[-1].score):
            best[-1] = span
        wider, best_span = out[-1], best[-1]
        score = max(wider.score, span.score)
        out[-1] = DetectedSpan(
            wider.start, max(wider.end, span.end), best_span.kind, score, best_span.rule
        )
    return out


def subtract_spans(span: DetectedSpan, covers: Sequence[DetectedSpan]) -> list[DetectedSpan]:
    """The parts of ``span`` outside of ``covers``, which are in order and do not overlap."""
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
    """Caches the answers of a detector of single texts, per process."""

    def __init__(self, detector: Detector, texts_max: int = CACHED_TEXTS_MAX) -> None:
        self.detector, self.texts_max = detector, texts_max
        self._key, self._known = _cached_spans(detector.sha256)

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
        spans = dict(
            zip(
                missing,
                map(tuple, self.detector.detect(list(missing.values()), kinds)),
                strict=True,
            )
        )
        answers = [list(spans[h] if h in spans else self._known[h]) for h in hashes]
        if len(self._known) + len(spans) > self.texts_max:
            self._known.clear()
        self._known.update(spans)
        return answers

    def unread_language(self, text: str) -> str:
        return self.detector.unread_language(text)

    def uncached(self, texts: Sequence[str], kinds: Sequence[IdentifierKind]) -> list[str]:
        """The distinct ``texts`` that are not cached, in order."""
        hashes = self._hashes(texts, kinds)
        return list(
            dict.fromkeys(
                text for h, text in zip(hashes, texts, strict=True) if h not in self._known
            )
        )

    def _hashes(self, texts: Sequence[str], kinds: Sequence[IdentifierKind]) -> list[bytes]:
        kind_names = "\n".join((*sorted(kinds), ""))
        keyed = ((kind_names + text).encode("utf-8", "surrogatepass") for text in texts)
        return [blake2b(one, key=self._key, digest_size=16).digest() for one in keyed]

    def __reduce__(self) -> tuple[Any, ...]:
        return CachedDetector, (self.detector, self.texts_max)


@cache
def _cached_spans(_sha256: str) -> tuple[bytes, dict[bytes, tuple[DetectedSpan, ...]]]:
    """The process's cache and hash key for a detector, shared by all plans sent to a worker."""
    return secrets.token_bytes(32), {}
