"""The card tells who looked for names and how much they find, from the manifest alone, and the
manifest holds it to form.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import msgspec
import pytest

from licet.curate.names import LOOKED_AT
from licet.errors import BrokenError
from licet.release import card, croissant, manifest, purge
from licet.release.manifest import (
    Deidentification,
    DetectorPin,
    MeasuredFigures,
    NamesPin,
    ReleaseManifest,
)
from licet.release.part import PartPromise

from .world import manifest_of

PART = PartPromise(file="part-00000.parquet", sha256="e" * 64, rows=3, bytes=9, first_ordinal=0)
NAMES = NamesPin(
    detectors=(
        DetectorPin(name="licet-tagger", sha256="a" * 64),
        DetectorPin(name="spacy", sha256="b" * 64),
    ),
    kinds=("address", "person"),
    languages=("de", "en"),
    other_languages="Nothing looks for names and street addresses in other languages: they are left in.",
)
MEASURED = (
    MeasuredFigures(slice="noisy", kind="person", found=2, labelled=3),
    MeasuredFigures(slice="noisy", kind="precision", found=0, labelled=0),
)


def promised(**how: Any) -> ReleaseManifest:
    made = Deidentification(rules="licet-rules", sha256="b" * 64, counts={"person": 4}, **how)
    return msgspec.structs.replace(manifest_of((PART,), b"r" * 32), deidentification=made)


def test_a_card_names_the_detectors_and_quotes_their_figures_by_slice_and_kind() -> None:
    text = card.render(promised(names=NAMES, measured=MEASURED))
    assert (
        f"looked for by `licet-tagger` (SHA-256 `{'a' * 64}`) and `spacy` (SHA-256 `{'b' * 64}`)"
        in text
    )
    assert "| noisy | `person` | 0.667 | 0.208 to 0.939 | 3 |" in text
    assert "| noisy | `precision` | - | - | 0 |" in text


def test_a_card_says_what_its_figures_were_measured_on_and_of_whose_ids_none_were() -> None:
    figures = (
        MeasuredFigures(slice="presidio", kind="national_id", found=21, labelled=21),
        MeasuredFigures(slice="presidio", kind="email", found=49, labelled=49),
        MeasuredFigures(slice="our-chats", kind="email", found=4, labelled=5),
    )
    text = card.render(promised(measured=figures))
    assert text.count("- `presidio`: ") == 1
    assert (
        "its national ids are of the United States alone: social security numbers and "
        "driving licences."
    ) in text
    assert "- `our-chats`: a sample of the operator's own." in text
    assert "and\nof what the samples do not hold nothing was measured." in text
    for one in (text, card.render(promised())):
        assert (
            "Ids of countries that the rules have no form for are not looked for, and are all in."
            in one
        )


def test_every_sample_that_the_package_has_figures_of_is_described() -> None:
    shipped = json.loads(files("licet.curate").joinpath("measured.json").read_bytes())
    slices = {figure["slice"] for figures in shipped.values() for figure in figures}
    made = {name for name in slices if name.startswith("messages-")}
    assert slices - made == set(card.SAMPLES) and {
        name.removeprefix("messages-") for name in made
    } == set(LOOKED_AT)
    text = card.render(
        promised(
            names=NAMES,
            measured=tuple(
                MeasuredFigures(slice=s, kind="person", found=1, labelled=2) for s in made
            ),
        )
    )
    assert (
        text.count("messages to an assistant, by language") == 1
        and "| messages-pl | `person` | 0.500 |" in text
    )
    assert f"in texts in de, en. {NAMES.other_languages}" in text


def test_a_card_without_figures_says_that_nobody_measured() -> None:
    text = card.render(promised())
    assert "were not looked for, and are all in" in text
    assert "has not been measured" in text


def test_the_description_for_machines_names_the_detectors_too() -> None:
    made = promised(names=NAMES)
    assert f"spacy (SHA-256 {'b' * 64})" in croissant.render(made, purge.empty_chain(made, ""))


def test_a_manifest_with_detectors_comes_back_from_its_bytes_and_one_without_has_the_bytes_of_before() -> (
    None
):
    made = promised(names=NAMES, measured=MEASURED)
    assert manifest.decode(manifest.encode(made)) == made
    assert b"names" not in manifest.encode(promised()) and b"measured" not in manifest.encode(
        promised()
    )


@pytest.mark.parametrize(
    "bad",
    [
        {
            "names": msgspec.structs.replace(
                NAMES, detectors=(DetectorPin(name="spacy", sha256="b"),)
            )
        },
        {"names": msgspec.structs.replace(NAMES, kinds=("a person",))},
        {"names": msgspec.structs.replace(NAMES, languages=("a language",))},
        {"names": msgspec.structs.replace(NAMES, other_languages="A [link](https://x.example).")},
        {"names": NAMES, "unread": {"a language": 1}},
        {"names": NAMES, "unread": {"el": -1}},
        {"measured": (MeasuredFigures(slice="noisy", kind="person", found=4, labelled=3),)},
        {"measured": (MeasuredFigures(slice="Maria Rossi", kind="person", found=1, labelled=3),)},
    ],
)
def test_a_manifest_takes_no_words_of_its_own_and_no_impossible_figure(bad: dict[str, Any]) -> None:
    with pytest.raises(BrokenError):
        promised(**bad)
