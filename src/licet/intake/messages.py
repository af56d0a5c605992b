"""JSON lines of conversations in the shape of OpenAI's ``messages``: one ``{"messages": [..]}`` a line.

A line may carry ``conversation_id`` or ``id``, ``created_at`` or ``timestamp``, ``model``, ``title``, and ``account``
or ``user``, the host's id of the account that it belongs to; a message
its own id and time, else it has the line's time. Times are ISO 8601 with a zone, or epoch seconds. Without an id
a conversation is named by the BLAKE2b hash of its line in canonical form (keys sorted, no white space), so that
the same line in two files is one conversation; without one a message is named by its index.

`system` and `developer` are Skipped, `tool` and the older `function` are Role.tool with origin `tool`. An author
of any other name is Broken: it cannot be said who spoke. The host application wrote these lines, so the surface
is `app`; an import can say otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from licet.intake import json_stream
from licet.intake.lines import lines
from licet.intake.reading import Broken, Read, ReadTurn, Skipped
from licet.intake.records import (
    CALLS_MAX,
    Pass,
    Recent,
    Unreadable,
    bounded,
    decode,
    moment,
    nothing_said,
    stable_id,
)
from licet.policy.state import Kind, Role
from licet.vault.content import Content, ToolCall

name = "messages"

HEAD_LINES_MAX = 20

_ROLES = {
    "user": Role.user,
    "assistant": Role.assistant,
    "tool": Role.tool,
    "function": Role.tool,
}


class _Address(msgspec.Struct):
    url: str | None = None


class _File(msgspec.Struct):
    filename: str | None = None
    file_id: str | None = None


class _Part(msgspec.Struct):
    type: str | None = None
    text: str | None = None
    refusal: str | None = None
    image_url: str | _Address | None = None
    file: _File | None = None
    filename: str | None = None
    file_id: str | None = None


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: object = None
    input: str | None = None


class _Call(msgspec.Struct):
    id: str | None = None
    function: _Function | None = None
    custom: _Function | None = None


class _Message(msgspec.Struct):
    role: str | None = None
    content: str | list[str | _Part] | None = None
    refusal: str | None = None
    name: str | None = None
    tool_calls: list[_Call] | None = None
    function_call: _Function | None = None
    tool_call_id: str | None = None
    id: str | int | None = None
    created_at: object = None
    timestamp: object = None


class _Line(msgspec.Struct):
    messages: list[msgspec.Raw]
    conversation_id: str | int | None = None
    id: str | int | None = None
    created_at: object = None
    timestamp: object = None
    model: str | None = None
    title: str | None = None
    account: str | int | None = None
    user: str | int | None = None


_line = msgspec.json.Decoder(_Line)
_message = msgspec.json.Decoder(_Message)
_anything = msgspec.json.Decoder()


def recognises(path: Path, head: bytes) -> bool:
    """Whether one of the first lines is an object with messages. Its end may lie beyond the head."""
    return any(b"messages" in json_stream.keys(line) for line in head.split(b"\n", HEAD_LINES_MAX)[:HEAD_LINES_MAX])


def read(path: Path, one_pass: Pass | None = None) -> Iterator[Read]:
    """Every message of every line, as turns, Skipped or Broken."""
    one_pass = one_pass or Pass()
    for line in lines(path, one_pass.progress):
        if isinstance(line, Broken):
            yield line
            continue
        place = f"{path}:{line.number}"
        conversation = decode(line.raw, _line)
        if isinstance(conversation, Unreadable):
            yield Broken(place=place, message=conversation.message)
        else:
            yield from _read_line(place, conversation, line.raw)


def _read_line(place: str, line: _Line, raw: bytes) -> Iterator[Read]:
    host_conversation = _name(line.conversation_id, line.id) or stable_id(_canonical(raw))
    calls = Recent(CALLS_MAX)
    if not line.messages:
        yield nothing_said(place)
    for index, message_raw in enumerate(line.messages):
        here = f"{place}#messages[{index}]"
        message = decode(bytes(message_raw), _message)
        if isinstance(message, Unreadable):
            yield Broken(place=here, message=message.message)
        elif message.role in ("system", "developer"):
            yield Skipped(place=here, reason=f"a message of role `{message.role}`")
        elif message.role not in _ROLES:
            yield Broken(place=here, message="a role that is not known")
        else:
            yield _read_message(here, line, host_conversation, index, message, calls)


def _read_message(
    place: str, line: _Line, host_conversation: str, index: int, message: _Message, calls: Recent
) -> Read:
    role = _ROLES[message.role or ""]
    content = message.content or []
    parts: list[str | _Part] = [content] if isinstance(content, str) else content
    text, attachments = _text(parts, message.refusal), _attachments(parts)
    asked = _calls(message)
    for call in asked:
        calls.note(call.id, call.name)
    call_id = message.tool_call_id or ""
    if role is not Role.tool and not (text or attachments or asked):
        return nothing_said(place)
    origins = {Role.user: "typed" if text else "upload", Role.assistant: "assistant", Role.tool: "tool"}
    return bounded(
        ReadTurn(
            place=place,
            host_conversation=host_conversation,
            host_turn=_name(message.id) or str(index),
            at=_first_moment(message.created_at, message.timestamp, line.created_at, line.timestamp),
            role=role,
            origin=origins[role],
            kind=Kind.chat,
            surface="app",
            content=Content(
                text=text,
                tool_calls=asked,
                tool_call_id=call_id if role is Role.tool else "",
                tool_name=(message.name or calls.get(call_id) or "") if role is Role.tool else "",
                attachments=attachments,
                model=(line.model or "") if role is Role.assistant else "",
            ),
            title=line.title or "",
            host_account=_name(line.account, line.user),
        )
    )


def _first_moment(*values: object) -> datetime | None:
    return next((at for at in map(moment, values) if at), None)


def _name(*ids: str | int | None) -> str:
    return next((str(found) for found in ids if found not in (None, "")), "")


def _canonical(raw: bytes) -> bytes:
    value = decode(raw, _anything)
    return raw if isinstance(value, Unreadable) else msgspec.json.encode(value, order="deterministic")


def _text(parts: list[str | _Part], refusal: str | None) -> str:
    said = [part if isinstance(part, str) else (part.text or part.refusal or "") for part in parts]
    return "\n".join(text for text in (*said, refusal or "") if text.strip())


def _attachments(parts: list[str | _Part]) -> tuple[str, ...]:
    """A name for each part that is not text; a picture given as its own bytes is named by its part's type."""
    return tuple(
        _attachment(part) for part in parts if isinstance(part, _Part) and part.text is None and part.refusal is None
    )


def _attachment(part: _Part) -> str:
    file = part.file or _File(filename=part.filename, file_id=part.file_id)
    url = part.image_url.url if isinstance(part.image_url, _Address) else part.image_url
    address = "" if not url or url.startswith("data:") else url
    return file.filename or file.file_id or address or part.type or ""


def _calls(message: _Message) -> tuple[ToolCall, ...]:
    functions = [(call.id, call.function or call.custom) for call in message.tool_calls or []]
    older = [(None, message.function_call)] if message.function_call else []
    return tuple(
        ToolCall(id=call_id or "", name=function.name or "", arguments=_arguments(function))
        for call_id, function in (*functions, *older)
        if function
    )


def _arguments(function: _Function) -> str:
    """JSON text: the arguments as they were written, or a value of another type in JSON."""
    given = function.input if function.arguments is None else function.arguments
    if isinstance(given, str) and function.input is None:
        return given
    return msgspec.json.encode({} if given is None else given).decode()
