"""Where a detector found names in the turns of a segment, kept with the segment: the next release
reads new turns only.

Promises:
- A record holds no text: a keyed hash of each text that was read, and the finder's result.
- It is sealed under a key that is derived from the segment's key, and bound to its place. Erasing
  the segment destroys the key and removes the row (`vault.expiry`).
- It belongs to the finder that made it. A record of another finder, of another place, or a damaged
  one counts as none, and the next one replaces it.

A record is not written in the transaction of the page whose texts were read. That transaction sees
the database as it was when the page began: it would not see an erasure that ended since then, and
its row would outlive the segment. It is written right after it, under the lock of the account that
an erasure takes too, and only while the segment has its key. An account that somebody else has
locked is passed over: a build does not wait for people, nor they for it. What is not kept, there or
because the process dies in between, is found again by the next build.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from uuid import UUID

import msgspec

from licet.errors import BrokenError
from licet.keys.material import KeyMaterial, Random, found_names_place, seal, unseal
from licet.masked import Masked
from licet.store.connect import Transaction
from licet.store.rows import unnest_sql, unnest_values
from licet.undecodable import UNDECODABLE

# findings of one segment; each build searches the other texts again
RECORD_BYTES_MAX = 2**20
MARK_BYTES = 16
_SEALS, _MARKS = b"licet found names 1", b"licet marks of texts 1"


class NamedSegment(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A segment with opened turns, its key and the key's slot."""

    account: UUID
    conversation: UUID
    segment: int
    slot: int
    key: KeyMaterial

    def mark(self, text: str) -> bytes:
        """A keyed hash that identifies ``text`` in the records of this segment only."""
        key = hmac.digest(self.key, _MARKS, "sha256")
        return blake2b(
            text.encode("utf-8", "surrogatepass"), key=key, digest_size=MARK_BYTES
        ).digest()


class _Record(msgspec.Struct, frozen=True, array_like=True):
    finder: str
    found: dict[bytes, bytes]


_records = msgspec.msgpack.Decoder(_Record)
_KEYS = {"account_id": "uuid", "conversation_id": "uuid", "segment": "int2"}
_COLUMNS = {**_KEYS, "slot": "int4", "sealed": "bytea"}


def seal_record(
    segment: NamedSegment, finder: str, names: Mapping[bytes, bytes], random: Random = os.urandom
) -> bytes:
    """Seals the findings of ``finder`` by the marks of their texts, in order, up to a record's
    maximum size.
    """
    record: dict[bytes, bytes] = {}
    size = 0
    for mark, packed in names.items():
        size += MARK_BYTES + len(packed) + 8
        if size > RECORD_BYTES_MAX:
            break
        record[mark] = packed
    return seal(
        _seal_key(segment), msgspec.msgpack.encode(_Record(finder, record)), _place(segment), random
    )


def open_record(segment: NamedSegment, finder: str, sealed: bytes) -> dict[bytes, bytes]:
    """Opens the findings of ``finder`` by the marks of their texts; nothing if the record is
    another finder's or invalid.
    """
    try:
        record = _records.decode(unseal(_seal_key(segment), sealed, _place(segment)))
    except (BrokenError, *UNDECODABLE):
        return {}
    return record.found if record.finder == finder else {}


def load(
    tx: Transaction, segments: Sequence[NamedSegment], finder: str
) -> list[dict[bytes, bytes]]:
    """The stored findings of ``finder`` in each of ``segments``, by the marks of their texts."""
    rows = tx.execute(
        f"""SELECT f.account_id, f.conversation_id, f.segment, f.sealed
              FROM (SELECT * FROM {unnest_sql(_KEYS)} AS k({", ".join(_KEYS)}) LIMIT %(segments)s) k
              JOIN found_names f USING (account_id, conversation_id, segment)""",
        unnest_values(_KEYS, _places(segments)) | {"segments": len(segments)},
    ).fetchall()
    sealed = {tuple(row[:3]): row[3] for row in rows}
    there = (sealed.get((one.account, one.conversation, one.segment)) for one in segments)
    return [
        open_record(one, finder, record) if record is not None else {}
        for one, record in zip(segments, there, strict=True)
    ]


def save(
    tx: Transaction, records: Sequence[tuple[NamedSegment, Mapping[bytes, bytes]]], finder: str
) -> int:
    """Replaces the stored findings of ``finder``; returns for how many segments. Skips segments
    that were erased meanwhile, or whose account is locked.
    """
    segments = [segment for segment, _ in records]
    accounts = sorted({segment.account for segment in segments})
    free = tx.execute(
        """SELECT account_id FROM accounts WHERE account_id = ANY(%s)
            ORDER BY account_id FOR NO KEY UPDATE SKIP LOCKED""",
        [accounts],
    ).fetchall()
    locked = {account for (account,) in free}
    mine = [(segment, record) for segment, record in records if segment.account in locked]
    if not mine:
        return 0
    values = _places([segment for segment, _ in mine]) | {
        "slot": [segment.slot for segment, _ in mine],
        "sealed": [seal_record(segment, finder, record) for segment, record in mine],
    }
    return tx.execute(
        f"""INSERT INTO found_names (account_id, conversation_id, segment, sealed)
            SELECT s.account_id, s.conversation_id, s.segment, k.sealed
              FROM {unnest_sql(_COLUMNS)} AS k({", ".join(_COLUMNS)})
              JOIN segments s USING (account_id, conversation_id, segment)
             WHERE s.key_slot = k.slot AND s.erased_at IS NULL
            ON CONFLICT (account_id, conversation_id, segment) DO UPDATE
              SET sealed = excluded.sealed""",
        unnest_values(_COLUMNS, values),
    ).rowcount


def _places(segments: Sequence[NamedSegment]) -> dict[str, list[object]]:
    return {
        "account_id": [one.account for one in segments],
        "conversation_id": [one.conversation for one in segments],
        "segment": [one.segment for one in segments],
    }


def _seal_key(segment: NamedSegment) -> KeyMaterial:
    return KeyMaterial(hmac.digest(segment.key, _SEALS, "sha256"))


def _place(segment: NamedSegment) -> bytes:
    return found_names_place(segment.account, segment.conversation, segment.segment)
