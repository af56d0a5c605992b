"""A badge for one chat, for `<licet-badge>`: whether it may be used, for what, and until when.

A host shows it beside the chat, so it may name the chat by its own id (`host:..`). The badge says
what the page of the chat says, from the same state.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from litestar import Response, get
from litestar.params import FromPath

from licet.consent import own_conversations
from licet.consent.own_conversations import OwnConversation
from licet.vault.ids import Prefix, format_id
from licet.vault.installation import policy_snapshot
from licet.web.api.references import conversation_of
from licet.web.pages import shared as shell
from licet.web.pages.conversation_lines import conversation_line, dates_of
from licet.web.pages.shared import PERSONS, AnyRequest, PageReader, RouteReader


@get("/chats/{name:str}/badge", may=PERSONS)
async def badge(request: AnyRequest, reader: RouteReader, name: FromPath[str]) -> Response[Any]:
    """Whether one chat may be used, for what and until when, for a component; redirects a browser
    to the chat's page.
    """
    _, conversation = await conversation_of(request, name, None)
    if not reader.fragment:
        return shell.seen_other(f"/chats/{format_id(Prefix.conversation, conversation)}")
    return await reader.site.calling(lambda: _page(reader, conversation))


def _page(reader: PageReader, conversation: UUID) -> Response[str]:
    at = reader.now
    with policy_snapshot(reader.installation) as (tx, known):
        mine = own_conversations.get(
            tx, reader.installation.keyring, known, reader.account, conversation, at
        )
    chat = conversation_line(reader.words, dates_of(reader.installation, known), mine)
    return shell.page(
        "badge.html", reader, title=chat.title, event_detail=_event_detail(mine), chat=chat
    )


def _event_detail(mine: OwnConversation) -> dict[str, Any]:
    """The event detail for a component's host."""
    return {
        "chat": mine.shown_id,
        "uses": [
            {
                "purpose": one.purpose,
                "use": one.use.value,
                "because": one.reason,
                "until": one.until.isoformat() if one.until is not None else None,
            }
            for one in mine.badges
        ],
    }
