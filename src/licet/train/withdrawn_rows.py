"""The withdrawn rows of a release, kept up to date from the live decision.

A row is withdrawn once one of its sources may no longer be used, or if its end date is before the
end of the head that is about to be signed; so no head is valid longer than a row that it permits.
It stays withdrawn: a new grant brings it into the next release only.

Decided again are rows touched by an ending in the journal since the last time, and those whose end
date is near; all rows the first time, once a day, and when a policy version is added or comes into
force. The position in the journal is read while no ending is in progress, so that none is missed;
that lock is held only for this read.

`update` stores its result, for signed heads. `decide_at` stores nothing: it takes any moment, even
a future one, whose withdrawals must not take effect yet.
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
from licet.train.bitmap import serialize
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


class WithdrawnRows(msgspec.Struct, frozen=True):
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
        """Whether neither time nor new policy versions change anything up to ``until``."""
        return (
            self.decided_under == decided_under
            and until < self.horizon
            and all(end > until for end in self.due.values())
        )


def lease_end(policies: Policies, now: datetime, seconds: int) -> datetime:
    """The end of a head that is issued at ``now``: no version comes into force before it."""
    ends = [version.effective for version in policies.versions if version.effective > now]
    return min([now + timedelta(seconds=seconds), *ends])


def update(
    pool: Pool, release: Release, policies: Policies, now: datetime, until: datetime
) -> WithdrawnRows:
    """Decides, stores and returns the rows that are withdrawn at ``now`` or end by ``until``."""
    under = _hash_of(policies, now)
    with transaction(pool) as tx:
        stored = _read(tx, release.release_id)
        newest = account_journal.last_position(tx)
    if stored is not None and stored.position == newest and stored.holds(under, until):
        return stored
    with transaction(pool) as tx:
        account_journal.block_endings(tx)
        position = account_journal.last_position(tx)
    with transaction(pool) as tx:
        return _update_stored(tx, release, policies, under, now, until, position)


def decide_at(pool: Pool, release: Release, policies: Policies, now: datetime) -> BitMap:
    """Decides the rows withdrawn at ``now`` from the last result of `update`, without storing them;
    the cost is that of the changes since then.
    """
    with snapshot(pool) as tx:
        stored = _read(tx, release.release_id) or WithdrawnRows(
            0, 0, b"", horizon=now, due={}, bitmap=serialize([]), rows=0
        )
        position = account_journal.last_position(tx)
        under = _hash_of(policies, now)
        return BitMap.deserialize(
            _decide_changed(tx, release, policies, stored, under, now, now, position).bitmap
        )


_ENDED = """
    SELECT m.ordinal, min(j.occurred_at) FROM journal j JOIN release_rows m
        ON m.account_id = j.account_id AND (j.conversation_id IS NULL
          OR m.conversation_id = j.conversation_id)
     WHERE j.ends AND j.position > %(after)s AND m.release_id = %(release)s
     GROUP BY m.ordinal"""


def first_endings(pool: Pool, release: Release) -> dict[int, datetime]:
    """The first ending of a source of each row after the seal, by ordinal; it need not withdraw the
    row. Ends by date alone are not included.
    """
    with transaction(pool) as tx:
        rows = tx.execute(_ENDED, {"after": release.position, "release": release.release_id})
        return dict(rows.fetchall())


def _update_stored(
    tx: Transaction,
    release: Release,
    policies: Policies,
    under: bytes,
    now: datetime,
    until: datetime,
    position: int,
) -> WithdrawnRows:
    """Decides again rows that can have changed up to ``position``; one caller a release."""
    tx.execute(
        """INSERT INTO withdrawn (release_id, number, position, decided_under, horizon,
                                  due_ordinals, due_untils, bitmap,
                                  cardinality, grown_at)
           VALUES (%s, 0, 0, '', %s, '{}', '{}', %s, 0, %s) ON CONFLICT (release_id) DO NOTHING""",
        [release.release_id, now, serialize([]), now],
    )
    stored = _read(tx, release.release_id, lock=True)
    assert stored is not None
    result = _decide_changed(tx, release, policies, stored, under, now, until, position)
    if result != stored:
        _write(tx, release.release_id, result, now, result.number > stored.number)
    return result


def _decide_changed(
    tx: Transaction,
    release: Release,
    policies: Policies,
    previous: WithdrawnRows,
    under: bytes,
    now: datetime,
    until: datetime,
    position: int,
) -> WithdrawnRows:
    """``previous`` with every row that can have changed decided again."""
    values = population.parameters(policies, release.purpose, now) | {"release": release.release_id}
    if previous.decided_under == under and until < previous.horizon:
        ordinals = {n for n, end in previous.due.items() if end <= until}
        if position > previous.position:
            ordinals |= set(rows_touched(tx, release.release_id, previous.position, position))
        due, horizon = dict(previous.due), previous.horizon
        ends = _select_ends(tx, values, sorted(ordinals)) if ordinals else []
    else:
        due, horizon = {}, max(now + HORIZON, until + HORIZON)
        with population.for_many(tx):
            ends = tx.execute(_ENDS, values).fetchall()
    withdrawn = BitMap.deserialize(previous.bitmap)
    before = len(withdrawn)
    for ordinal, end in ends:
        due.pop(ordinal, None)
        if end is None or end <= until:
            withdrawn.add(ordinal)
        elif end < horizon:
            due[ordinal] = end
    grown = len(withdrawn) > before
    return WithdrawnRows(
        number=previous.number + grown,
        position=max(position, previous.position),
        decided_under=under,
        horizon=horizon,
        due=due,
        bitmap=serialize(withdrawn) if grown else previous.bitmap,
        rows=len(withdrawn),
    )


def rows_touched(tx: Transaction, release: UUID, after: int, to: int) -> list[int]:
    """The rows touched by an ending after position ``after``, up to ``to``."""
    rows = tx.execute(_TOUCHED, {"release": release, "after": after, "to": to})
    return [ordinal for (ordinal,) in rows]


def _select_ends(
    tx: Transaction, values: dict[str, object], ordinals: list[int]
) -> Iterable[tuple[int, datetime | None]]:
    for start in range(0, len(ordinals), BATCH_ROWS_MAX):
        batch = {"ordinals": ordinals[start : start + BATCH_ROWS_MAX]}
        yield from tx.execute(f"{_ENDS} AND {_AT}", values | batch).fetchall()


def _hash_of(policies: Policies, now: datetime) -> bytes:
    """A hash of the version in force and of the texts of all versions."""
    texts = b"".join(version.sha256() for version in policies.versions)
    return sha256(policies.number(now).to_bytes(4, "big") + texts).digest()


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
    due = dict(zip(ordinals, untils, strict=True))
    return WithdrawnRows(number, position, bytes(under), horizon, due, bytes(bitmap), rows)


def _write(
    tx: Transaction, release: UUID, state: WithdrawnRows, now: datetime, grown: bool
) -> None:
    tx.execute(
        """UPDATE withdrawn SET number = %(number)s, position = %(position)s,
                  decided_under = %(under)s,
                  horizon = %(horizon)s, due_ordinals = %(ordinals)s, due_untils = %(untils)s,
                  bitmap = CASE WHEN %(grown)s THEN %(bitmap)s
                    ELSE bitmap END, cardinality = %(rows)s,
                  grown_at = CASE WHEN %(grown)s THEN %(at)s ELSE grown_at END
            WHERE release_id = %(release)s""",
        {
            "number": state.number,
            "position": state.position,
            "under": state.decided_under,
            "horizon": state.horizon,
            "ordinals": list(state.due),
            "untils": list(state.due.values()),
            "grown": grown,
            "bitmap": state.bitmap,
            "rows": state.rows,
            "at": now,
            "release": release,
        },
    )
