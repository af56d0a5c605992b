"""docs/train.md is run as it is written: an installation that listens, its commands, the gate of a
machine, and a run.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

import licet
from licet.clock import utc_now
from licet.config import Web
from licet.curate import release_build
from licet.errors import UsageError
from licet.store.connect import Pool
from licet.train import gate_files
from licet.web.app import create_app

from ..installed import House
from ..waiting import wait_until
from ..web.served import TOKEN_KEY, listening
from .extras import require

PAGE = Path(__file__).parent.parent.parent / "docs" / "train.md"
LICET = '#!/bin/sh\nexec "{python}" -c "from licet.cli import main; main()" "$@"\n'
SECONDS_MAX = 900


@pytest.fixture
def house(pool: Pool, tmp_path: Path) -> House:
    house = House(pool, tmp_path / "data", at=utc_now() - timedelta(days=1))
    for number in range(4):
        house.open(f"p{number}", allow=True, split="train")
        house.talk(
            f"p{number}",
            f"c{number}",
            f"how does p{number} plant pear trees",
            "in November, before the frost",
        )
    release_build.build_release(house.installation, name="autumn", purpose="improve_models")
    release_build.build_release(house.installation, name="winter", purpose="improve_models")
    return house


@pytest.fixture
def url(house: House, tmp_path: Path) -> Iterator[str]:
    (tmp_path / "token.key").write_bytes(TOKEN_KEY)
    web = Web(token_key_file=tmp_path / "token.key")
    with listening(create_app(replace(house.installation, clock=utc_now), web)) as address:
        yield address


def blocks() -> dict[str, str]:
    return dict(re.findall(r"(?ms)^```([a-z][a-z ]*)\n(.*?)^```", PAGE.read_text("utf-8")))


def test_the_page_runs_as_it_is_written(house: House, url: str, dsn: str, tmp_path: Path) -> None:
    require("torch")
    require("datasets")
    machine, run = tmp_path / "machine", tmp_path / "run"
    machine.mkdir()
    (machine / "licet").write_text(LICET.format(python=sys.executable))
    (machine / "licet").chmod(0o755)
    shutil.copytree(house.installation.config.releases / "autumn", machine / "autumn")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LICET_")}
    clean["PATH"] = f"{machine}:{clean['PATH']}"
    page = {
        name: text.replace("https://licet.example.org", url).replace("/run/licet", str(run))
        for name, text in blocks().items()
    }
    settings = {
        **clean,
        "LICET_DATABASE_URL": dsn,
        "LICET_DATA": str(house.installation.config.data),
    }
    install = ["bash", "-euc", page["sh installation"]]
    subprocess.run(install, cwd=machine, env=settings, check=True, timeout=SECONDS_MAX)
    gate = subprocess.Popen(["bash", "-c", f"exec {page['sh machine']}"], cwd=machine, env=clean)
    try:
        wait_until(
            lambda: list(run.glob("*.withdrawn")),
            "the gate's file is there",
            alive=lambda: gate.poll() is None,
        )
        told = (
            "\nprint(dataset.num_rows, sorted(dataset.column_names), dataset[0]['labels']['split'])"
        )
        program = [sys.executable, "-c", page["python run"] + page["python datasets"] + told]
        ran = subprocess.run(
            program,
            cwd=machine,
            env=clean,
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )
    finally:
        gate.terminate()
        gate.wait(SECONDS_MAX)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [
        "4 rows",
        "4 ['labels', 'messages', 'ordinal', 'row_id'] train",
    ]
    assert "Traceback" not in ran.stderr, "nor does anything go wrong at the interpreter's exit"


def test_a_gate_and_its_rows_are_found_by_a_releases_name_as_by_its_folder(
    house: House, dsn: str, tmp_path: Path
) -> None:
    installation = replace(house.installation, clock=utc_now)
    from licet.train.remote import Keeper

    own = house.installation.config.releases / "autumn"
    from licet.release import manifest

    promised, sha256 = manifest.read_manifest(own)
    signer = gate_files.signer(installation)
    Keeper(
        gate_files.LocalSource(installation),
        signer.verifier,
        tmp_path / "gates",
        release=promised.release,
        manifest_sha256=sha256,
        clock=utc_now,
    ).poll()
    config = type(installation.config).from_environment(
        {"LICET_DATABASE_URL": dsn}, installation.config.data
    )
    by_name = licet.gate(
        "autumn", tmp_path / "gates", signer.verifier.vkey, data=installation.config.data
    )
    by_folder = licet.gate(own, tmp_path / "gates", signer.verifier.vkey)
    assert by_name.release == by_folder.release == promised.release
    rows = licet.load("autumn", gate=by_name, config=config)
    assert [row["ordinal"] for row in rows] == [
        row["ordinal"] for row in licet.load(own, gate=by_folder, config=config)
    ]


def test_trls_own_packing_is_refused_before_the_run_and_the_refusal_names_packed() -> None:
    from licet.train.trainers import PACKING, gate_trainer

    class Config:
        packing = True
        dataset_kwargs: dict[str, bool] | None = None

    class Trainer:
        def __init__(self, **more: object) -> None:
            raise AssertionError("it is refused before")

    with pytest.raises(UsageError) as refused:
        gate_trainer(Trainer)(args=Config(), gate=None)
    assert "pack_rows(rows, tokens)" in refused.value.hint == PACKING


def test_the_page_s_mix_runs_as_it_is_written(house: House, dsn: str, tmp_path: Path) -> None:
    require("torch")
    from licet.release import manifest
    from licet.train.remote import Keeper

    installation = replace(house.installation, clock=utc_now)
    signer = gate_files.signer(installation)
    for name in ("autumn", "winter"):
        promised, sha256 = manifest.read_manifest(house.installation.config.releases / name)
        Keeper(
            gate_files.LocalSource(installation),
            signer.verifier,
            tmp_path / "gates",
            release=promised.release,
            manifest_sha256=sha256,
            clock=utc_now,
        ).poll()
    (tmp_path / "withdrawn.pub").write_text(signer.verifier.vkey)
    program = blocks()["python mix"].replace("/run/licet", str(tmp_path / "gates"))
    told = "\nprint(len(batches), batches.position(1), mix.rows_of)"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LICET_")}
    ran = subprocess.run(
        [sys.executable, "-c", program + told],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
        env={**clean, "LICET_DATABASE_URL": dsn, "LICET_DATA": str(house.installation.config.data)},
    )
    assert ran.returncode == 0, ran.stderr
    *batches, last = ran.stdout.splitlines()
    assert [line.startswith("2 rows of") for line in batches] == [True]
    assert last == "1 4 {'autumn': 4, 'winter': 2}"
