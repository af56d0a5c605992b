"""A release beside the one that its rows were carried from: what is said of the base is held
against its folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from licet import verifier
from licet.ledger.canonical_json import canonical
from licet.verifier.base import count_carriable

from . import release_lies
from .lies import SIGNER, TRUST, Held
from .release_lies import A1, D2, World, packed, sealed
from .shipped import run, saved, shipped

BASE_ID = "1" * 32
BASE_SEALED_AT = "2026-03-05T11:00:00Z"
TWINS = 6  # of eight rows
BY: tuple[Callable[[], ModuleType], ...] = (lambda: verifier, shipped)


def base_world() -> World:
    """The base: of two of its eight rows, more turns were said until the release."""
    world = release_lies.honest()
    world.manifest.update(release=BASE_ID, built_at=BASE_SEALED_AT, name="winter")
    world.rows[A1]["sources"][0]["turns"] = {"typed": 2}
    world.rows[D2]["sources"][0]["turns"] = {"typed": 2}
    return world


def leaf_of(folder: dict[str, bytes]) -> dict[str, Any]:
    said = json.loads(folder["manifest.json"])
    return {
        "release": said["release"],
        "purpose": said["purpose"],
        "version": 1,
        "position": 30,
        "rows": said["rows"],
        "root": said["root"],
        "manifest_sha256": hashlib.sha256(folder["manifest.json"]).hexdigest(),
    }


Change = Callable[[World], Any]
Carry = Callable[[dict[str, bytes]], Any]


class Pair:
    """A release and its base, as an operator tells and signs them, and as anyone who carries the
    base's folder hands it on.
    """

    def __init__(
        self, base: Change | None = None, own: Change | None = None, carrier: Carry | None = None
    ) -> None:
        first = base_world()
        if base is not None:
            base(first)
        self.base, _ = sealed(first)
        then, leaf = release_lies.honest(), leaf_of(self.base)
        then.told.append(("release_sealed", BASE_SEALED_AT, None, leaf))
        then.manifest["base"] = {
            "release": leaf["release"],
            "root": leaf["root"],
            "rows": leaf["rows"],
            "carried": TWINS,
            "rebuilt": 2,
            "dropped": 2,
        }
        if own is not None:
            own(then)
        self.folder, self.log = sealed(then)
        if carrier is not None:
            carrier(self.base)

    def report(self, by: ModuleType) -> verifier.VerifierReport:
        found: verifier.VerifierReport = by.check_release(
            Held(self.folder), TRUST, Held(self.log), base=Held(self.base)
        )
        return found


@cache
def honest() -> Pair:
    return Pair()


@pytest.mark.parametrize("by", BY, ids=["package", "one file"])
def test_an_honest_release_is_proved_with_the_folder_of_its_base(
    by: Callable[[], ModuleType],
) -> None:
    report = honest().report(by())
    assert (report.findings, report.lacks, str(report.answer)) == ([], [], "proved")
    assert [part.what for part in report.parts][-1] == "carried rows"
    assert not [note for note in report.notes if "base" in note]


def test_without_the_folder_the_report_says_that_it_was_not_looked_at() -> None:
    report = verifier.check_release(Held(honest().folder), TRUST, Held(honest().log))
    assert report.ok
    assert [note for note in report.notes if BASE_ID in note and "--base" in note]


def said(**changes: Any) -> Change:
    return lambda world: world.manifest["base"].update(changes)


def lines_changed(folder: dict[str, bytes]) -> None:
    """The base's rows have as many turns as those of the release, and its manifest stays."""
    rows = sorted(
        release_lies.honest().rows, key=lambda one: (one["conversation"], str(one["ordinal"]))
    )
    folder["proof/rows.jsonl.gz"], _ = packed(rows)


def renamed(folder: dict[str, bytes]) -> None:
    folder["manifest.json"] = canonical(json.loads(folder["manifest.json"]) | {"name": "another"})


def another_row(world: World) -> None:
    """A line says of a row what is not in the parts."""
    world.rows[A1]["sealed_sha256"] = "5" * 64


def backwards(world: World) -> None:
    world.ordered = False
    world.rows.sort(key=lambda one: (one["conversation"], one["ordinal"]), reverse=True)


NAMED, ALIKE = "the base that the release's manifest names", "curated in the same way"
LIES: dict[str, tuple[dict[str, Any], str]] = {
    "more carried than can have been": (
        {"own": said(carried=7, rebuilt=1, dropped=1)},
        "the same turns as rows of",
    ),
    "all carried": ({"own": said(carried=8, rebuilt=0, dropped=0)}, "the same turns as rows of"),
    "another release's folder": ({"carrier": lambda f: f.update(honest().folder)}, NAMED),
    "its root changed": (
        {
            "carrier": lambda f: f.update(
                {"manifest.json": canonical(json.loads(f["manifest.json"]) | {"root": "6" * 64})}
            )
        },
        NAMED,
    ),
    "its manifest changed": ({"carrier": renamed}, "release's log entry names its hash"),
    "its lines changed": ({"carrier": lines_changed}, "lead to its root"),
    "its lines missing": (
        {"carrier": lambda f: f.pop("proof/rows.jsonl.gz")},
        "it holds `8` lines",
    ),
    "no manifest": ({"carrier": lambda f: f.pop("manifest.json")}, "has a manifest"),
    "its lines out of order": ({"base": backwards}, "in order without duplicates"),
    "a line of no row": ({"base": another_row}, "under the manifest's root"),
    "other software": ({"base": lambda w: w.manifest.update(licet="1")}, ALIKE),
    "other rules": (
        {
            "base": lambda w: w.manifest.update(
                deidentification={
                    "rules": "r",
                    "sha256": "7" * 64,
                    "counts": {},
                    "left_in": release_lies.LEFT_IN,
                }
            )
        },
        ALIKE,
    ),
    "another plan": (
        {"base": lambda w: w.manifest.update(curation={"plan": "8" * 64, "splits": {}})},
        ALIKE,
    ),
    "built later": ({"base": lambda w: w.manifest.update(built_at="2026-03-05T12:00:01Z")}, ALIKE),
}


@pytest.mark.parametrize("by", BY, ids=["package", "one file"])
@pytest.mark.parametrize(("how", "promise"), LIES.values(), ids=LIES)
def test_what_is_said_of_the_base_and_is_not_so_is_found(
    how: dict[str, Any], promise: str, by: Callable[[], ModuleType]
) -> None:
    report = Pair(**how).report(by())
    assert any(promise in found.promise for found in report.findings), report
    assert not report.ok


def test_a_row_stands_for_one_row_and_only_for_one_of_its_own_conversation() -> None:
    def row(chat: str, *turns: dict[str, int], who: str = "w") -> dict[str, Any]:
        sources = [{"segment": segment, "turns": each} for segment, each in enumerate(turns)]
        return {"conversation": chat, "who": who, "sources": sources}

    one, two = {"typed": 1}, {"typed": 2}
    own = [row("a", one), row("a", one), row("b", two), row("c", one, two)]
    assert count_carriable(own, own, True) == count_carriable(own, own, False) == 4
    assert count_carriable(own, [row("a", one), row("b", two)], True) == 2, (
        "each is the twin of one"
    )
    assert count_carriable(own, [row("b", one), row("d", two)], True) == 0
    assert count_carriable(own, [row("b", one), row("d", two)], False) == 2, (
        "names of another year tell nothing"
    )
    assert count_carriable(own, [row("b", two, who="x"), row("c", two, one)], True) == 0
    split = row("c", one, two)
    split["sources"] = [split["sources"][1], {"segment": 0, "turns": {"typed": 1}}]
    assert count_carriable(own, [split], True) == 1, (
        "whatever the order, and the reasons, of its sources"
    )
    assert count_carriable([], own, True) == count_carriable(own, [], False) == 0


def test_the_one_file_finds_the_base_beside_a_release_or_where_it_is_told(tmp_path: Path) -> None:
    pair = Pair(own=said(carried=7, rebuilt=1, dropped=1))
    for name, files in (
        ("releases/spring", pair.folder),
        ("log", pair.log),
        ("elsewhere/winter", pair.base),
    ):
        for path, data in files.items():
            (tmp_path / name / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / path).write_bytes(data)
    (tmp_path / "releases" / "other").mkdir()
    (tmp_path / "releases" / "other" / "manifest.json").write_bytes(b"{}")
    call = [
        saved(tmp_path),
        "release",
        tmp_path / "releases/spring",
        "--log",
        tmp_path / "log",
        "--key",
        SIGNER.verifier.vkey,
    ]
    alone = run(*call)
    assert (alone.returncode, f"the folder of its base `{BASE_ID}`" in alone.stdout) == (0, True), (
        alone.stdout
    )
    told = run(*call, "--base", tmp_path / "elsewhere/winter")
    assert (told.returncode, "the same turns as rows of the base" in told.stdout) == (1, True), (
        told.stdout
    )
    (tmp_path / "elsewhere/winter").rename(tmp_path / "releases/winter")
    assert run(*call).stdout == told.stdout
