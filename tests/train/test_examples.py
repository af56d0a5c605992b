"""The examples of examples/train run as their first line says, each on as many processes, while
somebody has withdrawn.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from licet.clock import utc_now
from licet.curate import release_build
from licet.release import manifest
from licet.store.connect import Pool
from licet.train import gate_files
from licet.train.remote import Keeper

from ..installed import House
from ..waiting import wait_until
from .extras import require

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "train"
PEOPLE, SECONDS_MAX, LINES_MAX = 16, 900, 30
PROGRAMS = {
    "torchrun": [sys.executable, "-m", "torch.distributed.run", "--standalone"],
    "python": [sys.executable],
}


@pytest.fixture
def machine(pool: Pool, tmp_path: Path, dsn: str) -> tuple[Path, dict[str, str]]:
    """A machine with a release of `PEOPLE` rows, of which one was withdrawn, and with the file of
    its gate.
    """
    house = House(pool, tmp_path / "data", at=utc_now() - timedelta(days=1))
    for number in range(PEOPLE):
        house.open(f"p{number}", allow=True, split="train")
        house.talk(
            f"p{number}",
            f"c{number}",
            f"how does p{number} plant pear trees",
            "in November, before the frost",
        )
    release_build.build_release(house.installation, name="autumn", purpose="improve_models")
    house.choose("p3", False)
    installation = replace(house.installation, clock=utc_now)
    promised, sha256 = manifest.read_manifest(installation.config.releases / "autumn")
    signer = gate_files.signer(installation)
    Keeper(
        gate_files.LocalSource(installation),
        signer.verifier,
        tmp_path / "gates",
        release=promised.release,
        manifest_sha256=sha256,
        clock=utc_now,
    ).poll()
    (tmp_path / "withdrawn.pub").write_text(signer.verifier.vkey)
    source = str(EXAMPLES.parent.parent)
    environment = {
        **os.environ,
        "LICET_DATABASE_URL": dsn,
        "LICET_DATA": str(installation.config.data),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": source,
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    }
    return tmp_path, environment


@pytest.mark.parametrize(
    ("name", "steps"), [("torch_run", 2), ("fsdp_run", 2), ("accelerate_run", 4), ("ray_run", 8)]
)
def test_an_example_runs_as_its_first_line_says(
    machine: tuple[Path, dict[str, str]], name: str, steps: int
) -> None:
    for needed in ("torch", "accelerate", "ray"):
        require(needed)
    folder, environment = machine
    file = EXAMPLES / f"{name}.py"
    first = file.read_text("utf-8").splitlines()[0].removeprefix("# ")
    program, *words = shlex.split(first.partition("  (or")[0])
    places = {f"examples/train/{file.name}": str(file), "/run/licet": str(folder / "gates")}
    places["withdrawn.pub"] = str(folder / "withdrawn.pub")
    ran = subprocess.run(
        [*PROGRAMS[program], *(places.get(word, word) for word in words)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    if name == "ray_run":
        assert ran.stdout.splitlines() == ["2 rows"] * (PEOPLE // 2)
    else:
        ranks = PEOPLE // 2 // steps
        taken = Counter(re.findall(r"rank (\d) took a step", ran.stdout))
        assert taken == {str(rank): steps for rank in range(ranks)}


def test_a_run_that_was_killed_goes_on_from_its_checkpoint(
    machine: tuple[Path, dict[str, str]],
) -> None:
    torch = require("torch")
    folder, environment = machine
    words = [
        str(EXAMPLES / "resume_run.py"),
        "autumn",
        str(folder / "gates"),
        str(folder / "withdrawn.pub"),
    ]
    command = [*PROGRAMS["torchrun"], "--nproc-per-node", "4", *words]
    kept = folder / "checkpoint.pt"
    first = subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True)
    try:
        wait_until(kept.exists, alive=lambda: first.poll() is None)
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    taken = torch.load(kept)[2]["step"]
    again = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert again.returncode == 0, again.stderr
    assert 0 < taken <= PEOPLE // 8
    assert torch.load(kept)[2] == {"step": PEOPLE // 8, "position": PEOPLE}


def test_an_example_is_short() -> None:
    for file in EXAMPLES.glob("*.py"):
        assert (
            sum(1 for line in file.read_text("utf-8").splitlines() if line.strip()) <= LINES_MAX
        ), file.name
