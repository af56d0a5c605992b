"""What the restriction journal and the spool acknowledged is there after a crash that loses all
that was not fsynced.

On the disk of `disk`: a file that nobody fsynced may be gone or torn, a name whose folder nobody
fsynced too. New segments and new folders among them; on a disk that lies about fsync the same
search finds losses.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from licet.errors import LicetError, RefusedError
from licet.host.spool import Spool
from licet.keys.restriction_journal import Journal

from ..journals import KEY
from ..keys.test_restriction_journal import told
from .disk import Disk, Step, Watch, put

RECORDS = 6
STATES = 60  # after each step


def journal_writes(folder: Path, acknowledged: Callable[[], None]) -> None:
    """A few records, of which each second begins a segment."""
    journal = Journal(folder / "new" / "journal", segment_bytes_max=300, key=KEY)
    for number in range(1, RECORDS + 1):
        journal.append([told(number)])
        acknowledged()
    journal.close()


def journal_holds(folder: Path) -> list[int]:
    return [record.seq for record in Journal(folder / "new" / "journal", key=KEY).records()]


def spool_writes(folder: Path, acknowledged: Callable[[], None]) -> None:
    spool = Spool(folder / "new" / "spool", folder.parent / "key", 2**20)
    for number in range(1, RECORDS + 1):
        spool.put(b"%d" % number).result()
        acknowledged()
    spool.close()


def spool_holds(folder: Path) -> list[int]:
    spool, found = Spool(folder / "new" / "spool", folder.parent / "key", 2**20), []
    while (taken := spool.take()) is not None:
        found += [int(record) for record in taken.records]
        spool.delivered(taken)
    spool.close()
    return found


KINDS = {"journal": (journal_writes, journal_holds), "spool": (spool_writes, spool_holds)}


def recorded(
    root: Path, writes: Callable[[Path, Callable[[], None]], None]
) -> tuple[Disk, list[Step]]:
    """The disk before, and the steps of a run on it."""
    root.mkdir()
    with Watch(root) as watch:
        disk = Disk(root)
        watch.record()
        writes(root, lambda: watch.step("ack"))
        watch.mood = "quiet"
        return disk, list(watch.steps)


def lost(folder: Path, kind: str, *, fsyncs: bool) -> list[str]:
    """What was acknowledged and is not there after some crash, as far as one looked."""
    writes, holds = KINDS[kind]
    disk, steps = recorded(folder / "run", writes)
    assert sum(step == ("ack",) for step in steps) == RECORDS
    assert any(step[0] == "sync" for step in steps)
    acknowledged, found, choose = 0, [], random.Random(1)
    for step in steps:
        if step[0] == "sync" and not fsyncs:
            continue
        disk.apply(step)
        acknowledged += step == ("ack",)
        for tree in disk.crashes(choose, STATES, set()):
            crashed = folder / "crashed"
            shutil.rmtree(crashed, ignore_errors=True)
            put(tree, crashed)
            wanted = list(range(1, acknowledged + 1))
            try:
                there = holds(crashed)[:acknowledged]
            except LicetError as error:
                # told in place of the numbers
                there = [f"does not open: {error.message}"]  # type: ignore[list-item]
            if there != wanted:
                found.append(f"after {step}: {there} of {wanted}")
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_acknowledged_is_there_after_any_crash(tmp_path: Path, kind: str) -> None:
    assert lost(tmp_path, kind, fsyncs=True) == []


@pytest.mark.parametrize("kind", KINDS)
def test_on_a_disk_that_lies_about_fsync_the_same_search_finds_losses(
    tmp_path: Path, kind: str
) -> None:
    assert lost(tmp_path, kind, fsyncs=False) != []


def test_an_append_of_a_previous_life_is_refused_and_nothing_of_it_is_written(
    tmp_path: Path,
) -> None:
    """Also by a program that opened the journal before the life began, and where the life begins a
    new segment.
    """
    for size in (10_000, 100):
        folder = tmp_path / f"of-{size}"
        before, restoring = (Journal(folder, segment_bytes_max=size, key=KEY) for _ in range(2))
        before.append([told(1)])
        restoring.append([_of_life(1, 2)])
        with pytest.raises(RefusedError) as error:
            before.append([told(3)])
        assert error.value.because == "restored"
        with pytest.raises(RefusedError):
            Journal(folder, segment_bytes_max=size, key=KEY).append([told(4)])
        before.append([_of_life(1, 5)])
        assert [record.seq for record in before.records()] == [1, 2, 5]


def _of_life(life: int, number: int):
    import msgspec

    return msgspec.structs.replace(told(number), life=life)
