"""Counts the effects of a policy change on segments and turns, in one pass over the population.

Every count of a plan depends on the same values of a segment: its use before and after the change,
for each purpose, and what ends.
So the tables are joined once, each segment is decided once for each
side and purpose by the rule of `population.RANK`, and what the plan shows are sums over that. A
statement for each count took five times as long.

A segment counts by all of its turns where their origins are all listed, or none is. Where some are,
or a flag covers some, its turns are read. Flags are on few segments, whose turns are looked up one
by one; where a version lists some origins of its segments, nearly every segment has such, and a
second statement reads all turns once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from licet.policy.decide import SAFETY
from licet.policy.file import Policies, Policy
from licet.policy.regions import raises_any
from licet.policy.retention import ContentKind, Keep
from licet.store.connect import Transaction
from licet.vault.population import (
    ACCOUNTS,
    ENDS_ALL,
    LEFT_CONVERSATIONS,
    RANK,
    VERSIONS,
    Rank,
    ages_by_place,
    listed,
    named_regions,
    parameters,
)


class SqlStatement(NamedTuple):
    """A statement over the whole population, with its parameters."""

    sql: str
    values: dict[str, Any]


class PlannedRows(msgspec.Struct, frozen=True, kw_only=True):
    """Turns by one purpose: usable before, usable after, entering and leaving."""

    before: int
    after: int
    entering: int
    leaving: int

    def __add__(self, other: PlannedRows) -> PlannedRows:
        return PlannedRows(
            before=self.before + other.before,
            after=self.after + other.after,
            entering=self.entering + other.entering,
            leaving=self.leaving + other.leaving,
        )


class PlannedCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Turns by purpose; segments whose date comes nearer or would be shortened; bytes still stored
    at each horizon.
    """

    purposes: dict[str, PlannedRows]
    nearer: int
    shortened: int
    kept_before: dict[str, int]
    kept_after: dict[str, int]


class PlannedChange(msgspec.Struct, frozen=True, kw_only=True):
    """A change of policy at a moment. ``since`` is the version that every account with a grant has
    reached.
    """

    known: Policies
    after: Policies
    new: Policy
    at: datetime
    since: int

    @property
    def purposes(self) -> list[str]:
        return sorted(self.known[len(self.known) - 1].covers | self.new.covers)


class _Side(NamedTuple):
    """The policies before or after the change, at its moment. ``name`` prefixes aliases and
    parameters.
    """

    name: str
    policies: Policies
    at: datetime
    purposes: list[str]

    def variants(self) -> list[tuple[str, str]]:
        """`(name, purpose)` of each decision."""
        return [(f"{self.name}{place}", purpose) for place, purpose in enumerate(self.purposes)]

    def of(self, purpose: str) -> str:
        return f"{self.name}{self.purposes.index(purpose)}"


class _Ending(NamedTuple):
    """A version that ends grants, and the policies under which usefulness is decided."""

    number: int
    under: _Side


# of segments: the version under which it was taken, and its origins between commas
Given = Sequence[tuple[int, str]]


def given_origins(tx: Transaction) -> Given:
    """Each version with each distinct list of origins of its segments."""
    return tx.execute("SELECT DISTINCT version, origins FROM segments").fetchall()


def count(
    tx: Transaction, change: PlannedChange, horizons: Sequence[tuple[str, datetime]]
) -> PlannedCounts:
    """Runs the statements one after the other; the caller enables plans for many rows
    (`population.for_many`).
    """
    queries = statements(change, [at for _, at in horizons], given_origins(tx))
    whole = queries["segments"]
    row = tx.execute(whole.sql, whole.values).fetchone()
    assert row is not None
    nearer, shortened, split, *sums = (int(value or 0) for value in row)
    purposes = _rows_of(change.purposes, sums)
    kept, looked_up = (
        sums[3 * len(purposes) :][: 2 * len(horizons)],
        sums[3 * len(purposes) + 2 * len(horizons) :],
    )
    if split and "turns" in queries:
        part = queries["turns"]
        turns = tx.execute(part.sql, part.values).fetchone()
        assert turns is not None
        looked_up = [int(value) for value in turns]
    if looked_up:
        more = _rows_of(change.purposes, looked_up)
        purposes = {purpose: rows + more[purpose] for purpose, rows in purposes.items()}
    names = [name for name, _ in horizons]
    return PlannedCounts(
        purposes=purposes,
        nearer=nearer,
        shortened=shortened,
        kept_before=dict(zip(names, kept, strict=False)),
        kept_after=dict(zip(names, kept[len(names) :], strict=True)),
    )


def _rows_of(purposes: Sequence[str], sums: Sequence[int]) -> dict[str, PlannedRows]:
    """Reads three sums per purpose: before, after, both."""
    batched = [sums[start : start + 3] for start in range(0, 3 * len(purposes), 3)]
    return {
        purpose: PlannedRows(
            before=before, after=after, entering=after - both, leaving=before - both
        )
        for purpose, (before, after, both) in zip(purposes, batched, strict=False)
    }


def statements(
    change: PlannedChange, horizons: Sequence[datetime], origin_lists: Given
) -> dict[str, SqlStatement]:
    """The queries of a plan, by name. Each scans a table a few times, without a lookup per row.
    `turns` exists only if a version allows some of a segment's origins; otherwise `segments` looks
    up flagged turns.
    """
    before = _Side("b", change.known, change.at, change.purposes)
    after = _Side("n", change.after, change.at, change.purposes)
    endings = {side.name: _endings(side, change.since) for side in (before, after)}
    sides = [before, after]
    sides += [
        each.under for several in endings.values() for each in several if each.under not in sides
    ]
    values = (
        _values(sides)
        | _ended_values(before, endings[before.name])
        | _ended_values(after, endings[after.name])
    )
    values |= {f"horizon_{place}": moment for place, moment in enumerate(horizons)} | _period(
        change, after
    ).values
    values["effective"] = change.new.effective
    values |= {
        "given_versions": [version for version, _ in origin_lists],
        "given_origins": [origins for _, origins in origin_lists],
    }
    is_split = any(_lists_some(side, *one) for side in (before, after) for one in origin_lists)
    segments = _segments(change, before, after, sides, endings, len(horizons), is_split=is_split)
    queries = {"segments": SqlStatement(segments, values)}
    return queries | (
        {"turns": SqlStatement(_turns(change, before, after, sides), values)} if is_split else {}
    )


def _lists_some(side: _Side, version: int, origins: str) -> bool:
    """Whether a version allows some of the origins but not all, as `_SPLIT` does."""
    number = side.policies.number(side.at)
    listed_ones = side.policies.terms(min(version, number), number).origins
    several = set(origins.split(","))
    return bool(several & listed_ones) and not several <= listed_ones


# The population, each segment decided for each side and purpose


def _rule_text(sql: str, name: str, side: str) -> str:
    """The rule's SQL with the aliases and parameters of one decision: `a` and `v` are its own, `o`
    is its side's.
    """
    named = re.sub(r"\b([av])\.(?=\w)", rf"\1_{name}.", sql).replace(
        "o.is_left_out", f"o_{side}.is_left_out"
    )
    return named.replace("%(", f"%({name}_")


# What `given_origins` found.
_GIVEN = """given AS MATERIALIZED (
        SELECT * FROM unnest(%(given_versions)s::smallint[],
          %(given_origins)s::text[]) AS g(version, origins))"""
# Each version with each list of its segments' origins, and whether some or not all are listed.
_LISTED = f"""(SELECT v.*, g.origins AS of_origins,
        string_to_array(g.origins, ',') && string_to_array(v.origins, ',') AS some_listed,
        NOT string_to_array(g.origins, ',') <@ string_to_array(v.origins, ',') AS some_unlisted
   FROM given g JOIN {VERSIONS} ON v.number = g.version OFFSET 0)"""


def _joined(sides: Iterable[_Side], *, is_split: bool) -> str:
    """Joins the tables of a segment in the written order, the small ones first."""
    names = [(name, side.name) for side in sides for name, _ in side.variants()]
    first = names[0][0]
    accounts = f"({_plain(ACCOUNTS, first)} OFFSET 0) a_{first}"
    listings = f"{_plain(_LISTED, first)} v_{first}"
    for name, _ in names[1:]:
        accounts += (
            f" JOIN ({_plain(ACCOUNTS, name)} OFFSET 0) a_{name} ON a_{name}.account_id = "
            f"a_{first}.account_id"
        )
        listings += f""" JOIN {_plain(_LISTED, name)} v_{name}
                 ON v_{name}.number = v_{first}.number
                   AND v_{name}.of_origins = v_{first}.of_origins"""
    left = "".join(
        f""" LEFT JOIN ({LEFT_CONVERSATIONS.replace("%(", f"%({side.name}0_")}) o_{side.name}
               ON o_{side.name}.account_id = s.account_id
                 AND o_{side.name}.conversation_id = s.conversation_id"""
        for side in sides
    )
    which = f"({_SPLIT} OR s.safety_until > %(b0_at)s)" if is_split else "true"
    return f"""segments s
      JOIN ({listings}) ON v_{first}.number = s.version AND v_{first}.of_origins = s.origins
        AND {which}
      JOIN conversations c ON c.account_id = s.account_id AND c.conversation_id = s.conversation_id
      JOIN ({accounts}) ON a_{first}.account_id = s.account_id{left}"""


def _plain(sql: str, name: str) -> str:
    return sql.replace("%(", f"%({name}_")


# Whether some of a segment's origins are listed and some are not, on either side: its turns differ.
_SPLIT = "((v_b0.some_listed AND v_b0.some_unlisted) OR (v_n0.some_listed AND v_n0.some_unlisted))"


def _ranks(sides: Iterable[_Side]) -> str:
    return "".join(
        f", {_rule_text(RANK, name, side.name)} AS rank_{name}"
        for side in sides
        for name, _ in side.variants()
    ) + "".join(f", v_{side.name}0.some_listed AS some_listed_{side.name}" for side in sides)


def _values(sides: Iterable[_Side]) -> dict[str, Any]:
    return {
        f"{name}_{key}": value
        for side in sides
        for name, purpose in side.variants()
        for key, value in parameters(side.policies, purpose, side.at).items()
    }


# What ends


def _endings(side: _Side, since: int) -> list[_Ending]:
    """The versions after ``since`` that end grants up to the side's moment."""
    ending_versions = []
    for number in range(since + 1, side.policies.number(side.at) + 1):
        if _ends_grants(side.policies, number):
            effective = side.policies[number].effective
            covers = side.policies.in_force(effective).covers
            is_now = effective == side.at and covers <= set(side.purposes)
            under = (
                side
                if is_now
                else _Side(f"{side.name}{number}v", side.policies, effective, sorted(covers))
            )
            ending_versions.append(_Ending(number, under))
    return ending_versions


def _ends_grants(policies: Policies, number: int) -> bool:
    """Whether a version can end a grant that the previous one left in force."""
    new, old = policies[number], policies[number - 1]
    if raises_any(old.min_ages, new.min_ages):
        return True
    return not (old.plans <= new.plans and set(old.asks) <= set(new.asks))


# The grants that versions since their account's newest event end, each by the first that does: by
# account and version, to when what they covered comes, whether one was for the account, and the ids
# of the others' scopes.
_ENDED = f"""
    SELECT account_id, number, min(until) AS until, bool_or(scope IS NULL) AS whole,
      array_agg(scope) AS scopes FROM (
    SELECT a.account_id, g.scope, min(e.number) AS number,
      (array_agg(e.lapse_until ORDER BY e.number))[1] AS until
      FROM accounts a
      JOIN (SELECT account_id, grant_no, question, NULL::uuid AS scope FROM standings
        WHERE grant_no IS NOT NULL
             UNION ALL
            SELECT account_id, grant_no, question, coalesce(project_id, conversation_id)
              FROM scoped_grants) g
        USING (account_id)
      JOIN unnest(%(ending)s::smallint[], %(plans)s::text[], %(age_min)s::int[], %(asks)s::text[],
                  %(lapse_until)s::timestamptz[]) AS e(number, plans, age_min, asks, lapse_until)
        ON e.number > a.seen AND ({ENDS_ALL} OR position(',' || g.question || ',' IN e.asks) = 0)
     WHERE a.in_force > 0
     GROUP BY a.account_id, g.grant_no, g.scope) f
     GROUP BY 1, 2"""


def _ended_values(side: _Side, endings: Sequence[_Ending]) -> dict[str, Any]:
    ending = [each.number for each in endings]
    policies, regions = side.policies, named_regions(side.policies)
    values: dict[str, Any] = {
        "ending": ending,
        "plans": [listed(policies[number].plans) for number in ending],
        "age_min": [policies[number].min_ages.strictest for number in ending],
        "own_ages": ages_by_place([version.min_ages for version in policies.versions], regions),
        "regions": ["", "", *regions],
        "asks": [listed(frozenset(policies[number].asks)) for number in ending],
        "lapse_until": [
            policies[number].keep.of_turn(allowed=False).after(policies[number].effective)
            for number in ending
        ],
    }
    return {f"ended_{side.name}_{key}": value for key, value in values.items()}


def _ended_joins(side: _Side, endings: Iterable[_Ending]) -> str:
    return "".join(
        f""" LEFT JOIN (SELECT * FROM ended_{side.name}
               WHERE number = {each.number:d}) e_{side.name}{each.number}
               ON e_{side.name}{each.number}.account_id = s.account_id"""
        for each in endings
    )


def _reached(side: _Side, endings: Iterable[_Ending]) -> str:
    """By version, the date to which its ending of a grant for the conversation shortens the
    segment.
    """
    columns = ""
    for each in endings:
        e = f"e_{side.name}{each.number}"
        columns += f""", CASE WHEN {e}.whole OR c.conversation_id = ANY({e}.scopes) OR c.project_id = ANY({e}.scopes)
                            THEN {e}.until END AS reached_{side.name}{each.number}"""
    return columns


def _useful(side: _Side, purposes: Iterable[str]) -> str:
    """Whether a segment of `d` is permitted for one of the purposes, and has a turn of a listed
    origin.
    """
    ranks = (
        " OR ".join(f"rank_{side.of(purpose)} = {Rank.PERMITTED:d}" for purpose in sorted(purposes))
        or "false"
    )
    return f"(some_listed_{side.name} AND ({ranks}))"


def _nearer(side: _Side, endings: Iterable[_Ending]) -> str:
    """The nearest date of a segment that is not useful under a version that ends a grant."""
    ends = [
        f"""CASE WHEN NOT {_useful(each.under, side.policies.in_force(each.under.at).covers)}
                 THEN reached_{side.name}{each.number} END"""
        for each in endings
    ]
    return f"least({', '.join(ends)})" if ends else "NULL::timestamptz"


# The sums


def period_of_segment(keep: Keep, *, incognito: str, useful: str, surface: str) -> SqlStatement:
    """The period of a segment as an SQL expression over three others; mirrors `Keep.of_turn`."""
    values: dict[str, str] = {}

    def period(kind: ContentKind, allowed: bool | None) -> str:
        general, cases = "", ""
        for rule, period in keep.rows:
            if (rule.kind, rule.allowed) != (kind, allowed):
                continue
            values[f"period_{rule.name}"] = str(period)
            interval = f"%(period_{rule.name})s::interval"
            if rule.surface is None:
                general = interval
            else:
                values[f"surface_{rule.name}"] = rule.surface
                cases += f" WHEN {surface} = %(surface_{rule.name})s THEN {interval}"
        return f"CASE{cases} ELSE {general} END" if cases else general

    return SqlStatement(
        f"""CASE WHEN {incognito} THEN {period(ContentKind.incognito, None)}
                 WHEN {useful} THEN {period(ContentKind.conversation, True)}
                 ELSE {period(ContentKind.conversation, False)} END""",
        values,
    )


_HELD = (
    "(SELECT account_id, conversation_id, array_agg(placed_at) AS placed FROM holds GROUP BY 1, 2)"
)


def _segments(
    change: PlannedChange,
    before: _Side,
    after: _Side,
    sides: Sequence[_Side],
    endings: dict[str, list[_Ending]],
    horizons: int,
    *,
    is_split: bool,
) -> str:
    """Counts segments with a nearer date, shortened segments, and segments whose turns are counted
    one by one; rows by purpose; bytes by horizon, before and after the change. Without a separate
    count of turns it also adds the rows of flagged segments.

    `OFFSET 0` makes PostgreSQL evaluate an expression once that several sums use.
    """
    rows = "".join(
        f", {_segment_sums(place, purpose)}" for place, purpose in enumerate(change.purposes)
    )
    bytes_kept = "".join(
        f", sum(stored_bytes) FILTER (WHERE {until} > %(horizon_{place})s)"
        for until in ("until_b", "until_n")
        for place in range(horizons)
    )
    ended = "".join(
        f"ended_{side.name} AS MATERIALIZED ({_ENDED.replace('%(', f'%(ended_{side.name}_')}), "
        for side in (before, after)
        if endings[side.name]
    )
    joins = "".join(_ended_joins(side, endings[side.name]) for side in (before, after))
    reached = "".join(_reached(side, endings[side.name]) for side in (before, after))
    looked_up = "" if is_split else f", {_looked_up(change, before, after)} AS looked_up"
    summed = "".join(
        f", sum(looked_up[{place + 1}])"
        for place in range(0 if is_split else 3 * len(change.purposes))
    )
    return f"""
    WITH {ended}{_GIVEN}
    SELECT count(*) FILTER (WHERE is_here AND until_n < until_b),
      count(*) FILTER (WHERE is_shortened),
           count(*) FILTER (WHERE is_split OR is_flagged){rows}{bytes_kept}{summed}
      FROM (SELECT d.*, {_of_segment(change, before, after, endings)}{looked_up}
              FROM (SELECT s.account_id, s.conversation_id, s.segment,
                s.erased_at IS NULL AS is_here, s.keep_until, s.last_at,
                           s.first_turn, s.last_turn, s.last_turn - s.first_turn + 1 AS turns,
                             s.version, s.flagged_turn,
                           s.surface, c.incognito, {_SPLIT} AS is_split,
                           s.stored_bytes, coalesce(s.safety_until > %(b0_at)s,
                             false) AS is_flagged,
                           h.placed{_ranks(sides)}{reached}
                      FROM {_joined(sides, is_split=False)}{joins}
                      LEFT JOIN {_HELD} h ON h.account_id = s.account_id
                        AND h.conversation_id = s.conversation_id
                    OFFSET 0) d
            OFFSET 0) f"""


def _of_segment(
    change: PlannedChange, before: _Side, after: _Side, endings: dict[str, list[_Ending]]
) -> str:
    """The dates of a segment of `d`, whether it would be shortened, and by purpose whether it
    counts before and after. As in `policy_plan`, it is shortened neither before the version's first
    instant nor under a hold.
    """
    counts = "".join(
        (
            f", some_listed_{side.name} AND rank_{side.of(purpose)} = {Rank.PERMITTED:d} AS "
            f"is_{side.name}{place}"
        )
        for side in (before, after)
        for place, purpose in enumerate(change.purposes)
    )
    period = _period(change, after).sql
    return f"""least(keep_until, {_nearer(before, endings["b"])}) AS until_b,
                   least(keep_until, {_nearer(after, endings["n"])}) AS until_n,
                   is_here AND keep_until > %(effective)s
                   AND keep_until > last_at + {period}
                   AND (placed IS NULL OR NOT EXISTS (SELECT FROM unnest(placed) placed WHERE placed < keep_until
                            AND placed + interval '1 microsecond' >= keep_until)) AS is_shortened{counts}"""


def _period(change: PlannedChange, after: _Side) -> SqlStatement:
    is_useful = _useful(after, change.after.in_force(change.at).covers)
    return period_of_segment(
        change.new.keep, incognito="incognito", useful=is_useful, surface="surface"
    )


def _segment_sums(place: int, purpose: str) -> str:
    """The turns of segments that count as a whole: before, after, and both."""
    whole = "NOT is_split" + (" AND NOT is_flagged" if purpose == SAFETY else "")
    return ", ".join(
        f"sum(turns) FILTER (WHERE {which} AND {whole})"
        for which in (f"is_b{place}", f"is_n{place}", f"is_b{place} AND is_n{place}")
    )


def _looked_up(change: PlannedChange, before: _Side, after: _Side) -> str:
    """The sums of `_turns` for one flagged segment of `d`, by primary key."""
    sums = ", ".join(_turn_sums(purpose, before, after) for purpose in change.purposes)
    for side in (before, after):
        sums = sums.replace(
            f"origins_{side.name})", f"(%({side.name}0_origins)s::text[])[version + 1])"
        )
    return f"""CASE WHEN is_flagged THEN
                   (SELECT ARRAY[{sums}] FROM turns t
                     WHERE t.account_id = d.account_id AND t.conversation_id = d.conversation_id
                       AND t.turn BETWEEN first_turn AND last_turn AND t.segment = d.segment) END"""


def _turns(change: PlannedChange, before: _Side, after: _Side, sides: Sequence[_Side]) -> str:
    """Rows by purpose, of the segments whose turns differ in their answers."""
    rows = ", ".join(_turn_sums(purpose, before, after) for purpose in change.purposes)
    return f"""
    WITH {_GIVEN}
    SELECT {rows}
      FROM (SELECT s.account_id, s.conversation_id, s.segment, s.flagged_turn, s.safety_until,
        {_SPLIT} AS is_split,
                   coalesce(s.safety_until > %(b0_at)s, false) AS is_flagged,
                   v_b0.origins AS origins_b, v_n0.origins AS origins_n{_ranks(sides[:2])}
              FROM {_joined(sides[:2], is_split=True)} OFFSET 0) d
      JOIN turns t USING (account_id, conversation_id, segment)"""


def _turn_sums(purpose: str, before: _Side, after: _Side) -> str:
    was, becomes = (_usable(purpose, side) for side in (before, after))
    of = "(is_split OR is_flagged)" if purpose == SAFETY else "is_split"
    return ", ".join(
        f"count(*) FILTER (WHERE {each} AND {of})"
        for each in (was, becomes, f"{was} AND {becomes}")
    )


def _usable(purpose: str, side: _Side) -> str:
    """Whether a turn may be used: the segment's decision, restricted by flag and origin
    (`population.USABLE_UNTIL`).
    """
    rank = f"rank_{side.of(purpose)}"
    permitted = (
        f"{rank} = {Rank.PERMITTED:d} AND position(',' || t.origin || ',' IN "
        f"origins_{side.name}) > 0"
    )
    if purpose != SAFETY:
        return f"({permitted})"
    flagged = "(is_flagged AND t.turn <= flagged_turn)"
    return f"(CASE WHEN {flagged} THEN {rank} > {Rank.AGE:d} ELSE {permitted} END)"
