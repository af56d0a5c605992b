"""Shortening what is stored to the periods of a version: planned account by account and date by
date, then applied.

Promise: what is applied is what the plan listed. The plan keeps, for each account, a hash of its
dates now and after. An account is shortened only if, under its lock, its dates give that hash
still; one that has changed since is left as it is, and the next plan lists it. A date is never
nearer than the version's first instant, which is the announced day, and never takes anything out of
a hold. If it is stopped, the next run continues: what has been shortened needs no change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from licet.errors import UsageError
from licet.ledger.outbox import Entry, EntryKind
from licet.policy.file import Policies, Policy
from licet.store.connect import Transaction
from licet.vault import account_journal, account_view, plan_counts, policy_versions, tables
from licet.vault.ids import Prefix, format_id, parse, smallest_id
from licet.vault.plan_counts import SqlStatement
from licet.vault.population import USEFUL_OF_FEW, parameters

PAGE_ACCOUNTS_MAX = 500
KEPT_DAYS = 7  # how long a plan may be applied
LISTED_MAX = 10_000
FIRST = UUID(int=0)


class ShorteningPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The sums of a shortening. ``bytes`` are sealed bytes; ``due_at_first`` segments are due once
    the version is effective; ``nearest`` and ``furthest`` are the first and the last new date.
    """

    id: str
    accounts: int
    conversations: int
    segments: int
    turns: int
    bytes: int
    due_at_first: int
    nearest: datetime | None
    furthest: datetime | None


class DateChange(NamedTuple):
    """A segment whose date comes nearer."""

    account: UUID
    conversation: UUID
    segment: int
    turns: int
    bytes: int
    keep_until: datetime
    becomes: datetime


class ListedDate(msgspec.Struct, frozen=True, kw_only=True):
    """A date before and after the shortening. ``changed``: its account has changed since the plan,
    so it is not shortened.
    """

    account: str
    conversation: str
    segment: int
    turns: int
    keep_until: datetime
    becomes: datetime
    changed: bool


class DatesPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the dates that a plan shortens; ``next`` begins the following page."""

    items: tuple[ListedDate, ...]
    next: str | None


class ShortenedBatch(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of shortened segments and of accounts skipped because they changed since the
    plan. ``last`` is where the next batch continues, None at the end.
    """

    segments: int
    changed_accounts: int
    last: UUID | None


# Planning


def plan_shortening(
    tx: Transaction, after: Policies, new: Policy, now: datetime, shortening: UUID
) -> ShorteningPlan:
    """Computes the sums over all accounts; stores the hash of each account's dates under
    ``shortening``.
    """
    tx.execute(
        "DELETE FROM policy_shortenings WHERE shortening_id < %s",
        [smallest_id(now - timedelta(days=KEPT_DAYS))],
    )
    at, count = max(now, new.effective), _Counting()
    for page in _pages(tx, FIRST):
        hashes = []
        for account, changes in _by_account(_changes(tx, after, new, at, page)):
            hashes.append((account, dates_sha256(changes)))
            count.add(changes, at)
        tx.execute(
            "INSERT INTO policy_shortenings SELECT %s, * FROM unnest(%s::uuid[], %s::bytea[])",
            [shortening, [account for account, _ in hashes], [digest for _, digest in hashes]],
        )
    return count.plan(shortening)


def dates_sha256(changes: Sequence[DateChange]) -> bytes:
    """The hash of an account's part of a plan: its segments in order, each with both dates."""
    digest = hashlib.sha256(b"licet/shortening/v1\n")
    for one in changes:
        dates = (
            f"{one.keep_until.astimezone(UTC).isoformat()} "
            f"{one.becomes.astimezone(UTC).isoformat()}"
        )
        digest.update(f"{one.conversation.hex} {one.segment} {dates}\n".encode())
    return digest.digest()


class _Counting:
    """Computes a plan's sums, account by account."""

    def __init__(self) -> None:
        self.accounts = self.conversations = self.segments = self.turns = self.bytes = (
            self.due_at_first
        ) = 0
        self.nearest: datetime | None = None
        self.furthest: datetime | None = None

    def add(self, changes: Sequence[DateChange], now: datetime) -> None:
        dates = [one.becomes for one in changes]
        self.accounts += 1
        self.conversations += len({one.conversation for one in changes})
        self.segments += len(changes)
        self.turns += sum(one.turns for one in changes)
        self.bytes += sum(one.bytes for one in changes)
        self.due_at_first += sum(date <= now for date in dates)
        self.nearest = min(dates) if self.nearest is None else min(self.nearest, *dates)
        self.furthest = max(dates) if self.furthest is None else max(self.furthest, *dates)

    def plan(self, shortening: UUID) -> ShorteningPlan:
        return ShorteningPlan(
            id=shortening.hex,
            accounts=self.accounts,
            conversations=self.conversations,
            segments=self.segments,
            turns=self.turns,
            bytes=self.bytes,
            due_at_first=self.due_at_first,
            nearest=self.nearest,
            furthest=self.furthest,
        )


# Listing


def list_dates(
    tx: Transaction,
    after: Policies,
    new: Policy,
    now: datetime,
    shortening: UUID,
    *,
    cursor: str | None,
    limit: int,
) -> DatesPage:
    """Up to ``limit`` dates after ``cursor``, by account, conversation and segment; UsageError for
    an invalid cursor.
    """
    if not 0 < limit <= LISTED_MAX:
        raise UsageError(f"`{limit}` dates at once", f"ask for 1 to {LISTED_MAX:,}")
    begin, at = (
        _cursor(cursor) if cursor is not None else (FIRST, FIRST, -1),
        max(now, new.effective),
    )
    items: list[ListedDate] = []
    for page in _pages(tx, UUID(int=max(begin[0].int - 1, 0))):
        planned = _planned(tx, shortening, page)
        for account, changes in _by_account(_changes(tx, after, new, at, page)):
            changed = planned.get(account) != dates_sha256(changes)
            items += [
                _list_date(one, changed)
                for one in changes
                if (one.account, one.conversation, one.segment) > begin
            ]
            if len(items) > limit:
                last = items[limit - 1]
                return DatesPage(items=tuple(items[:limit]), next=_cursor_of(last))
    return DatesPage(items=tuple(items), next=None)


def _list_date(change: DateChange, changed: bool) -> ListedDate:
    return ListedDate(
        account=format_id(Prefix.account, change.account),
        conversation=format_id(Prefix.conversation, change.conversation),
        segment=change.segment,
        turns=change.turns,
        keep_until=change.keep_until,
        becomes=change.becomes,
        changed=changed,
    )


def _cursor_of(item: ListedDate) -> str:
    return f"{item.account}/{item.conversation}/{item.segment}"


def _cursor(text: str) -> tuple[UUID, UUID, int]:
    account, _, rest = text.partition("/")
    conversation, _, segment = rest.partition("/")
    if not segment.isdecimal():
        raise UsageError("the cursor is none that a page gave", "take `next` of the page before")
    return parse(Prefix.account, account), parse(Prefix.conversation, conversation), int(segment)


# Applying


def shorten_batch(
    tx: Transaction,
    new: Policy,
    now: datetime,
    shortening: UUID,
    *,
    after: UUID = FIRST,
    limit: int,
) -> ShortenedBatch:
    """Shortens the dates of up to ``limit`` accounts after ``after``, as listed by the plan
    ``shortening``.
    """
    known = policy_versions.applied(tx)
    page = account_view.account_ids_after(tx, after, limit)
    last, at = page[-1] if len(page) == limit else None, max(now, new.effective)
    accounts = sorted({one.account for one in _changes(tx, known, new, at, page)})
    if not accounts:
        return ShortenedBatch(segments=0, changed_accounts=0, last=last)
    # A turn that was taken before the lock has moved the dates: they are computed again.
    locked = list(tables.lock_accounts(tx, accounts))
    planned = _planned(tx, shortening, locked)
    changes = dict(_by_account(_changes(tx, known, new, at, locked)))
    agreed = [
        account for account, ones in changes.items() if planned.get(account) == dates_sha256(ones)
    ]
    dates = [one for account in agreed for one in changes[account]]
    tx.execute(
        """UPDATE segments s SET keep_until = d.becomes
             FROM unnest(%s::uuid[], %s::uuid[], %s::int[], %s::timestamptz[])
                  AS d(account_id, conversation_id, segment, becomes)
            WHERE (s.account_id, s.conversation_id, s.segment) = (d.account_id, d.conversation_id,
              d.segment)""",
        [
            [one.account for one in dates],
            [one.conversation for one in dates],
            [one.segment for one in dates],
            [one.becomes for one in dates],
        ],
    )
    _log_shortened(tx, agreed, new, now)
    return ShortenedBatch(
        segments=len(dates), changed_accounts=len(changes) - len(agreed), last=last
    )


def _log_shortened(tx: Transaction, accounts: list[UUID], new: Policy, now: datetime) -> None:
    leaves = [
        Entry(
            kind=EntryKind.shortened,
            occurred_at=now,
            account=account,
            facts={"version": new.version},
        )
        for account in accounts
    ]
    account_journal.append_endings(
        tx, "shortened", now, [(account, None) for account in accounts], leaves
    )


# Dates


def _pages(tx: Transaction, after: UUID) -> Iterator[list[UUID]]:
    page = account_view.account_ids_after(tx, after, PAGE_ACCOUNTS_MAX)
    while page:
        yield page
        page = account_view.account_ids_after(tx, page[-1], PAGE_ACCOUNTS_MAX)


def _planned(tx: Transaction, shortening: UUID, accounts: Sequence[UUID]) -> dict[UUID, bytes]:
    rows = tx.execute(
        "SELECT account_id, dates_sha256 FROM policy_shortenings WHERE shortening_id = %s "
        "AND account_id = ANY(%s)",
        [shortening, list(accounts)],
    )
    return {account: bytes(digest) for account, digest in rows}


def _by_account(changes: Sequence[DateChange]) -> Iterator[tuple[UUID, list[DateChange]]]:
    return ((account, list(run)) for account, run in groupby(changes, attrgetter("account")))


def _changes(
    tx: Transaction, policies: Policies, new: Policy, now: datetime, accounts: Sequence[UUID]
) -> list[DateChange]:
    """The segments of some accounts whose date exceeds its bound, in order."""
    bounds = _bounds(policies, new, now, list(accounts))
    rows = tx.execute(
        f"SELECT * FROM ({bounds.sql}) b WHERE keep_until > bound ORDER BY account_id, "
        "conversation_id, segment",
        bounds.values,
    )
    return [DateChange(*row) for row in rows]


# What is useful under the version, `u`, has the period of a permission; then the instant that a
# segment's date may not pass. A hold that was placed on it while it was kept goes on keeping it.
_BOUNDS = """
    SELECT s.account_id, s.conversation_id, s.segment, s.last_turn - s.first_turn + 1 AS turns,
      s.stored_bytes, s.keep_until,
           greatest(%(effective)s::timestamptz,
               s.last_at + {period},
               (SELECT max(h.placed_at) + interval '1 microsecond' FROM holds h
                 WHERE h.account_id = s.account_id AND h.conversation_id = s.conversation_id
                   AND h.placed_at < s.keep_until)) AS bound
      FROM segments s JOIN conversations c USING (account_id, conversation_id)"""


def _bounds(policies: Policies, new: Policy, now: datetime, accounts: list[UUID]) -> SqlStatement:
    """The latest permitted date of each segment of a few accounts."""
    useful = _useful(policies, now)
    period = plan_counts.period_of_segment(
        new.keep, incognito="c.incognito", useful="u.account_id IS NOT NULL", surface="s.surface"
    )
    values = {**useful.values, **period.values, "effective": new.effective, "accounts": accounts}
    return SqlStatement(
        f"""{_BOUNDS.format(period=period.sql)} LEFT
             JOIN ({useful.sql}) u USING (account_id, conversation_id, segment)
             WHERE s.erased_at IS NULL AND s.account_id = ANY(%(accounts)s)""",
        values,
    )


def _useful(policies: Policies, now: datetime) -> SqlStatement:
    """The segments of ``accounts`` permitted for some purpose at ``now``, each once."""
    parts: list[str] = []
    values: dict[str, Any] = {}
    for place, purpose in enumerate(sorted(policies.in_force(now).covers)):
        mine = f"{place}_"
        parts.append(
            USEFUL_OF_FEW.replace("%(", f"%({mine}").replace(f"%({mine}accounts)", "%(accounts)")
        )
        values |= {mine + key: value for key, value in parameters(policies, purpose, now).items()}
    return SqlStatement(" UNION ".join(parts), values)
