"""Tiles: how a tree and its entries are stored in static files.

Promise: a published file never changes a byte. A tile of level L has up to 256 hashes of perfect
subtrees of 256**L leaves; an entry bundle has up to 256 entries, each after its length in two
bytes. A partial tile or bundle is published under its width (`.p/<width>`), beside which the full
one appears later.

Follows c2sp.org/tlog-tiles@v0.1.0 (height 8).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from licet.errors import BrokenError, UsageError
from licet.ledger.note import refusal_error
from licet.ledger.tree import EMPTY_ROOT, fold, leaf_hash, pairs, peaks

HEIGHT = 8
WIDTH = 1 << HEIGHT
ENTRY_BYTES_MAX = 0xFFFF
TILES_CACHED_MAX = 256

Read = Callable[[str], bytes | None]


def tile_path(level: int, index: int, width: int = WIDTH) -> str:
    return f"tile/{level}/{_place(index, width)}"


def entries_path(index: int, width: int = WIDTH) -> str:
    return f"tile/entries/{_place(index, width)}"


def encode_entries(entries: Sequence[bytes]) -> bytes:
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def decode_entries(data: bytes) -> list[bytes]:
    """Decodes the entries of a bundle; raises `RefusedError` if a length exceeds the remaining
    bytes.
    """
    entries, at = [], 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if at + 2 > len(data) or end > len(data):
            raise refusal_error("an entry bundle ends within an entry")
        entries.append(data[at + 2 : end])
        at = end
    return entries


def width_at(level: int, index: int, size: int) -> int:
    """Returns a tile's number of hashes in a tree of ``size`` leaves: 0 if it does not
    exist yet.
    """
    return max(0, min(WIDTH, (size >> (HEIGHT * level)) - index * WIDTH))


def read_entries(read: Read, start: int, stop: int, size: int) -> Iterator[bytes]:
    if not 0 <= start <= stop <= size:
        raise UsageError(f"entries `{start}` to `{stop}` are not in a log of `{size}`")
    for index in range(start // WIDTH, -(-stop // WIDTH)):
        first = index * WIDTH
        yield from read_bundle(read, index, size)[max(0, start - first) : stop - first]


def read_bundle(read: Read, index: int, size: int) -> list[bytes]:
    """Reads an entry bundle as of ``size``, from the full one if the partial one was removed."""
    width = width_at(0, index, size)
    data = _read_either(read, entries_path(index, width), entries_path(index))
    entries = decode_entries(data)
    if len(entries) < width:
        raise BrokenError(f"`{entries_path(index, width)}` has `{len(entries)}` entries")
    return entries[:width]


def read_tile(read: Read, level: int, index: int, width: int) -> list[bytes]:
    """Reads the first ``width`` hashes of a tile, from the full one if the partial one
    was removed.
    """
    path = tile_path(level, index, width)
    data = _read_either(read, path, tile_path(level, index))
    if len(data) < 32 * width or len(data) > 32 * WIDTH or len(data) % 32:
        raise BrokenError(f"`{path}` has `{len(data)}` bytes")
    return [data[at : at + 32] for at in range(0, 32 * width, 32)]


@dataclass(slots=True)
class TileReader:
    """Reads the hashes of a tree of ``size`` leaves from its tiles: a `tree.HashReader`.

    Trusts the files: callers check a proof against the checkpoint before passing it on.
    """

    read: Read
    size: int
    _rows: OrderedDict[tuple[int, int, int], list[list[bytes]]] = field(default_factory=OrderedDict)

    def with_size(self, size: int) -> TileReader:
        """Returns a reader for another size of the log, with the same cache."""
        return TileReader(self.read, size, self._rows)

    def node(self, level: int, index: int) -> bytes:
        floor, within = divmod(level, HEIGHT)
        row = index << within >> HEIGHT
        width = width_at(floor, row, self.size)
        offset = index - (row << HEIGHT >> within)
        rows = self._tile(floor, row, width) if width else []
        if within >= len(rows) or offset >= len(rows[within]):
            raise BrokenError(
                f"no hash of level `{level}` and index `{index}` in a tree of `{self.size}`"
            )
        return rows[within][offset]

    def _tile(self, level: int, index: int, width: int) -> list[list[bytes]]:
        key = (level, index, width)
        rows = self._rows.get(key)
        if rows is None:
            rows = _rows(read_tile(self.read, level, index, width))
            self._rows[key] = rows
            while len(self._rows) > TILES_CACHED_MAX:
                self._rows.popitem(last=False)
        return rows


@dataclass(slots=True)
class TileEdge:
    """The right edge of a growing log: the partial tile of each level, and the partial bundle."""

    size: int = 0
    bundle: list[bytes] = field(default_factory=list)
    levels: list[list[bytes]] = field(default_factory=lambda: [[]])

    @classmethod
    def load(cls, read: Read, size: int) -> TileEdge:
        """Reads the edge of a log as of ``size``; raises `BrokenError` if bundle and tile
        disagree.
        """
        edge = cls(size, [], [])
        level = 0
        while level == 0 or size >> (HEIGHT * level):
            count = size >> (HEIGHT * level)
            width = count % WIDTH
            edge.levels.append(read_tile(read, level, count // WIDTH, width) if width else [])
            level += 1
        if edge.levels[0]:
            edge.bundle = read_bundle(read, size // WIDTH, size)
        if [leaf_hash(entry) for entry in edge.bundle] != edge.levels[0]:
            raise BrokenError(
                f"`{entries_path(size // WIDTH, size % WIDTH)}` does not match its tile"
            )
        return edge

    def root(self) -> bytes:
        """Folds the perfect subtrees of every level, from the smallest on the right to the
        largest.
        """
        row: list[bytes] = []
        for hashes in reversed(self.levels):
            rows = _rows(hashes)
            row += [rows[level][index] for level, index in peaks(0, len(hashes))]
        return fold(row) if row else EMPTY_ROOT

    def extend(self, entries: Sequence[bytes]) -> dict[str, bytes]:
        """Appends entries; returns the files to write for them, path to bytes."""
        files: dict[str, bytes] = {}
        old = self.size
        for entry in entries:
            self.bundle.append(entry)
            if len(self.bundle) == WIDTH:
                files[entries_path(self.size // WIDTH)] = encode_entries(self.bundle)
                self.bundle = []
            self.size += 1
            self._push(0, leaf_hash(entry), files)
        for level, hashes in enumerate(self.levels):
            if hashes and self.size >> (HEIGHT * level) > old >> (HEIGHT * level):
                index = self.size >> (HEIGHT * (level + 1))
                files[tile_path(level, index, len(hashes))] = b"".join(hashes)
        if self.bundle and entries:
            files[entries_path(self.size // WIDTH, len(self.bundle))] = encode_entries(self.bundle)
        return files

    def _push(self, level: int, digest: bytes, files: dict[str, bytes]) -> None:
        if level == len(self.levels):
            self.levels.append([])
        hashes = self.levels[level]
        hashes.append(digest)
        if len(hashes) == WIDTH:
            index = (self.size >> (HEIGHT * (level + 1))) - 1
            files[tile_path(level, index)] = b"".join(hashes)
            self.levels[level] = []
            self._push(level + 1, _rows(hashes)[HEIGHT][0], files)


def _rows(hashes: list[bytes]) -> list[list[bytes]]:
    """A tile and, above it, each row of perfect subtrees that its hashes make."""
    rows = [hashes]
    while len(rows[-1]) > 1:
        rows.append(pairs(rows[-1]))
    return rows


def _place(index: int, width: int) -> str:
    """`x001/x234/067` for 1234067, and `.p/<width>` if it is not full."""
    if index < 0 or not 1 <= width <= WIDTH:
        raise UsageError(f"no tile has index `{index}` and width `{width}`")
    groups = [f"{index % 1000:03}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03}")
    return "/".join(reversed(groups)) + (f".p/{width}" if width < WIDTH else "")


def _read_either(read: Read, path: str, fallback: str) -> bytes:
    data = read(path)
    if data is None:
        data = read(fallback)
    if data is None:
        raise BrokenError(f"`{path}` is missing")
    return data
