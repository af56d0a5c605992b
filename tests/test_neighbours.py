"""Licet is installed beside what its users have: `docs/neighbours.csv` names the packages, each
with the version that was the newest when it was resolved, and each row is resolved again.

TESTS_WRITE_GOLDEN=1 resolves the newest versions and writes the table.
"""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
TABLE = ROOT / "docs" / "neighbours.csv"
HEAD = ["neighbour", "version", "extras", "python", "date"]
UNREACHED = re.compile("failed to fetch|error sending request|dns error", re.IGNORECASE)


class Neighbour(NamedTuple):
    """A row: a package with its version, the extras of Licet that are installed beside it (`every`:
    all), and the versions of Python, parted by blanks.
    """

    name: str
    version: str
    extras: str
    pythons: str
    date: str

    def resolve(self, python: str, version: str) -> tuple[str | None, str]:
        """The version of the neighbour beside Licet, none if there is none, and why."""
        project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
        every = ",".join(project["optional-dependencies"])
        extras = every if self.extras == "every" else self.extras.replace(" ", ",")
        wanted = f"licet[{extras}] @ {ROOT.as_uri()}\n{self.name}{version}\n"
        done = subprocess.run(
            [
                *(sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-header"),
                *("--no-annotate", "--python-version", python, "-"),
            ],
            input=wanted,
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            return None, done.stderr
        name = re.escape(self.name.partition("[")[0])
        found = re.search(rf"(?m)^{name}(?:\[.+\])?==(\S+)", done.stdout)
        assert found is not None, done.stdout
        return found[1], ""


def rows() -> list[Neighbour]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        head, *found = csv.reader(file)
    assert head == HEAD
    return [Neighbour(*row) for row in found]


CASES = [(row, python) for row in rows() for python in row.pythons.split()]


def test_the_table_has_what_users_have() -> None:
    named = {row.name.partition("[")[0] for row in rows()}
    assert named >= {
        *("openai", "langchain", "litellm", "torch", "vllm", "open-webui"),
        *("presidio-analyzer", "presidio-anonymizer"),
    }


@pytest.mark.parametrize(
    "row, python", CASES, ids=[f"{row.name}-{row.extras}-{python}" for row, python in CASES]
)
def test_it_is_installed_beside_the_neighbour(row: Neighbour, python: str) -> None:
    version, because = row.resolve(python, f"=={row.version}")
    if version is None and UNREACHED.search(because):
        pytest.skip(f"no index of packages answers: {because.strip().splitlines()[-1]}")
    assert version == row.version, because


@pytest.mark.skipif(
    os.environ.get("TESTS_WRITE_GOLDEN") != "1", reason="TESTS_WRITE_GOLDEN=1 writes the table"
)
def test_the_table_is_written() -> None:
    written = []
    for row in rows():
        oldest, *others = row.pythons.split()
        version, because = row.resolve(oldest, "")
        assert version is not None, because
        for python in others:
            assert row.resolve(python, f"=={version}")[0] == version
        written.append(row._replace(version=version, date=datetime.now(UTC).date().isoformat()))
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([HEAD, *written])
