"""JSON lines of conversations in the shape of OpenAI's ``messages``: one ``{"messages": [..]}`` a
line.

A line may carry ``conversation_id`` or ``id``, ``created_at`` or ``timestamp``, ``model``,
``title``, ``account`` or ``user``, the host's id of the account that it belongs to, and ``project``
and ``project_title``, the host's project that the conversation belongs to; a message its own id and
time, else it has the line's time. Times are ISO 8601 with a zone, or epoch seconds. Without an id a
conversation is named by the BLAKE2b hash of its line in canonical form (keys sorted, no white
space), so that the same line in two files is one conversation; without one a message is named by
its index.

`system` and `developer` are the host's instructions, of Role.system, with the tools that it
offered: ``tools`` of the message or of the line, or the older ``functions``. They come behind the
person's first words, because a permission is theirs. `tool` and the older `function` are Role.tool
with origin `tool`. An author of any other name is Broken: its speaker is not known. The host
application wrote these lines, so the surface is `app`; an import can say otherwise.

The shape of a message is that of other formats too: they read theirs with `read_message`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from licet.intake import json_stream
from licet.intake.lines import Source
from licet.intake.read_turn import BrokenRecord, Read, ReadTurn
from licet.intake.records import (
    CALLS_MAX,
    Pass,
    Recent,
    Setting,
    UnreadableRecord,
    decode,
    empty_record,
    join_texts,
    moment,
    part_of_role,
    read_each,
    stable_id,
)
from licet.plugins.offered_tools import offered_text
from licet.policy.state import ConversationKind, TurnRole
from licet.vault.commands import NAME
from licet.vault.content import Content, ToolCall

name = "messages"

HEAD_LINES_MAX = 20

_ROLES = {
    "user": TurnRole.user,
    "assistant": TurnRole.assistant,
    "tool": TurnRole.tool,
    "function": TurnRole.tool,
    "system": TurnRole.system,
    "developer": TurnRole.system,
}
UNKNOWN_ROLE = f"its role is not known: write one of {', '.join(_ROLES)}"

# Keys of records of other formats that hold messages as well.
_OTHERS = frozenset({b"sessionId", b"conversationId", b"call_type", b"response", b"litellm_params"})


class _Address(msgspec.Struct):
    url: str | None = None


class _File(msgspec.Struct):
    filename: str | None = None
    file_id: str | None = None


class ContentPart(msgspec.Struct):
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


class DialogueMessage(msgspec.Struct):
    role: str | None = None
    content: str | list[str | ContentPart] | None = None
    refusal: str | None = None
    name: str | None = None
    tool_calls: list[_Call] | None = None
    function_call: _Function | None = None
    tool_call_id: str | None = None
    tools: object = None
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
    surface: object = None
    kind: object = None
    incognito: object = None
    kept_out: object = None
    project: str | int | None = None
    project_title: str | None = None
    tools: object = None
    functions: object = None


_line = msgspec.json.Decoder(_Line)
_message = msgspec.json.Decoder(DialogueMessage)
_anything = msgspec.json.Decoder()


def recognises(path: Source, head: bytes) -> bool:
    first_lines = head.split(b"\n", HEAD_LINES_MAX)[:HEAD_LINES_MAX]
    return any(
        b"messages" in keys and not keys & _OTHERS for keys in map(json_stream.keys, first_lines)
    )


def read(path: Source, one_pass: Pass | None = None) -> Iterator[Read]:
    one_pass = one_pass or Pass()
    yield from read_each(
        json_stream.records(path, one_pass.progress, by_lines=True), _line, _read_line
    )


def _read_line(place: str, line: _Line, raw: bytes) -> Iterator[Read]:
    dialogue = Dialogue(
        Setting(
            host_conversation=_name(line.conversation_id, line.id) or stable_id(canonical(raw)),
            kind=ConversationKind.code
            if line.kind == ConversationKind.code.value
            else ConversationKind.chat,
            surface=line.surface
            if isinstance(line.surface, str) and NAME.fullmatch(line.surface)
            else "app",
            title=line.title or "",
            host_account=_name(line.account, line.user),
            incognito=line.incognito is True,
            kept_out=line.kept_out is True,
            project=_name(line.project),
            project_title=line.project_title or "",
        ),
        at=_first_moment(line.created_at, line.timestamp),
        model=line.model or "",
    )
    if not line.messages:
        yield empty_record(place)
    dialogue.offered = offered_text(line.tools or line.functions)
    read = (
        item
        for index, message in enumerate(line.messages)
        for item in read_message(f"{place}#messages[{index}]", dialogue, str(index), bytes(message))
    )
    yield from with_instructions(f"{place}#tools", dialogue, read)


def with_instructions(place: str, dialogue: Dialogue, read: Iterable[Read]) -> Iterator[Read]:
    """Moves the host's instructions in ``read`` behind the person's next words, or to the end.

    Tools offered without instructions become a turn, at ``place``.
    """
    items, held = list(read), list[Read]()
    if dialogue.offered:
        instructions = part_of_role(TurnRole.system, Content(tools=dialogue.offered))
        held += dialogue.setting.turns(place, "tools", dialogue.at, [instructions])
    for item in items:
        if isinstance(item, ReadTurn) and item.role is TurnRole.system:
            held.append(item)
            continue
        yield item
        if held and isinstance(item, ReadTurn) and item.role is TurnRole.user:
            yield from held
            held = []
    yield from held


@dataclass(slots=True)
class Dialogue:
    """The state of reading a dialogue: ``at`` and ``model`` are defaults for its messages,
    ``calls`` those made; the tools ``offered``, as JSON text, go with the host's next instructions.
    """

    setting: Setting
    at: datetime | None = None
    model: str = ""
    calls: Recent = field(default_factory=lambda: Recent(CALLS_MAX))
    offered: str = ""


def read_message(place: str, dialogue: Dialogue, index: str, raw: bytes) -> Iterator[Read]:
    """Reads a message in the shape of OpenAI's; ``index`` is its id if it has none."""
    message = decode(raw, _message)
    if isinstance(message, UnreadableRecord):
        yield BrokenRecord(place=place, message=message.message)
    elif message.role not in _ROLES:
        yield BrokenRecord(place=place, message=UNKNOWN_ROLE)
    else:
        at = _first_moment(message.created_at, message.timestamp) or dialogue.at
        part = part_of_role(_ROLES[message.role], _content(dialogue, message))
        yield from dialogue.setting.turns(place, _name(message.id) or index, at, [part])


def _content(dialogue: Dialogue, message: DialogueMessage) -> Content:
    role = _ROLES[message.role or ""]
    calls, parts = calls_of(message), parts_of(message)
    for call in calls:
        dialogue.calls.note(call.id, call.name)
    call_id = message.tool_call_id or ""
    tools = ""
    if role is TurnRole.system:
        own = message.tools if isinstance(message.tools, str) else offered_text(message.tools)
        tools, dialogue.offered = own or dialogue.offered, ""
    return Content(
        text=text_of(parts, message.refusal),
        tool_calls=calls,
        tool_call_id=call_id if role is TurnRole.tool else "",
        tool_name=(message.name or dialogue.calls.get(call_id) or "")
        if role is TurnRole.tool
        else "",
        attachments=_attachments(parts),
        model=dialogue.model if role is TurnRole.assistant else "",
        tools=tools,
    )


def _first_moment(*values: object) -> datetime | None:
    return next((at for at in map(moment, values) if at), None)


def _name(*ids: str | int | None) -> str:
    return next((str(name) for name in ids if name not in (None, "")), "")


def canonical(raw: bytes) -> bytes:
    """The JSON of a value with sorted keys and no white space; other bytes as they are."""
    value = decode(raw, _anything)
    return (
        raw
        if isinstance(value, UnreadableRecord)
        else msgspec.json.encode(value, order="deterministic")
    )


def parts_of(message: DialogueMessage) -> list[str | ContentPart]:
    return [message.content] if isinstance(message.content, str) else message.content or []


def text_of(parts: list[str | ContentPart], refusal: str | None = None) -> str:
    texts = [part if isinstance(part, str) else (part.text or part.refusal or "") for part in parts]
    return join_texts((*texts, refusal))


def _attachments(parts: list[str | ContentPart]) -> tuple[str, ...]:
    """A name for each part that is not text."""
    return tuple(
        _attachment(part)
        for part in parts
        if isinstance(part, ContentPart) and part.text is None and part.refusal is None
    )


def _attachment(part: ContentPart) -> str:
    file = part.file or _File(filename=part.filename, file_id=part.file_id)
    url = part.image_url.url if isinstance(part.image_url, _Address) else part.image_url
    address = "" if not url or url.startswith("data:") else url
    return file.filename or file.file_id or address or part.type or ""


def calls_of(message: DialogueMessage) -> tuple[ToolCall, ...]:
    functions = [(call.id, call.function or call.custom) for call in message.tool_calls or []]
    older = [(None, message.function_call)] if message.function_call else []
    return tuple(
        ToolCall(id=call_id or "", name=function.name or "", arguments=_arguments(function))
        for call_id, function in (*functions, *older)
        if function
    )


def _arguments(function: _Function) -> str:
    """JSON text: the arguments as they were written, or a value of another type in JSON."""
    arguments = function.input if function.arguments is None else function.arguments
    if isinstance(arguments, str) and function.input is None:
        return arguments
    return msgspec.json.encode({} if arguments is None else arguments).decode()
