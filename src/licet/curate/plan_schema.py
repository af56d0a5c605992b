"""A curation plan as plain values, so that it can be sent to another machine without code.

Models are sent as folder and hash: each machine reads its own copy and checks the hash before use.
The decoded plan is equal, or an error: the hashes of the declarations are compared. Custom
detectors and scorers are refused: only code on the other machine could provide them.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import msgspec

from licet.curate.benchmarks import Benchmarks
from licet.curate.detect import CachedDetector
from licet.curate.kernels import (
    CompareKernel,
    LabelKernel,
    NameKernel,
    SelectKernel,
    SketchKernel,
    SplitKernel,
)
from licet.curate.names import NameFinder
from licet.curate.plan import CurationPlan, plan
from licet.curate.quality import Select
from licet.curate.rule_cleaner import RuleCleaner
from licet.curate.rules import IdentifierKind
from licet.curate.splits import Shares
from licet.errors import BrokenError, UsageError

if TYPE_CHECKING:
    from licet.curate.kernels import Scorer

# By name, because the room `misuse` depends on this one: `MisuseScorer` is made from a model's
# name.
_MISUSE = "licet.misuse.models"


class NamesShape(msgspec.Struct, frozen=True, kw_only=True):
    """The name search. ``sha256``: of the finder's lists and code, which each machine has;
    ``texts_max``: the size of its cache.
    """

    sha256: str
    texts_max: int
    kinds: tuple[IdentifierKind, ...]
    may_stay: bool


class ScorerShape(msgspec.Struct, frozen=True, kw_only=True):
    """The misuse classifier, by its folder."""

    folder: str
    sha256: str


class PlanShape(msgspec.Struct, frozen=True, kw_only=True):
    """A plan. ``key`` is that of its sketches; ``sha256`` the hash of its declaration."""

    key: bytes
    names: NamesShape | None
    scorers: tuple[ScorerShape, ...]
    benchmarks: Benchmarks
    shares: Shares
    select: Select
    sha256: str

    def __repr__(self) -> str:
        return f"PlanShape({self.sha256[:12]})"


class _NamedScorer(Protocol):
    """A scorer with the name of its model."""

    sha256: str
    model: str


def encode_plan(known: CurationPlan) -> PlanShape:
    """Encodes a plan; UsageError for a custom detector, scorer or step."""
    steps = {type(step): step for step in known.steps}
    names, label = steps.get(NameKernel), steps[LabelKernel]
    assert names is None or isinstance(names, NameKernel)
    assert isinstance(label, LabelKernel)
    shape = PlanShape(
        key=cast(SketchKernel, steps[SketchKernel]).key,
        names=_names_shape(names) if names is not None else None,
        scorers=tuple(map(_scorer_shape, label.scorers)),
        benchmarks=cast(CompareKernel, steps[CompareKernel]).benchmarks,
        shares=cast(SplitKernel, steps[SplitKernel]).shares,
        select=cast(SelectKernel, steps[SelectKernel]).select,
        sha256=known.sha256(),
    )
    if len(known.steps) != len(decode_plan(shape).steps):
        raise _own("step")
    return shape


def decode_plan(shape: PlanShape) -> CurationPlan:
    """Decodes a plan; BrokenError if this machine would curate otherwise."""
    names = _names(shape.names) if shape.names is not None else None
    made = plan(
        RuleCleaner(),
        shape.key,
        shares=shape.shares,
        select=shape.select,
        benchmarks=shape.benchmarks,
        scorers=tuple(map(_scorer, shape.scorers)),
        names=names,
    )
    if made.sha256() != shape.sha256:
        raise BrokenError(
            "this machine curates otherwise than the build: it has other rules or models"
        )
    return made


def _names_shape(step: NameKernel) -> NamesShape:
    cached = step.detector
    if not isinstance(cached, CachedDetector) or not isinstance(cached.detector, NameFinder):
        raise _own("detector")
    return NamesShape(
        sha256=cached.detector.sha256,
        texts_max=cached.texts_max,
        kinds=step.kinds,
        may_stay=step.may_stay,
    )


def _names(shape: NamesShape) -> NameKernel:
    finder = NameFinder.load()
    if finder.sha256 != shape.sha256:
        raise BrokenError("this machine detects names otherwise than the build: it has other lists")
    detector = CachedDetector(finder, shape.texts_max)
    return NameKernel(detector=detector, kinds=shape.kinds, may_stay=shape.may_stay)


def _scorer_shape(scorer: Scorer) -> ScorerShape:
    if type(scorer).__module__ != _MISUSE:
        raise _own("scorer")
    known = cast(_NamedScorer, scorer)
    if not Path(known.model).is_absolute():  # the name of a module
        raise _own("scorer")
    return ScorerShape(folder=known.model, sha256=known.sha256)


def _scorer(shape: ScorerShape) -> Scorer:
    # An absolute path is never imported: a message must not choose what code runs.
    made: Scorer = importlib.import_module(_MISUSE).MisuseScorer(str(Path(shape.folder).absolute()))
    return made


def _own(component: str) -> UsageError:
    return UsageError(
        f"the workers of a cluster take no {component} of one's own: it would travel as code",
        "build with processes of this machine: `LICET_CURATE__RUNNER=local`",
    )
