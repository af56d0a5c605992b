"""Releases made in a folder, and leases given from memory, by verbs: `build`, `withdraw`, `kill`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from licet.policy.state import Kind, Role
from licet.release import card, manifest, merkle
from licet.release.manifest import Counts, Deidentification, Manifest, PolicyPin
from licet.release.part import EPOCH, Part, groups, write_parts
from licet.release.reader import Lease
from licet.release.rows import Message, Row
from licet.release.sealing import row_key, seal_row

RELEASE_ID = bytes(range(16))
UNTIL = datetime(2030, 9, 1, tzinfo=UTC)
START = datetime(2025, 10, 1, tzinfo=UTC)
PLANTED = "the heron that nests behind the third lock is called Oswin"


def keyed(*names: object) -> bytes:
    """A key, or other bytes of its length, that a name stands for."""
    return sha256(repr(names).encode()).digest()


def row_of(ordinal: int, text: str = "", *, until: datetime = UNTIL, sources: int = 1) -> Row:
    question = Message(role=Role.user, content=text or f"question {ordinal}")
    answer = Message(role=Role.assistant, content=f"answer {ordinal}")
    return Row(
        row_id=keyed("row", ordinal)[:16],
        ordinal=ordinal,
        until=until,
        messages=(question, answer),
        kind=Kind.chat,
        sources=sources,
    )


def source_keys(row: Row) -> list[bytes]:
    return [keyed("source", row.ordinal, source) for source in range(row.sources)]


def key_of(row: Row, release_id: bytes = RELEASE_ID) -> bytes:
    return row_key(source_keys(row), release_id, row.row_id)


def build(folder: Path, rows: Iterable[Row], *, rows_per_part: int = 4) -> Manifest:
    sealed = (seal_row(row, key_of(row), RELEASE_ID) for row in rows)
    folder.mkdir(exist_ok=True)
    return promise(folder, tuple(write_parts(folder, sealed, rows_per_part=rows_per_part)))


def promise(folder: Path, parts: tuple[Part, ...]) -> Manifest:
    """Write the manifest and card of the parts that lie in ``folder``."""
    tree = merkle.Tree()
    for part in parts:
        with (folder / part.file).open("rb") as file:
            for group in groups(file):
                for columns in zip(group.ordinals, group.row_ids, group.until_us, group.sealed, strict=True):
                    tree.append(merkle.leaf(*columns))
    made = manifest_of(parts, tree.root())
    card.write(folder, made)
    manifest.write(folder, made)
    return made


def manifest_of(parts: tuple[Part, ...], root: bytes) -> Manifest:
    rows = sum(part.rows for part in parts)
    return Manifest(
        release=RELEASE_ID.hex(),
        name="autumn",
        purpose="improve_models",
        built_at=START,
        policy=PolicyPin(name="article-2025", version="2025-08-28", sha256="a" * 64),
        journal=77,
        counts=Counts(candidates=2 * rows + 5, included=2 * rows, dropped={"withdrawn": 3, "deleted": 2}),
        rows=rows,
        parts=parts,
        root=root.hex(),
        deidentification=Deidentification(rules="structured-1", sha256="b" * 64, counts={"email": 4}),
        licet="0.1.0",
    )


def until_us(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


class Town:
    """Gives leases, in memory: a clock that is moved by hand, rows that are withdrawn, keys that die."""

    def __init__(self, rows: Sequence[Row], *, lease_seconds: float = 60) -> None:
        self.now = START
        self.lease_seconds = lease_seconds
        self.asked: list[tuple[int, list[int]]] = []
        self.closed: Exception | None = None
        self._rows = {row.ordinal: row for row in rows}
        self._sources = {row.ordinal: source_keys(row) for row in rows}
        self._withdrawn: set[int] = set()

    def clock(self) -> datetime:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def withdraw(self, ordinal: int) -> None:
        self._withdrawn.add(ordinal)

    def kill(self, ordinal: int) -> None:
        """Destroy the key of one of the row's sources."""
        self._sources[ordinal].pop()

    def lease(self, release_id: bytes, part: int, ordinals: Sequence[int]) -> Lease:
        if self.closed:
            raise self.closed
        self.asked.append((part, list(ordinals)))
        permitted = (self._rows[o] for o in ordinals if o not in self._withdrawn)
        keys = {
            row.ordinal: row_key(self._sources[row.ordinal], release_id, row.row_id)
            for row in permitted
            if len(self._sources[row.ordinal]) == row.sources
        }
        return Lease(keys=keys, expires=self.now + timedelta(seconds=self.lease_seconds))
