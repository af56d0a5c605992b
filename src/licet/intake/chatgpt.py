"""ChatGPT's data export: ``conversations.json``, or ``conversations-000.json`` and so on, in the
zip or out of it.

There is no published schema; this follows exports as they are written. A file is an array of
conversations, each a tree of messages, or one conversation alone.

* A conversation is the branch that its owner last saw: from ``current_node`` up to the root, or
  that of the latest leaf. Regenerated answers and edited questions lie on other branches: Skipped.
* A conversation marked ``is_do_not_remember`` or ``is_temporary_chat`` is Skipped whole.
* Only visible messages of the author `user` are the person's. What the system wrote, what is
  hidden, contexts that instructions were put in, and reasoning are Skipped. What an author `tool`
  wrote is Role.tool with origin `tool`, be it text, a quote of a page, or output of code; so is a
  `system_error`.
* An assistant's message to a recipient other than `all` is a call of that tool. Its ``arguments``
  are the message's text where that is a JSON object, else that text as one JSON string. A tool's
  turn answers the call before it on the branch.
* The place of a message is ``file#[conversation].mapping[n]``, both counted from 0: ids are from
  outside.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from licet.intake import json_stream
from licet.intake.lines import Source
from licet.intake.read_turn import BrokenRecord, Read, SkippedRecord
from licet.intake.records import (
    UNKNOWN_PART,
    Pass,
    Setting,
    UnreadableRecord,
    branch,
    decode,
    elsewhere,
    empty_record,
    join_texts,
    mend,
    moment,
    part_of_role,
    read_each,
    stable_id,
    unread,
)
from licet.policy.state import ConversationKind, TurnRole
from licet.vault.content import Content, ToolCall

name = "chatgpt"

_CONTEXT_TYPES = frozenset(
    {"user_editable_context", "model_editable_context", "thoughts", "reasoning_recap"}
)
_FAILURES = frozenset({"system_error"})  # text of a program, whatever its author
_EVERYBODY = "all"


class _Author(msgspec.Struct):
    role: str | None = None
    name: str | None = None


class _Part(msgspec.Struct):
    """A part of a message that is not plain text: a picture, a recording, or its transcription."""

    content_type: str | None = None
    text: str | None = None
    asset_pointer: str | None = None


class _Body(msgspec.Struct):
    content_type: str | None = None
    name: str | None = None
    parts: list[str | _Part | None] | None = None
    text: str | None = None
    result: str | None = None


class _Attachment(msgspec.Struct):
    name: str | None = None
    id: str | None = None


class _Metadata(msgspec.Struct):
    is_visually_hidden_from_conversation: bool | None = None
    is_user_system_message: bool | None = None
    model_slug: str | None = None
    attachments: list[_Attachment] | None = None


class _Message(msgspec.Struct):
    id: str | None = None
    author: _Author | None = None
    create_time: float | None = None
    content: _Body | None = None
    recipient: str | None = None
    channel: str | None = None
    metadata: _Metadata | None = None


class _Node(msgspec.Struct):
    message: msgspec.Raw = msgspec.Raw()
    parent: str | None = None
    children: list[str] | None = None


class _Conversation(msgspec.Struct):
    mapping: dict[str, _Node]
    conversation_id: str | None = None
    id: str | None = None
    title: str | None = None
    current_node: str | None = None
    is_do_not_remember: bool | None = None
    is_temporary_chat: bool | None = None


class _Time(msgspec.Struct):
    create_time: float | None = None


_conversation = msgspec.json.Decoder(_Conversation)
_message = msgspec.json.Decoder(_Message)
_time: msgspec.json.Decoder[_Time | None] = msgspec.json.Decoder(_Time | None)
_object: msgspec.json.Decoder[dict[str, msgspec.Raw]] = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(slots=True)
class _Branch:
    """The conversation that a branch belongs to, and the call that a tool's next turn answers."""

    setting: Setting
    call_id: str = ""


def recognises(path: Source, head: bytes) -> bool:
    return b"mapping" in json_stream.first_keys(head)


def read(path: Source, one_pass: Pass | None = None) -> Iterator[Read]:
    one_pass = one_pass or Pass()
    records = json_stream.records(path, one_pass.progress)
    yield from read_each(records, _conversation, _read_conversation, in_parts=True)


def _read_conversation(place: str, conversation: _Conversation, raw: bytes) -> Iterator[Read]:
    for mark in ("is_do_not_remember", "is_temporary_chat"):
        if getattr(conversation, mark):
            yield SkippedRecord(place=place, reason=f"a conversation that is marked `{mark}`")
            return
    mapping = conversation.mapping
    setting = Setting(
        host_conversation=conversation.conversation_id or conversation.id or stable_id(raw),
        kind=ConversationKind.chat,
        surface="app",
        title=conversation.title or "",
    )
    visible = branch({key: node.parent for key, node in mapping.items()}, _branch_tip(conversation))
    number = {node_id: n for n, node_id in enumerate(mapping)}
    shown, state = set(visible), _Branch(setting)
    for node_id in visible:
        if _has_message(mapping[node_id]):
            message_place = f"{place}.mapping[{number[node_id]}]"
            yield from _read_message(message_place, state, node_id, bytes(mapping[node_id].message))
    for node_id, node in mapping.items():
        if node_id not in shown and _has_message(node):
            yield elsewhere(f"{place}.mapping[{number[node_id]}]")
    if not any(map(_has_message, mapping.values())):
        yield empty_record(place)


def _branch_tip(conversation: _Conversation) -> str | None:
    mapping = conversation.mapping
    if conversation.current_node in mapping:
        return conversation.current_node
    leaves = (key for key in mapping if not mapping[key].children)
    return max(leaves, key=lambda key: _created_at(mapping[key]), default=None)


def _has_message(node: _Node) -> bool:
    return bytes(node.message) not in (b"", b"null")


def _created_at(node: _Node) -> float:
    time = decode(bytes(node.message) or b"null", _time)
    return time.create_time or 0.0 if isinstance(time, _Time) else 0.0


def _read_message(place: str, state: _Branch, node_id: str, raw: bytes) -> Iterator[Read]:
    message = decode(raw, _message)
    if isinstance(message, UnreadableRecord):
        yield BrokenRecord(place=place, message=message.message)
        return
    why = _skip_reason(message)
    if why:
        yield SkippedRecord(place=place, reason=why)
        return
    host_turn = message.id or node_id
    role = TurnRole((message.author or _Author()).role or "")
    if (message.content or _Body()).content_type in _FAILURES:
        role = TurnRole.tool
    content = _content(role, state, message, host_turn)
    if content.text or content.tool_calls or content.attachments:
        yield from state.setting.turns(
            place, host_turn, moment(message.create_time), [part_of_role(role, content)]
        )
    else:
        yield empty_record(place)
    parts = (message.content or _Body()).parts or []
    yield from unread(
        place, (UNKNOWN_PART for part in parts if not isinstance(part, str) and not _has_text(part))
    )


def _has_text(part: _Part | None) -> bool:
    return part is None or bool(part.text or part.asset_pointer)


def _skip_reason(message: _Message) -> str:
    """Why a message is no turn of the dialogue; empty if it is one."""
    author, metadata = message.author or _Author(), message.metadata or _Metadata()
    body = message.content or _Body()
    if author.role == "system" or metadata.is_user_system_message:
        return "written by the system"
    if metadata.is_visually_hidden_from_conversation:
        return "hidden from the conversation"
    if body.content_type in _CONTEXT_TYPES:
        return f"content of type `{body.content_type}`"
    if author.role not in ("user", "assistant", "tool"):
        return "an author that is not known"
    # A call is made in this channel too, and is the call's and not the reasoning's.
    if (
        message.channel == "analysis"
        and (message.recipient or _EVERYBODY) == _EVERYBODY
        and author.role == "assistant"
    ):
        return "reasoning"
    return ""


def _content(role: TurnRole, state: _Branch, message: _Message, message_id: str) -> Content:
    body, metadata = message.content or _Body(), message.metadata or _Metadata()
    text, attachments = _text(body), _attachments(body, metadata)
    model = metadata.model_slug or ""
    called = message.recipient or _EVERYBODY
    if role is TurnRole.assistant and called != _EVERYBODY:
        state.call_id = message_id
        call = ToolCall(id=message_id, name=called, arguments=_arguments(text))
        return Content(tool_calls=(call,), attachments=attachments, model=model)
    if role is TurnRole.tool:
        named = (message.author or _Author()).name or body.name or ""
        return Content(
            text=text, attachments=attachments, tool_call_id=state.call_id, tool_name=named
        )
    return Content(
        text=text, attachments=attachments, model=model if role is TurnRole.assistant else ""
    )


def _text(body: _Body) -> str:
    parts = [part.text if isinstance(part, _Part) else part for part in body.parts or []]
    return join_texts((*parts, body.text, body.result))


def _attachments(body: _Body, metadata: _Metadata) -> tuple[str, ...]:
    pointers = [part.asset_pointer for part in body.parts or [] if isinstance(part, _Part)]
    files = [file.name or file.id for file in metadata.attachments or []]
    return tuple(dict.fromkeys(name for name in (*files, *pointers) if name))


def _arguments(text: str) -> str:
    known = decode(text.encode(), _object)
    if isinstance(known, UnreadableRecord):
        return msgspec.json.encode(text).decode()
    return mend(text.encode()).decode()
