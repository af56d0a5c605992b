"""The consumption record of a run: the rows it used, each under a gate state that had not withdrawn
it.

    licet-consumed-1 {"manifest_sha256":"..","release":".."}\
      then frames, each: length (4 bytes), CRC-32 (4), body
    body 0x01: length of a signed head (4), the head, roaring bitmap of the rows withdrawn since
      the previous head
    body 0x02: gate's number (4), first and last step (8, 8), a roaring bitmap: the rows that went into these steps

Numbers are big-endian. Each head is signed by the gate and holds the hash of all rows withdrawn by
then.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

from licet.verifier.answer import ContradictionError, UnreadableError, VerifierReport
from licet.verifier.forms import check_shape, read_json, read_time
from licet.verifier.keys import Trust, VerifierKey
from licet.verifier.note import open_note
from licet.verifier.row_sets import read_roaring, roaring_forms, set_overlap, set_size, set_union

RECORD, RECORD_BEGINS, FRAME_BYTES_LIMIT = "consumed.licet", b"licet-consumed-1 ", 257 * 2**20
RELEASE_FIELDS = {"manifest_sha256": "hash", "release": "id"}
GATE_HEAD = {
    "format": frozenset({"licet-withdrawn-1"}), "release": "id", "manifest_sha256": "hash", "number": "int",
    "issued": "time", "until": "time", "rows": "int", "sha256": "hash",
}  # fmt: skip


def find_signer_key(
    keys: Sequence[VerifierKey], name: str, report: VerifierReport, place: str, hint: str
) -> VerifierKey | None:
    """The key with the signer's name; reports a lack if none was given."""
    signer = next((key for key in keys if key.name == name), None)
    if signer is None:
        report.add_lack(place, f"its signature by `{name}` was not checked", f"{hint}: --key VKEY")
    return signer


class ConsumedRows:
    """A parsed record: its release (`of`), consumed and withdrawn rows, first and last head."""

    def __init__(self, keys: Sequence[VerifierKey], report: VerifierReport) -> None:
        self.keys, self.report, self.release = keys, report, dict[str, Any]()
        self.consumed, self.withdrawn = dict[int, int](), dict[int, int]()
        self.first: dict[str, Any] | None = None
        self.head: dict[str, Any] | None = None

    def read(self, data: bytes) -> None:
        line, _, frames = data.partition(b"\n")
        if not line.startswith(RECORD_BEGINS):
            raise UnreadableError(RECORD, "it is a consumption record")
        self.release = read_json(line.removeprefix(RECORD_BEGINS), RECORD, UnreadableError)
        check_shape(self.release, RELEASE_FIELDS, RECORD, "a record", UnreadableError)
        for body in _split_frames(frames):
            try:
                self._take_frame(body)
            except (struct.error, ValueError):
                raise UnreadableError(
                    RECORD, "each of its frames is a gate state or steps"
                ) from None

    def _take_frame(self, body: bytes) -> None:
        if body[:1] == b"\x01":
            (length,) = struct.unpack_from(">I", body, 1)
            self._take_state(body[5 : 5 + length], read_roaring(body[5 + length :]))
        elif body[:1] == b"\x02":
            number, first, last = struct.unpack_from(">IQQ", body, 1)
            self._take_steps(number, f"steps {first} to {last}", read_roaring(body[21:]))
        else:
            raise ValueError("unknown kind of frame")

    def _take_state(self, signed: bytes, added: dict[int, int]) -> None:
        """Checks that a gate state follows the previous one and that its hash is that of the
        withdrawn rows.
        """
        line = signed.rpartition(b"\n\n")[2].decode()
        key = find_signer_key(
            self.keys,
            line.partition(" ")[2].partition(" ")[0],
            self.report,
            RECORD,
            "`licet train gate-key` prints it",
        )
        text = (
            open_note(signed, RECORD, Trust(key, key.name))[0]
            if key
            else signed.rpartition(b"\n\n")[0].decode() + "\n"
        )
        head = read_json(text.encode()[:-1], RECORD)
        check_shape(head, GATE_HEAD, RECORD, "a gate state")
        self.withdrawn = set_union(self.withdrawn, added)
        place = f"{RECORD}, the gate's number {head['number']}"
        if {name: head[name] for name in RELEASE_FIELDS} != self.release:
            raise ContradictionError(place, "it is for the release of the record")
        if read_time(head["until"], place, "until") <= read_time(head["issued"], place, "issued"):
            raise ContradictionError(place, "it ends after it begins")
        if self.head is not None and head["number"] < self.head["number"]:
            raise ContradictionError(place, "the gate's number never decreases")
        hashes = (hashlib.sha256(form).hexdigest() for form in roaring_forms(self.withdrawn))
        if head["rows"] != set_size(self.withdrawn) or head["sha256"] not in hashes:
            raise ContradictionError(place, "its withdrawn rows are those of its signed head")
        self.first, self.head = self.first or head, head

    def _take_steps(self, number: int, steps: str, ordinals: dict[int, int]) -> None:
        if self.head is None or number != self.head["number"]:
            raise ContradictionError(RECORD, f"{steps} name the gate state before them")
        if (row := set_overlap(ordinals, self.withdrawn)) is not None:
            raise ContradictionError(
                RECORD, f"row {row}, consumed in {steps}, was not withdrawn before"
            )
        self.consumed = set_union(self.consumed, ordinals)


def _split_frames(data: bytes) -> Iterator[bytes]:
    """Yields the body of each frame; all must be complete."""
    offset = 0
    while offset < len(data):
        if offset + 8 > len(data):
            raise UnreadableError(RECORD, "it is not truncated")
        length, crc = struct.unpack_from(">II", data, offset)
        body = data[offset + 8 : offset + 8 + length]
        if length > FRAME_BYTES_LIMIT or len(body) < length or zlib.crc32(body) != crc:
            raise UnreadableError(RECORD, "each of its frames is complete")
        offset += 8 + length
        yield body
