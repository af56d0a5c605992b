"""The turns that one model call adds to its conversation: the messages since the last answer, and
the answer.

A call repeats the earlier messages of its conversation. Only its end is recorded: earlier messages
were recorded with their own call, or must not be, because that call was marked, refused at the
gate, or made while Licet was unreachable.

A turn's id is the hash of its content and of the number of its earlier occurrences in the call.
`licet import` computes the same ids from the proxy's log, so neither a repeated call nor a later
import adds a turn. If the operator wants them recorded, the call's `system` and `developer`
messages and offered tools are turns of the role `system`, after the person's message, because the
permission is the person's. Of several answers, the first is recorded.

A call is not recorded if its request has a mark anywhere (`no-log`, `turn_off_message_logging`, a
redaction header, `incognito`, `keep_out`) or if the proxy redacted its content. No mark widens
recording.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b

import msgspec

from licet.client import ConversationTurn, ToolCallResult
from licet.plugins.offered_tools import offered_text

FLAGS_DEPTH_MAX = 12
FLAGS_PLACES_MAX = 10_000
MESSAGES_MAX = 10_000
TOOL_CALLS_MAX = 256
ATTACHMENTS_MAX = 100
NAME_CHARACTERS_MAX = 200

_MARKS = frozenset(
    {
        "no-log",
        "turn-off-message-logging",
        "litellm-enable-message-redaction",
        "x-litellm-enable-message-redaction",
        "incognito",
        "keep-out",
        "licet-incognito",
        "licet-keep-out",
        "x-licet-incognito",
        "x-licet-keep-out",
    }
)
# Content for the model, in which a word is not a mark.
_CONTENT_KEYS = frozenset(
    {"messages", "tools", "functions", "response", "response_format", "input", "prompt"}
)
_OFF = (None, False, 0, "", "false", "False", "0")
_REDACTED = "redacted-by-litellm"
_ROLES = {"user": "user", "assistant": "assistant", "tool": "tool", "function": "tool"}
INSTRUCTING = frozenset({"system", "developer"})
_identity = msgspec.json.Encoder(order="deterministic")

Message = Mapping[str, object]


class DialoguePlace(msgspec.Struct, frozen=True, kw_only=True):
    """The account and conversation of the turns. ``instructions``: system messages and offered
    tools are recorded.
    """

    account: str
    conversation: str
    surface: str
    model: str = ""
    instructions: bool = False


def is_marked(request: object) -> bool:
    """Whether a request has a mark against recording; True for one that is too deeply nested to
    check.
    """
    waiting: list[tuple[object, int]] = [(request, 0)]
    visited: set[int] = set()
    while waiting:
        message, depth = waiting.pop()
        if not isinstance(message, Mapping) or id(message) in visited:
            continue
        visited.add(id(message))
        if (
            depth > FLAGS_DEPTH_MAX
            or len(visited) > FLAGS_PLACES_MAX
            or any(_is_mark(*flag) for flag in message.items())
        ):
            return True
        waiting += [
            (value, depth + 1) for key, value in message.items() if key not in _CONTENT_KEYS
        ]
    return False


def _is_mark(key: object, value: object) -> bool:
    return str(key).lower().replace("_", "-") in _MARKS and not any(
        value is off or value == off for off in _OFF
    )


def new_turns(
    messages: object, answer: object, where: DialoguePlace, *, offered: object = None
) -> list[ConversationTurn] | None:
    """Returns the turns that a call adds, in order; None if its text was redacted or it is not a
    dialogue. ``offered``: the tools that it offers.
    """
    if (
        not isinstance(messages, Sequence)
        or isinstance(messages, str | bytes)
        or len(messages) > MESSAGES_MAX
    ):
        return None
    exchange = [*messages, *([answer] if isinstance(answer, Mapping) else [])]
    if not all(isinstance(message, Mapping) for message in exchange):
        return None
    begins = 1 + max(
        (place for place, message in enumerate(messages) if message.get("role") == "assistant"),
        default=-1,
    )
    times: Counter[str] = Counter()
    tools: dict[str, str] = {}
    turns, instructed, offers = [], [], offered_text(offered)
    for place, message in enumerate(exchange):
        instructs = str(message.get("role")) in INSTRUCTING
        turn = (
            _instruction_turn(message, where, offers)
            if instructs and where.instructions
            else _to_turn(message, where, tools)
        )
        if turn is None:
            continue
        if _REDACTED in turn.text or any(_REDACTED in call.arguments for call in turn.tool_calls):
            return None
        offers = "" if instructs else offers
        named = _with_id(turn, times)
        if instructs:
            instructed.append(named)
        elif place >= begins:
            turns.append(named)
    if where.instructions and offers and (alone := _instruction_turn({}, where, offers)):
        instructed.append(_with_id(alone, times))
    behind = 1 + next((place for place, turn in enumerate(turns) if turn.role == "user"), -1)
    return [*turns[:behind], *instructed, *turns[behind:]] if turns else []


def _with_id(turn: ConversationTurn, times: Counter[str]) -> ConversationTurn:
    """Returns the turn with its id: hash of its content, and number of the occurrence in the
    call.
    """
    digest = content_hash(turn)
    times[digest] += 1
    return _shorten_names(
        msgspec.structs.replace(
            turn, id=digest if times[digest] == 1 else f"{digest}#{times[digest]}"
        )
    )


def _instruction_turn(
    message: Message, place: DialoguePlace, tools: str
) -> ConversationTurn | None:
    """Returns the turn of an instruction and the offered tools; None without either."""
    text = "\n".join(part for part in map(_part_text, _parts(message)) if part.strip())
    if not text and not tools:
        return None
    return ConversationTurn(
        account=place.account,
        conversation=place.conversation,
        surface=place.surface,
        role="system",
        text=text,
        origin="system",
        tools=tools,
    )


def content_hash(turn: ConversationTurn) -> str:
    """Returns the hash of a turn's content."""
    calls = [(call.id, call.name, call.arguments) for call in turn.tool_calls]
    content = (
        turn.role,
        turn.text,
        calls,
        turn.tool_call_id,
        turn.attachments,
        *([turn.tools] if turn.tools else []),
    )
    return blake2b(_identity.encode(content), digest_size=16).hexdigest()


def _to_turn(
    message: Message, place: DialoguePlace, tools: dict[str, str]
) -> ConversationTurn | None:
    """Converts a message in OpenAI's format; None for an unknown role or an empty message."""
    role = _ROLES.get(str(message.get("role")))
    if role is None:
        return None
    parts = _parts(message)
    calls = tuple(_calls(message))
    tools.update({call.id: call.name for call in calls})
    call_id = _text(message.get("tool_call_id")) if role == "tool" else ""
    text = "\n".join(
        message
        for message in (*map(_part_text, parts), _text(message.get("refusal")))
        if message.strip()
    )
    attachments = tuple(
        _attachment(message)
        for message in parts
        if isinstance(message, Mapping) and not _part_text(message)
    )
    if role != "tool" and not (text or calls or attachments):
        return None
    origin = "typed" if text else "upload"
    return ConversationTurn(
        account=place.account,
        conversation=place.conversation,
        surface=place.surface,
        role=role,
        text=text,
        origin=origin if role == "user" else role,
        tool_calls=calls,
        tool_call_id=call_id,
        attachments=attachments,
        tool_name=(_text(message.get("name")) or tools.get(call_id, "")) if role == "tool" else "",
        model=place.model if role == "assistant" else "",
    )


def _parts(message: Message) -> list[object]:
    content = message.get("content")
    return (
        [content]
        if isinstance(content, str)
        else list(content)
        if isinstance(content, Sequence)
        else []
    )


def _shorten_names(turn: ConversationTurn) -> ConversationTurn:
    """Cuts names and lists to the API's limits."""
    return msgspec.structs.replace(
        turn,
        tool_calls=turn.tool_calls[:TOOL_CALLS_MAX],
        attachments=tuple(
            message[:NAME_CHARACTERS_MAX] for message in turn.attachments[:ATTACHMENTS_MAX]
        ),
        tool_name=turn.tool_name[:NAME_CHARACTERS_MAX],
        model=turn.model[:NAME_CHARACTERS_MAX],
    )


def _part_text(part: object) -> str:
    if isinstance(part, Mapping):
        return _text(part.get("text")) or _text(part.get("refusal"))
    return _text(part)


def _attachment(part: Message) -> str:
    """Names a part that is not text, without its bytes."""
    file, image = part.get("file"), part.get("image_url")
    named: Message = file if isinstance(file, Mapping) else part
    url = _text(image.get("url")) if isinstance(image, Mapping) else _text(image)
    address = "" if url.startswith("data:") else url
    return (
        _text(named.get("filename"))
        or _text(named.get("file_id"))
        or address
        or _text(part.get("type"))
    )


def _calls(message: Message) -> Iterator[ToolCallResult]:
    calls = message.get("tool_calls")
    older = message.get("function_call")
    for call in calls if isinstance(calls, Sequence) else []:
        function = (
            (call.get("function") or call.get("custom")) if isinstance(call, Mapping) else None
        )
        if isinstance(function, Mapping):
            yield ToolCallResult(
                id=_text(call.get("id")),
                name=_text(function.get("name")),
                arguments=_arguments(function),
            )
    if isinstance(older, Mapping):
        yield ToolCallResult(id="", name=_text(older.get("name")), arguments=_arguments(older))


def _arguments(function: Message) -> str:
    """Returns the arguments as JSON text; text stays unchanged."""
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        return arguments
    arguments = function.get("input") if arguments is None else arguments
    return msgspec.json.encode({} if arguments is None else arguments).decode()


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
