"""The live decision on rows: may this row be unsealed now, and with which keys.

A row may be used while every source it was made from may be used, for the purpose it was released for. Its key
derives from the keys of its segments, so that it is out of reach for ever once one of them dies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from licet.errors import BrokenError, DeniedError
from licet.policy.decide import Because
from licet.policy.file import Policies
from licet.policy.state import Role, Turn
from licet.release import registry
from licet.release.reader import Lease
from licet.release.registry import RowSources
from licet.release.sealing import row_key
from licet.store.connect import Pool, Transaction, transaction
from licet.vault import policies as versions
from licet.vault import view
from licet.vault.copies import Place
from licet.vault.keyring import Keyring
from licet.vault.open import source_keys
from licet.vault.tables import AccountRow

LEASE_SECONDS = 300
LEASE_SECONDS_MAX = 3600
LAST_SECONDS = 10


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The decision on a row. ``refused`` counts the turns of sources that may not be used, by reason.

    ``slots`` are the keys it derives from, in order, empty where one is gone; ``until`` ends its use.
    """

    row: RowSources
    refused: dict[Because, int]
    until: datetime
    account: AccountRow
    slots: tuple[int, ...]

    @property
    def use(self) -> bool:
        return not self.refused and bool(self.slots)


def verdicts(
    tx: Transaction, rows: Sequence[RowSources], policies: Policies, purpose: str, at: datetime
) -> list[Verdict]:
    """Decides each row at ``at``, by the same rule that let it in."""
    seen = view.seen(tx, sorted({(row.account, row.conversation) for row in rows}), policies, at)
    result = []
    for row in rows:
        here = seen.get(row.conversation)
        if here is None:
            raise BrokenError("a row of a release was made from a conversation that is not there")
        refused: dict[Because, int] = {}
        until = datetime.max.replace(tzinfo=at.tzinfo)
        for source in row.sources:
            turn = Turn(number=source.turn, segment=source.segment, role=Role.user, origin=source.origin)
            decision = here.decide(turn, policies, purpose)
            if decision.until is None:
                refused[decision.because] = refused.get(decision.because, 0) + source.count
            else:
                until = min(until, decision.until)
        slots = [
            here.conversation.keys[n].safety_slot if place is Place.safety else here.conversation.keys[n].key_slot
            for n, place in row.keys
        ]
        living = tuple(slot for slot in slots if slot is not None)
        result.append(
            Verdict(
                row=row,
                refused=refused,
                until=until,
                account=here.account,
                slots=living if len(living) == len(slots) else (),
            )
        )
    return result


def row_keys(tx: Transaction, keyring: Keyring, release_id: UUID, permitted: Sequence[Verdict]) -> dict[int, bytes]:
    """The row keys by ordinal, of those rows whose every source key lives."""
    keys = source_keys(tx, keyring, [(v.account, slot) for v in permitted for slot in v.slots])
    result = {}
    for verdict in permitted:
        sources = [keys[verdict.account.account_id, slot] for slot in verdict.slots]
        living = [key for key in sources if key is not None]
        if len(living) == len(sources):
            result[verdict.row.ordinal] = row_key(living, release_id.bytes, verdict.row.row_id)
    return result


class DatabaseLeases:
    """Leases from the vault itself: each decides anew, holds for ``seconds``, and never past a row's own end.

    A row in its last seconds is not leased: the lease would have run out before it is used, and with it that of others.
    """

    def __init__(
        self, pool: Pool, keyring: Keyring, clock: Callable[[], datetime], seconds: int = LEASE_SECONDS
    ) -> None:
        if not 1 <= seconds <= LEASE_SECONDS_MAX:
            raise BrokenError(f"a lease of `{seconds}` seconds: from 1 to {LEASE_SECONDS_MAX}")
        self._pool, self._keyring, self._clock, self._seconds = pool, keyring, clock, seconds

    def lease(self, release_id: bytes, part: int, ordinals: Sequence[int]) -> Lease:
        """The keys of the rows that may be used now; DeniedError where the release is not sealed."""
        now = self._clock()
        release = UUID(bytes=release_id)
        with transaction(self._pool) as tx:
            known = registry.get(tx, release)
            if known.state != "sealed":
                raise DeniedError(f"release `{known.name}` is not sealed")
            policies = versions.load(tx)
            if policies is None:
                raise DeniedError("no policy has been applied, so nothing may be used")
            rows = registry.rows_at(tx, release, ordinals)
            soon = now + timedelta(seconds=LAST_SECONDS)
            permitted = [v for v in verdicts(tx, rows, policies, known.purpose, now) if v.use and v.until > soon]
            keys = row_keys(tx, self._keyring, release, permitted)
        expires = now + timedelta(seconds=self._seconds)
        ends = [v.until for v in permitted if v.row.ordinal in keys]
        return Lease(keys=keys, expires=min([expires, *ends]))
