"""Counts of all accounts and all content, maintained by triggers.

Each change adds its difference to the counts in its own transaction (ADR 24): the sum of the rows
always equals a recount. Rows are only inserted, so no writer waits for another; `fold` merges them.
Content is counted by the last day (UTC) on which it is kept.

`DIFFERENCES` compares with a recount in one statement, so at one moment; the bytes are counted from
the sealed content itself. `recount` writes the counts anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

import msgspec

from licet.policy import fold as policy_fold
from licet.policy.decide import gate
from licet.policy.file import Policies
from licet.policy.state import WHOLE_ACCOUNT, AccountState, Grant, GrantStanding, Standing
from licet.store.connect import Transaction
from licet.vault.cold_tier import SIZE

AGE_MAX = 25  # ages above it are not distinguished: see `counted_age` in the schema
FOLDED_ROWS_MIN = 1_000  # more rows than this are put together when the counts are read
_FOLD_LOCK = 0x11CE7_0041


class CountedKind(StrEnum):
    """What `content_counts` counts. ``safety`` are segments with a safety copy."""

    conversations = "conversations"
    flagged = "flagged"
    segments = "segments"
    safety = "safety"
    feedback = "feedback"


class CountedContent(NamedTuple):
    """Content of one kind with the same last day. ``is_long``: it is kept for more than a year."""

    what: CountedKind
    ends_on: date | None
    is_long: bool
    items: int
    turns: int
    bytes: int


class AccountFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Accounts by plan and gate, and by standing for each question of the version in force."""

    accounts: int
    plans: dict[str, int]
    gates: dict[str, int]
    standings: dict[str, dict[str, int]]


_ACCOUNT_CLASS = "plan, age, region, seen, opened_under, closed, answers"
_CONTENT_CLASS = "what, ends_on, is_long"
_CONTENT_SUMS = "sum(items)::bigint, sum(turns)::bigint, sum(bytes)::bigint"
_LIVE = """plan, {age} AS age, region, seen, version_at(opened_at) AS opened_under,
    closed_at IS NOT NULL AS closed,
    answers_of(account_id) AS answers, 1 AS accounts FROM accounts"""
_ACCOUNTS = f"SELECT {_LIVE.format(age='counted_age(age)')}"
_CONTENT = """SELECT k.* FROM segments s, counted_segment(s) k
    UNION ALL SELECT k.* FROM feedback f, counted_feedback(f) k
    UNION ALL SELECT k.* FROM conversations c, counted_conversation(c) k"""
# The same, with the sizes of stored content instead of those in the counted rows.
_STORED = f"""SELECT what, ends_on, is_long, items, turns, 0 AS bytes FROM ({_CONTENT}) k
    UNION ALL SELECT k.what, k.ends_on, k.is_long, 0, 0, {SIZE} FROM blocks b
                JOIN segments s USING (account_id, conversation_id, segment), counted_segment(s) k
                  WHERE k.what = 'segments' AND b.sizes IS NOT NULL
    UNION ALL SELECT k.what, k.ends_on, k.is_long, 0, 0, octet_length(b.sealed) FROM safety_bodies b
                JOIN segments s USING (account_id, conversation_id, segment), counted_segment(s) k
                  WHERE k.what = 'safety'
    UNION ALL SELECT k.what, k.ends_on, k.is_long, 0, 0, octet_length(b.sealed)
      FROM feedback_bodies b
                JOIN feedback f USING (account_id, feedback_id), counted_feedback(f) k"""
DIFFERENCES = f"""
    SELECT 'accounts: ' || concat_ws(', ', {_ACCOUNT_CLASS}) || ' by ' || sum(accounts)
      FROM (SELECT {_ACCOUNT_CLASS}, accounts FROM account_counts
            UNION ALL SELECT {_ACCOUNT_CLASS}, -accounts FROM ({_ACCOUNTS}) k) c
     GROUP BY {_ACCOUNT_CLASS} HAVING sum(accounts) <> 0
    UNION ALL
    SELECT concat_ws(', ', {_CONTENT_CLASS}) || ' by ' || concat_ws(', ', sum(items), sum(turns),
      sum(bytes))
      FROM (SELECT {_CONTENT_CLASS}, items, turns, bytes FROM content_counts
            UNION ALL SELECT {_CONTENT_CLASS}, -items, -turns, -bytes FROM ({_STORED}) k) c
     GROUP BY {_CONTENT_CLASS} HAVING sum(items) <> 0 OR sum(turns) <> 0 OR sum(bytes) <> 0"""

# Adds what a row's bytes lack, so that what another transaction adds meanwhile stays.
_RESIZE = [
    f"""UPDATE {table} s SET {column} = s.{column} + d.lacks
          FROM (SELECT {key}, coalesce(sum({size}), 0) - max(s.{column}) AS lacks
                  FROM {table} s LEFT JOIN {bodies} b USING ({key}) WHERE {lives} GROUP BY {key}) d
         WHERE d.lacks <> 0 AND {" AND ".join(f"s.{name} = d.{name}" for name in key.split(", "))}"""
    for table, column, bodies, key, size, lives in (
        (
            "segments",
            "stored_bytes",
            "blocks",
            "account_id, conversation_id, segment",
            SIZE,
            "s.erased_at IS NULL",
        ),
        (
            "segments",
            "safety_bytes",
            "safety_bodies",
            "account_id, conversation_id, segment",
            "octet_length(b.sealed)",
            "s.safety_slot IS NOT NULL",
        ),
        (
            "feedback",
            "stored_bytes",
            "feedback_bodies",
            "account_id, feedback_id",
            "octet_length(b.sealed)",
            "s.erased_at IS NULL",
        ),
    )
]


# Reading


def accounts(tx: Transaction, policies: Policies, now: datetime) -> AccountFigures:
    """The figures at ``now``. Accounts with equal state are counted as one kind, which is brought
    to ``now`` once.
    """
    plans, gates = Counter[str](), Counter[str]()
    standings: dict[str, Counter[str]] = {}
    for count, state in _kinds(tx, policies):
        account = policy_fold.advance(state, policies, now).account
        plans[account.plan] += count
        gates[gate(account, policies, now).value] += count
        for question in policies.in_force(now).asks:
            word = "closed" if account.closed_at else account.standing(question).value
            standings.setdefault(question, Counter())[word] += count
    return AccountFigures(
        accounts=plans.total(),
        plans=_ordered(plans),
        gates=_ordered(gates),
        standings={question: _ordered(counted) for question, counted in standings.items()},
    )


def content(tx: Transaction) -> list[CountedContent]:
    """All content, by kind and last day."""
    rows = tx.execute(
        f"""SELECT {_CONTENT_CLASS}, {_CONTENT_SUMS} FROM content_counts GROUP BY {_CONTENT_CLASS}
             ORDER BY {_CONTENT_CLASS}"""
    )
    return [CountedContent(CountedKind(kind), *row) for kind, *row in rows]


def held(tx: Transaction) -> list[CountedContent]:
    """The part of `content` that legal holds keep beyond its day, computed from the holds, which
    are few.
    """
    rows = tx.execute(
        f"""WITH c AS (SELECT account_id, conversation_id, min(placed_at) AS placed_at FROM holds
            GROUP BY 1, 2)
            SELECT {_CONTENT_CLASS}, {_CONTENT_SUMS} FROM (
                SELECT k.* FROM c JOIN segments s USING (account_id, conversation_id),
                  counted_segment(s) k
                 WHERE k.what = 'safety' OR c.placed_at < s.keep_until
                UNION ALL SELECT k.* FROM c JOIN feedback f USING (account_id, conversation_id),
                  counted_feedback(f) k
                 WHERE c.placed_at < f.keep_until) h
             GROUP BY {_CONTENT_CLASS}"""
    )
    return [CountedContent(CountedKind(kind), *row) for kind, *row in rows]


def held_conversations(tx: Transaction) -> int:
    """The number of conversations under a legal hold."""
    row = tx.execute(
        "SELECT count(*) FROM (SELECT DISTINCT account_id, conversation_id FROM holds) h"
    ).fetchone()
    return int(row[0]) if row else 0


def _kinds(tx: Transaction, policies: Policies) -> Iterable[tuple[int, AccountState]]:
    """Each kind of account, as a representative state, with its number of accounts. If a version
    asks for an age above `AGE_MAX`, reads the accounts themselves.
    """
    ages = [version.min_ages for version in policies.versions]
    if all(
        (age or 0) <= AGE_MAX for one in ages for age in (one.elsewhere, *one.by_region.values())
    ):
        counted = "account_counts"
    else:
        counted = f"(SELECT {_LIVE.format(age='age')}) a"
    rows = tx.execute(
        f"SELECT {_ACCOUNT_CLASS}, sum(accounts) FROM {counted} GROUP BY {_ACCOUNT_CLASS} "
        "HAVING sum(accounts) <> 0"
    )
    for plan, age, region, version_seen, under, closed, answers, count in rows:
        opened_at = (
            policies.versions[0].effective - timedelta(days=1)
            if under is None
            else policies[under].effective
        )
        standings = [each.split(":") for each in answers.split(",") if each]
        yield (
            int(count),
            AccountState(
                plan=plan,
                age=age,
                region=region,
                opened_at=opened_at,
                last_at=opened_at,
                seen=version_seen,
                closed_at=opened_at if closed else None,
                standings=tuple(
                    Standing(
                        question, GrantStanding(standing), int(version) if version else None, False
                    )
                    for question, standing, version, _ in standings
                ),
                grants=tuple(
                    Grant(number, question, WHOLE_ACCOUNT)
                    for number, (question, _, _, is_granted) in enumerate(standings, 1)
                    if is_granted == "1"
                ),
            ),
        )


def _ordered(counted: Mapping[str, int]) -> dict[str, int]:
    """The most frequent first."""
    return dict(sorted(counted.items(), key=lambda one: (-one[1], one[0])))


# Keeping


def fold(tx: Transaction) -> None:
    """Merges the rows of one kind or one day, if there are many and nobody else merges them."""
    row = tx.execute(
        """SELECT greatest((SELECT count(*) FROM (SELECT FROM account_counts LIMIT %(limit)s) a),
                           (SELECT count(*) FROM (SELECT FROM content_counts LIMIT %(limit)s) c))""",
        {"limit": FOLDED_ROWS_MIN},
    ).fetchone()
    if row is None or row[0] < FOLDED_ROWS_MIN:
        return
    if tx.execute("SELECT pg_try_advisory_xact_lock(%s)", [_FOLD_LOCK]).fetchone() == (True,):
        _write_anew(tx, "SELECT * FROM account_counts", "SELECT * FROM content_counts")


def recount(tx: Transaction) -> None:
    """Recomputes the counts, sizes included. Concurrent changes are added as usual."""
    tx.execute("SELECT pg_advisory_xact_lock(%s)", [_FOLD_LOCK])
    for statement in _RESIZE:
        tx.execute(statement)
    _write_anew(tx, _ACCOUNTS, _CONTENT)


def differences(tx: Transaction) -> list[str]:
    """The differences between the counts and a recount; reads all accounts and content rows."""
    return [row[0] for row in tx.execute(DIFFERENCES)]


def _write_anew(tx: Transaction, accounts_from: str, content_from: str) -> None:
    """Replaces the counts by the sums of these rows, with one statement per table, which reads and
    deletes one moment's rows. Takes the lock first: rows folded by another transaction would be
    counted twice.
    """
    tx.execute(
        f"""WITH gone AS (DELETE FROM account_counts)
            INSERT INTO account_counts SELECT {_ACCOUNT_CLASS}, sum(accounts)
              FROM ({accounts_from}) k
             GROUP BY {_ACCOUNT_CLASS} HAVING sum(accounts) <> 0"""
    )
    tx.execute(
        f"""WITH gone AS (DELETE FROM content_counts)
            INSERT INTO content_counts SELECT {_CONTENT_CLASS}, {_CONTENT_SUMS}
              FROM ({content_from}) k
             GROUP BY {_CONTENT_CLASS} HAVING sum(items) <> 0 OR sum(turns) <> 0
               OR sum(bytes) <> 0"""
    )
