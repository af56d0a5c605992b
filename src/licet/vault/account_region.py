"""Where the person of an account lives, as its host told: ISO 3166-1 alpha-2, or ISO 3166-2 for a part of a country.

It says whose clock holds for their requests, and nothing of it reaches the rule: what may be used is decided without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from licet.errors import NotFoundError
from licet.policy.file import Policies
from licet.store.connect import Transaction
from licet.vault.ids import Prefix, shown
from licet.vault.requests import VerbRequest, VerbStep


class SetRegion(VerbRequest, frozen=True, kw_only=True):
    """Sets the region of an account, or takes it away."""

    region: str | None

    def prepare(self, tx: Transaction, known: Policies) -> VerbStep:
        """NotFoundError for an account that is not there; `WriteResult.finished` says whether it was another before."""
        before = tx.execute(
            "SELECT region FROM accounts WHERE account_id = %s FOR NO KEY UPDATE", [self.account]
        ).fetchone()
        if before is None:
            raise NotFoundError(f"no account `{shown(Prefix.account, self.account)}`")
        changes = before[0] != self.region
        if changes:
            tx.execute("UPDATE accounts SET region = %s WHERE account_id = %s", [self.region, self.account])
        return VerbStep(finish=lambda _: changes)


def of_accounts(tx: Transaction, accounts: Sequence[UUID]) -> dict[UUID, str | None]:
    """The region of each of these accounts that is there; None where the host told none."""
    rows = tx.execute("SELECT account_id, region FROM accounts WHERE account_id = ANY(%s)", [list(accounts)])
    return {row[0]: row[1] for row in rows}
