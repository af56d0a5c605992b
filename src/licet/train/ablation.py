"""Ablation of curation: measures the cost of each step by training with and without it.

Some people are held out. One model is trained on the others' curated rows, one on the original
rows, and for each filter one on the curated rows plus what that filter dropped. The loss is that of
the assistant's words in the original held-out rows. A step's cost is the relative increase in loss;
damage common to both models is in no cost.

Without a base the model counts words (`word_model`), so that only the rows differ. From a base,
models are trained once for each seed, the two of de-identification on the same rows in the same
batches, with the vocabulary of the base.

The interval is a bootstrap of 95 % (Efron and Tibshirani, An Introduction to the Bootstrap, 1993,
chapter 13): people, whose rows go together, and seeds are resampled with replacement, the same for
both models compared. Models are discarded. People who withdraw meanwhile are in no later model and
in no figure.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from licet.errors import RefusedError
from licet.masked import Masked
from licet.release.manifest import ACCOUNTS_MIN
from licet.release.measurement import (
    ALL,
    DEIDENTIFICATION,
    CostSlice,
    HeldOut,
    MeasuredCost,
    MeasuringModel,
)
from licet.release.reader import LoadedRow
from licet.train import recipe, word_model
from licet.train.recipe import TokenizedRow, TrainingSettings
from licet.train.word_model import WordModel, WordRow

DRAWS = 2_000
LOW, HIGH = 2.5, 97.5  # percentiles
HELD_OUT_SHARE = 5  # one person in this many
MILLION = 1_000_000
ORIGINAL = "as said"

Losses = NDArray[np.float64]  # (seeds, held-out rows), nats
Ended = Callable[[], Collection[bytes]]
Fit = TypeVar("Fit", WordRow, TokenizedRow)


class MeasuredRow(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A row of a release, or content that a filter dropped (``left_out``): original and curated."""

    person: bytes
    kind: str
    language: str
    original: LoadedRow
    leaves: LoadedRow
    left_out: str = ""


class Usefulness(msgspec.Struct, frozen=True, kw_only=True):
    """The figures: ``rows`` of the release were trained on."""

    model: MeasuringModel
    rows: int
    held_out: HeldOut
    costs: tuple[MeasuredCost, ...]


def measure(
    rows: Sequence[MeasuredRow],
    settings: TrainingSettings,
    *,
    seeds: int,
    held_out: Collection[bytes],
    base: Path | None = None,
    ended: Ended = tuple,
    says: Callable[[str], None] = lambda _line: None,
) -> Usefulness:
    """Trains and measures; ``held_out`` are people, ``ended`` returns those who withdrew since the
    start.

    RefusedError if too few people are held out, or too few of their rows have an answer within the
    tokens.
    """
    arms = _arms([row for row in rows if row.person not in held_out])
    held = [row for row in rows if row.person in held_out and not row.left_out]
    seeds = seeds if base is not None else 1
    with recipe.silence_libraries() if base is not None else nullcontext():
        bench: _WordBench | _BaseBench = (
            _WordBench(arms, held) if base is None else _BaseBench(arms, held, settings, base)
        )
        _check(bench.held_out)
        found: dict[str, list[list[float]]] = {name: [] for name in arms}
        for seed in range(1, seeds + 1):
            for number, name in enumerate(arms, 1):
                says(
                    f"model {(seed - 1) * len(arms) + number} of {seeds * len(arms)}: "
                    f"{_in_words(name)}, seed {seed}"
                )
                found[name].append(bench.losses(name, seed, set(ended())))
    gone = set(ended())
    measured = [place for place, row in enumerate(bench.held_out) if row.person not in gone]
    held = [bench.held_out[place] for place in measured]
    _check(held)
    losses = {name: np.array(each)[:, measured] for name, each in found.items()}
    return Usefulness(
        model=bench.describe(seeds),
        rows=len(arms[""]),
        held_out=HeldOut(rows=len(held), people=len({row.person for row in held})),
        costs=tuple(_costs(losses, held)),
    )


def people_held_out(people: Mapping[bytes, int], outside: Collection[bytes]) -> frozenset[bytes]:
    """The people to hold out, each with a constant number: those ``outside`` the training split,
    and those with the lowest numbers, up to one in `HELD_OUT_SHARE`, at least ten and at most half.
    """
    out = {person for person in people if person in outside}
    wanted = min(max(ACCOUNTS_MIN, len(people) // HELD_OUT_SHARE), len(people) // 2)
    others = sorted((number, person) for person, number in people.items() if person not in out)
    return frozenset(out | {person for _, person in others[: max(wanted - len(out), 0)]})


def _check(held: Sequence[MeasuredRow]) -> None:
    people = len({row.person for row in held})
    if people < ACCOUNTS_MIN:
        raise RefusedError(
            f"`{people}` people can be held out, and a figure needs {ACCOUNTS_MIN}",
            "measure a release of more people, or give a larger --tokens",
            because="too_few",
        )


def _arms(rows: Sequence[MeasuredRow]) -> dict[str, list[MeasuredRow]]:
    """The training rows of each model, by the omitted step; the empty name omits none."""
    released = [row for row in rows if not row.left_out]
    filters = sorted({row.left_out for row in rows} - {""})
    with_them = {name: [row for row in rows if row.left_out in ("", name)] for name in filters}
    return {"": released, ORIGINAL: released, **with_them}


def _in_words(arm: str) -> str:
    if arm in ("", ORIGINAL):
        return f"rows as they {'were said' if arm else 'leave'}"
    return f"with what `{arm}` left out"


def _word(name: str) -> str:
    """A folder's name in the form that statements allow."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-_.")[:64] or "base"


class _WordBench:
    """Models that count words."""

    def __init__(
        self, arms: Mapping[str, Sequence[MeasuredRow]], held_out: Sequence[MeasuredRow]
    ) -> None:
        self._arms = {
            name: _fitting(rows, word_model.hash_words, is_original=name == ORIGINAL)
            for name, rows in arms.items()
        }
        held = _fitting(held_out, word_model.hash_words, is_original=True)
        self.held_out, self._held = [row for row, _ in held], [words for _, words in held]
        self._parameters = self._rows = 0

    def losses(self, arm: str, seed: int, withdrawn: Collection[bytes]) -> list[float]:
        """The loss of each held-out row under a model trained on an arm without the people in
        ``withdrawn``.
        """
        assert seed == 1, "it is deterministic"
        model = WordModel(_fits_without(self._arms[arm], withdrawn))
        self._parameters, self._rows = model.parameters, len(self._arms[arm])
        return [model.loss(row) for row in self._held]

    def describe(self, seeds: int) -> MeasuringModel:
        return MeasuringModel(
            base=None,
            parameters=self._parameters,
            steps=1,
            batch_rows=self._rows,
            tokens=word_model.ORDER,
            seeds=seeds,
        )


class _BaseBench:
    """Models that start from the folder ``base``."""

    def __init__(
        self,
        arms: Mapping[str, Sequence[MeasuredRow]],
        held_out: Sequence[MeasuredRow],
        settings: TrainingSettings,
        base: Path,
    ) -> None:
        self._settings, self._base, self._parameters = settings, base, 0
        recipe.check([row.leaves for row in arms[""]], base)
        self._tokenizer = recipe.load_base(base)[1]
        made = {
            name: _fitting(rows, self._example, is_original=name == ORIGINAL)
            for name, rows in arms.items()
        }
        both = set.intersection(*({id(row) for row, _ in made[name]} for name in ("", ORIGINAL)))
        for name in ("", ORIGINAL):  # the same rows, so that a seed draws the same batches of them
            made[name] = [each for each in made[name] if id(each[0]) in both]
        held = _fitting(held_out, self._example, is_original=True)
        self._arms = made
        self.held_out = [row for row, _ in held]
        self._held = [tokens for _, tokens in held]

    def _example(self, row: LoadedRow) -> TokenizedRow | None:
        made = recipe.make_example(self._tokenizer, row, self._settings.tokens_max)
        return made if isinstance(made, TokenizedRow) else None

    def losses(self, arm: str, seed: int, withdrawn: Collection[bytes]) -> list[float]:
        settings = msgspec.structs.replace(self._settings, seed=seed)
        model = recipe.fine_tune(self._base, _fits_without(self._arms[arm], withdrawn), settings)
        self._parameters = sum(parameter.numel() for parameter in model.parameters())
        return recipe.losses(model, self._held, self._tokenizer.pad_token_id, settings.batch_rows)

    def describe(self, seeds: int) -> MeasuringModel:
        used = self._settings
        return MeasuringModel(
            base=_word(self._base.name),
            parameters=self._parameters,
            steps=used.steps,
            batch_rows=used.batch_rows,
            tokens=used.tokens_max,
            seeds=seeds,
        )


def _fitting(
    rows: Sequence[MeasuredRow], read: Callable[[LoadedRow], Fit | None], *, is_original: bool
) -> list[tuple[MeasuredRow, Fit]]:
    """The rows that a model can learn from, as it takes them."""
    made = ((row, read(row.original if is_original else row.leaves)) for row in rows)
    return [(row, fit) for row, fit in made if fit is not None]


def _fits_without(
    rows: Sequence[tuple[MeasuredRow, Fit]], withdrawn: Collection[bytes]
) -> list[Fit]:
    """The training rows without those of people in ``withdrawn``."""
    taken = [fit for row, fit in rows if row.person not in withdrawn]
    if not taken:
        raise RefusedError("no row is left that has an answer within the tokens", because="too_few")
    return taken


# Costs


def _costs(losses: Mapping[str, Losses], held: Sequence[MeasuredRow]) -> Iterator[MeasuredCost]:
    people = sorted({row.person for row in held})
    number = {person: place for place, person in enumerate(people)}
    person_numbers = np.array([number[row.person] for row in held])
    for arm in losses:
        if arm == "":
            continue
        for by, value, places in _slices(held):
            mine = np.unique(person_numbers[places])
            with_it, without = (
                _by_person(losses[name][:, places], person_numbers[places], mine)
                for name in ("", arm)
            )
            cost, low, high = interval(with_it, without)
            yield MeasuredCost(
                of=DEIDENTIFICATION if arm == ORIGINAL else arm,
                slice=by,
                value=value,
                rows=len(places),
                people=len(mine),
                cost_ppm=cost,
                low_ppm=low,
                high_ppm=high,
            )


def _slices(held: Sequence[MeasuredRow]) -> Iterator[tuple[CostSlice, str, NDArray[np.int64]]]:
    """The positions of the rows of each slice with enough people."""
    yield CostSlice.all, ALL, np.arange(len(held))
    values = {
        CostSlice.language: [row.language for row in held],
        CostSlice.kind: [row.kind for row in held],
        CostSlice.turns: [turns_slice(len(row.original["messages"])) for row in held],
    }
    for by, each in values.items():
        for value in sorted(Counter(each)):
            places = np.array([place for place, other in enumerate(each) if other == value])
            if len({held[place].person for place in places}) >= ACCOUNTS_MIN:
                yield by, value, places


def turns_slice(messages: int) -> str:
    """The slice of a row by its number of messages."""
    return "1-2" if messages <= 2 else "3-6" if messages <= 6 else "over-6"


def _by_person(
    losses: Losses, person_numbers: NDArray[np.int64], people: NDArray[np.int64]
) -> Losses:
    """Sums the losses of each person's rows: (seeds, people)."""
    sums = np.zeros((len(losses), len(people)))
    place = np.searchsorted(people, person_numbers)
    for seed, row in enumerate(losses):
        sums[seed] = np.bincount(place, row, len(people))
    return sums


def interval(with_it: Losses, without: Losses) -> tuple[int, int, int]:
    """The cost and its interval, in millionths, from losses of (seeds, people) with and without a
    step.

    The point is inside the interval by definition: if all draws lie on one side, it is the bound.
    """
    seeds, people = with_it.shape
    draw = np.random.default_rng(1)
    drawn_people = draw.multinomial(people, np.full(people, 1 / people), DRAWS)
    drawn_seeds = draw.multinomial(seeds, np.full(seeds, 1 / seeds), DRAWS)
    above, below = (
        np.einsum("ds,sp,dp->d", drawn_seeds, each, drawn_people, optimize=True)
        for each in (with_it, without)
    )
    cost = with_it.sum() / without.sum() - 1
    low, high = np.percentile(above / below - 1, (LOW, HIGH))
    point, least, highest = (
        round(MILLION * float(figure)) for figure in (cost, min(low, cost), max(high, cost))
    )
    return point, least, highest
