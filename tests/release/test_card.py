"""The card tells who looked for names and how much they find, from the manifest alone, and the manifest holds it to form."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from licet.errors import BrokenError
from licet.release import card, croissant, manifest, purge
from licet.release.manifest import Deidentification, DetectorPin, Manifest, Measured, NamesPin
from licet.release.part import Part

from .world import manifest_of

PART = Part(file="part-00000.parquet", sha256="e" * 64, rows=3, bytes=9, first_ordinal=0)
NAMES = NamesPin(
    detectors=(DetectorPin(name="licet-tagger", sha256="a" * 64), DetectorPin(name="spacy", sha256="b" * 64)),
    kinds=("address", "person"), doubt="drop",
)  # fmt: skip
MEASURED = (
    Measured(slice="noisy", kind="person", found=2, labelled=3),
    Measured(slice="noisy", kind="precision", found=0, labelled=0),
)


def promised(**how: Any) -> Manifest:
    made = Deidentification(rules="licet-rules", sha256="b" * 64, counts={"person": 4}, **how)
    return msgspec.structs.replace(manifest_of((PART,), b"r" * 32), deidentification=made)


def test_a_card_names_the_detectors_and_quotes_their_figures_by_slice_and_kind() -> None:
    text = card.text(promised(names=NAMES, measured=MEASURED))
    assert f"looked for by `licet-tagger` (SHA-256 `{'a' * 64}`) and `spacy` (SHA-256 `{'b' * 64}`)" in text
    assert "| noisy | `person` | 0.667 | 3 |" in text
    assert "| noisy | `precision` | - | 0 |" in text


def test_a_card_without_figures_says_that_nobody_measured() -> None:
    text = card.text(promised())
    assert "were not looked for, and are all in" in text
    assert "has not been measured" in text


def test_the_description_for_machines_names_the_detectors_too() -> None:
    made = promised(names=NAMES)
    assert f"spacy (SHA-256 {'b' * 64})" in croissant.text(made, purge.begin(made, ""))


def test_a_manifest_with_detectors_comes_back_from_its_bytes_and_one_without_has_the_bytes_of_before() -> None:
    made = promised(names=NAMES, measured=MEASURED)
    assert manifest.decode(manifest.encode(made)) == made
    assert b"names" not in manifest.encode(promised()) and b"measured" not in manifest.encode(promised())


@pytest.mark.parametrize(
    "bad",
    [
        {"names": msgspec.structs.replace(NAMES, detectors=(DetectorPin(name="spacy", sha256="b"),))},
        {"names": msgspec.structs.replace(NAMES, kinds=("a person",))},
        {"names": msgspec.structs.replace(NAMES, doubt="")},
        {"measured": (Measured(slice="noisy", kind="person", found=4, labelled=3),)},
        {"measured": (Measured(slice="Maria Rossi", kind="person", found=1, labelled=3),)},
    ],
)
def test_a_manifest_takes_no_words_of_its_own_and_no_impossible_figure(bad: dict[str, Any]) -> None:
    with pytest.raises(BrokenError):
        promised(**bad)
