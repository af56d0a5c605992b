"""Chatbot UI's export: ``{"version": 4, "history": [..], "folders": [..], "prompts": [..]}``.

This follows version 4 as it is written. A conversation is a list of messages in the shape of
OpenAI's, without times; its ``prompt`` is the system's and is not read. Folders and prompts contain
no messages.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from licet.intake import json_stream
from licet.intake.lines import Source
from licet.intake.messages import Dialogue, read_message
from licet.intake.read_turn import Read
from licet.intake.records import Pass, Setting, empty_record, read_each, stable_id
from licet.policy.state import ConversationKind

name = "chatbot-ui"


class _Model(msgspec.Struct):
    id: str | None = None


class _Conversation(msgspec.Struct):
    messages: list[msgspec.Raw]
    id: str | int | None = None
    name: str | None = None
    model: _Model | None = None


_conversation = msgspec.json.Decoder(_Conversation)


def recognises(path: Source, head: bytes) -> bool:
    return json_stream.keys(head) >= {b"version", b"history"}


def read(path: Source, one_pass: Pass | None = None) -> Iterator[Read]:
    one_pass = one_pass or Pass()
    yield from read_each(
        json_stream.records(path, one_pass.progress, within="history"),
        _conversation,
        _read_conversation,
    )


def _read_conversation(place: str, conversation: _Conversation, raw: bytes) -> Iterator[Read]:
    named = conversation.id if conversation.id not in (None, "") else stable_id(raw)
    setting = Setting(
        str(named), kind=ConversationKind.chat, surface="app", title=conversation.name or ""
    )
    dialogue = Dialogue(setting, model=(conversation.model or _Model()).id or "")
    if not conversation.messages:
        yield empty_record(place)
    for index, message in enumerate(conversation.messages):
        yield from read_message(f"{place}.messages[{index}]", dialogue, str(index), bytes(message))
