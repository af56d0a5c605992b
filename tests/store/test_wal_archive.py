"""Archived WAL: what was received is sealed as it was, a hole is found, and what no base needs is
told.
"""

from __future__ import annotations

import threading
from pathlib import Path

import psycopg
import pytest

from licet.backup import wal_archive, wal_seals
from licet.backup.base_backup import Beginning
from licet.errors import BrokenError, ContradictedError
from licet.store import embedded

KEY = b"k" * 32
SEGMENT = 16 * 2**20
FIRST, SECOND, THIRD = (f"00000001000000000000000{n}" for n in (1, 2, 3))
PARTIAL = f"{THIRD}.partial"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    folder.mkdir()
    (folder / FIRST).write_bytes(b"first" + bytes(11))
    (folder / SECOND).write_bytes(b"second" + bytes(10))
    (folder / PARTIAL).write_bytes(b"third" + bytes(11))
    (folder / "00000002.history").write_bytes(b"1\t0/3000000\tno recovery target specified\n")
    (folder / "a letter").write_bytes(b"not of the archive")
    return folder


def test_every_file_of_an_archive_is_sealed_once_and_counted(archive: Path) -> None:
    assert wal_seals.seal(archive, KEY) == 4
    assert not (archive / "a letter.seal").exists()
    kept = {path.name: path.stat().st_mtime_ns for path in archive.glob("*.seal")}
    assert wal_seals.seal(archive, KEY) == 0
    assert {path.name: path.stat().st_mtime_ns for path in archive.glob("*.seal")} == kept
    assert not list(archive.glob("*.tmp"))


def test_a_whole_segment_is_sealed_as_it_was_received_and_never_anew(archive: Path) -> None:
    wal_seals.seal(archive, KEY)
    (archive / FIRST).write_bytes(b"other" + bytes(12))
    assert wal_seals.seal(archive, KEY) == 0
    with pytest.raises(ContradictedError, match="was changed"):
        wal_seals.verify_seals(archive, KEY, FIRST)
    assert SECOND in wal_seals.verify_seals(archive, KEY, SECOND)


def test_a_segment_that_is_being_written_is_sealed_as_far_as_it_goes_and_again_when_it_has_grown(
    archive: Path, tmp_path: Path
) -> None:
    wal_seals.seal(archive, KEY)
    assert wal_seals.verify_seals(archive, KEY, THIRD)[PARTIAL] == b"third"
    (archive / PARTIAL).write_bytes(b"third, longer" + bytes(3))
    assert wal_seals.verify_seals(archive, KEY, THIRD)[PARTIAL] == b"third", (
        "what lies behind the seal is left out"
    )
    wal_seals.copy(archive, KEY, THIRD, tmp_path / "sealed")
    assert (tmp_path / "sealed" / PARTIAL).read_bytes() == b"third" + bytes(11), (
        "of the size of the segment"
    )
    assert wal_seals.seal(archive, KEY) == 1
    wal_seals.copy(archive, KEY, THIRD, tmp_path / "grown")
    assert (tmp_path / "grown" / PARTIAL).read_bytes() == b"third, longer" + bytes(3)


def test_what_is_copied_is_what_is_sealed_from_where_a_base_begins(
    archive: Path, tmp_path: Path
) -> None:
    wal_seals.seal(archive, KEY)
    late = "000000010000000000000004"
    (archive / late).write_bytes(b"received while nobody sealed")
    wal_seals.copy(archive, KEY, SECOND, tmp_path / "copy")
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == [
        SECOND,
        PARTIAL,
        "00000002.history",
    ]
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o700
    assert wal_seals.verify_seals(archive, KEY, SECOND) == {
        SECOND: None,
        PARTIAL: b"third",
        "00000002.history": None,
    }
    with pytest.raises(ContradictedError):
        wal_seals.verify_seals(archive, b"o" * 32, SECOND)


@pytest.mark.parametrize(
    "written", [b"", b"{}", b'{"size": 3}', b'{"size": 16, "mac": "a", "more": 1}', b" " * 2_000]
)
def test_a_seal_that_does_not_read_is_contradicted(archive: Path, written: bytes) -> None:
    wal_seals.seal(archive, KEY)
    (archive / f"{FIRST}.seal").write_bytes(written)
    with pytest.raises(ContradictedError, match="cannot be read"):
        wal_seals.verify_seals(archive, KEY, FIRST)


def test_a_seal_goes_with_its_segment(archive: Path) -> None:
    wal_seals.seal(archive, KEY)
    wal_seals.remove(archive / FIRST)
    (archive / SECOND).unlink()
    assert wal_seals.seal(archive, KEY) == 0
    assert sorted(path.name for path in archive.glob("*.seal")) == [
        f"{PARTIAL}.seal",
        "00000002.history.seal",
    ]


def test_segments_are_told_in_their_order_whatever_their_timeline(archive: Path) -> None:
    (archive / "000000020000000000000002").write_bytes(b"")
    assert [path.name for path in wal_archive.list_segments(archive)] == [
        FIRST,
        SECOND,
        "000000020000000000000002",
        PARTIAL,
    ]


def test_what_no_base_needs_is_what_lies_before_the_oldest_and_all_that_is_whole_without_any(
    archive: Path,
) -> None:
    assert [path.name for path in wal_archive.list_unneeded(archive, SECOND)] == [FIRST]
    assert wal_archive.list_unneeded(archive, FIRST) == []
    assert [path.name for path in wal_archive.list_unneeded(archive, None)] == [FIRST, SECOND]


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("000000010000000000000000", 0),
        ("000000010000000000000001", 1),
        ("0000000100000000000000FF", 255),
        ("000000010000000100000000", 256),
        ("00000002000000020000000A", 2 * 256 + 10),
    ],
)
def test_segments_are_numbered_without_a_gap_where_a_log_of_4_gb_ends(
    name: str, number: int
) -> None:
    assert wal_archive._number(name, SEGMENT) == number


@pytest.mark.parametrize("absent", [1, 2])
def test_a_segment_that_is_not_there_is_named_by_the_one_behind_it(
    tmp_path: Path, absent: int
) -> None:
    names = [
        "0000000100000000000000FE",
        "0000000100000000000000FF",
        "000000010000000100000000",
        "000000010000000100000001",
    ]
    for name in names:
        with (tmp_path / name).open("wb") as file:
            file.truncate(SEGMENT)
    (tmp_path / names[absent]).unlink()
    begins = Beginning(place="0/FE000028", segment=names[0])
    with pytest.raises(BrokenError, match=f"the segment before `{names[absent + 1]}` is missing"):
        wal_archive.check(tmp_path, begins)
    with pytest.raises(BrokenError, match=f"the segment before `{names[3]}` is missing"):
        wal_archive.check(
            tmp_path,
            begins,
            frozenset({names[0], names[3]} | ({names[1]} if absent == 2 else set())),
        )


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ('could not find file "000000010000000100000002": No such file', 258),
        (
            (
                "error in WAL record at 0/3000028: invalid record length at 1/2000060: expected "
                "24, got 0"
            ),
            258,
        ),
        ("error in WAL record at 1/FF000028", 511),
        ("no place is told", None),
    ],
)
def test_where_reading_ended_is_told_by_the_file_that_is_absent_or_the_last_place(
    said: str, number: int | None
) -> None:
    assert wal_archive._stopped_segment(said, SEGMENT) == number


def test_an_archive_whose_next_segment_the_server_has_removed_says_that_it_has_a_gap(
    tmp_path: Path,
) -> None:
    folder, stop, said = tmp_path / "archive", threading.Event(), list[str]()
    folder.mkdir()
    (folder / FIRST).write_bytes(bytes(SEGMENT))

    def seen(text: str) -> None:
        said.append(text)
        stop.set()

    with embedded.running(tmp_path / "postgres", embedded.Options(durable=False)) as dsn:
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.execute("SELECT pg_create_physical_replication_slot('kept')")
            for _ in range(3):
                conn.execute("SELECT pg_logical_emit_message(false, 'licet', 'x'), pg_switch_wal()")
            conn.execute("CHECKPOINT")
        with pytest.raises(BrokenError, match="has a gap: the server removed WAL") as error:
            wal_archive.receive(lambda: dsn, folder, "kept", stop, seen, lambda: None)
    assert said == []
    assert "begin another archive" in error.value.hint
