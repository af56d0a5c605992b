"""Erase, restore, rotate and release hold in every interleaving that SPIN finds, and it finds what
a step taken out breaks.

TESTS_MODEL=large checks more copies, restores and kills (minutes, and some gigabytes of memory).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

MODEL = Path(__file__).with_name("erasure.pml")
LARGE = os.environ.get("TESTS_MODEL") == "large"

SOUND = {
    "erase, restore and rotate": ("COPIES=1", "RESTORES=2"),
    "withdraw, restore and release": ("WITHDRAWS", "COPIES=2", "RESTORES=2", "KILLS=2"),
} | (
    {"more copies": ("COPIES=2", "RESTORES=1"), "more kills": ("RESTORES=2", "KILLS=3")}
    if LARGE
    else {}
)
BROKEN = {
    "NO_REPLAY": "told_deleted",
    "TOLD_FIRST": "told_deleted",
    "LIFE_LAST": "told_deleted",
    "UNKEPT": "told_deleted",
    "CHECKED_BEFORE": "db.epoch>dead",
    "NO_WINDOW": "db.epoch>dead",
    "NO_REKEY": "certified",
    "NO_RECHECK": "told_withdrawn",
}
RESTORING = ("NO_REPLAY", "NO_FENCE", "TOLD_FIRST", "LIFE_LAST")


@pytest.fixture(autouse=True)
def spin() -> None:
    if shutil.which("spin") is None or shutil.which("gcc") is None:
        message = "SPIN is not here: `apt-get install spin gcc`"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)


def checked(folder: Path, *switches: str) -> str:
    """What SPIN says of every state that can be reached, with ``switches`` on."""
    defined = [f"-D{switch}" for switch in switches]
    for command in (
        ["spin", "-a", *defined, str(MODEL)],
        ["gcc", "-O1", "-w", "-DSAFETY", "-DCOLLAPSE", "-o", "pan", "pan.c"],
    ):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    # -E: a restore that finds no backup waits for ever, which is no fault.
    return subprocess.run(
        ["./pan", "-E", "-m100000"], cwd=folder, check=True, capture_output=True, text=True
    ).stdout


@pytest.mark.parametrize("switches", SOUND.values(), ids=SOUND)
def test_every_promise_holds_in_every_state_that_can_be_reached(
    tmp_path: Path, switches: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    said = checked(tmp_path, *switches)
    assert "errors: 0" in said, said
    assert "max search depth too small" not in said
    assert "Search not completed" not in said
    found = re.search(r"(\d+) states, stored", said)
    assert found is not None
    assert int(found[1]) > 10_000
    with capsys.disabled():
        print(f"\n  {' '.join(switches)}: {int(found[1]):,} states")


@pytest.mark.parametrize("switch", BROKEN)
def test_a_step_that_is_taken_out_is_found(tmp_path: Path, switch: str) -> None:
    said = checked(tmp_path, "RESTORES=1", switch)
    violated = re.search(r"assertion violated (.*) \(at depth", said)
    assert violated is not None, said
    assert BROKEN[switch] in violated[1], violated[1]


@pytest.mark.parametrize("switch", RESTORING)
def test_a_step_that_is_taken_out_brings_a_withdrawal_back(tmp_path: Path, switch: str) -> None:
    said = checked(tmp_path, "RESTORES=1", "WITHDRAWS", switch)
    violated = re.search(r"assertion violated (.*) \(at depth", said)
    assert violated is not None, said
    assert "told_withdrawn" in violated[1], violated[1]


def test_every_switch_of_the_model_is_tried() -> None:
    text = MODEL.read_text(encoding="utf-8")
    switches = set(re.findall(r"#ifn?def ([A-Z_]+)", text)) - {
        "KILLS",
        "COPIES",
        "RESTORES",
        "WITHDRAWS",
    }
    assert switches == {*BROKEN, *RESTORING}
    assert all(re.search(rf"^     {switch} ", text, re.MULTILINE) for switch in switches), (
        "and its head says what it is"
    )
