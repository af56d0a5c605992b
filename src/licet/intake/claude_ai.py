"""Claude.ai's data export: ``conversations.json``, in the zip or out of it, or one conversation
alone.

There is no published schema; this follows exports as they are written. A file is an array of
conversations, each with its ``chat_messages``, of which `human` is the person.

* Where a message has ``content``, that is what is read, block by block; else its ``text``. The
  client fills ``text`` with a placeholder where a block could not be shown, so it is not used then.
* A tool's use is a call of the assistant's, and its result is a turn of its own, Role.tool with
  origin `tool`, be it a search, a connector's answer or a file: what follows in the same message is
  another turn of the assistant.
* Thinking is Skipped: it was not part of the answer that was shown. So is each block of an unknown
  type.
* Attachments and files are named, an unnamed one by its type. What was extracted from one is a turn
  of its own behind the words that it came with, as an upload of their author.
* Messages name their parents in newer exports. Then a conversation is the branch up from
  ``current_leaf_message_uuid`` or, without that, from the last message; the others are Skipped.
* A conversation marked ``is_temporary`` is kept out whole: incognito chats are never used.
* An export of an organisation holds several accounts; then each conversation carries its account's
  uuid.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

import msgspec

from licet.intake import json_stream
from licet.intake.lines import Source, has_several
from licet.intake.read_turn import BrokenRecord, Read, SkippedRecord
from licet.intake.records import (
    CALLS_MAX,
    THINKING,
    UNKNOWN_PART,
    Pass,
    Recent,
    RecordedPart,
    Setting,
    UnreadableRecord,
    branch,
    decode,
    decode_or,
    elsewhere,
    empty_record,
    join_texts,
    json_text,
    moment,
    part_of_role,
    parts_of,
    read_each,
    stable_id,
    unread,
)
from licet.policy.state import ConversationKind, TurnRole
from licet.vault.content import Content, ToolCall

name = "claude-ai"

_ROLES = {"human": TurnRole.user, "user": TurnRole.user, "assistant": TurnRole.assistant}
_THINKING = frozenset({"thinking", "redacted_thinking"})
_STATES = frozenset({"token_budget", "flag"})  # marks of the client, without a word
_OWNER = re.compile(rb'"account"\s*:\s*\{\s*"uuid"\s*:\s*"([^"\\]{1,200})"')


class _Block(msgspec.Struct):
    type: str | None = None
    text: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = msgspec.Raw()
    tool_use_id: str | None = None
    content: msgspec.Raw = msgspec.Raw()
    title: str | None = None
    url: str | None = None


class _File(msgspec.Struct):
    file_name: str | None = None
    file_type: str | None = None
    file_kind: str | None = None
    extracted_content: str | None = None


class _Message(msgspec.Struct):
    uuid: str | None = None
    sender: str | None = None
    text: str | None = None
    content: list[_Block] | None = None
    created_at: object = None
    attachments: list[_File] | None = None
    files: list[_File] | None = None


class _Place(msgspec.Struct):
    """A message's place in the tree, read for all messages first; a broken one has none."""

    uuid: str | None = None
    parent_message_uuid: str | None = None


class _Account(msgspec.Struct):
    uuid: str | None = None


class _Conversation(msgspec.Struct):
    chat_messages: list[msgspec.Raw]
    uuid: str | None = None
    name: str | None = None
    account: _Account | None = None
    current_leaf_message_uuid: str | None = None
    is_temporary: bool | None = None


_conversation = msgspec.json.Decoder(_Conversation)
_message = msgspec.json.Decoder(_Message)
_place = msgspec.json.Decoder(_Place)
_result: msgspec.json.Decoder[str | list[_Block] | None] = msgspec.json.Decoder(
    str | list[_Block] | None
)


@dataclass(frozen=True, slots=True)
class _Reading:
    setting: Setting
    calls: Recent = field(default_factory=lambda: Recent(CALLS_MAX))


def recognises(path: Source, head: bytes) -> bool:
    return b"chat_messages" in json_stream.first_keys(head)


def read(path: Source, one_pass: Pass | None = None) -> Iterator[Read]:
    one_pass = one_pass or Pass()
    several = has_several(path, _OWNER)
    read_one = partial(_read_conversation, several=several)
    yield from read_each(
        json_stream.records(path, one_pass.progress), _conversation, read_one, in_parts=True
    )


def _read_conversation(
    place: str, conversation: _Conversation, raw: bytes, *, several: bool
) -> Iterator[Read]:
    if conversation.is_temporary:
        yield SkippedRecord(place=place, reason="a conversation that is marked `is_temporary`")
        return
    owner = (conversation.account or _Account()).uuid or ""
    setting = Setting(
        host_conversation=conversation.uuid or stable_id(raw),
        kind=ConversationKind.chat,
        surface="app",
        title=conversation.name or "",
        host_account=owner if several else "",
    )
    reading, shown = _Reading(setting), _visible_messages(conversation)
    for index, message in enumerate(conversation.chat_messages):
        message_place = f"{place}.chat_messages[{index}]"
        if index in shown:
            yield from _read_message(message_place, reading, str(index), bytes(message))
        else:
            yield elsewhere(message_place)
    if not conversation.chat_messages:
        yield empty_record(place)


def _visible_messages(conversation: _Conversation) -> frozenset[int]:
    """The numbers of the messages on the visible branch; all if they do not name parents."""
    everything = range(len(conversation.chat_messages))
    places = [decode_or(bytes(raw), _place, _Place()) for raw in conversation.chat_messages]
    parents = {place.uuid: place.parent_message_uuid for place in places if place.uuid}
    if not any(parent in parents for parent in parents.values()):
        return frozenset(everything)
    leaf = conversation.current_leaf_message_uuid
    chain = set(branch(parents, leaf if leaf in parents else next(reversed(parents))))
    return frozenset(
        index for index in everything if places[index].uuid in chain or not places[index].uuid
    )


def _read_message(place: str, reading: _Reading, index: str, raw: bytes) -> Iterator[Read]:
    message = decode(raw, _message)
    if isinstance(message, UnreadableRecord):
        yield BrokenRecord(place=place, message=message.message)
        return
    role = _ROLES.get(message.sender or "")
    if role is None:
        yield SkippedRecord(place=place, reason="an author that is not known")
        return
    yield from reading.setting.turns(
        place,
        message.uuid or index,
        moment(message.created_at),
        _split_by_author(reading, message, role),
    )
    yield from unread(
        place, (why for block in message.content or [] for why in _skip_reasons(block))
    )


def _split_by_author(
    reading: _Reading, message: _Message, role: TurnRole
) -> Iterator[RecordedPart]:
    """Splits a message by author, in order; attachments go with the first words."""
    blocks = message.content or [_Block(type="text", text=message.text)]
    attachments, own = _attachments(message), list[_Block]()
    for block in blocks:
        if not (block.type or "").endswith("tool_result"):
            own.append(block)
            continue
        yield part_of_role(role, _content(reading, own, attachments))
        yield part_of_role(TurnRole.tool, _tool_result(reading, block))
        attachments, own = (), []
    yield part_of_role(role, _content(reading, own, attachments))
    origin = "upload" if role is TurnRole.user else role.value
    for file in [*(message.attachments or []), *(message.files or [])]:
        if file.extracted_content and file.extracted_content.strip():
            yield RecordedPart(
                role, origin, Content(text=file.extracted_content, attachments=(_file_name(file),))
            )


def _content(reading: _Reading, blocks: list[_Block], attachments: tuple[str, ...]) -> Content:
    calls = [block for block in blocks if (block.type or "").endswith("tool_use")]
    for block in calls:
        reading.calls.note(block.id or "", block.name or "")
    return Content(
        text=_text(blocks),
        tool_calls=tuple(
            ToolCall(
                id=block.id or "", name=block.name or "", arguments=json_text(block.input) or "{}"
            )
            for block in calls
        ),
        attachments=attachments,
    )


def _tool_result(reading: _Reading, block: _Block) -> Content:
    result = decode(bytes(block.content) or b"null", _result)
    if isinstance(result, UnreadableRecord):  # an unknown shape: the tool's result is kept as JSON
        result = json_text(block.content)
    text = result if isinstance(result, str) else _tool_text(result or [])
    named = block.name or reading.calls.get(block.tool_use_id or "") or ""
    return Content(text=text, tool_call_id=block.tool_use_id or "", tool_name=named)


def _skip_reasons(block: _Block) -> Iterator[str]:
    """Why a block, or a part of a tool's result, is skipped."""
    kind = block.type or ""
    if kind.endswith("tool_result"):
        yield from (
            UNKNOWN_PART for part in parts_of(block.content, _result) if not _tool_text([part])
        )
    elif kind in _THINKING:
        yield THINKING
    elif (
        kind not in ("text", "voice_note") and kind not in _STATES and not kind.endswith("tool_use")
    ):
        yield UNKNOWN_PART


def _text(blocks: list[_Block]) -> str:
    return join_texts(block.text for block in blocks if block.type in ("text", "voice_note"))


def _tool_text(blocks: list[_Block]) -> str:
    """The text of each block, whatever its type (`text`, `knowledge`), else its name and
    address.
    """
    shown = (
        block.text
        if block.text and block.text.strip()
        else " ".join(filter(None, (block.title, block.url)))
        for block in blocks
    )
    return "\n".join(text for text in shown if text)


def _attachments(message: _Message) -> tuple[str, ...]:
    files = [*(message.attachments or []), *(message.files or [])]
    return tuple(dict.fromkeys(map(_file_name, files)))


def _file_name(file: _File) -> str:
    return file.file_name or file.file_type or file.file_kind or "unnamed"
