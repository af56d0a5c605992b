"""ChatGPT's data export: ``conversations.json``, an array of conversations, each a tree of messages.

There is no published schema; this follows exports as they are written, read one conversation at a time.

* A conversation is the branch that its owner last saw: from ``current_node`` up to the root. Where that is
  missing, the branch of the latest leaf. Answers that were regenerated and questions that were edited lie on
  other branches; one Skipped a conversation counts them.
* A conversation marked ``is_do_not_remember`` is kept out whole: its owner asked for that.
* Only messages of the author `user` that are visible are the person's. What the system wrote, what is hidden,
  contexts that instructions were put in and recaps of reasoning are Skipped. What an author `tool` wrote is
  Role.tool with origin `tool`, be it text, a quote of a page, or output of code.
* An assistant's message to a recipient other than `all` is a call of that tool. Its ``arguments`` are the
  message's text where that is a JSON object, else that text as one JSON string. A tool's turn answers the call
  before it on the branch.
* The place of a message is ``file#[conversation].mapping[n]``, both counted from 0: ids are from outside.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from licet.intake import json_stream
from licet.intake.lines import chunks
from licet.intake.reading import Broken, Read, ReadTurn, Skipped
from licet.intake.records import Pass, Unreadable, bounded, decode, mend, moment, nothing_said, stable_id
from licet.policy.state import Kind, Role
from licet.vault.content import Content, ToolCall

name = "chatgpt"

_CONTEXT_TYPES = frozenset({"user_editable_context", "model_editable_context", "thoughts", "reasoning_recap"})
_EVERYBODY = "all"


class _Author(msgspec.Struct):
    role: str | None = None
    name: str | None = None


class _Part(msgspec.Struct):
    """A part of a message that is not plain text: a picture, a recording, or what was heard in one."""

    content_type: str | None = None
    text: str | None = None
    asset_pointer: str | None = None


class _Body(msgspec.Struct):
    content_type: str | None = None
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


class _Time(msgspec.Struct):
    create_time: float | None = None


_conversation = msgspec.json.Decoder(_Conversation)
_message = msgspec.json.Decoder(_Message)
_time: msgspec.json.Decoder[_Time | None] = msgspec.json.Decoder(_Time | None)
_object: msgspec.json.Decoder[dict[str, msgspec.Raw]] = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(slots=True)
class _Branch:
    """The conversation that a branch belongs to, and the call that a tool's next turn answers."""

    host_conversation: str
    title: str
    call_id: str = ""


def recognises(path: Path, head: bytes) -> bool:
    """Whether the head is that of an array whose first element holds a mapping."""
    start = head.lstrip()
    return start[:1] == b"[" and b"mapping" in json_stream.keys(start[1:])


def read(path: Path, one_pass: Pass | None = None) -> Iterator[Read]:
    """Every conversation of one export, as turns of its visible branch, Skipped or Broken."""
    one_pass = one_pass or Pass()
    for found in json_stream.elements(chunks(path, one_pass.progress)):
        place = f"{path}#[{found.index}]"
        if isinstance(found, json_stream.Flaw):
            yield Broken(place=place, message=found.message)
            continue
        conversation = decode(found.raw, _conversation)
        if isinstance(conversation, Unreadable):
            yield Broken(place=place, message=conversation.message)
        else:
            yield from _read_conversation(place, conversation, found.raw)


def _read_conversation(place: str, conversation: _Conversation, raw: bytes) -> Iterator[Read]:
    if conversation.is_do_not_remember:
        yield Skipped(place=place, reason="the conversation is marked `is_do_not_remember`")
        return
    host_conversation = conversation.conversation_id or conversation.id or stable_id(raw)
    branch = _Branch(host_conversation, conversation.title or "")
    visible = _visible(conversation)
    number = {node_id: n for n, node_id in enumerate(conversation.mapping)}
    for node_id in visible:
        node = conversation.mapping[node_id]
        if _has_message(node):
            yield _read_message(f"{place}.mapping[{number[node_id]}]", branch, node_id, bytes(node.message))
    shown = set(visible)
    elsewhere = sum(key not in shown and _has_message(node) for key, node in conversation.mapping.items())
    if elsewhere:
        yield Skipped(place=place, reason=f"{elsewhere} messages on branches that are not shown")
    elif not any(_has_message(conversation.mapping[node_id]) for node_id in visible):
        yield nothing_said(place)


def _visible(conversation: _Conversation) -> list[str]:
    """The ids of the nodes from the root to the current one. A chain that runs in a circle ends where it closes."""
    mapping = conversation.mapping
    at = conversation.current_node
    if at not in mapping:
        at = max(
            (key for key in mapping if not mapping[key].children),
            key=lambda key: _at(mapping[key]),
            default=None,
        )
    chain: dict[str, None] = {}
    while at is not None and at in mapping and at not in chain:
        chain[at] = None
        at = mapping[at].parent
    return list(reversed(chain))


def _has_message(node: _Node) -> bool:
    return bytes(node.message) not in (b"", b"null")


def _at(node: _Node) -> float:
    time = decode(bytes(node.message) or b"null", _time)
    return time.create_time or 0.0 if isinstance(time, _Time) else 0.0


def _read_message(place: str, branch: _Branch, node_id: str, raw: bytes) -> Read:
    message = decode(raw, _message)
    if isinstance(message, Unreadable):
        return Broken(place=place, message=message.message)
    author, metadata = message.author or _Author(), message.metadata or _Metadata()
    body = message.content or _Body()
    if author.role == "system" or metadata.is_user_system_message:
        return Skipped(place=place, reason="written by the system")
    if metadata.is_visually_hidden_from_conversation:
        return Skipped(place=place, reason="hidden from the conversation")
    if body.content_type in _CONTEXT_TYPES:
        return Skipped(place=place, reason=f"content of type `{body.content_type}`")
    if author.role not in ("user", "assistant", "tool"):
        return Skipped(place=place, reason="an author that is not known")
    role = Role(author.role)
    content = _content(role, branch, message, message.id or node_id)
    if not (content.text or content.tool_calls or content.attachments):
        return nothing_said(place)
    origins = {
        Role.user: "typed" if content.text else "upload",
        Role.assistant: "assistant",
        Role.tool: "tool",
    }
    return bounded(
        ReadTurn(
            place=place,
            host_conversation=branch.host_conversation,
            host_turn=message.id or node_id,
            at=moment(message.create_time),
            role=role,
            origin=origins[role],
            kind=Kind.chat,
            surface="app",
            content=content,
            title=branch.title,
        )
    )


def _content(role: Role, branch: _Branch, message: _Message, message_id: str) -> Content:
    body, metadata = message.content or _Body(), message.metadata or _Metadata()
    text, attachments = _text(body), _attachments(body, metadata)
    model = metadata.model_slug or ""
    called = message.recipient or _EVERYBODY
    if role is Role.assistant and called != _EVERYBODY:
        branch.call_id = message_id
        call = ToolCall(id=message_id, name=called, arguments=_arguments(text))
        return Content(tool_calls=(call,), attachments=attachments, model=model)
    if role is Role.tool:
        named = (message.author or _Author()).name or ""
        return Content(text=text, attachments=attachments, tool_call_id=branch.call_id, tool_name=named)
    return Content(text=text, attachments=attachments, model=model if role is Role.assistant else "")


def _text(body: _Body) -> str:
    parts = [part if isinstance(part, str) else (part.text or "") for part in body.parts or [] if part is not None]
    return "\n".join(text for text in (*parts, body.text or "", body.result or "") if text.strip())


def _attachments(body: _Body, metadata: _Metadata) -> tuple[str, ...]:
    pointers = [part.asset_pointer for part in body.parts or [] if isinstance(part, _Part)]
    files = [file.name or file.id for file in metadata.attachments or []]
    return tuple(dict.fromkeys(found for found in (*files, *pointers) if found))


def _arguments(text: str) -> str:
    known = decode(text.encode(), _object)
    if isinstance(known, Unreadable):
        return msgspec.json.encode(text).decode()
    return mend(text.encode()).decode()
