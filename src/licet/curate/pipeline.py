"""Curation for a build: runs the plan on a runner, page by page, and elects among duplicates.

The result depends on the documents, the plan and the key, not on the runner or the division into
pages. Between pages only hashes are in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pyarrow as pa

from licet.curate import compiled
from licet.curate.batches import batches, column
from licet.curate.dedupe import Election, Sketch
from licet.curate.disk_arrays import SpilledArray
from licet.curate.kernels import SIGNALS, UNREAD_LANGUAGE
from licet.curate.plan import CurationPlan
from licet.curate.runners import Local, Ray, Runner
from licet.curate.survey import DuplicateSurvey
from licet.errors import BrokenError, UsageError
from licet.release.changed_words import ChangedWords, ChangePlace
from licet.release.curation import Curated, Document, FoundBy, LeftOut
from licet.release.rows import Labels, Quality

_SKETCH = Sketch.__struct_fields__
_CURATED = (
    "texts",
    "replaced_kinds",
    "replaced_counts",
    "dropped",
    "prose_words",
    "code_words",
    "changes",
)
_NOTHING = FoundBy()


class PlanCuration:
    """A plan and its runner: all that a page's documents need, in any process."""

    def __init__(self, plan: CurationPlan, runner: Runner) -> None:
        self._plan, self._runner = plan, runner

    @property
    def plan_steps(self) -> CurationPlan:
        """The plan."""
        return self._plan

    @property
    def finder(self) -> str:
        return self._plan.finder

    def curate(self, documents: Sequence[Document]) -> Sequence[Curated]:
        compiled.allow()
        made = [
            one
            for batch in self._runner.run(self._plan, batches(documents))
            for one in read_curated(batch)
        ]
        if len(made) != len(documents):
            raise BrokenError(
                f"`{len(documents)}` documents were curated, and `{len(made)}` came back"
            )
        return made

    def sketch(self, documents: Sequence[Document]) -> Sequence[Sketch]:
        compiled.allow()
        plan = self._plan.sketching
        return [
            sketche
            for batch in self._runner.run(plan, batches(documents))
            for sketche in _sketches(batch)
        ]


class Pipeline(PlanCuration):
    """One build's curation. Signatures are in unnamed files of ``folder`` while it runs."""

    def __init__(
        self,
        plan: CurationPlan,
        runner: Runner,
        folder: Path | None = None,
        *,
        found_by: FoundBy = _NOTHING,
    ) -> None:
        super().__init__(plan, runner)
        self._found_by, self._folder = found_by, folder
        self._election = Election(folder)
        self._survey: DuplicateSurvey | None = None
        self._ordinals = SpilledArray("i8", folder)

    @property
    def plan(self) -> str:
        return self._plan.sha256()

    @property
    def found_by(self) -> FoundBy:
        return self._found_by

    @property
    def duplicates(self) -> Pipeline:
        return self

    def elsewhere(self) -> PlanCuration:
        if not isinstance(self._runner, Local | Ray):
            raise UsageError(
                "the workers of a build curate themselves, and another engine is configured",
                "leave out `--workers`, or set `LICET_CURATE__RUNNER` to `local` or `ray`",
            )
        return PlanCuration(self._plan, Local())

    def enter(self, ordinal: int, sketch: object) -> None:
        assert isinstance(sketch, Sketch)
        self._election.enter(sketch)
        self._ordinals.append(ordinal)

    def lost(self) -> Sequence[int]:
        lost = self._election.outcome().lost
        ordinals: list[int] = self._ordinals.view()[lost.nonzero()[0]].tolist()
        return ordinals

    def survey(self) -> DuplicateSurvey | None:
        """A survey if names are searched; otherwise sketching twice costs more than it saves."""
        if self._plan.names and self._survey is None:
            self._survey = DuplicateSurvey(self._folder)
        return self._survey

    def close(self) -> None:
        """Discards the sketches and closes the engine."""
        if self._survey is not None:
            self._survey.close()
        self._election.close()
        self._ordinals.close()
        self._runner.close()


_changes = msgspec.msgpack.Decoder(ChangedWords)


def _sketches(batch: pa.RecordBatch) -> list[Sketch]:
    rows = zip(*(column(batch, name) for name in _SKETCH), strict=True)
    return msgspec.convert([dict(zip(_SKETCH, row, strict=True)) for row in rows], list[Sketch])


def read_curated(batch: pa.RecordBatch) -> list[Curated]:
    """The plan's results for the documents of a batch."""
    count, there = batch.num_rows, batch.schema.names
    rows = zip(
        _labels(batch),
        _sketches(batch),
        *(column(batch, name) for name in _CURATED),
        column(batch, "names") if "names" in there else [()] * count,
        column(batch, UNREAD_LANGUAGE) if UNREAD_LANGUAGE in there else [""] * count,
        strict=True,
    )
    return [
        Curated(
            texts=texts,
            replaced=dict(zip(kinds, counts, strict=True)),
            dropped=LeftOut(dropped) if dropped else None,
            labels=labels,
            sketch=sketch,
            found=spans,
            unread_language=unread,
            changes=_changed(prose, code, changes),
        )
        for labels, sketch, texts, kinds, counts, dropped, prose, code, changes, spans, unread in rows
    ]


def _changed(prose: int, code: int, changes: bytes) -> ChangedWords:
    words = {ChangePlace.prose: prose, ChangePlace.code: code}
    if not changes:
        return ChangedWords(words)
    return msgspec.structs.replace(_changes.decode(changes), words=words)


def _labels(batch: pa.RecordBatch) -> list[Labels]:
    scorers = [name for name in batch.schema.names if name.startswith("score_")]
    scores = [dict[str, float]() for _ in range(batch.num_rows)]
    for name in scorers:
        for own, score in zip(scores, column(batch, name), strict=True):
            own[name.removeprefix("score_")] = score
    rows = zip(
        zip(*(column(batch, signal) for signal in SIGNALS), strict=True),
        *(column(batch, name) for name in ("split", "language", "topic")),
        scores,
        strict=True,
    )
    return [
        Labels(
            split=split,
            language=language,
            topic=topic,
            quality=Quality(**dict(zip(SIGNALS, signals, strict=True))),
            scores=own,
        )
        for signals, split, language, topic, own in rows
    ]
