"""Arrays that may exceed memory: appended to unnamed files, and processed range by range.

Up to `IN_MEMORY_MAX` numbers are in memory; beyond, in an unnamed file, which leaves nothing
behind. `ranges` sorts more than fits into memory by dividing keys, which are hashes, by their first
bits. Keys must be made with a secret that exists in memory only.
"""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

IN_MEMORY_MAX = 1 << 20
_BUFFERED = 1 << 15
_CODES = {"u8": "Q", "i8": "q", "u2": "H"}
_RECORD = np.dtype([("key", "<u8"), ("place", "<i8")])

Numbers = NDArray[Any]


class SpilledArray:
    """Numbers of one type (`u8`, `i8` or `u2`), appended one by one."""

    def __init__(self, kind: str, folder: Path | None = None) -> None:
        self._kind, self._folder = kind, folder
        self._tail = array(_CODES[kind])
        self._written = 0
        self._file: IO[bytes] | None = None

    def __len__(self) -> int:
        return self._written + len(self._tail)

    def append(self, number: int) -> None:
        self._tail.append(number)
        if len(self._tail) >= (_BUFFERED if self._file is not None else IN_MEMORY_MAX):
            self._flush()

    def extend(self, numbers: Iterable[int]) -> None:
        self._tail.extend(numbers)
        if len(self._tail) >= (_BUFFERED if self._file is not None else IN_MEMORY_MAX):
            self._flush()

    def view(self) -> Numbers:
        """All numbers so far; do not change it, nor append while it is in use."""
        if self._file is None:
            return np.frombuffer(self._tail, self._kind) if self._tail else np.zeros(0, self._kind)
        self._flush()
        return np.memmap(self._file, self._kind, "r", shape=(self._written,))

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _flush(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 closed by `close`
        self._tail.tofile(self._file)
        self._file.flush()
        self._written += len(self._tail)
        self._tail = array(_CODES[self._kind])


def zeros(count: int, kind: DTypeLike, folder: Path | None = None) -> Numbers:
    """A work array of zeros."""
    if count <= IN_MEMORY_MAX:
        return np.zeros(count, kind)
    with tempfile.TemporaryFile(dir=folder) as file:
        file.truncate(count * np.dtype(kind).itemsize)
        return np.memmap(file, kind, "r+", shape=(count,))  # it lasts as long as the array


def numbers_below(count: int, kind: DTypeLike, folder: Path | None = None) -> Numbers:
    """A work array of the numbers from 0."""
    made = zeros(count, kind, folder)
    for at in slices(count):
        made[at] = np.arange(at.start, at.stop)
    return made


def slices(count: int) -> Iterator[slice]:
    """Consecutive ranges of ``count`` places, each small enough for memory."""
    return (
        slice(start, min(start + IN_MEMORY_MAX, count)) for start in range(0, count, IN_MEMORY_MAX)
    )


def ranges(keys: Numbers, folder: Path | None = None) -> Iterator[tuple[Numbers, Numbers]]:
    """The 64-bit ``keys`` in ascending ranges, each with their places in ascending order.

    Equal keys share a range. A range has about `IN_MEMORY_MAX` keys, more for a very frequent one.
    """
    count = len(keys)
    if count <= IN_MEMORY_MAX:
        yield np.asarray(keys), np.arange(count)
        return
    bits = np.uint64(64 - (2 * count // IN_MEMORY_MAX).bit_length())
    sizes = np.zeros(1 << (64 - int(bits)), np.int64)
    for at in slices(count):
        sizes += np.bincount((keys[at] >> bits).astype(np.int64), minlength=len(sizes))
    ends = np.cumsum(sizes)
    cursors, divided = ends - sizes, zeros(count, _RECORD, folder)
    for at in slices(count):
        heads = (keys[at] >> bits).astype(np.int64)
        order = np.argsort(heads, kind="stable")
        firsts = np.searchsorted(heads[order], np.arange(len(sizes)))
        lasts = np.append(firsts[1:], len(order))
        for number in np.flatnonzero(lasts > firsts).tolist():
            mine = order[firsts[number] : lasts[number]]
            into = divided[cursors[number] : cursors[number] + len(mine)]
            into["key"], into["place"] = keys[at][mine], mine + at.start
            cursors[number] += len(mine)
    for start, end in zip((ends - sizes).tolist(), ends.tolist(), strict=True):
        if end > start:
            yield divided["key"][start:end], divided["place"][start:end]
