"""The effects of a policy change, shown before it is applied: who is asked again, which rows enter or leave, what is
erased sooner.

The plan is computed over the real population at the new version's first instant, as it will be if nobody does anything
until then. It is stored with the hashes of the policy and of the version it was computed against: `apply` accepts a
version only with a plan that is not stale.
"""

from __future__ import annotations

import sys
from collections import Counter
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from licet.errors import RefusedError
from licet.ledger import outbox
from licet.ledger.outbox import Entry, EntryKind
from licet.policy import diff
from licet.policy.decide import Gate, gate, unanswered
from licet.policy.file import Policies, Policy
from licet.policy.state import AccountState
from licet.store.connect import Transaction
from licet.vault import account_journal, account_view, policy_versions, tables
from licet.vault.cold_tier import SIZE
from licet.vault.population import ENDS_ALL, USABLE_TURNS, USEFUL, USEFUL_OF_FEW, for_many, listed, parameters

PLAN_DAYS_MAX = 7
HORIZONS = (("now", 0), ("30 days", 30), ("a year", 365), ("5 years", 1826))


class PlannedRows(msgspec.Struct, frozen=True, kw_only=True):
    """Turns of one purpose: usable before, usable after, entering and leaving."""

    before: int
    after: int
    entering: int
    leaving: int


class PlannedQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """For one question: the accounts that will be asked it and were not, and the grants for it that end, of any scope."""

    asked: int
    ended: int


class PolicyPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The effects of a version at its first instant. Accounts and segments are counted; bytes are sealed bytes.

    ``questions`` are those of the version and of the previous one, by name.
    """

    policy: str
    version: str
    base: str
    base_sha256: str
    at: datetime
    direction: str
    changes: tuple[diff.PolicyChange, ...]
    asked_again: int
    gates: dict[str, int]
    grants_ended: int
    questions: dict[str, PlannedQuestion]
    purposes: dict[str, PlannedRows]
    nearer: int
    kept_before: dict[str, int]
    kept_after: dict[str, int]
    shortened_on_request: int

    @property
    def has_changes(self) -> bool:
        return bool(self.changes)


def draw(tx: Transaction, known: Policies, new: Policy, now: datetime) -> PolicyPlan:
    """The plan of adding ``new`` to ``known``; RefusedError if it cannot be added at all."""
    with for_many(tx):
        return _drawn(tx, known, new, now)


def _drawn(tx: Transaction, known: Policies, new: Policy, now: datetime) -> PolicyPlan:
    newest = known[len(known) - 1]
    check(known, new, now)
    at = max(now, new.effective)
    stays = known.versions[:-1] if new.version == newest.version else known.versions
    after = Policies([*stays, new])
    people = _accounts(tx, known, after, at)
    changed, whole = diff.diff(newest, new), statements(known, after, new, at, since=_behind(tx))
    return PolicyPlan(
        policy=new.policy,
        version=new.version,
        base=newest.version,
        base_sha256=newest.sha256().hex(),
        at=at,
        direction=diff.sentence(changed),
        changes=changed.changes,
        asked_again=people.asked_again,
        gates=people.gates,
        grants_ended=sum(people.ended.values()),
        questions={
            name: PlannedQuestion(asked=people.asked[name], ended=people.ended[name])
            for name in sorted({*newest.asks, *new.asks, *people.ended})
        },
        purposes={purpose: _counted(tx, whole[f"rows {purpose}"]) for purpose in sorted(newest.covers | new.covers)},
        nearer=_count(tx, whole["nearer"]),
        kept_before=_at_horizons(tx, whole["kept before"], at),
        kept_after=_at_horizons(tx, whole["kept after"], at),
        shortened_on_request=_count(tx, whole["shortened"]),
    )


def check(known: Policies, new: Policy, now: datetime) -> None:
    """RefusedError for a version that is not newer, is effective in the past, or widens use or retention without being
    material.

    The newest version itself changes nothing, and may be planned; a later deadline amends it.
    """
    newest = known[len(known) - 1]
    if new == newest or policy_versions.amends(newest, new):
        return
    policy_versions.check_newer(known, new, now)
    if not new.material and diff.must_be_material(diff.diff(newest, new)):
        raise RefusedError(
            f"version `{new.version}` widens what may be used or kept, or drops a question, but is not material",
            "set `material: true`, so that everybody is asked, or remove that change",
            because="widens",
        )


def keep(tx: Transaction, known: Policies, new: Policy, plan: PolicyPlan, now: datetime, by: str) -> None:
    """Stores the plan, so that `apply` finds it."""
    tx.execute(
        """INSERT INTO policy_plans (policy_sha256, base, made_at, made_by, plan) VALUES (%s, %s, %s, %s, %s)
           ON CONFLICT (policy_sha256, base) DO UPDATE
              SET (made_at, made_by, plan) = (excluded.made_at, excluded.made_by, excluded.plan)""",
        [new.sha256(), len(known) - 1, now, by, msgspec.json.encode(plan).decode()],
    )


def apply(tx: Transaction, new: Policy, now: datetime, by: str) -> int:
    """Adds the version if its plan is recent and was computed against the newest version; returns its number."""
    tx.execute("LOCK TABLE policies IN SHARE ROW EXCLUSIVE MODE")  # the newest version stays newest until the commit
    known = policy_versions.load(tx)
    if known is None:
        raise RefusedError("no policy has been applied", "run `licet init` first", because="no_policy")
    newest = known[len(known) - 1]
    check(known, new, now)
    row = tx.execute(
        "SELECT made_at, plan FROM policy_plans WHERE policy_sha256 = %s AND base = %s", [new.sha256(), len(known) - 1]
    ).fetchone()
    if row is None or msgspec.json.decode(row[1], type=PolicyPlan).base_sha256 != newest.sha256().hex():
        raise RefusedError(
            "this version has no plan, or it was changed or another was applied after its plan",
            "run `licet policy plan` on this file first, and read it",
            because="no_plan",
        )
    if now - row[0] > timedelta(days=PLAN_DAYS_MAX):
        raise RefusedError(
            f"its plan is older than {PLAN_DAYS_MAX} days, and people have chosen since then",
            "run `licet policy plan` again",
            because="stale_plan",
        )
    if policy_versions.amends(newest, new):
        return policy_versions.amend(tx, new, now, by)
    return policy_versions.add(tx, new, now, by)


class Shortened(msgspec.Struct, frozen=True, kw_only=True):
    """How many segments one batch shortened. ``last`` is where the next batch continues; None: there is none."""

    segments: int
    last: UUID | None


FIRST = UUID(int=0)


def shorten_batch(tx: Transaction, new: Policy, now: datetime, *, after: UUID = FIRST, limit: int) -> Shortened:
    """Shortens the dates of stored segments of up to ``limit`` accounts to at most their last turn and the new period.

    Never before the version's first instant, which is the announced day, and never for content under a hold. If it is
    stopped, the next run continues: what has been shortened needs no change.
    """
    page = account_view.accounts_behind(tx, after, limit)
    known = policy_versions.load(tx)
    assert known is not None
    bounds = _bounds(known, new, max(now, new.effective), page)
    found = tx.execute(
        f"SELECT DISTINCT account_id FROM ({bounds.sql}) b WHERE keep_until > bound", bounds.values
    ).fetchall()
    last = page[-1] if len(page) == limit else None
    if not found:
        return Shortened(segments=0, last=last)
    bounds.values["accounts"] = list(tables.lock_accounts(tx, [row[0] for row in found]))
    account_journal.share_endings(tx)
    # A turn that was taken before the lock has moved the bound: it is computed again.
    changed = tx.execute(
        f"""UPDATE segments s SET keep_until = b.bound FROM ({bounds.sql}) b
             WHERE s.account_id = b.account_id AND s.conversation_id = b.conversation_id AND s.segment = b.segment
               AND b.keep_until > b.bound
            RETURNING s.account_id""",
        bounds.values,
    ).fetchall()
    _tell(tx, sorted({row[0] for row in changed}), new, now)
    return Shortened(segments=len(changed), last=last)


def _tell(tx: Transaction, accounts: list[UUID], new: Policy, now: datetime) -> None:
    account_journal.append_endings(tx, "shortened", now, [(account, None) for account in accounts])
    told = {"version": new.version}
    outbox.append(
        tx,
        [Entry(told=EntryKind.shortened, occurred_at=now, account=account, facts=dict(told)) for account in accounts],
    )


class SqlStatement(NamedTuple):
    """A statement over the whole population, with its values."""

    sql: str
    values: dict[str, Any]


# What is useful under the version, `u`, has the period of a permission; then the instant that a segment's date may not
# pass. A hold that was placed on it while it was kept goes on keeping it.
_BOUNDS = """
    SELECT s.account_id, s.conversation_id, s.segment, s.keep_until,
           greatest(%(effective)s::timestamptz,
               s.last_at + CASE WHEN c.incognito THEN %(incognito)s WHEN u.account_id IS NOT NULL THEN %(opted_in)s
                                ELSE %(opted_out)s END::interval,
               (SELECT max(h.placed_at) + interval '1 microsecond' FROM holds h
                 WHERE h.account_id = s.account_id AND h.conversation_id = s.conversation_id
                   AND h.placed_at < s.keep_until)) AS bound
      FROM segments s JOIN conversations c USING (account_id, conversation_id)"""


def _bounds(known: Policies, new: Policy, at: datetime, accounts: list[UUID] | None = None) -> SqlStatement:
    """The instant that the date of each segment may not pass, of all accounts or of some that are few."""
    useful = _useful(known, at, USEFUL if accounts is None else USEFUL_OF_FEW)
    values = {
        **useful.values,
        "effective": new.effective,
        "opted_in": str(new.keep.opted_in),
        "opted_out": str(new.keep.opted_out),
        "incognito": str(new.keep.incognito),
    }
    where = "WHERE s.erased_at IS NULL"
    if accounts is not None:
        values["accounts"] = accounts
        where += " AND s.account_id = ANY(%(accounts)s)"
    return SqlStatement(
        f"{_BOUNDS} LEFT JOIN ({useful.sql}) u USING (account_id, conversation_id, segment) {where}", values
    )


def _useful(policies: Policies, at: datetime, sql: str, prefix: str = "") -> SqlStatement:
    """The segments that are useful at ``at``: permitted for some purpose. Each once."""
    parts: list[str] = []
    values: dict[str, Any] = {}
    for place, purpose in enumerate(sorted(policies.in_force(at).covers)):
        mine = f"{prefix}{place}_"
        parts.append(sql.replace("%(", f"%({mine}").replace(f"%({mine}accounts)", "%(accounts)"))
        values |= {mine + key: value for key, value in parameters(policies, purpose, at).items()}
    return SqlStatement(" UNION ".join(parts), values)


_ASKING = (Gate.notice, Gate.must_decide)


class _People(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of accounts: gates that move, as `before -> after`; by question who is asked, and grants that end."""

    gates: dict[str, int]
    asked_again: int
    asked: Counter[str]
    ended: Counter[str]


def _accounts(tx: Transaction, known: Policies, after: Policies, at: datetime) -> _People:
    moved: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    ended: Counter[str] = Counter()
    again = 0
    for account in tables.every_account(tx):
        one, two = account_view.brought(account, known, at).account, account_view.brought(account, after, at).account
        was, becomes = gate(one, known, at), gate(two, after, at)
        if was is not becomes:
            moved[f"{was.value} -> {becomes.value}"] += 1
        again += becomes in _ASKING and was not in _ASKING
        asked.update(set(_asked(two, after, becomes, at)) - set(_asked(one, known, was, at)))
        ended.update(grant.question for grant in one.grants if grant not in two.grants)
    return _People(gates=dict(moved.most_common()), asked_again=again, asked=asked, ended=ended)


def _asked(account: AccountState, policies: Policies, standing: Gate, at: datetime) -> tuple[str, ...]:
    return unanswered(account, policies, at) if standing in _ASKING else ()


def _both(known: Policies, after: Policies, purpose: str, at: datetime) -> dict[str, Any]:
    """The values of a statement that asks for both: its names begin with `b_` before the change, `n_` with it."""
    before, new = parameters(known, purpose, at), parameters(after, purpose, at)
    return {f"b_{key}": value for key, value in before.items()} | {f"n_{key}": value for key, value in new.items()}


def _behind(tx: Transaction) -> int:
    """The version that every account with a grant has been brought to: a later one may end grants still."""
    row = tx.execute("SELECT min(seen) FROM accounts WHERE in_force > 0").fetchone()
    return row[0] if row is not None and row[0] is not None else sys.maxsize


def statements(
    known: Policies, after: Policies, new: Policy, at: datetime, *, since: int
) -> dict[str, SqlStatement]:  # fmt: skip
    """What a plan asks of the tables, by name. Each reads a table a few times at most: none looks at a row for each row.

    ``since`` is the version that every account with a grant has been brought to.
    """
    newest = known[len(known) - 1]
    asked = {f"rows {purpose}": _rows(known, after, purpose, at) for purpose in sorted(newest.covers | new.covers)}
    before, then = _nearer(known, at, since, "b_"), _nearer(after, at, since, "n_")
    bounds = _bounds(after, new, at)
    return {
        **asked, "nearer": _sooner(before, then), "kept before": _kept(before), "kept after": _kept(then),
        "shortened": SqlStatement(f"SELECT count(*) FROM ({bounds.sql}) b WHERE keep_until > bound", bounds.values),
    }  # fmt: skip


def _rows(known: Policies, after: Policies, purpose: str, at: datetime) -> SqlStatement:
    """The turns that may be used before and after, entering and leaving."""
    return SqlStatement(
        f"""SELECT count(b.turn), count(n.turn), count(*) FILTER (WHERE b.turn IS NULL),
                   count(*) FILTER (WHERE n.turn IS NULL)
              FROM ({USABLE_TURNS.replace("%(", "%(b_")}) b
              FULL JOIN ({USABLE_TURNS.replace("%(", "%(n_")}) n USING (account_id, conversation_id, turn)""",
        _both(known, after, purpose, at),
    )


# The grants that versions since their account's newest event end: each by the first that does, `number`, with its scope.
_ENDED = f"""
    SELECT a.account_id, g.project_id, g.conversation_id, min(e.number) AS number,
           (array_agg(e.lapse_until ORDER BY e.number))[1] AS until
      FROM accounts a
      JOIN (SELECT account_id, grant_no, question, NULL::uuid AS project_id, NULL::uuid AS conversation_id
              FROM standings WHERE grant_no IS NOT NULL
             UNION ALL SELECT account_id, grant_no, question, project_id, conversation_id FROM scoped_grants) g
        USING (account_id)
      JOIN unnest(%(ending)s::smallint[], %(plans)s::text[], %(age_min)s::int[], %(asks)s::text[],
                  %(lapse_until)s::timestamptz[]) AS e(number, plans, age_min, asks, lapse_until)
        ON e.number > a.seen AND ({ENDS_ALL} OR position(',' || g.question || ',' IN e.asks) = 0)
     WHERE a.in_force > 0
     GROUP BY a.account_id, g.grant_no, g.project_id, g.conversation_id"""
# To when each segment in the scope of what ended comes, where it is not useful, `u`, under the version that ended it.
_NEARER = f"""
    SELECT s.account_id, s.conversation_id, s.segment, min(e.until) AS until
      FROM ({_ENDED}) e
      JOIN conversations c ON c.account_id = e.account_id
       AND (e.conversation_id = c.conversation_id OR e.project_id = c.project_id
            OR (e.conversation_id IS NULL AND e.project_id IS NULL))
      JOIN segments s ON s.account_id = c.account_id AND s.conversation_id = c.conversation_id"""


def _nearer(policies: Policies, at: datetime, since: int, prefix: str) -> SqlStatement:
    """The segments that endings up to ``at`` bring nearer, and to when, under names that begin with ``prefix``."""
    ending = [number for number in range(since + 1, policies.number(at) + 1) if _ends_grants(policies, number)]
    values: dict[str, Any] = {
        "ending": ending,
        "plans": [listed(policies[number].plans) for number in ending],
        "age_min": [policies[number].min_age for number in ending],
        "asks": [listed(frozenset(policies[number].asks)) for number in ending],
        "lapse_until": [policies[number].keep.opted_out.after(policies[number].effective) for number in ending],
    }
    values, parts = {prefix + key: value for key, value in values.items()}, []
    for number in ending:
        useful = _useful(policies, policies[number].effective, USEFUL, f"{prefix}{number}_")
        parts.append(f"SELECT {number:d} AS number, * FROM ({useful.sql}) u{number:d}")
        values |= useful.values
    parts = parts or ["SELECT 0, NULL::uuid, NULL::uuid, 0 WHERE false"]
    sql = f"""{_NEARER.replace("%(", f"%({prefix}")}
      LEFT JOIN ({" UNION ALL ".join(parts)}) u(number, account_id, conversation_id, segment)
        ON (u.account_id, u.conversation_id, u.segment, u.number) = (s.account_id, s.conversation_id, s.segment, e.number)
     WHERE u.account_id IS NULL AND s.erased_at IS NULL GROUP BY 1, 2, 3"""
    return SqlStatement(sql, values)


def _ends_grants(policies: Policies, number: int) -> bool:
    """Whether a version can end a grant that the one before it left in force."""
    new, old = policies[number], policies[number - 1]
    if new.min_age is not None and (old.min_age is None or new.min_age > old.min_age):
        return True
    return not (old.plans <= new.plans and set(old.asks) <= set(new.asks))


def _sooner(before: SqlStatement, then: SqlStatement) -> SqlStatement:
    """Segments whose date comes nearer, because a grant ends."""
    return SqlStatement(
        f"""SELECT count(*) FROM segments s JOIN ({then.sql}) n USING (account_id, conversation_id, segment)
              LEFT JOIN ({before.sql}) b USING (account_id, conversation_id, segment)
             WHERE n.until < least(s.keep_until, b.until)""",
        before.values | then.values,
    )


def _kept(nearer: SqlStatement) -> SqlStatement:
    """Sealed bytes that are kept, by the end that they would have if nobody says anything more."""
    return SqlStatement(
        f"""SELECT least(s.keep_until, n.until), sum(b.size)
              FROM segments s
              JOIN (SELECT account_id, conversation_id, segment, sum({SIZE}) AS size
                      FROM bodies b GROUP BY 1, 2, 3) b USING (account_id, conversation_id, segment)
              LEFT JOIN ({nearer.sql}) n USING (account_id, conversation_id, segment)
             WHERE s.erased_at IS NULL GROUP BY 1""",
        nearer.values,
    )


def _count(tx: Transaction, asked: SqlStatement) -> int:
    row = tx.execute(asked.sql, asked.values).fetchone()
    return int(row[0]) if row else 0


def _counted(tx: Transaction, asked: SqlStatement) -> PlannedRows:
    row = tx.execute(asked.sql, asked.values).fetchone()
    assert row is not None
    return PlannedRows(before=row[0], after=row[1], entering=row[2], leaving=row[3])


def _at_horizons(tx: Transaction, asked: SqlStatement, at: datetime) -> dict[str, int]:
    rows = tx.execute(asked.sql, asked.values).fetchall()
    return {
        name: sum(int(size) for until, size in rows if until > at + timedelta(days=days)) for name, days in HORIZONS
    }
