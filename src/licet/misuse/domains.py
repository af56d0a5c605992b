"""Several domains: each has a model of its own, and a text of none of them gets their common vote.

A model that is fitted on all domains at once learns first of all which domain a text is from, because domains differ in
their share of misuse. A model of one domain cannot learn this. The vote is the mean of the domains' models, for plain
words and for embeddings, so that no large domain drowns the others.

How well this does elsewhere is measured by leaving out one domain at a time: the vote of the others is compared with
plain TF-IDF and logistic regression, which learn from the same texts. The intervals are those of a paired bootstrap.

Source: Blanchard et al., Generalizing from Several Related Classification Tasks (NeurIPS 2011) for the problem.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from licet.misuse import abstention, ngrams
from licet.misuse.ngrams import Array, Rows

RESAMPLED = 200
WEIGHT_MAX = 4.0
_WORDS_C, _EMBEDDED_C = 10.0, 5.0


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """A figure, and the bounds within which it lies at 95 % confidence."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


class DomainLeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """How a model that never saw a domain does on it: the area under its precision-recall curve, that of TF-IDF with
    logistic regression, the difference, and the shares of the examples on which it abstains.
    """

    domain: str
    examples: int
    misuse: int
    auprc: Interval
    tfidf: Interval
    gain: Interval
    abstained_harmless: float
    abstained_misuse: float


class VoteWeights(msgspec.Struct, frozen=True, kw_only=True):
    """The mean of the domains' models: buckets of plain words with their idf and coefficient, and the embedding's."""

    buckets: NDArray[np.uint32] = np.zeros(0, np.uint32)
    idf: NDArray[np.float32] = np.zeros(0, np.float32)
    coefficients: NDArray[np.float32] = np.zeros(0, np.float32)
    bias: float = 0.0
    embedded: NDArray[np.float32] = np.zeros(0, np.float32)
    embedded_bias: float = 0.0


class DomainData:
    """What the vote learns from, in the order of the examples: texts, truth, domains, and embeddings if there are any."""

    def __init__(
        self, texts: Sequence[str], truth: NDArray[np.bool_], domains: Sequence[str], vectors: Array | None
    ) -> None:
        self.texts, self.truth, self.vectors = texts, truth, vectors
        self.words = ngrams.plain_words(texts)
        self._domains = np.array(domains)
        self._embedded: dict[str, tuple[Array, float]] = {}

    def domains(self, rows: Rows) -> list[str]:
        return [str(one) for one in self._domains[rows]]

    def rows(self, *names: str) -> Rows:
        """The places of the examples of these domains, in order."""
        return np.flatnonzero(np.isin(self._domains, names))

    def embedded(self, name: str) -> tuple[Array, float]:
        """The model of one domain on embeddings."""
        if name not in self._embedded:
            assert self.vectors is not None
            rows = self.rows(name)
            self._embedded[name] = _fitted(_EMBEDDED_C, self.vectors[rows], self.truth[rows])
        return self._embedded[name]


def balanced(domains: Sequence[str]) -> Array:
    """A weight for each example, so that each domain weighs the same; at most `WEIGHT_MAX` for those of a small one."""
    names, place, counts = np.unique(np.array(domains), return_inverse=True, return_counts=True)
    return np.asarray(np.minimum(len(domains) / (len(names) * counts), WEIGHT_MAX)[place])


def vote(data: DomainData, names: Sequence[str]) -> VoteWeights:
    """The vote of the domains ``names``. Words that none of them has count for nothing."""
    rows = data.rows(*names)
    seen = np.flatnonzero(ngrams.in_texts(data.words[rows]))
    idf = ngrams.idf_of(data.words[rows])
    slope, bias = np.zeros(len(seen)), 0.0
    for name in names:
        mine = data.rows(name)
        own, level = _fitted(_WORDS_C, _known(data.words[mine], seen, idf[seen]), data.truth[mine])
        slope, bias = slope + own / len(names), bias + level / len(names)
    made = VoteWeights(
        buckets=seen.astype(np.uint32),
        idf=idf[seen].astype(np.float32),
        coefficients=slope.astype(np.float32),
        bias=bias,
    )
    if data.vectors is None:
        return made
    each = [data.embedded(name) for name in names]
    return msgspec.structs.replace(
        made, embedded=np.mean([slope for slope, _ in each], axis=0).astype(np.float32),
        embedded_bias=float(np.mean([bias for _, bias in each])),
    )  # fmt: skip


def voted(weights: VoteWeights, words: Any, vectors: Array | None) -> list[Array]:  # noqa: ANN401 a sparse matrix
    """The vote on texts by their plain words, and, with ``vectors``, by their embeddings."""
    by_word = _known(words, weights.buckets, weights.idf.astype(np.float64)) @ weights.coefficients.astype(np.float64)
    scores = [np.asarray(by_word + weights.bias)]
    if vectors is not None:
        # Summed row by row: the order of additions in a matrix product depends on the number of rows.
        scores.append((vectors * weights.embedded).sum(axis=1) + weights.embedded_bias)
    return scores


def left_out(
    data: DomainData, names: Sequence[str], counts: Sequence[Any], folds: Rows
) -> tuple[list[list[Array]], list[NDArray[np.bool_]]]:
    """For each domain the vote of the others on it, and whether they abstain."""
    scores, abstains = [], []
    for name in names:
        others, mine = [one for one in names if one != name], data.rows(name)
        vectors = data.vectors[mine] if data.vectors is not None else None
        scores.append(voted(vote(data, others), data.words[mine], vectors))
        learnt = data.rows(*others)
        held = abstention.held_out(counts, folds, learnt)
        limit = abstention.limits(held, data.domains(learnt))[""]
        share = ngrams.unknown_share([kind[mine] for kind in counts], abstention.known_in(counts, learnt))
        abstains.append(share > limit)
    return scores, abstains


def measured(
    data: DomainData, names: Sequence[str], scores: Sequence[Array], abstains: Sequence[NDArray[np.bool_]]
) -> tuple[DomainLeftOut, ...]:
    """The figures of each domain that is left out, beside those of TF-IDF with logistic regression."""
    found = []
    for name, score, abstained in zip(names, scores, abstains, strict=True):
        mine = data.rows(name)
        truth = data.truth[mine]
        plain = _tfidf(data, data.rows(*(one for one in names if one != name)), mine)
        ours, theirs, gain = _areas(truth, score, plain)
        found.append(
            DomainLeftOut(
                domain=name, examples=len(mine), misuse=int(truth.sum()), auprc=ours, tfidf=theirs, gain=gain,
                abstained_harmless=float(abstained[~truth].mean()), abstained_misuse=float(abstained[truth].mean()),
            )
        )  # fmt: skip
    return tuple(found)


def _known(words: Any, buckets: NDArray[Any], idf: Array) -> Any:  # noqa: ANN401 a sparse matrix, which has no type here
    return ngrams.weighted(words[:, buckets.astype(np.int64)].tocsr(), idf)


def _fitted(c: float, features: Any, truth: NDArray[np.bool_]) -> tuple[Array, float]:  # noqa: ANN401 sparse or dense
    from sklearn.linear_model import LogisticRegression

    solver = LogisticRegression(C=c, solver="liblinear", random_state=0, max_iter=2000, class_weight="balanced")
    solver.fit(features, truth)
    return solver.coef_[0], float(solver.intercept_[0])


def _tfidf(data: DomainData, learnt: Rows, asked: Rows) -> Array:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    read = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    features = read.fit_transform([ngrams.cut(data.texts[i]) for i in learnt])
    solver = LogisticRegression(solver="liblinear", random_state=0, max_iter=2000).fit(features, data.truth[learnt])
    return np.asarray(solver.decision_function(read.transform([ngrams.cut(data.texts[i]) for i in asked])))


def _areas(truth: NDArray[np.bool_], ours: Array, theirs: Array) -> tuple[Interval, Interval, Interval]:
    """Both areas and their difference, with the intervals of the same resamples."""
    from sklearn.metrics import average_precision_score

    def areas(rows: Rows) -> tuple[float, float, float]:
        one, other = (float(average_precision_score(truth[rows], scores[rows])) for scores in (ours, theirs))
        return one, other, one - other

    drawn, random = [], np.random.default_rng(0)
    for _ in range(RESAMPLED):
        rows = random.integers(0, len(truth), len(truth))
        if 0 < truth[rows].sum() < len(rows):
            drawn.append(areas(rows))
    low, high = np.quantile(np.array(drawn), [0.025, 0.975], axis=0)
    one, other, gain = (
        Interval(value=value, low=float(low[i]), high=float(high[i]))
        for i, value in enumerate(areas(np.arange(len(truth))))
    )
    return one, other, gain
