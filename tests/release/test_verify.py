"""A folder that is not what its manifest says is contradicted, by file and promise; an honest one
never is.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.errors import InputError
from licet.release import card, croissant, manifest, merkle, purge
from licet.release.folder_check import ReleasePromise, verify
from licet.release.manifest import ReleaseManifest
from licet.release.part import rewrite_part, write_parts
from licet.release.row_keys import seal_row

from .world import RELEASE_ID, build, key_of, promise, row_of


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("honest") / "autumn"
    build(folder, [row_of(n) for n in range(10)])
    return folder


@pytest.fixture
def folder(honest: Path, tmp_path: Path) -> Path:
    return shutil.copytree(honest, tmp_path / "autumn")


def repromise(folder: Path, **changes: object) -> ReleaseManifest:
    """What a forger writes who minds the hashes: another manifest, and the card that belongs to
    it.
    """
    made = msgspec.structs.replace(manifest.read_manifest(folder)[0], **changes)
    manifest.write(folder, made)
    card.write(folder, made)
    croissant.write(folder, made, purge.empty_chain(made, ""))
    return made


def found(folder: Path, **known: str) -> list[tuple[str, ReleasePromise]]:
    return [(c.file, c.promise) for c in verify(folder, **known)]


def test_an_honest_release_keeps_every_promise(honest: Path) -> None:
    assert verify(honest) == []
    assert verify(honest, manifest_sha256=manifest.read_manifest(honest)[1]) == []


def test_a_release_of_nothing_keeps_every_promise(tmp_path: Path) -> None:
    build(tmp_path, [])
    assert verify(tmp_path) == []


@given(st.sets(st.integers(0, 9)))
@settings(deadline=None, max_examples=25)
def test_a_release_whose_rows_left_before_it_was_sealed_keeps_every_promise(
    honest: Path, tmp_path_factory: pytest.TempPathFactory, gone: set[int]
) -> None:
    folder = shutil.copytree(honest, tmp_path_factory.mktemp("rewritten") / "autumn")
    parts = [
        rewrite_part(folder / part.file, gone) for part in manifest.read_manifest(folder)[0].parts
    ]
    made = promise(folder, tuple(part for part in parts if part))
    assert verify(folder) == []
    assert made.rows == 10 - len(gone)


@given(st.data())
@settings(deadline=None)
def test_no_flipped_bit_of_any_file_stays_unfound(
    honest: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = shutil.copytree(honest, tmp_path_factory.mktemp("flipped") / "autumn")
    file = data.draw(st.sampled_from(sorted(path for path in folder.rglob("*") if path.is_file())))
    damaged = bytearray(file.read_bytes())
    bit = data.draw(st.integers(0, len(damaged) * 8 - 1))
    damaged[bit // 8] ^= 1 << bit % 8
    file.write_bytes(damaged)
    assert verify(folder) != []


def without(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def longer(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes() + b"\n")


@pytest.mark.parametrize(
    ("deed", "expected"),
    [
        (without("manifest.json"), [("manifest.json", ReleasePromise.MANIFEST)]),
        (without("README.md"), [("README.md", ReleasePromise.FILES)]),
        (without("croissant.json"), [("croissant.json", ReleasePromise.FILES)]),
        (longer("croissant.json"), [("croissant.json", ReleasePromise.CROISSANT)]),
        (without("part-00001.parquet"), [("part-00001.parquet", ReleasePromise.FILES)]),
        (lambda f: (f / "notes.txt").write_text("mine"), [("notes.txt", ReleasePromise.FILES)]),
        (
            lambda f: (f / "part-00009.parquet").mkdir(),
            [("part-00009.parquet", ReleasePromise.FILES)],
        ),
        (longer("manifest.json"), [("manifest.json", ReleasePromise.MANIFEST)]),
        (longer("README.md"), [("README.md", ReleasePromise.CARD)]),
        (longer("part-00001.parquet"), [("part-00001.parquet", ReleasePromise.HASH)]),
        (
            lambda f: rewrite_part(f / "part-00002.parquet", {8}),
            [("part-00002.parquet", ReleasePromise.HASH)],
        ),
        (lambda f: repromise(f, root="0" * 64), [("manifest.json", ReleasePromise.ROOT)]),
        (lambda f: repromise(f, name="spring"), []),
    ],
)
def test_each_deed_is_contradicted_by_file_and_promise(
    folder: Path, deed: Callable[[Path], object], expected: list[tuple[str, ReleasePromise]]
) -> None:
    deed(folder)
    assert found(folder) == expected


def test_a_folder_forged_with_care_is_found_by_the_hash_that_the_ledger_knows(folder: Path) -> None:
    known = manifest.read_manifest(folder)[1]
    repromise(folder, name="spring")
    assert found(folder) == []
    assert found(folder, manifest_sha256=known) == [("manifest.json", ReleasePromise.SEALED)]


def test_counts_that_do_not_reconcile_are_a_contradiction(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"candidates":25', b'"candidates":26'))
    (contradiction,) = verify(folder)
    assert contradiction.promise == ReleasePromise.MANIFEST
    assert "`26` candidates, `20` included, `5` dropped" in contradiction.found


def test_parts_that_are_not_what_they_are_said_to_hold_are_contradicted(folder: Path) -> None:
    parts = list(manifest.read_manifest(folder)[0].parts)
    parts[0] = msgspec.structs.replace(parts[0], rows=3)
    repromise(folder, parts=tuple(parts), rows=9)
    assert found(folder) == [("part-00000.parquet", ReleasePromise.ROWS)]
    parts[0] = msgspec.structs.replace(parts[0], rows=3, first_ordinal=1)
    repromise(folder, parts=tuple(parts), rows=9)
    assert found(folder) == [("part-00000.parquet", ReleasePromise.PART)]


def test_a_row_exchanged_together_with_the_hash_of_its_part_breaks_the_root(folder: Path) -> None:
    made = manifest.read_manifest(folder)[0]
    forged = [
        seal_row(row_of(n, "another text"), key_of(row_of(n)), RELEASE_ID) for n in range(8, 10)
    ]
    (folder / "aside").mkdir()
    (part,) = write_parts(folder / "aside", forged)
    (folder / "aside" / part.file).replace(folder / "part-00002.parquet")
    (folder / "aside").rmdir()
    parts = (*made.parts[:2], msgspec.structs.replace(part, file="part-00002.parquet"))
    repromise(folder, parts=parts)
    assert found(folder) == [("manifest.json", ReleasePromise.ROOT)]


def test_a_file_that_is_no_part_is_contradicted_even_if_its_hash_is_promised(folder: Path) -> None:
    made = manifest.read_manifest(folder)[0]
    data = b"PAR1 no part at all PAR1"
    (folder / "part-00002.parquet").write_bytes(data)
    changed = msgspec.structs.replace(
        made.parts[2], bytes=len(data), sha256=merkle.sha256(data).hexdigest()
    )
    repromise(folder, parts=(*made.parts[:2], changed))
    assert found(folder) == [("part-00002.parquet", ReleasePromise.PART)]


def test_a_folder_that_is_none_is_a_mistake_and_no_contradiction(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a folder"):
        verify(tmp_path / "nowhere")
