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


def test_a_paper_is_printed_or_written_and_what_is_open_is_said(
    typed: Type, tmp_path: Path
) -> None:
    shown = typed("document", "ropa")
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.startswith("# Record of processing activities")
    assert "to be provided: representative" in shown.stderr
    file = tmp_path / "ropa.html"
    told = json.loads(
        typed("document", "ropa", "--format", "html", "--out", str(file), "--json").stdout
    )
    assert (told["kind"], told["again"], told["file"]) == ("ropa", True, str(file))
    assert file.read_text("utf-8").startswith("<!doctype html>")
    signed = tmp_path / "ropa.json"
    assert typed("document", "ropa", "--format", "json", "--out", str(signed)).exit_code == 0
    assert json.loads(signed.read_text("utf-8"))["document"].count(".") == 2, "a signature"


def test_a_dry_run_keeps_nothing_and_signs_nothing(typed: Type, house: House) -> None:
    assert typed("document", "ab2013", "--dry-run").exit_code == 0
    assert house.query("SELECT count(*) FROM documents") == [(0,)]
    refused = typed("document", "ab2013", "--dry-run", "--format", "json")
    assert (refused.exit_code, "makes no signed file" in refused.stderr) == (64, True)


def test_papers_are_listed_shown_verified_and_compared(
    typed: Type, house: House, tmp_path: Path
) -> None:
    assert "no paper was made yet" in typed("document", "list").stdout
    made = json.loads(typed("document", "ab2013", "--json").stdout)
    assert typed("document", "diff", "ab2013").exit_code == 1
    documents.append(house.installation)
    documents.publish(house.installation, tmp_path / "public")
    controller.write(
        house.installation.config.controller, controller.Controller(name="Another Ltd")
    )
    typed("document", "ab2013")
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
    refused = typed("document", "ropa", "--at", "99999")
    assert (refused.exit_code, "entries, not `99999`" in refused.stderr) == (64, True)
