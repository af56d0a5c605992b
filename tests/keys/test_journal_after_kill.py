"""What a killed writer left in the folder of a journal is on the disk before anybody goes by it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from licet.keys.restriction_journal import Journal

from ..erasure.disk import Disk, Watch
from ..journals import KEY
from ..store.test_durable_writes import found, left_open, lying
from .test_restriction_journal import lived, told


def opened(folder: Path) -> Journal:
    return Journal(folder, key=KEY)


def segment(folder: Path) -> Path:
    (found,) = folder.glob("*.log")
    return found


def grown(folder: Path, end: bytes = b"") -> tuple[Path, bytes]:
    """A journal of one record, and the bytes of its segment once a second one of another life
    follows.
    """
    made = opened(folder)
    made.append([told(1)])
    made.close()
    before = folder.parent / "root" / "journal"
    shutil.copytree(folder, before)
    made = opened(folder)
    made.append([lived(1, 2)])
    made.close()
    return before, segment(folder).read_bytes() + end


def open_after(
    tmp_path: Path, end: bytes, then: Callable[[Path, Callable[[], None]], None]
) -> list[str]:
    """What a crash may still undo when ``then`` has gone by what a writer wrote that never waited
    for the disk.
    """
    journal, written = grown(tmp_path / "another", end)
    root = tmp_path / "root"

    def writes() -> None:
        with segment(journal).open("ab") as file:
            file.write(written[segment(journal).stat().st_size :])

    with Watch(root) as watch:
        disk = Disk(root)
        watch.record()
        then(journal, writes)
        watch.mood = "quiet"
        for step in watch.steps:
            disk.apply(step)
    known, there = (
        {path: data for path, data in of.items() if path != "/journal/lock"}
        for of in (found(disk.root), lying(root))
    )
    return [
        *left_open(disk.root, "", ("lock",)),
        *(path for path in there if known.get(path) != there[path]),
    ]


def open_it(journal: Path, writes: Callable[[], None]) -> None:
    writes()
    made = opened(journal)
    assert [record.seq for record in made.records()] == [1, 2]
    made.close()


def ask_for_its_life(journal: Path, writes: Callable[[], None]) -> None:
    made = opened(journal)
    writes()
    assert made.storage.newest_life().life == 1
    made.close()


def begin_a_segment(journal: Path, writes: Callable[[], None]) -> None:
    made = Journal(journal, segment_bytes_max=1, key=KEY)
    writes()
    made.append([lived(1, 3)])
    assert len(list(journal.glob("*.log"))) == 2
    made.close()


@pytest.mark.parametrize("then", [open_it, ask_for_its_life, begin_a_segment])
@pytest.mark.parametrize("end", [b"", b"torn"], ids=["whole", "torn"])
def test_what_a_killed_writer_left_is_on_the_disk_before_it_is_gone_by(
    tmp_path: Path, then: Callable[[Path, Callable[[], None]], None], end: bytes
) -> None:
    assert open_after(tmp_path, end, then) == []


def test_a_torn_end_that_is_cut_off_is_so_on_the_disk(tmp_path: Path) -> None:
    def hold(journal: Path, writes: Callable[[], None]) -> None:
        made = opened(journal)
        writes()
        with made.storage.exclusive():
            pass
        made.close()

    assert open_after(tmp_path, b"torn", hold) == []
