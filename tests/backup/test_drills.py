"""Drills: the newest backup is restored beside what is in use, and proved; a backup that cannot be
is told, and on record.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from licet import doctor
from licet.backup import archives, backup_manifest, drills
from licet.backup.backup_manifest import DUMP, BackupForm
from licet.backup.drills import DrillOutcome
from licet.cli.command import main
from licet.errors import BusyError, NotFoundError
from licet.vault.installation import Installation, open_installation

from .test_backup import DAY, NAMES, Place, place, talk

__all__ = ["place"]


def seen_by_doctor(installation: Installation) -> list[tuple[str, str]]:
    return [
        (one.state.value, one.seen) for one in doctor.examine(installation) if one.what == "drills"
    ]


def test_a_drill_restores_the_newest_backup_beside_what_is_in_use_and_leaves_nothing_but_a_record(
    place: Place,
) -> None:
    _, folder = talk(place)
    with open_installation(place.config, place.clock) as installation:
        assert drills.choose_backup(installation, None) == folder.absolute()
        done = drills.drill(installation, by="staff:owner@example.org")
        assert (done.outcome, done.failure) == (DrillOutcome.proved, "")
        assert (done.accounts, done.keys, done.segments) == (len(NAMES), len(NAMES), len(NAMES))
        assert done.entries > 0
        assert drills.list_newest(installation, 5) == [done]
        assert not (place.config.data / drills.SCRATCH).exists()
        known = archives.list_registered(installation, 5)
        assert [one.backup for one in known] == [done.backup], (
            "a drill is no backup and restores none"
        )


def test_a_base_backup_is_drilled_too(place: Place) -> None:
    talk(place)
    with open_installation(place.config, place.clock) as installation:
        kept = archives.back_up(installation, place.backups, BackupForm.base)
        done = drills.drill(installation, kept.folder, by="user:me")
        assert (done.outcome, done.failure, done.backup) == (DrillOutcome.proved, "", kept.backup)
        assert done.accounts == len(NAMES) + 1
        assert not (place.config.data / drills.SCRATCH).exists()


def test_a_damaged_backup_fails_its_drill_which_doctor_says_until_another_is_proved(
    place: Place,
) -> None:
    _, folder = talk(place)
    with open_installation(place.config, place.clock) as installation:
        assert [state for state, _ in seen_by_doctor(installation)] == ["well"]
        whole = (folder / DUMP).read_bytes()
        (folder / DUMP).write_bytes(whole[:-1])
        done = drills.drill(installation, by="user:me")
        assert done.outcome is DrillOutcome.failed
        assert "does not match its manifest" in done.failure
        assert (done.accounts, done.segments, done.keys, done.entries) == (0, 0, 0, 0)
        assert [state for state, _ in seen_by_doctor(installation)] == ["broken"]
        (folder / DUMP).write_bytes(whole)
        place.now += DAY
        assert drills.drill(installation, by="user:me").outcome is DrillOutcome.proved
        assert [state for state, _ in seen_by_doctor(installation)] == ["well"]


def test_a_backup_whose_log_was_rolled_back_is_not_proved(place: Place) -> None:
    _, folder = talk(place)
    with open_installation(place.config, place.clock) as installation:
        logs = place.config.data / "log"
        assert logs.is_dir()
        shutil.rmtree(logs)
        done = drills.drill(installation, folder, by="user:me")
        assert done.outcome is DrillOutcome.failed
        assert "log" in done.failure


def test_doctor_says_when_no_drill_was_made_for_the_interval(place: Place) -> None:
    talk(place)
    place.now += place.config.key_chain.drill_days * DAY
    with open_installation(place.config, place.clock) as installation:
        ((state, seen),) = seen_by_doctor(installation)
        assert state == "warning"
        assert "no backup was restored as a test" in seen


def test_without_a_backup_or_beside_another_drill_nothing_is_recorded(
    place: Place, tmp_path: Path
) -> None:
    talk(place)
    with open_installation(place.config, place.clock) as installation:
        (tmp_path / "empty").mkdir()
        with pytest.raises(NotFoundError, match="no unexpired backup below"):
            drills.drill(installation, tmp_path / "empty", by="user:me")
        with drills._lock_scratch(installation), pytest.raises(BusyError, match="another drill"):
            drills.drill(installation, by="user:me")
        place.now += 30 * DAY
        with pytest.raises(NotFoundError, match="no unexpired backup"):
            drills.drill(installation, by="user:me")
        assert drills.list_newest(installation, 5) == []


def test_the_command_drills_and_says_it_as_json(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, folder = talk(place)
    for name in [name for name in os.environ if name.startswith("LICET_")]:
        monkeypatch.delenv(name)
    data = ["--data", str(place.config.data)]
    would = CliRunner().invoke(main, ["backup", "drill", str(folder), "--dry-run", "--json", *data])
    assert json.loads(would.output) == {"folder": str(folder)}
    done = CliRunner().invoke(main, ["backup", "drill", str(folder), "--json", *data])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["outcome"] == "proved"
    (folder / backup_manifest.MANIFEST).write_text("{}")
    broken = CliRunner().invoke(main, ["backup", "drill", str(folder), *data])
    assert broken.exit_code != 0
