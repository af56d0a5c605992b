"""Two-person policy changes: one member of staff proposes a version, another reads its plan and
applies it with a reason.

Promise: nobody applies their own proposal, and the applied version is the one that the applier
read. The plan is named by its hash; if accounts have acted since, it is drawn again, and the
version is applied only if no number moved by more than a hundredth. Of concurrent appliers one is
refused.

Two names are two people only if each signed in through the identity provider, as different subjects
(`access.identities`). Otherwise the version is recorded as not confirmed by a second identity, or
refused if the installation requires two.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from licet.access import identities
from licet.errors import NotFoundError, RefusedError, UsageError
from licet.policy import diff, purposes
from licet.policy.diff import PolicyChange
from licet.policy.file import Policies, Policy, parse
from licet.service import policy_changes
from licet.service.policy_changes import AppliedPolicy
from licet.store.connect import Transaction, snapshot, transaction
from licet.vault import (
    account_journal,
    account_view,
    policy_plan,
    policy_proposals,
    policy_versions,
)
from licet.vault.ids import Prefix, uuid7
from licet.vault.ids import parse as parse_id
from licet.vault.installation import Installation
from licet.vault.policy_plan import PolicyPlan, StoredPlan
from licet.vault.policy_proposals import ProposalRow, ProposalState

PLANNED_HERE_ACCOUNTS_MAX = 100_000
REASON_CHARACTERS_MAX = 1_000
SENT = "policy.yaml"  # the file name of a sent text, in errors


class ProposalSeen(msgspec.Struct, frozen=True, kw_only=True):
    """``has_identity``: its proposer signed in through the identity provider; ``second_identity``:
    another identity of the provider applied it.
    """

    id: str
    version: str
    state: ProposalState
    proposed_at: datetime
    proposed_by: str
    has_identity: bool
    ended_at: datetime | None
    ended_by: str | None
    second_identity: bool
    reason: str

    @property
    def is_open(self) -> bool:
        return self.state is ProposalState.open


class ProposalDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A proposal with its diff against the newest version, and its plan, if there is one for the
    present versions, named by ``plan_sha256``. ``refusal`` is why it can no longer be applied.
    """

    proposal: ProposalSeen
    text: str
    sha256: str
    direction: str
    changes: tuple[PolicyChange, ...]
    findings: tuple[str, ...]
    refusal: str
    plan: PolicyPlan | None
    plan_sha256: str | None
    planned_at: datetime | None
    planned_by: str | None


def propose(
    installation: Installation, text: bytes, *, actor: str, identity: bytes | None = None
) -> ProposalDetail:
    """Stores a policy file as a proposal, and plans it at once if accounts are few; InputError with
    the line of a mistake. An open proposal with the same text is returned.
    """
    identities.check(installation.config.web, identity)
    policy, now = parse(text, SENT), installation.clock()
    purposes.unworded_purposes(policy)
    with transaction(installation.pool) as tx:
        versions = policy_versions.applied(tx)
        if policy in versions.versions:
            raise RefusedError(f"version `{policy.version}` is applied already", because="exists")
        policy_plan.check(versions, policy, now)
        named = uuid7(now, installation.keyring.random(10))
        found = policy_proposals.add(
            tx, named, policy.sha256(), policy.version, text.decode(), now, actor, identity
        )
        few = account_view.has_at_most(tx, PLANNED_HERE_ACCOUNTS_MAX)
    if few and found == named:
        policy_changes.plan_version(installation, policy, actor=actor)
    return _detail(installation, found)


def list_proposals(installation: Installation) -> tuple[ProposalSeen, ...]:
    """Returns the open proposals, then the newest others."""
    with transaction(installation.pool) as tx:
        return tuple(_proposal_view(row) for row in policy_proposals.newest(tx))


def show(installation: Installation, proposal: str) -> ProposalDetail:
    """Returns a proposal with its diff and plan; NotFoundError."""
    return _detail(installation, _parse_id(proposal))


def plan(
    installation: Installation, proposal: str, *, actor: str, bounded: bool = True
) -> ProposalDetail:
    """Plans an open proposal again; with ``bounded``, RefusedError if there are too many accounts
    for a request.
    """
    with transaction(installation.pool) as tx:
        row = policy_proposals.get(tx, _parse_id(proposal))
        _check_open(row)
        if bounded and not account_view.has_at_most(tx, PLANNED_HERE_ACCOUNTS_MAX):
            raise RefusedError(
                f"there are more than {PLANNED_HERE_ACCOUNTS_MAX:,} accounts: the plan "
                "takes longer than a request may",
                f"run `licet policy plan-proposal {proposal}` on the host",
                because="too_large",
            )
    policy_changes.plan_version(installation, _policy(row), actor=actor)
    return _detail(installation, row.proposal_id)


def is_planned_here(installation: Installation) -> bool:
    """Whether accounts are few enough to plan within a request."""
    with transaction(installation.pool) as tx:
        return account_view.has_at_most(tx, PLANNED_HERE_ACCOUNTS_MAX)


def withdraw(
    installation: Installation,
    proposal: str,
    *,
    actor: str,
    identity: bytes | None = None,
    reason: str = "",
) -> ProposalSeen:
    """Ends an open proposal without applying it; anyone who may propose may withdraw it."""
    _check_reason(reason, needed=False)
    with transaction(installation.pool) as tx:
        row = policy_proposals.get(tx, _parse_id(proposal), lock=True)
        _check_open(row)
        end = ProposalState.withdrawn
        policy_proposals.end(
            tx, row.proposal_id, end, installation.clock(), actor, identity, reason.strip()
        )
        return _proposal_view(policy_proposals.get(tx, row.proposal_id))


def apply(
    installation: Installation,
    proposal: str,
    *,
    actor: str,
    identity: bytes | None = None,
    reason: str,
    plan_sha256: str,
) -> AppliedPolicy:
    """Applies a colleague's proposal whose plan ``plan_sha256`` the actor has read.

    RefusedError for one's own, for an ended one, and if the plan has changed.
    """
    _check_reason(reason, needed=True)
    _plan_holds(installation, _parse_id(proposal), plan_sha256, actor, identity)
    with transaction(installation.pool) as tx:
        now = installation.clock()
        row = policy_proposals.get(tx, _parse_id(proposal), lock=True)
        _check_applier(installation, row, actor, identity)
        policy = _policy(row)
        number = policy_changes.apply_in(installation, tx, policy, now, actor)
        policy_proposals.end(
            tx, row.proposal_id, ProposalState.applied, now, actor, identity, reason.strip()
        )
    (installation.config.data / "policy.yaml").write_text(row.text, encoding="utf-8")
    return applied(installation, number)


def applied(installation: Installation, number: int) -> AppliedPolicy:
    """Returns the result of `apply` for an applied version; NotFoundError."""
    seen = version(installation, number)
    return AppliedPolicy(
        number=number,
        version=seen.policy.version,
        effective=seen.policy.effective,
        sha256=seen.policy.sha256().hex(),
        shortened=0,
        second_identity=seen.second_identity,
    )


class ProposalApplier(msgspec.Struct, frozen=True, kw_only=True):
    """``refusal``: why the actor may not apply it as signed in; ``confirms``: two identities would
    be recorded.
    """

    is_proposer: bool
    confirms: bool
    refusal: str


def applier(
    installation: Installation, proposal: str, *, actor: str, identity: bytes | None
) -> ProposalApplier:
    """Returns what the actor may do with a proposal; NotFoundError."""
    with transaction(installation.pool) as tx:
        row = policy_proposals.get(tx, _parse_id(proposal))
    pair, refusal = (row.proposed_identity, identity), ""
    try:
        identities.check_two(installation.config.web, pair)
    except RefusedError as error:
        refusal = f"{error.message}: {error.hint}"
    return ProposalApplier(
        is_proposer=is_proposer(row, actor, identity),
        confirms=identities.has_two(pair),
        refusal=refusal,
    )


class VersionDetail(msgspec.Struct, frozen=True, kw_only=True):
    """An applied version: its policy, diff to the one before, and the plan it was applied with, if
    any. ``second_identity``: one identity of the provider proposed it, another applied it.
    """

    number: int
    policy: Policy
    applied_at: datetime
    applied_by: str
    second_identity: bool
    before: str | None
    direction: str
    changes: tuple[PolicyChange, ...]
    plan: PolicyPlan | None


def version(installation: Installation, number: int) -> VersionDetail:
    """Returns an applied version by its number; NotFoundError."""
    with transaction(installation.pool) as tx:
        versions = policy_versions.applied(tx)
        if not 0 <= number < len(versions):
            raise NotFoundError(f"no policy version of number {number}")
        row = policy_versions.newest_applied(tx, len(versions) - number)[-1]
        before = versions[number - 1] if number else None
        found = (
            policy_plan.stored(tx, Policies(versions.versions[:number]), versions[number])
            if number
            else None
        )
        is_two = policy_proposals.second_identity(tx, versions[number].sha256())
    changed = diff.compare(before, versions[number]) if before else None
    return VersionDetail(
        number=number,
        policy=versions[number],
        applied_at=row.applied_at,
        applied_by=row.applied_by,
        second_identity=is_two,
        before=before.version if before else None,
        direction=diff.describe(changed) if changed else "",
        changes=changed.changes if changed else (),
        plan=found.plan if found else None,
    )


def _plan_holds(
    installation: Installation, proposal: UUID, plan_sha256: str, actor: str, identity: bytes | None
) -> None:
    """Raises RefusedError unless the plan that was read is the stored one, and a new one would
    agree.
    """
    with snapshot(installation.pool) as tx:  # a proposal ends with the version that it becomes
        row = policy_proposals.get(tx, proposal)
        _check_applier(installation, row, actor, identity)
        read = _stored_plan(tx, _policy(row))
        if read is None or read.sha256 != plan_sha256:
            raise RefusedError(
                "that is not the newest plan of this proposal: it was drawn again, or a "
                "version was applied since",
                "read the plan that is shown now, and apply that",
                because="another_plan",
            )
        if account_journal.last_position(tx) == read.position:
            return
        few = account_view.has_at_most(tx, PLANNED_HERE_ACCOUNTS_MAX)
    if not few:
        return  # the plan is at most seven days old, as for `licet policy apply`
    now = policy_changes.plan_version(installation, _policy(row), actor=actor)
    moved = policy_plan.differing_counts(read.plan, now.plan)
    if moved:
        raise RefusedError(
            "people have acted since that plan was drawn, and other numbers hold: "
            f"{', '.join(moved[:5])}",
            "the plan was drawn again: read it, and apply that",
            because="plan_moved",
        )


def is_proposer(row: ProposalRow, actor: str, identity: bytes | None) -> bool:
    """Whether the actor is the proposer: by address, or by identity under another address."""
    is_same_identity = identity is not None and identity == row.proposed_identity
    return is_same_identity or row.proposed_by.casefold() == actor.casefold()


def _check_applier(
    installation: Installation, row: ProposalRow, actor: str, identity: bytes | None
) -> None:
    """Raises RefusedError for the proposer, and for a single identity if two are required."""
    _check_open(row)
    if is_proposer(row, actor, identity):
        raise RefusedError(
            "whoever proposed a version does not apply it",
            "another privacy officer applies it",
            because="same_person",
        )
    identities.check_two(installation.config.web, (row.proposed_identity, identity))


def _check_open(row: ProposalRow) -> None:
    if row.state is not ProposalState.open:
        raise RefusedError(f"the proposal was {row.state.value} by {row.ended_by}", because="ended")


def _check_reason(reason: str, *, needed: bool) -> None:
    if needed and not reason.strip():
        raise UsageError("say why: the reason is kept with the version")
    if len(reason) > REASON_CHARACTERS_MAX:
        raise UsageError(f"the reason is longer than {REASON_CHARACTERS_MAX} characters")


def _parse_id(proposal: str) -> UUID:
    return parse_id(Prefix.proposal, proposal)


def _policy(row: ProposalRow) -> Policy:
    return parse(row.text.encode(), SENT)


def _stored_plan(tx: Transaction, policy: Policy) -> StoredPlan | None:
    return policy_plan.stored(tx, policy_versions.applied(tx), policy)


def _proposal_view(row: ProposalRow) -> ProposalSeen:
    return ProposalSeen(
        id=row.shown_id,
        version=row.version,
        state=row.state,
        proposed_at=row.proposed_at,
        proposed_by=row.proposed_by,
        has_identity=row.proposed_identity is not None,
        ended_at=row.ended_at,
        ended_by=row.ended_by,
        second_identity=row.state is ProposalState.applied and _are_two(row),
        reason=row.reason,
    )


def _are_two(row: ProposalRow) -> bool:
    return identities.has_two((row.proposed_identity, row.ended_identity))


def _detail(installation: Installation, proposal: UUID) -> ProposalDetail:
    with transaction(installation.pool) as tx:
        row, versions = policy_proposals.get(tx, proposal), policy_versions.applied(tx)
        policy = _policy(row)
        found = _stored_plan(tx, policy)
    base = _base(versions, policy, row)
    changed = diff.compare(base, policy)
    return ProposalDetail(
        proposal=_proposal_view(row),
        text=row.text,
        sha256=policy.sha256().hex(),
        direction=diff.describe(changed),
        changes=changed.changes,
        findings=policy_changes.findings_of(policy),
        refusal=_refusal(versions, policy, installation.clock())
        if row.state is ProposalState.open
        else "",
        plan=found.plan if found else None,
        plan_sha256=found.sha256 if found else None,
        planned_at=found.made_at if found else None,
        planned_by=found.made_by if found else None,
    )


def _base(versions: Policies, policy: Policy, row: ProposalRow) -> Policy:
    """Returns the version that the proposal changes: the newest, or the one before it
    once applied.
    """
    applied = [
        number
        for number, version in enumerate(versions.versions)
        if version.version == policy.version
    ]
    is_its_own = row.state is ProposalState.applied and applied and applied[0] > 0
    return versions[applied[0] - 1] if is_its_own else versions[len(versions) - 1]


def _refusal(versions: Policies, policy: Policy, now: datetime) -> str:
    try:
        policy_plan.check(versions, policy, now)
    except RefusedError as error:
        return error.message
    return ""
