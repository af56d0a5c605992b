"""The rows of a part: the subset of Parquet that a release's parts use, without dependencies.

A part has four columns without nulls, neither compressed nor dictionary-encoded, so that the file
contains each value as is: row_id (16 bytes), ordinal (uint32), until (microseconds since 1970,
int64), sealed (bytes). Formats: Apache Parquet 2.6, Thrift's compact protocol. Anything else is
refused; compressed columns raise `CompressedError`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from licet.verifier.answer import ContradictionError

PARQUET_MAGIC, THRIFT_DEPTH_MAX = b"PAR1", 16
# The columns in order: name, Parquet type, and the bytes of a value, 0 if each has its own length.
PART_COLUMNS = (("row_id", 7, 16), ("ordinal", 1, 4), ("until", 2, 8), ("sealed", 6, 0))


class CompressedError(Exception):
    """A column is compressed, as in no part that Licet writes."""


class ThriftReader:
    """Reads consecutive values of Thrift's compact protocol, from ``offset``."""

    def __init__(self, data: bytes, offset: int) -> None:
        self.data, self.at = data, offset

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80 or shift > 63:
                return value
            shift += 7

    def integer(self) -> int:
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def structure(self, depth: int = 0) -> dict[int, Any]:
        """The fields of a structure, by their numbers."""
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self.integer()
            kind = head & 15
            fields[number] = kind == 1 if kind in (1, 2) else self._value(kind, depth + 1)
        return fields

    def _byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def _value(self, kind: int, depth: int) -> Any:  # noqa: ANN401 a value of any type
        if depth > THRIFT_DEPTH_MAX:
            raise ValueError("nested too deep")
        match kind:
            case 1 | 2 | 3:
                return self._byte()
            case 4 | 5 | 6:
                return self.integer()
            case 7:
                self.at += 8
                return self.data[self.at - 8 : self.at]
            case 8:
                size = self.varint()
                self.at += size
                return self.data[self.at - size : self.at]
            case 9 | 10:
                head = self._byte()
                size = self.varint() if head >> 4 == 15 else head >> 4
                if size > len(self.data):
                    raise ValueError("a list longer than the file")
                return [self._value(head & 15, depth + 1) for _ in range(size)]
            case 12:
                return self.structure(depth)
            case _:
                raise ValueError(f"unexpected Thrift type {kind}")


def rows_in_part(data: bytes, place: str) -> Iterator[tuple[int, bytes, int, bytes]]:
    """Each row of a part: its ordinal, row id, until, and sealed bytes."""
    try:
        if data[:4] != PARQUET_MAGIC or data[-4:] != PARQUET_MAGIC:
            raise ValueError("not a Parquet file")
        (size,) = struct.unpack("<I", data[-8:-4])
        footer = ThriftReader(data, len(data) - 8 - size).structure()
        groups = [_row_group(data, group) for group in footer[4]]
        if footer[3] != sum(map(len, groups)):
            raise ValueError("the row count differs")
    except (ArithmeticError, LookupError, TypeError, ValueError, struct.error):
        raise ContradictionError(place, "the part contains sealed rows") from None
    for group in groups:
        yield from group


def _row_group(data: bytes, group: dict[int, Any]) -> list[tuple[int, bytes, int, bytes]]:
    columns, rows = group[1], group[3]
    if len(columns) != len(PART_COLUMNS):
        raise ValueError("unexpected columns")
    chunks = [column[3] for column in columns]
    if any(chunk[4] for chunk in chunks):
        raise CompressedError
    values = []
    for chunk, (name, kind, width) in zip(chunks, PART_COLUMNS, strict=True):
        if (chunk[1], chunk[3], chunk[5], 11 in chunk) != (kind, [name.encode()], rows, False):
            raise ValueError("unexpected column")
        values.append(_column(data, chunk[9], rows, width))
    row_ids, ordinals, untils, sealed = values
    return [
        (
            int.from_bytes(ordinal, "little"),
            row_id,
            int.from_bytes(until, "little", signed=True),
            text,
        )
        for row_id, ordinal, until, text in zip(row_ids, ordinals, untils, sealed, strict=True)
    ]


def _column(data: bytes, offset: int, rows: int, width: int) -> list[bytes]:
    """The values of a column, page after page."""
    values: list[bytes] = []
    while len(values) < rows:
        page = ThriftReader(data, offset)
        header = page.structure()
        size, count = header[3], header[5][1]
        if (
            header[1]
            or header[2] != size
            or header[5][2]
            or size < 0
            or count < 1
            or page.at + size > len(data)
        ):
            raise ValueError("a page that is not plain")
        values += _plain(data[page.at : page.at + size], count, width)
        offset = page.at + size
    if len(values) != rows:
        raise ValueError("more values than rows")
    return values


def _plain(page: bytes, count: int, width: int) -> list[bytes]:
    if width:
        if len(page) != count * width:
            raise ValueError("the value count differs")
        return [page[at : at + width] for at in range(0, len(page), width)]
    values, at = [], 0
    for _ in range(count):
        (size,) = struct.unpack_from("<I", page, at)
        at += 4 + size
        values.append(page[at - size : at])
    if at != len(page):
        raise ValueError("the value count differs")
    return values
