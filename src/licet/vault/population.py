"""The rule over a population: one decision per segment, for a purpose at a moment, in one statement
per batch.

It has the same meaning as `policy.decide`; tests on generated histories hold the two equal. A row
of the answer says which row of the rule applies to a turn of a listed origin that no flag covers;
`USABLE_UNTIL` adds what differs between the turns of a segment: the flag (row 5) and the origin
(row 12). Accounts need not have been brought to the moment: a version that became effective ends
grants in the answer, as it does in the rule. Dates that a dropped question shortens are set by
`apply.advance` alone: until then a useless segment may be shown with the stored date, and the
reason that belongs to it. What may be used, and until when, is always exact.

Policies are data here too: the versions are values in the statement, never generated conditions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import IntEnum
from typing import Any

from licet.policy.decide import SAFETY
from licet.policy.file import Policies
from licet.policy.regions import MinAges
from licet.store.connect import Transaction

# of each hash and sort; with PostgreSQL's default of 4 MB the join spills and takes a third longer
WORK_MEM = "64MB"


class Rank(IntEnum):
    """The order of the rule. Ranks up to `AGE` precede the flag, those up to `NOT_COVERED` the
    origin.
    """

    CLOSED = 1
    DELETED = 2
    OUT_OF_SCOPE = 3
    AGE = 4
    INCOGNITO = 6
    EXPIRED = 7
    NARROWED = 8
    NOT_ASKED = 9
    STANDING = 10
    NOT_COVERED = 11
    STALE_TERMS = 13
    BEFORE_GRANT = 14
    PERMITTED = 15


# The versions as rows: `age_min` is the strictest age of any region, which most accounts pass;
# `ages` has those by region. What each version and all later ones up to the one in force allow.
# `drops`: they list less than the version itself did. Names are between commas. Their lists are
# looked up by the version's number, and not joined: texts made every row of the join twice as long.
VERSIONS = """unnest(%(numbers)s::smallint[], %(some_whole)s::boolean[], %(some_by_turn)s::boolean[], %(age_min)s::int[],
    %(covers)s::boolean[], %(drops)s::boolean[], %(origins)s::text[])
    AS v(number, some_whole, some_by_turn, age_min, covers, drops, origins)"""
# The place of an account's region in the lists of ages: 1 where none is known, 2 where it is not
# named.
_REGION_PLACE = """coalesce(array_position(%(regions)s::text[], a.region), array_position(%(regions)s::text[], left(a.region, 2)),
        CASE WHEN a.region IS NULL THEN 1 ELSE 2 END)"""
_ENDINGS = """unnest(%(numbers)s::smallint[], %(plans)s::text[], %(own_age_min)s::int[], %(asks)s::boolean[],
    %(lapse_until)s::timestamptz[]) AS e(number, plans, age_min, asks, lapse_until)"""

# An account at the moment, and its grant for the question: the first version since its newest event
# that does not allow it, or does not ask the question, ends it.
ENDS_ALL = f"""(position(',' || a.plan || ',' IN e.plans) = 0
     OR (e.age_min > coalesce(a.age, -1)
         AND (%(own_ages)s::int[])[e.number + 1][{_REGION_PLACE}] > coalesce(a.age, -1)))"""
_SCOPES = """SELECT account_id, array_agg(coalesce(project_id, conversation_id)) AS scopes,
    array_agg(grant_no) AS numbers
    FROM scoped_grants WHERE question = %(question)s"""
_SCOPES_OF_ALL = f"LEFT JOIN ({_SCOPES} GROUP BY 1) g ON g.account_id = a.account_id"
_SCOPES_OF_FEW = f"LEFT JOIN LATERAL ({_SCOPES} AND account_id = a.account_id GROUP BY 1) g ON true"


def _accounts(scopes: str) -> str:
    """``scopes`` joins the account's grants for projects and conversations. Few accounts have any:
    a lookup in a list is as fast as a join to their table, which would run for every row.
    """
    return f"""
    SELECT a.account_id, a.closed_at, a.plan, a.age, a.region, {_REGION_PLACE} AS region_place,
      a.seen,
           l.number IS NOT NULL AS is_lapsed,
           CASE WHEN l.number IS NULL THEN t.grant_no END AS grant_no,
           CASE WHEN l.number IS NULL THEN g.scopes END AS scopes, g.numbers,
           CASE WHEN l.number IS NOT NULL AND t.grant_no IS NOT NULL THEN 'lapsed'
                ELSE coalesce(t.standing, 'undecided') END AS standing
      FROM accounts a
      LEFT JOIN standings t ON t.account_id = a.account_id AND t.question = %(question)s
      {scopes}
      LEFT JOIN LATERAL (
           SELECT min(e.number) AS number FROM {_ENDINGS}
            WHERE a.in_force > 0 AND a.seen < %(now)s AND e.number > a.seen AND e.number <= %(now)s
              AND ({ENDS_ALL} OR NOT e.asks)) l ON true"""


ACCOUNTS = _accounts(_SCOPES_OF_ALL)
ACCOUNTS_OF_FEW = _accounts(_SCOPES_OF_FEW)
# The grant in force for a conversation `c` of an account `a`: its own, else its project's, else the
# account's.
_GRANT = """CASE WHEN a.scopes IS NULL THEN a.grant_no
     ELSE coalesce(a.numbers[array_position(a.scopes, c.conversation_id)], a.numbers[array_position(a.scopes, c.project_id)],
                   a.grant_no) END"""
# The date to which a version that ended every grant shortens what a grant covered, for any
# question. Looked up only for lapsed grants, by primary keys: with count(*), because PostgreSQL
# would read the table from its start to find one.
_KEEP_UNTIL = f"""CASE WHEN NOT a.is_lapsed THEN s.keep_until
     WHEN (SELECT count(*) FROM standings t WHERE t.account_id = c.account_id
       AND t.grant_no IS NOT NULL)
        + (SELECT count(*) FROM scoped_grants o WHERE o.account_id = c.account_id
              AND (o.conversation_id = c.conversation_id OR o.project_id = c.project_id)) = 0
                THEN s.keep_until
     ELSE least(s.keep_until, (SELECT e.lapse_until FROM {_ENDINGS}
                                WHERE e.number > a.seen AND e.number <= %(now)s AND {ENDS_ALL}
                                ORDER BY e.number LIMIT 1)) END"""
_LEFT_OUT = """({1}.drops
    AND (position(',' || {0}.plan || ',' IN (%(joint_plans)s::text[])[{0}.version + 1]) = 0
         OR position(',' || {0}.surface || ',' IN (%(joint_surfaces)s::text[])[{0}.version + 1]) = 0))"""
# Conversations that a segment keeps out although it was in scope when taken: empty unless a version
# lists less than an earlier one.
LEFT_CONVERSATIONS = f"""
    SELECT DISTINCT account_id, conversation_id, true AS is_left_out
      FROM segments o JOIN {VERSIONS.replace("AS v(", "AS w(")} ON w.number = o.version
     WHERE %(any_drops)s AND {_LEFT_OUT.format("o", "w")}"""


def _stale(names: str) -> str:
    """Whether the question is among the names; most segments have none."""
    return f"({names} <> '' AND position(',' || %(question)s || ',' IN ',' || {names} || ',') > 0)"


def _under(grants: str, narrowing: str) -> str:
    return f"({_GRANT} = ANY({grants}) AND {narrowing} = c.narrowings)"


# The row of the rule that applies. The grant in force is tested before what would refuse it: most
# rows then need no further test. A stamp that is stale for a question has no grant for it.
RANK = f"""CASE WHEN a.closed_at IS NOT NULL THEN {Rank.CLOSED}
                WHEN c.deleted_at IS NOT NULL THEN {Rank.DELETED}
                WHEN NOT s.in_scope OR {_LEFT_OUT.format("s", "v")}
                  OR (v.some_whole AND (c.out_of_scope OR o.is_left_out)) THEN {Rank.OUT_OF_SCOPE}
                WHEN v.age_min > coalesce(a.age, -1)
                 AND (%(ages)s::int[])[v.number + 1][a.region_place] > coalesce(a.age, -1) THEN {Rank.AGE}
                WHEN c.incognito THEN {Rank.INCOGNITO}
                WHEN {_KEEP_UNTIL} <= %(at)s THEN {Rank.EXPIRED}
                WHEN c.narrowed OR s.narrowed THEN {Rank.NARROWED}
                WHEN NOT %(is_asked)s THEN {Rank.NOT_ASKED}
                WHEN v.covers AND (NOT v.some_by_turn OR {_under("s.grants", "s.narrowing")})
                 AND (NOT v.some_whole OR {_under("c.deciding_grants", "c.deciding_narrowing")}) THEN {Rank.PERMITTED}
                WHEN {_GRANT} IS NULL THEN {Rank.STANDING}
                WHEN NOT v.covers THEN {Rank.NOT_COVERED}
                WHEN (v.some_by_turn AND {_stale("s.stale")}) OR (v.some_whole AND {_stale("c.deciding_stale")})
                THEN {Rank.STALE_TERMS}
                ELSE {Rank.BEFORE_GRANT} END"""


def _decisions(accounts: str, also: str = "") -> str:
    """One row per segment; ``also`` names more columns of it."""
    return f"""
    SELECT s.account_id, s.conversation_id, s.segment, {RANK} AS rank,
           a.standing, {_KEEP_UNTIL} AS until, s.flagged_turn, s.safety_until, s.version,
           s.last_turn - s.first_turn + 1 AS turns{also}
      FROM segments s
      JOIN conversations c USING (account_id, conversation_id)
      JOIN ({accounts}) a USING (account_id)
      JOIN {VERSIONS} ON v.number = s.version
      LEFT JOIN"""


DECISIONS = f"""{_decisions(ACCOUNTS)} ({LEFT_CONVERSATIONS}) o
           ON o.account_id = c.account_id AND o.conversation_id = c.conversation_id"""


def decisions_of_few(accounts: str) -> str:
    """`DECISIONS` for the few segments that the caller's WHERE names: looks up each conversation's
    others. ``accounts`` selects as `ACCOUNTS_OF_FEW` does, or is its earlier result. Includes the
    slots of the segments' keys.
    """
    return f"""{_decisions(accounts, ", s.key_slot, s.safety_slot")} LATERAL (
    SELECT true AS is_left_out FROM segments o
      JOIN {VERSIONS.replace("AS v(", "AS w(")} ON w.number = o.version
     WHERE %(any_drops)s AND {_LEFT_OUT.format("o", "w")}
       AND o.account_id = s.account_id AND o.conversation_id = s.conversation_id LIMIT 1) o
         ON true"""


DECISIONS_OF_FEW = decisions_of_few(ACCOUNTS_OF_FEW)

# The useful segments of `accounts`, which are few: permitted, with a listed origin among those of
# their turns.
USEFUL_OF_FEW = f"""
    SELECT d.account_id, d.conversation_id, d.segment
      FROM ({DECISIONS_OF_FEW} WHERE s.account_id = ANY(%(accounts)s)) d
      JOIN {VERSIONS} ON v.number = d.version
      JOIN segments s USING (account_id, conversation_id, segment)
     WHERE d.rank = {Rank.PERMITTED} AND string_to_array(s.origins,
       ',') && string_to_array(v.origins, ',')"""

# The end of a turn `t` of the segment `d`, under the versions `v`; NULL if it may not be used.
_IS_FLAGGED = "%(safety)s AND t.turn <= d.flagged_turn AND %(at)s < d.safety_until"
# The end of all turns of the segment `d` whose origins are listed; NULL where it has to be asked
# turn by turn.
PERMITTED_UNTIL = f"CASE WHEN d.rank = {Rank.PERMITTED} AND NOT %(safety)s THEN d.until END"
USABLE_UNTIL = f"""CASE
    WHEN d.rank > {Rank.AGE} AND {_IS_FLAGGED} THEN d.safety_until
    WHEN d.rank = {Rank.PERMITTED} AND position(',' || t.origin || ',' IN v.origins) > 0 THEN d.until END"""


def parameters(policies: Policies, purpose: str, now: datetime) -> dict[str, Any]:
    """The policy, the purpose and the time as parameters of the statement."""
    number, known = policies.number(now), policies.versions
    question = policies[number].question_of(purpose)
    joint = [policies.terms(min(each, number), number) for each in range(len(known))]
    drops = [
        not (v.plans <= terms.plans and v.surfaces <= terms.surfaces)
        for v, terms in zip(known, joint, strict=True)
    ]
    regions = named_regions(policies)
    return {
        "at": now,
        "now": number,
        "question": question or "",
        "is_asked": question is not None,
        "safety": purpose == SAFETY,
        "any_drops": any(drops[:number]),
        "numbers": list(range(len(known))),
        "some_whole": [terms.some_whole for terms in joint],
        "some_by_turn": [terms.some_by_turn for terms in joint],
        "age_min": [terms.min_ages.strictest for terms in joint],
        "ages": ages_by_place([terms.min_ages for terms in joint], regions),
        "covers": [purpose in terms.covers.get(question or "", ()) for terms in joint],
        "drops": drops,
        "joint_plans": [listed(terms.plans) for terms in joint],
        "joint_surfaces": [listed(terms.surfaces) for terms in joint],
        "origins": [listed(terms.origins) for terms in joint],
        "plans": [listed(v.plans) for v in known],
        "own_age_min": [v.min_ages.strictest for v in known],
        "own_ages": ages_by_place([v.min_ages for v in known], regions),
        "regions": ["", "", *regions],
        "asks": [question is None or question in v.asks for v in known],
        "lapse_until": [v.keep.of_turn(allowed=False).after(v.effective) for v in known],
    }


def named_regions(policies: Policies) -> list[str]:
    """The regions that a version names."""
    return sorted({one.region for version in policies.versions for one in version.regions})


def ages_by_place(versions: Sequence[MinAges], regions: Sequence[str]) -> list[list[int]]:
    """The minimum ages of each version by the place of `_REGION_PLACE`; -1 where none is set."""
    rows = [[ages.strictest, ages.elsewhere, *map(ages.for_region, regions)] for ages in versions]
    return [[-1 if age is None else age for age in row] for row in rows]


def listed(names: frozenset[str]) -> str:
    """Joins names by commas, because an array of arrays must be rectangular. No stored plan or
    origin contains a comma.
    """
    return "," + ",".join(sorted(name for name in names if "," not in name)) + ","


@contextmanager
def for_many(tx: Transaction) -> Iterator[None]:
    """Plans statements for many rows until the block ends: with more memory, and no nested-loop
    joins.

    The planner expects one row after the rule's conditions, above all for conversations that a
    version leaves out, and a nested loop then takes time quadratic in the population. A hash or
    merge join is a few times slower at worst.
    """
    tx.execute(
        "SELECT set_config('work_mem', %s, true), set_config('enable_nestloop', 'off', true)",
        [WORK_MEM],
    )
    yield
    tx.execute("SET LOCAL enable_nestloop TO DEFAULT")
