"""Repeats policies and grants in the log of a release's year, so that it has all that the release's rows rest on.

Each log covers one year. A version that was applied the year before, or a grant that began then and has not changed
since, would be unknown to a reader of this year's log. Before a release is sealed, each of them therefore gets a leaf,
once a year. The leaf is written under the lock of the table or of the account, like any change of them: a withdrawal
comes entirely before the leaf or entirely after it.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from licet.ledger import outbox
from licet.ledger.outbox import Entry, EntryKind
from licet.store.connect import Pool, Transaction, transaction
from licet.vault import policy_versions
from licet.vault.tables import AccountRow, lock_accounts

ACCOUNTS_MAX = 500


def tell(pool: Pool, release_id: UUID, year: int, at: datetime) -> int:
    """Logs the policies and grants of the rows of a release that are missing in the log of ``year``; returns how many
    leaves.
    """
    with transaction(pool) as tx:
        told = _tell_policies(tx, year, at)
    while True:
        with transaction(pool) as tx:
            accounts = _untold(tx, release_id, year)
            if not accounts:
                return told
            leaves = [_stands(row, at) for row in lock_accounts(tx, accounts).values() if row.state.grant is not None]
            outbox.append(tx, leaves)
        told += len(leaves)


def _tell_policies(tx: Transaction, year: int, at: datetime) -> int:
    policy_versions.stop_changes(tx)
    known, told = policy_versions.applied(tx), outbox.told_policies(tx, year)
    facts: list[dict[str, str | int | bool | None]] = [
        {"number": number, "sha256": sha256}
        for number, sha256 in enumerate(one.sha256().hex() for one in known.versions)
        if sha256 not in told
    ]
    outbox.append(tx, [Entry(told=EntryKind.policy_stands, occurred_at=at, facts=each) for each in facts])
    return len(facts)


def _stands(row: AccountRow, at: datetime) -> Entry:
    facts: dict[str, str | int | bool | None] = {"grant": row.state.grant, "version": row.state.answered or 0}
    moment = max(at, row.state.last_at)
    return Entry(told=EntryKind.grant_stands, occurred_at=moment, account=row.account_id, facts=facts)


def _untold(tx: Transaction, release_id: UUID, year: int) -> list[UUID]:
    """Accounts of the rows, with a grant in force that has no leaf in ``year``."""
    rows = tx.execute(
        f"""SELECT DISTINCT a.account_id FROM release_rows r JOIN accounts a USING (account_id)
             WHERE r.release_id = %(release)s AND a.grant_no IS NOT NULL
               AND NOT EXISTS (SELECT FROM outbox o
                                WHERE o.account_id = a.account_id
                                  AND o.entry IN ('grant_begun', 'grant_affirmed', 'grant_stands') AND {outbox.OF_THE_YEAR})
             LIMIT %(limit)s""",
        {"release": release_id, "year": year, "limit": ACCOUNTS_MAX},
    ).fetchall()
    return [row[0] for row in rows]
