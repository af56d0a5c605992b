"""Conversations: the list, keeping out, letting in, deletion, feedback, the person's own turns, and
explanations.
"""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Response, delete, get, post
from litestar.params import JSONBody, PathParameter

from licet.access.roles import HELPS, Person, Scope, StaffRole, may
from licet.consent import own_conversations
from licet.consent.own_conversations import OwnConversation
from licet.errors import RefusedError
from licet.service import explanations
from licet.store.connect import Transaction
from licet.vault import policy_versions
from licet.vault.commands import Delete, GiveFeedback, Narrow, Widen
from licet.vault.content import Content, encode
from licet.vault.ids import Prefix, format_id, host_hmac, parse_turn
from licet.web.api import schema
from licet.web.api import shared as shell
from licet.web.api.references import (
    account_of,
    conversation_of,
    not_found,
    own,
    require_account,
    site_of,
)
from licet.web.api.shared import (
    READS,
    WRITES,
    AccountRef,
    AnyRequest,
    ConversationRef,
    Cursor,
    IdempotencyKey,
    Limit,
    OfAccount,
)

TAG = ["conversations"]
TurnRef = Annotated[
    str,
    PathParameter(description="`turn_..`, as taking it answered.", min_length=1, max_length=200),
]
SEES = may(
    person=True,
    scope=Scope.conversations_read,
    staff=(*HELPS, StaffRole.reviewer),
)
CHANGES = may(person=True, scope=Scope.conversations_write)
_CHANGE: dict[str, Any] = {"may": CHANGES, "responses": WRITES, "status_code": 200, "tags": TAG}


@get("/v1/accounts/{account:str}/conversations", may=SEES, responses=READS, tags=TAG)
async def list_conversations(
    request: AnyRequest, account: AccountRef, cursor: Cursor = None
) -> schema.ConversationPage:
    """The account's conversations and whether each may be used, newest first."""
    site, holder = site_of(request), await account_of(request, account)
    before, titled = shell.uuid_cursor(cursor), own(request.auth) == holder

    def read(tx: Transaction) -> schema.ConversationPage:
        require_account(tx, holder)
        known = policy_versions.current(tx)
        page = own_conversations.list_page(
            tx, site.installation.keyring, known, holder, site.now(), before=before
        )
        return schema.ConversationPage(
            items=tuple(_conversation_answer(mine, titled) for mine in page.conversations),
            next=shell.cursor_of(page.next) if page.next is not None else None,
        )

    return await site.reading(read)


def _conversation_answer(mine: OwnConversation, titled: bool) -> schema.ConversationAnswer:
    """A conversation as the caller may see it. Its title is content, so only its person sees it."""
    badges = tuple(
        schema.BadgeAnswer(
            purpose=b.purpose,
            use=b.use.value,
            because=b.because,
            until=b.until,
            scope=b.scope,
            since=b.since,
            runs=tuple(
                schema.BadgeRunAnswer(first=r.first, last=r.last, because=r.because, until=r.until)
                for r in b.runs
            ),
        )
        for b in mine.badges
    )
    return schema.ConversationAnswer(
        id=mine.shown_id,
        title=mine.title if titled else "",
        kind=mine.kind,
        begun_at=mine.begun_at,
        last_at=mine.last_at,
        turns=mine.turns,
        project=format_id(Prefix.project, mine.project) if mine.project is not None else None,
        incognito=mine.incognito,
        kept_out=mine.kept_out,
        deleted_at=mine.deleted_at,
        held=mine.held,
        holds=mine.holds,
        keep_until=mine.keep_until,
        safety_until=mine.safety_until,
        badges=badges,
        releases=mine.releases,
    )


@get("/v1/conversations/{conversation:str}", may=SEES, responses=READS, tags=TAG)
async def get_conversation(
    request: AnyRequest, conversation: ConversationRef, account: OfAccount = None
) -> schema.ConversationAnswer:
    """One conversation, whether it may be used, why, and until when."""
    site = site_of(request)
    holder, named = await conversation_of(request, conversation, account)
    titled = own(request.auth) == holder

    def read(tx: Transaction) -> schema.ConversationAnswer:
        known = policy_versions.current(tx)
        return _conversation_answer(
            own_conversations.get(tx, site.installation.keyring, known, holder, named, site.now()),
            titled,
        )

    return await site.reading(read)


@get("/v1/conversations/{conversation:str}/turns", may=may(person=True), responses=READS, tags=TAG)
async def list_turns(
    request: AnyRequest,
    conversation: ConversationRef,
    cursor: Cursor = None,
    limit: Limit = shell.LIMIT,
) -> schema.TurnPage:
    """The turns in order, for the person whose conversation it is."""
    site = site_of(request)
    holder, named = await conversation_of(request, conversation, None)
    after = shell.int_cursor(cursor) or 0

    def read(tx: Transaction) -> schema.TurnPage:
        known = policy_versions.current(tx)
        turns = own_conversations.list_turns(
            tx,
            site.installation.keyring,
            known,
            holder,
            named,
            site.now(),
            after=after,
            limit=limit + 1,
        )
        if turns is None:
            raise not_found()
        return schema.TurnPage(
            items=tuple(
                shell.turn_shown(named, one.turn, one.at, one.content) for one in turns[:limit]
            ),
            next=shell.cursor_of(turns[limit - 1].turn.number) if len(turns) > limit else None,
        )

    return await site.reading(read)


@post("/v1/conversations/{conversation:str}/keep-out", **_CHANGE)
async def keep_out(
    request: AnyRequest,
    conversation: ConversationRef,
    account: OfAccount = None,
    idempotency_key: IdempotencyKey = None,
) -> Response[schema.ChangeAnswer]:
    """Keeps a conversation out: it is no longer used, and is erased after the shorter period."""
    return await _change_conversation(Narrow, request, conversation, account, idempotency_key)


@post("/v1/conversations/{conversation:str}/let-in", **_CHANGE)
async def let_in(
    request: AnyRequest,
    conversation: ConversationRef,
    account: OfAccount = None,
    idempotency_key: IdempotencyKey = None,
) -> Response[schema.ChangeAnswer]:
    """Lets in the turns that follow in a conversation that was kept out."""
    return await _change_conversation(Widen, request, conversation, account, idempotency_key)


@delete("/v1/conversations/{conversation:str}", **_CHANGE)
async def delete_conversation(
    request: AnyRequest,
    conversation: ConversationRef,
    account: OfAccount = None,
    idempotency_key: IdempotencyKey = None,
) -> Response[schema.ChangeAnswer]:
    """Deletes a conversation: all use ends now, and its keys are destroyed after the period in the
    policy.
    """
    return await _change_conversation(Delete, request, conversation, account, idempotency_key)


async def _change_conversation(
    verb: type[Narrow | Widen | Delete],
    request: AnyRequest,
    conversation: str,
    account: str | None,
    key: str | None,
) -> Response[schema.ChangeAnswer]:
    """Sends the vault ``verb`` about a conversation."""
    holder, named = await conversation_of(request, conversation, account)
    command = verb(account=holder, at=site_of(request).now(), conversation=named)
    return await shell.write_change(request, command, key)


@post("/v1/conversations/{conversation:str}/feedback", may=CHANGES, responses=WRITES, tags=TAG)
async def give_feedback(
    request: AnyRequest,
    conversation: ConversationRef,
    data: JSONBody[schema.NewFeedback],
    account: OfAccount = None,
    idempotency_key: IdempotencyKey = None,
) -> Response[schema.GivenFeedbackAnswer]:
    """Gives feedback, and shares only what the person chose to share. A service may give a check of
    its own.
    """
    if data.check is not None and isinstance(request.auth, Person):
        raise RefusedError(
            "a check is the service's own", "leave out `check` and `score`", because="not_a_service"
        )
    holder, named = await conversation_of(request, conversation, account)
    site = site_of(request)
    command = GiveFeedback(
        account=holder,
        at=site.now(),
        conversation=named,
        rating=data.rating,
        share=data.share,
        turn=data.turn,
        comment=encode(Content(text=data.comment)) if data.comment else None,
        host=host_hmac(site.host_key, "feedback", data.id) if data.id is not None else None,
        check=data.check,
        score=data.score,
    )
    written = await shell.write(request, command, idempotency_key)
    answer = written.answer
    assert answer.feedback is not None
    body = schema.GivenFeedbackAnswer(
        outcome=answer.outcome,
        at=answer.at,
        account=format_id(Prefix.account, answer.account),
        conversation=format_id(Prefix.conversation, named),
        feedback=format_id(Prefix.feedback, answer.feedback),
    )
    return shell.answered(body, written, 201)


@get("/v1/conversations/{conversation:str}/explain", may=SEES, responses=READS, tags=TAG)
async def explain_conversation(
    request: AnyRequest, conversation: ConversationRef, account: OfAccount = None
) -> explanations.ConversationSeen:
    """For each turn and purpose: whether it may be used, the reason, and the choice and policy
    version behind it.
    """
    return await _explained(request, conversation, account, None)


@get("/v1/turns/{turn:str}/explain", may=SEES, responses=READS, tags=TAG)
async def explain_turn(request: AnyRequest, turn: TurnRef) -> explanations.ConversationSeen:
    """For one turn and each purpose: whether it may be used, the reason, and the choice and policy
    version behind it.
    """
    conversation, number = parse_turn(turn)
    return await _explained(request, format_id(Prefix.conversation, conversation), None, number)


async def _explained(
    request: AnyRequest, conversation: str, account: str | None, turn: int | None
) -> explanations.ConversationSeen:
    site, for_person = site_of(request), isinstance(request.auth, Person)
    holder, named = await conversation_of(request, conversation, account)

    def see(tx: Transaction) -> explanations.ConversationSeen:
        known = policy_versions.current(tx)
        return explanations.explain_conversation(
            tx,
            site.installation.keyring,
            known,
            holder,
            named,
            site.now(),
            turn=turn,
            for_person=for_person,
        )

    return await site.seeing(see)


ROUTES = [
    list_conversations,
    get_conversation,
    list_turns,
    keep_out,
    let_in,
    delete_conversation,
    give_feedback,
    explain_conversation,
    explain_turn,
]
