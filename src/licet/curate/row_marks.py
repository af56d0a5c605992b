"""Marks a row's surrogates and possibly identifying text for a reviewer.

Surrogates are recognised by their reserved values: nothing is stored about a row. Other findings of
the rules come first, then patterns that often identify (`release.review`). Marks only guide the
eye: an unmarked name is a finding all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from itertools import chain

import msgspec

from licet.curate import deidentify, made_up_names
from licet.release import review

# Capitalised words, as in names, with possible separators.
_NAMED = re.compile(
    r"\b[^\W\d_a-z][^\W\d_]*(?:[ '’-](?:(?:de|da|of|van|von|the) )?[^\W\d_a-z][^\W\d_]*){0,5}"
)
MARKS_MAX = 5_000  # of a text
_MADE = (
    ("person", made_up_names.is_made_person),
    ("place", made_up_names.is_made_place),
    ("organisation", made_up_names.is_made_organisation),
    ("address", made_up_names.is_made_address),
)


class MarkKind(StrEnum):
    identifier = "identifier"  # found by the rules, and not reserved
    made_up = "made_up"  # a surrogate, or another reserved value
    look = "look"  # a pattern that often identifies


class RowMark(msgspec.Struct, frozen=True, order=True):
    """Characters ``[start, end)`` of a text; ``kind`` is the kind of identifier."""

    start: int
    end: int
    mark: MarkKind
    kind: str


def marks(texts: Sequence[str]) -> list[list[RowMark]]:
    """The marks of each text, in order, without overlap: rule findings before mere resemblances."""
    spans = deidentify.recognise(texts)
    return [_of(text, own) for text, own in zip(texts, spans, strict=True)]


def _of(text: str, spans: Iterable[tuple[deidentify.DetectedSpan, bool]]) -> list[RowMark]:
    marks_kept, taken = list[RowMark](), bytearray(len(text))
    sure = (
        RowMark(
            span.start,
            span.end,
            MarkKind.made_up if is_nobodys else MarkKind.identifier,
            span.kind.value,
        )
        for span, is_nobodys in spans
    )
    looks = (RowMark(start, end, MarkKind.look, "look") for start, end in review.shapes(text))
    for mark in chain(sure, _made_up(text), looks):
        if len(marks_kept) == MARKS_MAX:
            break
        if mark.start < mark.end and not any(taken[mark.start : mark.end]):
            taken[mark.start : mark.end] = b"\x01" * (mark.end - mark.start)
            marks_kept.append(mark)
    return sorted(marks_kept)


def _made_up(text: str) -> Iterable[RowMark]:
    """Invented names: runs of capitalised words, or single ones."""
    for run in _NAMED.finditer(text):
        whole = _kind(run[0])
        if whole:
            yield RowMark(run.start(), run.end(), MarkKind.made_up, whole)
            continue
        for word in re.finditer(r"[^\W\d_]+", run[0]):
            kind = _kind(word[0])
            if kind:
                yield RowMark(
                    run.start() + word.start(), run.start() + word.end(), MarkKind.made_up, kind
                )


def _kind(value: str) -> str:
    return next((kind for kind, is_made in _MADE if is_made(value)), "")
