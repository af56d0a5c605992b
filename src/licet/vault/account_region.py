"""Where the person of an account lives, as its host stated: ISO 3166-1 alpha-2, or ISO 3166-2 for a
part of a country.

It says whose clock holds for their requests, and which values of a policy version the rule reads:
`licet.policy.regions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from licet.store.connect import Transaction


def of_accounts(tx: Transaction, accounts: Sequence[UUID]) -> dict[UUID, str | None]:
    """The region of each of these accounts that is there; None where the host stated none."""
    rows = tx.execute(
        "SELECT account_id, region FROM accounts WHERE account_id = ANY(%s)", [list(accounts)]
    )
    return {row[0]: row[1] for row in rows}
