"""Documents as Arrow record batches, the input and output of kernels under every engine.

A document becomes one row of a release: the texts of one conversation, or of one side thread in it.
Each text has a voice, which says whose it is.

Types have 64-bit offsets throughout, because a turn may have 50 MB and some engines support no
others. Nothing is nullable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise
from typing import Any, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from licet.release.curation import Document, Voice

BATCH_BYTES_MAX = 4 * 2**20  # of text; one document that has more is a batch of its own
BATCH_DOCUMENTS_MAX = 512

T = TypeVar("T")
SPOKEN = frozenset({Voice.user, Voice.assistant, Voice.tool, Voice.call})
PROSE = frozenset({Voice.user, Voice.assistant})
STRING, BINARY = pa.large_string(), pa.large_binary()
STRINGS = pa.large_list(STRING)
BINARIES = pa.large_list(BINARY)
NUMBERS = pa.large_list(pa.uint32())
_FIELDS: list[tuple[str, pa.DataType]] = [
    ("number", pa.uint64()),
    ("account", BINARY),
    ("name", BINARY),
    ("kind", STRING),
    ("key", BINARY),
    ("voices", STRINGS),
    ("texts", STRINGS),
    ("known", BINARIES),
]
Values: TypeAlias = "Sequence[Any] | NDArray[Any] | pa.Array[Any]"
DOCUMENTS: pa.Schema = pa.schema(_FIELDS)


def batches(documents: Iterable[Document]) -> Iterator[pa.RecordBatch]:
    """``documents`` in batches of bounded size, numbered."""
    held: list[Document] = []
    first = size = 0
    for document in documents:
        own = sum(map(len, document.texts))
        if held and (len(held) == BATCH_DOCUMENTS_MAX or size + own > BATCH_BYTES_MAX):
            yield _batch(held, first)
            first, held, size = first + len(held), [], 0
        held.append(document)
        size += own
    if held:
        yield _batch(held, first)


def _batch(documents: Sequence[Document], first: int) -> pa.RecordBatch:
    columns: list[list[Any]] = [
        list(range(first, first + len(documents))),
        [d.account for d in documents],
        [d.name for d in documents],
        [d.kind for d in documents],
        [d.key for d in documents],
        [d.voices for d in documents],
        [d.texts for d in documents],
        [d.known or (b"",) * len(d.texts) for d in documents],
    ]
    arrays = [arrow_column(field.type, c) for c, field in zip(columns, DOCUMENTS, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=DOCUMENTS)


def arrow_column(kind: pa.DataType, values: Values) -> pa.Array[Any]:
    """A column of ``values``, from buffers: ``pa.array`` loads pandas, if installed. Lone
    surrogates become question marks.
    """
    if isinstance(values, pa.Array):
        return values
    if isinstance(kind, pa.LargeListType):
        return list_column(
            arrow_column(kind.value_type, list(chain.from_iterable(values))), _ends(values)
        )
    buffers: list[Any]
    if kind == STRING:
        joined = "".join(values)
        if not joined.isascii():
            values = [text.encode("utf-8", "replace") for text in values]
        buffers = [_ends(values), joined.encode() if joined.isascii() else b"".join(values)]
    elif kind == BINARY:
        buffers = [_ends(values), b"".join(values)]
    elif kind == pa.bool_():
        buffers = [np.packbits(np.array(values, np.bool_), bitorder="little")]
    else:
        buffers = [np.array(values, _NUMPY[kind])]
    made: pa.Array[Any] = pa.Array.from_buffers(
        kind, len(values), [None, *map(pa.py_buffer, buffers)]
    )
    return made


def list_column(values: pa.Array[Any], ends: NDArray[np.int64]) -> pa.Array[Any]:
    """``values`` in lists with these ends; the first begins at ``ends[0]``."""
    kind = pa.large_list(values.type)
    made: pa.Array[Any] = pa.Array.from_buffers(
        kind, len(ends) - 1, [None, pa.py_buffer(ends)], children=[values]
    )
    return made


_NUMPY: dict[pa.DataType, Any] = {
    pa.int64(): np.int64,
    pa.uint64(): np.uint64,
    pa.uint32(): np.uint32,
    pa.float64(): np.float64,
}


def _ends(values: Sequence[Any] | NDArray[Any]) -> NDArray[np.int64]:
    return np.cumsum([0, *map(len, values)], dtype=np.int64)


def column(batch: pa.RecordBatch, name: str) -> list[Any]:
    """The values of a column, from its buffers: `to_pylist` creates an Arrow object for each."""
    array = batch.column(name)
    if not isinstance(array, pa.LargeListArray):
        return _values(array)
    ends: list[int] = numbers(array.offsets).tolist()
    values = _values(array.values)
    return [values[start:end] for start, end in pairwise(ends)]


def numbers(array: pa.Array[Any]) -> NDArray[Any]:
    """A column of numbers, without a copy; `to_numpy` loads pandas, if installed."""
    held = memoryview(array.buffers()[1] or b"")
    if array.type == pa.bool_():
        return np.unpackbits(np.frombuffer(held, np.uint8), bitorder="little").astype(np.bool_)[
            array.offset : array.offset + len(array)
        ]
    return np.frombuffer(held, _NUMPY[array.type])[array.offset : array.offset + len(array)]


def _values(array: pa.Array[Any]) -> list[Any]:
    if array.type not in (STRING, BINARY):
        values: list[Any] = numbers(array).tolist()
        return values
    _, offsets, data = array.buffers()
    held, first = memoryview(data or b""), array.offset
    ends = np.frombuffer(memoryview(offsets or bytes(8)), np.int64)[first : first + len(array) + 1]
    whole, places = bytes(held[ends[0] : ends[-1]]), (ends - ends[0]).tolist()
    if array.type == STRING and whole.isascii():
        text = whole.decode()
        return [text[start:end] for start, end in pairwise(places)]
    parts = [whole[start:end] for start, end in pairwise(places)]
    return list(map(bytes.decode, parts)) if array.type == STRING else parts


def append_columns(batch: pa.RecordBatch, **columns: tuple[pa.DataType, Values]) -> pa.RecordBatch:
    """``batch`` with these columns appended, or replaced by name."""
    names, arrays = list(batch.schema.names), list(batch.columns)
    for name, (kind, values) in columns.items():
        made = arrow_column(kind, values)
        if name in names:
            arrays[names.index(name)] = made
        else:
            names.append(name)
            arrays.append(made)
    return pa.RecordBatch.from_arrays(arrays, names=names)


def single_batch(table: pa.Table) -> pa.RecordBatch:
    """The only batch of ``table``."""
    (batch,) = table.combine_chunks().to_batches() or [
        pa.RecordBatch.from_pylist([], schema=table.schema)
    ]
    return batch


def split_by_sizes(items: Sequence[T], sizes: Iterable[int]) -> Iterator[Sequence[T]]:
    """``items`` cut into runs of these sizes."""
    start = 0
    for size in sizes:
        yield items[start : start + size]
        start += size
