"""The likeliest language of a text, by py3langid's model of 142 languages: naive Bayes over byte
n-grams (Lui and Baldwin 2012).

The model's file is py3langid's; the reading is ours, by `language_loops` where the loops are
loaded and by `plain` elsewhere. Both add in double precision, so that a label does not depend on
the processor's order of addition. The model has 50 MB in memory: its table stays in half precision.

Score of a class: its prior plus, for each n-gram of the text, log(1 + occurrences) times its entry;
divided by the square root of the text's bytes, and normalised over all classes (softmax).
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

UNDETERMINED = "und"
# Languages by the macrolanguage of ISO 639-3 that they are of; what is no language (codes, numbers)
# has a code of its own, and another spelling of one is that one.
_SAME = {
    "nb": "no",
    "nn": "no",
    "wuu": "zh",
    "yue": "zh",
    "arz": "ar",
    "ary": "ar",
    "zxx": UNDETERMINED,
}
# Languages that few people write beside the one that they are near to: they do not make that one
# less likely.
_NEIGHBOURS = frozenset({"gl", "ext", "an", "oc", "vec", "lij"})


class LanguageModel(NamedTuple):
    """``moves``: the next state by row and byte; ``rows``: the row of each state; ``features``: the
    n-gram that ends in a state, or -1; ``table``: by n-gram and class, the bits of a number of half precision;
    ``group``: the number of each class's name in ``names``.
    """

    moves: NDArray[Any]
    rows: NDArray[Any]
    features: NDArray[np.int32]
    table: NDArray[np.uint16]
    priors: NDArray[np.float64]
    group: NDArray[np.int64]
    is_neighbour: NDArray[np.bool_]  # of names
    names: tuple[str, ...]


@cache
def model() -> LanguageModel:
    """The model, read once a process in half a second."""
    # it ships neither stubs nor py.typed
    from py3langid.langid import MODEL_DIR, MODEL_FILE  # type: ignore[import-untyped]

    # nor for this
    from py3langid.modelio import load_model  # type: ignore[import-untyped]

    table, priors, classes, moves, rows, features = load_model(MODEL_DIR / MODEL_FILE)
    of_class = [_SAME.get(name, name) for name in classes]
    names = tuple(dict.fromkeys(of_class))
    return LanguageModel(
        moves=np.frombuffer(moves, moves.typecode),
        rows=np.frombuffer(rows, rows.typecode),
        features=np.array(features, np.int32),
        table=table.view(np.uint16),
        priors=priors.astype(np.float64),
        group=np.array([names.index(name) for name in of_class], np.int64),
        is_neighbour=np.array([name in _NEIGHBOURS for name in names], np.bool_),
        names=names,
    )


def model_version() -> str:
    """The package and version of the model, for the plan of a release."""
    return f"py3langid {version('py3langid')}"


def likeliest(texts: Sequence[str], *, compiled: bool = False) -> list[tuple[str, float]]:
    """The likeliest language of each text and its probability."""
    data = [_read(text) for text in texts]
    known = model()
    if not compiled:
        return [plain(one, known) for one in data]
    from licet.curate import language_loops

    ends = np.zeros(len(data) + 1, np.int64)
    np.cumsum(list(map(len, data)), out=ends[1:])
    joined = np.frombuffer(b"".join(data), np.uint8)
    found, shares = language_loops.languages(joined, ends, *known[:7])
    return [
        (known.names[name] if name >= 0 else UNDETERMINED, share)
        for name, share in zip(found.tolist(), shares.tolist(), strict=True)
    ]


def _read(text: str) -> bytes:
    """A text as the model was made for: composed, and in small letters if all are capitals."""
    if text.isupper():
        text = text.lower()
    return unicodedata.normalize("NFC", text).encode("utf-8", "surrogatepass")


def plain(data: bytes, model: LanguageModel) -> tuple[str, float]:
    """The likeliest language of a text in UTF-8 and its probability; undetermined if empty."""
    if not data:
        return UNDETERMINED, 0.0
    moves, rows, features = _plain_tables()
    state, seen = 0, list[int]()
    for byte in data:
        state = moves[rows[state] << 8 | byte]
        if (feature := features[state]) >= 0:
            seen.append(feature)
    counts = Counter(seen)
    weights = np.log1p(np.fromiter(counts.values(), np.float64, len(counts)))
    entries = model.table[np.fromiter(counts, np.int64, len(counts))].view(np.float16)
    scores: NDArray[Any] = np.zeros(len(model.priors))
    if seen:
        scores = weights @ entries.astype(np.float64) + model.priors
    scores = np.exp((scores - np.max(scores)) / math.sqrt(len(data)))
    shares: NDArray[Any] = np.bincount(model.group, scores / scores.sum())
    name = int(np.argmax(shares))
    share = shares[name]
    if not model.is_neighbour[name]:
        share += shares[model.is_neighbour].sum()
    return model.names[name], float(share)


@cache
def _plain_tables() -> tuple[memoryview, memoryview, memoryview]:
    """The tables that are read byte by byte, as what Python indexes quickly."""
    known = model()
    return memoryview(known.moves), memoryview(known.rows), memoryview(known.features)
