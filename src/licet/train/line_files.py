"""Writers of export lines: JSON lines, Parquet, or folders of shards.

A line of Parquet has the columns `messages`, a list of role and content, `ordinal`, and
`row_labels` as JSON text, null if the release has no labels.

Shards (Mosaic's MDS, WebDataset's tar files, Lance) have lines in the shape of TRL and up to
`SHARD_BYTES` bytes. In MDS and Lance all but numbers is JSON text, because the arguments of each
tool call have their own type; in WebDataset a line is one member, `NNNNNNNN.json`. In MDS and
WebDataset the same lines give the same bytes.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from struct import pack
from typing import Any, Protocol

import msgspec

from licet.errors import NotInstalledError
from licet.train.exports import AS_SHARDS, CHECKS, LABELS, TOOLS, Format, Line

SHARD_BYTES = 64 * 2**20
BATCH_LINES = 1_000
NUMBER = "ordinal"
_JSON = msgspec.json.Encoder().encode


class MdsShards:
    """A folder for `streaming.StreamingDataset`: `shard.NNNNN.mds` files and `index.json`, written
    last.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder, self._columns = folder, list[str]()
        self._samples, self._bytes = list[bytes](), 0
        self._shards: list[dict[str, Any]] = []

    def write(self, lines: Sequence[Line]) -> None:
        for line in lines:
            if not self._columns:
                self._columns = sorted({*line, LABELS, CHECKS, TOOLS})
            sample = self._sample(line)
            if self._samples and self._bytes + len(sample) > SHARD_BYTES:
                self._flush()
            self._samples.append(sample)
            self._bytes += len(sample) + 4

    def close(self) -> None:
        if self._samples:
            self._flush()
        (self._folder / "index.json").write_bytes(_JSON({"version": 2, "shards": self._shards}))

    def _sample(self, line: Line) -> bytes:
        """The lengths of its variable-size values, then all values, in column order."""
        values = [
            pack("<q", line[name]) if name == NUMBER else _JSON(line.get(name))
            for name in self._columns
        ]
        sizes = [
            len(value) for name, value in zip(self._columns, values, strict=True) if name != NUMBER
        ]
        return pack(f"<{len(sizes)}I", *sizes) + b"".join(values)

    def _about(self) -> dict[str, Any]:
        return {
            "column_encodings": ["int" if name == NUMBER else "json" for name in self._columns],
            "column_names": self._columns,
            "column_sizes": [8 if name == NUMBER else None for name in self._columns],
            "compression": None,
            "format": "mds",
            "hashes": [],
            "size_limit": SHARD_BYTES,
            "version": 2,
        }

    def _flush(self) -> None:
        """Writes a shard: the number of samples, their offsets, the columns, the samples."""
        about, name = _JSON(self._about()), f"shard.{len(self._shards):05}.mds"
        place = 4 + 4 * (len(self._samples) + 1) + len(about)
        ends = [place]
        for sample in self._samples:
            ends.append(ends[-1] + len(sample))
        data = (
            pack(f"<{len(ends) + 1}I", len(self._samples), *ends) + about + b"".join(self._samples)
        )
        (self._folder / name).write_bytes(data)
        raw = {"basename": name, "bytes": len(data), "hashes": {}}
        self._shards.append(
            {**self._about(), "raw_data": raw, "samples": len(self._samples), "zip_data": None}
        )
        self._samples, self._bytes = [], 0


class TarShards:
    """A folder of `NNNNNN.tar` files for `webdataset.WebDataset`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder, self._count, self._shards = folder, 0, 0
        self._open: tarfile.TarFile | None = None
        self._bytes = 0

    def write(self, lines: Sequence[Line]) -> None:
        for line in lines:
            data = _JSON(line)
            if self._open is None or self._bytes + len(data) > SHARD_BYTES:
                self.close()
                path = self._folder / f"{self._shards:06}.tar"
                # closed by `close`
                self._open = tarfile.open(path, "x", format=tarfile.USTAR_FORMAT)  # noqa: SIM115
                self._bytes = 0
                self._shards += 1
            member = tarfile.TarInfo(f"{self._count:08}.json")
            member.size, member.mode = len(data), 0o600
            self._open.addfile(member, io.BytesIO(data))
            self._bytes += len(data) + 1024
            self._count += 1

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None


class LanceLines:
    """A Lance data set, written by Lance itself; NotInstalledError without the package
    `pylance`.
    """

    def __init__(self, folder: Path) -> None:
        try:
            import lance
        except ImportError:
            raise NotInstalledError("pylance", "train") from None
        self._write = lance.write_dataset
        self._folder = folder
        self._waiting = list[Line]()
        self._is_new = True

    def write(self, lines: Sequence[Line]) -> None:
        self._waiting += lines
        if len(self._waiting) >= BATCH_LINES:
            self._flush()

    def close(self) -> None:
        if self._waiting:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        columns = sorted({*self._waiting[0], LABELS, CHECKS, TOOLS})
        types = {name: pa.int64() if name == NUMBER else pa.string() for name in columns}
        table = pa.Table.from_pylist(list(self._rows(columns)), schema=pa.schema(types))
        self._write(table, str(self._folder), mode="create" if self._is_new else "append")
        self._waiting, self._is_new = [], False

    def _rows(self, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        for line in self._waiting:
            yield {
                name: line[name] if name == NUMBER else _JSON(line.get(name)).decode()
                for name in columns
            }


SHARDS: dict[Format, Callable[[Path], LineFile]] = {
    Format.mds: MdsShards,
    Format.webdataset: TarShards,
    Format.lance: LanceLines,
}


GROUP_LINES = 1_000


class LineFile(Protocol):
    """A writer of lines; its file is complete once closed."""

    def write(self, lines: Sequence[Line]) -> None: ...

    def close(self) -> None: ...


def file_extension(to: Format) -> str:
    return to.value if to in AS_SHARDS else "parquet" if to is Format.verl else "jsonl"


def open_lines(path: Path, to: Format) -> LineFile:
    """Creates a file, or a folder of shards, at ``path``."""
    if to in AS_SHARDS:
        return SHARDS[to](path)
    return _ParquetLines(path) if to is Format.verl else _JsonLines(path)


class _JsonLines:
    def __init__(self, path: Path) -> None:
        self._file = path.open("x", encoding="utf-8")

    def write(self, lines: Sequence[Line]) -> None:
        self._file.writelines(msgspec.json.encode(line).decode() + "\n" for line in lines)

    def close(self) -> None:
        self._file.close()


class _ParquetLines:
    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        message = pa.struct([("role", pa.string()), ("content", pa.string())])
        self._schema = pa.schema(
            {"messages": pa.list_(message), "ordinal": pa.int64(), LABELS: pa.string()}
        )
        self._file: Any = pq.ParquetWriter(path, self._schema)
        self._waiting: list[Line] = []

    def write(self, lines: Sequence[Line]) -> None:
        for line in lines:
            labels = msgspec.json.encode(line[LABELS]).decode() if LABELS in line else None
            self._waiting.append({**line, LABELS: labels})
        if len(self._waiting) >= GROUP_LINES:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._file.close()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._waiting:
            self._file.write_table(pa.Table.from_pylist(self._waiting, schema=self._schema))
        self._waiting = []
