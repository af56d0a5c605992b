"""The plan: which steps run between unsealing and sealing, in order, as one value that an engine runs batch by batch.

A build decides and unseals, then runs the plan, then elects among duplicates, seals and writes. The hash of the plan's
declaration stands for everything that its result depends on beside the documents and the keys: two releases with one
hash were curated alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import msgspec
import pyarrow as pa

from licet.curate.benchmarks import Benchmarks
from licet.curate.kernels import Compared, Deidentified, Kernel, Labelled, Named, Scorer, Selected, Sketched, SplitUp
from licet.curate.quality import Select
from licet.curate.splits import Shares
from licet.release.curation import Cleaner

_SHARES, _SELECT, _NONE = Shares(), Select(), Benchmarks()


class Plan(msgspec.Struct, frozen=True):
    """Steps in order. Calling it runs them all on one batch."""

    steps: tuple[Kernel, ...]

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        for step in self.steps:
            batch = step(batch)
        return batch

    @property
    def sketching(self) -> Plan:
        """The steps that tell duplicates, alone."""
        return Plan(tuple(step for step in self.steps if isinstance(step, Sketched)))

    @property
    def names(self) -> bool:
        """Whether somebody looks for names: that costs more than all other steps together."""
        return any(isinstance(step, Named) for step in self.steps)

    def sha256(self) -> str:
        """The hash of the declaration, in hexadecimal."""
        return sha256(msgspec.json.encode([step.declared for step in self.steps], order="sorted")).hexdigest()


def plan(
    cleaner: Cleaner, key: bytes, *, shares: Shares = _SHARES, select: Select = _SELECT,
    benchmarks: Benchmarks = _NONE, scorers: Sequence[Scorer] = (), names: Named | None = None,
) -> Plan:  # fmt: skip
    """The plan of a release. ``key``: 32 bytes that live as long as the build; ``names`` needs a `NamesCleaner`."""
    return Plan(
        (
            Sketched(key=key),
            *([names] if names is not None else []),
            Deidentified(cleaner=cleaner),
            Labelled(scorers=tuple(scorers)),
            Compared(benchmarks=benchmarks),
            SplitUp(shares=shares),
            Selected(select=select),
        )
    )
