"""Trying and measuring what looks for names: files in, values out."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from pathlib import Path

import msgspec

from licet.config import Configuration
from licet.curate import deidentify, engine_settings
from licet.errors import UsageError
from licet.release.manifest import MeasuredFigures

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
    names = engine_settings.named(config.curate)
    found = names.found([text]) if names is not None else None
    made = deidentify.deidentify([text], secrets.token_bytes(32), names=found)
    doubtful = made.doubtful or (names is not None and names.unread(text))
    return NameTrial(text=made.texts[0], replaced={k.value: n for k, n in made.counts.items()}, doubtful=doubtful)


def measure(config: Configuration, slices: Mapping[str, Path], *, keep: bool = False) -> tuple[MeasuredFigures, ...]:
    """The figures of what is configured on labelled texts; with ``keep`` the cards of releases quote them."""
    from licet.curate import names_labelled, names_measure

    for name in slices:
        if not _SLICE.fullmatch(name):
            raise UsageError(f"`{name}` is not a name for a slice", "use lower-case letters, digits, `-`, `_` and `.`")
    names = engine_settings.named(config.curate)
    if names is None:
        raise UsageError("nothing is configured that looks for names", "unset LICET_CURATE__NAMES")
    made = names_measure.measured(names, {name: names_labelled.conll(path) for name, path in slices.items()})
    if keep:
        config.data.mkdir(parents=True, exist_ok=True)
        names_measure.write(config.data / names_measure.OWN_FILE, {names_measure.key(names): made})
    return made


def in_words(one: MeasuredFigures) -> str:
    """A figure for a person to read."""
    share = one.found / one.labelled if one.labelled else 0.0
    of = "spans are right" if one.kind == "precision" else "found"
    return f"{one.slice}: {one.kind} {share:.3f} ({one.found:,} of {one.labelled:,} {of})"
