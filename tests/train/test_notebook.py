"""examples/train.ipynb is a notebook of the published form, and its cells run in order as they
stand.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from licet.clock import utc_now
from licet.curate import release_build
from licet.store.connect import Pool

from ..installed import House
from .extras import require
from .test_train_page import LICET, SECONDS_MAX

NOTEBOOK = Path(__file__).parents[2] / "examples" / "train.ipynb"
FRUITS = ("pears", "quinces", "medlars", "walnuts", "cherries")


def cells() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    return found


def test_it_is_a_notebook_with_nothing_that_was_run_left_in_it() -> None:
    made = json.loads(NOTEBOOK.read_text("utf-8"))
    assert (made["nbformat"], made["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in cells()}) == len(cells())
    assert {cell["cell_type"] for cell in cells()} == {"markdown", "code"}
    assert all(
        cell["outputs"] == [] and cell["execution_count"] is None
        for cell in cells()
        if "outputs" in cell
    )


def test_its_cells_run_in_order(pool: Pool, dsn: str, tmp_path: Path) -> None:
    require("torch")
    house = House(pool, tmp_path / "data", at=utc_now() - timedelta(days=1))
    for fruit in FRUITS:
        house.open(fruit, allow=True, split="train")
        house.talk(
            fruit,
            fruit,
            f"when are {fruit} ripe, and who picks {fruit}?",
            f"{fruit} are ripe in October, and all pick",
        )
    release_build.build_release(house.installation, name="october", purpose="improve_models")
    program = "\n\n".join(
        "".join(cell["source"]) for cell in cells() if cell["cell_type"] == "code"
    )
    (tmp_path / "licet").write_text(LICET.format(python=sys.executable))
    (tmp_path / "licet").chmod(0o755)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LICET_")}
    clean["PATH"] = f"{tmp_path}:{clean['PATH']}"
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
        env={
            **clean,
            "LICET_DATABASE_URL": dsn,
            "LICET_DATA": str(house.installation.config.data),
            "OMP_NUM_THREADS": "1",
        },
    )
    assert ran.returncode == 0, ran.stderr[-3_000:]
    figures, positions, messages, steps, goes_on = ran.stdout.splitlines()
    assert figures.startswith("5 rows")
    assert positions == "20 positions, {'october': 20}"
    assert messages == "10 messages in 5 conversations"
    assert steps.startswith("10 steps")
    assert steps.endswith("5 rows used")
    first, last = (float(part) for part in steps.split("loss ")[1].split(",")[0].split(" -> "))
    assert last < first - 1
    assert goes_on == "goes on at position 20 of 20"
