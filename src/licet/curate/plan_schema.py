"""A curation plan as plain values, so that it travels to another machine without code.

Models go as their folder and their hash: each machine reads its own copy, and a model checks its hash before it is used.
What is read back is the same plan, or an error: the hash of its declaration is compared. A detector or a scorer of one's
own has no place here, because only a program that runs elsewhere could bring it.
"""

from __future__ import annotations

import importlib
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import msgspec

from licet.curate.benchmarks import Benchmarks
from licet.curate.detect import CachedDetector, Detector, DetectorUnion, Doubt
from licet.curate.kernels import CompareKernel, LabelKernel, NameKernel, SelectKernel, SketchKernel, SplitKernel
from licet.curate.names import Tagger
from licet.curate.names_built_in import BuiltIn
from licet.curate.names_cascade import CascadeDetector, together
from licet.curate.names_hub import Gliner, TokenClassifier
from licet.curate.names_spacy import Spacy
from licet.curate.plan import CurationPlan, plan
from licet.curate.quality import Select
from licet.curate.rule_cleaner import RuleCleaner
from licet.curate.rules import IdentifierKind
from licet.curate.splits import Shares
from licet.errors import BrokenError, UsageError

if TYPE_CHECKING:
    from licet.curate.kernels import Scorer

# By name, because what scores stands above curation: the module has a class `Misuse`, made from a folder.
_MISUSE = "licet.misuse.models"


class DetectorKind(StrEnum):
    """The detectors that ship with Licet."""

    built_in = "built-in"
    tagger = "tagger"
    spacy = "spacy"
    privacy_filter = "privacy-filter"
    gliner = "gliner"


class DetectorShape(msgspec.Struct, frozen=True, kw_only=True):
    """A detector. ``place``: the folder of its model, or the package; empty for the one that ships."""

    kind: DetectorKind
    place: str
    sha256: str


class NamesShape(msgspec.Struct, frozen=True, kw_only=True):
    """The step that looks for names. ``texts_max``: how many texts it remembers."""

    detectors: tuple[DetectorShape, ...]
    texts_max: int
    kinds: tuple[IdentifierKind, ...]
    score_min: float
    sure: float
    doubt: Doubt


class ScorerShape(msgspec.Struct, frozen=True, kw_only=True):
    """The misuse classifier, by its folder."""

    folder: str
    encoder_folder: str | None
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


class _FolderScorer(Protocol):
    """A scorer that is read from a folder."""

    sha256: str
    folder: Path
    encoder_folder: Path | None


def shape_of(known: CurationPlan) -> PlanShape:
    """``known`` as plain values; UsageError for a detector, a scorer or a step of one's own."""
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
    if len(known.steps) != len(plan_of(shape).steps):
        raise _own("step")
    return shape


def plan_of(shape: PlanShape) -> CurationPlan:
    """The plan that a build described; BrokenError where this machine would curate otherwise."""
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
        raise BrokenError("this machine curates otherwise than the build: its rules or its models are others")
    return made


def _names_shape(step: NameKernel) -> NamesShape:
    if not isinstance(step.detector, CachedDetector):
        raise _own("detector")
    inner = step.detector.detector
    match inner:
        case CascadeDetector():
            detectors: tuple[Detector, ...] = (inner.first, *inner.others)
        case DetectorUnion():
            detectors = inner.detectors
        case _:
            raise _own("detector")
    return NamesShape(
        detectors=tuple(map(_detector_shape, detectors)),
        texts_max=step.detector.texts_max,
        kinds=step.kinds,
        score_min=step.score_min,
        sure=step.sure,
        doubt=step.doubt,
    )


def _names(shape: NamesShape) -> NameKernel:
    detectors = [_detector(one) for one in shape.detectors]
    return NameKernel(
        detector=CachedDetector(together(detectors), shape.texts_max),
        kinds=shape.kinds,
        score_min=shape.score_min,
        sure=shape.sure,
        doubt=shape.doubt,
    )


def _detector_shape(detector: Detector) -> DetectorShape:
    match detector:
        case BuiltIn():
            kind, place = DetectorKind.built_in, ""
        case Tagger():
            kind, place = DetectorKind.tagger, str(detector.folder)
        case Spacy():
            kind, place = DetectorKind.spacy, detector.package
        case TokenClassifier():
            kind, place = DetectorKind.privacy_filter, str(detector.folder)
        case Gliner():
            kind, place = DetectorKind.gliner, str(detector.folder)
        case _:
            raise _own("detector")
    return DetectorShape(kind=kind, place=place, sha256=detector.sha256)


def _detector(shape: DetectorShape) -> Detector:
    match shape.kind:
        case DetectorKind.built_in:
            return BuiltIn(shape.sha256)
        case DetectorKind.tagger:
            return Tagger(Path(shape.place), shape.sha256)
        case DetectorKind.spacy:
            return (
                Spacy.read()
            )  # of the package that this machine has: the hash of the plan tells whether it is the same
        case DetectorKind.privacy_filter:
            return TokenClassifier(Path(shape.place), shape.sha256)
        case DetectorKind.gliner:
            return Gliner(Path(shape.place), shape.sha256)


def _scorer_shape(scorer: Scorer) -> ScorerShape:
    if type(scorer).__module__ != _MISUSE:
        raise _own("scorer")
    known = cast(_FolderScorer, scorer)
    encoder = str(known.encoder_folder) if known.encoder_folder is not None else None
    return ScorerShape(folder=str(known.folder), encoder_folder=encoder, sha256=known.sha256)


def _scorer(shape: ScorerShape) -> Scorer:
    encoder = Path(shape.encoder_folder) if shape.encoder_folder is not None else None
    made: Scorer = importlib.import_module(_MISUSE).Misuse(Path(shape.folder), encoder)
    return made


def _own(what: str) -> UsageError:
    return UsageError(
        f"the workers of a cluster take no {what} of one's own: it would travel as code",
        "build with processes of this machine: `LICET_CURATE__RUNNER=local`",
    )
