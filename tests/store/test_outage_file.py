"""Outages that servers wrote down are read as one, no matter who saw them, and a full disk loses
none.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from licet.store import outage_file
from licet.store.outage_file import DependencyOutage, OutageFile, outages

NOON = datetime(2025, 9, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ENDED_PROCESS = 2**22 + 1  # above any id


def write(folder: Path, *lines: tuple[int, str, bool, int]) -> None:
    """Minutes after noon, dependency, whether it is silent, process."""
    text = "".join(
        json.dumps({"at": (NOON + at * MINUTE).isoformat(), "dependency": name, **rest}) + "\n"
        for at, name, silent, process in lines
        for rest in [{"silent": silent, "process": process}]
    )
    (folder / outage_file.NAME).write_text(text)


def outage(name: str, began: int, ended: int | None) -> DependencyOutage:
    end = None if ended is None else NOON + ended * MINUTE
    return DependencyOutage(dependency=name, began=NOON + began * MINUTE, ended=end)


def test_what_several_processes_saw_is_one_outage_from_the_first_to_the_last(
    tmp_path: Path,
) -> None:
    write(
        tmp_path,
        *((0, "bucket", True, 1), (1, "bucket", True, 2), (2, "disk", True, 1)),
        *((3, "bucket", False, 1), (4, "bucket", False, 2), (5, "disk", False, 1)),
        (9, "disk", True, ENDED_PROCESS),
    )
    (tmp_path / outage_file.NAME).open("a").write('{"at": "20')
    assert outages(tmp_path, NOON) == [
        outage("bucket", 0, 4),
        outage("disk", 2, 5),
        outage("disk", 9, None),
    ]
    assert outages(tmp_path, NOON + 5 * MINUTE) == [outage("disk", 2, 5), outage("disk", 9, None)]
    assert outages(tmp_path, NOON + 10 * MINUTE) == [], "its process ended, and no end is known"


def test_only_what_changed_is_written_and_a_missing_disk_loses_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    kept = OutageFile(folder)
    kept.note(("bucket",), NOON)
    kept.note(("bucket",), NOON + MINUTE)
    kept.note((), NOON + 2 * MINUTE)
    assert not folder.exists()
    folder.mkdir()
    kept.note(("bucket",), NOON + 3 * MINUTE)
    assert len((folder / outage_file.NAME).read_bytes().splitlines()) == 3
    assert outages(folder, NOON) == [outage("bucket", 0, 2), outage("bucket", 3, None)]
    assert outages(folder, NOON + 9 * MINUTE) == [outage("bucket", 3, None)], os.getpid()


def test_the_file_is_bounded_and_the_one_before_is_read_too(tmp_path: Path) -> None:
    line = '{"at":"2020-01-01T00:00:00Z","dependency":"disk","silent":false,"process":1}\n'
    file = tmp_path / outage_file.NAME
    write(tmp_path, (0, "bucket", True, 1))
    with file.open("a") as old:
        old.write(line * (outage_file.BYTES_MAX // len(line) + 1))
    OutageFile(tmp_path).note(("witness",), NOON)
    assert file.stat().st_size < 1_000
    assert [one.dependency for one in outages(tmp_path, NOON)] == ["bucket", "witness"]
