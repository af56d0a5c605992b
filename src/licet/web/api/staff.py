"""What any caller may ask about themselves and the terms, and what staff may read, with a reason
that the person sees.
"""

from __future__ import annotations

from uuid import UUID

from litestar import Response, get, post
from litestar.params import JSONBody

from licet.access.roles import ANY_CALLER, Caller, Person, Service, Staff, StaffRole, kind, may
from licet.errors import RefusedError
from licet.service import oversight
from licet.store.connect import Transaction
from licet.vault import account_view, hold_coverage, holds, policy_versions, staff_reads
from licet.vault.commands import EXPIRED, HOLD_REVIEW, Hold, Unhold
from licet.vault.hold_coverage import HoldCoverage, describe_coverage
from licet.vault.ids import Prefix, shown
from licet.vault.staff_reads import ReaderRole, Reading
from licet.web.access.authentication import csrf_token
from licet.web.api import hold_schema, schema
from licet.web.api import shared as shell
from licet.web.api.references import conversation_of, not_found, site_of
from licet.web.api.shared import AnyRequest, ConversationRef, IdempotencyKey, OfAccount
from licet.web.site import Site

READ_TURNS_MAX = 1_000
LOOKS = may(staff=(StaffRole.privacy_officer, StaffRole.auditor, StaffRole.reviewer))
HOLDS = may(staff=(StaffRole.privacy_officer,))


@get("/v1/me", may=ANY_CALLER, responses=shell.refusals(), sync_to_thread=False, tags=["policy"])
def myself(request: AnyRequest) -> schema.Myself:
    """Who the caller is, and what they may do."""
    caller: Caller = request.auth
    account: str | None = None
    name: str | None = None
    roles: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    if isinstance(caller, Person) and caller.account is not None:
        account = shown(Prefix.account, caller.account)
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
    seen = account_view.seen(tx, [(holder, named)], policy_versions.current(tx), site.now()).get(
        named
    )
    if seen is None:
        raise not_found()
    turns = account_view.turns(tx, holder, named)[:READ_TURNS_MAX]
    times = account_view.turn_times(tx, holder, named)
    keyring = site.here.keyring
    opened = {
        o.permit.turn: o.content
        for o in staff_reads.read(tx, keyring, seen, turns, reading, keyring.random)
    }
    return schema.TurnPage(
        items=tuple(
            shell.turn_shown(named, t, times[t.number], opened.get(t.number)) for t in turns
        ),
        next=None,
    )


@get("/v1/holds", may=LOOKS, responses=shell.refusals(), tags=["staff"])
async def list_holds(request: AnyRequest) -> hold_schema.Holds:
    """Every legal hold, by its day of review, without its matter."""
    site = site_of(request)
    found = await site.calling(lambda: oversight.holds(site.here))
    return hold_schema.Holds(items=found.items, total=found.total)


@post(
    "/v1/conversations/{conversation:str}/holds",
    may=HOLDS,
    responses=shell.WRITES,
    status_code=200,
    tags=["staff"],
)
async def place_hold(
    request: AnyRequest,
    conversation: ConversationRef,
    data: JSONBody[hold_schema.NewHold],
    account: OfAccount = None,
    key: IdempotencyKey = None,
) -> Response[hold_schema.HeldAnswer]:
    """Places a legal hold: stored content stays, and nothing becomes usable. For an existing
    matter, moves its day of review.
    """
    site, caller = site_of(request), request.auth
    assert isinstance(caller, Staff)
    holder, named = await conversation_of(request, conversation, account)
    now = site.now()
    command = Hold(
        account=holder,
        at=now,
        conversation=named,
        matter=data.matter,
        reason=data.reason,
        review_at=data.review_at or now + HOLD_REVIEW,
        is_told=data.told,
        by=caller.recorded_as,
    )
    written = await site.write(command, await shell.once_of(request, key))
    answer = written.answer

    def cover(tx: Transaction) -> HoldCoverage:
        matter = holds.matter_hash(site.here, tx, data.matter)
        return hold_coverage.coverage(tx, [(holder, named)], matter, site.now(), placing=True)[
            holder, named
        ]

    found = await site.reading(cover)
    if answer.because == EXPIRED:
        raise RefusedError(
            f"nothing of it can be held: {describe_coverage(found)}", because=EXPIRED
        )
    shell.refuse(answer, holder)
    assert command.review_at is not None
    body = hold_schema.HeldAnswer(
        outcome=answer.outcome,
        at=answer.at,
        account=shown(Prefix.account, holder),
        because=answer.because,
        conversation=shown(Prefix.conversation, named),
        review_at=command.review_at,
        coverage=found,
    )
    return shell.answered(body, written, 200)


@post(
    "/v1/conversations/{conversation:str}/holds/end",
    may=HOLDS,
    responses=shell.WRITES,
    status_code=200,
    tags=["staff"],
)
async def end_hold(
    request: AnyRequest,
    conversation: ConversationRef,
    data: JSONBody[hold_schema.EndHold],
    account: OfAccount = None,
    key: IdempotencyKey = None,
) -> Response[schema.ChangeAnswer]:
    """Ends the hold of a matter; ``unchanged`` if there is none. The next sweep erases what is
    overdue.
    """
    holder, named = await conversation_of(request, conversation, account)
    command = Unhold(
        account=holder, at=site_of(request).now(), conversation=named, matter=data.matter
    )
    return shell.changed(await shell.write(request, command, key))


ROUTES = [myself, get_policy, read_conversation, list_holds, place_hold, end_hold]
