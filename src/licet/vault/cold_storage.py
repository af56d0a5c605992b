"""Moving old sealed content to the cold store."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from licet.errors import BrokenError, UsageError
from licet.store.connect import transaction
from licet.vault import cold_tier
from licet.vault.cold_tier import Coolable, CoolingResult
from licet.vault.installation import Installation

AFTER_DAYS = 90
AFTER_DAYS_MAX = 36_500


def _days(after_days: int) -> timedelta:
    if not 1 <= after_days <= AFTER_DAYS_MAX:
        raise UsageError(f"`{after_days}` days: from 1 to {AFTER_DAYS_MAX}")
    return timedelta(days=after_days)


def coolable(installation: Installation, after_days: int = AFTER_DAYS) -> Coolable:
    """Counts what `cool` would move: segments without a new turn for ``after_days`` days. Changes
    nothing.
    """
    at = installation.clock()
    with transaction(installation.pool) as tx:
        return cold_tier.coolable(tx, at, at - _days(after_days))


def cool(
    installation: Installation,
    after_days: int = AFTER_DAYS,
    progress: Callable[[int], None] = lambda _turns: None,
) -> CoolingResult:
    """Moves the sealed content of such segments to the cold store; called again, it continues where
    it stopped.
    """
    at = installation.clock()
    if installation.keyring.cold is None:
        raise BrokenError("this installation was opened without its cold store")
    return cold_tier.cool(
        installation.pool,
        installation.keyring.cold,
        installation.keyring.random,
        at,
        at - _days(after_days),
        progress,
    )
