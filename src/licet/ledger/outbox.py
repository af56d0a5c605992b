"""The outbox: entries waiting for the log, each written in the transaction of the change that it
records.

Entries contain closed enumerations and numbers only: no content, no name, no plain hash of either.
They name the account by Licet's id; the log publishes a keyed pseudonym instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from licet.policy.state import WHOLE_ACCOUNT, GrantScope
from licet.store import rows
from licet.store.connect import Transaction
from licet.store.rows import Change, change

_COLUMNS = {"account_id": "uuid", "entry": "text", "occurred_at": "timestamptz", "payload": "text"}


class EntryKind(StrEnum):
    """The kind of an entry."""

    policy_applied = "policy_applied"
    # written by a release: a version of an earlier year, by its present text
    policy_stands = "policy_stands"
    notice_published = "notice_published"
    notice_shown = "notice_shown"
    notice_put_off = "notice_put_off"
    terms_accepted = "terms_accepted"
    shortened = "shortened"
    account_opened = "account_opened"
    plan_set = "plan_set"
    age_found = "age_found"
    region_set = "region_set"
    choice = "choice"
    grant_begun = "grant_begun"
    grant_affirmed = "grant_affirmed"
    grant_stands = "grant_stands"  # written by a release: a grant that the log of its year lacks
    grant_ended = "grant_ended"
    narrowed = "narrowed"
    widened = "widened"
    project_kept_out = "project_kept_out"
    project_let_in = "project_let_in"
    closed = "closed"
    deleted = "deleted"
    flagged = "flagged"
    unflagged = "unflagged"
    held = "held"
    unheld = "unheld"
    feedback = "feedback"
    feedback_taken_back = "feedback_taken_back"
    content_read = "content_read"
    staff_acted = "staff_acted"  # on an account's item
    work_acted = "work_acted"  # on an item without an account
    key_destroyed = "key_destroyed"
    release_decided = "release_decided"  # its rows are decided by the entries before it
    release_sealed = "release_sealed"
    release_reviewed = "release_reviewed"
    release_measured = "release_measured"
    release_signed = "release_signed"
    release_purged = "release_purged"
    certificate = "certificate"
    document_made = "document_made"
    # how far the restriction journal has come, and its chain value there
    journal_head = "journal_head"
    restored = "restored"  # written by a restore: the database is older than the entries before
    # written only by the sequencer: a pseudonym of an earlier year continues under a new one
    carried = "carried"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One leaf. ``facts`` are closed enumerations, numbers, hex digests and Licet's own ids."""

    kind: EntryKind
    occurred_at: datetime
    account: UUID | None = None
    facts: dict[str, str | int | bool | None] = {}


def scope_facts(scope: GrantScope) -> dict[str, str]:
    """A scope as facts of an entry."""
    if scope == WHOLE_ACCOUNT:
        return {"scope": scope.kind.value}
    return {"scope": scope.kind.value, scope.kind.value: scope.name}


def find_leaf(tx: Transaction, kind: EntryKind, payload: str) -> tuple[int, int] | None:
    """Returns `(year of the log, index)` of the leaf with exactly this content; None while it is
    not logged.
    """
    return tx.execute(
        "SELECT log_year, index FROM outbox WHERE entry = %s AND payload = %s AND index IS "
        "NOT NULL",
        [kind.value, payload],
    ).fetchone()


# Whether a row `o` is or will be in the log of the year.
OF_THE_YEAR = "coalesce(o.log_year, extract(year FROM o.occurred_at AT TIME ZONE 'UTC')) = %(year)s"


def logged_policies(tx: Transaction, year: int) -> set[str]:
    """Returns the SHA-256 of each policy text, in hex, that the log of ``year`` has or
    will have.
    """
    rows = tx.execute(
        f"""SELECT DISTINCT o.payload::json ->> 'sha256' FROM outbox o
             WHERE o.entry IN ('policy_applied', 'policy_stands') AND {OF_THE_YEAR}""",
        {"year": year},
    )
    return {row[0] for row in rows}


def logged_versions(tx: Transaction, year: int) -> list[int]:
    """Returns the numbers of the policy versions that the log of ``year`` mentions, also through a
    notice.
    """
    rows = tx.execute(
        """SELECT DISTINCT (payload::jsonb ->> 'number')::int FROM outbox
            WHERE log_year = %s AND entry IN ('policy_applied', 'notice_published')""",
        [year],
    )
    return [row[0] for row in rows]


def logged_releases(tx: Transaction, year: int) -> list[UUID]:
    """Returns the releases whose seal is in the log of ``year``."""
    rows = tx.execute(
        """SELECT (payload::jsonb ->> 'release')::uuid FROM outbox
            WHERE log_year = %s AND entry = 'release_sealed'""",
        [year],
    )
    return [row[0] for row in rows]


def count_logged_grants(tx: Transaction, year: int) -> tuple[int, datetime | None]:
    """Counts the grants in the log of ``year`` that are in force, and returns when the last other
    one ended.
    """
    row = tx.execute(
        """SELECT count(*) FILTER (WHERE ended.at IS NULL), max(ended.at)
             FROM (SELECT DISTINCT account_id, payload::jsonb ->> 'grant' AS grant_no FROM outbox
                    WHERE log_year = %s AND entry LIKE 'grant_%%') told
             LEFT JOIN LATERAL (
                 SELECT max(e.occurred_at) AS at FROM outbox e
                  WHERE e.account_id = told.account_id AND e.entry = 'grant_ended'
                    AND e.payload::jsonb ->> 'grant' IS NOT DISTINCT
                      FROM told.grant_no) ended ON true""",
        [year],
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def logged_heads(tx: Transaction, journal: UUID) -> list[tuple[int, bytes]]:
    """Returns the numbers and chain values of the restriction journal's logged heads."""
    rows = tx.execute(
        """SELECT (payload::jsonb ->> 'number')::bigint, payload::jsonb ->> 'chain' FROM outbox
            WHERE entry = 'journal_head' AND payload::jsonb ->> 'journal' = %s
              AND index IS NOT NULL""",
        [journal.hex],
    )
    return [(number, bytes.fromhex(chain)) for number, chain in rows]


def forget_year(tx: Transaction, year: int) -> None:
    """Deletes the database's rows of a year's log; the caller deletes its files."""
    tx.execute("DELETE FROM outbox WHERE log_year = %s", [year])
    tx.execute("DELETE FROM log_accounts WHERE log_year = %s", [year])
    tx.execute("DELETE FROM logs WHERE log_year = %s", [year])


def append(tx: Transaction, entries: Sequence[Entry]) -> None:
    """Adds ``entries`` to the outbox in order; they become leaves only if ``tx`` commits."""
    change(tx, append_changes(tx, entries))


def append_changes(tx: Transaction, entries: Sequence[Entry]) -> list[Change]:
    """Returns `append` as changes for one statement with others; writes a large batch at once by
    COPY.
    """
    return rows.insert_changes(tx, "outbox", _COLUMNS, _rows(entries))


def _rows(entries: Sequence[Entry]) -> list[Sequence[object]]:
    return [
        (
            entry.account,
            entry.kind.value,
            entry.occurred_at,
            msgspec.json.encode(entry.facts, order="sorted").decode(),
        )
        for entry in entries
    ]
