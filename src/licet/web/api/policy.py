"""Proposals of a policy version, for staff: made by one privacy officer, applied by another who has
read the plan.
"""

from __future__ import annotations

from typing import Annotated

from litestar import Response, get, post
from litestar.params import JSONBody, PathParameter

from licet.access.roles import Staff, StaffRole, may
from licet.policy.file import POLICY_BYTES_MAX
from licet.service import policy_proposals
from licet.service.policy_changes import AppliedPolicy
from licet.service.policy_proposals import ProposalDetail, ProposalSeen
from licet.web.api import policy_schema
from licet.web.api import shared as shell
from licet.web.api.references import site_of
from licet.web.api.shared import Acted, AnyRequest, IdempotencyKey

SEES = may(staff=(StaffRole.privacy_officer, StaffRole.auditor))
PROPOSES = may(staff=(StaffRole.privacy_officer,))
TAG = ["staff"]
ACTS = shell.refusals(404, 409, 413, 422)
ProposalRef = Annotated[
    str,
    PathParameter(
        description="`prop_..`, as the proposal was answered.", min_length=1, max_length=64
    ),
]


def _staff(request: AnyRequest) -> Staff:
    caller = request.auth
    assert isinstance(caller, Staff)
    return caller


@get("/v1/policy/proposals", may=SEES, responses=shell.refusals(), tags=TAG)
async def list_proposals(request: AnyRequest) -> policy_schema.Proposals:
    """The open proposals, then the newest others: at most a hundred."""
    site = site_of(request)
    return policy_schema.Proposals(
        items=await site.calling(lambda: policy_proposals.listed(site.here))
    )


@post(
    "/v1/policy/proposals",
    may=PROPOSES,
    responses=ACTS,
    status_code=200,
    tags=TAG,
    request_max_body_size=2 * POLICY_BYTES_MAX,
)
async def propose_policy(
    request: AnyRequest,
    data: JSONBody[policy_schema.NewProposal],
    idempotency_key: IdempotencyKey = None,
) -> Response[ProposalDetail]:
    """Stores a policy file as a proposal, checked strictly, and draws its plan. The same text,
    proposed again while it is open, is the same proposal.
    """
    site, staff = site_of(request), _staff(request)

    def propose() -> Acted[ProposalDetail]:
        made = policy_proposals.propose(
            site.here, data.text.encode(), actor=staff.recorded_as, identity=staff.identity
        )
        return Acted(made, made.proposal.id)

    return await shell.acted(
        request, idempotency_key, propose, lambda made: policy_proposals.show(site.here, made)
    )


@get("/v1/policy/proposals/{proposal:str}", may=SEES, responses=shell.refusals(404), tags=TAG)
async def get_proposal(request: AnyRequest, proposal: ProposalRef) -> ProposalDetail:
    """A proposal with its text, its diff and its plan."""
    site = site_of(request)
    return await site.calling(lambda: policy_proposals.show(site.here, proposal))


@post(
    "/v1/policy/proposals/{proposal:str}/plan",
    may=PROPOSES,
    responses=ACTS,
    status_code=200,
    tags=TAG,
)
async def plan_proposal(
    request: AnyRequest, proposal: ProposalRef, idempotency_key: IdempotencyKey = None
) -> Response[ProposalDetail]:
    """Draws the plan again, on the accounts as they are now."""
    site, staff = site_of(request), _staff(request)

    def plan() -> Acted[ProposalDetail]:
        return Acted(policy_proposals.plan(site.here, proposal, actor=staff.recorded_as))

    return await shell.acted(
        request, idempotency_key, plan, lambda _: policy_proposals.show(site.here, proposal)
    )


@post(
    "/v1/policy/proposals/{proposal:str}/withdraw",
    may=PROPOSES,
    responses=ACTS,
    status_code=200,
    tags=TAG,
)
async def withdraw_proposal(
    request: AnyRequest,
    proposal: ProposalRef,
    data: JSONBody[policy_schema.ProposalEnd],
    idempotency_key: IdempotencyKey = None,
) -> Response[ProposalSeen]:
    """Ends an open proposal without applying it."""
    site, staff = site_of(request), _staff(request)

    def withdraw() -> Acted[ProposalSeen]:
        done = policy_proposals.withdraw(
            site.here,
            proposal,
            actor=staff.recorded_as,
            identity=staff.identity,
            reason=data.reason,
        )
        return Acted(done)

    return await shell.acted(
        request,
        idempotency_key,
        withdraw,
        lambda _: policy_proposals.show(site.here, proposal).proposal,
    )


@post(
    "/v1/policy/proposals/{proposal:str}/apply",
    may=PROPOSES,
    responses=ACTS,
    status_code=200,
    tags=TAG,
)
async def apply_proposal(
    request: AnyRequest,
    proposal: ProposalRef,
    data: JSONBody[policy_schema.ProposalApproval],
    idempotency_key: IdempotencyKey = None,
) -> Response[AppliedPolicy]:
    """Applies a proposal of somebody else. 409 for one's own, where the plan is not the one that
    was read or says something else by now, and for one identity where the installation asks for two
    (`one_identity`).
    """
    site, staff = site_of(request), _staff(request)

    def apply() -> Acted[AppliedPolicy]:
        done = policy_proposals.apply(
            site.here,
            proposal,
            actor=staff.recorded_as,
            identity=staff.identity,
            reason=data.reason,
            plan_sha256=data.plan_sha256,
        )
        return Acted(done, str(done.number))

    return await shell.acted(
        request, idempotency_key, apply, lambda made: policy_proposals.applied(site.here, int(made))
    )


ROUTES = [
    list_proposals,
    propose_policy,
    get_proposal,
    plan_proposal,
    withdraw_proposal,
    apply_proposal,
]
