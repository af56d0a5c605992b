"""Staff verbs on policy proposals, for privacy officers: one proposes, another who has read the
plan applies it.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from licet.access.identities import NOT_CONFIRMED
from licet.policy.file import POLICY_BYTES_MAX
from licet.policy.period import rfc3339
from licet.service import policy_proposals
from licet.service.policy_changes import AppliedPolicy
from licet.service.policy_proposals import REASON_CHARACTERS_MAX, ProposalDetail, ProposalSeen
from licet.service.staff_verb import (
    FROM_FILE,
    OFFICER,
    AnyVerb,
    NoBody,
    StaffVerb,
    VerbBody,
    VerbCall,
)


class NewProposal(VerbBody, frozen=True, kw_only=True):
    """A policy file's text."""

    text: Annotated[
        str,
        Meta(min_length=1, max_length=POLICY_BYTES_MAX, extra={**FROM_FILE, "argument": "FILE"}),
    ]


class ProposalEnd(VerbBody, frozen=True, kw_only=True):
    """Why a proposal is withdrawn."""

    reason: Annotated[str, Meta(max_length=REASON_CHARACTERS_MAX)] = ""


class ProposalApproval(VerbBody, frozen=True, kw_only=True):
    """Why a proposal is applied, and which plan was read."""

    reason: Annotated[str, Meta(min_length=1, max_length=REASON_CHARACTERS_MAX)]
    plan_sha256: Annotated[
        str,
        Meta(
            pattern="^[0-9a-f]{64}$",
            description="The plan that was read.",
            extra={"option": "--plan"},
        ),
    ]


EXAMPLE = "prop_0199107f2c0078e7a6e4da4810be10b0"


def _applied_text(_: object, done: AppliedPolicy) -> str:
    unconfirmed = "" if done.second_identity else f"; {NOT_CONFIRMED}"
    return (
        f"version {done.version} is applied, effective {rfc3339(done.effective)}{unconfirmed}\n"
        f"sha256 {done.sha256}"
    )


def _now(call: VerbCall[NewProposal] | VerbCall[NoBody] | VerbCall[ProposalEnd]) -> ProposalDetail:
    return policy_proposals.show(call.installation, call.made or call.target)


PROPOSE: StaffVerb[NewProposal, ProposalDetail] = StaffVerb(
    name="propose_policy",
    about="Stores a policy file as a proposal and draws its plan. It is checked strictly. The same "
    "text, proposed again while it is open, is the same proposal.",
    who=OFFICER,
    takes=NewProposal,
    run=lambda call: policy_proposals.propose(
        call.installation, call.sent.text.encode(), actor=call.actor, identity=call.identity
    ),
    route="policy/proposals",
    body_bytes_max=2 * POLICY_BYTES_MAX,
    answers=ProposalDetail,
    answer=lambda call, done: done or _now(call),
    made=lambda done: done.proposal.id,
    command="policy propose",
    noun="",
    example="policy-2026.yaml --by ada",
    flash="The proposal is stored. Another privacy officer reads its plan and applies it.",
)
PLAN: StaffVerb[NoBody, ProposalDetail] = StaffVerb(
    name="plan_proposal",
    about="Draws the plan of a proposal again. It counts the accounts as they are now.",
    who=OFFICER,
    takes=NoBody,
    run=lambda call: policy_proposals.plan(
        call.installation, call.target, actor=call.actor, bounded=not call.by_command
    ),
    path="policy/proposals/{proposal:str}/plan",
    answers=ProposalDetail,
    answer=lambda call, done: done or _now(call),
    command="policy plan-proposal",
    noun="PROPOSAL",
    example=EXAMPLE,
    flash="The plan is drawn on the accounts as they are now.",
)
WITHDRAW: StaffVerb[ProposalEnd, ProposalSeen] = StaffVerb(
    name="withdraw_proposal",
    about="Ends an open proposal without applying it.",
    who=OFFICER,
    takes=ProposalEnd,
    run=lambda call: policy_proposals.withdraw(
        call.installation,
        call.target,
        actor=call.actor,
        identity=call.identity,
        reason=call.sent.reason,
    ),
    path="policy/proposals/{proposal:str}/withdraw",
    answers=ProposalSeen,
    answer=lambda call, done: done or _now(call).proposal,
    did=lambda _, done: f"{done.id} is withdrawn",
    command="policy withdraw-proposal",
    noun="PROPOSAL",
    example=f'{EXAMPLE} --reason "the dates are wrong"',
    flash="The proposal is withdrawn.",
)
APPLY: StaffVerb[ProposalApproval, AppliedPolicy] = StaffVerb(
    name="apply_proposal",
    about="Applies a proposal of somebody else. Refused for one's own, where the plan is not the "
    "one that was read or says something else by now, and for one identity where the installation "
    "asks for two (`one_identity`).",
    who=OFFICER,
    takes=ProposalApproval,
    run=lambda call: policy_proposals.apply(
        call.installation,
        call.target,
        actor=call.actor,
        identity=call.identity,
        reason=call.sent.reason,
        plan_sha256=call.sent.plan_sha256,
    ),
    path="policy/proposals/{proposal:str}/apply",
    answers=AppliedPolicy,
    answer=lambda call, done: done or policy_proposals.applied(call.installation, int(call.made)),
    made=lambda done: str(done.number),
    did=_applied_text,
    command="policy apply-proposal",
    noun="PROPOSAL",
    needs_reason=True,
    example=f'{EXAMPLE} --plan SHA256 --by ben --reason "the board"',
    flash="The version is applied, and the log takes its entry next.",
)
VERBS: tuple[AnyVerb, ...] = (PROPOSE, PLAN, WITHDRAW, APPLY)
