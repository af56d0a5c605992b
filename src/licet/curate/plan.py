"""The curation plan: the ordered steps between unsealing and sealing, run batch by batch.

A build decides and unseals, runs the plan, elects among duplicates, seals and writes. The hash of
the plan's declaration covers everything that its result depends on besides the documents and keys:
releases with equal hashes were curated alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import msgspec
import pyarrow as pa

from licet.curate.benchmarks import Benchmarks
from licet.curate.kernels import (
    CompareKernel,
    DeidentifyKernel,
    Kernel,
    LabelKernel,
    NameKernel,
    Scorer,
    SelectKernel,
    SketchKernel,
    SplitKernel,
)
from licet.curate.quality import Select
from licet.curate.splits import Shares
from licet.release.curation import Cleaner

_SHARES, _SELECT, _NONE = Shares(), Select(), Benchmarks()


class CurationPlan(msgspec.Struct, frozen=True):
    """Steps in order, called with one batch."""

    steps: tuple[Kernel, ...]

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        for step in self.steps:
            batch = step(batch)
        return batch

    @property
    def sketching(self) -> CurationPlan:
        """The deduplication steps alone."""
        return CurationPlan(tuple(step for step in self.steps if isinstance(step, SketchKernel)))

    @property
    def names(self) -> bool:
        """Whether names are searched, which costs more than all other steps together."""
        return any(isinstance(step, NameKernel) for step in self.steps)

    @property
    def finder(self) -> str:
        """The hash of the name search; empty if there is none."""
        return next((step.finder for step in self.steps if isinstance(step, NameKernel)), "")

    def sha256(self) -> str:
        """The hash of the declaration, in hexadecimal."""
        return sha256(
            msgspec.json.encode([step.declared for step in self.steps], order="sorted")
        ).hexdigest()


def plan(
    cleaner: Cleaner,
    key: bytes,
    *,
    shares: Shares = _SHARES,
    select: Select = _SELECT,
    benchmarks: Benchmarks = _NONE,
    scorers: Sequence[Scorer] = (),
    names: NameKernel | None = None,
) -> CurationPlan:
    """The plan of a release. ``key``: 32 bytes that live as long as the build; ``names`` needs a
    `NamesCleaner`.
    """
    return CurationPlan(
        (
            SketchKernel(key=key),
            *([names] if names is not None else []),
            DeidentifyKernel(cleaner=cleaner),
            LabelKernel(scorers=tuple(scorers)),
            CompareKernel(benchmarks=benchmarks),
            SplitKernel(shares=shares),
            SelectKernel(select=select),
        )
    )
