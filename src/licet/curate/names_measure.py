"""Recall and precision of detection, measured on labelled texts by kind and slice.

A labelled value counts as found if replaced spans of any kind cover four fifths of its characters.
Titles of a person stay, and do not count. Recall is measured only for replaced kinds. `precision`
is the share of replaced words inside labelled values of any kind.

Figures belong to one configuration, identified by `configuration_key`: the rules, the detectors'
hashes, kinds and thresholds. The package's are in measured.json, an operator's own in the data
folder. A release's card quotes only figures of its own configuration, or says that there are none.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import msgspec

from licet.curate import deidentify, rules
from licet.curate.detect import subtract_spans
from licet.curate.kernels import NameKernel
from licet.curate.name_forms import LANGUAGES
from licet.curate.name_lists import words_around
from licet.curate.names_labelled import LabelledText
from licet.curate.rules import IdentifierKind
from licet.errors import InputError
from licet.release.manifest import MeasuredFigures
from licet.undecodable import UNDECODABLE

FILE = "measured.json"
OWN_FILE = "names-measured.json"  # in the data folder
PRECISION = "precision"
COVERED = 0.8
_WORD = re.compile(r"\w+(?:['’]\w+)*")
MEASURED_BYTES_MAX = 1 << 20

Figures = Mapping[str, tuple[MeasuredFigures, ...]]
_decode = msgspec.json.Decoder(dict[str, tuple[MeasuredFigures, ...]]).decode


def configuration_key(names: NameKernel | None) -> str:
    """The identity of a configuration, in hexadecimal."""
    declared = names.declared if names is not None else {}
    return sha256(
        msgspec.json.encode([rules.load_rules().sha256, declared], order="sorted")
    ).hexdigest()


def measure(
    names: NameKernel | None, slices: Mapping[str, Sequence[LabelledText]]
) -> tuple[MeasuredFigures, ...]:
    """The figures of the rules and ``names`` on labelled texts, by slice."""
    out: list[MeasuredFigures] = []
    for slice_, texts in slices.items():
        found, labelled, right, spans = _count_matches(names, texts)
        out += [
            MeasuredFigures(slice=slice_, kind=kind, found=found[kind], labelled=n)
            for kind, n in sorted(labelled.items())
        ]
        out.append(MeasuredFigures(slice=slice_, kind=PRECISION, found=right, labelled=spans))
    return tuple(out)


def _count_matches(
    names: NameKernel | None, texts: Sequence[LabelledText]
) -> tuple[Counter[str], Counter[str], int, int]:
    kinds = {kind.value for kind in names.kinds} if names is not None else set()
    named = (
        names.find_names([text.text for text in texts])
        if names is not None
        else [[] for _ in texts]
    )
    found: Counter[str] = Counter()
    labelled: Counter[str] = Counter()
    right = total = 0
    for one, own in zip(texts, named, strict=True):
        ruled = deidentify.detect([one.text])[0]
        spans = sorted([*ruled, *(piece for span in own for piece in subtract_spans(span, ruled))])
        places = [(span.start, span.end) for span in spans]
        for start, end, kind in one.spans:
            if kind.value in kinds or kind not in rules.NAMED:
                first = (
                    _behind_titles(one.text, start, end) if kind is IdentifierKind.PERSON else start
                )
                labelled[kind.value] += 1
                found[kind.value] += _overlap(first, end, places) >= COVERED * (end - first)
        values = [(start, end) for start, end, _ in one.spans]
        for span in spans:
            words = [word.span() for word in _WORD.finditer(one.text, span.start, span.end)]
            total += len(words)
            right += sum(_overlap(*word, values) > 0 for word in words)
    return found, labelled, right, total


def _behind_titles(text: str, start: int, end: int) -> int:
    """The start of a labelled name after its titles."""
    words = list(_WORD.finditer(text, start, end))
    bare = next((word for word in words[:-1] if word[0].rstrip(".").lower() not in _titles()), None)
    return bare.start() if bare is not None else words[-1].start() if words else start


@cache
def _titles() -> frozenset[str]:
    every = (words_around(language).titles for language in LANGUAGES)
    return frozenset(part for own in every for title in own for part in title.lower().split("."))


def _overlap(start: int, end: int, spans: Sequence[tuple[int, int]]) -> int:
    return sum(max(0, min(end, e) - max(start, s)) for s, e in spans)


def load_figures(
    names: NameKernel | None, folder: Path | None = None
) -> tuple[MeasuredFigures, ...] | msgspec.UnsetType:
    """The figures of a configuration, the operator's own in ``folder`` before the package's; UNSET
    for none.
    """
    own = (
        read_figures(folder / OWN_FILE)
        if folder is not None and (folder / OWN_FILE).is_file()
        else {}
    )
    ours = _decode(files("licet.curate").joinpath(FILE).read_bytes())
    return own.get(configuration_key(names)) or ours.get(configuration_key(names)) or msgspec.UNSET


def read_figures(path: Path) -> Figures:
    """Reads figures; InputError."""
    try:
        if path.stat().st_size > MEASURED_BYTES_MAX:
            raise InputError(f"more than `{MEASURED_BYTES_MAX}` bytes", file=str(path))
        return _decode(path.read_bytes())
    except UNDECODABLE as error:
        raise InputError(f"not figures of a measurement: {error!s}", file=str(path)) from None


def replace_figures(path: Path, figures: Figures) -> None:
    """Writes these figures and no others, as for the package's."""
    path.write_bytes(
        msgspec.json.format(msgspec.json.encode(figures, order="sorted"), indent=1) + b"\n"
    )


def add_figures(path: Path, figures: Figures) -> None:
    """Writes figures, keeping those of other configurations."""
    figures_stored = dict(read_figures(path)) if path.is_file() else {}
    replace_figures(path, {**figures_stored, **figures})
