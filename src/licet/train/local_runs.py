"""A model trained here on a release of this installation, behind the training gate, and registered
with its sources.

What is signed is written last, so a run that stops leaves no model that looks complete; what it had
consumed by then is recorded in its folder, row by row. A run that fails moves that folder to
`OUT.failed-1`, or removes it if nothing was consumed; one that was killed leaves it, and the same
command moves or removes it and begins again. Until such a folder is deleted, `licet status` and
`licet models list` name it (`run_marks`).
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import msgspec

from licet.errors import RefusedError, UsageError
from licet.policy.decide import SAFETY
from licet.release import manifest, registry
from licet.release.catalog import find_release, open_release
from licet.release.reader import LoadedRow
from licet.store.connect import transaction
from licet.train import bitmap, cards, consumption, lineage, recipe, run_marks, statement
from licet.train.gate import TrainingGate, Used, WhenStale
from licet.train.gate_files import Publisher
from licet.train.recipe import TrainingResult, TrainingSettings
from licet.train.remote import REFRESHED
from licet.train.statement import RunStatement, StatementSource
from licet.vault.ids import Prefix, shown, uuid7
from licet.vault.installation import Installation

RECIPE = "licet-sft-1"
GATE_SECONDS = 60  # how long an answer to the gate is valid
HELD_OUT_ROWS_MIN = 8
HELD_OUT_SHARE = 10  # one person in this many, if the release's own splits hold out too few rows
LIBRARIES = ("torch", "transformers", "trl", "tokenizers", "accelerate", "datasets")


class TrainedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model: where it is, what it was trained on, and what it was measured on."""

    model: str
    name: str
    folder: Path
    release: str
    consumed: int
    held_out_people: int
    trained: TrainingResult


class LocalGate(TrainingGate):
    """The gate of a run on the installation's own machine: it learns of every withdrawal before
    each answer.
    """

    def __init__(
        self, here: Installation, release: UUID, manifest_sha256: str, folder: Path
    ) -> None:
        self._publisher, self._release, self._folder = Publisher(here), release, folder
        self._given, self._given_at = -1, float("-inf")
        super().__init__(
            folder / bitmap.file_name(release.hex),
            release=release.hex,
            manifest_sha256=manifest_sha256,
            verifier=self._publisher.verifier,
            clock=lambda: here.clock().timestamp(),
            when_stale=WhenStale.stop,
        )

    def current(self) -> Any:  # noqa: ANN401 as the gate's own
        # A publisher's cached answer is good enough for nodes, but it may be seconds old, and this
        # is asked each step.
        made = self._publisher.publish(self._release, GATE_SECONDS)
        now = time.monotonic()
        if made.number != self._given or now - self._given_at > GATE_SECONDS * REFRESHED:
            bitmap.write(self._folder, self._release.hex, made.file)
            self._given, self._given_at = made.number, now
        return super().current()


def sft(
    here: Installation,
    name: str,
    out: Path,
    *,
    base: Path | None = None,
    called: str = "",
    settings: TrainingSettings | None = None,
    heard: Used = lambda _step, _ordinals: None,
    gate_of: Callable[[TrainingGate], TrainingGate] = lambda gate: gate,
) -> TrainedModel:
    """Fine-tunes a causal model on a release and writes it into the new folder ``out``; ``heard``
    is called at each step.

    RefusedError for a release with the purpose of the safety classifiers: flagged text must not
    become a model's own words. ``gate_of`` wraps the gate, for tests that must fail.
    """
    chosen = settings or TrainingSettings()
    folder, known = find_release(here, name)
    if known.state != "sealed" or known.manifest_sha256 is None:
        raise RefusedError(f"release `{known.name}` is not sealed", because="not_sealed")
    if known.purpose == SAFETY:
        raise RefusedError(
            f"release `{known.name}` is for `{SAFETY}` alone",
            "`licet train safety` trains on it",
            because="purpose",
        )
    model_name = called or out.name
    lineage.check_name(model_name)
    _make_way(here, out)
    rows = list(open_release(here, name))
    train, held_out, people = divided(here, known.release_id, manifest.read(folder)[0], rows)
    recipe.check(train, base)
    started = here.clock()
    out.mkdir(parents=True, exist_ok=True)
    model = uuid7(started, here.keyring.random(10))
    mark = run_marks.RunMark(folder=str(out.absolute()), release=known.name, started_at=started)
    with (
        run_marks.marked(here.config.data, model, mark),
        TemporaryDirectory(prefix="licet-gate-") as place,
    ):
        gate = LocalGate(here, known.release_id, known.manifest_sha256.hex(), Path(place))
        log, took = consumption.ConsumedLog(out / consumption.FILE, gate), 0

        def used(step: int, ordinals: Sequence[int]) -> None:
            nonlocal took
            log.used(step, ordinals)
            took += len(ordinals)
            heard(step, ordinals)

        try:
            try:
                trained = recipe.sft(
                    train, held_out, out, gate=gate_of(gate), used=used, base=base, settings=chosen
                )
            finally:
                log.close()
        except BaseException:
            _give_way(here, out, took)
            raise
        record = consumption.merge([out / consumption.FILE], out / consumption.FILE)
        run = _run(here, model, model_name, record, trained, chosen, base, started)
        described = cards.ModelDescription(
            run=run,
            release=manifest.read(folder)[0],
            manifest_sha256=record.of.manifest_sha256,
            consumed=len(record.ordinals),
            base=base.name if base is not None else "",
        )
        papers(here, folder, out, described, cards.card(described))
        lineage.record(here, out)
    return TrainedModel(
        model=shown(Prefix.model, model),
        name=model_name,
        folder=out,
        release=known.name,
        consumed=len(record.ordinals),
        held_out_people=people,
        trained=trained,
    )


def _make_way(here: Installation, out: Path) -> None:
    """Frees the place of a run that was killed there; UsageError if ``out`` is anything else that
    exists.
    """
    if not out.exists() or not any(out.iterdir()):
        return
    runs = run_marks.unfinished(here.config.data)
    before = next((run for run in runs if run.folder == out.absolute()), None)
    if before is None:
        raise UsageError(f"`{out}` already exists", "name a folder that does not exist")
    if before.is_running:
        raise UsageError(f"another run is writing `{out}`", "wait for it, or name another folder")
    if (out / statement.SIGNATURE_FILE).exists():
        raise UsageError(
            f"`{out}` is a whole model that is not on record",
            f"`licet models record {out}` takes it",
        )
    record = out / consumption.FILE
    took = (
        len(consumption.parse(record.read_bytes())[0].ordinals)
        if record.exists() and record.stat().st_size
        else 0
    )
    _give_way(here, out, took)


def _give_way(here: Installation, out: Path, took: int) -> None:
    """After a run without a model: removes its folder, or, if it consumed rows, moves it aside with
    the record of them.

    In both cases the same command can be given again.
    """
    if took == 0:
        shutil.rmtree(out)
        return
    places = (out.with_name(f"{out.name}.failed-{number}") for number in count(1))
    place = next(place for place in places if not place.exists())
    out.rename(place)
    run_marks.moved(here.config.data, out, place)


# Held-out people


def divided(
    here: Installation, release: UUID, promised: manifest.ReleaseManifest, rows: Sequence[LoadedRow]
) -> tuple[list[LoadedRow], list[LoadedRow], int]:
    """The rows for training, those of people who are not among them, and the number of these
    people.

    People are held out by the release's own splits, for ever; if those hold out fewer than
    `HELD_OUT_ROWS_MIN` rows, about every tenth person is held out too, by a hash of their account's
    id, the same in every run.
    """
    with transaction(here.pool) as tx:
        of = registry.accounts_at(tx, release, [row["ordinal"] for row in rows])
    splits = {} if promised.curation is msgspec.UNSET else promised.curation.splits
    others = [run for split, runs in splits.items() if split != "train" for run in runs]
    out = {
        row["ordinal"]
        for row in rows
        if any(first <= row["ordinal"] <= last for first, last in others)
    }
    if len(out) < HELD_OUT_ROWS_MIN:
        people = {of[row["ordinal"]] for row in rows if row["ordinal"] not in out}
        outside = {one for one in people if is_drawn_out(one)}
        if len(people) > 1 and (not outside or outside == people):
            outside = {min(people, key=drawn)}
        out |= {row["ordinal"] for row in rows if of[row["ordinal"]] in outside}
    held_out = [row for row in rows if row["ordinal"] in out]
    return (
        [row for row in rows if row["ordinal"] not in out],
        held_out,
        len({of[ordinal] for ordinal in out}),
    )


def is_drawn_out(account: UUID) -> bool:
    """Whether a person is held out if the release's own splits hold out too few."""
    return drawn(account) < 2**64 // HELD_OUT_SHARE


def drawn(account: UUID) -> int:
    """The number of a person by which the lowest are held out, the same in every run."""
    return int.from_bytes(
        blake2b(account.bytes, digest_size=8, person=b"licet held out 1").digest(), "big"
    )


# Files beside the model


def _run(
    here: Installation,
    model: UUID,
    name: str,
    record: consumption.Record,
    trained: TrainingResult,
    settings: TrainingSettings,
    base: Path | None,
    started: Any,  # noqa: ANN401 a time
) -> RunStatement:
    heads = [
        consumption.claimed(frame.signed)
        for frame in record.frames
        if isinstance(frame, consumption.GateState)
    ]
    sources = [
        StatementSource(
            name="release", sha256=record.of.manifest_sha256, more={"release": record.of.release}
        )
    ]
    if base is not None:
        sources.append(
            StatementSource(name="base", sha256=_hash_of(base), more={"called": base.name})
        )
    sources.append(StatementSource(name="recipe", sha256=_code_sha256()))
    shown_results = {k: v for k, v in msgspec.structs.asdict(trained).items() if v is not None}
    return RunStatement(
        model=model.hex,
        name=name,
        recipe=RECIPE,
        parameters=msgspec.structs.asdict(settings),
        sources=tuple(sources),
        first=heads[0],
        last=heads[-1],
        results=shown_results,
        software=software(LIBRARIES),
        started=started,
        finished=max(here.clock(), started),
    )


def papers(
    here: Installation, release: Path, out: Path, described: cards.ModelDescription, card: bytes
) -> None:
    """Writes everything beside the weights in ``out``, the signed files last."""
    run, files = described.run, statement.hashes_of(out, without=(consumption.FILE,))
    weights = {
        name: digest for name, digest in files.items() if name.endswith((".safetensors", ".bin"))
    }
    statement.put(
        out,
        {
            cards.CARD_FILE: card,
            cards.BOM_FILE: cards.bom(described, weights),
            statement.MANIFEST_FILE: (release / manifest.FILE).read_bytes(),
        },
    )
    beside = {
        name: digest for name, digest in statement.hashes_of(out).items() if name not in files
    }
    key, seed = lineage.signing(here)
    statement.put(
        out,
        {statement.FILE: statement.envelope(statement.statement(run, files, beside), key, seed)},
    )
    whole = statement.hashes_of(out)
    statement.put(
        out,
        {
            statement.SIGNATURE_FILE: statement.model_signature(
                run.name, whole, statement.p256(seed)
            )
        },
    )


def _hash_of(folder: Path) -> str:
    """One hash over a base model's files: that of the lines `SHA-256  NAME`, in order."""
    from hashlib import sha256

    lines = (f"{digest}  {name}\n" for name, digest in sorted(statement.hashes_of(folder).items()))
    return sha256("".join(lines).encode()).hexdigest()


def _code_sha256() -> str:
    from hashlib import sha256

    return sha256(Path(recipe.__file__).read_bytes()).hexdigest()


def software(libraries: Sequence[str]) -> Mapping[str, str]:
    """The version of Licet, and those of the ``libraries`` that are installed."""
    found = {}
    for library in ("licet", *libraries):
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found
