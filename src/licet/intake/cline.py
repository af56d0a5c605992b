"""Cline's sessions: ``<session>.messages.json`` of version 1, and the older
``api_conversation_history.json`` of a task.

The first follows Cline's own description of the file: ``{"version", "sessionId", "agent",
"messages": [..]}``, with blocks in the shape of Anthropic's messages. The second is that list of
messages alone, with neither ids nor times.

* The client writes as "user" too: results of tools, and in a text what it wraps in its own tags
  (the environment, the contents of files, its rules). All that is Role.tool with origin `tool`. In
  a session a text without such tags is what the person typed. In the older file only a text that
  begins with ``<task>``, ``<feedback>``, ``<answer>`` or ``<user_message>`` is the person's, up to
  the end of that tag: the rest cannot be distinguished from the client's, and in doubt is not the
  person's. A text behind the head of a tool's result is the tool's whatever it begins with, except
  where the tool is one that asks the person.
* A file that the person named with ``@`` is an attachment by its path; what was read from it is
  Skipped.
* ``agent`` names who works in a session. In one of any other than `lead` what is "user" was written
  by the assistant, and is Role.assistant, in a thread of that agent.
* Thinking is Skipped, and so is each block of an unknown type. ``system_prompt`` is not a turn.
* A message without an id is named by its number; a task is named by its folder.

Recordings of the client's network traffic (its test fixtures) hold no message of a person, and are
not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from licet.intake import json_stream
from licet.intake.lines import Source
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
    decode,
    decode_or,
    empty_record,
    join_texts,
    json_text,
    moment,
    part_of_role,
    parts_of,
    unread,
)
from licet.policy.state import ConversationKind, TurnRole
from licet.vault.content import Content, ToolCall

name = "cline"

TASK_FILE = "api_conversation_history.json"

_LEAD = "lead"
_DROPPED = frozenset({"thinking", "redacted_thinking"})
_TYPED_IN_TASK = re.compile(
    r"\s*(?:The user (?:denied this operation and )?provided the following feedback:\s*)?"
    r"<(task|feedback|answer|user_message)>\n?(.*?)\n?</\1>",
    re.S,
)
_RESULT_HEAD = re.compile(r"\s*\[([a-z_]+)[^\n]*\] Result:\s*\Z")
_ASKING = frozenset({"ask_followup_question", "attempt_completion", "plan_mode_respond"})
_CLIENT_SPEAKS = re.compile(
    r"<(?:environment_details|file_content|folder_content|url_content|workspace_diagnostics|terminal_output|task_progress"
    r"|explicit_instructions|system-reminder|hook_context)\b"
    r"|\A\s*\[(?:TASK RESUMPTION|ERROR\]|[a-z_]+(?: for '[^']*')?\] Result:)"
)


class _Source(msgspec.Struct):
    media_type: str | None = None


class _Block(msgspec.Struct):
    type: str | None = None
    text: str | None = None
    id: str | None = None
    name: str | None = None
    path: str | None = None
    title: str | None = None
    input: msgspec.Raw = msgspec.Raw()
    tool_use_id: str | None = None
    content: msgspec.Raw = msgspec.Raw()
    source: _Source | None = None


class _Model(msgspec.Struct):
    id: str | None = None


class _Message(msgspec.Struct):
    role: str | None = None
    content: str | list[_Block] | None = None
    id: str | None = None
    ts: object = None
    modelInfo: _Model | None = None


class _Session(msgspec.Struct):
    messages: list[msgspec.Raw]
    sessionId: str | None = None
    agent: str | None = None


_session = msgspec.json.Decoder(_Session)
_message = msgspec.json.Decoder(_Message)
_result: msgspec.json.Decoder[str | list[_Block] | None] = msgspec.json.Decoder(
    str | list[_Block] | None
)


@dataclass(frozen=True, slots=True)
class _Reading:
    setting: Setting
    thread: str = ""
    is_task: bool = False
    calls: Recent = field(default_factory=lambda: Recent(CALLS_MAX))


def recognises(path: Source, head: bytes) -> bool:
    keys = json_stream.first_keys(head)
    return keys >= {b"sessionId", b"messages"} or (_is_task(path) and keys >= {b"role", b"content"})


def read(path: Source, one_pass: Pass | None = None) -> Iterator[Read]:
    one_pass = one_pass or Pass()
    task = _Reading(_setting(path.parent.name or path.name), is_task=True)
    for index, (place, raw) in enumerate(json_stream.records(path, one_pass.progress)):
        if isinstance(raw, BrokenRecord):
            yield raw
        elif _is_task(path):
            yield from _read_message(place, task, str(index), raw)
        else:
            yield from _read_session(place, path, raw)


def _is_task(path: Source) -> bool:
    return path.name.removesuffix(".gz") == TASK_FILE


def _setting(host_conversation: str) -> Setting:
    return Setting(host_conversation, kind=ConversationKind.code, surface="cli")


def _read_session(place: str, path: Source, raw: bytes) -> Iterator[Read]:
    session = decode(raw, _session, in_parts=True)
    if isinstance(session, UnreadableRecord):
        yield BrokenRecord(place=place, message=session.message)
        return
    agent = session.agent or _LEAD
    reading = _Reading(
        _setting(session.sessionId or path.name), thread="" if agent == _LEAD else agent
    )
    if not session.messages:
        yield empty_record(place)
    for index, message in enumerate(session.messages):
        yield from _read_message(f"{place}.messages[{index}]", reading, str(index), bytes(message))


def _read_message(place: str, reading: _Reading, index: str, raw: bytes) -> Iterator[Read]:
    message = decode(raw, _message)
    if isinstance(message, UnreadableRecord):
        yield BrokenRecord(place=place, message=message.message)
        return
    if message.role not in ("user", "assistant"):
        yield SkippedRecord(place=place, reason="an author that is not known")
        return
    blocks = (
        [_Block(type="text", text=message.content)]
        if isinstance(message.content, str)
        else message.content or []
    )
    parts = _split_by_author(reading, message, blocks)
    yield from reading.setting.turns(place, message.id or index, moment(message.ts), parts)
    yield from unread(place, (why for block in blocks for why in _skip_reasons(block)))


def _split_by_author(
    reading: _Reading, message: _Message, blocks: list[_Block]
) -> Iterator[RecordedPart]:
    """Splits a message by author: tools first, then its own speaker, then the client."""
    results = [block for block in blocks if block.type == "tool_result"]
    for block in results:
        yield part_of_role(TurnRole.tool, _tool_result(reading, block))
    own = [block for block in blocks if block.type not in (*_DROPPED, "tool_result")]
    if message.role == "assistant":
        yield part_of_role(
            TurnRole.assistant, _content(reading, own, (message.modelInfo or _Model()).id or "")
        )
        return
    if reading.is_task:
        words, client = _split_task_text(own)
    else:
        client = [block for block in own if _is_from_client(block)]
        words = [block for block in own if not _is_from_client(block)]
    yield part_of_role(
        TurnRole.assistant if reading.thread else TurnRole.user, _content(reading, words, "")
    )
    from_client = _content(reading, client, "")
    if from_client.text:
        yield part_of_role(TurnRole.tool, from_client)


def _is_from_client(block: _Block) -> bool:
    return block.type == "text" and _CLIENT_SPEAKS.search(block.text or "") is not None


def _split_task_text(blocks: list[_Block]) -> tuple[list[_Block], list[_Block]]:
    """Splits a task's message into the typed text, without its tags, with attachments, and the
    rest.
    """
    typed: list[_Block] = [block for block in blocks if block.type != "text"]
    client: list[_Block] = []
    head: re.Match[str] | None = None
    for text in (block.text or "" for block in blocks if block.type == "text"):
        is_tools = head is not None and head[1] not in _ASKING
        match = None if is_tools else _TYPED_IN_TASK.match(text)
        if match:
            typed.append(_Block(type="text", text=match[2]))
            text = text[: match.start(1) - 1] + text[match.end() :]
        client.append(_Block(type="text", text=text))
        head = _RESULT_HEAD.match(text) if not match else None
    return typed, client


def _content(reading: _Reading, blocks: list[_Block], model: str) -> Content:
    calls = [block for block in blocks if block.type == "tool_use"]
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
        attachments=tuple(
            map(
                _attachment,
                (block for block in blocks if block.type in ("file", "image", "document")),
            )
        ),
        thread=reading.thread,
        model=model,
    )


def _tool_result(reading: _Reading, block: _Block) -> Content:
    # An unknown shape, such as a list of queries and results, is kept as JSON.
    as_given = json_text(block.content)
    result = decode_or(bytes(block.content) or b"null", _result, as_given) or ""
    text = (
        result
        if isinstance(result, str)
        else _text(result)
        if all(part.type for part in result)
        else as_given
    )
    named = block.name or reading.calls.get(block.tool_use_id or "") or ""
    return Content(
        text=text, tool_call_id=block.tool_use_id or "", tool_name=named, thread=reading.thread
    )


def _attachment(block: _Block) -> str:
    return block.path or block.title or (block.source or _Source()).media_type or block.type or ""


def _skip_reasons(block: _Block) -> Iterator[str]:
    """Why a block, or a part of a tool's result, is skipped."""
    if block.type in _DROPPED:
        yield THINKING
    elif block.type == "tool_result":
        result = parts_of(block.content, _result)
        parts = result if all(part.type for part in result) else []
        yield from (UNKNOWN_PART for part in parts if part.type != "text")
    elif block.type == "file" and bytes(block.content) not in (b"", b"null", b'""'):
        yield "what was read from a file that was named"
    elif block.type not in ("text", "tool_use", "file", "image", "document"):
        yield UNKNOWN_PART


def _text(blocks: list[_Block]) -> str:
    return join_texts(block.text for block in blocks if block.type == "text")
