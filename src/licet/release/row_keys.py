"""The key and encryption of a row. The key cannot be derived once the key of any of its segments is
destroyed; one that was leased before and kept still opens its row.

Key = HKDF-SHA256 (RFC 5869) with the 32-byte keys of the row's segments, one after another in the
order of the row, as input; the release id as salt; row id and format version as info. No source key
can be computed from it, and without all of the source keys it cannot be derived again. Sealed =
head, then the content; head = version byte, length of the labels (2 bytes, 0 without), the labels.
Labels and content are each a nonce (12 bytes) and AES-256-GCM ciphertext with its tag; associated
data = release id, row id, and the version byte for the labels, the head for the content, which
opens beside no other labels. Every field before the last has a fixed length, so no two inputs give
the same concatenation. Nonce = HMAC-SHA256(row key, associated data and plaintext), truncated (as
the synthetic nonce of RFC 8452, which covers both): equal rows seal equally, so a repeated build is
byte-equal, and neither another text nor the same one beside other labels reuses a nonce, with which
two tags would give the authentication key away. The nonce is not recomputed on opening: the tag
covers it.

If opening fails, the key is wrong or the bytes were changed; AES-GCM cannot distinguish them, so it
is denied.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from licet.errors import BrokenError, DeniedError
from licet.release import rows
from licet.release.rows import ROW_ID_BYTES, SOURCES_MAX, LabelsShape, Payload, ReleaseRow

SEALED_V2 = b"\x02"
KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
RELEASE_ID_BYTES = 16
_BLOCK_BYTES = 64  # of SHA-256
_PADDING = bytes(_BLOCK_BYTES - KEY_BYTES)
_INNER, _OUTER = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))
_HEAD_BYTES = len(SEALED_V2) + 2
_SEALED_BYTES_MIN = NONCE_BYTES + TAG_BYTES  # of either


class SealedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row as it is stored in a part: its clear fields reveal nothing about who or when."""

    row_id: bytes
    ordinal: int
    until: datetime
    sealed: bytes


def row_key(source_keys: Sequence[bytes], release_id: bytes, row_id: bytes) -> bytes:
    """The key of a row, from all keys of its segments in the order of the row; 32 bytes."""
    if not 1 <= len(source_keys) <= SOURCES_MAX:
        raise BrokenError(f"a row has 1 to `{SOURCES_MAX}` sources, not `{len(source_keys)}`")
    if any(len(key) != KEY_BYTES for key in source_keys):
        raise BrokenError(f"a source key has `{KEY_BYTES}` bytes")
    _check_ids(release_id, row_id)
    # RFC 5869 written out for one block: the library's HKDF object takes three times as long, for
    # every row of a load
    extracted = hmac.digest(release_id, b"".join(source_keys), "sha256")
    return hmac.digest(extracted, row_id + SEALED_V2 + b"\x01", "sha256")


def seal_row(row: ReleaseRow, key: bytes, release_id: bytes) -> SealedRow:
    """Seals ``row`` under its key, with ``until`` in clear rounded down to the day.

    The exact time would reveal when a person wrote (the last turn plus five years) and link rows of
    two releases. A day early is safe; a lease has the exact time.
    """
    _check_ids(release_id, row.row_id)
    if len(key) != KEY_BYTES:  # AESGCM would take 16 bytes and seal with AES-128
        raise BrokenError(f"a row key has `{KEY_BYTES}` bytes, not `{len(key)}`")
    ids = release_id + row.row_id
    labels = rows.encode_labels(row.labels)
    if labels:
        labels = _encrypt(key, labels, ids + SEALED_V2)
    if len(labels) >= 2**16:
        raise BrokenError(
            f"row `{row.ordinal}` has `{len(labels)}` bytes of labels, more than 65,535"
        )
    head = SEALED_V2 + len(labels).to_bytes(2, "big") + labels
    sealed = head + _encrypt(key, rows.encode(row), ids + head)
    until = datetime(row.until.year, row.until.month, row.until.day, tzinfo=UTC)
    return SealedRow(row_id=row.row_id, ordinal=row.ordinal, until=until, sealed=sealed)


class RowKeys:
    """`row_key` and `row_id_of` for many rows of a release, with its share of the work done once.

    HMAC of a few bytes by its definition (RFC 2104): the library's takes a third longer.
    """

    def __init__(self, release_id: bytes) -> None:
        self._release_id = release_id
        salt = release_id.ljust(_BLOCK_BYTES, b"\0")
        self._inner, self._outer = salt.translate(_INNER), salt.translate(_OUTER)

    def key(self, source_keys: bytes, row_id: bytes) -> bytes:
        """The key of a row; ``source_keys`` are those of its segments, one behind another."""
        extracted = (
            sha256(self._outer + sha256(self._inner + source_keys).digest()).digest() + _PADDING
        )
        inner = sha256(extracted.translate(_INNER) + row_id + SEALED_V2 + b"\x01").digest()
        return sha256(extracted.translate(_OUTER) + inner).digest()

    def row_id(self, ordinal: int) -> bytes:
        return rows.derive_row_id(self._release_id, ordinal)


def open_row(
    sealed: bytes, key: bytes, release_id: bytes, row_id: bytes, *, labels: bool = True
) -> Payload:
    """The content and ``labels`` of a sealed row; DeniedError if the key does not open it,
    BrokenError if the bytes are not a sealed row.
    """
    end = _head_end(sealed, key, row_id)
    aead, ids = AESGCM(key), release_id + row_id
    payload = rows.decode(_decrypt(aead, sealed[end:], ids + sealed[:end], row_id))
    if labels and end > _HEAD_BYTES:
        content = _decrypt(aead, sealed[_HEAD_BYTES:end], ids + SEALED_V2, row_id)
        msgspec.structs.force_setattr(payload, "labels", rows.decode_labels(content))
    return payload


def open_labels(sealed: bytes, key: bytes, release_id: bytes, row_id: bytes) -> LabelsShape | None:
    """The labels of a sealed row; opens nothing else. Raises as `open_row`."""
    end = _head_end(sealed, key, row_id)
    if end == _HEAD_BYTES:
        return None
    ids = release_id + row_id
    return rows.decode_labels(
        _decrypt(AESGCM(key), sealed[_HEAD_BYTES:end], ids + SEALED_V2, row_id)
    )


def _encrypt(key: bytes, plaintext: bytes, beside: bytes) -> bytes:
    nonce = hmac.digest(key, beside + plaintext, "sha256")[:NONCE_BYTES]
    return nonce + AESGCM(key).encrypt(nonce, plaintext, beside)


def _decrypt(aead: AESGCM, sealed: bytes, beside: bytes, row_id: bytes) -> bytes:
    if len(sealed) < _SEALED_BYTES_MIN:
        raise BrokenError(f"row `{row_id.hex()}` is not sealed in a known format")
    try:
        return aead.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], beside)
    except InvalidTag:
        raise DeniedError(
            f"row `{row_id.hex()}` does not open: the key is wrong, or the bytes were changed"
        ) from None


def _head_end(sealed: bytes, key: bytes, row_id: bytes) -> int:
    """The start of the content, after the labels."""
    if not sealed.startswith(SEALED_V2) or len(sealed) < _HEAD_BYTES:
        raise BrokenError(f"row `{row_id.hex()}` is not sealed in a known format")
    if len(key) != KEY_BYTES:
        raise BrokenError(f"a row key has `{KEY_BYTES}` bytes, not `{len(key)}`")
    return _HEAD_BYTES + int.from_bytes(sealed[1:_HEAD_BYTES], "big")


def _check_ids(release_id: bytes, row_id: bytes) -> None:
    if len(release_id) != RELEASE_ID_BYTES or len(row_id) != ROW_ID_BYTES:
        raise BrokenError(
            f"a release id has `{RELEASE_ID_BYTES}` bytes and a row id `{ROW_ID_BYTES}`"
        )
