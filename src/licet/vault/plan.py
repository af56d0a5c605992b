"""A change of policy shown before it is applied: who is asked again, which rows enter or leave, what goes sooner.

The plan is drawn over the real population at the new version's first instant, as it will be if nobody does
anything until then. It is kept with the hash of the policy and the version it was drawn against: `apply` takes a
version only with a plan that is not stale.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import msgspec

from licet.errors import RefusedError
from licet.ledger import outbox
from licet.ledger.outbox import Entry, Told
from licet.policy import diff
from licet.policy.decide import Gate, gate
from licet.policy.file import Policies, Policy
from licet.store.connect import Transaction
from licet.vault import policies, tables, view
from licet.vault.apply import ENDINGS_LOCK
from licet.vault.population import DECISIONS, Rank, parameters

PLAN_DAYS_MAX = 7
HORIZONS = (("now", 0), ("30 days", 30), ("a year", 365), ("5 years", 1826))


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """Turns of one purpose: usable before, usable after, entering and leaving."""

    before: int
    after: int
    entering: int
    leaving: int


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a version would do, at its first instant. Accounts and segments are counted, bytes are sealed ones."""

    policy: str
    version: str
    base: str
    at: datetime
    direction: str
    changes: tuple[diff.Change, ...]
    asked_again: int
    gates: dict[str, int]
    grants_ended: int
    purposes: dict[str, Rows]
    nearer: int
    kept_before: dict[str, int]
    kept_after: dict[str, int]
    shortened_on_request: int

    @property
    def has_changes(self) -> bool:
        return bool(self.changes)


def draw(tx: Transaction, known: Policies, new: Policy, now: datetime) -> Plan:
    """The plan of adding ``new`` to ``known``; RefusedError where it could not be added at all."""
    newest = known[len(known) - 1]
    check(known, new, now)
    at = max(now, new.effective)
    after = Policies([*(known.versions[:-1] if policies.amends(newest, new) else known.versions), new])
    gates, asked, ended = _accounts(tx, known, after, at)
    changed = diff.diff(newest, new)
    nearer, purposes = _decided(tx, known, after, sorted(newest.covers | new.covers), at)
    before_bytes, after_bytes = _kept(tx, known, after, at)
    return Plan(
        policy=new.policy,
        version=new.version,
        base=newest.version,
        at=at,
        direction=diff.sentence(changed),
        changes=changed.changes,
        asked_again=asked,
        gates=gates,
        grants_ended=ended,
        purposes=purposes,
        nearer=nearer,
        kept_before=before_bytes,
        kept_after=after_bytes,
        shortened_on_request=_shortened(tx, newest, new),
    )


def check(known: Policies, new: Policy, now: datetime) -> None:
    """RefusedError for a version that is not newer, is effective in the past, or widens without being material."""
    newest = known[len(known) - 1]
    if policies.amends(newest, new):
        return
    policies.check_newer(newest, new, now)
    if not new.material and diff.widens(diff.diff(newest, new)):
        raise RefusedError(
            f"version `{new.version}` widens what may be used or kept, and is not material",
            "set `material: true`, so that everybody is asked; or take the widening out",
            because="widens",
        )


def keep(tx: Transaction, known: Policies, new: Policy, plan: Plan, now: datetime, by: str) -> None:
    """Keeps the plan, so that `apply` finds it."""
    tx.execute(
        """INSERT INTO policy_plans (policy_sha256, base, made_at, made_by, plan) VALUES (%s, %s, %s, %s, %s)
           ON CONFLICT (policy_sha256, base) DO UPDATE
              SET (made_at, made_by, plan) = (excluded.made_at, excluded.made_by, excluded.plan)""",
        [new.sha256(), len(known) - 1, now, by, msgspec.json.encode(plan).decode()],
    )


def apply(tx: Transaction, known: Policies, new: Policy, now: datetime, by: str) -> int:
    """Adds the version, if its plan was drawn against the newest version and lately; returns its number."""
    check(known, new, now)
    row = tx.execute(
        "SELECT made_at FROM policy_plans WHERE policy_sha256 = %s AND base = %s", [new.sha256(), len(known) - 1]
    ).fetchone()
    if row is None:
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
    if policies.amends(known[len(known) - 1], new):
        return policies.amend(tx, new, now, by)
    return policies.add(tx, new, now, by)


def shorten_batch(tx: Transaction, old: Policy, new: Policy, now: datetime, *, limit: int) -> int:
    """Brings up to ``limit`` stored segments to at most their last turn and the new period; returns how many.

    Never before the version's first instant, which is the day that was announced. Call until it returns 0.
    """
    rows = tx.execute(
        f"""SELECT account_id, conversation_id, segment, bound FROM ({_BOUNDS}) b
             WHERE keep_until > bound ORDER BY account_id LIMIT %(limit)s""",
        {**_bounds(old, new), "limit": limit},
    ).fetchall()
    if not rows:
        return 0
    accounts = tables.lock_accounts(tx, {row[0] for row in rows})
    tx.execute("SELECT pg_advisory_xact_lock_shared(%s)", [ENDINGS_LOCK])
    count = tx.execute(
        """UPDATE segments s SET keep_until = least(s.keep_until, k.bound)
             FROM (SELECT * FROM unnest(%(account)s::uuid[], %(conversation)s::uuid[], %(segment)s::smallint[],
                                        %(bound)s::timestamptz[]) AS k(account_id, conversation_id, segment, bound)) k
            WHERE s.account_id = k.account_id AND s.conversation_id = k.conversation_id AND s.segment = k.segment
              AND s.erased_at IS NULL""",
        {
            "account": [r[0] for r in rows],
            "conversation": [r[1] for r in rows],
            "segment": [r[2] for r in rows],
            "bound": [r[3] for r in rows],
        },
    ).rowcount
    for account in accounts:
        tx.execute(
            """WITH moved AS (UPDATE accounts SET last_seq = last_seq + 1 WHERE account_id = %(account)s
                              RETURNING last_seq)
               INSERT INTO journal (account_id, seq, position, occurred_at, event, conversation_id, ends)
               SELECT %(account)s, last_seq, nextval('journal_position'), %(at)s, 'shortened', NULL, true FROM moved""",
            {"account": account, "at": now},
        )
    outbox.append(
        tx,
        [
            Entry(told=Told.shortened, occurred_at=now, account=account, facts={"version": new.version})
            for account in accounts
        ],
    )
    return count


# A segment dated by a permission lies beyond its conversation's last turn and the period of a refusal.
_BOUNDS = """
    SELECT s.account_id, s.conversation_id, s.segment, s.keep_until,
           greatest(%(effective)s::timestamptz, CASE
               WHEN c.incognito THEN s.last_at + %(incognito)s::interval
               WHEN s.keep_until > (SELECT max(o.last_at) FROM segments o WHERE o.account_id = s.account_id
                        AND o.conversation_id = s.conversation_id) + %(old_opted_out)s::interval
                   THEN s.last_at + %(opted_in)s::interval
               ELSE s.last_at + %(opted_out)s::interval END) AS bound
      FROM segments s JOIN conversations c USING (account_id, conversation_id)
     WHERE s.erased_at IS NULL"""


def _bounds(old: Policy, new: Policy) -> dict[str, Any]:
    return {
        "effective": new.effective,
        "opted_in": str(new.keep.opted_in),
        "opted_out": str(new.keep.opted_out),
        "incognito": str(new.keep.incognito),
        "old_opted_out": str(old.keep.opted_out),
    }


def _shortened(tx: Transaction, old: Policy, new: Policy) -> int:
    row = tx.execute(f"SELECT count(*) FROM ({_BOUNDS}) b WHERE keep_until > bound", _bounds(old, new)).fetchone()
    return int(row[0]) if row else 0


_ASKING = (Gate.notice, Gate.must_decide)


def _accounts(tx: Transaction, known: Policies, after: Policies, at: datetime) -> tuple[dict[str, int], int, int]:
    """Gates that move, as `before -> after`; accounts asked again; grants ended."""
    moved: Counter[str] = Counter()
    asked = ended = 0
    with tx.cursor(name="plan_accounts") as cursor:
        cursor.itersize = 5_000
        for row in cursor.execute(f"SELECT {tables.ACCOUNT_COLUMNS} FROM accounts"):
            account = tables.read_account(row)
            one, two = view.brought(account, known, at).account, view.brought(account, after, at).account
            was, becomes = gate(one, known, at), gate(two, after, at)
            if was is not becomes:
                moved[f"{was.value} -> {becomes.value}"] += 1
            asked += becomes in _ASKING and was not in _ASKING
            ended += one.grant is not None and two.grant is None
    return dict(moved.most_common()), asked, ended


def _decided(
    tx: Transaction, known: Policies, after: Policies, purposes: list[str], at: datetime
) -> tuple[int, dict[str, Rows]]:
    """Segments with a nearer date, and for each purpose the turns before, after, entering and leaving."""
    result = {}
    nearer = 0
    for purpose in purposes:
        params = {f"b_{k}": v for k, v in parameters(known, purpose, at).items()}
        params |= {f"n_{k}": v for k, v in parameters(after, purpose, at).items()}
        row = tx.execute(
            f"""
            SELECT coalesce(sum(b.turns) FILTER (WHERE b.rank = {Rank.PERMITTED}), 0),
                   coalesce(sum(b.turns) FILTER (WHERE n.rank = {Rank.PERMITTED}), 0),
                   coalesce(sum(b.turns) FILTER (WHERE b.rank <> {Rank.PERMITTED} AND n.rank = {Rank.PERMITTED}), 0),
                   coalesce(sum(b.turns) FILTER (WHERE b.rank = {Rank.PERMITTED} AND n.rank <> {Rank.PERMITTED}), 0),
                   count(*) FILTER (WHERE n.until < b.until)
              FROM ({DECISIONS.replace("%(", "%(b_")} WHERE s.erased_at IS NULL) b
              JOIN ({DECISIONS.replace("%(", "%(n_")} WHERE s.erased_at IS NULL) n
                USING (account_id, conversation_id, segment)""",
            params,
        ).fetchone()
        assert row is not None
        result[purpose] = Rows(before=int(row[0]), after=int(row[1]), entering=int(row[2]), leaving=int(row[3]))
        nearer = int(row[4])
    return nearer, result


def _kept(tx: Transaction, known: Policies, after: Policies, at: datetime) -> tuple[dict[str, int], dict[str, int]]:
    """Sealed bytes that are kept at each horizon from ``at``, before and after, if nobody says anything more."""
    kept = []
    for versions in (known, after):
        rows = tx.execute(
            f"""SELECT d.until, sum(b.size) FROM ({DECISIONS} WHERE s.erased_at IS NULL) d
                  JOIN (SELECT account_id, conversation_id, segment, sum(octet_length(sealed)) AS size
                          FROM bodies GROUP BY 1, 2, 3) b USING (account_id, conversation_id, segment)
                 GROUP BY d.until""",
            parameters(versions, "", at),
        ).fetchall()
        kept.append(
            {
                name: sum(int(size) for until, size in rows if until > at + timedelta(days=days))
                for name, days in HORIZONS
            }
        )
    return kept[0], kept[1]
