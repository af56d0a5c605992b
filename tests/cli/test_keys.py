"""The commands of the key chain, from the shell: what is due is said, made once, and destroyed in
its time.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from licet.cli.command import main
from licet.policy.period import instant
from licet.vault.simulated_clock import SimulatedClock, save


class Operator:
    """Types commands at an installation whose clock says what it is told."""

    def __init__(self, dsn: str, folder: Path) -> None:
        self.folder = folder
        self.environment = {"LICET_DATABASE_URL": dsn, "LICET_DATA": str(folder)}
        folder.mkdir()
        self.day("2025-12-01")
        self.run("init", "--preset", "article-2025")

    def day(self, text: str) -> None:
        save(self.folder, SimulatedClock(instant(text)))

    def run(self, *arguments: str | Path, code: int = 0, **settings: str) -> Result:
        result = CliRunner(env=self.environment | settings).invoke(
            main, [str(each) for each in arguments]
        )
        assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
        return result

    def keys(self, *arguments: str) -> Any:
        return json.loads(self.run("keys", *arguments, "--json").stdout)


@pytest.fixture
def operator(dsn: str, tmp_path: Path) -> Operator:
    operator = Operator(dsn, tmp_path / "data")
    chats = tmp_path / "chats.jsonl"
    chats.write_text(
        "".join(
            json.dumps(
                {
                    "conversation_id": f"c{n}",
                    "created_at": "2025-11-30T10:00:00Z",
                    "messages": [{"role": "user", "content": "how do I keep basil alive?"}],
                }
            )
            + "\n"
            for n in range(3)
        )
    )
    operator.run("import", chats, "--account", "ana", "--plan", "pro", "--age", "30")
    return operator


def test_a_rotation_is_made_when_it_is_due_and_its_epoch_destroyed_a_window_later(
    operator: Operator,
) -> None:
    assert operator.keys("rotate") == {"rotated": None}
    operator.day("2026-01-10")
    operator.run("sweep")
    status = operator.keys("status")
    assert (status["waiting"], status["out_of_reach_days"]) == (
        {"daily": 0, "weekly": 1},
        {"daily": 8, "weekly": 14},
    )
    counted = operator.keys("rotate", "--dry-run")
    done = operator.keys("rotate")
    counts = (
        "epoch",
        "rotation",
        "buckets",
        "buckets_rekeyed",
        "accounts_rewrapped",
        "accounts_rekeyed",
        "pages",
    )
    assert (
        [counted[name] for name in counts]
        == [done[name] for name in counts]
        == [2, "weekly", 1, 1, 1, 1, 1]
    )
    assert operator.keys("rotate") == {"rotated": None}
    operator.day("2026-01-16")
    assert operator.keys("destroy-due") == {"destroyed": []}
    operator.day("2026-01-17")
    assert operator.keys("destroy-due") == {"destroyed": [1]}
    assert [path.name for path in (operator.folder / "keys").iterdir()] == ["epoch-000002.key"]
    assert operator.run("explain", "ana").stdout


def test_a_kind_that_is_named_is_made_whether_it_is_due_or_not(operator: Operator) -> None:
    assert operator.keys("rotate", "--daily")["rotation"] == "daily"
    assert (
        "rotated: epoch 3 (weekly), 1 bucket, 0 with a new key"
        in operator.run("keys", "rotate", "--weekly").stdout
    )
    text = operator.run("keys", "status").stdout
    assert (
        "epoch 2 (daily) since 2025-12-01T00:00:00Z: to be destroyed 2025-12-08T00:00:00Z" in text
    )
    assert (
        "daily: 0 accounts wait, nothing is due; out of reach of old copies within 8 days" in text
    )


def test_settings_that_do_not_fit_together_are_refused(operator: Operator) -> None:
    refused = operator.run("keys", "status", code=64, LICET_KEYS__PROVIDER="bao")
    assert "error: the key provider needs `LICET_KEYS__ADDRESS`" in refused.stderr
    refused = operator.run("keys", "status", code=64, LICET_KEYS__PROVIDER="paper")
    assert "hint: set LICET_KEYS__PROVIDER to file, bao or pkcs11" in refused.stderr
