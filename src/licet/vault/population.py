"""The rule over a population: one decision per segment, for a purpose at a moment, in one statement a batch.

The same meaning as `policy.decide`, held equal to it by tests on drawn histories. A row of the answer says which
row of the rule holds for a turn of a listed origin that no flag covers; what differs from turn to turn within a
segment, the flag (row 5) and the origin (row 11), is laid over it by `of_turn`. Accounts need not have been brought
to the moment: a version that became effective ends a grant in the answer, as it does in the rule.

Policies are data here too: the versions stand in the statement as values, never as generated conditions.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from enum import IntEnum
from typing import Any
from uuid import UUID

import msgspec

from licet.policy.decide import SAFETY, Because
from licet.policy.file import Policies, Reach
from licet.policy.state import Turn
from licet.store.connect import Transaction

BATCH_ROWS_MAX = 10_000


class Rank(IntEnum):
    """The order of the rule. Ranks up to `AGE` come before the flag, those up to `PURPOSE` before the origin."""

    CLOSED = 1
    DELETED = 2
    OUT_OF_SCOPE = 3
    AGE = 4
    INCOGNITO = 6
    EXPIRED = 7
    NARROWED = 8
    STANDING = 9
    PURPOSE = 10
    STALE_TERMS = 12
    BEFORE_GRANT = 13
    PERMITTED = 14


_BECAUSE: dict[Rank, Because] = {rank: Because(rank.name.lower()) for rank in Rank if rank is not Rank.STANDING}


class SegmentDecision(msgspec.Struct, frozen=True, kw_only=True):
    """The decision on a segment, and what a turn of it needs beside."""

    account: UUID
    conversation: UUID
    segment: int
    rank: Rank
    standing: str
    until: datetime
    flagged_turn: int
    safety_until: datetime | None
    version: int
    turns: int

    @property
    def because(self) -> Because:
        """The reason for a turn of a listed origin that no flag covers."""
        return Because(self.standing) if self.rank is Rank.STANDING else _BECAUSE[self.rank]

    def of_turn(self, turn: Turn, policies: Policies, purpose: str, at: datetime) -> tuple[Because, datetime | None]:
        """The reason and the end for one turn: the flag and the origin laid over the segment's decision."""
        if self.rank > Rank.AGE and purpose == SAFETY and turn.number <= self.flagged_turn:
            safety_until = self.safety_until
            if safety_until is not None and at < safety_until:
                return Because.flagged, safety_until
        if self.rank > Rank.PURPOSE:
            listed = policies[self.version].origins & policies.in_force(at).origins
            if turn.origin not in listed:
                return Because.origin, None
        return self.because, self.until if self.rank is Rank.PERMITTED else None


# The versions as rows: what each lists, and when the grants that it does not allow end.
_VERSIONS = """unnest(%(numbers)s::int[], %(whole)s::boolean[], %(min_age)s::int[], %(covers)s::boolean[],
    %(plans)s::text[], %(effective)s::timestamptz[], %(lapse_until)s::timestamptz[])
    AS v(number, whole, min_age, covers, plans, effective, lapse_until)"""

# An account as it is at the moment: the first version since its newest event that does not allow it ends its grant.
_ACCOUNTS = f"""
    SELECT a.account_id, a.closed_at, a.age, l.lapse_until,
           CASE WHEN l.number IS NULL THEN a.grant_no END AS grant_no,
           CASE WHEN l.number IS NULL THEN a.standing ELSE 'lapsed' END AS standing
      FROM accounts a
      LEFT JOIN LATERAL (
           SELECT v.number, v.lapse_until FROM {_VERSIONS}
            WHERE a.grant_no IS NOT NULL AND v.number > a.seen AND v.number <= %(now)s
              AND (position(',' || a.plan || ',' IN v.plans) = 0
                   OR (v.min_age IS NOT NULL AND (a.age IS NULL OR a.age < v.min_age)))
            ORDER BY v.number LIMIT 1) l ON a.seen < %(now)s AND a.grant_no IS NOT NULL"""

_OUT = """(NOT s.in_scope OR s.plan <> ALL(%(now_plans)s) OR s.surface <> ALL(%(now_surfaces)s))"""
# Only where the version in force lists less than an earlier one can another segment be out that was in when taken.
_CONVERSATION_OUT = """(c.out_of_scope OR (%(narrower)s AND EXISTS (
    SELECT FROM segments o WHERE o.account_id = s.account_id AND o.conversation_id = s.conversation_id
       AND (o.plan <> ALL(%(now_plans)s) OR o.surface <> ALL(%(now_surfaces)s)))))"""
_WHOLE = "(v.whole AND %(now_whole)s)"

DECISIONS = f"""
    SELECT s.account_id, s.conversation_id, s.segment,
           CASE WHEN a.closed_at IS NOT NULL THEN 1
                WHEN c.deleted_at IS NOT NULL THEN 2
                WHEN {_OUT} OR ({_WHOLE} AND {_CONVERSATION_OUT}) THEN 3
                WHEN greatest(v.min_age, %(now_min_age)s) > coalesce(a.age, -1) THEN 4
                WHEN c.incognito THEN 6
                WHEN least(s.keep_until, a.lapse_until) <= %(at)s THEN 7
                WHEN c.narrowed OR s.narrowed THEN 8
                WHEN a.grant_no IS NULL THEN 9
                WHEN NOT (v.covers AND %(now_covers)s) THEN 10
                WHEN CASE WHEN {_WHOLE} THEN c.deciding_stale ELSE s.stale END THEN 12
                WHEN CASE WHEN {_WHOLE} THEN (c.deciding_grant_no, c.deciding_grant_widening)
                          ELSE (s.grant_no, s.grant_widening) END
                     IS DISTINCT FROM (a.grant_no, c.widenings) THEN 13
                ELSE 14 END AS rank,
           a.standing, least(s.keep_until, a.lapse_until) AS until, s.flagged_turn, s.safety_until, s.version,
           s.last_turn - s.first_turn + 1 AS turns
      FROM segments s
      JOIN conversations c USING (account_id, conversation_id)
      JOIN ({_ACCOUNTS}) a USING (account_id)
      JOIN {_VERSIONS} ON v.number = s.version"""


def parameters(policies: Policies, purpose: str, at: datetime) -> dict[str, Any]:
    """The policy, the purpose and the moment as the statement's values."""
    number = policies.number(at)
    now, known = policies[number], policies.versions
    listed_plans = set().union(*(v.plans for v in known[: number + 1]))
    listed_surfaces = set().union(*(v.surfaces for v in known[: number + 1]))
    return {
        "at": at,
        "now": number,
        "now_whole": now.reach is Reach.conversation,
        "now_min_age": now.min_age,
        "now_covers": purpose in now.covers,
        "now_plans": sorted(now.plans),
        "now_surfaces": sorted(now.surfaces),
        "narrower": not (listed_plans <= now.plans and listed_surfaces <= now.surfaces),
        "numbers": list(range(len(known))),
        "whole": [v.reach is Reach.conversation for v in known],
        "min_age": [v.min_age for v in known],
        "covers": [purpose in v.covers for v in known],
        "plans": ["," + ",".join(sorted(v.plans)) + "," for v in known],
        "effective": [v.effective for v in known],
        "lapse_until": [v.keep.opted_out.after(v.effective) for v in known],
    }


def decisions(
    tx: Transaction, policies: Policies, purpose: str, at: datetime, *, erased: bool = True
) -> Iterator[SegmentDecision]:
    """The decision on every segment, in batches, in no order. ``erased`` says whether to ask about erased ones."""
    where = "" if erased else "\n     WHERE s.erased_at IS NULL"
    with tx.cursor(name="decisions") as cursor:
        cursor.itersize = BATCH_ROWS_MAX
        for row in cursor.execute(DECISIONS + where, parameters(policies, purpose, at)):
            account, conversation, segment, rank, standing, until, flagged_turn, safety_until, version, turns = row
            yield SegmentDecision(
                account=account, conversation=conversation, segment=segment, rank=Rank(rank), standing=standing,
                until=until, flagged_turn=flagged_turn, safety_until=safety_until, version=version, turns=turns,
            )  # fmt: skip


def counts(tx: Transaction, policies: Policies, purpose: str, at: datetime) -> dict[Because, tuple[int, int]]:
    """Segments and turns that are kept, by the reason for a turn of a listed origin that no flag covers."""
    rows = tx.execute(
        f"""SELECT rank, standing, count(*), sum(turns) FROM ({DECISIONS} WHERE s.erased_at IS NULL) d
             GROUP BY rank, standing""",
        parameters(policies, purpose, at),
    ).fetchall()
    result: dict[Because, tuple[int, int]] = {}
    for rank, standing, segments, turns in rows:
        because = Because(standing) if rank == Rank.STANDING else _BECAUSE[Rank(rank)]
        before = result.get(because, (0, 0))
        result[because] = (before[0] + segments, before[1] + int(turns))
    return result
