"""A batch's texts as numpy arrays over Arrow's buffers, the input of the compiled loops.

Text ``i`` is ``data[ends[i]:ends[i + 1]]``, in UTF-8; document ``i`` has the texts
``documents[i]:documents[i + 1]``.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any, NamedTuple, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from licet.curate.batches import BINARY, numbers
from licet.release.curation import Voice

Ends = NDArray[np.int64]
_INITIALS = {voice: ord(voice.value[0]) for voice in Voice}  # unique, which a test holds


class BatchTexts(NamedTuple):
    """A column of lists of texts."""

    data: NDArray[np.uint8]
    ends: Ends
    documents: Ends

    def text(self, number: int) -> str:
        return self.data[self.ends[number] : self.ends[number + 1]].tobytes().decode()

    @property
    def size(self) -> int:
        """The bytes of all texts."""
        return int(self.ends[-1] - self.ends[0])


def batch_texts(batch: pa.RecordBatch, name: str = "texts") -> BatchTexts:
    """The texts of a column; the first text of the first document is number 0, also in a slice."""
    lists = cast("pa.LargeListArray[Any]", batch.column(name))
    documents = numbers(lists.offsets)
    values = lists.values
    _, offsets, data = values.buffers()
    first, last = int(documents[0]) + values.offset, int(documents[-1]) + values.offset
    ends = np.zeros(1, np.int64)
    if offsets is not None and first < last:
        ends = np.frombuffer(memoryview(offsets), np.int64)[first : last + 1]
    held = (
        np.frombuffer(memoryview(data), np.uint8)
        if data is not None and data.size
        else np.zeros(0, np.uint8)
    )
    return BatchTexts(held, ends, documents - documents[0])


def is_of_voices(batch: pa.RecordBatch, voices: Set[Voice]) -> NDArray[np.bool_]:
    """For each text, whether it is of one of these voices."""
    own = batch_texts(batch, "voices")
    allowed = np.zeros(256, np.bool_)
    allowed[[_INITIALS[voice] for voice in voices]] = True
    made: NDArray[np.bool_] = allowed[own.data[own.ends[:-1]]]
    return made


def binaries(rows: NDArray[np.uint8], chosen: Ends) -> pa.Array[Any]:
    """A column of ``rows`` by number, empty for a negative one."""
    there = chosen >= 0
    ends = np.zeros(len(chosen) + 1, np.int64)
    np.cumsum(there * rows.shape[1], out=ends[1:])
    return _binary(np.ascontiguousarray(rows[chosen[there]]), ends)


def _binary(data: NDArray[np.uint8], ends: Ends) -> pa.Array[Any]:
    return pa.LargeBinaryArray.from_buffers(
        BINARY, len(ends) - 1, [None, pa.py_buffer(ends.data), pa.py_buffer(data.data)]
    )
