"""A dump is on the disk when it is taken: its folder is synced with the manifest that is written
last.
"""

from __future__ import annotations

from pathlib import Path

from licet.backup import dump

from ..erasure.disk import Watch


def test_a_dump_that_was_taken_is_on_the_disk(dsn: str, tmp_path: Path) -> None:
    with Watch(tmp_path) as watch:
        watch.record()
        dump.dump_database(dsn, tmp_path / "database.dump")
        watch.mood = "quiet"
    assert ("sync", "database.dump") in watch.steps
    assert watch.steps[-1] == ("sync", "database.dump"), "after all of it was written"
