"""A turn of the API as the vault's command: the host's ids hashed, its content in one envelope."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from licet.errors import UsageError
from licet.policy.state import TurnRole
from licet.vault.commands import AddTurn
from licet.vault.content import Content, ToolCall, encode, offered_tools
from licet.vault.ids import Prefix, host_hmac, parse
from licet.web.api.references import HOST, host_project
from licet.web.api.schema import NewTurn


def command(turn: NewTurn, account: UUID, host_key: bytes, at: datetime) -> AddTurn:
    """The command; NotFoundError for a conversation named by something else than an id, UsageError
    for text that is not Unicode.
    """
    named = turn.conversation
    conversation, host_conversation = None, None
    if named is not None and named.startswith(HOST):
        host_conversation = host_hmac(host_key, "conversation", named.removeprefix(HOST))
    elif named is not None:
        conversation = parse(Prefix.conversation, named)
    return AddTurn(
        account=account,
        at=at,
        conversation=conversation,
        host_conversation=host_conversation,
        host_turn=_host_turn(turn, host_key),
        role=turn.role,
        origin=turn.origin or "",
        surface=turn.surface,
        incognito=turn.incognito,
        kind=turn.kind,
        narrow=turn.keep_out,
        content=encode(content(turn)),
        title=encode(Content(text=turn.title)) if turn.title else None,
        under=turn.grant,
        host_project=host_project(turn.project, host_key) if turn.project is not None else None,
        project_title=encode(Content(text=turn.project_title)) if turn.project_title else None,
    )


def _host_turn(turn: NewTurn, host_key: bytes) -> bytes | None:
    """The host's id of the turn, which counts within its conversation. Without one, a repetition
    cannot be recognised.
    """
    if turn.id is None or turn.conversation is None:
        return None
    return host_hmac(host_key, "turn", turn.conversation.removeprefix(HOST), turn.id)


def content(turn: NewTurn) -> Content:
    tool = turn.role is TurnRole.tool
    return Content(
        text=turn.text,
        tool_calls=tuple(
            ToolCall(id=c.id, name=c.name, arguments=c.arguments) for c in turn.tool_calls
        ),
        tool_call_id=turn.tool_call_id if tool else "",
        tool_name=turn.tool_name if tool else "",
        tools=_tools(turn),
        attachments=turn.attachments,
        model=turn.model,
        thread=turn.thread,
    )


def _tools(turn: NewTurn) -> str:
    """The tools of a system turn; UsageError for what is no JSON list of objects."""
    if turn.role is not TurnRole.system or not turn.tools:
        return ""
    if offered_tools(turn.tools) is None:
        raise UsageError(
            "`tools` is no list of tools",
            "send the JSON text of a list of objects, each with a name",
        )
    return turn.tools
