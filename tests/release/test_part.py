"""A part: the same rows give the same bytes, a row leaves without a trace, a crash leaves no
half.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.errors import BrokenError
from licet.release import part as parts
from licet.release.part import PartPromise, groups, moment, open_verified, rewrite_part, write_parts
from licet.release.row_keys import SealedRow
from licet.store.files import replacing

from .world import keyed, until_us


def sealed_row(ordinal: int, size: int = 40) -> SealedRow:
    until = datetime(2030, 1, 1 + ordinal % 28, tzinfo=UTC)
    sealed = b"\x01" + keyed("sealed", ordinal) * (size // 32 + 1)
    return SealedRow(row_id=keyed("row", ordinal)[:16], ordinal=ordinal, until=until, sealed=sealed)


def read(path: Path) -> list[SealedRow]:
    with path.open("rb") as file:
        return [
            SealedRow(row_id=row_id, ordinal=ordinal, until=moment(until_us), sealed=sealed)
            for group in groups(file)
            for row_id, ordinal, until_us, sealed in zip(
                group.row_ids, group.ordinals, group.until_us, group.sealed, strict=True
            )
        ]


ROWS = [sealed_row(n) for n in range(10)]


def test_rows_are_written_in_numbered_parts_and_read_back(tmp_path: Path) -> None:
    written = list(write_parts(tmp_path, ROWS, rows_per_part=4))
    assert [(p.file, p.number, p.rows, p.first_ordinal) for p in written] == [
        ("part-00000.parquet", 0, 4, 0),
        ("part-00001.parquet", 1, 4, 4),
        ("part-00002.parquet", 2, 2, 8),
    ]
    for part in written:
        data = (tmp_path / part.file).read_bytes()
        assert (part.bytes, part.sha256) == (len(data), sha256(data).hexdigest())
    assert [row for part in written for row in read(tmp_path / part.file)] == ROWS
    assert sorted(os.listdir(tmp_path)) == [part.file for part in written]


def test_no_rows_are_no_parts(tmp_path: Path) -> None:
    assert list(write_parts(tmp_path, [])) == []


ordinals = st.sets(st.integers(0, 9))


@settings(deadline=None, max_examples=40)  # each example waits for the disk
@given(ordinals, ordinals)
def test_a_part_rewritten_is_byte_equal_to_one_written_without_the_rows(
    tmp_path_factory: pytest.TempPathFactory, first: set[int], second: set[int]
) -> None:
    assert_rewriting(tmp_path_factory, ROWS, [first, second])


def test_so_it_is_across_row_groups(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nothing of a row that left, not even where its group ended, can be told from the file."""
    rows = [sealed_row(n, parts.GROUP_BYTES_MAX // 3 if n % 500 == 7 else 40) for n in range(2200)]
    assert_rewriting(tmp_path_factory, rows, [{7, 1000, 1507}, set(range(3, 1500))])


def assert_rewriting(
    tmp_path_factory: pytest.TempPathFactory, rows: list[SealedRow], drops: list[set[int]]
) -> None:
    one, other = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("other")
    (part,) = write_parts(one, rows)
    gone: set[int] = set()
    for drop in drops:
        gone |= drop
        left = [row for row in rows if row.ordinal not in gone]
        rewritten = rewrite_part(one / part.file, drop)
        if not left:
            assert rewritten is None and os.listdir(one) == []
            return
        assert [rewritten] == list(write_parts(other, left))
        assert (one / part.file).read_bytes() == (other / part.file).read_bytes()


def test_rewriting_one_part_leaves_the_others_byte_equal(tmp_path: Path) -> None:
    written = list(write_parts(tmp_path, ROWS, rows_per_part=4))
    before = {part.file: (tmp_path / part.file).read_bytes() for part in written}
    rewritten = rewrite_part(tmp_path / written[1].file, {5, 6, 400})
    assert rewritten is not None and (rewritten.rows, rewritten.first_ordinal) == (2, 4)
    after = {file: (tmp_path / file).read_bytes() for file in before}
    assert [file for file in before if before[file] != after[file]] == [written[1].file]
    assert read(tmp_path / written[1].file) == [ROWS[4], ROWS[7]]
    assert (
        ROWS[5].sealed not in after[written[1].file]
        and ROWS[5].row_id not in after[written[1].file]
    )


def test_the_file_has_the_columns_of_a_part_and_says_nothing_more(tmp_path: Path) -> None:
    (part,) = write_parts(tmp_path, ROWS)
    file = pq.ParquetFile(tmp_path / part.file)
    assert [(f.name, str(f.type), f.nullable) for f in file.schema_arrow] == [
        ("row_id", "fixed_size_binary[16]", False),
        ("ordinal", "uint32", False),
        ("until", "timestamp[us, tz=UTC]", False),
        ("sealed", "binary", False),
    ]
    assert file.metadata.metadata is None
    for column in (file.metadata.row_group(0).column(n) for n in range(4)):
        assert not column.has_dictionary_page
        assert column.is_stats_set == (column.path_in_schema == "ordinal")
        assert column.compression == "UNCOMPRESSED"
    # no statistics, so the sealed bytes of a row lie in the file once, wherever the footer is
    assert (tmp_path / part.file).read_bytes().count(ROWS[0].sealed) == 1


def test_row_groups_are_bounded_in_rows_and_bytes(tmp_path: Path) -> None:
    many = [sealed_row(n) for n in range(2 * parts.GROUP_ROWS_MAX + 1)]
    large = [sealed_row(len(many) + n, parts.GROUP_BYTES_MAX // 3) for n in range(5)]
    (part,) = write_parts(tmp_path, [*many, *large])
    with (tmp_path / part.file).open("rb") as file:
        sizes = [(len(group.ordinals), sum(map(len, group.sealed))) for group in groups(file)]
    assert [rows for rows, _ in sizes] == [1024, 1024, 3, 2, 1]
    assert all(size <= parts.GROUP_BYTES_MAX for _, size in sizes)


def test_ordinals_that_do_not_grow_are_refused_and_leave_no_half_file(tmp_path: Path) -> None:
    for wrong in ([ROWS[0], ROWS[0]], [ROWS[1], ROWS[0]]):
        with pytest.raises(BrokenError, match="does not follow"):
            list(write_parts(tmp_path, wrong))
        assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("count", [0, parts.ROWS_PER_PART_MAX + 1])
def test_a_part_is_bounded(tmp_path: Path, count: int) -> None:
    with pytest.raises(BrokenError, match="a part has 1 to"):
        list(write_parts(tmp_path, ROWS, rows_per_part=count))


def test_a_write_that_fails_leaves_the_former_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"former")
    with pytest.raises(ZeroDivisionError), replacing(path) as file:
        file.write(b"half")
        raise ZeroDivisionError
    assert path.read_bytes() == b"former" and os.listdir(tmp_path) == ["file"]


def test_what_a_crash_left_is_replaced_by_the_next_write(tmp_path: Path) -> None:
    (tmp_path / ".part-00000.parquet.tmp").write_bytes(b"of a writer that was killed" * 9000)
    (part,) = write_parts(tmp_path, ROWS)
    assert os.listdir(tmp_path) == [part.file]
    assert read(tmp_path / part.file) == ROWS


@settings(deadline=None)
@given(st.data())
def test_no_flipped_bit_of_a_part_is_read(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("part")
    (part,) = write_parts(folder, ROWS)
    damaged = bytearray((folder / part.file).read_bytes())
    bit = data.draw(st.integers(0, len(damaged) * 8 - 1))
    damaged[bit // 8] ^= 1 << bit % 8
    (folder / part.file).write_bytes(damaged)
    with pytest.raises(BrokenError, match="hash differs"), open_verified(folder, part):
        pytest.fail("a damaged part was opened")


def test_a_file_that_is_exchanged_after_its_hash_was_compared_is_not_read(tmp_path: Path) -> None:
    (part,) = write_parts(tmp_path, ROWS)
    with open_verified(tmp_path, part) as file:
        list(write_parts(tmp_path, ROWS[:3]))
        assert [o for group in groups(file) for o in group.ordinals] == list(range(10))


def foreign(folder: Path, table: pa.Table) -> Path:
    pq.write_table(table, folder / "foreign.parquet", store_schema=False)
    return folder / "foreign.parquet"


def test_files_that_are_no_parts_are_refused(tmp_path: Path) -> None:
    row = {"row_id": [bytes(16)], "ordinal": [0], "until": [0], "sealed": [None]}
    nullable = pa.schema([field.with_nullable(True) for field in parts.schema()])
    other_columns = foreign(tmp_path, pa.table({"text": ["a"]}))
    with other_columns.open("rb") as file, pytest.raises(BrokenError, match="columns of a part"):
        list(groups(file))
    with (
        foreign(tmp_path, pa.table(row, schema=nullable)).open("rb") as file,
        pytest.raises(BrokenError),
    ):
        list(groups(file))
    for data in (b"", b"PAR1", b"PAR1" + bytes(500) + b"PAR1", os.urandom(500)):
        (tmp_path / "none").write_bytes(data)
        with (
            (tmp_path / "none").open("rb") as file,
            pytest.raises(BrokenError, match="cannot be read as Parquet"),
        ):
            list(groups(file))


def test_an_empty_file_of_the_right_columns_has_no_rows(tmp_path: Path) -> None:
    with foreign(tmp_path, parts.schema().empty_table()).open("rb") as file:
        assert list(groups(file)) == []


@pytest.mark.parametrize(
    "file", ["part-1.parquet", "part-000001.parquet", "../part-00000.parquet", "part-٠٠٠٠٠.parquet"]
)
def test_a_part_of_another_name_has_no_number(file: str) -> None:
    part = PartPromise(file=file, sha256="0" * 64, bytes=1, rows=1, first_ordinal=0)
    with pytest.raises(BrokenError, match="not the name of a part"):
        _ = part.number


def test_until_keeps_its_microseconds(tmp_path: Path) -> None:
    exact = datetime(2031, 2, 3, 4, 5, 6, 789_012, tzinfo=UTC)
    (part,) = write_parts(tmp_path, [msgspec.structs.replace(ROWS[0], until=exact)])
    assert read(tmp_path / part.file)[0].until == exact == moment(until_us(exact))


def test_what_replaces_a_file_is_whole_on_the_disk_before_it_takes_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, on_disk, fsync = tmp_path / "file", list[tuple[int, bytes]](), os.fsync
    path.write_bytes(b"what was there")

    def watched(file: int) -> None:
        on_disk.append((os.fstat(file).st_size, path.read_bytes()))
        fsync(file)

    monkeypatch.setattr(os, "fsync", watched)
    with replacing(path) as file:
        file.write(b"what is to be there")
    assert on_disk[0] == (len(b"what is to be there"), b"what was there")
    assert on_disk[-1][1] == path.read_bytes() == b"what is to be there", (
        "the folder is synchronised after it"
    )


def test_the_columns_of_a_part_stay_as_they_are() -> None:
    assert str(parts.schema()).splitlines() == [
        "row_id: fixed_size_binary[16] not null",
        "ordinal: uint32 not null",
        "until: timestamp[us, tz=UTC] not null",
        "sealed: binary not null",
    ]
