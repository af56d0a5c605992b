"""The cold tier: sealed blocks of whole segments in objects, each shared by segments due in the
same month.

Only the sealed bytes move. The row stays, and names the object and the position in it; the key
stays where it was, so that erasing still means destroying the key: what remains of a block in an
object can never be opened again.

One run at a time, under a lock of its connection. The order, and which crash each step survives: 1.
an object is announced, and committed: a later crash leaves its name, and the next run deletes what
lies under it; 2. the object is written durably and read back: until then no row refers to it, and
nothing has left the database; 3. in one transaction each row drops exactly the bytes that were
written (compared by hash) and takes its position in the object instead, and the object counts as
written. A block that was erased meanwhile has no sealed bytes any more.

An object is never rewritten or moved, because an older backup may refer to it. One that nothing
refers to is marked as empty, and deleted `EMPTY_SECONDS` later: a reader that found a block before
it was erased has read it by then. Objects are filled by the month in which their segments are due,
so that an object's segments expire at about the same time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from licet.errors import BrokenError, BusyError, UsageError
from licet.keys.objects import Objects
from licet.store.connect import Pool, Transaction, retrying, transaction
from licet.vault.blocks import TURNS_STORED
from licet.vault.ids import uuid7
from licet.vault.installation import Installation

# above it an object takes no further segment; a segment is never split
OBJECT_BYTES_MAX = 32 * 2**20
OBJECT_SEGMENTS_MAX = 5_000
DUE_DAYS_MIN = 30  # content that is due sooner is not worth moving
EMPTY_SECONDS = 3_600
AFTER_DAYS = 90
AFTER_DAYS_MAX = 36_500
COOL_LOCK = 0x11CE7_0009

SIZE = "coalesce(octet_length(b.sealed), b.object_length)"  # of a block `b`, wherever it lies
PLACED = "b.sealed, b.object_id, b.object_offset, b.object_length"
Key = tuple[date, UUID, UUID, int]
Place = tuple[bytes | None, UUID | None, int | None, int | None]


class Coolable(msgspec.Struct, frozen=True, kw_only=True):
    """What a run would move."""

    segments: int
    turns: int
    bytes: int


class CoolingResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did. ``deleted`` counts objects without a remaining segment, and leftovers of a
    crash.
    """

    segments: int
    turns: int
    bytes: int
    objects: int
    deleted: int


class _MovedBlock(msgspec.Struct, frozen=True, kw_only=True):
    account: UUID
    conversation: UUID
    first_turn: int
    turns: int
    sha256: bytes
    offset: int
    length: int


def name_of(object_id: UUID) -> str:
    # the end of the id is random, its beginning is a time
    return f"bodies/{object_id.hex[-2:]}/{object_id.hex}"


def contents(objects: Objects | None, places: Sequence[Place]) -> list[bytes]:
    """The sealed bytes of rows of `PLACED`, in order, from the row or from its object."""
    wanted: dict[UUID, list[int]] = {}
    for n, (_, object_id, _, _) in enumerate(places):
        if object_id is not None:
            wanted.setdefault(object_id, []).append(n)
    stored: dict[int, bytes] = {}
    for object_id, rows in wanted.items():
        if objects is None:
            raise BrokenError(
                "sealed content is in the cold store, but no cold store is configured"
            )
        spans = [(places[n][2] or 0, places[n][3] or 0) for n in rows]
        stored |= dict(zip(rows, objects.read(name_of(object_id), spans), strict=True))
    return [stored[n] if sealed is None else sealed for n, (sealed, *_) in enumerate(places)]


_COLD = """s.erased_at IS NULL AND s.key_slot IS NOT NULL AND s.last_at < %(before)s AND s.due_on > %(soon)s"""


def _older_than(now: datetime, after_days: int) -> datetime:
    if not 1 <= after_days <= AFTER_DAYS_MAX:
        raise UsageError(f"`{after_days}` days: from 1 to {AFTER_DAYS_MAX}")
    return now - timedelta(days=after_days)


def coolable(installation: Installation, after_days: int = AFTER_DAYS) -> Coolable:
    """What `cool` would move: segments without a new turn for ``after_days`` days. Changes
    nothing.
    """
    now = installation.clock()
    before = _older_than(now, after_days)
    with transaction(installation.pool) as tx:
        (row,) = tx.execute(
            f"""SELECT count(DISTINCT (s.account_id, s.conversation_id, s.segment)),
                       coalesce(sum({TURNS_STORED}), 0)::bigint,
                       coalesce(sum(octet_length(b.sealed)), 0)::bigint
                  FROM segments s JOIN blocks b USING (account_id, conversation_id, segment)
                 WHERE {_COLD} AND b.sealed IS NOT NULL""",
            {"before": before, "soon": now + timedelta(days=DUE_DAYS_MIN)},
        ).fetchall()
    return Coolable(segments=row[0], turns=row[1], bytes=row[2])


def cool(
    installation: Installation,
    after_days: int = AFTER_DAYS,
    progress: Callable[[int], None] = lambda _turns: None,
    *,
    bytes_max: int = OBJECT_BYTES_MAX,
) -> CoolingResult:
    """Moves what `coolable` counts, object by object, and deletes objects without segments. If it
    is stopped anywhere, it continues there next time. BusyError while another run is in progress,
    or if the object store does not answer.
    """
    now, pool, objects = installation.clock(), installation.pool, installation.keyring.cold
    before = _older_than(now, after_days)
    if objects is None:
        raise BrokenError("this installation was opened without its cold store")
    segments = turns = size = written = 0
    with _lock_cooling(pool):
        deleted = _delete_dead(pool, objects, now)
        for keys in _batches(pool, now, before, bytes_max):
            object_id = uuid7(now, installation.keyring.random(10))
            moved = _move(pool, objects, object_id, keys, now)
            segments, written = segments + len(keys), written + 1
            size += sum(block.length for block in moved)
            moved_turns = sum(block.turns for block in moved)
            turns += moved_turns
            progress(moved_turns)
    return CoolingResult(
        segments=segments, turns=turns, bytes=size, objects=written, deleted=deleted
    )


@contextmanager
def _lock_cooling(pool: Pool) -> Iterator[None]:
    with transaction(pool) as tx:
        lock = tx.execute("SELECT pg_try_advisory_xact_lock(%s)", [COOL_LOCK]).fetchone()
        if lock is None or not lock[0]:
            raise BusyError(
                "another run is moving blocks to the cold store", "wait until it has ended"
            )
        yield


def _batches(pool: Pool, now: datetime, before: datetime, bytes_max: int) -> Iterator[list[Key]]:
    """The segments to move, grouped by object: those due in one month, in the order of the index by
    day and account.
    """
    after: Key = (date.min, UUID(int=0), UUID(int=0), 0)
    while True:
        with transaction(pool) as tx:
            rows = tx.execute(
                f"""SELECT s.due_on, s.account_id, s.conversation_id, s.segment, b.size
                      FROM segments s
                     CROSS JOIN LATERAL (SELECT sum(octet_length(b.sealed)) AS size FROM blocks b
                            WHERE b.account_id = s.account_id
                              AND b.conversation_id = s.conversation_id
                              AND b.segment = s.segment) b
                     WHERE {_COLD} AND b.size IS NOT NULL
                       AND (s.due_on, s.account_id, s.conversation_id, s.segment) > (%(a)s, %(b)s,
                         %(c)s, %(d)s)
                     ORDER BY s.due_on, s.account_id, s.conversation_id, s.segment
                       LIMIT %(limit)s""",
                {
                    "before": before,
                    "soon": now + timedelta(days=DUE_DAYS_MIN),
                    "limit": OBJECT_SEGMENTS_MAX,
                    **dict(zip("abcd", after, strict=True)),
                },
            ).fetchall()
        keys: list[Key] = []
        size = 0
        for *key, weight in rows:
            month = (key[0].year, key[0].month)
            if keys and (size + weight > bytes_max or month != (keys[0][0].year, keys[0][0].month)):
                break
            keys.append((key[0], key[1], key[2], key[3]))
            size += int(weight)
        if not keys:
            return
        yield keys
        after = keys[-1]


def _move(
    pool: Pool, objects: Objects, object_id: UUID, keys: Sequence[Key], now: datetime
) -> list[_MovedBlock]:
    """Writes one object: announced, written, then substituted for the rows' bytes. Returns what was
    moved.
    """
    with transaction(pool) as tx:
        tx.execute(
            "INSERT INTO cold_objects (object_id, due_month, intended_at) VALUES (%s, %s, %s)",
            [object_id, keys[0][0].replace(day=1), now],
        )
        sealed = _sealed(tx, keys)
    moved: list[_MovedBlock] = []
    parts: list[bytes] = []
    offset = 0
    for account, conversation, first_turn, turns, part in sealed:
        digest = hashlib.sha256(part).digest()
        moved.append(
            _MovedBlock(
                account=account,
                conversation=conversation,
                first_turn=first_turn,
                turns=turns,
                sha256=digest,
                offset=offset,
                length=len(part),
            )
        )
        parts.append(part)
        offset += len(part)
    content = b"".join(parts)
    objects.put(name_of(object_id), content)
    retrying(
        lambda: _commit_move(pool, object_id, moved, hashlib.sha256(content).digest(), offset, now)
    )
    return moved


def _sealed(tx: Transaction, keys: Sequence[Key]) -> list[tuple[UUID, UUID, int, int, bytes]]:
    return (
        tx.cursor(binary=True)
        .execute(
            f"""SELECT b.account_id, b.conversation_id, b.first_turn, {TURNS_STORED}, b.sealed
              FROM blocks b
             JOIN (SELECT * FROM unnest(%(account)b::uuid[], %(conversation)b::uuid[], %(segment)b::smallint[])
                            AS k(account_id, conversation_id, segment)) k USING (account_id,
                              conversation_id, segment)
            WHERE b.sealed IS NOT NULL ORDER BY b.account_id, b.conversation_id, b.first_turn""",
            {
                "account": [k[1] for k in keys],
                "conversation": [k[2] for k in keys],
                "segment": [k[3] for k in keys],
            },
        )
        .fetchall()
    )


def _commit_move(
    pool: Pool,
    object_id: UUID,
    moved: Iterable[_MovedBlock],
    sha256: bytes,
    size: int,
    now: datetime,
) -> None:
    with transaction(pool) as tx:
        columns: dict[str, list[Any]] = {
            name: [getattr(block, name) for block in moved]
            for name in ("account", "conversation", "first_turn", "offset", "length", "sha256")
        }
        tx.execute(
            """UPDATE cold_objects SET (written_at, bytes, sha256) = (%s, %s, %s)
                WHERE object_id = %s AND written_at IS NULL""",
            [now, size, sha256, object_id],
        )
        tx.execute(
            """UPDATE blocks b SET (sealed, object_id, object_offset, object_length)
                                 = (NULL, %(object)s, k.place, k.size)
                 FROM unnest(%(account)b::uuid[], %(conversation)b::uuid[], %(first_turn)b::int[],
                   %(offset)b::bigint[],
                             %(length)b::int[], %(sha256)b::bytea[])
                      AS k(account_id, conversation_id, first_turn, place, size, sha256)
                WHERE b.account_id = k.account_id AND b.conversation_id = k.conversation_id
                  AND b.first_turn = k.first_turn
                  AND sha256(b.sealed) = k.sha256""",
            {**columns, "object": object_id},
        )


def _delete_dead(pool: Pool, objects: Objects, now: datetime) -> int:
    """Deletes leftovers of a crash and objects that have been empty for some time; the object
    first, then its row.
    """
    with transaction(pool) as tx:
        tx.execute(
            """UPDATE cold_objects o SET emptied_at = %s WHERE written_at IS NOT NULL
                  AND emptied_at IS NULL
                  AND NOT EXISTS (SELECT FROM blocks b WHERE b.object_id = o.object_id)""",
            [now],
        )
        dead = tx.execute(
            "SELECT object_id FROM cold_objects WHERE written_at IS NULL OR emptied_at <= %s",
            [now - timedelta(seconds=EMPTY_SECONDS)],
        ).fetchall()
    for (object_id,) in dead:
        objects.delete(name_of(object_id))
        with transaction(pool) as tx:
            tx.execute("DELETE FROM cold_objects WHERE object_id = %s", [object_id])
    return len(dead)
