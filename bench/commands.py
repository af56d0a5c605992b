"""What a command costs before it does anything: `python -m bench commands`.

The processor time of `licet --help` and of `licet status` of an installation whose database runs,
beside an interpreter that imports what each stands on and does nothing. Medians of `RUNS`, by
turns, so that another load weighs on all.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import Row

RUNS = 10
LICET = "from licet.cli import main; main()"
FLOORS = {
    "nothing": "pass",
    "click": "import click",
    "stands on": (
        "import click, cryptography.hazmat.primitives.ciphers.aead, msgspec, psycopg, "
        "psycopg_pool, yaml"
    ),
}


def main(_: list[str]) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        data = ["--data", str(Path(folder) / "data")]
        asked = {
            **{name: [code] for name, code in FLOORS.items()},
            "--help": [LICET, "--help"],
            "status": [LICET, "status", *data],
        }
        subprocess.run(
            [sys.executable, "-c", LICET, "init", *data], check=True, capture_output=True
        )
        subprocess.run(
            [sys.executable, "-c", LICET, "db", "start", *data], check=True, capture_output=True
        )
        try:
            runs = [{name: _spent(words) for name, words in asked.items()} for _ in range(RUNS)]
        finally:
            subprocess.run(
                [sys.executable, "-c", LICET, "db", "stop", *data], check=True, capture_output=True
            )
    took = {name: statistics.median(run[name] for run in runs) for name in asked}
    return [
        Row("an interpreter, s", f"{took['nothing']:.3f}"),
        _beside(
            "`licet --help`, s, beside importing click (goal: 0.15)", took["--help"], took["click"]
        ),
        _beside(
            "`licet status`, s, beside importing the packages it stands on (goal: 0.3)",
            took["status"],
            took["stands on"],
        ),
    ]


def _beside(what: str, figure: float, floor: float) -> Row:
    return Row(what, f"{figure:.3f}", f"{floor:.3f}", f"{floor / figure:.2f}")


def _spent(words: list[str]) -> float:
    """The processor seconds of an interpreter that runs these words."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", *words], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
