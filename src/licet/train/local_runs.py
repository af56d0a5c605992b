"""Trains a model on a local release behind the training gate, and registers it with its sources.

Signed files are written last, so an interrupted run leaves no model that looks complete; what it
consumed is recorded in its folder, row by row. A failed run moves that folder to `OUT.failed-1`, or
removes it if nothing was consumed; after a kill, the same command does so and starts again. Until
such a folder is deleted, `licet status` and `licet models list` name it (`run_marks`).
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b, sha256
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
from licet.release.registry import Release
from licet.store.connect import transaction
from licet.train import bitmap, cards, consumption, lineage, recipe, run_marks, statement
from licet.train.gate import TrainingGate, Used, WhenStale
from licet.train.gate_files import Publisher
from licet.train.recipe import TrainingResult, TrainingSettings
from licet.train.remote import REFRESHED
from licet.train.statement import RunStatement, StatementSource
from licet.vault.ids import Prefix, format_id, uuid7
from licet.vault.installation import Installation

RECIPE = "licet-sft-1"
GATE_SECONDS = 60  # how long an answer to the gate is valid
HELD_OUT_ROWS_MIN = 8
HELD_OUT_SHARE = 10  # one person in this many, if the release's own splits hold out too few rows
LIBRARIES = ("torch", "transformers", "trl", "tokenizers", "accelerate", "datasets")


class TrainedModel(msgspec.Struct, frozen=True, kw_only=True):
    model: str
    name: str
    folder: Path
    release: str
    consumed: int
    held_out_people: int
    trained: TrainingResult


class LocalGate(TrainingGate):
    """The gate of a run on the installation's machine: publishes withdrawals before each answer."""

    def __init__(
        self, installation: Installation, release: UUID, manifest_sha256: str, folder: Path
    ) -> None:
        self._publisher, self._release, self._folder = Publisher(installation), release, folder
        self._given, self._given_at = -1, float("-inf")
        super().__init__(
            folder / bitmap.file_name(release.hex),
            release=release.hex,
            manifest_sha256=manifest_sha256,
            verifier=self._publisher.verifier,
            clock=lambda: installation.clock().timestamp(),
            when_stale=WhenStale.stop,
        )

    def current(self) -> Any:  # noqa: ANN401 as the gate's own
        # The publisher's cache may be seconds old, too old for a step.
        published = self._publisher.publish(self._release, GATE_SECONDS)
        now = time.monotonic()
        if published.number != self._given or now - self._given_at > GATE_SECONDS * REFRESHED:
            bitmap.write(self._folder, self._release.hex, published.file)
            self._given, self._given_at = published.number, now
        return super().current()


def sft(
    installation: Installation,
    name: str,
    out: Path,
    *,
    base: Path | None = None,
    called: str = "",
    settings: TrainingSettings | None = None,
    on_step: Used = lambda _step, _ordinals: None,
    gate_of: Callable[[TrainingGate], TrainingGate] = lambda gate: gate,
) -> TrainedModel:
    """Fine-tunes a causal model on a release and writes it into the new folder ``out``; ``on_step``
    is called at each step.

    RefusedError for a release with the purpose of the safety classifiers: flagged text must not
    become a model's own words. ``gate_of`` wraps the gate, for tests that must fail.
    """
    chosen = settings or TrainingSettings()
    folder, known = find_release(installation, name)
    manifest_sha256 = _check_trainable(known)
    model_name = called or out.name
    lineage.check_name(model_name)
    _clear_killed_run(installation, out)
    rows = list(open_release(installation, name))
    train, held_out, people = split_held_out(
        installation, known.release_id, manifest.read_manifest(folder)[0], rows
    )
    recipe.check(train, base)
    started = installation.clock()
    out.mkdir(parents=True, exist_ok=True)
    model = uuid7(started, installation.keyring.random(10))
    mark = run_marks.RunMark(folder=str(out.absolute()), release=known.name, started_at=started)
    with (
        run_marks.mark_running(installation.config.data, model, mark),
        TemporaryDirectory(prefix="licet-gate-") as place,
    ):
        gate = LocalGate(installation, known.release_id, manifest_sha256.hex(), Path(place))
        log, consumed = consumption.ConsumedLog(out / consumption.FILE, gate), 0

        def used(step: int, ordinals: Sequence[int]) -> None:
            nonlocal consumed
            log.used(step, ordinals)
            consumed += len(ordinals)
            on_step(step, ordinals)

        try:
            try:
                trained = recipe.sft(
                    train, held_out, out, gate=gate_of(gate), used=used, base=base, settings=chosen
                )
            finally:
                log.close()
        except BaseException:
            _set_aside(installation, out, consumed)
            raise
        record = consumption.merge([out / consumption.FILE], out / consumption.FILE)
        run = _run_statement(
            installation, model, model_name, record, trained, chosen, base, started
        )
        _record_model(installation, folder, out, run, record, base)
    return TrainedModel(
        model=format_id(Prefix.model, model),
        name=model_name,
        folder=out,
        release=known.name,
        consumed=len(record.ordinals),
        held_out_people=people,
        trained=trained,
    )


def _record_model(
    installation: Installation,
    folder: Path,
    out: Path,
    run: RunStatement,
    record: consumption.Record,
    base: Path | None,
) -> None:
    described = cards.ModelDescription(
        run=run,
        release=manifest.read_manifest(folder)[0],
        manifest_sha256=record.identity.manifest_sha256,
        consumed=len(record.ordinals),
        base=base.name if base is not None else "",
    )
    write_documents(installation, folder, out, described, cards.render_card(described))
    lineage.record(installation, out)


def _check_trainable(release: Release) -> bytes:
    """The manifest's hash; RefusedError for an unsealed release or one for safety classifiers."""
    if release.state != "sealed" or release.manifest_sha256 is None:
        raise RefusedError(f"release `{release.name}` is not sealed", because="not_sealed")
    if release.purpose == SAFETY:
        raise RefusedError(
            f"release `{release.name}` is for `{SAFETY}` alone",
            "`licet train safety` trains on it",
            because="purpose",
        )
    return release.manifest_sha256


def _clear_killed_run(installation: Installation, out: Path) -> None:
    """Clears ``out`` of a killed run; UsageError if anything else is in it."""
    if not out.exists() or not any(out.iterdir()):
        return
    runs = run_marks.list_unfinished(installation.config.data)
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
    _set_aside(installation, out, took)


def _set_aside(installation: Installation, out: Path, consumed: int) -> None:
    """Removes the run's folder, or moves it aside if it consumed rows, so that the command can be
    repeated.
    """
    if consumed == 0:
        shutil.rmtree(out)
        return
    places = (out.with_name(f"{out.name}.failed-{number}") for number in count(1))
    place = next(place for place in places if not place.exists())
    out.rename(place)
    run_marks.rename_folder(installation.config.data, out, place)


# Held-out people


def split_held_out(
    installation: Installation,
    release: UUID,
    promise: manifest.ReleaseManifest,
    rows: Sequence[LoadedRow],
) -> tuple[list[LoadedRow], list[LoadedRow], int]:
    """The training rows, the rows of held-out people, and the number of these people.

    People are held out by the release's splits; if those hold out fewer than `HELD_OUT_ROWS_MIN`
    rows, so is about every tenth person, by a hash of the account's id, the same in every run.
    """
    with transaction(installation.pool) as tx:
        accounts = registry.accounts_at(tx, release, [row["ordinal"] for row in rows])
    splits = {} if promise.curation is msgspec.UNSET else promise.curation.splits
    others = [run for split, runs in splits.items() if split != "train" for run in runs]
    out = {
        row["ordinal"]
        for row in rows
        if any(first <= row["ordinal"] <= last for first, last in others)
    }
    if len(out) < HELD_OUT_ROWS_MIN:
        people = {accounts[row["ordinal"]] for row in rows if row["ordinal"] not in out}
        outside = {person for person in people if is_held_out(person)}
        if len(people) > 1 and (not outside or outside == people):
            outside = {min(people, key=account_rank)}
        out |= {row["ordinal"] for row in rows if accounts[row["ordinal"]] in outside}
    held_out = [row for row in rows if row["ordinal"] in out]
    return (
        [row for row in rows if row["ordinal"] not in out],
        held_out,
        len({accounts[ordinal] for ordinal in out}),
    )


def is_held_out(account: UUID) -> bool:
    return account_rank(account) < 2**64 // HELD_OUT_SHARE


def account_rank(account: UUID) -> int:
    """A pseudorandom 64-bit number of an account, equal in every run; the lowest are held out."""
    return int.from_bytes(
        blake2b(account.bytes, digest_size=8, person=b"licet held out 1").digest(), "big"
    )


# Files beside the model


def _run_statement(
    installation: Installation,
    model: UUID,
    name: str,
    record: consumption.Record,
    trained: TrainingResult,
    settings: TrainingSettings,
    base: Path | None,
    started: datetime,
) -> RunStatement:
    heads = [
        consumption.parse_unverified_head(frame.signed)
        for frame in record.frames
        if isinstance(frame, consumption.GateState)
    ]
    sources = [
        StatementSource(
            name="release",
            sha256=record.identity.manifest_sha256,
            more={"release": record.identity.release},
        )
    ]
    if base is not None:
        sources.append(
            StatementSource(name="base", sha256=_hash_folder(base), more={"called": base.name})
        )
    code_sha256 = sha256(Path(recipe.__file__).read_bytes()).hexdigest()
    sources.append(StatementSource(name="recipe", sha256=code_sha256))
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
        software=list_versions(LIBRARIES),
        started=started,
        finished=max(installation.clock(), started),
    )


def write_documents(
    installation: Installation,
    release: Path,
    out: Path,
    described: cards.ModelDescription,
    card: bytes,
) -> None:
    """Writes everything beside the weights in ``out``, the signed files last."""
    run, files = described.run, statement.hash_files(out, without=(consumption.FILE,))
    weights = {
        name: digest for name, digest in files.items() if name.endswith((".safetensors", ".bin"))
    }
    statement.write_files(
        out,
        {
            cards.CARD_FILE: card,
            cards.BOM_FILE: cards.render_bom(described, weights),
            statement.MANIFEST_FILE: (release / manifest.FILE).read_bytes(),
        },
    )
    beside = {
        name: digest for name, digest in statement.hash_files(out).items() if name not in files
    }
    key, seed = lineage.signing_key(installation)
    statement.write_files(
        out,
        {
            statement.FILE: statement.sign_statement(
                statement.build_statement(run, files, beside), key, seed
            )
        },
    )
    hashes = statement.hash_files(out)
    statement.write_files(
        out,
        {
            statement.SIGNATURE_FILE: statement.sign_model(
                run.name, hashes, statement.derive_p256(seed)
            )
        },
    )


def _hash_folder(folder: Path) -> str:
    """The hash of a base model: that of the sorted lines `SHA-256  NAME` of its files."""
    lines = (f"{digest}  {name}\n" for name, digest in sorted(statement.hash_files(folder).items()))
    return sha256("".join(lines).encode()).hexdigest()


def list_versions(libraries: Sequence[str]) -> Mapping[str, str]:
    """The versions of Licet and of installed ``libraries``."""
    versions = {}
    for library in ("licet", *libraries):
        try:
            versions[library] = version(library)
        except PackageNotFoundError:
            continue
    return versions
