"""The model that suggests flags and scores rows: the built-in classifier by its folder, or a custom
one.

A custom model is named `package.module:attribute`: an object, or a class without arguments, with
the members of `MisuseDetector`. It must be installed wherever it is used. Custom models are not
recorded as derived from a release, and `licet train safety --again` does not retrain them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from licet.errors import UsageError
from licet.misuse import classifier
from licet.misuse.ngrams import Array

_IMPORTED = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@runtime_checkable
class MisuseDetector(Protocol):
    """A model of misuse. A score is from 0 to 1, NaN to abstain, and depends on its text alone."""

    @property
    def sha256(self) -> str:
        """The hash of the model in hexadecimal, its id in suggestions, points and releases."""

    def score(self, texts: Sequence[str]) -> Array:
        """The score of each text, of shape (len(texts),)."""

    def judge(self, texts: Sequence[str], domain: str) -> Array:
        """The score of each text of ``domain``, its conversation's surface; NaN to abstain."""

    def floor(self, share: float) -> float:
        """The threshold of suggestions at this share of alarms; 0 if the model has none."""


def is_imported(model: str) -> bool:
    """Whether ``model`` names an object of a module rather than a folder."""
    return _IMPORTED.fullmatch(model) is not None and not Path(model).exists()


def open_detector(model: str) -> MisuseDetector:
    """Opens the model in the folder or under the import name ``model``; UsageError."""
    if not is_imported(model):
        return classifier.load(Path(model))
    module, _, name = model.partition(":")
    try:
        model_or_class = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise UsageError(
            f"`{model}` cannot be imported: {error}", "install its package in this environment"
        ) from error
    made = model_or_class() if isinstance(model_or_class, type) else model_or_class
    if not isinstance(made, MisuseDetector) or _SHA256.fullmatch(made.sha256) is None:
        raise UsageError(
            f"`{model}` is no model of misuse",
            "docs/safety.md, Use a model of your own, lists what it must have",
        )
    return _Checked(made)


class _Checked:
    """A custom model whose answers are checked: one score a text, from 0 to 1 or NaN."""

    def __init__(self, model: MisuseDetector) -> None:
        self._model, self.sha256 = model, model.sha256

    def score(self, texts: Sequence[str]) -> Array:
        return _check_scores(self._model.score(texts), len(texts))

    def judge(self, texts: Sequence[str], domain: str) -> Array:
        return _check_scores(self._model.judge(texts, domain), len(texts))

    def floor(self, share: float) -> float:
        return float(self._model.floor(share))


def _check_scores(scores: Array, count: int) -> Array:
    checked = np.asarray(scores, np.float64)
    if checked.shape != (count,) or not ((checked >= 0) & (checked <= 1) | np.isnan(checked)).all():
        raise UsageError(
            f"the model did not answer `{count}` texts with one score from 0 to 1 for each"
        )
    return checked
