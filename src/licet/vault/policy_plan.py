"""The effects of a policy change, shown before it is applied: who is asked again, which rows enter
or leave, what is erased sooner, and where that is asked for each stored date that comes nearer
(`vault.stored_dates`).

The plan is computed over the real population at the new version's first instant, as it will be if
nobody does anything until then. It is stored with the hashes of the policy and of the version it
was computed against: `apply` accepts a version only with a plan that is not stale.
"""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from msgspec.structs import replace

from licet.errors import RefusedError
from licet.policy import diff
from licet.policy.decide import ASKING, gate, unanswered_questions
from licet.policy.file import Policies, Policy
from licet.store.connect import Transaction
from licet.vault import account_journal, account_view, plan_counts, policy_versions, tables
from licet.vault.plan_counts import PlannedChange, PlannedRows
from licet.vault.population import for_many
from licet.vault.stored_dates import KEPT_DAYS, ShorteningPlan, plan_shortening

PLAN_DAYS_MAX = KEPT_DAYS
MOVED_PARTS = 100  # on a busy installation some number moves with every second
HORIZONS = (("now", 0), ("30 days", 30), ("a year", 365), ("5 years", 1826))


class PlannedQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """For one question: the accounts that will newly be asked it, and the grants that end, of any
    scope.
    """

    asked: int
    ended: int


class PolicyPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The effects of a version at its first instant. Accounts and segments are counted; bytes are
    sealed bytes. ``questions`` are those of the version and of the previous one, by name.
    ``nearer`` are segments whose date comes nearer because a grant ends; ``shortened_on_request``
    those that come nearer only if stored dates are shortened, with sums in ``shortening`` if that
    was planned.
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
    shortening: ShorteningPlan | None = None

    @property
    def has_changes(self) -> bool:
        return bool(self.changes)


def draw_plan(
    tx: Transaction,
    policies: Policies,
    new: Policy,
    now: datetime,
    *,
    shortening: UUID | None = None,
) -> PolicyPlan:
    """Plans the addition of ``new`` to ``policies``; RefusedError if it cannot be added. With
    ``shortening``, a new id, also plans the shortening of stored dates, and stores a hash of them
    per account.
    """
    after = with_version(policies, new)
    with for_many(tx):
        drawn = _compute_plan(tx, policies, after, new, now)
    if shortening is None:
        return drawn
    return replace(drawn, shortening=plan_shortening(tx, after, new, now, shortening))


def with_version(policies: Policies, new: Policy) -> Policies:
    """The versions with ``new`` as the newest: appended, or replacing the one that it amends or
    equals.
    """
    stays = (
        policies.versions[:-1]
        if new.version == policies[len(policies) - 1].version
        else policies.versions
    )
    return Policies([*stays, new])


def _compute_plan(
    tx: Transaction, policies: Policies, after: Policies, new: Policy, now: datetime
) -> PolicyPlan:
    newest = policies[len(policies) - 1]
    check(policies, new, now)
    at = max(now, new.effective)
    people = _accounts(tx, policies, after, at)
    changed, change = (
        diff.compare(newest, new),
        PlannedChange(known=policies, after=after, new=new, at=at, since=_behind(tx)),
    )
    counts = plan_counts.count(
        tx, change, [(name, at + timedelta(days=days)) for name, days in HORIZONS]
    )
    return PolicyPlan(
        policy=new.policy,
        version=new.version,
        base=newest.version,
        base_sha256=newest.sha256().hex(),
        at=at,
        direction=diff.describe(changed),
        changes=changed.changes,
        asked_again=people.asked_again,
        gates=people.gates,
        grants_ended=sum(people.ended.values()),
        questions={
            name: PlannedQuestion(asked=people.asked[name], ended=people.ended[name])
            for name in sorted({*newest.asks, *new.asks, *people.ended})
        },
        purposes=counts.purposes,
        nearer=counts.nearer,
        kept_before=counts.kept_before,
        kept_after=counts.kept_after,
        shortened_on_request=counts.shortened,
    )


def check(policies: Policies, new: Policy, now: datetime) -> None:
    """RefusedError for a version that is not newer, is effective in the past, or widens use or
    retention without being material. The present newest version changes nothing and may be planned;
    a later deadline amends it.
    """
    newest = policies[len(policies) - 1]
    if new == newest or policy_versions.amends(newest, new):
        return
    policy_versions.check_newer(policies, new, now)
    if not new.material and diff.must_be_material(diff.compare(newest, new)):
        raise RefusedError(
            f"version `{new.version}` widens what may be used or kept, or drops a question, "
            "but is not material",
            "set `material: true`, so that everybody is asked, or remove that change",
            because="widens",
        )


def save_plan(
    tx: Transaction, policies: Policies, new: Policy, plan: PolicyPlan, now: datetime, by: str
) -> str:
    """Stores the plan for `apply`; returns its hash, by which it is named."""
    text = msgspec.json.encode(plan).decode()
    tx.execute(
        """INSERT INTO policy_plans (policy_sha256, base, made_at, made_by, plan, position)
           VALUES (%s, %s, %s, %s, %s, %s)
           ON CONFLICT (policy_sha256, base) DO UPDATE SET (made_at, made_by, plan, position)
                = (excluded.made_at, excluded.made_by, excluded.plan, excluded.position)""",
        [
            new.sha256(),
            len(policies) - 1,
            now,
            by,
            text,
            account_journal.last_position(tx),
        ],
    )
    return _digest(text)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class StoredPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A plan as it was shown. ``sha256`` names it; ``position`` is the accounts' journal's when it
    was drawn.
    """

    plan: PolicyPlan
    sha256: str
    made_at: datetime
    made_by: str
    position: int


def stored(tx: Transaction, policies: Policies, new: Policy) -> StoredPlan | None:
    """The plan of ``new`` against the newest version; None without one, or if that version was
    amended since.
    """
    row = tx.execute(
        "SELECT plan, made_at, made_by, position FROM policy_plans WHERE policy_sha256 = %s "
        "AND base = %s",
        [new.sha256(), len(policies) - 1],
    ).fetchone()
    if row is None:
        return None
    text, made_at, made_by, position = row
    plan = msgspec.json.decode(text, type=PolicyPlan)
    if plan.base_sha256 != policies[len(policies) - 1].sha256().hex():
        return None
    return StoredPlan(
        plan=plan, sha256=_digest(text), made_at=made_at, made_by=made_by, position=position
    )


def shortening_of(
    tx: Transaction, policies: Policies, new: Policy, plan_sha256: str, now: datetime
) -> UUID:
    """The shortening in the plan with this hash, for ``new`` as the next or the newest version.
    RefusedError unless it is the newest plan of exactly this text, lists dates, and is recent.
    """
    rows = tx.execute(
        "SELECT plan, made_at FROM policy_plans WHERE policy_sha256 = %s", [new.sha256()]
    ).fetchall()
    named = [
        (msgspec.json.decode(text, type=PolicyPlan), at)
        for text, at in rows
        if _digest(text) == plan_sha256
    ]
    bases = {policies[len(policies) - 1].sha256().hex()}
    if policies[len(policies) - 1] == new and len(policies) > 1:
        bases.add(policies[len(policies) - 2].sha256().hex())
    for plan, made_at in named:
        if plan.base_sha256 not in bases:
            continue
        if plan.shortening is None:
            raise RefusedError("that plan lists no stored dates", _PLAN_DATES, because="no_plan")
        if now - made_at > timedelta(days=PLAN_DAYS_MAX):
            raise RefusedError(
                f"its plan is older than {PLAN_DAYS_MAX} days", _PLAN_DATES, because="stale_plan"
            )
        return UUID(hex=plan.shortening.id)
    raise RefusedError(
        "stored dates are shortened by the plan that showed them, which `--plan` names",
        _PLAN_DATES,
        because="another_plan",
    )


_PLAN_DATES = (
    "run `licet policy plan FILE --shorten-stored`, read it, and apply with the "
    "`--plan` that "
    "it prints"
)


def counts_of(plan: PolicyPlan) -> dict[str, int]:
    """All numbers of a plan, by name."""
    counts = {
        name: getattr(plan, name)
        for name in ("asked_again", "grants_ended", "nearer", "shortened_on_request")
    }
    counts |= {f"gate {move}": count for move, count in plan.gates.items()}
    for question, affected in plan.questions.items():
        counts |= {f"{question} asked": affected.asked, f"{question} ended": affected.ended}
    for purpose, rows in plan.purposes.items():
        counts |= {f"{purpose} {name}": getattr(rows, name) for name in rows.__struct_fields__}
    return counts


def differing_counts(shown: PolicyPlan, now: PolicyPlan) -> tuple[str, ...]:
    """The numbers that differ by more than one in `MOVED_PARTS` between a shown plan and a later
    one.
    """
    one, two = counts_of(shown), counts_of(now)
    return tuple(
        name
        for name in sorted(one | two)
        if abs(one.get(name, 0) - two.get(name, 0)) * MOVED_PARTS > one.get(name, 0)
    )


def apply(tx: Transaction, new: Policy, now: datetime, by: str) -> int:
    """Adds the version if its plan is recent and was computed against the newest version; returns
    its number.
    """
    # no other version may be applied before the commit
    tx.execute("LOCK TABLE policies IN SHARE ROW EXCLUSIVE MODE")
    known = policy_versions.load(tx)
    if known is None:
        raise RefusedError(
            "no policy has been applied", "run `licet init` first", because="no_policy"
        )
    newest = known[len(known) - 1]
    check(known, new, now)
    row = tx.execute(
        "SELECT made_at, plan FROM policy_plans WHERE policy_sha256 = %s AND base = %s",
        [new.sha256(), len(known) - 1],
    ).fetchone()
    if (
        row is None
        or msgspec.json.decode(row[1], type=PolicyPlan).base_sha256 != newest.sha256().hex()
    ):
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


class _AccountEffects(msgspec.Struct, frozen=True, kw_only=True):
    """Effects on accounts: changed gates, as `before -> after`; by question the accounts asked, and
    the grants that end.
    """

    gates: dict[str, int]
    asked_again: int
    asked: Counter[str]
    ended: Counter[str]


def _accounts(
    tx: Transaction, policies: Policies, after: Policies, now: datetime
) -> _AccountEffects:
    moved: Counter[str] = Counter()
    newly_asked: Counter[str] = Counter()
    ended: Counter[str] = Counter()
    again = 0
    for account in tables.every_account(tx):
        one, two = (
            account_view.account_at(account, policies, now).account,
            account_view.account_at(account, after, now).account,
        )
        was, becomes = gate(one, policies, now), gate(two, after, now)
        if was is not becomes:
            moved[f"{was.value} -> {becomes.value}"] += 1
        again += becomes in ASKING and was not in ASKING
        newly_asked.update(
            set(unanswered_questions(two, after, now))
            - set(unanswered_questions(one, policies, now))
        )
        ended.update(grant.question for grant in one.grants if grant not in two.grants)
    return _AccountEffects(
        gates=dict(moved.most_common()), asked_again=again, asked=newly_asked, ended=ended
    )


def _behind(tx: Transaction) -> int:
    """The version that every account with a grant has reached: a later one may still end grants."""
    row = tx.execute("SELECT min(seen) FROM accounts WHERE in_force > 0").fetchone()
    return row[0] if row is not None and row[0] is not None else sys.maxsize
