"""Repeats policies and grants in the log of a release's year, so that it has the whole basis of the
release's rows.

Each year has its own log. A policy version applied in an earlier year, or a grant (a person's yes
to one question) that began then without an entry since, would be missing in this year's log. Before
a release is sealed, each of those that a row is based on therefore gets a leaf, once a year, under
the lock of the table or of the account: a withdrawal is either wholly before or wholly after it.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from licet.ledger import outbox
from licet.ledger.outbox import Entry, EntryKind
from licet.policy.state import Grant
from licet.store.connect import Pool, Transaction, transaction
from licet.vault import policy_versions
from licet.vault.tables import AccountRow, lock_accounts

GRANTS_MAX = 500


def add_missing_leaves(
    pool: Pool, release_id: UUID, question: str | None, year: int, now: datetime
) -> int:
    """Adds the missing leaves for a release's rows to the log of ``year``; returns their number.

    ``question`` is the one that covers the release's purpose.
    """
    with transaction(pool) as tx:
        added = _log_policies(tx, year, now)
    while question is not None:
        with transaction(pool) as tx:
            untold = _unlogged_grants(tx, release_id, question, year)
            if not untold:
                return added
            rows = lock_accounts(tx, {account for account, _ in untold})
            leaves = [
                _standing_entry(rows[account], grant, now)
                for account, number in untold
                for grant in rows[account].state.grants
                if grant.number == number
            ]
            outbox.append(tx, leaves)
        added += len(leaves)
    return added


def _log_policies(tx: Transaction, year: int, now: datetime) -> int:
    policy_versions.block_changes(tx)
    known, added = policy_versions.applied(tx), outbox.logged_policies(tx, year)
    facts: list[dict[str, str | int | bool | None]] = [
        {"number": number, "sha256": sha256}
        for number, sha256 in enumerate(one.sha256().hex() for one in known.versions)
        if sha256 not in added
    ]
    outbox.append(
        tx, [Entry(kind=EntryKind.policy_stands, occurred_at=now, facts=each) for each in facts]
    )
    return len(facts)


def _standing_entry(row: AccountRow, grant: Grant, now: datetime) -> Entry:
    facts: dict[str, str | int | bool | None] = {
        "grant": grant.number,
        "version": row.state.answered_version(grant.question) or 0,
        "question": grant.question,
        **outbox.scope_facts(grant.scope),
    }
    moment = max(now, row.state.last_at)
    return Entry(
        kind=EntryKind.grant_stands, occurred_at=moment, account=row.account_id, facts=facts
    )


def _unlogged_grants(
    tx: Transaction, release_id: UUID, question: str, year: int
) -> list[tuple[UUID, int]]:
    """(account, grant) in force for the rows' conversations without a leaf in ``year``.

    Wider grants too: a row needs one if the narrower one ends before the decision.
    """
    return tx.execute(
        f"""SELECT DISTINCT g.account_id, g.grant_no
              FROM (SELECT r.account_id, unnest(ARRAY[own.grant_no, project.grant_no, s.grant_no]) AS grant_no
                      FROM release_rows r JOIN conversations c USING (account_id, conversation_id)
                      LEFT JOIN scoped_grants own ON own.account_id = c.account_id
                            AND own.conversation_id = c.conversation_id
                              AND own.question = %(question)s
                      LEFT JOIN scoped_grants project ON project.account_id = c.account_id
                            AND project.project_id = c.project_id
                              AND project.question = %(question)s
                      LEFT JOIN standings s ON s.account_id = c.account_id
                        AND s.question = %(question)s
                     WHERE r.release_id = %(release)s) g
             WHERE g.grant_no IS NOT NULL
               AND NOT EXISTS (SELECT FROM outbox o
                                WHERE o.account_id = g.account_id
                                  AND o.entry IN ('grant_begun', 'grant_affirmed', 'grant_stands')
                                  AND o.payload::json ->> 'grant' = g.grant_no::text
                                    AND {outbox.OF_THE_YEAR})
             LIMIT %(limit)s""",
        {"release": release_id, "question": question, "year": year, "limit": GRANTS_MAX},
    ).fetchall()
