"""The dead rows of a release, and the addenda that removed such rows, in the database.

A row is dead when the key of any of its segments, or of its account, is destroyed. A row that
merely may not be used now (withdrawn, kept out, or past its end but under a legal hold) is not
dead, and no purge removes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from licet.keys.material import DESTROYED_KEYS, EMPTY_SLOT, SLOTS_PER_PAGE, WRAPPED_BYTES
from licet.ledger import outbox
from licet.ledger.outbox import Entry, EntryKind
from licet.release.purge import Addendum, LogKey, decode
from licet.store.connect import Transaction

_DEAD = f"""
    SELECT m.ordinal FROM release_rows m JOIN accounts a USING (account_id)
     WHERE m.release_id = %(release)s AND (%(ordinals)s::int[] IS NULL
            OR m.block = ANY(release_blocks(%(ordinals)s::int[]))
              AND m.ordinal = ANY(%(ordinals)s::int[]))
       AND (a.wrapped_key = %(destroyed)s OR EXISTS (
           SELECT FROM release_row_keys(m.sources) k
             LEFT JOIN segments s ON s.account_id = m.account_id
               AND s.conversation_id = m.conversation_id
                  AND s.segment = k.segment
            CROSS JOIN LATERAL (SELECT CASE WHEN k.is_safety THEN s.safety_slot
              ELSE s.key_slot END AS slot) z
             LEFT JOIN key_pages p ON p.account_id = m.account_id
               AND p.page = z.slot / {SLOTS_PER_PAGE}
            WHERE z.slot IS NULL OR p.slots IS NULL
               OR substring(p.slots FROM z.slot %% {SLOTS_PER_PAGE} * {WRAPPED_BYTES} + 1 FOR {WRAPPED_BYTES})
                  = %(empty)s))
     ORDER BY m.ordinal"""


def list_dead(
    tx: Transaction, release_id: UUID, ordinals: Sequence[int] | None = None
) -> list[int]:
    """The ordinals of dead rows, of all or of ``ordinals``, in order."""
    values = {
        "release": release_id,
        "ordinals": None if ordinals is None else list(ordinals),
        "destroyed": DESTROYED_KEYS,
        "empty": EMPTY_SLOT,
    }
    return [ordinal for (ordinal,) in tx.execute(_DEAD, values)]


def find_living(
    tx: Transaction, release_id: UUID, ordinals: Sequence[int], key: LogKey
) -> list[int]:
    """The ``ordinals`` that are neither dead nor recorded as purged: no purge may have removed
    them.
    """
    taken = {
        n
        for one in list_recorded(tx, release_id, key)
        for part in one.purge.parts
        for first, last in part.gone
        for n in range(first, last + 1)
    }
    remaining = [ordinal for ordinal in ordinals if ordinal not in taken]
    return sorted(set(remaining) - set(list_dead(tx, release_id, remaining))) if remaining else []


_INSERT = (
    "INSERT INTO purges (release_id, number, document, sha256, purged_at) VALUES (%s, %s, "
    "%s, "
    "%s, %s)"
)


def record(tx: Transaction, release_id: UUID, addendum: Addendum) -> None:
    """Records an addendum, with its leaf; the database rejects a number that exists already."""
    tx.execute(_INSERT, _values(release_id, addendum))
    facts: dict[str, str | int | bool | None] = {
        "release": release_id.hex,
        "number": addendum.purge.number,
        "rows": addendum.purge.rows,
        "sha256": addendum.sha256,
    }
    outbox.append(
        tx, [Entry(kind=EntryKind.release_purged, occurred_at=addendum.purge.at, facts=facts)]
    )


def adopt(tx: Transaction, release_id: UUID, addenda: Sequence[Addendum]) -> None:
    """Records addenda that an older, restored database lacks; the log already has their leaves."""
    for addendum in addenda:
        tx.execute(f"{_INSERT} ON CONFLICT DO NOTHING", _values(release_id, addendum))


def _values(release_id: UUID, addendum: Addendum) -> list[object]:
    return [
        release_id,
        addendum.purge.number,
        addendum.data.decode(),
        bytes.fromhex(addendum.sha256),
        addendum.purge.at,
    ]


def list_recorded(tx: Transaction, release_id: UUID, key: LogKey) -> list[Addendum]:
    """The addenda of a release in the database, in order; BrokenError for one that the log did not
    sign.
    """
    rows = tx.execute(
        "SELECT document, number FROM purges WHERE release_id = %s ORDER BY number", [release_id]
    )
    return [decode(document.encode(), f"purge-{number}.json", key) for document, number in rows]
