"""Alterations of what lies outside the database, as somebody draws them who can write everywhere
and has no key.

An alteration changes a folder of files: a restriction journal, a log, a backup or a release. Those
of the journal know its form, and write checksums that fit: only the key is missing to them. What a
bucket has is laid out in a folder, altered there, and put into the bucket (`put_back`).
"""

from __future__ import annotations

import json
import random
import shutil
import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

from licet.keys.journal_frames import MAGIC, JournalFrame, readable_frames
from licet.store.bucket import Bucket

_FRAME = struct.Struct(">IIIQ32s")
Alteration = Callable[[random.Random, Path], str]


def packed(frame: JournalFrame) -> bytes:
    """A frame with checksums that fit, whatever it says."""
    length, rest = (
        len(frame.payload).to_bytes(4, "big"),
        frame.number.to_bytes(8, "big") + frame.chain + frame.payload,
    )
    return (
        _FRAME.pack(
            len(frame.payload), zlib.crc32(length), zlib.crc32(rest), frame.number, frame.chain
        )
        + frame.payload
    )


class JournalParts:
    """The parts of a journal in a folder, taken apart into headers and frames."""

    def __init__(self, folder: Path) -> None:
        self.files = sorted(path for path in folder.iterdir() if path.stem.isdecimal())
        self.heads = [self._head(path.read_bytes()) for path in self.files]
        self.frames = [list(readable_frames(path.read_bytes())) for path in self.files]

    def _head(self, content: bytes) -> bytes:
        first = next(iter(readable_frames(content)), None)
        return content if first is None else content[: content.index(packed(first))]

    def all(self) -> list[tuple[int, int]]:
        """Where each frame is: the place of its file, and its own in that."""
        return [
            (part, place) for part, frames in enumerate(self.frames) for place in range(len(frames))
        ]

    def write(self) -> None:
        for path, head, frames in zip(self.files, self.heads, self.frames, strict=True):
            path.write_bytes(head + b"".join(map(packed, frames)))


Record = dict[str, object]


def _become(record: Record, told: Record) -> None:
    record.clear()
    record.update(told)


POLICY: Record = {
    "kind": "policy",
    "life": 0,
    "seq": 1,
    "at": "2025-09-02T00:00:00Z",
    "document": "{}",
    "by": "x",
}
LIES: list[Callable[[random.Random, Record, list[Record]], None]] = [
    lambda draw, record, others: record.update(
        kind=draw.choice(["backup", "unheld", "unflagged", "life", "plan", "age"])
    ),
    lambda draw, record, others: record.update(account=draw.choice(others).get("account")),
    lambda draw, record, others: record.update(
        conversation=draw.choice(others).get("conversation")
    ),
    lambda draw, record, others: record.update(at=draw.choice(others)["at"]),
    lambda draw, record, others: record.update(life=draw.choice([0, 1, 7, 2**31])),
    lambda draw, record, others: record.update(seq=draw.randrange(99)),
    lambda draw, record, others: record.update(kept=["project:" + "0" * 32], question="training"),
    lambda draw, record, others: record.update(plan="pro", age=40, region="DE"),
    lambda draw, record, others: record.update(draw.choice(others)),
    lambda draw, record, others: _become(
        record, {"kind": "life", "life": 99, "at": "2025-09-03T00:00:00Z"}
    ),
    lambda draw, record, others: _become(record, POLICY),
]


def _lie(draw: random.Random, folder: Path) -> str:
    parts = JournalParts(folder)
    part, place = draw.choice(parts.all())
    frame = parts.frames[part][place]
    record, others = (
        json.loads(frame.payload),
        [json.loads(f.payload) for frames in parts.frames for f in frames],
    )
    draw.choice(LIES)(draw, record, others)
    parts.frames[part][place] = frame._replace(
        payload=json.dumps(record, sort_keys=True, separators=(",", ":")).encode()
    )
    parts.write()
    return f"record {frame.number} says {record.get('kind')}"


def _forge(draw: random.Random, folder: Path) -> str:
    """A record nobody wrote, with the number that comes next or any other, at any place."""
    parts = JournalParts(folder)
    part, place = draw.choice(parts.all())
    base = parts.frames[part][place]
    number = draw.choice([base.number, base.number + 1, len(parts.all()) + 1, 2**40, 1])
    record = json.loads(base.payload)
    draw.choice(LIES)(draw, record, [record])
    forged = JournalFrame(
        number,
        draw.choice([base.chain, draw.randbytes(32)]),
        json.dumps(record, sort_keys=True).encode(),
    )
    parts.frames[part].insert(draw.randrange(len(parts.frames[part]) + 1), forged)
    parts.write()
    return f"a forged record {number}"


def _drop(draw: random.Random, folder: Path) -> str:
    parts = JournalParts(folder)
    part, place = draw.choice(parts.all())
    gone = parts.frames[part][place : place + draw.choice([1, 1, 2, 5])]
    del parts.frames[part][place : place + len(gone)]
    if draw.random() < 0.5:  # and what follows is numbered anew
        for later, frames in enumerate(parts.frames):
            parts.frames[later] = [
                f._replace(number=f.number - len(gone)) if f.number > gone[0].number else f
                for f in frames
            ]
    parts.write()
    return f"record {gone[0].number} and {len(gone) - 1} more are gone"


def _swap(draw: random.Random, folder: Path) -> str:
    parts = JournalParts(folder)
    (p, a), (q, b) = draw.choice(parts.all()), draw.choice(parts.all())
    one, other = parts.frames[p][a], parts.frames[q][b]
    if draw.random() < 0.5:  # the records alone, under each other's numbers
        one, other = one._replace(payload=other.payload), other._replace(payload=one.payload)
        parts.frames[p][a], parts.frames[q][b] = one, other
    else:
        parts.frames[p][a], parts.frames[q][b] = other, one
    parts.write()
    return f"records {one.number} and {other.number} are exchanged"


def _repeat(draw: random.Random, folder: Path) -> str:
    parts = JournalParts(folder)
    part, place = draw.choice(parts.all())
    frame = parts.frames[part][place]
    parts.frames[draw.randrange(len(parts.frames))].append(frame)
    parts.write()
    return f"record {frame.number} is there twice"


def _roll_back(draw: random.Random, folder: Path) -> str:
    """The journal as it was some time ago."""
    parts = JournalParts(folder)
    last = draw.choice(parts.all())
    kept = parts.frames[last[0]][last[1]].number
    for part, frames in enumerate(parts.frames):
        parts.frames[part] = [frame for frame in frames if frame.number <= kept]
    parts.write()
    for path, frames in zip(parts.files[1:], parts.frames[1:], strict=True):
        if not frames:
            path.unlink()
    return f"it ends at record {kept}"


def _other_header(draw: random.Random, folder: Path) -> str:
    path = draw.choice([path for path in sorted(folder.iterdir()) if path.stem.isdecimal()])
    content = bytearray(path.read_bytes())
    content[len(MAGIC) : len(MAGIC) + 16] = draw.randbytes(16)
    path.write_bytes(content)
    return f"{path.name} belongs to another journal"


def _rename(draw: random.Random, folder: Path) -> str:
    path = draw.choice([path for path in sorted(folder.iterdir()) if path.stem.isdecimal()])
    number = draw.choice([1, 2, 3, 99, 10**6])
    target = folder / f"{number:0{len(path.stem)}}{path.suffix}"
    path.rename(target)
    return f"{path.name} is called {target.name}"


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "lock")


def _flip(draw: random.Random, folder: Path) -> str:
    path = draw.choice([one for one in _files(folder) if one.stat().st_size])
    content = bytearray(path.read_bytes())
    place = draw.randrange(len(content))
    content[place] ^= 1 << draw.randrange(8)
    path.write_bytes(content)
    return f"bit of byte {place} of {path.name}"


def _cut(draw: random.Random, folder: Path) -> str:
    path = draw.choice([one for one in _files(folder) if one.stat().st_size])
    size = draw.randrange(path.stat().st_size)
    path.write_bytes(path.read_bytes()[:size])
    return f"{path.name} ends at byte {size}"


def _append(draw: random.Random, folder: Path) -> str:
    path = draw.choice(_files(folder))
    with path.open("ab") as file:
        file.write(draw.randbytes(draw.randrange(1, 200)))
    return f"{path.name} goes on"


def _remove(draw: random.Random, folder: Path) -> str:
    path = draw.choice(_files(folder))
    path.unlink()
    return f"{path.name} is gone"


def _exchange(draw: random.Random, folder: Path) -> str:
    one, other = draw.choice(_files(folder)), draw.choice(_files(folder))
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    return f"{one.name} and {other.name} are exchanged"


def _random(draw: random.Random, folder: Path) -> str:
    path = draw.choice(_files(folder))
    path.write_bytes(draw.randbytes(draw.choice([0, 30, 300])))
    return f"{path.name} is replaced"


def _empty(draw: random.Random, folder: Path) -> str:
    shutil.rmtree(folder)
    folder.mkdir()
    return "all of it is gone"


BYTES: Mapping[str, Alteration] = {
    "flip": _flip, "cut": _cut, "append": _append, "remove": _remove, "exchange": _exchange, "replace": _random
}  # fmt: skip
OF_A_JOURNAL: Mapping[str, Alteration] = {
    **BYTES,
    "lie": _lie,
    "forge": _forge,
    "drop": _drop,
    "swap": _swap,
    "repeat": _repeat,
    "roll back": _roll_back,
    "header": _other_header,
    "rename": _rename,
    "empty": _empty,
}


def split_segment(path: Path, frames: int) -> None:
    """Cuts a segment of a journal into segments of so many records."""
    parts = JournalParts(path.parent)
    (head,), (found,) = parts.heads, parts.frames
    for number, start in enumerate(range(0, len(found), frames), 1):
        content = head + b"".join(map(packed, found[start : start + frames]))
        (path.parent / f"{number:08}.log").write_bytes(content)


def put_back(folder: Path, bucket: Bucket, prefix: str) -> None:
    """Files as the objects below ``prefix``, and no others."""
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    for name in bucket.names(prefix):
        if name not in files:
            bucket.delete(prefix + name)
    for name, content in files.items():
        found = bucket.read(prefix + name)
        if found is None:
            bucket.create(prefix + name, content)
        elif found.content != content:
            bucket.replace(prefix + name, content, found.tag)
