"""A part: a Parquet file of sealed rows in the order of their ordinals, readable by row group.

Columns: ``row_id`` binary(16), ``ordinal`` uint32, ``until`` timestamp(us, UTC), ``sealed`` binary.
No column is compressed (sealed bytes do not compress, and third parties read the others with plain
Python: `verifier.parquet`) or dictionary-encoded, and no footer contains a value of ``sealed``.

Invariants: the same rows give the same bytes with one version of the Parquet library, and a part
that is rewritten without some rows is byte-equal to one written without them. A row group is
bounded in rows and bytes, and so is a reader's memory. A file appears atomically: it is written to
``.tmp``, synced and renamed, and the folder is synced. A crash before the rename leaves the former
file and a ``.tmp``, which the next write replaces and ``verify`` reports.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import file_digest, sha256
from itertools import accumulate, chain, islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TypeAlias

import msgspec

from licet.errors import BrokenError
from licet.release.row_keys import SealedRow
from licet.release.rows import ROW_ID_BYTES
from licet.store.files import replacing, sync

# Commands that only name a release must not load Arrow, which takes a third of a second.
if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

ROWS_PER_PART_MAX = 50_000
GROUP_ROWS_MAX = 1_024
GROUP_BYTES_MAX = 8 * 2**20
PARTS_MAX = 100_000
PART_FILE = re.compile(r"part-(\d{5})\.parquet", re.ASCII)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
Declare: TypeAlias = "Callable[[PartPromise | None], None]"


class PartPromise(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The manifest's promise on one file. ``sha256`` is hexadecimal, over the whole file."""

    file: str
    sha256: str
    bytes: int
    rows: int
    first_ordinal: int

    @property
    def number(self) -> int:
        match = PART_FILE.fullmatch(self.file)
        if match is None:
            raise BrokenError(f"`{self.file}` is not the name of a part")
        return int(match[1])


@cache
def schema() -> pa.Schema:
    """The columns of a part."""
    import pyarrow as pa

    fields: list[pa.Field[Any]] = [
        pa.field("row_id", pa.binary(ROW_ID_BYTES), nullable=False),
        pa.field("ordinal", pa.uint32(), nullable=False),
        pa.field("until", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("sealed", pa.binary(), nullable=False),
    ]
    return pa.schema(fields)


class RowGroup(msgspec.Struct, frozen=True, kw_only=True):
    """The columns of a row group, of equal length, in order of ordinals. ``until_us``: microseconds
    since 1970.
    """

    row_ids: list[bytes]
    ordinals: list[int]
    until_us: list[int]
    sealed: list[bytes]


def write_parts(
    folder: Path, sealed_rows: Iterable[SealedRow], *, rows_per_part: int = ROWS_PER_PART_MAX
) -> Iterator[PartPromise]:
    """Writes ``sealed_rows`` into parts of ``rows_per_part`` ordinals; yields each once durable.

    Raises BrokenError if ordinals do not increase from row to row; parts already yielded remain.
    """
    if not 1 <= rows_per_part <= ROWS_PER_PART_MAX:
        raise BrokenError(f"a part has 1 to `{ROWS_PER_PART_MAX}` rows, not `{rows_per_part}`")
    remaining = _growing(sealed_rows)
    held = list(islice(remaining, 1))
    while held:
        number = held[0].ordinal // rows_per_part
        if number >= PARTS_MAX:
            raise BrokenError(f"a release has at most `{PARTS_MAX}` parts")
        mine = _up_to((number + 1) * rows_per_part - 1, chain([held.pop()], remaining), held)
        yield _write(folder / part_file(number), mine)
        held = held or list(islice(remaining, 1))


def part_file(number: int) -> str:
    """The name of a part's file."""
    return f"part-{number:05d}.parquet"


def rewrite_part(
    path: Path, drop: set[int], declare: Declare = lambda _part: None
) -> PartPromise | None:
    """Rewrites the part without the rows of the ordinals in ``drop``; None, and no file, if no row
    is left.

    ``declare`` is called with the new part just before it is replaced.
    """
    with path.open("rb") as file:
        remaining = (row for row in rows(file) if row.ordinal not in drop)
        first = next(remaining, None)
        if first is not None:
            return _write(path, chain([first], remaining), declare)
    declare(None)
    path.unlink()
    sync(path.parent)
    return None


@contextmanager
def open_verified(folder: Path, part: PartPromise) -> Iterator[BinaryIO]:
    """The file of ``part``, open; BrokenError unless it has the hash in the manifest.

    Later reads use the same descriptor, so a file that replaces it meanwhile is not read.
    """
    try:
        file = (folder / part.file).open("rb")
    except OSError as error:
        raise BrokenError(f"part `{part.file}` cannot be read") from error
    with file:
        if file_digest(file, sha256).hexdigest() != part.sha256:
            raise BrokenError(
                f"part `{part.file}` is not the file that the manifest names: its hash differs"
            )
        file.seek(0)
        yield file


def groups(file: BinaryIO) -> Iterator[RowGroup]:
    """The row groups of an open part, in order; BrokenError if the file is not a part."""
    reader = PartReader(file)
    for number in range(reader.groups):
        group = reader.group(number)
        if group.ordinals:
            yield group


def rows(file: BinaryIO) -> Iterator[SealedRow]:
    """The rows of an open part, in order; BrokenError if the file is not a part."""
    for group in groups(file):
        columns = zip(group.row_ids, group.ordinals, group.until_us, group.sealed, strict=True)
        for row_id, ordinal, until_us, sealed in columns:
            yield SealedRow(row_id=row_id, ordinal=ordinal, until=moment(until_us), sealed=sealed)


class PartReader:
    """Reads an open part in any order; BrokenError if the file is not a part. For one thread of one
    process.
    """

    def __init__(self, file: BinaryIO) -> None:
        import pyarrow.parquet as pq

        with _as_part():
            self._parquet = pq.ParquetFile(file)
            if not self._parquet.schema_arrow.equals(schema()):
                raise BrokenError("the file does not have the columns of a part")
        self.groups = self._parquet.num_row_groups

    def group(self, number: int) -> RowGroup:
        with _as_part():
            table = self._parquet.read_row_group(number)
            return (
                _group(table)
                if table.num_rows
                else RowGroup(row_ids=[], ordinals=[], until_us=[], sealed=[])
            )

    def ordinals(self, number: int) -> list[int]:
        """The ordinals of a row group; nothing else of it is read."""
        with _as_part():
            table = self._parquet.read_row_group(number, columns=["ordinal"])
            return (
                _integers(_buffers(table["ordinal"])[1], "I", table.num_rows)
                if table.num_rows
                else []
            )


@contextmanager
def _as_part() -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise BrokenError("the file cannot be read as Parquet") from error


def moment(until_us: int) -> datetime:
    """An aware UTC time from a `RowGroup`'s ``until_us``."""
    return EPOCH + timedelta(microseconds=until_us)


def _write(
    path: Path, sealed_rows: Iterable[SealedRow], declare: Declare = lambda _part: None
) -> PartPromise:
    first, count = -1, 0
    with replacing(path) as file:
        with _writer(file) as writer:
            for batch in _batches(sealed_rows):
                first = batch[0].ordinal if first < 0 else first
                count += len(batch)
                writer.write_batch(_record_batch(batch), row_group_size=len(batch))
        file.flush()
        with Path(file.name).open("rb") as written:
            digest, size = file_digest(written, sha256).hexdigest(), written.tell()
        part = PartPromise(
            file=path.name, sha256=digest, bytes=size, rows=count, first_ordinal=first
        )
        declare(part)
    return part


def _writer(file: BinaryIO) -> pq.ParquetWriter:
    import pyarrow.parquet as pq

    return pq.ParquetWriter(
        file,
        schema(),
        version="2.6",
        compression="none",
        use_dictionary=False,
        write_statistics=["ordinal"],
        store_schema=False,
    )


def _record_batch(batch: list[SealedRow]) -> pa.RecordBatch:
    import pyarrow as pa

    # From buffers: ``pa.array`` of a list loads pandas, if installed, in half a second.
    buffers: dict[str, list[bytes | array[int]]] = {
        "row_id": [b"".join([row.row_id for row in batch])],
        "ordinal": [array("I", [row.ordinal for row in batch])],
        "until": [array("q", [(row.until - EPOCH) // _MICROSECOND for row in batch])],
        "sealed": [
            array("i", accumulate([len(row.sealed) for row in batch], initial=0)),
            b"".join([row.sealed for row in batch]),
        ],
    }
    columns = [
        pa.Array.from_buffers(
            field.type, len(batch), [None, *map(pa.py_buffer, buffers[field.name])]
        )
        for field in schema()
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema())


def _batches(sealed_rows: Iterable[SealedRow]) -> Iterator[list[SealedRow]]:
    batch: list[SealedRow] = []
    size = 0
    for row in sealed_rows:
        if batch and (len(batch) >= GROUP_ROWS_MAX or size + len(row.sealed) > GROUP_BYTES_MAX):
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += len(row.sealed)
    if batch:
        yield batch


def _group(table: pa.Table) -> RowGroup:
    # sliced from buffers: ``to_pylist`` makes an Arrow object for each value, three times as slow
    row_ids = _buffers(table["row_id"])[1].to_pybytes()
    _, offsets, sealed = _buffers(table["sealed"])
    values = memoryview(sealed)
    return RowGroup(
        row_ids=[
            row_ids[at : at + ROW_ID_BYTES]
            for at in range(0, table.num_rows * ROW_ID_BYTES, ROW_ID_BYTES)
        ],
        ordinals=_integers(_buffers(table["ordinal"])[1], "I", table.num_rows),
        until_us=_integers(_buffers(table["until"])[1], "q", table.num_rows),
        sealed=[
            values[start:end].tobytes()
            for start, end in pairwise(_integers(offsets, "i", table.num_rows + 1))
        ],
    )


def _buffers(column: pa.ChunkedArray[Any]) -> list[pa.Buffer]:
    # only Parquet enforces that a column has no nulls; a foreign file is not trusted
    if column.null_count:
        raise BrokenError("a column of the part has nulls")
    import pyarrow as pa

    chunks = column.chunks
    array = chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks)  # which copies even one
    if array.offset:
        raise BrokenError("a column of the part does not begin at its first value")
    return array.buffers()  # type: ignore[return-value]  # only the first, of validity, may be None


def _integers(buffer: pa.Buffer, code: Literal["I", "q", "i"], count: int) -> list[int]:
    return memoryview(buffer).cast("B").cast(code)[:count].tolist()


def _growing(sealed_rows: Iterable[SealedRow]) -> Iterator[SealedRow]:
    last = -1
    for row in sealed_rows:
        if row.ordinal <= last:
            raise BrokenError(f"ordinal `{row.ordinal}` does not follow `{last}`")
        last = row.ordinal
        yield row


def _up_to(
    last: int, sealed_rows: Iterable[SealedRow], held: list[SealedRow]
) -> Iterator[SealedRow]:
    """The rows up to ordinal ``last``. The first one beyond goes into ``held``; if ``last`` itself
    comes, nothing more is read.
    """
    for row in sealed_rows:
        if row.ordinal > last:
            held.append(row)
            return
        yield row
        if row.ordinal == last:
            return
