"""The region of an account's person as its host stated it: an ISO 3166-1 alpha-2 or ISO 3166-2 code.

It selects the law of their requests' deadlines, and a policy version's regional values
(`licet.policy.regions`).
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from licet.store.connect import Transaction


def load_regions(tx: Transaction, accounts: Sequence[UUID]) -> dict[UUID, str | None]:
    """The region of each existing account; None if the host stated none."""
    rows = tx.execute(
        "SELECT account_id, region FROM accounts WHERE account_id = ANY(%s)", [list(accounts)]
    )
    return {row[0]: row[1] for row in rows}
