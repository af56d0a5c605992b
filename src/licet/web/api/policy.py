"""Proposals of a policy version, for staff (`service.policy_verbs`)."""

from __future__ import annotations

from litestar import get

from licet.access.roles import OFFICE, may
from licet.service import policy_proposals
from licet.service.policy_proposals import ProposalDetail, ProposalSeen
from licet.service.staff_verb import VerbAnswer
from licet.web.api import shared as shell
from licet.web.api.references import site_of
from licet.web.api.shared import AnyRequest
from licet.web.api.verb_routes import ProposalRef

SEES = may(staff=OFFICE)
TAG = ["staff"]


class Proposals(VerbAnswer, frozen=True, kw_only=True):
    items: tuple[ProposalSeen, ...]


@get("/v1/policy/proposals", may=SEES, responses=shell.refusals(), tags=TAG)
async def list_proposals(request: AnyRequest) -> Proposals:
    """The open proposals, then the newest others: at most a hundred."""
    site = site_of(request)
    return Proposals(
        items=await site.calling(lambda: policy_proposals.list_proposals(site.installation))
    )


@get("/v1/policy/proposals/{proposal:str}", may=SEES, responses=shell.refusals(404), tags=TAG)
async def get_proposal(request: AnyRequest, proposal: ProposalRef) -> ProposalDetail:
    """A proposal with its text, its diff and its plan."""
    site = site_of(request)
    return await site.calling(lambda: policy_proposals.show(site.installation, proposal))


ROUTES = [list_proposals, get_proposal]
