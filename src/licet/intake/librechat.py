"""LibreChat's export of one conversation as JSON: recursive (a tree), or flat with parents, with
branches or without.

This follows ``{"conversationId", "title", "branches", "recursive", "messages": [..]}`` as the
client writes it. In a recursive export each message holds its answers in ``children``, so a long
conversation is nested as deep as it is long; it is flattened here without recursion.

* The export does not say which branch was shown last. The client shows the newest answer and the
  newest edit, so the branch is the one of the last child of the last child, from the last root; the
  others are Skipped.
* ``isCreatedByUser`` marks the person's. A message marked ``error`` is the client's and is
  Skipped.
* Parts of an answer (``content``) come before its ``text``. A tool's call and its output are in one
  part: the call is the assistant's, the output a turn of its own, Role.tool with origin `tool`.
  Reasoning (``think``) is Skipped, and so is each part of a type that is not known.
* The place of a message counts all messages in the order of the document, however deep they lie.
* A conversation with ``isTemporary`` or ``expiredAt`` is kept out whole: its owner asked for that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from licet.intake import json_stream
from licet.intake.lines import Source
from licet.intake.read_turn import BrokenRecord, Read, SkippedRecord
from licet.intake.records import (
    THINKING,
    UNKNOWN_PART,
    Pass,
    RecordedPart,
    Setting,
    UnreadableRecord,
    branch,
    decode,
    decode_or,
    elsewhere,
    empty_record,
    join_texts,
    mend,
    moment,
    part_of_role,
    stable_id,
    unread,
)
from licet.policy.state import ConversationKind, TurnRole
from licet.vault.content import Content, ToolCall

name = "librechat"


class _Value(msgspec.Struct):
    value: str | None = None


class _Call(msgspec.Struct):
    id: str | None = None
    name: str | None = None
    args: msgspec.Raw = msgspec.Raw()
    output: str | None = None


class _Part(msgspec.Struct):
    type: str | None = None
    text: str | _Value | None = None
    tool_call: _Call | None = None


class _File(msgspec.Struct):
    filename: str | None = None
    file_id: str | None = None
    type: str | None = None


class _Message(msgspec.Struct):
    isCreatedByUser: bool | None = None
    messageId: str | None = None
    createdAt: object = None
    text: str | None = None
    content: list[_Part] | None = None
    files: list[_File] | None = None
    model: str | None = None
    error: bool | None = None


class _Place(msgspec.Struct):
    messageId: str | None = None
    parentMessageId: str | None = None


class _Conversation(msgspec.Struct):
    conversationId: str | None = None
    title: str | None = None
    isTemporary: bool | None = None
    expiredAt: object = None


_conversation = msgspec.json.Decoder(_Conversation)
_message = msgspec.json.Decoder(_Message)
_place = msgspec.json.Decoder(_Place)
_text_json: msgspec.json.Decoder[str | None] = msgspec.json.Decoder(str | None)


@dataclass(slots=True)
class _Frame:
    """An open bracket of the document: a message, or a list of messages. ``begin`` is the start of
    what is not in ``pieces`` yet, in a list the end of its last message; ``number`` is the
    message's, -1 for the document.
    """

    is_list: bool
    number: int
    parent: int
    begin: int
    pieces: list[bytes] = field(default_factory=list)


def recognises(path: Source, head: bytes) -> bool:
    return json_stream.first_keys(head) >= {b"conversationId", b"messages"}


def read(path: Source, one_pass: Pass | None = None) -> Iterator[Read]:
    one_pass = one_pass or Pass()
    for place, raw in json_stream.records(path, one_pass.progress):
        if isinstance(raw, BrokenRecord):
            yield raw
            continue
        flat = _flatten(raw)
        conversation = decode(flat.document, _conversation)
        if isinstance(conversation, UnreadableRecord):
            yield BrokenRecord(place=place, message=conversation.message)
        elif conversation.isTemporary or conversation.expiredAt:
            yield SkippedRecord(place=place, reason="a conversation that is temporary")
        else:
            yield from _read_conversation(place, conversation, flat, raw)


def _read_conversation(
    place: str, conversation: _Conversation, flat: _Flat, raw: bytes
) -> Iterator[Read]:
    setting = Setting(
        host_conversation=conversation.conversationId or stable_id(raw),
        kind=ConversationKind.chat,
        surface="app",
        title=conversation.title or "",
    )
    shown = _visible_messages(flat)
    for number in range(len(flat.messages)):
        message_place = f"{place}.messages[{number}]"
        if number in shown:
            yield from _read_message(message_place, setting, number, flat.messages[number])
        else:
            yield elsewhere(message_place)
    for _ in range(flat.odd):
        yield BrokenRecord(place=place, message="a message that is no object")
    if not flat.messages and not flat.odd:
        yield empty_record(place)


@dataclass(slots=True)
class _Flat:
    """The document without its messages, each message without its children, and each one's parent;
    ``odd`` counts places among the messages with something else.
    """

    document: bytes = b""
    messages: dict[int, bytes] = field(default_factory=dict)
    inside: dict[int, int] = field(default_factory=dict)
    odd: int = 0


def _flatten(raw: bytes) -> _Flat:
    """Cuts the lists of messages out of their parents; other brackets are left as they are."""
    flat, stack, key, count = _Flat(document=raw), list[_Frame | None](), b"", 0
    for token in json_stream.TOKEN.finditer(raw):
        byte = token[0][:1]
        if byte == b'"':
            key = token[1] if token[2] else b""
            continue
        top = stack[-1] if stack else None
        if byte == b"{" and (not stack or (top and top.is_list)):
            number, parent = (count, top.parent) if top else (-1, -1)
            if top:
                count += 1
                flat.odd += _has_unknown(raw[top.begin : token.start()])
            stack.append(_Frame(False, number, parent, token.start()))
        elif (
            byte == b"["
            and top
            and not top.is_list
            and key == (b"messages" if top.number < 0 else b"children")
        ):
            top.pieces.append(raw[top.begin : token.start()] + b"[]")
            stack.append(_Frame(True, -1, top.number, token.end()))
        elif byte in b"[{":
            stack.append(None)
        elif stack and (closed := stack.pop()) and not closed.is_list:
            _close(flat, closed, raw[closed.begin : token.end()])
            if stack and (holder := stack[-1]):
                holder.begin = token.end()
        elif closed and stack and (holder := stack[-1]):
            flat.odd += _has_unknown(raw[closed.begin : token.start()])
            holder.begin = token.end()
        key = b""
    return flat


def _has_unknown(between: bytes) -> bool:
    return bool(between.strip(b" \t\r\n,"))


def _close(flat: _Flat, closed: _Frame, tail: bytes) -> None:
    text = b"".join([*closed.pieces, tail])
    if closed.number < 0:
        flat.document = text
    else:
        flat.messages[closed.number] = text
        flat.inside[closed.number] = closed.parent


def _visible_messages(flat: _Flat) -> frozenset[int]:
    """The numbers of the messages on the visible branch: from the last root, always the
    last child.
    """
    places = {number: decode_or(raw, _place, _Place()) for number, raw in flat.messages.items()}
    number_of = {place.messageId: n for n, place in places.items() if place.messageId}
    parents: dict[str, str | None] = {}
    last_child: dict[int, int] = {}
    for number in sorted(places):
        parent = flat.inside[number]
        if parent < 0:
            parent = number_of.get(places[number].parentMessageId or "", -1)
        parents[str(number)] = str(parent) if parent >= 0 else None
        last_child[parent] = number
    tip, visited = last_child.get(-1), set[int]()
    while tip is not None and tip not in visited and tip in last_child:
        visited.add(tip)
        tip = last_child[tip]
    return frozenset(map(int, branch(parents, None if tip is None else str(tip))))


def _read_message(place: str, setting: Setting, number: int, raw: bytes) -> Iterator[Read]:
    message = decode(raw, _message)
    if isinstance(message, UnreadableRecord):
        yield BrokenRecord(place=place, message=message.message)
    elif message.error:
        yield SkippedRecord(place=place, reason="an error that the client shows")
    elif message.isCreatedByUser is None:
        yield BrokenRecord(place=place, message="it does not say who speaks")
    else:
        parts = _split_by_author(
            message, TurnRole.user if message.isCreatedByUser else TurnRole.assistant
        )
        yield from setting.turns(
            place, message.messageId or str(number), moment(message.createdAt), parts
        )
        yield from unread(place, map(_skip_reason, message.content or []))


def _split_by_author(message: _Message, role: TurnRole) -> Iterator[RecordedPart]:
    parts = message.content or [_Part(type="text", text=message.text)]
    model = (message.model or "") if role is TurnRole.assistant else ""
    attachments = tuple(
        file.filename or file.file_id or file.type or "unnamed" for file in message.files or []
    )
    texts: list[str] = []
    for part in parts:
        if part.type != "tool_call" or part.tool_call is None:
            texts += [_text(part)]
            continue
        called = part.tool_call
        call = ToolCall(id=called.id or "", name=called.name or "", arguments=_arguments(called))
        yield part_of_role(
            role,
            Content(
                text=join_texts(texts), tool_calls=(call,), attachments=attachments, model=model
            ),
        )
        if called.output is not None:
            yield part_of_role(
                TurnRole.tool,
                Content(text=called.output, tool_call_id=call.id, tool_name=call.name),
            )
        texts, attachments = [], ()
    yield part_of_role(role, Content(text=join_texts(texts), attachments=attachments, model=model))


def _text(part: _Part) -> str:
    if part.type != "text":
        return ""
    return (part.text.value if isinstance(part.text, _Value) else part.text) or ""


def _skip_reason(part: _Part) -> str:
    """Why a part is skipped; empty if it is not."""
    if part.type == "think":
        return THINKING
    return (
        ""
        if part.type == "text" or (part.type == "tool_call" and part.tool_call is not None)
        else UNKNOWN_PART
    )


def _arguments(call: _Call) -> str:
    """JSON text: the client keeps arguments as an object, or as the text of one."""
    raw = bytes(call.args) or b"{}"
    if raw.startswith(b'"'):
        written = decode(raw, _text_json)
        return written if isinstance(written, str) and written else "{}"
    return mend(raw).decode()
