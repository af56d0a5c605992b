"""Trying, training and measuring what looks for names: files in, values out."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from licet.config import Configuration
from licet.curate import deidentify, engine_settings
from licet.errors import InputError, UsageError
from licet.release.manifest import MeasuredFigures

if TYPE_CHECKING:
    from licet.curate.names_train import TrainedTagger

TEXTS = 7_000
STEPS = 800
CONLL_TIMES = 2  # what people labelled counts double beside what templates made
TURNS_BYTES_MAX = 256 << 20
_SLICE = re.compile(r"[a-z][a-z0-9_.-]{0,63}", re.ASCII)


class NameTrial(msgspec.Struct, frozen=True, kw_only=True):
    """A text as a release would have it, how many of each kind were replaced, and whether it would be left out."""

    text: str
    replaced: Mapping[str, int]
    doubtful: bool

    def __repr__(self) -> str:
        return f"Tried(sealed, {len(self.text)} characters)"


def tried(config: Configuration, text: str) -> NameTrial:
    """De-identifies one text as configured, under a key that is thrown away."""
    names = engine_settings.named(config.curate, config.data)
    found = names.found([text]) if names is not None else None
    made = deidentify.deidentify([text], secrets.token_bytes(32), names=found)
    doubtful = names is not None and names.doubts(found[0] if found else [])
    return NameTrial(text=made.texts[0], replaced={k.value: n for k, n in made.counts.items()}, doubtful=doubtful)


def train(
    folder: Path, *, conll: Sequence[Path] = (), turns: Path | None = None, texts: int = TEXTS, steps: int = STEPS,
    seed: int = 7, threads: int = 1, progress: Callable[[int, float], None] = lambda _step, _loss: None,
) -> TrainedTagger:  # fmt: skip
    """Trains the tagger of names into ``folder``, which must not exist, on templates of ours and what is given."""
    from licet.curate import names_data, names_train

    if folder.exists():
        raise UsageError(f"`{folder}` exists", "name a new folder")
    said: list[str] = []
    if turns is not None:
        if turns.stat().st_size > TURNS_BYTES_MAX:
            raise InputError(f"more than `{TURNS_BYTES_MAX}` bytes", file=str(turns))
        said = turns.read_text("utf-8", "replace").splitlines()
    written = list(names_data.TemplateWriter(seed, said).texts(texts))
    labelled = [one for path in conll for one in names_data.conll(path)] * CONLL_TIMES
    return names_train.train([*written, *labelled], folder, steps=steps, seed=seed, threads=threads, progress=progress)


def measure(config: Configuration, slices: Mapping[str, Path], *, keep: bool = False) -> tuple[MeasuredFigures, ...]:
    """The figures of what is configured on labelled texts; with ``keep`` the cards of releases quote them."""
    from licet.curate import names_data, names_measure

    for name in slices:
        if not _SLICE.fullmatch(name):
            raise UsageError(f"`{name}` is not a name for a slice", "use lower-case letters, digits, `-`, `_` and `.`")
    names = engine_settings.named(config.curate, config.data)
    if names is None:
        raise UsageError("nothing is configured that looks for names", "train a tagger, or install spaCy's pipeline")
    made = names_measure.measured(names, {name: names_data.conll(path) for name, path in slices.items()})
    if keep:
        folder = engine_settings.tagger_folder(config.curate, config.data)
        folder.mkdir(parents=True, exist_ok=True)
        names_measure.write(folder / names_measure.FILE, {names_measure.key(names): made})
    return made


def in_words(one: MeasuredFigures) -> str:
    """A figure for a person to read."""
    share = one.found / one.labelled if one.labelled else 0.0
    of = "spans are right" if one.kind == "precision" else "found"
    return f"{one.slice}: {one.kind} {share:.3f} ({one.found:,} of {one.labelled:,} {of})"
