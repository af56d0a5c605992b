"""The withdrawn rows of a release, as a signed file: a head that states how long it is valid, and a
roaring bitmap.

    licet-withdrawn-1 LENGTH\n        LENGTH bytes of the head follow, then the bitmap to the end
    {"format":"licet-withdrawn-1", ...}\n
    \n
    — NAME SIGNATURE\n

The head is a signed note (c2sp.org/signed-note, Ed25519) whose text is one line of JSON with sorted
keys; the bitmap is in the portable format of RoaringFormatSpec, over the ordinals of the rows. Head
and bitmap are in one file, so that one rename replaces both.

Invariants: nothing of a bitmap is read before the head's signature and the bitmap's hash are
verified; a head is about one release, by its id and the hash of its manifest. It contains no id of
a person: ordinals number the rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta
from pyroaring import BitMap, FrozenBitMap

from licet.errors import BrokenError, RefusedError, UsageError
from licet.ledger import note
from licet.ledger.note import Signer, Verifier
from licet.store.files import replacing
from licet.undecodable import UNDECODABLE

FORMAT: Final = "licet-withdrawn-1"
SUFFIX = ".withdrawn"
HEAD_BYTES_MAX = 4_096
BITMAP_BYTES_MAX = 256 * 2**20
_FIRST_LINE = re.compile(rb"licet-withdrawn-1 ([1-9][0-9]{0,4})\n")
_HASH = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
_Count = Annotated[int, Meta(ge=0, le=2**32)]


class BitmapHead(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The signed head. ``number`` counts how often the bitmap grew; the head is valid until
    ``until``, exclusive.

    ``rows`` is the number of ordinals in the bitmap, ``sha256`` the hash of its bytes. A row that
    is not in it may be used until then: rows that end earlier are in it already.
    """

    format: Literal["licet-withdrawn-1"] = FORMAT
    release: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
    manifest_sha256: _HASH
    number: _Count
    issued: Annotated[datetime, Meta(tz=True)]
    until: Annotated[datetime, Meta(tz=True)]
    rows: _Count
    sha256: _HASH


class WithdrawnBitmap(msgspec.Struct, frozen=True, kw_only=True):
    """A verified head, its own bytes, and the ordinals that it covers."""

    head: BitmapHead
    signed: bytes
    ordinals: FrozenBitMap

    def encode(self) -> bytes:
        return encode_file(self.signed, self.ordinals.serialize())


def serialize(ordinals: Iterable[int]) -> bytes:
    """Serialises a bitmap in its only form."""
    bitmap = BitMap(ordinals)
    bitmap.run_optimize()
    return bitmap.serialize()


def sign(head: BitmapHead, signer: Signer) -> bytes:
    return note.sign(msgspec.json.encode(head, order="sorted").decode() + "\n", signer)


def encode_file(signed: bytes, bitmap: bytes) -> bytes:
    return b"%s %d\n%s%s" % (FORMAT.encode(), len(signed), signed, bitmap)


def split_file(data: bytes) -> tuple[bytes, bytes]:
    """Splits a file into signed head and bitmap, both unverified; BrokenError."""
    match = _FIRST_LINE.match(data)
    length = int(match[1]) if match else 0
    if match is None or length > HEAD_BYTES_MAX or len(data) < match.end() + length:
        raise BrokenError("the file does not contain the withdrawn rows of a release")
    start = match.end() + length
    if len(data) - start > BITMAP_BYTES_MAX:
        raise BrokenError(f"the bitmap of withdrawn rows has more than `{BITMAP_BYTES_MAX}` bytes")
    return data[match.end() : start], data[start:]


def verify_head(signed: bytes, verifier: Verifier) -> BitmapHead:
    """Verifies and parses a head; RefusedError for another signature, BrokenError for other
    content.
    """
    if len(signed) > HEAD_BYTES_MAX:
        raise BrokenError(f"the head of the withdrawn rows has more than `{HEAD_BYTES_MAX}` bytes")
    text = note.verify(signed, [verifier]).text
    try:
        head = msgspec.json.decode(text, type=BitmapHead)
    except UNDECODABLE:
        raise BrokenError("the head of the withdrawn rows cannot be read in this format") from None
    if head.until <= head.issued:
        raise BrokenError("the head of the withdrawn rows ends before it begins")
    return head


def verify_file(data: bytes, verifier: Verifier) -> WithdrawnBitmap:
    """Decodes and verifies a whole file."""
    signed, bitmap = split_file(data)
    return verify_parts(signed, bitmap, verifier)


def verify_parts(signed: bytes, bitmap: bytes, verifier: Verifier) -> WithdrawnBitmap:
    """Verifies a signed head and its bitmap; BrokenError if the head names another."""
    head = verify_head(signed, verifier)
    if sha256(bitmap).hexdigest() != head.sha256:
        raise BrokenError("the bitmap of withdrawn rows is not the one that its head names")
    ordinals = FrozenBitMap.deserialize(bitmap)
    if len(ordinals) != head.rows:
        raise BrokenError(
            "the bitmap of withdrawn rows has another number of rows than its head states"
        )
    return WithdrawnBitmap(head=head, signed=signed, ordinals=ordinals)


def file_name(release: str) -> str:
    return f"{release}{SUFFIX}"


def write(folder: Path, release: str, data: bytes) -> Path:
    """Writes a release's file durably and atomically."""
    path = folder / file_name(release)
    with replacing(path) as file:
        file.write(data)
    return path


def parse_key(text: str) -> Verifier:
    """Parses a public key; UsageError."""
    try:
        return Verifier.parse(text.strip())
    except RefusedError as error:
        raise UsageError(
            f"that is not a public key: {error.message}", "`licet train gate-key` prints it"
        ) from None
