"""LiteLLM's logs of calls: one `StandardLoggingPayload` a line, or a document of them, as the
proxy's loggers write it.

The specification is LiteLLM's logging specification of the proxy. What it promises:

* It is traffic of an API, so the surface is `api`, which the published terms leave out of every
  use; an operator whose proxy stands behind an app of their own says otherwise at the import.
* The account of a call: ``end_user``, else the end user of the key, else the ``user`` that the
  caller named, else the owner of the key.
* Whatever asks not to be logged (``no-log`` or ``turn_off_message_logging``, wherever it stands)
  makes the whole call Skipped, as does text that the proxy redacted. No mark of any kind makes more
  of a call usable.
* Each call repeats the earlier messages. Calls of one session (``litellm_session_id``,
  ``session_id``, else ``trace_id``) are one conversation, and a message is named by the hash of its content and by
  how often that occurred before in its call: so what is repeated is one turn, however much of it a
  later call still holds. A call without a session is a conversation of its own.
* `system` and `developer` are the host's instructions, with the tools that the call offered
  (`tools` or `functions` of its `model_parameters`), behind the person's words. Of several answers
  the first is read. A call whose messages are no dialogue (an embedding, an image) is Skipped.
* ``startTime`` is written without a zone by most loggers, and a zone is never guessed: the time is
  that of the answer (``created``), which is in epoch seconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import chain

import msgspec

from licet.intake import json_stream
from licet.intake.lines import Source, head
from licet.intake.messages import Dialogue, read_message, with_instructions
from licet.intake.read_turn import BrokenRecord, Read, ReadTurn, SkippedRecord
from licet.intake.records import (
    Pass,
    Setting,
    UnreadableRecord,
    decode,
    empty_record,
    moment,
    read_each,
    stable_id,
)
from licet.plugins.offered_tools import offered_text
from licet.policy.state import ConversationKind

name = "litellm"

HEAD_LINES_MAX = 20
FLAGS_DEPTH_MAX = 4

_NO_LOG = frozenset({"no-log", "no_log", "turn_off_message_logging"})
_OFF = (None, False, 0, "", "false", "False", "0")
_REDACTED = "redacted-by-litellm"
_SESSIONS = ("litellm_session_id", "session_id")


class _Choice(msgspec.Struct):
    message: msgspec.Raw = msgspec.Raw()


class _Response(msgspec.Struct):
    created: object = None
    model: str | None = None
    choices: list[_Choice] | None = None


class _Call(msgspec.Struct):
    id: str | None = None
    trace_id: str | None = None
    startTime: object = None
    model: str | None = None
    end_user: str | int | None = None
    messages: msgspec.Raw = msgspec.Raw()
    response: msgspec.Raw = msgspec.Raw()
    metadata: dict[str, object] | None = None
    model_parameters: dict[str, object] | None = None
    litellm_params: dict[str, object] | None = None
    standard_callback_dynamic_params: dict[str, object] | None = None
    no_log: object = msgspec.field(name="no-log", default=None)
    turn_off_message_logging: object = None


_call = msgspec.json.Decoder(_Call)
_list: msgspec.json.Decoder[list[msgspec.Raw]] = msgspec.json.Decoder(list[msgspec.Raw])
_response: msgspec.json.Decoder[_Response | None] = msgspec.json.Decoder(_Response | None)
_identity = msgspec.json.Encoder(order="deterministic")


def recognises(path: Source, head: bytes) -> bool:
    return _is_call(json_stream.first_keys(head)) or _is_line_format(head)


def read(path: Source, one_pass: Pass | None = None) -> Iterator[Read]:
    one_pass = one_pass or Pass()
    records = json_stream.records(path, one_pass.progress, by_lines=_is_lines(path))
    yield from read_each(records, _call, partial(_read_call, one_pass=one_pass))


def _is_call(keys: frozenset[bytes]) -> bool:
    return b"call_type" in keys and bool(keys & {b"id", b"messages", b"startTime"})


def _is_line_format(head: bytes) -> bool:
    first_lines = head.split(b"\n", HEAD_LINES_MAX)[:HEAD_LINES_MAX]
    return any(_is_call(json_stream.keys(line)) for line in first_lines)


def _is_lines(path: Source) -> bool:
    try:
        return _is_line_format(head(path))
    except OSError:
        return False  # deleted since it was recognised: reading it reports that


def _read_call(place: str, call: _Call, raw: bytes, one_pass: Pass) -> Iterator[Read]:
    if _is_unlogged(call):
        yield SkippedRecord(place=place, reason="a call that asks not to be logged")
        return
    messages = decode(bytes(call.messages) or b"null", _list)
    if isinstance(messages, UnreadableRecord) or not all(
        bytes(message).startswith(b"{") for message in messages
    ):
        yield SkippedRecord(place=place, reason="a call that is no dialogue")
        return
    response = decode(bytes(call.response) or b"null", _response)
    answer = response if isinstance(response, _Response) else _Response()
    dialogue = Dialogue(
        Setting(
            _session(call) or stable_id(raw),
            kind=ConversationKind.chat,
            surface="api",
            host_account=_account(call),
        ),
        at=moment(call.startTime) or moment(answer.created),
        model=answer.model or call.model or "",
    )
    choices = [
        bytes(choice.message)
        for choice in answer.choices or []
        if bytes(choice.message) not in (b"", b"null")
    ]
    recorded = [
        (f"{place}.messages[{index}]", bytes(message)) for index, message in enumerate(messages)
    ]
    recorded += [(f"{place}.response.choices[0]", message) for message in choices[:1]]
    parameters = call.model_parameters or {}
    dialogue.offered = offered_text(parameters.get("tools") or parameters.get("functions"))
    times: Counter[str] = Counter()
    if isinstance(response, UnreadableRecord):
        yield _unread_answer(place, bytes(call.response), response)
    read = chain.from_iterable(
        read_message(turn_place, dialogue, "", message) for turn_place, message in recorded
    )
    for item in with_instructions(f"{place}.model_parameters", dialogue, read):
        yield _with_content_id(item, times, one_pass) if isinstance(item, ReadTurn) else item
    if choices[1:]:
        yield SkippedRecord(place=place, reason="other answers to the same call")
    if not recorded and not isinstance(response, UnreadableRecord):
        yield empty_record(place)


def _unread_answer(place: str, raw: bytes, record: UnreadableRecord) -> Read:
    if raw.startswith(b"{"):
        return BrokenRecord(place=place, message=record.message)
    return SkippedRecord(place=place, reason="an answer that is no message")


def _with_content_id(turn: ReadTurn, times: Counter[str], one_pass: Pass) -> Read:
    """The turn with an id from its content; Skipped if it is redacted, or already in this pass."""
    content = turn.content
    if _REDACTED in content.text:
        return SkippedRecord(place=turn.place, reason="redacted by the proxy")
    calls = [(call.id, call.name, call.arguments) for call in content.tool_calls]
    tools = [content.tools] if content.tools else []
    content_id = stable_id(
        _identity.encode(
            (turn.role, content.text, calls, content.tool_call_id, content.attachments, *tools)
        )
    )
    times[content_id] += 1
    host_turn = content_id if times[content_id] == 1 else f"{content_id}#{times[content_id]}"
    identity = f"{turn.host_account}\n{turn.host_conversation}\n{host_turn}"
    if identity in one_pass.seen:
        return SkippedRecord(
            place=turn.place, reason="a repetition of what was said in an earlier call"
        )
    one_pass.seen.note(identity)
    return msgspec.structs.replace(turn, host_turn=host_turn)


def _is_unlogged(call: _Call) -> bool:
    places = (
        call.metadata,
        call.model_parameters,
        call.litellm_params,
        call.standard_callback_dynamic_params,
    )
    return any(value not in _OFF for value in (call.no_log, call.turn_off_message_logging)) or any(
        _has_flag(place, FLAGS_DEPTH_MAX) for place in places
    )


def _has_flag(value: object, depth: int) -> bool:
    if not isinstance(value, dict) or depth == 0:
        return False
    return any(
        (key in _NO_LOG and flag not in _OFF) or _has_flag(flag, depth - 1)
        for key, flag in value.items()
    )


def _session(call: _Call) -> str:
    metadata = call.metadata or {}
    requester = metadata.get("requester_metadata")
    values = [
        place.get(key)
        for place in (metadata, requester)
        if isinstance(place, dict)
        for key in _SESSIONS
    ]
    return next(
        (value for value in (*values, call.trace_id, call.id) if isinstance(value, str) and value),
        "",
    )


def _account(call: _Call) -> str:
    metadata, parameters = call.metadata or {}, call.model_parameters or {}
    candidates = (
        call.end_user,
        metadata.get("user_api_key_end_user_id"),
        parameters.get("user"),
        metadata.get("user_api_key_user_id"),
    )
    return next(
        (
            str(candidate)
            for candidate in candidates
            if isinstance(candidate, str | int) and candidate != ""
        ),
        "",
    )
