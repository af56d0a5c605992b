"""What staff do in the console, over the API: moving an erasure on, recalls, suggestions of misuse,
the sweep.
"""

from __future__ import annotations

from litestar import Response, get, post
from litestar.params import JSONBody

from licet.access.roles import Staff, StaffRole, may
from licet.erasure import certificates, recall_register, sweeper
from licet.erasure.recall_register import Recall
from licet.erasure.sweeper import SweepStatus
from licet.misuse import suggestions
from licet.misuse.suggestions import Suggestion
from licet.release.signatures import StaffMember
from licet.vault.ids import Prefix, shown
from licet.web.api import schema
from licet.web.api import shared as shell
from licet.web.api.erasures import ErasureRef
from licet.web.api.references import conversation_of, site_of
from licet.web.api.shared import Acted, AnyRequest, ConversationRef, IdempotencyKey, OfAccount

OFFICER = may(staff=(StaffRole.privacy_officer,))
DECIDES = may(staff=(StaffRole.privacy_officer, StaffRole.reviewer))
EVERY = may(staff=tuple(StaffRole))
APPROVES = may(staff=(StaffRole.owner, StaffRole.privacy_officer))
TAG = ["staff"]
ACTS = shell.refusals(404, 409, 413, 422)


def member_of(staff: Staff) -> StaffMember:
    """Who acts, as the verbs of releases and of misuse take it."""
    return StaffMember(
        staff_id=staff.staff_id,
        email=staff.email,
        roles=frozenset(role.value for role in staff.roles),
        via="console",
        identity=staff.identity,
    )


@post("/v1/erasures/{erasure:str}/run", may=OFFICER, responses=ACTS, status_code=200, tags=TAG)
async def run_erasure(
    request: AnyRequest,
    erasure: ErasureRef,
    data: JSONBody[schema.RunErasure],
    idempotency_key: IdempotencyKey = None,
) -> Response[schema.ErasureMoved]:
    """Moves an erasure as far as it can go now; with ``at_once`` without waiting for the end of its
    period. A dry run says what would be done.
    """
    site = site_of(request)

    def move() -> Acted[schema.ErasureMoved]:
        seen = certificates.forecast_erasures(site.here, only=erasure, at_once=data.at_once)
        if not data.dry_run:
            certificates.advance_erasures(site.here, only=erasure, at_once=data.at_once)
        return Acted(
            schema.ErasureMoved(forecast=seen, erasure=certificates.status(site.here, erasure))
        )

    def again(_made: str) -> schema.ErasureMoved:
        seen = certificates.forecast_erasures(site.here, only=erasure, at_once=data.at_once)
        return schema.ErasureMoved(forecast=seen, erasure=certificates.status(site.here, erasure))

    return await shell.acted(request, idempotency_key, move, again)


@post(
    "/v1/erasures/{erasure:str}/recalls/{handout:str}/acknowledge",
    may=OFFICER,
    responses=ACTS,
    status_code=200,
    tags=TAG,
)
async def acknowledge_recall(
    request: AnyRequest,
    erasure: ErasureRef,
    handout: shell.HandoutRef,
    idempotency_key: IdempotencyKey = None,
) -> Response[Recall]:
    """Records that a recipient took the rows of an erasure out of use. The person sees it."""
    site = site_of(request)

    def acknowledge() -> Recall:
        # what was acknowledged stays so
        return recall_register.acknowledge(site.here, erasure, handout)

    return await shell.acted(
        request, idempotency_key, lambda: Acted(acknowledge()), lambda _: acknowledge()
    )


@post(
    "/v1/conversations/{conversation:str}/misuse",
    may=DECIDES,
    responses=ACTS,
    status_code=200,
    tags=TAG,
)
async def decide_misuse(
    request: AnyRequest,
    conversation: ConversationRef,
    data: JSONBody[schema.MisuseDecision],
    account: OfAccount = None,
    idempotency_key: IdempotencyKey = None,
) -> Response[Suggestion]:
    """Flags a conversation, dismisses what was suggested of it, or overturns its flag; on record as
    the caller's decision.
    """
    site, caller = site_of(request), request.auth
    assert isinstance(caller, Staff)
    _, named = await conversation_of(request, conversation, account)

    name = shown(Prefix.conversation, named)

    def decide() -> Acted[Suggestion]:
        what = data.decision
        return Acted(
            suggestions.decide(
                site.here,
                name,
                member_of(caller),
                dismiss=what == "dismiss",
                overturn=what == "overturn",
            )
        )

    return await shell.acted(
        request, idempotency_key, decide, lambda _: suggestions.get(site.here, name)
    )


@get("/v1/sweep", may=EVERY, responses=shell.refusals(), tags=TAG)
async def get_sweep(request: AnyRequest) -> SweepStatus:
    """When a sweep last left nothing due, and whether it waits for somebody to approve it."""
    site = site_of(request)
    return await site.calling(lambda: sweeper.sweep_status(site.here))


@post(
    "/v1/sweep/approve",
    may=APPROVES,
    responses=shell.refusals(409, 413, 422),
    status_code=200,
    tags=TAG,
)
async def approve_sweep(
    request: AnyRequest,
    data: JSONBody[schema.SweepApproval],
    idempotency_key: IdempotencyKey = None,
) -> Response[SweepStatus]:
    """Approves the amount that a waiting sweep announced; 409 where it is another one by now."""
    site, caller = site_of(request), request.auth
    assert isinstance(caller, Staff)

    def approve() -> Acted[SweepStatus]:
        return Acted(sweeper.approve(site.here, caller.recorded_as, due=data.due))

    return await shell.acted(
        request, idempotency_key, approve, lambda _: sweeper.sweep_status(site.here)
    )


ROUTES = [run_erasure, acknowledge_recall, decide_misuse, get_sweep, approve_sweep]
