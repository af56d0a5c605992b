"""The description for machines is valid Croissant 1.1, says where the data came from, and is that
of the folder now.
"""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from licet.curate import release_build
from licet.keys.keyring import Keyring
from licet.release import croissant, folder_check, manifest, purge
from licet.store.connect import Pool, transaction
from licet.vault.installation import Installation

from ..installed import House
from .world import LOG_SEED, PLANTED, START, build, log_key, row_of

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    build(tmp_path / "autumn", [row_of(n, PLANTED) for n in range(10)])
    yield tmp_path / "autumn"


def described(folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / "croissant.json").read_text())
    return read


def purged(folder: Path, *ordinals: int) -> None:
    promised, sha256 = manifest.read_manifest(folder)
    chain = purge.read_chain(folder, promised, sha256, log_key)
    made = purge.prepare(folder, promised, chain, ordinals, START + timedelta(days=9))
    assert made is not None
    croissant.write(
        folder, promised, purge.apply(folder, chain, promised, purge.sign(made, LOG_SEED))
    )


def test_the_official_validator_finds_no_mistake_before_and_after_a_purge_and_reads_the_rows(
    folder: Path,
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlcroissant

        for purge_of in ((), (1, 4, 5, 6, 7), tuple(range(10))):
            if purge_of:
                gone = {o for o in purge_of if o not in _gone(folder)}
                purged(folder, *gone)
            dataset = mlcroissant.Dataset(str(folder / "croissant.json"))
            issues = dataset.metadata.ctx.issues
            assert not issues.errors, issues.report()
            assert not issues.warnings, issues.report()
            if len(purge_of) < 10:
                rows = [row["rows/ordinal"] for row in dataset.records("rows")]
                assert rows == [n for n in range(10) if n not in purge_of]


def _gone(folder: Path) -> set[int]:
    promised, sha256 = manifest.read_manifest(folder)
    return set(purge.read_chain(folder, promised, sha256, log_key).gone)


def test_it_says_what_the_rai_vocabulary_asks_and_where_the_data_came_from(folder: Path) -> None:
    said, promised = described(folder), manifest.read_manifest(folder)[0]
    assert said["conformsTo"] == [
        "http://mlcommons.org/croissant/1.1",
        "http://mlcommons.org/croissant/RAI/1.0",
    ]
    assert {key for key in said if key.startswith("rai:")} >= {
        "rai:dataCollection",
        "rai:dataPreprocessingProtocol",
        "rai:dataUseCases",
        "rai:dataBiases",
        "rai:dataLimitations",
        "rai:dataSocialImpact",
        "rai:personalSensitiveInformation",
        "rai:dataReleaseMaintenancePlan",
        "rai:dataAnnotationProtocol",
    }
    made = said["prov:wasGeneratedBy"]
    assert promised.policy.sha256 in json.dumps(made)
    assert promised.root in said["citeAs"]
    assert said["version"] == "1.0.0"


def test_its_files_are_those_that_lie_there_now_and_its_citation_stays(folder: Path) -> None:
    cited = described(folder)["citeAs"]
    purged(folder, 1, 4, 5, 6, 7)
    said = described(folder)
    files = [one for one in said["distribution"] if one["@type"] == "cr:FileObject"]
    assert {one["@id"]: one["sha256"] for one in files} == {
        path.name: _sha256(path) for path in folder.glob("part-*.parquet")
    }
    assert (said["citeAs"], said["version"]) == (cited, "1.0.1")
    assert folder_check.verify(folder, key=log_key) == []


def _sha256(path: Path) -> str:
    from hashlib import sha256

    return sha256(path.read_bytes()).hexdigest()


def test_nothing_that_anybody_said_is_in_it_or_in_the_card(folder: Path) -> None:
    for name in ("croissant.json", "README.md", "manifest.json"):
        assert "Oswin" not in (folder / name).read_text()


# The whole folder


def test_the_same_inputs_give_the_same_bytes_in_every_file(pool: Pool, tmp_path: Path) -> None:
    house = House(pool, tmp_path / "data")
    for name in ("ana", "bo", "cy"):
        house.open(name, allow=name != "cy")
        house.talk(
            name, f"{name}-1", f"{name} writes to {name}@pears.example", "and gets an answer"
        )
    folders = []
    for number in (1, 2):
        installation = Installation(
            config=house.installation.config,
            pool=house.installation.pool,
            clock=house.clock,
            keyring=Keyring(house.installation.keyring.provider, Random(7).randbytes),
        )
        release_build.build_release(installation, name="r", purpose="improve_models")
        folders.append(
            shutil.move(house.installation.config.releases / "r", tmp_path / f"r{number}")
        )
        with transaction(house.installation.pool) as tx:
            for statement in ("DELETE FROM release_runs", "DELETE FROM releases"):
                tx.execute(statement)
    one, other = (
        {p.relative_to(f): p.read_bytes() for p in f.rglob("*") if p.is_file()}
        for f in map(Path, folders)
    )
    assert one == other
    assert len(one) == 7


def test_an_accounts_rows_lie_next_to_one_another(pool: Pool, tmp_path: Path) -> None:
    house = House(pool, tmp_path / "data")
    for name in ("ana", "bo", "cy"):
        house.open(name, allow=True)
    for chat in range(3):
        for name in ("cy", "ana", "bo"):
            house.talk(name, f"{name}-{chat}")
    release_build.build_release(house.installation, name="r", purpose="improve_models")
    accounts = [
        account
        for (account,) in house.query("SELECT account_id FROM release_rows ORDER BY ordinal")
    ]
    assert accounts == sorted(accounts)


def test_the_card_says_to_hugging_faces_library_which_files_the_rows_are_in(
    folder: Path, tmp_path: Path
) -> None:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from datasets import load_dataset
    from huggingface_hub import DatasetCard

    card = DatasetCard.load(folder / "README.md").data.to_dict()
    assert card["size_categories"] == ["n<1K"]
    purged(folder, 4, 5, 6, 7)
    rows = load_dataset(str(folder), cache_dir=str(tmp_path / "cache"), split="train")
    assert (rows.column_names, rows["ordinal"][:]) == (
        ["row_id", "ordinal", "until", "sealed"],
        [0, 1, 2, 3, 8, 9],
    )
