"""Open WebUI's export of chats: an array of chats, each a tree of messages under ``chat.history``.

This follows exports as they are written. The export of feedback is a file of its own, an array of
ratings: each becomes feedback of its person on the message that it names. The snapshot of the chat
in it is not read: Open WebUI takes it without asking, so what is shared is the rating, unless the
rating's own ``data.share`` says that the person was asked.

* A conversation is the branch from ``history.currentId`` up to the root; without that, from the
  last message. The answers of other models and those that were regenerated lie beside it and are
  Skipped.
* Newer answers carry ``output``, in the shape of OpenAI's responses: that is read, item by item. A
  call is the assistant's, its output a turn of its own, Role.tool with origin `tool`; reasoning is
  Skipped.
* Older answers have all of that in ``content``, as ``<details type="..">``. Reasoning in it is cut
  out; what a tool or an interpreter gave becomes a turn of Role.tool. An unclosed one extends to
  the end: in doubt it is a tool's.
* What a search or a document gave to an answer (``sources``) is Skipped. Files are named, and not
  taken in.
* An administrator's export holds the chats of several users; then each conversation carries its
  ``user_id``.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from functools import partial

import msgspec

from licet.intake import json_stream
from licet.intake.lines import Source, has_several
from licet.intake.read_turn import BrokenRecord, Read, ReadFeedback, SkippedRecord
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
    read_each,
    stable_id,
    unread,
)
from licet.policy.state import ConversationKind, Share, TurnRole
from licet.vault.content import Content, ToolCall

name = "open-webui"

_RATING_KEYS = frozenset({b"user_id", b"data", b"meta", b"type"})
_OWNER = re.compile(rb'"user_id"\s*:\s*"([^"\\]{1,200})"')
_DETAILS = re.compile(
    r'<details type="(?P<type>reasoning|tool_calls|code_interpreter)"(?P<attributes>[^>]*)>'
    r"(?P<inner>.*?)(?:</details>|\Z)",
    re.S,
)
_SUMMARY = re.compile(r"\A\s*<summary>.*?</summary>\s*", re.S)
_ATTRIBUTE = re.compile(r'([a-z_]+)="([^"]*)"')


class _Part(msgspec.Struct):
    text: str | None = None


class _Item(msgspec.Struct):
    """One item of an answer's output."""

    type: str | None = None
    role: str | None = None
    content: str | list[_Part] | None = None
    call_id: str | None = None
    id: str | None = None
    name: str | None = None
    arguments: object = None
    output: str | list[_Part] | None = None


class _File(msgspec.Struct):
    name: str | None = None
    type: str | None = None
    id: str | None = None


class _Message(msgspec.Struct):
    role: str | None = None
    content: str | None = None
    timestamp: object = None
    model: str | None = None
    files: list[_File] | None = None
    output: list[_Item] | None = None
    sources: list[msgspec.Raw] | None = None


class _Place(msgspec.Struct):
    parentId: str | None = None


class _History(msgspec.Struct):
    messages: dict[str, msgspec.Raw]
    currentId: str | None = None


class _Chat(msgspec.Struct):
    history: _History
    title: str | None = None


class _Conversation(msgspec.Struct):
    chat: _Chat
    id: str | None = None
    user_id: str | None = None
    title: str | None = None


class _Given(msgspec.Struct):
    """``rating`` is 1 or -1, as a number or as text."""

    rating: str | float | None = None
    comment: str | None = None
    share: str | None = None


class _Meta(msgspec.Struct):
    chat_id: str | None = None
    message_id: str | None = None


class _Rating(msgspec.Struct):
    id: str
    user_id: str | None = None
    data: _Given | None = None
    meta: _Meta | None = None
    created_at: object = None
    updated_at: object = None


_rating = msgspec.json.Decoder(_Rating)
_conversation = msgspec.json.Decoder(_Conversation)
_message = msgspec.json.Decoder(_Message)
_place = msgspec.json.Decoder(_Place)


def recognises(path: Source, head: bytes) -> bool:
    keys = json_stream.first_keys(head)
    return (b"chat" in keys and bool(keys & {b"user_id", b"title"})) or keys >= _RATING_KEYS


def read(path: Source, one_pass: Pass | None = None) -> Iterator[Read]:
    one_pass = one_pass or Pass()
    several = has_several(path, _OWNER)
    read_one = partial(_read_conversation, several=several)
    for place, raw in json_stream.records(path, one_pass.progress):
        if isinstance(raw, bytes) and json_stream.keys(raw) >= _RATING_KEYS:
            yield _read_rating(place, raw, several=several)
        else:
            yield from read_each([(place, raw)], _conversation, read_one, in_parts=True)


def _read_rating(place: str, raw: bytes, *, several: bool) -> Read:
    rating = decode(raw, _rating, in_parts=True)
    if isinstance(rating, UnreadableRecord):
        return BrokenRecord(place=place, message=rating.message)
    data, meta = rating.data or _Given(), rating.meta or _Meta()
    direction = _UP_OR_DOWN.get(str(data.rating))
    if direction is None or not meta.chat_id or not meta.message_id:
        return SkippedRecord(place=place, reason="a rating of nothing, or no rating")
    return ReadFeedback(
        place=place,
        host_conversation=meta.chat_id,
        host_turn=meta.message_id,
        host_feedback=rating.id,
        at=moment(rating.created_at),
        rating=direction,
        comment=data.comment or "",
        share=Share(data.share) if data.share in _SHARES else Share.rating,
        host_account=(rating.user_id or "") if several else "",
    )


_UP_OR_DOWN = {"1": "up", "1.0": "up", "-1": "down", "-1.0": "down"}
_SHARES = frozenset(share.value for share in Share)


def _read_conversation(
    place: str, conversation: _Conversation, raw: bytes, *, several: bool
) -> Iterator[Read]:
    history = conversation.chat.history
    setting = Setting(
        host_conversation=conversation.id or stable_id(raw),
        kind=ConversationKind.chat,
        surface="app",
        title=conversation.title or conversation.chat.title or "",
        host_account=(conversation.user_id or "") if several else "",
    )
    number = {message_id: n for n, message_id in enumerate(history.messages)}
    shown = _current_branch(history)
    for message_id in shown:
        message_place = f"{place}.messages[{number[message_id]}]"
        yield from _read_message(
            message_place, setting, message_id, bytes(history.messages[message_id])
        )
    hidden = number.keys() - set(shown)
    for n in sorted(number[message_id] for message_id in hidden):
        yield elsewhere(f"{place}.messages[{n}]")
    if not history.messages:
        yield empty_record(place)


def _current_branch(history: _History) -> list[str]:
    parents = {
        key: decode_or(bytes(raw), _place, _Place()).parentId
        for key, raw in history.messages.items()
    }
    last = next(reversed(parents), None)
    return branch(parents, history.currentId if history.currentId in parents else last)


def _read_message(place: str, setting: Setting, message_id: str, raw: bytes) -> Iterator[Read]:
    message = decode(raw, _message)
    if isinstance(message, UnreadableRecord):
        yield BrokenRecord(place=place, message=message.message)
    elif message.role not in ("user", "assistant"):
        yield SkippedRecord(place=place, reason="an author that is not known")
    else:
        parts = _split_by_author(message)
        yield from setting.turns(place, message_id, moment(message.timestamp), parts)
        yield from unread(place, _skip_reasons(message))


def _skip_reasons(message: _Message) -> Iterator[str]:
    """Why parts of a message are skipped."""
    for item in message.output or []:
        if item.type == "reasoning":
            yield THINKING
        for part in item.content if isinstance(item.content, list) else ():
            yield "" if part.text or item.type == "reasoning" else UNKNOWN_PART
        for part in item.output if isinstance(item.output, list) else ():
            yield "" if part.text else UNKNOWN_PART
    if message.role == "assistant" and not message.output:
        yield from (
            THINKING
            for block in _DETAILS.finditer(message.content or "")
            if block["type"] == "reasoning"
        )
    yield from ("what was looked up for an answer" for _ in message.sources or [])


def _split_by_author(message: _Message) -> Iterator[RecordedPart]:
    if message.role == "user":
        files = tuple(
            file.name or file.id or file.type or "unnamed" for file in message.files or []
        )
        yield part_of_role(TurnRole.user, Content(text=message.content or "", attachments=files))
    elif message.output:
        yield from _split_output(message.output, message.model or "")
    else:
        yield from _split_text(message.content or "", message.model or "")


def _split_output(output: list[_Item], model: str) -> Iterator[RecordedPart]:
    names: dict[str, str] = {}
    texts, calls = list[str](), list[ToolCall]()
    for item in output:
        call_id = item.call_id or item.id or ""
        if item.type == "message":
            texts.append(_join_content(item.content))
        elif item.type == "function_call":
            names[call_id] = item.name or ""
            calls.append(ToolCall(id=call_id, name=names[call_id], arguments=_arguments(item)))
        # a call's output, or an unknown item
        elif item.type != "reasoning":
            yield part_of_role(TurnRole.assistant, _answer(texts, calls, model))
            text = _join_content(item.content if item.output is None else item.output)
            if text or item.type == "function_call_output":
                yield part_of_role(
                    TurnRole.tool,
                    Content(text=text, tool_call_id=call_id, tool_name=names.get(call_id, "")),
                )
            texts, calls = [], []
    yield part_of_role(TurnRole.assistant, _answer(texts, calls, model))


def _split_text(text: str, model: str) -> Iterator[RecordedPart]:
    begin, calls, texts = 0, list[ToolCall](), list[str]()
    for block in _DETAILS.finditer(text):
        texts.append(text[begin : block.start()].strip())
        begin = block.end()
        if block["type"] == "reasoning":
            continue
        results = {
            key: html.unescape(value) for key, value in _ATTRIBUTE.findall(block["attributes"])
        }
        call_id, called = results.get("id", ""), results.get("name", "")
        if called:
            calls.append(
                ToolCall(id=call_id, name=called, arguments=results.get("arguments") or "{}")
            )
        yield part_of_role(TurnRole.assistant, _answer(texts, calls, model))
        result = results.get("result") or html.unescape(_SUMMARY.sub("", block["inner"]))
        yield part_of_role(
            TurnRole.tool, Content(text=result, tool_call_id=call_id, tool_name=called)
        )
        texts, calls = [], []
    yield part_of_role(TurnRole.assistant, _answer([*texts, text[begin:].strip()], calls, model))


def _answer(texts: list[str], calls: list[ToolCall], model: str) -> Content:
    return Content(text=join_texts(texts), tool_calls=tuple(calls), model=model)


def _join_content(content: str | list[_Part] | None) -> str:
    parts = (
        content
        if isinstance(content, str)
        else "\n".join(part.text or "" for part in content or [])
    )
    return parts.strip()


def _arguments(item: _Item) -> str:
    if isinstance(item.arguments, str):
        return item.arguments
    return mend(msgspec.json.encode({} if item.arguments is None else item.arguments)).decode()
