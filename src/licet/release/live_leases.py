"""The live decision on rows: whether a row may be unsealed now, and with which keys.

A row may be used while every source from which it was made may be used, for the purpose of its release. Its key is
derived from the keys of its segments, so that nobody can derive it any more once one of them is destroyed. A row key
that was leased before and kept still opens its row: a lease cannot be revoked.

`verdicts` decides by the rule in Python and gives reasons, which a build needs. `leased` decides the same rows in one
statement, by the rule in SQL (`vault.population`), and returns only what may be used: a lease needs no more, and it
takes a tenth of the time. A test holds the two equal on generated histories.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

import msgspec

from licet.errors import BrokenError, DeniedError
from licet.keys.keyring import Keyring
from licet.keys.material import (
    EMPTY_SLOT,
    SLOTS_PER_PAGE,
    WRAPPED_BYTES,
    KeyMaterial,
    slot_place,
    unseal_each,
    unwrap_account_keys,
)
from licet.ledger import jws
from licet.policy.decide import DecisionReason
from licet.policy.file import Policies
from licet.policy.state import TurnRole, TurnState
from licet.release import ratings, registry
from licet.release.reader import LEASE_SECONDS, LEASE_SECONDS_MAX, Lease
from licet.release.registry import Release
from licet.release.row_keys import row_key
from licet.release.row_runs import BLOCK_ROWS, RowSources
from licet.release.rows import row_id_of
from licet.store.connect import Pool, Transaction, transaction
from licet.store.rows import arrays
from licet.vault import account_view, population
from licet.vault import policy_versions as versions
from licet.vault.copies import CopyPlace
from licet.vault.population import DECISIONS_OF_FEW, USABLE_UNTIL, VERSIONS
from licet.vault.tables import AccountRow

LAST_SECONDS = 10


class RowDecision(msgspec.Struct, frozen=True, kw_only=True):
    """The decision on a row. ``refused`` counts the turns of sources that may not be used, by reason.

    ``slots`` are the keys from which its own is derived, in order, empty if one is destroyed; ``until`` ends its use.
    """

    row: RowSources
    refused: dict[DecisionReason, int]
    until: datetime
    account: AccountRow
    slots: tuple[int, ...]

    @property
    def use(self) -> bool:
        return not self.refused and bool(self.slots)


def verdicts(
    tx: Transaction, rows: Sequence[RowSources], policies: Policies, purpose: str, at: datetime
) -> list[RowDecision]:
    """Decides each row at ``at``, by the same rule that admitted it."""
    seen = account_view.seen(tx, sorted({(row.account, row.conversation) for row in rows}), policies, at)
    result = []
    for row in rows:
        here = seen.get(row.conversation)
        if here is None:
            raise BrokenError("a row of a release was made from a conversation that does not exist")
        refused: dict[DecisionReason, int] = {}
        until = datetime.max.replace(tzinfo=at.tzinfo)
        for source in row.sources:
            turn = TurnState(number=source.turn, segment=source.segment, role=TurnRole.user, origin=source.origin)
            decision = here.decide(turn, policies, purpose)
            if decision.until is None:
                refused[decision.because] = refused.get(decision.because, 0) + source.count
            else:
                until = min(until, decision.until)
        slots = [
            here.conversation.keys[n].safety_slot if place is CopyPlace.safety else here.conversation.keys[n].key_slot
            for n, place in row.keys
        ]
        living = tuple(slot for slot in slots if slot is not None)
        result.append(
            RowDecision(
                row=row,
                refused=refused,
                until=until,
                account=here.account,
                slots=living if len(living) == len(slots) else (),
            )
        )
    return result


# The end of use of row `m`, and whether it may be used at all: every source of it must have an end in the future.
ROW_ENDS = f"""(
           SELECT min({USABLE_UNTIL}) AS until, bool_and(({USABLE_UNTIL}) IS NOT NULL) AS use
             FROM release_row_sources(m.sources, m.origins) t
             LEFT JOIN LATERAL ({DECISIONS_OF_FEW}
                   WHERE s.account_id = m.account_id AND s.conversation_id = m.conversation_id AND s.segment = t.segment
                  ) d ON true
             LEFT JOIN {VERSIONS} ON v.number = d.version)"""
# Row by row, each looking its sources and keys up by their primary keys: joins of the sets that the arrays unfold to
# have no statistics, and took a hundred times as long. Every key must have its slot, which is cut out of its page here:
# a page is thirty-two times as long.
_LEASED = f"""
    SELECT m.ordinal, m.row_id, e.until, m.account_id, a.wrapped_key, b.bucket, b.epoch, b.wrapped,
           EXISTS (SELECT FROM fence), k.slots, k.wrapped
      FROM release_rows m
      JOIN accounts a USING (account_id)
      JOIN buckets b ON b.bucket = a.bucket -- in this statement: a rotation between two gives half a chain
     CROSS JOIN LATERAL {ROW_ENDS} e
     CROSS JOIN LATERAL (
           SELECT array_agg(k.slot ORDER BY k.place) AS slots, array_agg(k.wrapped ORDER BY k.place) AS wrapped
             FROM (SELECT k.place, z.slot, substring(
                          p.slots FROM z.slot %% {SLOTS_PER_PAGE} * {WRAPPED_BYTES} + 1 FOR {WRAPPED_BYTES}) AS wrapped
                     FROM release_row_keys(m.sources) k
                     JOIN segments s ON s.account_id = m.account_id AND s.conversation_id = m.conversation_id
                      AND s.segment = k.segment
                    CROSS JOIN LATERAL (SELECT CASE WHEN k.is_safety THEN s.safety_slot ELSE s.key_slot END AS slot) z
                     JOIN key_pages p ON p.account_id = m.account_id AND p.page = z.slot / {SLOTS_PER_PAGE}) k) k
     WHERE m.release_id = %(release)s AND m.block BETWEEN %(first)s AND %(last)s
       AND m.ordinal = ANY(%(ordinals)s::int4[])
       AND e.use AND e.until > %(soon)s AND cardinality(k.slots) = release_row_number(m.sources, 1)
     ORDER BY m.account_id"""


class LeasedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row that may be used: its key, and the end of its use."""

    ordinal: int
    key: bytes
    until: datetime

    def __repr__(self) -> str:
        return f"LeasedRow({self.ordinal}, sealed)"


def leased(
    tx: Transaction, keyring: Keyring, known: Release, ordinals: Sequence[int], policies: Policies, at: datetime
) -> list[LeasedRow]:
    """Those of ``ordinals`` that may be used at ``at`` and for `LAST_SECONDS` more, and whose keys all exist."""
    if not ordinals:
        return []
    values = population.parameters(policies, known.purpose, at)
    values |= {"release": known.release_id, "first": min(ordinals) // BLOCK_ROWS, "last": max(ordinals) // BLOCK_ROWS}
    values |= arrays({"ordinals": "int4"}, {"ordinals": ordinals})
    values["soon"] = at + timedelta(seconds=LAST_SECONDS)
    rows = tx.cursor(binary=True).execute(_LEASED, values).fetchall()
    living = [row for row in rows if EMPTY_SLOT not in row[-1]]  # destroyed, although the segment still names it
    keys = unseal_each(_sealed_slots(keyring, living))
    release = known.release_id.bytes
    return [
        LeasedRow(
            ordinal=ordinal,
            until=until,
            key=row_key(list(islice(keys, len(slots))), release, row_id or row_id_of(release, ordinal)),
        )
        for ordinal, row_id, until, *_, slots, _ in living
    ]


def _sealed_slots(keyring: Keyring, rows: Sequence[Any]) -> Iterator[tuple[bytes, bytes, bytes]]:
    """The slots of these rows, row by row, as `unseal_each` takes them; rows of one account follow each other."""
    holder, key = None, KeyMaterial()
    for _, _, _, account, wrapped_key, *bucket, slots, wrapped in rows:
        if account is not holder and account != holder:
            key = unwrap_account_keys(keyring.bucket_key(*bucket), account, wrapped_key).slots
            holder = account
        for slot, one in zip(slots, wrapped, strict=True):
            yield key, one, slot_place(account, slot)


class DatabaseLeases:
    """Leases from the vault itself: each is decided anew and is valid for ``seconds``, but never past a row's own end.
    Ratings come with it, if they are valid for as long.

    A row in its last seconds is not leased: the lease would expire before it is used, and that of other rows with it.
    """

    def __init__(
        self, pool: Pool, keyring: Keyring, clock: Callable[[], datetime], seconds: int = LEASE_SECONDS
    ) -> None:
        if not 1 <= seconds <= LEASE_SECONDS_MAX:
            raise BrokenError(f"a lease of `{seconds}` seconds: from 1 to {LEASE_SECONDS_MAX}")
        self._pool, self._keyring, self._clock, self._seconds = pool, keyring, clock, seconds

    def lease(self, release_id: bytes, part: int, ordinals: Sequence[int]) -> Lease:
        """The keys of the rows that may be used now; DeniedError if the release is not sealed."""
        now = self._clock()
        release = UUID(bytes=release_id)
        with transaction(self._pool) as tx:
            known = registry.get(tx, release)
            if known.state != "sealed":
                raise DeniedError(f"release `{known.name}` is not sealed")
            policies = versions.load(tx)
            if policies is None:
                raise DeniedError("no policy has been applied, so nothing may be used")
            rows = leased(tx, self._keyring, known, ordinals, policies, now)
            expires = min([now + timedelta(seconds=self._seconds), *(row.until for row in rows)])
            rated = ratings.rated(tx, known, [row.ordinal for row in rows], policies, now, expires)
        return Lease(keys={row.ordinal: row.key for row in rows}, expires=expires, ratings=rated)

    def log_key(self, release_id: bytes) -> bytes:
        """See `Leases`."""
        with transaction(self._pool) as tx:
            return jws.public_of(self._keyring.log_seed(tx))
