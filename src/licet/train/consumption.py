"""The consumption record of a run: its rows and the state of the training gate before each step.

    licet-consumed-1 {"manifest_sha256":"..","release":".."}\
      then frames, each: length (4 bytes), CRC-32 (4), body
    body 0x01: length of a signed head (4), the head, roaring bitmap of the rows withdrawn since
      the previous head
    body 0x02: gate's number (4), first and last step (8, 8), a roaring bitmap: the rows that went into these steps

Numbers are big-endian; bitmaps are in the portable format of RoaringFormatSpec, over the ordinals
of the release. Each head is signed and contains the hash of the whole bitmap, so anybody with the
public key can rebuild the withdrawn rows of each state and compare them with the rows consumed
(`verifier.consumption_record`).

Invariants: a frame is written before its step, so a killed run may have recorded a row too many,
never one too few. A frame that a crash truncated ends the file, and is removed when the file is
opened again. A power failure can lose what was written since the last `sync`: call it before each
checkpoint. The file identifies no person.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

import msgspec
from pyroaring import BitMap

from licet.errors import BrokenError, UsageError
from licet.store.files import replacing, sync
from licet.train import bitmap
from licet.train.bitmap import BitmapHead, serialize
from licet.undecodable import UNDECODABLE

FILE = "consumed.licet"
FORMAT = b"licet-consumed-1 "
HEADER_BYTES_MAX = 4_096
FRAME_BYTES_MAX = bitmap.BITMAP_BYTES_MAX + bitmap.HEAD_BYTES_MAX
FILES_MAX = 4_096
_FRAME = struct.Struct(">II")
_HEAD = struct.Struct(">I")
_USED = struct.Struct(">IQQ")
_GATE_BODY, _USED_BODY = b"\x01", b"\x02"


class RunIdentity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The release that was consumed, by its id and the hash of its manifest, in hexadecimal."""

    manifest_sha256: str
    release: str


class GateProtocol(Protocol):
    """The part of `train.gate.TrainingGate` that a record needs."""

    release: str
    manifest_sha256: str

    @property
    def number(self) -> int: ...

    def signed_withdrawals(self) -> bytes: ...


class GateState(msgspec.Struct, frozen=True, kw_only=True):
    """A state of the gate: its signed head, and the rows withdrawn since the previous state."""

    signed: bytes
    added: BitMap


class Steps(msgspec.Struct, frozen=True, kw_only=True):
    """The rows that went into the steps from ``first`` to ``last``, under the gate's ``number``."""

    number: int
    first: int
    last: int
    ordinals: BitMap


class ConsumedLog:
    """The record of one process of a run; a loader or a trainer calls ``used`` before each step.

    An existing file is continued: it must be about the same release.
    """

    def __init__(self, path: Path, gate: GateProtocol) -> None:
        self._gate, self._number = gate, -1
        self._withdrawn = BitMap()
        identity = RunIdentity(manifest_sha256=gate.manifest_sha256, release=gate.release)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        if os.fstat(self._file).st_size == 0:
            self._write(FORMAT + msgspec.json.encode(identity, order="sorted") + b"\n")
        else:
            self._resume(path, identity)
        sync(path.parent)  # the creator of the file may have been killed before it synced the name

    def _resume(self, path: Path, identity: RunIdentity) -> None:
        record, end = parse(path.read_bytes())
        if record.identity != identity:
            raise BrokenError(f"`{path}` is the record of a run on another release")
        os.ftruncate(self._file, end)
        for frame in record.frames:
            if isinstance(frame, GateState):
                self._withdrawn |= frame.added

    def used(self, step: int, ordinals: Sequence[int]) -> None:
        """Records that ``ordinals`` go into ``step``, checked under the gate's current number."""
        if self._gate.number != self._number or self._number < 0:
            self.record_gate_state()
        if ordinals:
            self._write(encode_frame(encode_steps(self._number, step, step, BitMap(ordinals))))

    def record_gate_state(self) -> None:
        signed, whole = bitmap.split_file(self._gate.signed_withdrawals())
        ordinals = BitMap.deserialize(whole)
        self._write(encode_frame(encode_gate_state(signed, ordinals - self._withdrawn)))
        self._withdrawn, self._number = ordinals, self._gate.number

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]

    def sync(self) -> None:
        os.fsync(self._file)

    def close(self) -> None:
        """Records the gate's last state, and closes the file."""
        try:
            self.record_gate_state()
            self.sync()
        finally:
            os.close(self._file)


def encode_frame(body: bytes) -> bytes:
    return _FRAME.pack(len(body), zlib.crc32(body)) + body


def encode_gate_state(signed: bytes, added: BitMap) -> bytes:
    """``added`` are the rows withdrawn since the previous state."""
    return _GATE_BODY + _HEAD.pack(len(signed)) + signed + serialize(added)


def encode_steps(number: int, first: int, last: int, ordinals: BitMap) -> bytes:
    return _USED_BODY + _USED.pack(number, first, last) + ordinals.serialize()


# Reading


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed, unverified file."""

    identity: RunIdentity
    frames: tuple[GateState | Steps, ...]

    @property
    def ordinals(self) -> BitMap:
        return BitMap.union(
            BitMap(), *(frame.ordinals for frame in self.frames if isinstance(frame, Steps))
        )


def read_record(path: Path) -> Record:
    """Reads a record; BrokenError if it is none, or truncated."""
    data = path.read_bytes()
    record, end = parse(data)
    if end != len(data):
        raise BrokenError(
            f"`{path}` is truncated", "open it as the run did, which repairs it, and close it"
        )
    return record


def parse(data: bytes) -> tuple[Record, int]:
    """Parses a record; also returns the position up to which its frames are complete."""
    end = data.find(b"\n", 0, HEADER_BYTES_MAX)
    if not data.startswith(FORMAT) or end < 0:
        raise BrokenError("the file is not the consumption record of a run")
    try:
        identity = msgspec.json.decode(data[len(FORMAT) : end], type=RunIdentity)
    except UNDECODABLE:
        raise BrokenError("the file does not state which release was consumed") from None
    frames, position = [], end + 1
    for body, after in _iter_frames(data, position):
        frames.append(_decode_frame(body))
        position = after
    return Record(identity=identity, frames=tuple(frames)), position


def _iter_frames(data: bytes, position: int) -> Iterator[tuple[bytes, int]]:
    """The bodies of the complete frames, each with its end position."""
    while position + _FRAME.size <= len(data):
        length, crc = _FRAME.unpack_from(data, position)
        body = data[position + _FRAME.size : position + _FRAME.size + length]
        if length > FRAME_BYTES_MAX or len(body) < length or zlib.crc32(body) != crc:
            return
        position += _FRAME.size + length
        yield body, position


def _decode_frame(body: bytes) -> GateState | Steps:
    try:
        if body[:1] == _GATE_BODY:
            (length,) = _HEAD.unpack_from(body, 1)
            start = 1 + _HEAD.size
            return GateState(
                signed=body[start : start + length],
                added=BitMap.deserialize(body[start + length :]),
            )
        if body[:1] == _USED_BODY:
            number, first, last = _USED.unpack_from(body, 1)
            ordinals = BitMap.deserialize(body[1 + _USED.size :])
            return Steps(number=number, first=first, last=last, ordinals=ordinals)
    except (struct.error, ValueError):
        pass
    raise BrokenError("a frame of the consumption record cannot be read")


# Merging


def merge(parts: Sequence[Path], target: Path) -> Record:
    """Merges the records of several processes of a run, or compacts one, to one frame per gate
    number; atomic. BrokenError if the parts are about different releases.
    """
    if not 1 <= len(parts) <= FILES_MAX:
        raise UsageError(f"1 to {FILES_MAX} records can be merged, not `{len(parts)}`")
    read_parts = [read_record(path) for path in parts]
    if len({part.identity for part in read_parts}) != 1:
        raise BrokenError("the records are not about the same release")
    states: dict[int, tuple[datetime, bytes, BitMap]] = {}
    last: tuple[tuple[int, datetime], bytes, BitMap] | None = None
    steps: dict[int, Steps] = {}
    for part in read_parts:
        withdrawn = BitMap()
        for frame in part.frames:
            if isinstance(frame, Steps):
                steps[frame.number] = _merge_steps(steps.get(frame.number), frame)
                continue
            withdrawn = withdrawn | frame.added
            head = parse_unverified_head(frame.signed)
            if head.number not in states or head.issued < states[head.number][0]:
                states[head.number] = (head.issued, frame.signed, withdrawn)
            if last is None or (head.number, head.issued) > last[0]:
                last = ((head.number, head.issued), frame.signed, withdrawn)
    data = FORMAT + msgspec.json.encode(read_parts[0].identity, order="sorted") + b"\n"
    before = BitMap()
    for number in sorted(states):
        _, signed, withdrawn = states[number]
        data += encode_frame(encode_gate_state(signed, withdrawn - before))
        before = withdrawn
        if number in steps:
            merged = steps.pop(number)
            merged.ordinals.run_optimize()
            data += encode_frame(encode_steps(number, merged.first, merged.last, merged.ordinals))
    if steps:
        raise BrokenError(
            f"rows were consumed under the gate's number `{min(steps)}`, whose state is missing"
        )
    if last is not None and last[1] != states[max(states)][1]:
        data += encode_frame(encode_gate_state(last[1], last[2] - before))
    with replacing(target) as file:
        file.write(data)
    return read_record(target)


def _merge_steps(earlier: Steps | None, later: Steps) -> Steps:
    if earlier is None:
        return msgspec.structs.replace(later, ordinals=BitMap(later.ordinals))
    return Steps(
        number=earlier.number,
        first=min(earlier.first, later.first),
        last=max(earlier.last, later.last),
        ordinals=earlier.ordinals | later.ordinals,
    )


def parse_unverified_head(signed: bytes) -> BitmapHead:
    """Parses the head of a signed note without verifying its signature."""
    try:
        return msgspec.json.decode(signed.partition(b"\n")[0], type=BitmapHead)
    except UNDECODABLE:
        raise BrokenError("a head in the consumption record cannot be read") from None
