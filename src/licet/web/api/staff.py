"""What any caller may ask about themselves and the terms, and what staff may read, with a reason
that the person sees.
"""

from __future__ import annotations

from uuid import UUID

from litestar import get, post
from litestar.params import JSONBody

from licet.access.roles import (
    ANY_CALLER,
    OFFICE,
    Caller,
    Person,
    Service,
    Staff,
    StaffRole,
    kind,
    may,
)
from licet.service import policy_proposals, staff_lists
from licet.service.policy_proposals import ProposalDetail, ProposalSeen
from licet.service.staff_lists import HoldSeen
from licet.service.staff_verb import VerbAnswer
from licet.store.connect import Transaction
from licet.vault import account_view, policy_versions, staff_reads
from licet.vault.ids import Prefix, format_id
from licet.vault.staff_reads import ReaderRole, Reading
from licet.web.access.authentication import csrf_token
from licet.web.api import schema
from licet.web.api import shared as shell
from licet.web.api.references import conversation_of, not_found, site_of
from licet.web.api.shared import AnyRequest, ConversationRef, OfAccount
from licet.web.api.verb_routes import ProposalRef
from licet.web.site import Site

READ_TURNS_MAX = 1_000
STUDIES = may(staff=OFFICE)
LOOKS = may(staff=(StaffRole.privacy_officer, StaffRole.auditor, StaffRole.reviewer))


@get("/v1/me", may=ANY_CALLER, responses=shell.refusals(), sync_to_thread=False, tags=["policy"])
def myself(request: AnyRequest) -> schema.Myself:
    """The caller, and their permissions."""
    caller: Caller = request.auth
    account: str | None = None
    name: str | None = None
    roles: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    if isinstance(caller, Person) and caller.account is not None:
        account = format_id(Prefix.account, caller.account)
    elif isinstance(caller, Service):
        name, scopes = caller.name, tuple(sorted(caller.scopes))
    elif isinstance(caller, Staff):
        name, roles = caller.email, tuple(sorted(caller.roles))
    return schema.Myself(
        caller=kind(caller),
        account=account,
        name=name,
        roles=roles,
        scopes=scopes,
        csrf=csrf_token.get() or None,
    )


@get("/v1/policy", may=ANY_CALLER, responses=shell.refusals(409), tags=["policy"])
async def get_policy(request: AnyRequest) -> schema.PolicyAnswer:
    """The policy in force, and every version."""
    site = site_of(request)

    def read(tx: Transaction) -> schema.PolicyAnswer:
        known = policy_versions.current(tx)
        now = known.in_force(site.now())
        return schema.PolicyAnswer(
            policy=now.policy,
            in_force=now.version,
            document=now.document(),
            versions=tuple(
                schema.Version(
                    version=v.version,
                    effective=v.effective,
                    decide_by=v.decide_by,
                    material=v.material,
                    sha256=v.sha256().hex(),
                )
                for v in known.versions
            ),
        )

    return await site.reading(read)


@post(
    "/v1/conversations/{conversation:str}/reads",
    may=may(staff=(StaffRole.reviewer, StaffRole.privacy_officer)),
    responses=shell.refusals(404, 413),
    tags=["staff"],
)
async def read_conversation(
    request: AnyRequest,
    conversation: ConversationRef,
    data: JSONBody[schema.NewRead],
    account: OfAccount = None,
) -> schema.TurnPage:
    """Opens a conversation for staff, with a reason. The reading is logged, and the person sees it.

    A reviewer reads what a standing flag covers, a privacy officer what the person could read.
    """
    site, caller = site_of(request), request.auth
    assert isinstance(caller, Staff)
    holder, named = await conversation_of(request, conversation, account)
    return await site.reading(lambda tx: read_as_staff(tx, site, caller, holder, named, data))


def read_as_staff(
    tx: Transaction, site: Site, caller: Staff, holder: UUID, named: UUID, why: schema.NewRead
) -> schema.TurnPage:
    """The turns of a conversation, opened for ``caller`` and recorded with ``why``; DeniedError if
    none may be opened.
    """
    role = (
        ReaderRole.privacy_officer
        if StaffRole.privacy_officer in caller.roles
        else ReaderRole.reviewer
    )
    reading = Reading(staff=caller.staff_id, role=role, reason=why.reason, ticket=why.ticket)
    seen = account_view.load_views(
        tx, [(holder, named)], policy_versions.current(tx), site.now()
    ).get(named)
    if seen is None:
        raise not_found()
    turns = account_view.list_turns(tx, holder, named)[:READ_TURNS_MAX]
    times = account_view.turn_times(tx, holder, named)
    keyring = site.installation.keyring
    opened = staff_reads.read(tx, keyring, seen, turns, reading, keyring.random)
    return schema.TurnPage(
        items=tuple(
            shell.turn_shown(named, t, times[t.number], opened.get(t.number)) for t in turns
        ),
        next=None,
    )


class Holds(VerbAnswer, frozen=True, kw_only=True):
    """The newest holds; ``total`` also counts those that are not in ``items``."""

    items: tuple[HoldSeen, ...]
    total: int


@get("/v1/holds", may=LOOKS, responses=shell.refusals(), tags=["staff"])
async def list_holds(request: AnyRequest) -> Holds:
    """Every legal hold, by review date, without its matter."""
    site = site_of(request)
    found = await site.calling(lambda: staff_lists.list_holds(site.installation))
    return Holds(items=found.items, total=found.total)


class Proposals(VerbAnswer, frozen=True, kw_only=True):
    items: tuple[ProposalSeen, ...]


@get("/v1/policy/proposals", may=STUDIES, responses=shell.refusals(), tags=["staff"])
async def list_proposals(request: AnyRequest) -> Proposals:
    """The open proposals, then the newest others: at most a hundred."""
    site = site_of(request)
    return Proposals(
        items=await site.calling(lambda: policy_proposals.list_proposals(site.installation))
    )


@get(
    "/v1/policy/proposals/{proposal:str}",
    may=STUDIES,
    responses=shell.refusals(404),
    tags=["staff"],
)
async def get_proposal(request: AnyRequest, proposal: ProposalRef) -> ProposalDetail:
    """A proposal with its text, its diff and its plan."""
    site = site_of(request)
    return await site.calling(lambda: policy_proposals.show(site.installation, proposal))


ROUTES = [myself, get_policy, list_proposals, get_proposal, read_conversation, list_holds]
