"""The misuse classifier of an installation: trains it on releases, retrains it without withdrawn
rows, and uses it as a scorer in curation.

An example has a person's texts of one conversation in a release for the safety classifiers. It is
misuse if the rule admitted it for a flag, harmless if the person allowed its use. People of
held-out splits are never trained on. Only the model is written: texts and features are in memory.

Exact forgetting: a model is a function of the examples (`misuse.classifier`), an example of its
row. `train(.., again=True)` therefore gives, to the byte, the model that never had the withdrawn
rows, and replaces the old one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import msgspec

from licet.errors import RefusedError, UsageError
from licet.misuse import classifier, detector, operating_points
from licet.misuse.card import ARCHITECTURE, TASK, render_card
from licet.misuse.classifier import Figures, LabelledExample, Model
from licet.policy.decide import SAFETY
from licet.release import manifest, registry
from licet.release.catalog import find_release, open_release
from licet.release.reader import LoadedRow
from licet.store.connect import transaction
from licet.train import cards, consumption, lineage, local_runs, model_registry, statement
from licet.train.gate import HandOff
from licet.train.statement import RunStatement, StatementSource
from licet.vault import account_view
from licet.vault.copies import CopyPlace
from licet.vault.ids import Prefix, format_id, uuid7
from licet.vault.installation import Installation

RELEASES_MAX = 64
SCORER = "misuse"
LIBRARIES = ("scikit-learn", "scipy", "numpy")
_FROM = "from-"  # prefix of a folder per release, if a model was trained on several


class TrainedClassifier(msgspec.Struct, frozen=True, kw_only=True):
    """A trained classifier. ``models``: its records, one per release; figures: ``slices`` and
    ``domains`` out of fold, ``held_out`` on people never trained on, ``ordinary`` on ordinary
    prompts that look dangerous; ``retired``: the replaced records.
    """

    models: tuple[str, ...]
    name: str
    folder: Path
    releases: tuple[str, ...]
    examples: int
    misuse: int
    points: tuple[classifier.Point, ...]
    slices: tuple[Figures, ...]
    held_out: tuple[Figures, ...]
    domains: tuple[classifier.DomainFigures, ...]
    ordinary: classifier.OrdinaryFigures
    retired: tuple[str, ...] = ()


class RetrainingForecast(msgspec.Struct, frozen=True, kw_only=True):
    """The effect of a retraining: ``retired`` records of the deleted model, and ``withdrawn`` rows
    that it consumed and the new one will not.
    """

    name: str
    folder: Path
    releases: tuple[str, ...]
    retired: tuple[str, ...]
    withdrawn: int


class _Source(msgspec.Struct, frozen=True, kw_only=True):
    """A release, its consumption record, and its examples for training and held out."""

    name: str
    folder: Path
    release: UUID
    record: Path
    learnt: list[LabelledExample]
    held_out: list[LabelledExample]


def train(
    installation: Installation,
    releases: Sequence[str],
    out: Path,
    *,
    again: bool = False,
    called: str = "",
) -> TrainedClassifier:
    """Trains the classifier on ``releases`` into ``out``; for a conversation in several of them,
    the last one's rows count.

    ``again`` retrains the one in ``out``, by default on its own releases; the old one is retired,
    and deleted once the new one is complete. RefusedError for releases with another purpose,
    UsageError for too few examples.
    """
    name = called or out.name
    lineage.check_name(name)
    old = _recorded_releases(installation, out) if again else []
    if not again and out.exists() and any(out.iterdir()):
        raise UsageError(
            f"`{out}` already exists", "`--again` retrains it without what was withdrawn"
        )
    if again:
        name = called or old[0][1]
    releases = _training_releases(installation, releases, old)
    made = out.with_name(out.name + ".new")
    shutil.rmtree(made, ignore_errors=True)
    try:
        with TemporaryDirectory(prefix="licet-gate-") as gates:
            sources = [
                source
                for source in _training_sources(installation, dict.fromkeys(releases), Path(gates))
                if source.learnt
            ]
            started = installation.clock()
            model = classifier.train([example for source in sources for example in source.learnt])
            held_out = _measure_domains(
                model, [example for source in sources for example in source.held_out]
            )
            model.save(made)
            ids = [
                _write_model_files(
                    installation, model, name, source, made, held_out, started, number, len(sources)
                )
                for number, source in enumerate(sources, start=1)
            ]
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    for folder in _papers_in(made):
        lineage.record(installation, folder)
    _replace(made, out)
    for model_id, _, _ in old:
        lineage.retire(
            installation, model_id, actor="licet", reason="another was trained in its place"
        )
    return TrainedClassifier(
        models=tuple(ids),
        name=name,
        folder=out,
        releases=tuple(source.name for source in sources),
        examples=model.card.examples,
        misuse=model.card.misuse,
        points=model.card.points,
        slices=model.card.slices,
        held_out=held_out,
        domains=model.card.domains,
        ordinary=model.card.ordinary,
        retired=tuple(model_id for model_id, _, _ in old),
    )


def forecast(installation: Installation, releases: Sequence[str], out: Path) -> RetrainingForecast:
    """The effect of `train` with ``again`` and the same arguments; changes nothing."""
    old = _recorded_releases(installation, out)
    gone = {
        affected.model: affected.withdrawn
        for affected in lineage.models_affected(installation, recipe=model_registry.CLASSIFIER)
    }
    return RetrainingForecast(
        name=old[0][1],
        folder=out,
        releases=tuple(dict.fromkeys(_training_releases(installation, releases, old))),
        retired=tuple(model for model, _, _ in old),
        withdrawn=sum(gone.get(model, 0) for model, _, _ in old),
    )


def _training_releases(
    installation: Installation, releases: Sequence[str], old: Sequence[tuple[str, str, UUID]]
) -> Sequence[str]:
    """The releases to train on, by default those of the retrained model."""
    releases = releases or _names(installation, [release for _, _, release in old])
    if not 1 <= len(set(releases)) <= RELEASES_MAX:
        raise UsageError(
            f"a classifier is trained on 1 to {RELEASES_MAX} releases",
            "name one: `licet status` lists them",
        )
    return releases


# Examples


def _training_sources(
    installation: Installation, names: Iterable[str], gates: Path
) -> list[_Source]:
    """The permitted examples of each release; a conversation counts in its last release."""
    found = [(name, *_rows(installation, name)) for name in names]
    last = {
        key: place for place, (*_, by_conversation) in enumerate(found) for key in by_conversation
    }
    sources = []
    for place, (_, folder, release, name, by_conversation) in enumerate(found):
        mine = {key: rows for key, rows in by_conversation.items() if last[key] == place}
        record = gates / f"{release.hex}.consumed"
        learnt = {key: rows for key, rows in mine.items() if _is_learnt(rows)}
        gone = _withdrawn_since_opening(
            installation,
            folder,
            release,
            gates,
            record,
            [row.row["ordinal"] for rows in learnt.values() for row in rows],
        )
        left = {
            key: [row for row in rows if row.row["ordinal"] not in gone]
            for key, rows in learnt.items()
        }
        sources.append(
            _Source(
                name=name,
                folder=folder,
                release=release,
                record=record,
                learnt=list(_examples(left)),
                held_out=list(
                    _examples({key: rows for key, rows in mine.items() if key not in learnt})
                ),
            )
        )
    return sources


class _Sourced(msgspec.Struct, frozen=True, kw_only=True):
    """A row, whether a flag admitted it, and its domain: its conversation's surface."""

    row: LoadedRow
    flagged: bool
    domain: str


_Rows = dict[UUID, list[_Sourced]]


def _rows(installation: Installation, named: str) -> tuple[Path, UUID, str, _Rows]:
    """The usable rows of a release by conversation."""
    folder, known = find_release(installation, named)
    if known.state != "sealed" or known.manifest_sha256 is None:
        raise RefusedError(f"release `{known.name}` is not sealed", because="not_sealed")
    if known.purpose != SAFETY:
        raise RefusedError(
            f"release `{known.name}` is for `{known.purpose}`",
            f"build one with `licet release build NAME --purpose {SAFETY}`",
            because="purpose",
        )
    rows = list(open_release(installation, str(folder)))
    with transaction(installation.pool) as tx:
        origins = {
            sources.ordinal: (
                sources.conversation,
                any(place is CopyPlace.safety for _, place in sources.keys),
            )
            for sources in registry.rows_at(tx, known.release_id, [row["ordinal"] for row in rows])
        }
        surfaces = account_view.surfaces(
            tx, sorted({conversation for conversation, _ in origins.values()})
        )
    by_conversation: _Rows = {}
    for row in rows:
        conversation, flagged = origins[row["ordinal"]]
        sourced = _Sourced(row=row, flagged=flagged, domain=surfaces[conversation])
        by_conversation.setdefault(conversation, []).append(sourced)
    return folder, known.release_id, known.name, by_conversation


def _is_learnt(rows: Sequence[_Sourced]) -> bool:
    return all("labels" not in row.row or row.row["labels"]["split"] == "train" for row in rows)


def _withdrawn_since_opening(
    installation: Installation,
    folder: Path,
    release: UUID,
    gates: Path,
    record: Path,
    ordinals: Sequence[int],
) -> set[int]:
    """The rows withdrawn since they were opened; records all others as consumed."""
    if not ordinals:
        return set()
    _, sha256 = manifest.read_manifest(folder)
    log = consumption.ConsumedLog(
        record, gate := local_runs.LocalGate(installation, release, sha256, gates)
    )
    try:
        return {ordinals[place] for place in HandOff(gate, log.used)(1, ordinals)}
    finally:
        log.close()


def _examples(by_conversation: _Rows) -> Iterator[LabelledExample]:
    for conversation, rows in by_conversation.items():
        texts = [m["content"] for row in rows for m in row.row["messages"] if m["role"] == "user"]
        text = "\n".join(texts).strip()
        if text:
            labels = rows[0].row.get("labels")
            slice_ = f"{labels['language']} {labels['topic']}" if labels is not None else ""
            yield LabelledExample(
                id=conversation.bytes,
                text=text,
                misuse=any(row.flagged for row in rows),
                slice=slice_,
                domain=rows[0].domain,
            )


def _measure_domains(model: Model, held_out: Sequence[LabelledExample]) -> tuple[Figures, ...]:
    if not held_out:
        return ()
    scores = model.score([example.text for example in held_out])
    return tuple(
        classifier.figures(scores, held_out, model.card.points[classifier.REPORTED_POINT].threshold)
    )


# The model's folder


def _write_model_files(
    installation: Installation,
    model: Model,
    name: str,
    source: _Source,
    folder: Path,
    held_out: Sequence[Figures],
    started: datetime,
    number: int,
    count: int,
) -> str:
    """Writes a model's files about one of ``count`` releases: beside the model, or, if there are
    several, in a folder with a link to it.

    ``number``: the release's position, which decides whose rows of a conversation count.
    """
    place = folder if count == 1 else folder / f"{_FROM}{source.name}"
    if count > 1:
        place.mkdir()
        for file in (classifier.MODEL_FILE, classifier.WEIGHTS_FILE):
            os.link(folder / file, place / file)
    record = consumption.merge([source.record], place / consumption.FILE)
    heads = [
        consumption.parse_unverified_head(frame.signed)
        for frame in record.frames
        if isinstance(frame, consumption.GateState)
    ]
    model_id = uuid7(started, installation.keyring.random(10))
    run = RunStatement(
        model=model_id.hex,
        name=name,
        recipe=model_registry.CLASSIFIER,
        parameters={"folds": classifier.FOLDS, "release": number},
        sources=(
            StatementSource(
                name="release",
                sha256=record.identity.manifest_sha256,
                more={"release": record.identity.release},
            ),
        ),
        first=heads[0],
        last=heads[-1],
        results=_results(model),
        software=local_runs.list_versions(LIBRARIES),
        started=started,
        finished=max(installation.clock(), started),
    )
    described = cards.ModelDescription(
        run=run,
        release=manifest.read_manifest(source.folder)[0],
        manifest_sha256=record.identity.manifest_sha256,
        consumed=len(record.ordinals),
        architecture=ARCHITECTURE,
        task=TASK,
    )
    local_runs.write_documents(
        installation, source.folder, place, described, render_card(model.card, described, held_out)
    )
    return format_id(Prefix.model, model_id)


def _results(model: Model) -> dict[str, int | float]:
    overall, point = model.card.slices[0], model.card.points[classifier.REPORTED_POINT]
    found = {"auprc": overall.auprc, "auroc": overall.auroc}
    return {
        "examples": model.card.examples,
        "misuse": model.card.misuse,
        "found": point.found,
        "false_alarms": point.false_alarms,
        **{name: value for name, value in found.items() if value is not None},
    }


def _papers_in(folder: Path) -> list[Path]:
    found = [folder, *sorted(folder.glob(f"{_FROM}*"))]
    return [place for place in found if (place / statement.FILE).is_file()]


def _recorded_releases(installation: Installation, folder: Path) -> list[tuple[str, str, UUID]]:
    """(model, name, release) of each record in a classifier's folder, in order of releases."""
    key, found = lineage.signing_key(installation)[0], list[tuple[int, tuple[str, str, UUID]]]()
    for place in _papers_in(folder):
        content = statement.verify((place / statement.FILE).read_bytes(), key)["predicate"]
        record = consumption.read_record(place / consumption.FILE)
        parameters = content["buildDefinition"]["externalParameters"]
        if parameters["recipe"] == model_registry.CLASSIFIER:
            model = UUID(hex=content["runDetails"]["metadata"]["invocationId"])
            model_key = (
                format_id(Prefix.model, model),
                parameters["name"],
                UUID(hex=record.identity.release),
            )
            found.append((parameters["settings"]["release"], model_key))
    if not found:
        raise UsageError(
            f"`{folder}` contains no classifier", "name the folder that `licet train safety` wrote"
        )
    return [model_key for _, model_key in sorted(found)]


def _names(installation: Installation, releases: Sequence[UUID]) -> list[str]:
    with transaction(installation.pool) as tx:
        names = registry.names(tx, releases)
    return [names[release] for release in releases if release in names]


def _replace(folder: Path, out: Path) -> None:
    """Replaces an earlier model, and deletes it with its operating points, which are derived from
    content that must be forgotten.
    """
    gone = out.with_name(out.name + ".old")
    shutil.rmtree(gone, ignore_errors=True)
    operating_points.points_beside(out).unlink(missing_ok=True)
    if out.exists():
        out.rename(gone)
    folder.rename(out)
    shutil.rmtree(gone, ignore_errors=True)


# The model by its name, for suggestions and for scoring the rows of a build


def points_file(installation: Installation, model: str) -> Path:
    """The operating points of a model: beside its folder, or in the data directory."""
    if detector.is_imported(model):
        return installation.config.data / "misuse" / f"{model.replace(':', '.')}.points.json"
    return operating_points.points_beside(Path(model))


class MisuseScorer:
    """A model as a scorer for curation. It pickles by its name."""

    name = SCORER

    def __init__(self, model: str) -> None:
        self.model = model if detector.is_imported(model) else str(Path(model).resolve())
        self._model: detector.MisuseDetector | None = detector.open_detector(self.model)
        self.sha256 = self._model.sha256

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_model": None}

    def scores(self, texts: Sequence[str]) -> Sequence[float]:
        """The probability of misuse of each text."""
        if self._model is None:
            self._model = detector.open_detector(self.model)
            if self._model.sha256 != self.sha256:
                raise RefusedError(
                    f"the model `{self.model}` has changed meanwhile", because="changed"
                )
        return [float(score) for score in self._model.score(texts)]
