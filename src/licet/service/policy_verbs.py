"""Staff verbs on policy proposals, for privacy officers: one proposes, another who has read the
plan applies it.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from licet.policy.file import POLICY_BYTES_MAX
from licet.service import policy_proposals
from licet.service.policy_changes import AppliedPolicy
from licet.service.policy_proposals import REASON_CHARACTERS_MAX, ProposalDetail, ProposalSeen
from licet.service.staff_verb import OFFICER, AnyVerb, NoBody, StaffVerb, VerbBody, VerbCall


class NewProposal(VerbBody, frozen=True, kw_only=True):
    """A policy file's text."""

    text: Annotated[str, Meta(min_length=1, max_length=POLICY_BYTES_MAX)]


class ProposalEnd(VerbBody, frozen=True, kw_only=True):
    """Why a proposal is withdrawn."""

    reason: Annotated[str, Meta(max_length=REASON_CHARACTERS_MAX)] = ""


class ProposalApproval(VerbBody, frozen=True, kw_only=True):
    """Why a proposal is applied, and which plan was read."""

    reason: Annotated[str, Meta(min_length=1, max_length=REASON_CHARACTERS_MAX)]
    plan_sha256: Annotated[
        str, Meta(pattern="^[0-9a-f]{64}$", description="The plan that was read.")
    ]


def _now(call: VerbCall[NewProposal] | VerbCall[NoBody] | VerbCall[ProposalEnd]) -> ProposalDetail:
    return policy_proposals.show(call.installation, call.made or call.target)


PROPOSE: StaffVerb[NewProposal, ProposalDetail] = StaffVerb(
    name="propose_policy",
    about="Stores a policy file as a proposal, checked strictly, and draws its plan. The same text, "
    "proposed again while it is open, is the same proposal.",
    who=OFFICER,
    takes=NewProposal,
    run=lambda call: policy_proposals.propose(
        call.installation, call.sent.text.encode(), actor=call.actor, identity=call.staff.identity
    ),
    route="policy/proposals",
    body_bytes_max=2 * POLICY_BYTES_MAX,
    answers=ProposalDetail,
    answer=lambda call, done: done or _now(call),
    made=lambda done: done.proposal.id,
    flash="The proposal is stored. Another privacy officer reads its plan and applies it.",
)
PLAN: StaffVerb[NoBody, ProposalDetail] = StaffVerb(
    name="plan_proposal",
    about="Draws the plan again, on the accounts as they are now.",
    who=OFFICER,
    takes=NoBody,
    run=lambda call: policy_proposals.plan(call.installation, call.target, actor=call.actor),
    path="policy/proposals/{proposal:str}/plan",
    answers=ProposalDetail,
    answer=lambda call, done: done or _now(call),
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
        identity=call.staff.identity,
        reason=call.sent.reason,
    ),
    path="policy/proposals/{proposal:str}/withdraw",
    answers=ProposalSeen,
    answer=lambda call, done: done or _now(call).proposal,
    flash="The proposal is withdrawn.",
)
APPLY: StaffVerb[ProposalApproval, AppliedPolicy] = StaffVerb(
    name="apply_proposal",
    about="Applies a proposal of somebody else. 409 for one's own, where the plan is not the one "
    "that was read or says something else by now, and for one identity where the installation asks "
    "for two (`one_identity`).",
    who=OFFICER,
    takes=ProposalApproval,
    run=lambda call: policy_proposals.apply(
        call.installation,
        call.target,
        actor=call.actor,
        identity=call.staff.identity,
        reason=call.sent.reason,
        plan_sha256=call.sent.plan_sha256,
    ),
    path="policy/proposals/{proposal:str}/apply",
    answers=AppliedPolicy,
    answer=lambda call, done: done or policy_proposals.applied(call.installation, int(call.made)),
    made=lambda done: str(done.number),
    flash="The version is applied, and the log takes its entry next.",
)
VERBS: tuple[AnyVerb, ...] = (PROPOSE, PLAN, WITHDRAW, APPLY)
