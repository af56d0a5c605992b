"""The rule over a population: one decision per segment, for a purpose at a moment, in one statement a batch.

The same meaning as `policy.decide`, held equal to it by tests on drawn histories. A row of the answer says which
row of the rule holds for a turn of a listed origin that no flag covers; what differs from turn to turn within a
segment, the flag (row 5) and the origin (row 11), is laid over it by `of_turn`. Accounts need not have been brought
to the moment: a version that became effective ends a grant in the answer, as it does in the rule.

Policies are data here too: the versions stand in the statement as values, never as generated conditions.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import IntEnum
from typing import Any
from uuid import UUID

import msgspec

from licet.policy.decide import SAFETY, DecisionReason
from licet.policy.file import Policies, Reach
from licet.policy.state import TurnState
from licet.store.connect import Transaction

BATCH_ROWS_MAX = 10_000
WORK_MEM = "64MB"  # of each hash and sort; with PostgreSQL's default of 4 MB the join spills and takes a third longer


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


_BECAUSE: dict[Rank, DecisionReason] = {
    rank: DecisionReason(rank.name.lower()) for rank in Rank if rank is not Rank.STANDING
}


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
    def because(self) -> DecisionReason:
        """The reason for a turn of a listed origin that no flag covers."""
        return DecisionReason(self.standing) if self.rank is Rank.STANDING else _BECAUSE[self.rank]

    def of_turn(
        self, turn: TurnState, policies: Policies, purpose: str, at: datetime
    ) -> tuple[DecisionReason, datetime | None]:
        """The reason and the end for one turn: the flag and the origin laid over the segment's decision."""
        if self.rank > Rank.AGE and purpose == SAFETY and turn.number <= self.flagged_turn:
            safety_until = self.safety_until
            if safety_until is not None and at < safety_until:
                return DecisionReason.flagged, safety_until
        if self.rank > Rank.PURPOSE:
            listed = policies[self.version].origins & policies.in_force(at).origins
            if turn.origin not in listed:
                return DecisionReason.origin, None
        return self.because, self.until if self.rank is Rank.PERMITTED else None


# The versions as rows. Where a version and the one in force both judge, the row holds what both allow; `lists_more` says
# that it lists a plan or a surface that the one in force does not.
VERSIONS = """unnest(%(numbers)s::smallint[], %(whole)s::boolean[], %(age_min)s::int[], %(covers)s::boolean[],
    %(lists_more)s::boolean[], %(origins)s::text[]) AS v(number, whole, age_min, covers, lists_more, origins)"""
_ENDINGS = """unnest(%(numbers)s::smallint[], %(plans)s::text[], %(own_age_min)s::int[], %(lapse_until)s::timestamptz[])
    AS e(number, plans, age_min, lapse_until)"""

# An account as it is at the moment: the first version since its newest event that does not allow it ends its grant.
_ACCOUNTS = f"""
    SELECT a.account_id, a.closed_at, a.age, l.lapse_until,
           CASE WHEN l.number IS NULL THEN a.grant_no END AS grant_no,
           CASE WHEN l.number IS NULL THEN a.standing ELSE 'lapsed' END AS standing
      FROM accounts a
      LEFT JOIN LATERAL (
           SELECT e.number, e.lapse_until FROM {_ENDINGS}
            WHERE a.grant_no IS NOT NULL AND e.number > a.seen AND e.number <= %(now)s
              AND (position(',' || a.plan || ',' IN e.plans) = 0 OR e.age_min > coalesce(a.age, -1))
            ORDER BY e.number LIMIT 1) l ON a.seen < %(now)s AND a.grant_no IS NOT NULL"""

_LEFT_OUT = "({0}.plan <> ALL(%(now_plans)s) OR {0}.surface <> ALL(%(now_surfaces)s))"
# Conversations that a segment keeps out although it was in scope when taken: empty unless the version in force lists
# less than an earlier one.
_LEFT_CONVERSATIONS = f"""
    SELECT DISTINCT account_id, conversation_id, true AS is_left_out FROM segments o
     WHERE %(any_lists_more)s AND {_LEFT_OUT.format("o")}"""

_DECISIONS = f"""
    SELECT s.account_id, s.conversation_id, s.segment,
           CASE WHEN a.closed_at IS NOT NULL THEN 1
                WHEN c.deleted_at IS NOT NULL THEN 2
                WHEN NOT s.in_scope OR (v.lists_more AND {_LEFT_OUT.format("s")})
                  OR (v.whole AND (c.out_of_scope OR o.is_left_out)) THEN 3
                WHEN v.age_min > coalesce(a.age, -1) THEN 4
                WHEN c.incognito THEN 6
                WHEN least(s.keep_until, a.lapse_until) <= %(at)s THEN 7
                WHEN c.narrowed OR s.narrowed THEN 8
                WHEN a.grant_no IS NULL THEN 9
                WHEN NOT v.covers THEN 10
                WHEN CASE WHEN v.whole THEN c.deciding_stale ELSE s.stale END THEN 12
                WHEN CASE WHEN v.whole THEN c.deciding_grant_no ELSE s.grant_no END IS DISTINCT FROM a.grant_no
                  OR CASE WHEN v.whole THEN c.deciding_grant_widening ELSE s.grant_widening END <> c.widenings THEN 13
                ELSE 14 END AS rank,
           a.standing, least(s.keep_until, a.lapse_until) AS until, s.flagged_turn, s.safety_until, s.version,
           s.last_turn - s.first_turn + 1 AS turns
      FROM segments s
      JOIN conversations c USING (account_id, conversation_id)
      JOIN ({_ACCOUNTS}) a USING (account_id)
      JOIN {VERSIONS} ON v.number = s.version
      LEFT JOIN"""
DECISIONS = f"""{_DECISIONS} ({_LEFT_CONVERSATIONS}) o USING (account_id, conversation_id)"""
# The same for a few segments, which the caller's WHERE names: each conversation's others are looked up, never all.
DECISIONS_OF_FEW = f"""{_DECISIONS} LATERAL (
    SELECT true AS is_left_out FROM segments o
     WHERE %(any_lists_more)s AND {_LEFT_OUT.format("o")}
       AND o.account_id = s.account_id AND o.conversation_id = s.conversation_id LIMIT 1) o ON true"""

# The permitted segments. What a permitted one must be by one table alone is said again beside the rule, so that
# PostgreSQL leaves the others out before it joins: at ten million segments that halves the time.
PERMITTED = f"""
    SELECT * FROM ({DECISIONS}
     WHERE s.in_scope AND NOT s.narrowed AND s.keep_until > %(at)s AND c.deleted_at IS NULL AND NOT c.incognito
       AND NOT c.narrowed AND a.closed_at IS NULL AND a.grant_no IS NOT NULL AND v.covers) d
     WHERE rank = {Rank.PERMITTED}"""

# The end of a turn `t` of the segment `d`, under the versions `v`; NULL where it may not be used.
USABLE_UNTIL = f"""CASE
    WHEN d.rank > {Rank.AGE} AND %(safety)s AND t.turn <= d.flagged_turn AND %(at)s < d.safety_until THEN d.safety_until
    WHEN d.rank = {Rank.PERMITTED} AND position(',' || t.origin || ',' IN v.origins) > 0 THEN d.until END"""

# The turns that may be used: the flag and the origin laid over the segment's decision, as `of_turn` does.
_IS_FLAGGED = "%(safety)s AND t.turn <= d.flagged_turn AND %(at)s < d.safety_until"
USABLE_TURNS = f"""
    SELECT account_id, conversation_id, t.turn
      FROM ({PERMITTED}) d
      JOIN {VERSIONS} ON v.number = d.version
      JOIN turns t USING (account_id, conversation_id, segment)
     WHERE position(',' || t.origin || ',' IN v.origins) > 0 AND ({_IS_FLAGGED}) IS NOT TRUE
    UNION ALL
    SELECT account_id, conversation_id, t.turn
      FROM ({DECISIONS} WHERE %(safety)s AND %(at)s < s.safety_until) d
      JOIN turns t USING (account_id, conversation_id, segment)
     WHERE d.rank > {Rank.AGE} AND {_IS_FLAGGED}"""


def parameters(policies: Policies, purpose: str, at: datetime) -> dict[str, Any]:
    """The policy, the purpose and the moment as the statement's values."""
    number = policies.number(at)
    now, known = policies[number], policies.versions
    lists_more = [not (v.plans <= now.plans and v.surfaces <= now.surfaces) for v in known]
    return {
        "at": at,
        "now": number,
        "now_plans": sorted(now.plans),
        "now_surfaces": sorted(now.surfaces),
        "safety": purpose == SAFETY,
        "any_lists_more": any(lists_more[:number]),
        "numbers": list(range(len(known))),
        "whole": [v.reach is Reach.conversation and now.reach is Reach.conversation for v in known],
        "age_min": [max((age for age in (v.min_age, now.min_age) if age is not None), default=None) for v in known],
        "covers": [purpose in v.covers and purpose in now.covers for v in known],
        "lists_more": lists_more,
        "origins": [_listed(v.origins & now.origins) for v in known],
        "plans": [_listed(v.plans) for v in known],
        "own_age_min": [v.min_age for v in known],
        "lapse_until": [v.keep.opted_out.after(v.effective) for v in known],
    }


def _listed(names: frozenset[str]) -> str:
    """Names between commas, as an array of arrays must be square. No plan or origin in the tables holds a comma."""
    return "," + ",".join(sorted(name for name in names if "," not in name)) + ","


def decisions(
    tx: Transaction, policies: Policies, purpose: str, at: datetime, *, erased: bool = True
) -> Iterator[SegmentDecision]:
    """The decision on every segment, in batches, in no order. ``erased`` says whether to ask about erased ones."""
    where = "" if erased else "\n     WHERE s.erased_at IS NULL"
    with for_many(tx), tx.cursor(name="decisions") as cursor:
        cursor.itersize = BATCH_ROWS_MAX
        for row in cursor.execute(DECISIONS + where, parameters(policies, purpose, at)):
            account, conversation, segment, rank, standing, until, flagged_turn, safety_until, version, turns = row
            yield SegmentDecision(
                account=account, conversation=conversation, segment=segment, rank=Rank(rank), standing=standing,
                until=until, flagged_turn=flagged_turn, safety_until=safety_until, version=version, turns=turns,
            )  # fmt: skip


@contextmanager
def for_many(tx: Transaction) -> Iterator[None]:
    """Plans the statements over a population for many rows, until the block ends.

    They may use memory, and no join may look one side up for each row of the other: the planner takes what the rule's
    conditions leave for one row, above all the conversations that a version leaves out, and a loop over them took the
    square of the population. A join by hash or by order is a few times slower at worst, however wrong the guess was.
    """
    tx.execute("SELECT set_config('work_mem', %s, true), set_config('enable_nestloop', 'off', true)", [WORK_MEM])
    yield
    tx.execute("SET LOCAL enable_nestloop TO DEFAULT")
