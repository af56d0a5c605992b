"""What commands answer in words, and the numbers that they exit with."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import click
import pytest

from licet.cli import explain, holds, install, release, sweep
from licet.erasure.sweeper import SweepStatus
from licet.ledger.note import SignatureType, Signer
from licet.policy.outcomes import NoEffect
from licet.policy.period import instant
from licet.release.duplicates import DuplicateClusters
from licet.service.preview_result import Preview
from licet.service.staff_lists import FlagDue
from licet.vault.simulated_clock import SimulatedClock, save

from .test_command import Run, chats, error, run, runner, simulated

__all__ = ["run", "simulated"]  # fixtures

NOW = instant("2025-12-15")
LATER = NOW + timedelta(days=1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("backup", "list", "."), "no backups"),
        (("erase", "run"), "none waits"),
        (("export", "list"), "nothing was exported"),
        (("models", "affected"), "no model is affected"),
        (("webhooks", "list"), "no endpoints: nothing is kept"),
        (("hold", "list"), "nothing is held"),
    ],
)
def test_where_there_is_nothing_a_list_says_so_and_exits_0(
    simulated: Run, words: tuple[str, ...], said: str
) -> None:
    assert said in simulated(*words).stdout


def test_a_key_keeps_what_a_change_of_its_limits_does_not_name(simulated: Run) -> None:
    simulated("api-key", "create", "app", "--scope", "gate:read", "--scope", "turns:write")

    def limited(*words: str) -> str:
        return simulated("api-key", "limit", "app", "--reason", "fewer", *words).stdout

    assert limited("--per-minute", "5").startswith("`app`: gate:read turns:write")
    assert limited("--scope", "gate:read").startswith("`app`: gate:read; 5 requests")
    said = limited("--expires", "2026-01-31")
    assert said == "`app`: gate:read; 5 requests a minute; until 2026-01-31T00:00:00Z; version 4\n"


def test_a_demonstration_says_what_it_would_delete(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "free"
    said = run("demo", "--dry-run", "--data", folder).stdout
    assert said == f"would delete nothing: {folder} is free\n"


def test_a_signed_answer_is_about_an_erasure_and_a_handout(simulated: Run, tmp_path: Path) -> None:
    signed = tmp_path / "answer.jws"
    signed.write_text("e30.e30.AA")
    ids = (f"era_{1:032x}", f"hand_{1:032x}")
    text, _ = error(simulated("recall", "ack", f"exp_{1:032x}", "--signed", signed, code=64))
    assert text == "an export has no signed answer"
    assert "an export" not in simulated("recall", "ack", *ids, "--signed", signed, code=1).stderr
    for words in (ids[:1], (f"exp_{1:032x}", ids[1])):
        text, _ = error(simulated("recall", "ack", *words, code=64))
        assert text == "it takes an erasure and a handout, or an export"


def test_the_key_of_a_recipient_is_a_whole_vkey(simulated: Run) -> None:
    signers = (Signer("lab-one", SignatureType.ed25519, bytes([n]) * 32) for n in range(99))
    vkey = next(signer.verifier.vkey for signer in signers if signer.verifier.vkey.count("+") == 2)
    assert simulated("recall", "trust", vkey).stdout == "registered for lab-one\n"
    text, _ = error(simulated("recall", "trust", vkey.rpartition("+")[0], code=64))
    assert text.endswith("is no vkey")


def test_a_receipt_is_named_by_its_place_among_the_choices(simulated: Run, tmp_path: Path) -> None:
    choices = tmp_path / "choices.csv"
    choices.write_text("account,time,allow,question\nana,2025-12-02,yes,models\n", "utf-8")
    people = ("--account", "ana", "--plan", "pro", "--choices", choices)
    simulated("import", chats(tmp_path / "chats.jsonl", "one"), *people)
    out = tmp_path / "receipt.json"
    simulated("receipt", "ana", "--choice", "1", "--out", out)
    assert out.is_file()
    text, _ = error(simulated("receipt", "ana", "--choice", "2", "--out", out, code=64))
    assert text == "the account has made `1` choices"


def test_a_release_of_no_row_exits_1(simulated: Run, tmp_path: Path) -> None:
    people = ("--account", "ana", "--plan", "pro", "--age", "30")
    simulated("import", chats(tmp_path / "chats.jsonl", "one"), *people)
    built = simulated("release", "build", "empty", "--purpose", "improve_models", code=1)
    assert "0 rows" in built.stdout


def test_pruning_the_log_exits_0_whatever_went(simulated: Run) -> None:
    assert simulated("ledger", "prune", "--apply").stdout.startswith("gone: no year; 0 overtaken")


def test_files_of_a_key_go_with_the_address_that_they_are_for(run: Run, tmp_path: Path) -> None:
    (tmp_path / "lease.key").write_text("x")
    for words in (("--key-file", tmp_path / "lease.key"), ("--public-key", "x")):
        text, _ = error(run("train", "gate", "r", "--into", tmp_path, *words, code=64))
        assert text == "`--key-file` and `--public-key` go with `--url`"


def test_the_state_of_an_embedded_database_is_said_line_by_line(tmp_path: Path) -> None:
    said = runner({"LICET_DATA": str(tmp_path)})("db", "status").stdout
    assert re.search(r"(?m)^running +False$", said), said


@pytest.mark.parametrize(
    ("text", "hours"), [("30m", 0.5), ("1h", 1), ("2d", 48), ("9999d", 239_976)]
)
def test_a_time_is_written_with_its_unit(text: str, hours: float) -> None:
    context, parameter = click.Context(install.doctor), click.Option(["--history"])
    assert install._hours(context, parameter, text) == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["", "m", "0m", "30", "30s", "-1h", "1.5h", "10000d"])
def test_a_time_without_a_unit_or_of_no_length_is_refused(text: str) -> None:
    context, parameter = click.Context(install.doctor), click.Option(["--history"])
    with pytest.raises(click.BadParameter, match="write 30m, 1h or 2d"):
        install._hours(context, parameter, text)


def test_a_flag_whose_review_is_late_is_said_to_be() -> None:
    def line(overdue: bool) -> str:
        flag = FlagDue(
            account="acc_1",
            conversation="conv_1",
            flagged_at=NOW,
            copy_until=LATER,
            review_at=LATER,
            overdue=overdue,
        )
        return holds._flag_line(flag)

    assert line(True) == f"{line(False)} OVERDUE"


def test_a_sweep_says_whether_it_waits_for_a_person_or_for_its_turn() -> None:
    assert sweep._standing(SweepStatus()) == "has not ended yet"
    assert sweep._standing(SweepStatus(ended_at=NOW)) == "last ended 2025-12-15T00:00:00Z"
    waits = SweepStatus(ended_at=NOW, waits_since=LATER, due=1_200, kept=9_000)
    asked = "it would erase 1,200, of 9,000 segments kept; since 2025-12-16T00:00:00Z"
    assert sweep._standing(waits) == (
        f"last ended 2025-12-15T00:00:00Z\nwaits for `licet sweep approve`: {asked}"
    )


def test_a_yes_that_would_have_no_effect_is_said_before_what_it_would_permit() -> None:
    def said(refused: NoEffect | None) -> list[str]:
        preview = Preview(
            purpose="research",
            question="training",
            at=NOW,
            assumed=True,
            refused=refused,
            conversations=(),
            next=UUID(int=1),
        )
        return explain.text(preview).splitlines()

    head = "For research, as if you said yes to `training` now:"
    more = ["", f"More: --after conv_{1:032x}"]
    assert said(None) == [head, *more]
    assert said(None) == [head, *more]
    assert said(NoEffect.kept_out) == [head, "That yes would have no effect: kept out", *more]


def test_without_a_cluster_no_table_of_clusters_is_said() -> None:
    found = DuplicateClusters(
        release="r", looked_at=7, left_out=0, clusters=0, sizes=(), largest=()
    )
    assert list(release._duplicates_text(found)) == [
        "release    r",
        "duplicates 0 of 7 conversations that may be used now",
        "clusters   0",
    ]


def test_a_moment_of_a_simulated_installation_is_said_and_can_be_moved(
    simulated: Run, tmp_path: Path
) -> None:
    assert "simulated clock: 2025-12-15T00:00:00Z" in simulated("status").stderr
    save(tmp_path / "data", SimulatedClock(instant("2025-12-20")))
    assert "simulated clock: 2025-12-20T00:00:00Z" in simulated("status").stderr
