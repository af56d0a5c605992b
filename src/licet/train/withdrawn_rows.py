"""The withdrawn rows of a release, kept up to date from the live decision.

A row is withdrawn once one of its sources may no longer be used, for any reason, or if its end date
is before the end of the head that is about to be signed; so no head is valid longer than a row that
it permits. A withdrawn row stays withdrawn: a new grant brings it into the next release, but not
back into this one.

Only rows that can have changed are decided again: those touched by an ending in the journal since
the last time, and those whose end date is near. All rows are decided the first time, once a day,
and when a policy version is added or comes into force. The position in the journal is read while no
ending is in progress, so that none is missed. That lock is held only for this read, and never while
rows are decided.

`brought_up` keeps what it decided, for heads that are signed. `standing` keeps nothing: it may be
asked as of any moment, a later one too, whose withdrawals must not become true by the question.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

import msgspec
from pyroaring import BitMap

from licet.policy.file import Policies
from licet.release.live_leases import ROW_ENDS
from licet.release.registry import Release
from licet.store.connect import Pool, Transaction, snapshot, transaction
from licet.train.bitmap import packed
from licet.vault import account_journal, population

HORIZON = timedelta(days=1)
BATCH_ROWS_MAX = 10_000

_ENDS = f"""
    SELECT m.ordinal, CASE WHEN e.use THEN e.until END
      FROM release_rows m
     CROSS JOIN LATERAL {ROW_ENDS} e
     WHERE m.release_id = %(release)s"""
_AT = "m.block = ANY(release_blocks(%(ordinals)s::int[])) AND m.ordinal = ANY(%(ordinals)s::int[])"
_TOUCHED = """
    SELECT DISTINCT m.ordinal FROM journal j JOIN release_rows m
        ON m.account_id = j.account_id AND (j.conversation_id IS NULL
          OR m.conversation_id = j.conversation_id)
     WHERE j.ends AND j.position > %(after)s AND j.position <= %(to)s
       AND m.release_id = %(release)s"""


class WithdrawnRows(msgspec.Struct, frozen=True, kw_only=True):
    """The withdrawn rows of a release, as last decided. ``due`` are ordinals with their end before
    ``horizon``.
    """

    number: int
    position: int
    decided_under: bytes
    horizon: datetime
    due: dict[int, datetime]
    bitmap: bytes
    rows: int

    @property
    def sha256(self) -> str:
        return sha256(self.bitmap).hexdigest()

    def holds(self, decided_under: bytes, until: datetime) -> bool:
        """Whether the passing of time and new policy versions change nothing up to ``until``."""
        return (
            self.decided_under == decided_under
            and until < self.horizon
            and all(end > until for end in self.due.values())
        )


def lease_end(policies: Policies, at: datetime, seconds: int) -> datetime:
    """The end of a head that is issued at ``at``: no version comes into force before it."""
    ends = [version.effective for version in policies.versions if version.effective > at]
    return min([at + timedelta(seconds=seconds), *ends])


def brought_up(
    pool: Pool, release: Release, policies: Policies, at: datetime, until: datetime
) -> WithdrawnRows:
    """The rows that are withdrawn at ``at`` or end by ``until``."""
    under = _hash_of(policies, at)
    with transaction(pool) as tx:
        known = _read(tx, release.release_id)
        newest = account_journal.last_position(tx)
    if known is not None and known.position == newest and known.holds(under, until):
        return known
    with transaction(pool) as tx:
        account_journal.stop_endings(tx)
        position = account_journal.last_position(tx)
    with transaction(pool) as tx:
        return _advance(tx, release, policies, under, at, until, position)


def standing(pool: Pool, release: Release, policies: Policies, at: datetime) -> BitMap:
    """The rows that are withdrawn at ``at``, decided from what `brought_up` kept last; nothing is
    kept of it.

    It costs what has changed since, whatever the size of the release, while somebody brings it up
    once a day.
    """
    with snapshot(pool) as tx:
        known = _read(tx, release.release_id) or WithdrawnRows(
            number=0, position=0, decided_under=b"", horizon=at, due={}, bitmap=packed([]), rows=0
        )
        position = account_journal.last_position(tx)
        under = _hash_of(policies, at)
        return BitMap.deserialize(
            _decided(tx, release, policies, known, under, at, at, position).bitmap
        )


def _advance(
    tx: Transaction,
    release: Release,
    policies: Policies,
    under: bytes,
    at: datetime,
    until: datetime,
    position: int,
) -> WithdrawnRows:
    """Decides again what can have changed up to ``position``; one caller at a time per release."""
    tx.execute(
        """INSERT INTO withdrawn (release_id, number, position, decided_under, horizon,
                                  due_ordinals, due_untils, bitmap,
                                  cardinality, grown_at)
           VALUES (%s, 0, 0, '', %s, '{}', '{}', %s, 0, %s) ON CONFLICT (release_id) DO NOTHING""",
        [release.release_id, at, packed([]), at],
    )
    known = _read(tx, release.release_id, lock=True)
    assert known is not None
    result = _decided(tx, release, policies, known, under, at, until, position)
    if result != known:
        _write(tx, release.release_id, result, at, result.number > known.number)
    return result


def _decided(
    tx: Transaction,
    release: Release,
    policies: Policies,
    known: WithdrawnRows,
    under: bytes,
    at: datetime,
    until: datetime,
    position: int,
) -> WithdrawnRows:
    """``known`` with what can have changed decided again."""
    values = population.parameters(policies, release.purpose, at) | {"release": release.release_id}
    if known.decided_under == under and until < known.horizon:
        asked = {n for n, end in known.due.items() if end <= until}
        if position > known.position:
            asked |= set(touched(tx, release.release_id, known.position, position))
        due, horizon = dict(known.due), known.horizon
        ends = _ends_of(tx, values, sorted(asked)) if asked else []
    else:
        due, horizon = {}, max(at + HORIZON, until + HORIZON)
        with population.for_many(tx):
            ends = tx.execute(_ENDS, values).fetchall()
    gone = BitMap.deserialize(known.bitmap)
    before = len(gone)
    for ordinal, end in ends:
        due.pop(ordinal, None)
        if end is None or end <= until:
            gone.add(ordinal)
        elif end < horizon:
            due[ordinal] = end
    grown = len(gone) > before
    return WithdrawnRows(
        number=known.number + grown,
        position=max(position, known.position),
        decided_under=under,
        horizon=horizon,
        due=due,
        bitmap=packed(gone) if grown else known.bitmap,
        rows=len(gone),
    )


def touched(tx: Transaction, release: UUID, after: int, to: int) -> list[int]:
    """The rows that an ending behind ``after``, up to the position ``to``, touches."""
    found = tx.execute(_TOUCHED, {"release": release, "after": after, "to": to})
    return [ordinal for (ordinal,) in found]


def _ends_of(
    tx: Transaction, values: dict[str, object], ordinals: list[int]
) -> Iterable[tuple[int, datetime | None]]:
    for start in range(0, len(ordinals), BATCH_ROWS_MAX):
        some = {"ordinals": ordinals[start : start + BATCH_ROWS_MAX]}
        yield from tx.execute(f"{_ENDS} AND {_AT}", values | some).fetchall()


def _hash_of(policies: Policies, at: datetime) -> bytes:
    """The version in force and the text of them all."""
    texts = b"".join(version.sha256() for version in policies.versions)
    return sha256(policies.number(at).to_bytes(4, "big") + texts).digest()


def _read(tx: Transaction, release: UUID, *, lock: bool = False) -> WithdrawnRows | None:
    row = tx.execute(
        f"""SELECT number, position, decided_under, horizon, due_ordinals, due_untils, bitmap,
              cardinality
              FROM withdrawn WHERE release_id = %s{" FOR UPDATE" if lock else ""}""",
        [release],
    ).fetchone()
    if row is None:
        return None
    number, position, under, horizon, ordinals, untils, bitmap, rows = row
    return WithdrawnRows(
        number=number,
        position=position,
        decided_under=bytes(under),
        horizon=horizon,
        due=dict(zip(ordinals, untils, strict=True)),
        bitmap=bytes(bitmap),
        rows=rows,
    )


def _write(tx: Transaction, release: UUID, now: WithdrawnRows, at: datetime, grown: bool) -> None:
    tx.execute(
        """UPDATE withdrawn SET number = %(number)s, position = %(position)s,
                  decided_under = %(under)s,
                  horizon = %(horizon)s, due_ordinals = %(ordinals)s, due_untils = %(untils)s,
                  bitmap = CASE WHEN %(grown)s THEN %(bitmap)s
                    ELSE bitmap END, cardinality = %(rows)s,
                  grown_at = CASE WHEN %(grown)s THEN %(at)s ELSE grown_at END
            WHERE release_id = %(release)s""",
        {
            "number": now.number,
            "position": now.position,
            "under": now.decided_under,
            "horizon": now.horizon,
            "ordinals": list(now.due),
            "untils": list(now.due.values()),
            "grown": grown,
            "bitmap": now.bitmap,
            "rows": now.rows,
            "at": at,
            "release": release,
        },
    )
