"""What a release built now would hold of a person's chats, for that person alone."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from litestar import get
from litestar.params import QueryParameter

from licet.access.roles import may
from licet.policy.decide import IMPROVE
from licet.service.preview_result import BeyondBound
from licet.store.connect import Transaction
from licet.vault import projects
from licet.vault.ids import Prefix, format_id
from licet.web.api import schema
from licet.web.api import shared as shell
from licet.web.api.references import account_of, conversation_of, not_found, project_of, site_of
from licet.web.api.shared import READS, AccountRef, AnyRequest, Cursor

Purpose = Annotated[
    str,
    QueryParameter(
        description="A purpose that a question covers.", pattern="^[a-z][a-z0-9_]{0,31}$"
    ),
]
OneConversation = Annotated[
    str | None, QueryParameter(description="Only this conversation.", max_length=256)
]
OneProject = Annotated[
    str | None,
    QueryParameter(description="Only the conversations of this project.", max_length=512),
]
Assume = Annotated[
    bool,
    QueryParameter(
        description="As if the person said yes for what is shown, and went on with each conversation."
    ),
]


@get(
    "/v1/accounts/{account:str}/preview",
    may=may(person=True),
    responses=READS,
    tags=["conversations"],
)
async def show_preview(
    request: AnyRequest,
    account: AccountRef,
    purpose: Purpose = IMPROVE,
    conversation: OneConversation = None,
    project: OneProject = None,
    assume: Assume = False,
    cursor: Cursor = None,
) -> schema.PreviewAnswer:
    """What a release built now would contain of the person's conversations, what it leaves out, and
    why. Nothing is built.
    """
    from licet.service import preview  # curation is loaded where it is used

    site, holder, named = site_of(request), await account_of(request, account), None
    if conversation is not None:
        # the reader's own: only people come here
        _, named = await conversation_of(request, conversation, None)
    one = (
        await site.reading(lambda tx: _project(tx, holder, project, site.host_key))
        if project is not None
        else None
    )
    after = shell.uuid_cursor(cursor)
    seen = await site.calling(
        lambda: preview.preview(
            site.installation,
            holder,
            purpose,
            conversation=named,
            project=one,
            assume=assume,
            after=after,
        )
    )
    return schema.PreviewAnswer(
        purpose=seen.purpose,
        question=seen.question,
        assumed=seen.assumed,
        refused=seen.refused,
        next=shell.cursor_of(seen.next) if seen.next is not None else None,
        items=tuple(
            schema.PreviewedConversationAnswer(
                conversation=format_id(Prefix.conversation, each.conversation),
                rows=each.rows,
                until=each.until,
                languages=each.languages,
                topics=each.topics,
                unread=each.unread,
                beyond=_beyond(each.beyond),
                turns=tuple(
                    schema.PreviewedTurnAnswer(
                        turn=turn.turn,
                        role=turn.role,
                        used=turn.used,
                        because=turn.because,
                        text=turn.text,
                        replaced=tuple(
                            schema.ReplacedTextAnswer(
                                was=part.was, becomes=part.becomes, kind=part.kind
                            )
                            for part in turn.replaced
                        ),
                    )
                    for turn in each.turns
                ),
            )
            for each in seen.conversations
        ),
    )


def _beyond(bound: BeyondBound | None) -> schema.PreviewBeyondAnswer | None:
    return (
        schema.PreviewBeyondAnswer(bound=bound.bound, found=bound.found, most=bound.most)
        if bound is not None
        else None
    )


def _project(tx: Transaction, account: UUID, text: str, host_key: bytes) -> UUID:
    found = projects.find(tx, account, project_of(text, host_key))
    if found is None:
        raise not_found()
    return found


ROUTES = [show_preview]
