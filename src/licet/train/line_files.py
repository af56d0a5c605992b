"""Files of lines that a trainer reads: JSON lines, Parquet for those that read nothing else, or
folders of shards.

A line of Parquet has the columns `messages`, a list of role and content, `ordinal`, and
`row_labels` as JSON text, null where the release has no labels. Rows are written as they come, in
groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from licet.train.exports import AS_SHARDS, LABELS, Format, Line
from licet.train.shard_files import SHARDS

GROUP_LINES = 1_000


class LineFile(Protocol):
    """Takes lines; what was written is whole once it is closed."""

    def write(self, lines: Sequence[Line]) -> None: ...

    def close(self) -> None: ...


def ending(to: Format) -> str:
    """The ending of a file's name."""
    return to.value if to in AS_SHARDS else "parquet" if to is Format.verl else "jsonl"


def opened(path: Path, to: Format) -> LineFile:
    """A file, or a folder of shards, at ``path``, which is not there yet."""
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
