"""Feedback: the list, with what each shared for its own person, and taking one back."""

from __future__ import annotations

from typing import Annotated

from litestar import Response, delete, get

from licet.consent import feedback
from licet.consent.feedback import PersonFeedback, TakeBackRequest
from licet.store.connect import Transaction
from licet.vault import policy_versions
from licet.vault.ids import Prefix, format_id, parse
from licet.web.api import schema
from licet.web.api import shared as shell
from licet.web.api.conversations import CHANGES, SEES, TAG
from licet.web.api.references import account_of, own, require_account, site_of
from licet.web.api.shared import (
    READS,
    WRITES,
    AccountRef,
    AnyRequest,
    Cursor,
    IdempotencyKey,
    id_parameter,
)

FeedbackRef = Annotated[str, id_parameter("`fb_..`, as giving it answered.")]


@get("/v1/accounts/{account:str}/feedback", may=SEES, responses=READS, tags=TAG)
async def list_feedback(
    request: AnyRequest, account: AccountRef, cursor: Cursor = None
) -> schema.FeedbackPageAnswer:
    """The account's stored feedback, newest first. Only its person sees the shared content."""
    site, holder = site_of(request), await account_of(request, account)
    before, is_own = shell.uuid_cursor(cursor), own(request.auth) == holder

    def read(tx: Transaction) -> schema.FeedbackPageAnswer:
        require_account(tx, holder)
        page = feedback.list_feedback(
            tx,
            site.installation.keyring,
            policy_versions.current(tx),
            holder,
            site.now(),
            before=before,
        )
        return schema.FeedbackPageAnswer(
            items=tuple(_feedback_answer(given, is_own) for given in page.given),
            next=shell.cursor_of(page.next) if page.next is not None else None,
        )

    return await site.reading(read)


def _feedback_answer(feedback: PersonFeedback, is_own: bool) -> schema.KeptFeedbackAnswer:
    row, decision = feedback.row, feedback.decision
    return schema.KeptFeedbackAnswer(
        id=feedback.shown_id,
        conversation=format_id(Prefix.conversation, row.conversation),
        turn=row.turn,
        rating=row.rating,
        check=row.check,
        score=row.score,
        share=row.state.share,
        given_at=row.given_at,
        taken_back_at=row.taken_back_at,
        keep_until=feedback.keep_until,
        use=decision.use,
        because=decision.because,
        until=decision.until,
        comment=feedback.shared.comment if is_own else "",
        shared=tuple(
            schema.SharedTurnAnswer(number=n, text=content.text)
            for n, content in feedback.shared.turns
        )
        if is_own
        else (),
    )


@delete(
    "/v1/accounts/{account:str}/feedback/{feedback_id:str}",
    may=CHANGES,
    responses=WRITES,
    status_code=200,
    tags=TAG,
)
async def take_feedback_back(
    request: AnyRequest,
    account: AccountRef,
    feedback_id: FeedbackRef,
    idempotency_key: IdempotencyKey = None,
) -> Response[schema.GivenFeedbackAnswer]:
    """Withdraws feedback: it is no longer used, and the next sweep erases its copy."""
    site, holder = site_of(request), await account_of(request, account)
    named = parse(Prefix.feedback, feedback_id)
    asked = TakeBackRequest(account=holder, at=site.now(), feedback=named)
    written = await shell.write(request, asked, idempotency_key)
    conversation = written.answer.conversation
    assert conversation is not None
    body = schema.GivenFeedbackAnswer(
        outcome=written.answer.outcome,
        at=written.answer.at,
        account=format_id(Prefix.account, holder),
        conversation=format_id(Prefix.conversation, conversation),
        feedback=format_id(Prefix.feedback, named),
    )
    return shell.answered(body, written, 200)


ROUTES = [list_feedback, take_feedback_back]
