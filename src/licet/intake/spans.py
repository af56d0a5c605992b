"""Reads a span of a model call: its account, its conversation, and the turns that it adds.

Read are the GenAI semantic conventions of OpenTelemetry (`gen_ai.conversation.id`,
`gen_ai.input.messages`, `gen_ai.output.messages`, on the span or on its
`gen_ai.client.inference.operation.details`), their older forms (`gen_ai.prompt.N..`, events
`gen_ai.user.message` and its like) and OpenInference (`llm.input_messages.N.message..`,
`session.id`).

* The account is `enduser.id`, else `user.id`, of the span, else of the resource. A span without
  one is Dropped.
* The conversation is `gen_ai.conversation.id`, else `session.id`, else the trace.
* A call repeats earlier messages; `plugins.dialogue` says what it adds, and names each turn by its
  content. So a repeated span, a nested span of the same call, and the history in a later one add
  nothing.
* `system` messages, `gen_ai.system_instructions` and the tools on offer (`gen_ai.tool.definitions`,
  `llm.tools.N..`, older `llm.request.functions.N..`) are one turn of the role `system` if the
  resource says `licet.instructions`, else left out, as reasoning is.
* A span that the sender redacted (`__REDACTED__`), or marked with an attribute such as
  `licet.keep_out`, is Dropped.
* The surface is `api`, which the published terms leave out of every use, unless the resource says
  `licet.surface`: it is set by the sender's operator, and a span cannot.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum

import msgspec

from licet.client import ConversationTurn
from licet.intake.otlp import OtlpSpan, Values
from licet.intake.records import UnreadableRecord, decode
from licet.masked import Masked
from licet.plugins.dialogue import MESSAGES_MAX, DialoguePlace, is_marked, new_turns

Message = Mapping[str, object]

_OPENINFERENCE_REDACTED = "__REDACTED__"
_MODEL_CALL = ("gen_ai.", "llm.")
_OTHER_OPERATIONS = frozenset({"embeddings", "execute_tool", "create_agent", "retrieval"})
_OTHER_KINDS = frozenset({"EMBEDDING", "TOOL", "RETRIEVER", "RERANKER", "GUARDRAIL", "EVALUATOR"})
_DETAILS = "gen_ai.client.inference.operation.details"
_EVENT = re.compile(r"gen_ai\.(system|user|assistant|tool)\.message")
_SURFACE = re.compile(r"[a-z][a-z0-9_.-]{0,31}")
_NARROWING = "licet."
LIST_CHARACTERS_MAX = 8 * 2**20
LIST_BRACKETS_MAX = 200_000
_ASKING = ("user", "tool", "function")
_anything = msgspec.json.Decoder()


class DropReason(StrEnum):
    """Why a span is dropped; most spans of an application are not model calls."""

    no_model_call = "no_model_call"
    marked = "marked"
    no_account = "no_account"
    no_content = "no_content"
    redacted = "redacted"


class ModelCall(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """``account`` is the host's own id; ``started_at`` is by the sender's clock."""

    account: str
    started_at: datetime
    turns: tuple[ConversationTurn, ...]


def parse_model_call(span: OtlpSpan) -> ModelCall | DropReason:
    if not _is_model_call(span.attributes):
        return DropReason.no_model_call
    if is_marked(
        {
            key.removeprefix(_NARROWING): value
            for key, value in span.attributes.items()
            if key.startswith(_NARROWING)
        }
    ):
        return DropReason.marked
    account = _name(span, "enduser.id", "user.id")
    if not account:
        return DropReason.no_account
    messages, answer = _call_messages(span)
    if any(map(_is_redacted, [*messages, answer])):
        return DropReason.redacted
    if not any(message.get("role") in _ASKING for message in messages):
        return DropReason.no_content
    instructions, offered = _instructions(span)
    turns = new_turns(
        [*instructions, *messages], answer, _dialogue_place(span, account), offered=offered
    )
    if turns is None:
        return DropReason.redacted
    return (
        ModelCall(account=account, started_at=span.started_at, turns=tuple(turns))
        if turns
        else DropReason.no_content
    )


def _is_model_call(values: Values) -> bool:
    if (
        values.get("gen_ai.operation.name") in _OTHER_OPERATIONS
        or values.get("openinference.span.kind") in _OTHER_KINDS
    ):
        return False
    return any(key.startswith(_MODEL_CALL) for key in values)


def _dialogue_place(span: OtlpSpan, account: str) -> DialoguePlace:
    surface = span.resource.get("licet.surface")
    models = ("gen_ai.response.model", "gen_ai.request.model", "llm.model_name")
    return DialoguePlace(
        account=f"host:{account}",
        model=next((m for m in map(span.attributes.get, models) if isinstance(m, str)), ""),
        conversation="host:"
        + (_name(span, "gen_ai.conversation.id", "session.id") or span.trace_id),
        surface=surface if isinstance(surface, str) and _SURFACE.fullmatch(surface) else "api",
        instructions=span.resource.get("licet.instructions") in (True, "true"),
    )


def _name(span: OtlpSpan, *keys: str) -> str:
    names = (place.get(key) for place in (span.attributes, span.resource) for key in keys)
    return next((str(name) for name in names if isinstance(name, str | int) and str(name)), "")


def _is_redacted(message: Message) -> bool:
    content = message.get("content")
    parts = content if isinstance(content, list) else [{"text": content}]
    return any(
        isinstance(part, Mapping) and part.get("text") == _OPENINFERENCE_REDACTED for part in parts
    )


def _call_messages(span: OtlpSpan) -> tuple[list[Message], Message]:
    """The messages of a call, and the first of its answers, in the shape of OpenAI's; either may be
    empty.
    """
    values = _values(span)
    questions, answered = (
        _message_list(values.get(f"gen_ai.{side}.messages")) for side in ("input", "output")
    )
    if not questions and not answered:
        questions, answered = (
            list(map(_openinference, _unflatten_list(values, f"llm.{side}_messages.", "message.")))
            for side in ("input", "output")
        )
    if not questions and not answered:
        questions, answered = (
            list(map(_older, _unflatten_list(values, f"gen_ai.{side}.")))
            for side in ("prompt", "completion")
        )
    if not questions and not answered:
        questions, answered = _from_events(span)
    messages = [part for message in questions for part in _split_parts(message)]
    first = list(_split_parts({"role": "assistant", **answered[0]})) if answered else []
    return messages, first[-1] if first else {}


def _values(span: OtlpSpan) -> Values:
    values = dict(span.attributes)
    for event in span.events:
        if event.name == _DETAILS:
            values.update(event.attributes)
    return values


def _instructions(span: OtlpSpan) -> tuple[list[Message], list[Message]]:
    """The instructions apart from the messages, and the tools offered."""
    values = _values(span)
    given = values.get("gen_ai.system_instructions")
    parts = _message_list(given) or (
        [{"type": "text", "content": given}] if isinstance(given, str) and given else []
    )
    instructions = list(_split_parts({"role": "system", "parts": parts})) if parts else []
    offered = _message_list(values.get("gen_ai.tool.definitions")) or [
        tool
        for described in _unflatten_list(values, "llm.tools.", "tool.")
        for tool in _message_list(f"[{described.get('json_schema', '')}]")
    ]
    functions = map(_older_function, _unflatten_list(values, "llm.request.functions."))
    return instructions, offered or list(functions)


def _older_function(values: Values) -> Message:
    """A function with its parameters as an object, which the older form has as JSON text."""
    parameters = values.get("parameters")
    read = _message_list(f"[{parameters}]") if isinstance(parameters, str) else []
    return {**values, "parameters": read[0]} if read else values


def _message_list(value: object) -> list[Message]:
    """The messages in a list, or in its JSON text; none if the text is too large."""
    if isinstance(value, str):
        if (
            len(value) > LIST_CHARACTERS_MAX
            or value.count("{") + value.count("[") > LIST_BRACKETS_MAX
        ):
            return []
        read = decode(value.encode(errors="replace"), _anything)
        value = [] if isinstance(read, UnreadableRecord) else read
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


# The semantic conventions


def _split_parts(message: Message) -> Iterator[Message]:
    """Converts a message with ``parts`` to OpenAI's format; each reply of a tool becomes
    a message.
    """
    parts = message.get("parts")
    if not isinstance(parts, list):
        yield message
        return
    content, calls = list[object](), list[object]()
    for part in parts:
        if not isinstance(part, Mapping):
            continue
        match part.get("type"):
            case "text":
                content.append({"type": "text", "text": part.get("content")})
            case "tool_call":
                calls.append({"id": part.get("id"), "function": part})
            case "tool_call_response":
                reply = part.get("response", part.get("result"))
                yield {"role": "tool", "tool_call_id": part.get("id"), "content": _text(reply)}
            case "reasoning" | "thinking":
                pass
            case kind:
                content.append(
                    {
                        "type": part.get("modality") or kind,
                        "file_id": part.get("file_id"),
                        "image_url": part.get("uri"),
                    }
                )
    if message.get("role") != "tool" and (content or calls):
        yield {
            "role": message.get("role"),
            "content": content,
            "tool_calls": calls,
            "name": message.get("name"),
        }


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


# OpenInference, and the older forms: lists that are flattened into names


def _unflatten_list(values: Values, prefix: str, inner: str = "") -> list[Values]:
    """The objects of a flattened list, in order: `prefix` N `.` `inner` key."""
    items: dict[int, Values] = {}
    for key, value in values.items():
        if not key.startswith(prefix):
            continue
        number, _, name = key.removeprefix(prefix).partition(".")
        if number.isdecimal() and len(number) <= 5 and name.startswith(inner):
            items.setdefault(int(number), {})[name.removeprefix(inner)] = value
    return [items[number] for number in sorted(items)[: MESSAGES_MAX + 1]]


def _openinference(message: Values) -> Message:
    content: object = message.get("content")
    parts = _unflatten_list(message, "contents.", "message_content.")
    if parts:
        content = [
            {
                "type": part.get("type"),
                "text": part.get("text"),
                "image_url": part.get("image.image.url"),
            }
            for part in parts
        ]
    calls = [
        {
            "id": call.get("id"),
            "function": {
                "name": call.get("function.name"),
                "arguments": call.get("function.arguments"),
            },
        }
        for call in _unflatten_list(message, "tool_calls.", "tool_call.")
    ]
    return {
        "role": message.get("role"),
        "content": content,
        "tool_calls": calls,
        "tool_call_id": message.get("tool_call_id"),
        "name": message.get("name"),
    }


def _older(message: Values) -> Message:
    calls = [
        {"id": call.get("id"), "function": call} for call in _unflatten_list(message, "tool_calls.")
    ]
    return {**message, "tool_calls": calls}


def _from_events(span: OtlpSpan) -> tuple[list[Message], list[Message]]:
    """One message per event, from its attributes or from the JSON in `gen_ai.event.content`."""
    questions, answered = list[Message](), list[Message]()
    for event in span.events:
        named = _EVENT.fullmatch(event.name)
        if named is None and event.name != "gen_ai.choice":
            continue
        body = event.attributes
        content = _message_list(
            f"[{body['gen_ai.event.content']}]" if "gen_ai.event.content" in body else None
        )
        body = {**body, **content[0]} if content else body
        if named is None:
            inner = body.get("message")
            answered.append({**body, **inner} if isinstance(inner, Mapping) else body)
        else:
            questions.append({"role": named[1], "tool_call_id": body.get("id"), **body})
    return questions, answered
