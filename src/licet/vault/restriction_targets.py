"""What a restriction can target in an account, for a restore from the log's pseudonyms."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from licet.store.connect import Transaction


def conversations(tx: Transaction, account: UUID) -> list[UUID]:
    """Every conversation of an account."""
    return [
        row[0]
        for row in tx.execute(
            "SELECT conversation_id FROM conversations WHERE account_id = %s", [account]
        )
    ]


def projects(tx: Transaction, account: UUID) -> list[tuple[UUID, bytes]]:
    """Every project of an account, with the HMAC of the host's id."""
    rows = tx.execute("SELECT project_id, host_hmac FROM projects WHERE account_id = %s", [account])
    return [(project, bytes(host)) for project, host in rows]


def flagged(tx: Transaction, account: UUID) -> list[UUID]:
    """The flagged conversations of an account."""
    rows = tx.execute(
        "SELECT conversation_id FROM conversations WHERE account_id = %s AND safety_until "
        "IS NOT NULL",
        [account],
    )
    return [row[0] for row in rows]


def usable_accounts(tx: Transaction) -> list[UUID]:
    """Every account with a grant in force or a flag: no other content may be used."""
    rows = tx.execute(
        """SELECT account_id FROM accounts WHERE in_force > 0
           UNION SELECT account_id FROM standings WHERE grant_no IS NOT NULL
           UNION SELECT account_id FROM scoped_grants
           UNION SELECT account_id FROM conversations WHERE safety_until IS NOT NULL ORDER BY 1"""
    )
    return [row[0] for row in rows]


def in_force(tx: Transaction, grants: Collection[tuple[UUID, int]]) -> list[tuple[UUID, int]]:
    """Those of ``grants``, by account and number, that are in force."""
    rows = tx.execute(
        """SELECT account_id, grant_no FROM (SELECT account_id, grant_no FROM standings
                                             WHERE grant_no IS NOT NULL
                                             UNION ALL SELECT account_id, grant_no
                                               FROM scoped_grants) g
             JOIN (SELECT * FROM unnest(%(account)b::uuid[], %(grant)b::int[]) AS k(account_id, grant_no)) k
            USING (account_id, grant_no) ORDER BY 1, 2""",
        {"account": [account for account, _ in grants], "grant": [number for _, number in grants]},
    )
    return [(account, number) for account, number in rows]
