"""A change of policy shown before it is applied: who is asked again, which rows enter or leave, what goes sooner.

The plan is drawn over the real population at the new version's first instant, as it will be if nobody does
anything until then. It is kept with the hashes of the policy and of the version it was drawn against: `apply` takes
a version only with a plan that is not stale.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from licet.errors import RefusedError
from licet.ledger import outbox
from licet.ledger.outbox import Entry, EntryKind
from licet.policy import diff
from licet.policy.decide import Gate, gate
from licet.policy.file import Policies, Policy, Reach
from licet.store.connect import Transaction
from licet.vault import account_journal, account_view, policy_versions, tables
from licet.vault.cold_tier import SIZE
from licet.vault.population import DECISIONS, USABLE_TURNS, for_many, parameters

PLAN_DAYS_MAX = 7
HORIZONS = (("now", 0), ("30 days", 30), ("a year", 365), ("5 years", 1826))


class PlannedRows(msgspec.Struct, frozen=True, kw_only=True):
    """Turns of one purpose: usable before, usable after, entering and leaving."""

    before: int
    after: int
    entering: int
    leaving: int


class PolicyPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a version would do, at its first instant. Accounts and segments are counted, bytes are sealed ones."""

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
    purposes: dict[str, PlannedRows]
    nearer: int
    kept_before: dict[str, int]
    kept_after: dict[str, int]
    shortened_on_request: int

    @property
    def has_changes(self) -> bool:
        return bool(self.changes)


def draw(tx: Transaction, known: Policies, new: Policy, now: datetime) -> PolicyPlan:
    """The plan of adding ``new`` to ``known``; RefusedError where it could not be added at all."""
    with for_many(tx):
        return _drawn(tx, known, new, now)


def _drawn(tx: Transaction, known: Policies, new: Policy, now: datetime) -> PolicyPlan:
    newest = known[len(known) - 1]
    check(known, new, now)
    at = max(now, new.effective)
    stays = known.versions[:-1] if new.version == newest.version else known.versions
    after = Policies([*stays, new])
    gates, asked, ended = _accounts(tx, known, after, at)
    changed, whole = diff.diff(newest, new), statements(known, after, new, at)
    return PolicyPlan(
        policy=new.policy,
        version=new.version,
        base=newest.version,
        base_sha256=newest.sha256().hex(),
        at=at,
        direction=diff.sentence(changed),
        changes=changed.changes,
        asked_again=asked,
        gates=gates,
        grants_ended=ended,
        purposes={purpose: _counted(tx, whole[f"rows {purpose}"]) for purpose in sorted(newest.covers | new.covers)},
        nearer=_count(tx, whole["nearer"]),
        kept_before=_at_horizons(tx, whole["kept before"], at),
        kept_after=_at_horizons(tx, whole["kept after"], at),
        shortened_on_request=_count(tx, whole["shortened"]),
    )


def check(known: Policies, new: Policy, now: datetime) -> None:
    """RefusedError for a version that is not newer, is effective in the past, or widens without being material.

    The newest version itself changes nothing, and may be planned; a later deadline amends it.
    """
    newest = known[len(known) - 1]
    if new == newest or policy_versions.amends(newest, new):
        return
    policy_versions.check_newer(known, new, now)
    if not new.material and diff.widens(diff.diff(newest, new)):
        raise RefusedError(
            f"version `{new.version}` widens what may be used or kept, and is not material",
            "set `material: true`, so that everybody is asked; or take the widening out",
            because="widens",
        )


def keep(tx: Transaction, known: Policies, new: Policy, plan: PolicyPlan, now: datetime, by: str) -> None:
    """Keeps the plan, so that `apply` finds it."""
    tx.execute(
        """INSERT INTO policy_plans (policy_sha256, base, made_at, made_by, plan) VALUES (%s, %s, %s, %s, %s)
           ON CONFLICT (policy_sha256, base) DO UPDATE
              SET (made_at, made_by, plan) = (excluded.made_at, excluded.made_by, excluded.plan)""",
        [new.sha256(), len(known) - 1, now, by, msgspec.json.encode(plan).decode()],
    )


def apply(tx: Transaction, new: Policy, now: datetime, by: str) -> int:
    """Adds the version, if its plan was drawn against the newest version and lately; returns its number."""
    tx.execute("LOCK TABLE policies IN SHARE ROW EXCLUSIVE MODE")  # what is newest stays so until the commit
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
            "this version has no plan, or was changed since it was planned, or another was applied since",
            "run `licet policy plan` on this very file first, and read it",
            because="no_plan",
        )
    if now - row[0] > timedelta(days=PLAN_DAYS_MAX):
        raise RefusedError(
            f"its plan is older than {PLAN_DAYS_MAX} days, and people have chosen since",
            "run `licet policy plan` again",
            because="stale_plan",
        )
    if policy_versions.amends(newest, new):
        return policy_versions.amend(tx, new, now, by)
    return policy_versions.add(tx, new, now, by)


class Shortened(msgspec.Struct, frozen=True, kw_only=True):
    """How many segments one batch brought nearer. ``last`` is where the next one goes on; None: there is none."""

    segments: int
    last: UUID | None


FIRST = UUID(int=0)


def shorten_batch(tx: Transaction, new: Policy, now: datetime, *, after: UUID = FIRST, limit: int) -> Shortened:
    """Brings the stored segments of up to ``limit`` accounts to at most their last turn and the new period.

    Never before the version's first instant, which is the day that was announced, and never out of a hold. Where
    it was stopped the next run goes on: what has been brought nearer is so already.
    """
    page = account_view.accounts_behind(tx, after, limit)
    params = {**_bounds(new), "accounts": page}
    found = tx.execute(f"SELECT DISTINCT account_id FROM ({_BOUNDS}) b WHERE keep_until > bound", params).fetchall()
    last = page[-1] if len(page) == limit else None
    if not found:
        return Shortened(segments=0, last=last)
    params["accounts"] = list(tables.lock_accounts(tx, [row[0] for row in found]))
    account_journal.share_endings(tx)
    # A turn that was taken before the lock has moved the bound: it is worked out anew.
    changed = tx.execute(
        f"""UPDATE segments s SET keep_until = b.bound FROM ({_BOUNDS}) b
             WHERE s.account_id = b.account_id AND s.conversation_id = b.conversation_id AND s.segment = b.segment
               AND b.keep_until > b.bound
            RETURNING s.account_id""",
        params,
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


# The period of a segment is that of a permission while the grant it counts under is the grant in force; then the
# instant that its date may not pass. A hold that was placed on it while it was kept goes on keeping it.
_BOUNDS = """
    SELECT s.account_id, s.conversation_id, s.segment, s.keep_until,
           greatest(%(effective)s::timestamptz,
               CASE WHEN c.incognito THEN s.last_at + %(incognito)s::interval
                    WHEN a.grant_no IS NOT NULL AND NOT c.narrowed AND NOT s.narrowed AND CASE WHEN %(whole)s
                         THEN (c.deciding_grant_no, c.deciding_grant_widening) = (a.grant_no, c.widenings)
                              AND NOT c.out_of_scope AND NOT EXISTS (SELECT FROM segments o
                                  WHERE o.account_id = s.account_id AND o.conversation_id = s.conversation_id
                                    AND (o.plan <> ALL(%(plans)s) OR o.surface <> ALL(%(surfaces)s)))
                         ELSE (s.grant_no, s.grant_widening) = (a.grant_no, c.widenings) END
                    THEN s.last_at + %(opted_in)s::interval
                    ELSE s.last_at + %(opted_out)s::interval END,
               (SELECT max(h.placed_at) + interval '1 microsecond' FROM holds h
                 WHERE h.account_id = s.account_id AND h.conversation_id = s.conversation_id
                   AND h.placed_at < s.keep_until)) AS bound
      FROM segments s JOIN conversations c USING (account_id, conversation_id) JOIN accounts a USING (account_id)
     WHERE s.erased_at IS NULL AND (%(accounts)s::uuid[] IS NULL OR s.account_id = ANY(%(accounts)s::uuid[]))"""


def _bounds(new: Policy) -> dict[str, Any]:
    return {
        "accounts": None,
        "effective": new.effective,
        "whole": new.reach is Reach.conversation,
        "plans": sorted(new.plans),
        "surfaces": sorted(new.surfaces),
        "opted_in": str(new.keep.opted_in),
        "opted_out": str(new.keep.opted_out),
        "incognito": str(new.keep.incognito),
    }


_ASKING = (Gate.notice, Gate.must_decide)


def _accounts(tx: Transaction, known: Policies, after: Policies, at: datetime) -> tuple[dict[str, int], int, int]:
    """Gates that move, as `before -> after`; accounts asked again; grants ended."""
    moved: Counter[str] = Counter()
    asked = ended = 0
    for account in tables.every_account(tx):
        one, two = account_view.brought(account, known, at).account, account_view.brought(account, after, at).account
        was, becomes = gate(one, known, at), gate(two, after, at)
        if was is not becomes:
            moved[f"{was.value} -> {becomes.value}"] += 1
        asked += becomes in _ASKING and was not in _ASKING
        ended += one.grant is not None and two.grant is None
    return dict(moved.most_common()), asked, ended


def _both(known: Policies, after: Policies, purpose: str, at: datetime) -> dict[str, Any]:
    """The values of a statement that asks for both: its names begin with `b_` before the change, `n_` with it."""
    before, new = parameters(known, purpose, at), parameters(after, purpose, at)
    return {f"b_{key}": value for key, value in before.items()} | {f"n_{key}": value for key, value in new.items()}


class SqlStatement(NamedTuple):
    """A statement over the whole population, with its values."""

    sql: str
    values: dict[str, Any]


def statements(known: Policies, after: Policies, new: Policy, at: datetime) -> dict[str, SqlStatement]:
    """What a plan asks of the tables, by name. Each reads a table a few times at most: none looks at a row for each row."""
    newest = known[len(known) - 1]
    asked = {f"rows {purpose}": _rows(known, after, purpose, at) for purpose in sorted(newest.covers | new.covers)}
    return {
        **asked, "nearer": _nearer(known, after, at), "kept before": _kept(known, at), "kept after": _kept(after, at),
        "shortened": SqlStatement(f"SELECT count(*) FROM ({_BOUNDS}) b WHERE keep_until > bound", _bounds(new)),
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


def _nearer(known: Policies, after: Policies, at: datetime) -> SqlStatement:
    """Segments whose date comes nearer, because a grant ends."""
    return SqlStatement(
        f"""SELECT count(*) FROM ({DECISIONS.replace("%(", "%(b_")} WHERE s.erased_at IS NULL) b
              JOIN ({DECISIONS.replace("%(", "%(n_")} WHERE s.erased_at IS NULL) n
                USING (account_id, conversation_id, segment)
             WHERE n.until < b.until""",
        _both(known, after, "", at),
    )


def _kept(known: Policies, at: datetime) -> SqlStatement:
    """Sealed bytes that are kept, by the end that they would have if nobody says anything more."""
    return SqlStatement(
        f"""SELECT d.until, sum(b.size) FROM ({DECISIONS} WHERE s.erased_at IS NULL) d
              JOIN (SELECT account_id, conversation_id, segment, sum({SIZE}) AS size
                      FROM bodies b GROUP BY 1, 2, 3) b USING (account_id, conversation_id, segment)
             GROUP BY d.until""",
        parameters(known, "", at),
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
