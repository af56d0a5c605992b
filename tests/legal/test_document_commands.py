"""`licet document`: its answers, files and exit codes, as somebody types it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from licet.cli.command import main
from licet.consent import controller
from licet.proof import documents
from licet.store.connect import Pool
from licet.vault.simulated_clock import SimulatedClock, save

from ..installed import House
from .world import STATED, town

Type = Callable[..., Result]


@pytest.fixture
def house(pool: Pool, tmp_path: Path) -> House:
    made = town(pool, tmp_path / "data", people=3)
    save(made.installation.config.data, SimulatedClock(made.now))
    return made


@pytest.fixture
def typed(house: House, dsn: str) -> Type:
    def run(*words: str) -> Result:
        environment = {
            **os.environ,
            "LICET_DATABASE_URL": dsn,
            "LICET_DATA": str(house.installation.config.data),
        }
        return CliRunner().invoke(main, list(words), env=environment)

    return run


def test_a_paper_is_made_and_printed_in_three_formats(typed: Type, tmp_path: Path) -> None:
    shown = typed("document", "make", "ropa", "--by", "counsel")
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.startswith("# Record of processing activities")
    told = json.loads(typed("document", "make", "ropa", "--json").stdout)
    assert (told["kind"], told["again"], told["to_be_provided"][0]) == (
        "ropa",
        True,
        "representative",
    )
    (listed,) = json.loads(typed("document", "list", "--json").stdout)
    assert (listed["made_by"], listed["sha256"]) == ("user:counsel", told["sha256"])
    assert typed("document", "show", "ropa", "--format", "markdown").stdout == shown.stdout
    file = tmp_path / "ropa.html"
    assert typed("document", "show", "ropa", "--format", "html", "--out", str(file)).exit_code == 0
    assert file.read_text("utf-8").startswith("<!doctype html>")
    signed = json.loads(typed("document", "show", told["sha256"][:8]).stdout)
    assert signed["document"].count(".") == 2, "a signature"


def test_a_dry_run_prints_the_paper_and_keeps_none(typed: Type, house: House) -> None:
    dry = typed("document", "make", "ab2013", "--dry-run")
    assert (dry.exit_code, dry.stdout[:2]) == (0, "# ")
    told = json.loads(typed("document", "make", "ab2013", "--dry-run", "--json").stdout)
    assert set(told) == {"kind", "position", "sha256", "again", "to_be_provided"}
    assert house.query("SELECT count(*) FROM documents") == [(0,)]
    assert typed("document", "show", "ab2013").exit_code == 1


def test_papers_are_listed_shown_verified_and_compared(
    typed: Type, house: House, tmp_path: Path
) -> None:
    assert "no paper was made yet" in typed("document", "list").stdout
    made = json.loads(typed("document", "make", "ab2013", "--json").stdout)
    assert typed("document", "diff", "ab2013").exit_code == 1
    documents.append(house.installation)
    documents.publish(house.installation, tmp_path / "public")
    controller.write(
        house.installation.config.controller, controller.Controller(name="Another Ltd")
    )
    typed("document", "make", "ab2013")
    changed = typed("document", "diff", "ab2013")
    assert (changed.exit_code, f"stated.name: {STATED.name} -> Another Ltd" in changed.stdout) == (
        2,
        True,
    )
    assert typed("document", "diff", "ab2013", made["sha256"][:8], made["sha256"]).exit_code == 0
    listed = json.loads(typed("document", "list", "--json").stdout)
    assert [one["kind"] for one in listed] == ["ab2013", "ab2013"]
    assert listed[1]["sha256"] == made["sha256"], "the newest is listed first"
    file, releases = tmp_path / "paper.json", str(house.installation.config.releases)
    assert typed("document", "show", made["sha256"][:8], "--out", str(file)).exit_code == 0
    check = ("verify", "document", str(file), "--key", documents.key(house.installation).vkey)
    assert typed(*check, "--log", str(tmp_path / "public"), "--release", releases).exit_code == 0
    assert typed(*check).exit_code == 3
    assert typed("document", "show", "ffff").exit_code == 1


def test_a_position_that_is_none_is_a_wrong_call(typed: Type) -> None:
    refused = typed("document", "make", "ropa", "--position", "99999")
    assert (refused.exit_code, "entries, not `99999`" in refused.stderr) == (64, True)
