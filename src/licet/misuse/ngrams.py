"""Hashed n-grams: the features of the classifier's linear models.

Every digit becomes a zero, and a text is cut at `TEXT_CHARS_MAX` characters. N-grams are hashed to
buckets, so that no word is stored. Two kinds are counted: words with punctuation, and characters.

Source: Weinberger et al., Feature Hashing for Large Scale Multitask Learning (ICML 2009).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

TEXT_CHARS_MAX = 20_000
BUCKETS = 2**20
_DIGIT = re.compile(r"\d")
_WORD = r"(?u)\b\w+\b|[^\w\s]"

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Rows = NDArray[np.int64]


def count_ngrams(texts: Sequence[str]) -> list[Any]:
    """Counts of lower-case words with punctuation, and of characters: two sparse matrices."""
    return [
        _counts(texts, token_pattern=_WORD, ngram_range=(1, 2)),
        _counts(texts, analyzer="char_wb", ngram_range=(2, 5), lowercase=False),
    ]


def _counts(texts: Sequence[str], **options: Any) -> Any:  # noqa: ANN401 SciPy has no types
    from sklearn.feature_extraction.text import HashingVectorizer

    folded = [_DIGIT.sub("0", text[:TEXT_CHARS_MAX]) for text in texts]
    return HashingVectorizer(
        n_features=BUCKETS, alternate_sign=False, norm=None, **options
    ).transform(folded)


def inverse_frequencies(counts: Any) -> Array:  # noqa: ANN401 SciPy has no types
    """The idf of each bucket, highest for empty ones."""
    return np.asarray(np.log((1.0 + counts.shape[0]) / (1.0 + document_counts(counts))) + 1.0)


def document_counts(counts: Any) -> Rows:  # noqa: ANN401 SciPy has no types
    """How many texts have each bucket."""
    return np.bincount(counts.indices, minlength=BUCKETS)


def weigh_counts(counts: Any, idf: Array) -> Any:  # noqa: ANN401 SciPy has no types
    """Sublinear tf-idf, each row of length 1."""
    from sklearn.preprocessing import normalize

    made = counts.astype(np.float64)
    made.data = (1.0 + np.log(made.data)) * idf[made.indices]
    return normalize(made, copy=False)


def unknown_share(counts: Sequence[Any], known_buckets: Sequence[Mask]) -> Array:
    """The share of each text's distinct n-grams outside ``known_buckets``; 1 without n-grams."""
    from scipy.sparse import csr_matrix

    unknown, there = np.zeros(counts[0].shape[0]), np.zeros(counts[0].shape[0])
    for kind, mask in zip(counts, known_buckets, strict=True):
        is_unknown = csr_matrix(
            ((~mask[kind.indices]).astype(np.float64), kind.indices, kind.indptr), shape=kind.shape
        )
        unknown += np.asarray(is_unknown.sum(axis=1)).ravel()
        there += np.diff(kind.indptr)
    return np.where(there > 0, unknown / np.maximum(there, 1.0), 1.0)
