"""The wrapped keys of accounts: account keys, pages of segment keys, and the accounts marked for
new keys.

A key is destroyed by overwriting its slot with zeros, in a transaction that also marks its account
(`spent_accounts`). Without the mark a rotation would keep the account key, under which an older
copy of the slot can still be opened.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

import msgspec

from licet.errors import BrokenError
from licet.keys.material import DESTROYED_KEYS, SLOTS_PER_PAGE, WRAPPED_BYTES
from licet.store.connect import Transaction

Page = tuple[UUID, int]  # account, number


# Pages


def load_pages(tx: Transaction, pages: Sequence[Page]) -> dict[Page, bytes]:
    """Key pages by (account, page)."""
    if not pages:
        return {}
    rows = tx.execute(
        """
        SELECT account_id, page, slots FROM key_pages
          JOIN (SELECT * FROM unnest(%(account)b::uuid[], %(page)b::int[]) AS k(account_id, page)
            LIMIT %(pages)s) k
            USING (account_id, page)
        """,
        {"account": [a for a, _ in pages], "page": [p for _, p in pages], "pages": len(pages)},
    ).fetchall()
    return {(account, page): slots for account, page, slots in rows}


def save_pages(tx: Transaction, pages: Mapping[Page, bytes]) -> None:
    """Writes key pages, new and existing ones."""
    if not pages:
        return
    tx.execute(
        """
        INSERT INTO key_pages (account_id, page, slots)
        SELECT * FROM unnest(%(account)b::uuid[], %(page)b::int[], %(slots)b::bytea[])
        ON CONFLICT (account_id, page) DO UPDATE SET slots = excluded.slots
        """,
        {
            "account": [account for account, _ in pages],
            "page": [page for _, page in pages],
            "slots": list(pages.values()),
        },
    )


def destroy_slots(
    tx: Transaction, slots: Sequence[tuple[UUID, int]], *, daily: Collection[UUID] | None = None
) -> None:
    """Overwrites the keys in (account, slot) with zeros. The accounts are locked.

    ``daily`` are the accounts to mark for the daily rotation, by default all of them.
    """
    if not slots:
        return
    emptied = tx.execute(
        _DESTROY,
        {
            "account": [account for account, _ in slots],
            "slot": [slot for _, slot in slots],
            "daily": [daily is None or account in daily for account, _ in slots],
        },
    ).rowcount
    if emptied != len({(account, slot // SLOTS_PER_PAGE) for account, slot in slots}):
        raise BrokenError("a key page of an account is missing")


_MARKED = (
    "ON CONFLICT (account_id) DO UPDATE SET daily = true WHERE excluded.daily AND NOT "
    "spent_accounts.daily"
)
_DESTROY = f"""
    WITH k AS (SELECT * FROM unnest(%(account)b::uuid[], %(slot)b::int[], %(daily)b::bool[]) AS k(account_id, slot, daily)),
         marked AS (INSERT INTO spent_accounts (account_id, bucket, daily)
                    SELECT account_id, bucket, m.daily
                      FROM (SELECT account_id, bool_or(daily) AS daily FROM k GROUP BY account_id) m
                      JOIN accounts USING (account_id) {_MARKED})
    UPDATE key_pages p
       SET slots = (SELECT string_agg(CASE WHEN n = ANY(e.places) THEN decode(repeat('00', {WRAPPED_BYTES}), 'hex')
                                           ELSE substring(p.slots
                                             FROM n * {WRAPPED_BYTES} + 1 FOR {WRAPPED_BYTES}) END,
                                      ''::bytea ORDER BY n)
                      FROM generate_series(0, {SLOTS_PER_PAGE - 1}) n)
      FROM (SELECT account_id, slot / {SLOTS_PER_PAGE} AS page,
        array_agg(slot %% {SLOTS_PER_PAGE}) AS places
              FROM k GROUP BY 1, 2) e
     WHERE p.account_id = e.account_id AND p.page = e.page"""


def mark_spent(tx: Transaction, accounts: Mapping[UUID, bool]) -> None:
    """Marks accounts for new keys: for the daily rotation if the value is true, else the weekly.

    Must share the transaction that destroys their keys: without the mark an old backup could open
    them for ever.
    """
    if not accounts:
        return
    tx.execute(
        f"""
        INSERT INTO spent_accounts (account_id, bucket, daily)
        SELECT account_id, bucket, k.daily
          FROM unnest(%(account)b::uuid[], %(daily)b::bool[]) AS k(account_id, daily)
            JOIN accounts USING (account_id)
        {_MARKED}
        """,
        {"account": list(accounts), "daily": list(accounts.values())},
    )


# Rotation: the caller has locked the bucket


class MarkedCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What a rotation that began now would process: ``rewrapped`` counts the accounts in the
    buckets of the marked ones.
    """

    buckets: int
    rewrapped: int
    marked: int
    pages: int


def spent_counts(tx: Transaction) -> dict[bool, int]:
    """The number of accounts marked for the daily rotation (true) and for the weekly one."""
    rows = tx.execute("SELECT daily, count(*) FROM spent_accounts GROUP BY daily").fetchall()
    return {daily: int(count) for daily, count in rows}


def marked_counts(tx: Transaction, *, weekly: bool) -> MarkedCounts:
    """Counts what is marked for the daily rotation; with ``weekly`` all that is marked."""
    row = tx.execute(
        """
        WITH marked AS (SELECT account_id, bucket FROM spent_accounts WHERE daily OR %(weekly)s),
             rekeyed AS (SELECT DISTINCT bucket FROM marked)
        SELECT (SELECT count(*) FROM rekeyed),
          (SELECT count(*) FROM accounts JOIN rekeyed USING (bucket)),
               (SELECT count(*) FROM marked),
                 (SELECT count(*) FROM key_pages JOIN marked USING (account_id))
        """,
        {"weekly": weekly},
    ).fetchone()
    assert row is not None
    return MarkedCounts(buckets=row[0], rewrapped=row[1], marked=row[2], pages=row[3])


def marked_in(tx: Transaction, bucket: int, *, weekly: bool) -> set[UUID]:
    """The accounts of a bucket marked for the daily rotation; with ``weekly`` all marked ones."""
    rows = tx.execute(
        "SELECT account_id FROM spent_accounts WHERE bucket = %s AND (daily OR %s)",
        [bucket, weekly],
    ).fetchall()
    return {row[0] for row in rows}


def unmark(tx: Transaction, accounts: Collection[UUID]) -> None:
    tx.execute("DELETE FROM spent_accounts WHERE account_id = ANY(%s)", [list(accounts)])


def lock_wrapped_keys(tx: Transaction, bucket: int) -> list[tuple[UUID, bytes]]:
    """Locks every account of a bucket in the order of the ids; `(account, wrapped keys)`."""
    return tx.execute(
        "SELECT account_id, wrapped_key FROM accounts WHERE bucket = %s ORDER BY account_id "
        "FOR NO KEY UPDATE",
        [bucket],
    ).fetchall()


def rewrap_accounts(tx: Transaction, wrapped: Mapping[UUID, bytes]) -> None:
    tx.execute(
        """UPDATE accounts a SET wrapped_key = n.wrapped
             FROM unnest(%(account)b::uuid[], %(wrapped)b::bytea[]) AS n(account_id, wrapped)
            WHERE a.account_id = n.account_id""",
        {"account": list(wrapped), "wrapped": list(wrapped.values())},
    )


def pages_after(
    tx: Transaction, accounts: Collection[UUID], last: Page, limit: int
) -> list[tuple[UUID, int, bytes]]:
    """Up to ``limit`` key pages of ``accounts`` after the page ``last``, in order: `(account, page,
    slots)`.
    """
    return tx.execute(
        """SELECT account_id, page, slots FROM key_pages
            WHERE account_id = ANY(%s) AND (account_id, page) > (%s, %s)
              ORDER BY account_id, page LIMIT %s""",
        [list(accounts), *last, limit],
    ).fetchall()


def rewrap_pages(tx: Transaction, pages: Mapping[Page, bytes]) -> None:
    """Overwrites existing key pages."""
    tx.execute(
        """UPDATE key_pages p SET slots = n.slots
             FROM unnest(%(account)b::uuid[], %(page)b::int[], %(slots)b::bytea[]) AS n(account_id,
               page, slots)
            WHERE p.account_id = n.account_id AND p.page = n.page""",
        {
            "account": [a for a, _ in pages],
            "page": [page for _, page in pages],
            "slots": list(pages.values()),
        },
    )


# Ends


def has_live_key(tx: Transaction, account: UUID) -> bool:
    """Whether a segment, a safety copy or feedback of the account still has its key, or a hold
    keeps any of its content.
    """
    row = tx.execute(
        """SELECT EXISTS (SELECT FROM segments WHERE account_id = %(account)s
                             AND (key_slot IS NOT NULL OR safety_slot IS NOT NULL))
               OR EXISTS (SELECT FROM feedback WHERE account_id = %(account)s
                 AND key_slot IS NOT NULL)
               OR EXISTS (SELECT FROM holds WHERE account_id = %(account)s)""",
        {"account": account},
    ).fetchone()
    return row is None or bool(row[0])


def destroy_keys(tx: Transaction, account: UUID) -> None:
    """Destroys the account's own keys and the pages under them. The account is locked."""
    mark_spent(tx, {account: True})
    tx.execute("DELETE FROM key_pages WHERE account_id = %s", [account])
    tx.execute(
        "UPDATE accounts SET wrapped_key = %s WHERE account_id = %s", [DESTROYED_KEYS, account]
    )


# The number of wrapped keys of `%(account)s` in slots that no kept row uses, in a statement; none
# after an erasure.
STRAY_KEYS = f"""(
    SELECT count(*) FROM key_pages p CROSS JOIN generate_series(0, {SLOTS_PER_PAGE - 1}) n
     WHERE p.account_id = %(account)s
       AND substring(p.slots FROM n * {WRAPPED_BYTES} + 1 FOR {WRAPPED_BYTES})
           <> decode(repeat('00', {WRAPPED_BYTES}), 'hex')
       AND p.page * {SLOTS_PER_PAGE} + n NOT IN (
           SELECT key_slot FROM segments WHERE account_id = %(account)s AND key_slot IS NOT NULL
           UNION ALL SELECT safety_slot FROM segments WHERE account_id = %(account)s
             AND safety_slot IS NOT NULL
           UNION ALL SELECT key_slot FROM feedback WHERE account_id = %(account)s
             AND key_slot IS NOT NULL))"""
