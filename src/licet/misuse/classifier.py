"""The misuse classifier: detects scams, abuse and jailbreaks in users' texts, and can forget
exactly.

A plain baseline: hashed n-grams of words and characters, weighted by tf-idf, and logistic
regression. A second fit on out-of-fold predictions calibrates its scores as probabilities.

Each domain of the examples has the same weight. The model judges only texts of learnt domains, and
abstains on texts unlike the learnt ones (`abstention_limits`): on unseen domains, no model of this
size finds enough at an acceptable rate of false alarms (`bench/RESULTS.md`, part `safety`).

It forgets exactly, because training is a function of the examples alone: they are ordered by id,
the fold follows from the id, and all solvers are deterministic and single-threaded. The model
retrained without some rows is therefore, byte for byte, the model that never had them. N-grams are
hashed, so a model file contains no words; it is nevertheless derived from content, and is retrained
when that content is withdrawn.

Sources: Joulin et al., Bag of Tricks (2016) for hashed n-grams; Platt (1999) for the calibration.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from licet.errors import BrokenError, UsageError
from licet.misuse import ngrams
from licet.misuse.ngrams import BUCKETS, Array, Rows
from licet.misuse.ordinary_prompts import ORDINARY_PROMPTS
from licet.undecodable import UNDECODABLE

FORMAT = "licet-misuse-3"
MODEL_FILE, WEIGHTS_FILE = "model.json", "weights.bin"
FOLDS = 5
EXAMPLES_EACH_MIN = 10  # of each kind: fewer do not allow calibration
DOMAIN_WEIGHT_MAX = 4.0
_REGULARISATION = 20.0
FALSE_ALARMS = (0.001, 0.005, 0.01, 0.05)
REPORTED_POINT = 2  # index of the operating point used: a false positive rate of at most 1 %


class LabelledExample(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation's text. ``id`` determines order and fold, ``slice`` groups the figures,
    ``domain`` is its source, such as a surface of the assistant.
    """

    id: bytes
    text: str
    misuse: bool
    slice: str = ""
    domain: str = ""

    def __repr__(self) -> str:
        return f"LabelledExample({self.id.hex()}, sealed, {len(self.text)} characters)"


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """An operating point, on examples not trained on: the share of harmless examples above the
    threshold (false alarms), and that of harmful ones (found).
    """

    threshold: float
    false_alarms: float
    found: float


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The performance on a slice; the areas are None if it has examples of one kind only."""

    slice: str
    examples: int
    misuse: int
    auprc: float | None
    auroc: float | None
    found: float | None
    false_alarms: float | None


class DomainFigures(Figures, frozen=True, kw_only=True):
    """The performance on a domain. ``is_learnt``: enough examples of both kinds to judge it."""

    is_learnt: bool


class OrdinaryFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The share of alarms at `REPORTED_POINT` on harmless prompts that look dangerous."""

    prompts: int
    alarms: float


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """The model's description. Counts are of examples; ``slope`` and ``bias`` calibrate the raw
    score; ``slices`` and ``domains`` are out-of-fold figures at `REPORTED_POINT`; ``limits``: the
    share of unknown n-grams above which the model abstains, by learnt domain; ``weights``: the hash
    of the weights file.
    """

    format: str = FORMAT
    examples: int
    misuse: int
    slope: float
    bias: float
    points: tuple[Point, ...]
    slices: tuple[Figures, ...]
    domains: tuple[DomainFigures, ...]
    limits: dict[str, float]
    ordinary: OrdinaryFigures
    weights: str


class _Weights(msgspec.Struct, frozen=True, kw_only=True):
    """For each kind of n-gram: idf and coefficient of the seen buckets, and the idf of others."""

    buckets: tuple[NDArray[np.uint32], ...]
    idf: tuple[NDArray[np.float32], ...]
    coefficients: tuple[NDArray[np.float32], ...]
    unseen: float
    bias: float


class Model:
    def __init__(self, card: Card, weights: _Weights) -> None:
        self.card, self._weights = card, weights
        self._dense = [_dense(*kind, weights.unseen) for kind in _kinds(weights)]
        self._known = [_mask(buckets) for buckets in weights.buckets]

    @property
    def sha256(self) -> str:
        """The hash of the weights in hexadecimal, the model's id in suggestions and points."""
        return self.card.weights

    def score(self, texts: Sequence[str]) -> Array:
        """The probability of misuse of each text."""
        return self._probabilities(ngrams.count_ngrams(texts))

    def judge(self, texts: Sequence[str], domain: str) -> Array:
        """The probability of misuse of each text of ``domain``; NaN where the model abstains."""
        if domain not in self.card.limits:
            return np.full(len(texts), np.nan)
        counts = ngrams.count_ngrams(texts)
        unlike = ngrams.unknown_share(counts, self._known) > self.card.limits[domain]
        return np.where(unlike, np.nan, self._probabilities(counts))

    def floor(self, share: float) -> float:
        """The threshold for a rate of false alarms, one of `FALSE_ALARMS`."""
        return self.card.points[FALSE_ALARMS.index(share)].threshold

    def save(self, folder: Path) -> None:
        """Writes the model's two files."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / WEIGHTS_FILE).write_bytes(_pack_weights(self._weights))
        (folder / MODEL_FILE).write_bytes(
            msgspec.json.format(msgspec.json.encode(self.card), indent=2)
        )

    def _probabilities(self, counts: Sequence[Any]) -> Array:
        raw = np.full(counts[0].shape[0], self._weights.bias)
        with _one_thread():
            for kind, (idf, coefficients) in zip(counts, self._dense, strict=True):
                raw += ngrams.weigh_counts(kind, idf) @ coefficients
        return _logistic(self.card.slope * raw + self.card.bias)


def load_card(folder: Path) -> Card:
    """The card of the model in ``folder``; UsageError without a model."""
    try:
        return msgspec.json.decode((folder / MODEL_FILE).read_bytes(), type=Card)
    except (OSError, *UNDECODABLE) as error:
        raise UsageError(
            f"`{folder}` contains no classifier", "name the folder that `licet train safety` wrote"
        ) from error


def load(folder: Path) -> Model:
    """The model in ``folder``; UsageError without one, BrokenError for damage."""
    card = load_card(folder)
    packed = (folder / WEIGHTS_FILE).read_bytes() if (folder / WEIGHTS_FILE).is_file() else b""
    if card.format != FORMAT or sha256(packed).hexdigest() != card.weights:
        raise BrokenError(f"the weights in `{folder}` do not match its card")
    return Model(card, _unpack_weights(packed))


def train(examples: Sequence[LabelledExample]) -> Model:
    """Trains a classifier on ``examples``, in any order; UsageError for too few of them."""
    examples = sorted(examples, key=lambda example: example.id)
    truth = np.array([example.misuse for example in examples])
    if min(truth.sum(), len(truth) - truth.sum()) < EXAMPLES_EACH_MIN:
        raise UsageError(
            f"`{int(truth.sum())}` examples of misuse and `{int(len(truth) - truth.sum())}` "
            "harmless ones",
            f"a classifier needs at least {EXAMPLES_EACH_MIN} of each",
        )
    folds = np.array(
        [int.from_bytes(sha256(example.id).digest()[:4]) % FOLDS for example in examples]
    )
    domains = [example.domain for example in examples]
    with _one_thread():
        counts = ngrams.count_ngrams([example.text for example in examples])
        raw, fitted = _out_of_fold(counts, folds, truth, balance_domains(domains))
        slope, bias = _fit_calibration(raw, truth)
        limits = abstention_limits(held_out_shares(counts, folds), domains)
    scores, weights = _logistic(slope * raw + bias), fitted.weights()
    points = _points(scores, truth)
    by_domain = _by_domain(scores, truth, domains, points[REPORTED_POINT].threshold)
    learnt = {domain.slice for domain in by_domain if domain.is_learnt}
    card = Card(
        examples=len(examples),
        misuse=int(truth.sum()),
        slope=slope,
        bias=bias,
        points=points,
        slices=tuple(figures(scores, examples, points[REPORTED_POINT].threshold)),
        domains=by_domain,
        limits={domain: limit for domain, limit in limits.items() if domain in learnt},
        ordinary=OrdinaryFigures(prompts=0, alarms=0.0),
        weights=sha256(_pack_weights(weights)).hexdigest(),
    )
    alarms = Model(card, weights).score(ORDINARY_PROMPTS) > points[REPORTED_POINT].threshold
    ordinary = OrdinaryFigures(prompts=len(ORDINARY_PROMPTS), alarms=float(alarms.mean()))
    return Model(msgspec.structs.replace(card, ordinary=ordinary), weights)


def balance_domains(domains: Sequence[str]) -> Array:
    """Example weights that give each domain the same total, at most `DOMAIN_WEIGHT_MAX` each."""
    names, place, counts = np.unique(np.array(domains), return_inverse=True, return_counts=True)
    return np.asarray(np.minimum(len(domains) / (len(names) * counts), DOMAIN_WEIGHT_MAX)[place])


def _by_domain(
    scores: Array, truth: NDArray[np.bool_], domains: Sequence[str], threshold: float
) -> tuple[DomainFigures, ...]:
    found = []
    for name in sorted(set(domains)):
        mine = np.array(domains) == name
        figure = _figures_of(name, truth[mine], scores[mine], threshold)
        is_learnt = min(figure.misuse, figure.examples - figure.misuse) >= EXAMPLES_EACH_MIN
        found.append(DomainFigures(**msgspec.structs.asdict(figure), is_learnt=is_learnt))
    return tuple(found)


def figures(scores: Array, examples: Sequence[LabelledExample], threshold: float) -> list[Figures]:
    """The performance of ``scores`` on all examples, then by slice."""
    truth = np.array([example.misuse for example in examples])
    slices = np.array([example.slice for example in examples])
    by_slice = [
        _figures_of(name, truth[slices == name], scores[slices == name], threshold)
        for name in sorted({example.slice for example in examples} - {""})
    ]
    return [_figures_of("all", truth, scores, threshold), *by_slice]


def _figures_of(name: str, truth: NDArray[np.bool_], scores: Array, threshold: float) -> Figures:
    from sklearn.metrics import average_precision_score, roc_auc_score

    above, both = scores > threshold, 0 < truth.sum() < len(truth)
    return Figures(
        slice=name,
        examples=len(truth),
        misuse=int(truth.sum()),
        auprc=float(average_precision_score(truth, scores)) if both else None,
        auroc=float(roc_auc_score(truth, scores)) if both else None,
        found=float(above[truth].mean()) if truth.any() else None,
        false_alarms=float(above[~truth].mean()) if not truth.all() else None,
    )


# Fitting


class _Fitted:
    """Logistic regression on tf-idf, fitted on ``rows`` of the counts."""

    def __init__(
        self, counts: Sequence[Any], rows: Rows, truth: NDArray[np.bool_], weight: Array
    ) -> None:
        from scipy.sparse import hstack
        from sklearn.linear_model import LogisticRegression

        self._counts = counts
        self._unseen = float(np.log(1.0 + len(rows)) + 1.0)
        self._idf = [ngrams.inverse_frequencies(kind[rows]) for kind in counts]
        # other buckets have a coefficient of zero
        self._seen = [np.flatnonzero(idf < self._unseen) for idf in self._idf]
        solver = LogisticRegression(
            C=_REGULARISATION, solver="liblinear", random_state=0, max_iter=2000
        )
        solver.fit(hstack(self._features(rows)).tocsr(), truth[rows], weight[rows])
        self._slopes = np.split(
            solver.coef_[0], np.cumsum([len(buckets) for buckets in self._seen])[:-1]
        )
        self._bias = float(solver.intercept_[0])

    def __call__(self, rows: Rows) -> Array:
        parts = zip(self._features(rows), self._slopes, strict=True)
        return np.asarray(self._bias + sum(features @ slope for features, slope in parts))

    def _features(self, rows: Rows) -> list[Any]:
        parts = zip(self._counts, self._idf, self._seen, strict=True)
        return [ngrams.weigh_counts(kind[rows], idf)[:, seen] for kind, idf, seen in parts]

    def weights(self) -> _Weights:
        return _Weights(
            buckets=tuple(buckets.astype(np.uint32) for buckets in self._seen),
            idf=tuple(
                idf[buckets].astype(np.float32)
                for idf, buckets in zip(self._idf, self._seen, strict=True)
            ),
            coefficients=tuple(slope.astype(np.float32) for slope in self._slopes),
            unseen=self._unseen,
            bias=self._bias,
        )


def _out_of_fold(
    counts: Sequence[Any], folds: Rows, truth: NDArray[np.bool_], weight: Array
) -> tuple[Array, _Fitted]:
    """The out-of-fold raw scores, and the model fitted on all examples."""
    scores = np.zeros(len(folds))
    for fold in range(FOLDS):
        training, mine = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        if len(mine):
            if truth[training].all() or not truth[training].any():
                raise UsageError(
                    "all examples of one kind fall into the same fold",
                    "training needs more of them",
                )
            scores[mine] = _Fitted(counts, training, truth, weight)(mine)
    return scores, _Fitted(counts, np.arange(len(folds)), truth, weight)


def _fit_calibration(raw: Array, truth: NDArray[np.bool_]) -> tuple[float, float]:
    from sklearn.linear_model import LogisticRegression

    line = LogisticRegression(C=1e3, random_state=0, max_iter=2000).fit(raw[:, None], truth)
    return float(line.coef_[0][0]), float(line.intercept_[0])


def _points(scores: Array, truth: NDArray[np.bool_]) -> tuple[Point, ...]:
    """The operating points; a threshold lies midway between neighbouring scores."""
    points = []
    for share in FALSE_ALARMS:
        threshold = float(np.quantile(scores[~truth], 1.0 - share, method="higher"))
        if (above := scores[scores > threshold]).size:
            threshold = float(
                _logistic(_logit(np.array([threshold, np.min(above)])).mean(keepdims=True))[0]
            )
        accused = scores > threshold
        alarms, recall = float(accused[~truth].mean()), float(accused[truth].mean())
        points.append(Point(threshold=threshold, false_alarms=alarms, found=recall))
    return tuple(points)


# Files


def _kinds(
    weights: _Weights,
) -> Iterator[tuple[NDArray[np.uint32], NDArray[np.float32], NDArray[np.float32]]]:
    return zip(weights.buckets, weights.idf, weights.coefficients, strict=True)


def _pack_weights(weights: _Weights) -> bytes:
    kinds = [
        (
            buckets.astype("<u4").tobytes(),
            idf.astype("<f4").tobytes(),
            coefficients.astype("<f4").tobytes(),
        )
        for buckets, idf, coefficients in _kinds(weights)
    ]
    return msgspec.msgpack.encode((kinds, weights.unseen, weights.bias))


def _unpack_weights(packed: bytes) -> _Weights:
    kinds, unseen, bias = msgspec.msgpack.decode(
        packed, type=tuple[list[tuple[bytes, bytes, bytes]], float, float]
    )
    return _Weights(
        buckets=tuple(np.frombuffer(buckets, "<u4") for buckets, _, _ in kinds),
        idf=tuple(np.frombuffer(idf, "<f4") for _, idf, _ in kinds),
        coefficients=tuple(np.frombuffer(coefficients, "<f4") for _, _, coefficients in kinds),
        unseen=unseen,
        bias=bias,
    )


def _dense(
    buckets: NDArray[np.uint32],
    idf: NDArray[np.float32],
    coefficients: NDArray[np.float32],
    unseen: float,
) -> tuple[Array, Array]:
    all_idf, slope = np.full(BUCKETS, unseen), np.zeros(BUCKETS)
    all_idf[buckets], slope[buckets] = idf, coefficients
    return all_idf, slope


def _mask(buckets: NDArray[np.uint32]) -> NDArray[np.bool_]:
    mask = np.zeros(BUCKETS, np.bool_)
    mask[buckets] = True
    return mask


def _logistic(logits: Array) -> Array:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -50.0, 50.0))))


def _logit(scores: Array) -> Array:
    return np.asarray(np.log(scores) - np.log1p(-scores))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Limits numeric libraries to one thread: with more, the order of additions varies."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield


ABSTENTION_LEVEL = 0.05
TEXTS_MIN = 19  # for a p-value as small as `ABSTENTION_LEVEL`


def held_out_shares(counts: Sequence[Any], folds: Rows) -> Array:
    """The share of each text's n-grams that no text of another fold has."""
    shares = np.ones(len(folds))
    for fold in np.unique(folds):
        mine = folds == fold
        known = [ngrams.document_counts(kind[~mine]) > 0 for kind in counts]
        shares[mine] = ngrams.unknown_share([kind[mine] for kind in counts], known)
    return shares


def abstention_limits(shares: Array, domains: Sequence[str]) -> dict[str, float]:
    """For each domain with enough texts, the share of unknown n-grams above which to abstain.

    The limit is conformal: at most `ABSTENTION_LEVEL` of texts like the domain's lie above it
    (Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005).
    """
    by_domain = {name: shares[np.array(domains) == name] for name in sorted(set(domains))}
    return {name: _limit(mine) for name, mine in by_domain.items() if len(mine) >= TEXTS_MIN}


def _limit(shares: Array) -> float:
    return float(np.sort(shares)[::-1][int(ABSTENTION_LEVEL * (len(shares) + 1)) - 1])
