"""Documents as Arrow record batches, the input and output of kernels, with the same types under
every engine.

A document becomes one row of a release: the texts of one conversation, or of one side thread in it.
Each text has a voice, which says whose it is.

Types have 64-bit offsets throughout, because a turn may have 50 MB and some engines know no others.
Nothing is nullable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, TypeVar

import pyarrow as pa

from licet.release.curation import Document, Voice

BATCH_BYTES_MAX = 4 * 2**20  # of text; one document that has more is a batch of its own
BATCH_DOCUMENTS_MAX = 512

T = TypeVar("T")
SAID = frozenset({Voice.user, Voice.assistant, Voice.tool, Voice.call})
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
        [d.kind.value for d in documents],
        [d.key for d in documents],
        [[v.value for v in d.voices] for d in documents],
        [[_unicode(text) for text in d.texts] for d in documents],
        [d.known or (b"",) * len(d.texts) for d in documents],
    ]
    arrays = [pa.array(c, field.type) for c, field in zip(columns, DOCUMENTS, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=DOCUMENTS)


def _unicode(text: str) -> str:
    """``text`` with a question mark for each lone surrogate, which has no UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def column(batch: pa.RecordBatch, name: str) -> list[Any]:
    """The values of a column, through numpy: `to_pylist` creates an Arrow object for each."""
    array = batch.column(name)
    if not isinstance(array, pa.LargeListArray):
        return _values(array)
    ends: list[int] = array.offsets.to_numpy().tolist()
    values = _values(array.values)
    return [values[start:end] for start, end in pairwise(ends)]


def _values(array: Any) -> list[Any]:  # noqa: ANN401 of any type
    values: list[Any] = array.to_numpy(zero_copy_only=False).tolist()
    return values


def adding(
    batch: pa.RecordBatch, **columns: tuple[pa.DataType, Sequence[Any] | pa.Array[Any]]
) -> pa.RecordBatch:
    """``batch`` with these columns appended, or replaced by name."""
    names, arrays = list(batch.schema.names), list(batch.columns)
    for name, (kind, values) in columns.items():
        made = values if isinstance(values, pa.Array) else pa.array(values, kind)
        if name in names:
            arrays[names.index(name)] = made
        else:
            names.append(name)
            arrays.append(made)
    return pa.RecordBatch.from_arrays(arrays, names=names)


def whole(table: pa.Table) -> pa.RecordBatch:
    """The only batch of ``table``."""
    (batch,) = table.combine_chunks().to_batches() or [
        pa.RecordBatch.from_pylist([], schema=table.schema)
    ]
    return batch


def parted(items: Sequence[T], sizes: Iterable[int]) -> Iterator[Sequence[T]]:
    """``items`` cut into runs of these sizes."""
    start = 0
    for size in sizes:
        yield items[start : start + size]
        start += size
