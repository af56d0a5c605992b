"""The misuse classifier: detects scams, abuse and jailbreaks in what a person wrote, and can forget exactly.

It has two stages. The fast stage reads words and characters: hashed n-grams weighted by tf-idf, and a linear model. The
second stage adds the embedding of a small frozen encoder, and a linear model on it. A third linear model combines both;
it is fitted on predictions for examples that each model had not seen, so that a score is a calibrated probability. A
cascade runs the second stage only if the first is in doubt.

Examples carry their domain, and each domain weighs the same. A text of a domain that was not learnt is scored by the
vote of the domains that were (`misuse.domains`), and a text unlike all that was learnt gets no suggestion
(`misuse.abstention`).

It forgets exactly, because training is a function of the examples alone. They are taken in the order of their ids; the
fold follows from each id; an embedding is computed from one text; all solvers are deterministic and run on one thread.
The model retrained without some rows is therefore, byte for byte, the model that never had them. N-grams are hashed, so
a model file contains no words; it is nevertheless derived from content, and is retrained when that content is
withdrawn.

Sources: Joulin et al., Bag of Tricks (2016) for hashed n-grams; Wolpert, Stacked Generalization (1992); Platt (1999).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from licet.errors import BrokenError, UsageError
from licet.misuse import abstention, domains, ngrams
from licet.misuse.domains import DomainData, DomainLeftOut, VoteWeights
from licet.misuse.ngrams import BUCKETS, Array, Rows, cut
from licet.misuse.ordinary_prompts import ORDINARY_PROMPTS

FORMAT = "licet-misuse-2"
MODEL_FILE, WEIGHTS_FILE = "model.json", "weights.bin"
FOLDS = 5
EXAMPLES_EACH_MIN = 10  # of each kind: fewer do not allow calibration
_FAST_C, _EMBEDDED_C = 20.0, 30.0
_DOUBT_SHARE = 0.1
_SLOPE_MIN = 0.01  # a vote that misleads on other domains still orders texts as the domains do
FALSE_ALARMS = (0.001, 0.005, 0.01, 0.05)
TOLD_AT = 2  # index of the operating point used: a false positive rate of at most 1 %

_Stage = TypeVar("_Stage", bound=Callable[[Rows], NDArray[np.float64]])


class LabelledExample(msgspec.Struct, frozen=True, kw_only=True):
    """One conversation's text. ``id`` orders the examples and determines the fold; ``slice`` is what the figures are
    grouped by; ``domain`` is where it is from, such as a surface of the assistant.
    """

    id: bytes
    text: str
    misuse: bool
    slice: str = ""
    domain: str = ""

    def __repr__(self) -> str:
        return f"Example({self.id.hex()}, sealed, {len(self.text)} characters)"


class Embed(Protocol):
    """The frozen encoder. ``sha256`` names it."""

    sha256: str

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One embedding per text, each a function of its text alone."""


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """An operating point, on examples not trained on: the share of harmless examples above the threshold (false
    alarms), and the share of harmful ones above it (found).
    """

    threshold: float
    false_alarms: float
    found: float


class LinearModel(msgspec.Struct, frozen=True, kw_only=True):
    """A linear model on scores: probability = logistic(weights . scores + bias)."""

    weights: tuple[float, ...]
    bias: float

    def logit(self, *scores: Array) -> Array:
        return np.asarray(sum(w * s for w, s in zip(self.weights, scores, strict=True)) + self.bias)


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The performance of a model on one slice; the areas are None if the slice has examples of one kind only."""

    slice: str
    examples: int
    misuse: int
    auprc: float | None
    auroc: float | None
    found: float | None
    false_alarms: float | None


class DomainLearnt(msgspec.Struct, frozen=True, kw_only=True):
    """A domain that was learnt. ``has_model``: it has enough examples of both kinds for a model of its own."""

    name: str
    examples: int
    misuse: int
    has_model: bool


class OrdinaryFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The share of ordinary prompts that look dangerous on which the model abstains, and of alarms at `TOLD_AT`."""

    prompts: int
    abstained: float
    alarms: float


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """The model's description. Counts are of examples; ``doubt`` is the range of the fast stage's logits in which a
    cascade runs the second stage; ``slices`` are figures on examples not trained on, at the point `TOLD_AT`;
    ``weights`` is the hash of the file beside it, ``encoder`` that of the encoder.

    ``vote`` and ``vote_points`` are for texts of other domains, None and empty if fewer than two domains have a model;
    ``limits`` is the share of unknown n-grams above which the model abstains, by domain, and under ``""`` for others.
    """

    format: str = FORMAT
    examples: int
    misuse: int
    encoder: str
    fast: LinearModel
    stacked: LinearModel | None
    doubt: tuple[float, float]
    points: tuple[Point, ...]
    slices: tuple[Figures, ...]
    domains: tuple[DomainLearnt, ...]
    vote: LinearModel | None
    vote_points: tuple[Point, ...]
    limits: dict[str, float]
    left_out: tuple[DomainLeftOut, ...]
    ordinary: OrdinaryFigures
    weights: str


class _Weights(msgspec.Struct, frozen=True, kw_only=True):
    """Per kind of n-gram: the buckets seen in training, with their idf and coefficient; the idf of all others."""

    buckets: tuple[NDArray[np.uint32], ...]
    idf: tuple[NDArray[np.float32], ...]
    coefficients: tuple[NDArray[np.float32], ...]
    unseen: float
    bias: float
    embedded: NDArray[np.float32] = np.zeros(0, np.float32)
    embedded_bias: float = 0.0
    vote: VoteWeights = VoteWeights()


class Model:
    """A trained classifier."""

    def __init__(self, card: Card, weights: _Weights, embed: Embed | None) -> None:
        if card.encoder and (embed is None or embed.sha256 != card.encoder):
            raise UsageError("the model was trained with another encoder", "use the encoder that its card names")
        self.card, self._weights, self._embed = card, weights, embed
        self._dense = _dense(weights)
        self._known = [_mask(one) for one in weights.buckets]

    def fast(self, texts: Sequence[str]) -> Array:
        """The probability of misuse, by the first stage alone."""
        return _logistic(self.card.fast.logit(self._raw(ngrams.counted(texts))))

    def score(self, texts: Sequence[str]) -> Array:
        """The probability of misuse, by both stages if the model has both."""
        raw = self._raw(ngrams.counted(texts))
        return self._full(self._encoded(texts), raw) if self.card.stacked else _logistic(self.card.fast.logit(raw))

    def cascade(self, texts: Sequence[str]) -> Array:
        """As `score`, but the second stage runs only if the first is in doubt."""
        return self._cascade(texts, ngrams.counted(texts))

    def elsewhere(self, texts: Sequence[str]) -> Array:
        """The probability of misuse of texts from a domain that was not learnt, by the vote of the domains."""
        if self.card.vote is None:
            return self.score(texts)
        vectors = self._encoded(texts) if self.card.encoder else None
        with _one_thread():
            found = domains.voted(self._weights.vote, ngrams.plain_words(texts), vectors)
        return _logistic(self.card.vote.logit(*found))

    def judge(self, texts: Sequence[str], domain: str) -> Array:
        """The probability of misuse of texts of ``domain``; NaN where the model abstains."""
        counts = ngrams.counted(texts)
        scores = self.elsewhere(texts) if self.is_elsewhere(domain) else self._cascade(texts, counts)
        limit = self.card.limits.get(domain, self.card.limits[""])
        return np.where(ngrams.unknown_share(counts, self._known) > limit, np.nan, scores)

    def is_elsewhere(self, domain: str) -> bool:
        """Whether texts of ``domain`` are scored by the vote of the domains that were learnt."""
        return self.card.vote is not None and not any(one.has_model for one in self.card.domains if one.name == domain)

    def floor(self, domain: str, share: float) -> float:
        """The threshold above which at most ``share`` of the harmless examples lie, one of `FALSE_ALARMS`."""
        points = self.card.vote_points if self.is_elsewhere(domain) else self.card.points
        return points[FALSE_ALARMS.index(share)].threshold

    def _cascade(self, texts: Sequence[str], counts: list[Any]) -> Array:
        raw = self._raw(counts)
        logits = self.card.fast.logit(raw)
        scores = _logistic(logits)
        low, high = self.card.doubt
        doubted = np.flatnonzero((logits >= low) & (logits <= high))
        if self.card.stacked and len(doubted):
            scores[doubted] = self._full(self._encoded([texts[int(i)] for i in doubted]), raw[doubted])
        return scores

    def save(self, folder: Path) -> None:
        """Writes the model's two files."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / WEIGHTS_FILE).write_bytes(_packed(self._weights))
        (folder / MODEL_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(self.card), indent=2))

    def _raw(self, counts: list[Any]) -> Array:
        total = np.full(counts[0].shape[0], self._weights.bias)
        with _one_thread():
            for one, (idf, coefficients) in zip(counts, self._dense, strict=True):
                total += ngrams.weighted(one, idf) @ coefficients
        return total

    def _encoded(self, texts: Sequence[str]) -> Array:
        assert self._embed is not None
        return self._embed.encode([cut(text) for text in texts]).astype(np.float64)

    def _full(self, vectors: Array, raw: Array) -> Array:
        assert self.card.stacked is not None
        with _one_thread():
            # Summed row by row: the order of additions in a matrix product depends on the number of rows.
            embedded = (vectors * self._weights.embedded).sum(axis=1) + self._weights.embedded_bias
        return _logistic(self.card.stacked.logit(raw, embedded))


def card_in(folder: Path) -> Card:
    """The card of the model in ``folder``; UsageError if there is no model."""
    try:
        return msgspec.json.decode((folder / MODEL_FILE).read_bytes(), type=Card)
    except (OSError, msgspec.MsgspecError) as error:
        raise UsageError(
            f"`{folder}` contains no classifier", "name the folder that `licet train safety` wrote"
        ) from error


def load(folder: Path, encoder: Callable[[], Embed]) -> Model:
    """The model in ``folder``; ``encoder`` is called only if it has a second stage. BrokenError for damage."""
    card = card_in(folder)
    packed = (folder / WEIGHTS_FILE).read_bytes() if (folder / WEIGHTS_FILE).is_file() else b""
    if card.format != FORMAT or sha256(packed).hexdigest() != card.weights:
        raise BrokenError(f"the weights in `{folder}` do not match its card")
    return Model(card, _unpacked(packed), encoder() if card.encoder else None)


def train(
    examples: Sequence[LabelledExample], embed: Embed | None = None, *, embeddings: NDArray[np.float32] | None = None
) -> Model:
    """Trains a classifier on ``examples``, whose ``embeddings`` may be given, row by row; UsageError for too few
    examples.

    The same examples in any order give the same model, bit for bit.
    """
    order = sorted(range(len(examples)), key=lambda i: examples[i].id)
    taken = [examples[i] for i in order]
    truth = np.array([one.misuse for one in taken])
    if min(truth.sum(), len(truth) - truth.sum()) < EXAMPLES_EACH_MIN:
        raise UsageError(
            f"`{int(truth.sum())}` examples of misuse and `{int(len(truth) - truth.sum())}` harmless ones",
            f"a classifier needs at least {EXAMPLES_EACH_MIN} of each",
        )
    folds = np.array([int.from_bytes(sha256(one.id).digest()[:4]) % FOLDS for one in taken])
    texts, places = [one.text for one in taken], [one.domain for one in taken]
    weight = domains.balanced(places)
    with _one_thread():
        counts = ngrams.counted(texts)
        raw, first = _out_of_fold(lambda rows: _Fast(counts, rows, truth, weight), folds, truth)
        weights, vectors = first.weights(), None
        fast, stacked = _line([raw], truth), None
        best = fast.logit(raw)
        if embed is not None:
            encoded = embeddings[order] if embeddings is not None else embed.encode([cut(text) for text in texts])
            vectors = encoded.astype(np.float64)
            embedded, second = _out_of_fold(lambda rows: _Embedded(encoded, rows, truth, weight), folds, truth)
            weights = msgspec.structs.replace(
                weights, embedded=second.slope.astype(np.float32), embedded_bias=second.bias
            )
            stacked = _line([raw, embedded], truth)
            best = stacked.logit(raw, embedded)
        abroad = _vote(DomainData(texts, truth, places, vectors), _learnt(taken), counts, folds)
        weights = msgspec.structs.replace(weights, vote=abroad.weights)
        limits = abstention.limits(abstention.held_out(counts, folds, np.arange(len(taken))), places)
    points = _points(_logistic(best), truth)
    card = Card(
        examples=len(taken), misuse=int(truth.sum()), encoder=embed.sha256 if embed else "",
        fast=fast, stacked=stacked, doubt=_doubt(fast.logit(raw)), points=points,
        slices=tuple(figures(_logistic(best), taken, points[TOLD_AT].threshold)), domains=_learnt(taken),
        vote=abroad.line, vote_points=abroad.points, limits=limits, left_out=abroad.left_out,
        ordinary=OrdinaryFigures(prompts=0, abstained=0.0, alarms=0.0), weights=sha256(_packed(weights)).hexdigest(),
    )  # fmt: skip
    return Model(msgspec.structs.replace(card, ordinary=_ordinary(Model(card, weights, embed))), weights, embed)


def _learnt(examples: Sequence[LabelledExample]) -> tuple[DomainLearnt, ...]:
    found = []
    for name in sorted({one.domain for one in examples}):
        mine = [one.misuse for one in examples if one.domain == name]
        enough = min(sum(mine), len(mine) - sum(mine)) >= EXAMPLES_EACH_MIN
        found.append(DomainLearnt(name=name, examples=len(mine), misuse=sum(mine), has_model=enough))
    return tuple(found)


def _ordinary(model: Model) -> OrdinaryFigures:
    """How the model does on ordinary prompts that look dangerous, none of which it learnt."""
    scores = model.judge(ORDINARY_PROMPTS, "")
    return OrdinaryFigures(
        prompts=len(ORDINARY_PROMPTS), abstained=float(np.isnan(scores).mean()),
        alarms=float((scores > model.floor("", FALSE_ALARMS[TOLD_AT])).mean()),
    )  # fmt: skip


class _Abroad(msgspec.Struct, frozen=True, kw_only=True):
    """What serves texts of other domains; nothing if fewer than two domains have a model."""

    weights: VoteWeights = VoteWeights()
    line: LinearModel | None = None
    points: tuple[Point, ...] = ()
    left_out: tuple[DomainLeftOut, ...] = ()


def _vote(data: DomainData, learnt: Sequence[DomainLearnt], counts: list[Any], folds: Rows) -> _Abroad:
    """The vote of the domains, calibrated and measured on each domain by a vote of the others."""
    names = [one.name for one in learnt if one.has_model]
    if len(names) < 2:
        return _Abroad()
    scores, abstains = domains.left_out(data, names, counts, folds)
    truth = np.concatenate([data.truth[data.rows(name)] for name in names])
    # Words and embeddings count alike: each score is divided by its spread within a domain.
    spread = [float(np.mean([one[kind].std() for one in scores])) or 1.0 for kind in range(len(scores[0]))]
    summed = [np.sum([score / wide for score, wide in zip(one, spread, strict=True)], axis=0) for one in scores]
    line = _line([np.concatenate(summed)], truth)
    slope = max(line.weights[0], _SLOPE_MIN)
    said = _logistic(slope * np.concatenate(summed) + line.bias)
    return _Abroad(
        weights=domains.vote(data, names), points=_points(said, truth),
        line=LinearModel(weights=tuple(slope / wide for wide in spread), bias=line.bias),
        left_out=domains.measured(data, names, summed, abstains),
    )  # fmt: skip


def figures(scores: Array, examples: Sequence[LabelledExample], threshold: float) -> list[Figures]:
    """How well ``scores`` separate the examples: over all of them, then by slice."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    truth = np.array([one.misuse for one in examples])
    slices = np.array([one.slice for one in examples])
    result = []
    for name in ["", *sorted(set(slices) - {""})]:
        mine = slices == name if name else np.ones(len(truth), bool)
        hit, accused = truth[mine], scores[mine] > threshold
        both = 0 < hit.sum() < len(hit)
        one = Figures(
            slice=str(name) or "all",
            examples=len(hit),
            misuse=int(hit.sum()),
            auprc=float(average_precision_score(hit, scores[mine])) if both else None,
            auroc=float(roc_auc_score(hit, scores[mine])) if both else None,
            found=float(accused[hit].mean()) if hit.any() else None,
            false_alarms=float(accused[~hit].mean()) if not hit.all() else None,
        )
        result.append(one)
    return result


# The first stage


class _Fast:
    """The first stage, fitted on ``rows``."""

    def __init__(self, counted: list[Any], rows: Rows, truth: NDArray[np.bool_], weight: Array) -> None:
        from scipy.sparse import hstack

        self._counted = counted
        self.unseen = float(np.log(1.0 + len(rows)) + 1.0)
        self._idf = [ngrams.idf_of(one[rows]) for one in counted]
        # Only buckets with n-grams are solved for: the others' coefficients are zero.
        self._seen = [np.flatnonzero(idf < self.unseen) for idf in self._idf]
        parts = zip(counted, self._idf, self._seen, strict=True)
        features = hstack([ngrams.weighted(one[rows], idf)[:, seen] for one, idf, seen in parts]).tocsr()
        solver = _solver(_FAST_C, "liblinear").fit(features, truth[rows], weight[rows])
        self._slopes = np.split(solver.coef_[0], np.cumsum([len(seen) for seen in self._seen])[:-1])
        self.bias = float(solver.intercept_[0])

    def __call__(self, rows: Rows) -> Array:
        total = np.full(len(rows), self.bias)
        for one, idf, seen, slope in zip(self._counted, self._idf, self._seen, self._slopes, strict=True):
            total += ngrams.weighted(one[rows], idf)[:, seen] @ slope
        return total

    def weights(self) -> _Weights:
        return _Weights(
            buckets=tuple(seen.astype(np.uint32) for seen in self._seen),
            idf=tuple(idf[seen].astype(np.float32) for idf, seen in zip(self._idf, self._seen, strict=True)),
            coefficients=tuple(slope.astype(np.float32) for slope in self._slopes),
            unseen=self.unseen,
            bias=self.bias,
        )


class _Embedded:
    """The linear model on embeddings, fitted on ``rows``."""

    def __init__(self, vectors: NDArray[np.float32], rows: Rows, truth: NDArray[np.bool_], weight: Array) -> None:
        self._vectors = vectors.astype(np.float64)
        solver = _solver(_EMBEDDED_C, "liblinear").fit(self._vectors[rows], truth[rows], weight[rows])
        self.slope, self.bias = solver.coef_[0], float(solver.intercept_[0])

    def __call__(self, rows: Rows) -> Array:
        return np.asarray(self._vectors[rows] @ self.slope + self.bias)


def _out_of_fold(fit: Callable[[Rows], _Stage], folds: Rows, truth: NDArray[np.bool_]) -> tuple[Array, _Stage]:
    """Predictions for each example by a model that had not seen it, and the model fitted on all examples."""
    said = np.zeros(len(folds))
    for fold in range(FOLDS):
        rest, mine = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        if len(mine):
            if truth[rest].all() or not truth[rest].any():
                raise UsageError("all examples of one kind fall into the same fold", "training needs more of them")
            said[mine] = fit(rest)(mine)
    return said, fit(np.arange(len(folds)))


def _line(scores: list[Array], truth: NDArray[np.bool_]) -> LinearModel:
    solver = _solver(1e3, "lbfgs").fit(np.column_stack(scores), truth)
    return LinearModel(weights=tuple(float(w) for w in solver.coef_[0]), bias=float(solver.intercept_[0]))


def _solver(c: float, name: str) -> Any:  # noqa: ANN401 scikit-learn has no types
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=c, solver=name, random_state=0, max_iter=2000)


def _doubt(logits: Array) -> tuple[float, float]:
    """The range around even odds that contains a tenth of the examples."""
    width = float(np.quantile(np.abs(logits), _DOUBT_SHARE))
    return -width, width


def _points(scores: Array, truth: NDArray[np.bool_]) -> tuple[Point, ...]:
    """The operating points; each threshold lies midway between the last score below it and the first above."""
    points = []
    for share in FALSE_ALARMS:
        threshold = float(np.quantile(scores[~truth], 1.0 - share, method="higher"))
        if (above := scores[scores > threshold]).size:
            threshold = float(_logistic(_logit(np.array([threshold, np.min(above)])).mean(keepdims=True))[0])
        accused = scores > threshold
        alarms, found = float(accused[~truth].mean()), float(accused[truth].mean())
        points.append(Point(threshold=threshold, false_alarms=alarms, found=found))
    return tuple(points)


# Files


def _packed(weights: _Weights) -> bytes:
    return msgspec.msgpack.encode(
        {
            "buckets": [one.astype("<u4").tobytes() for one in weights.buckets],
            "idf": [one.astype("<f4").tobytes() for one in weights.idf],
            "coefficients": [one.astype("<f4").tobytes() for one in weights.coefficients],
            "unseen": weights.unseen,
            "bias": weights.bias,
            "embedded": weights.embedded.astype("<f4").tobytes(),
            "embedded_bias": weights.embedded_bias,
            "vote": {
                "buckets": weights.vote.buckets.astype("<u4").tobytes(),
                "idf": weights.vote.idf.astype("<f4").tobytes(),
                "coefficients": weights.vote.coefficients.astype("<f4").tobytes(),
                "bias": weights.vote.bias,
                "embedded": weights.vote.embedded.astype("<f4").tobytes(),
                "embedded_bias": weights.vote.embedded_bias,
            },
        }
    )


def _unpacked(packed: bytes) -> _Weights:
    read = msgspec.msgpack.decode(packed)
    return _Weights(
        buckets=tuple(np.frombuffer(one, "<u4") for one in read["buckets"]),
        idf=tuple(np.frombuffer(one, "<f4") for one in read["idf"]),
        coefficients=tuple(np.frombuffer(one, "<f4") for one in read["coefficients"]),
        unseen=read["unseen"],
        bias=read["bias"],
        embedded=np.frombuffer(read["embedded"], "<f4"),
        embedded_bias=read["embedded_bias"],
        vote=VoteWeights(
            buckets=np.frombuffer(read["vote"]["buckets"], "<u4"),
            idf=np.frombuffer(read["vote"]["idf"], "<f4"),
            coefficients=np.frombuffer(read["vote"]["coefficients"], "<f4"),
            bias=read["vote"]["bias"],
            embedded=np.frombuffer(read["vote"]["embedded"], "<f4"),
            embedded_bias=read["vote"]["embedded_bias"],
        ),
    )


def _dense(weights: _Weights) -> list[tuple[Array, Array]]:
    dense = []
    for buckets, idf, coefficients in zip(weights.buckets, weights.idf, weights.coefficients, strict=True):
        all_idf, slope = np.full(BUCKETS, weights.unseen), np.zeros(BUCKETS)
        all_idf[buckets], slope[buckets] = idf, coefficients
        dense.append((all_idf, slope))
    return dense


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
    """Runs sums on one thread: with several threads the order of additions varies between runs."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield
