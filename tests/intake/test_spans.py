"""What a span says: the same in protobuf and in JSON, nothing that nobody said, and never an error
for what it holds.
"""

from __future__ import annotations

import contextlib
import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from licet.errors import UsageError
from licet.intake import otlp, spans
from licet.intake.otlp import EPOCH, Encoding, OtlpSpan
from licet.intake.spans import DropReason, ModelCall
from licet.vault.content import offered_tools

BASE = {"gen_ai.operation.name": "chat", "enduser.id": "ana"}


def span(attributes: dict[str, Any], resource: dict[str, Any] | None = None) -> OtlpSpan:
    return OtlpSpan(
        trace_id="a" * 32,
        span_id="b" * 16,
        started_at=EPOCH,
        attributes=attributes,
        events=(),
        resource=resource or {},
    )


def parts(role: str, *said: Any) -> dict[str, Any]:
    return {
        "role": role,
        "parts": [
            {"type": "text", "content": one} if isinstance(one, str) else one for one in said
        ],
    }


def turns(
    attributes: dict[str, Any], resource: dict[str, Any] | None = None
) -> list[tuple[str, str]]:
    call = spans.parse_model_call(span(attributes, resource))
    assert isinstance(call, ModelCall), call
    return [(turn.role, turn.text) for turn in call.turns]


def call(*asked: dict[str, Any], answer: dict[str, Any] | None = None) -> dict[str, Any]:
    answers = [answer] if answer else []
    return {
        **BASE,
        "gen_ai.input.messages": json.dumps(asked),
        "gen_ai.output.messages": json.dumps(answers),
    }


def test_reasoning_and_instructions_are_left_out_and_several_answers_are_the_first() -> None:
    attributes = call(parts("system", "Be brief."), parts("user", "When?")) | {
        "gen_ai.system_instructions": "Be brief.",
        "gen_ai.output.messages": json.dumps(
            [
                parts("assistant", {"type": "reasoning", "content": "Hm."}, "In November."),
                parts("assistant", "In May."),
            ]
        ),
    }
    assert turns(attributes) == [("user", "When?"), ("assistant", "In November.")]


TOOL = {"name": "weather", "description": "The weather of a city", "parameters": {"type": "object"}}
RECORDS = {"licet.instructions": True}


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.system_instructions": json.dumps([{"type": "text", "content": "Be brief."}])}
        | {"gen_ai.tool.definitions": json.dumps([{"type": "function", **TOOL}])},
        {"gen_ai.system_instructions": "Be brief."}
        | {
            f"llm.request.functions.0.{key}": one if isinstance(one, str) else json.dumps(one)
            for key, one in TOOL.items()
        },
        {"gen_ai.system_instructions": "Be brief."}
        | {"llm.tools.0.tool.json_schema": json.dumps({"type": "function", "function": TOOL})},
    ],
)
def test_instructions_and_tools_are_a_turn_where_the_resource_says_so(
    attributes: dict[str, Any],
) -> None:
    asked = call(parts("user", "When?"), answer=parts("assistant", "In May.")) | attributes
    assert (
        turns(asked)
        == turns(asked, {"licet.instructions": "no"})
        == [("user", "When?"), ("assistant", "In May.")]
    )
    read = spans.parse_model_call(span(asked, RECORDS))
    assert isinstance(read, ModelCall)
    told = read.turns[1]
    assert (told.role, told.text) == ("system", "Be brief.")
    assert offered_tools(told.tools) == [{"type": "function", "function": TOOL}]


def test_a_list_of_tools_is_read_in_the_shapes_that_hosts_send_and_in_no_other() -> None:
    anthropic = {
        "name": "weather",
        "description": TOOL["description"],
        "input_schema": TOOL["parameters"],
    }
    for one in (TOOL, {"type": "function", "function": TOOL}, anthropic):
        assert offered_tools(json.dumps([one])) == [{"type": "function", "function": TOOL}]
    for broken in (
        "",
        "{}",
        "[1]",
        '[{"type":"function"}]',
        '[{"function":{"name":""}}]',
        "[" * 100_000,
    ):
        assert offered_tools(broken) is None


def test_messages_may_be_a_structure_and_files_are_named_and_never_their_bytes() -> None:
    image = {"type": "blob", "modality": "image", "content": "aGVsbG8="}
    read = spans.parse_model_call(
        span(
            {
                **BASE,
                "gen_ai.input.messages": [parts("user", image, {"type": "file", "file_id": "f1"})],
            }
        )
    )
    assert isinstance(read, ModelCall)
    assert [(turn.origin, turn.attachments) for turn in read.turns] == [("upload", ("image", "f1"))]


def test_replies_of_several_tools_in_one_message_are_turns_of_their_own() -> None:
    replies = [{"type": "tool_call_response", "id": n, "response": n} for n in ("1", "2")]
    asked = parts(
        "assistant",
        *({"type": "tool_call", "id": n, "name": f"t{n}", "arguments": None} for n in ("1", "2")),
    )
    read = spans.parse_model_call(
        span(
            call(
                parts("user", "?"),
                asked,
                {"role": "tool", "parts": replies},
                answer=parts("assistant", "!"),
            )
        )
    )
    assert isinstance(read, ModelCall)
    assert [(turn.role, turn.text, turn.tool_name) for turn in read.turns] == [
        ("tool", "1", "t1"),
        ("tool", "2", "t2"),
        ("assistant", "!", ""),
    ]


def test_openinference_content_items_and_tool_calls_are_read() -> None:
    flat = {
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.contents.0.message_content.type": "text",
        "llm.input_messages.0.message.contents.0.message_content.text": "What is this?",
        "llm.input_messages.0.message.contents.1.message_content.type": "image",
        "llm.input_messages.0.message.contents.1.message_content.image.image.url": "data:image/png;base64,aGVsbG8=",
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.tool_calls.0.tool_call.id": "1",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "look",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": '{"at":1}',
    }
    read = spans.parse_model_call(span({"user.id": 7, "session.id": "s", **flat}))
    assert isinstance(read, ModelCall)
    asked, answered = read.turns
    assert (read.account, asked.conversation, asked.text, asked.attachments) == (
        "7",
        "host:s",
        "What is this?",
        ("image",),
    )
    assert [(one.id, one.name, one.arguments) for one in answered.tool_calls] == [
        ("1", "look", '{"at":1}')
    ]


def test_an_account_of_the_resource_counts_where_the_span_names_none_and_the_trace_is_a_conversation() -> (
    None
):
    attributes = call(parts("user", "?")) | {"enduser.id": ""}
    read = spans.parse_model_call(span(attributes, {"user.id": "ana", "licet.surface": "app"}))
    assert isinstance(read, ModelCall)
    assert (read.account, read.turns[0].conversation, read.turns[0].surface) == (
        "ana",
        "host:" + "a" * 32,
        "app",
    )
    assert spans.parse_model_call(span(attributes)) is DropReason.no_account


@pytest.mark.parametrize("surface", [None, 1, "", "My App", "x" * 40])
def test_a_surface_that_is_no_name_is_an_api(surface: object) -> None:
    read = spans.parse_model_call(
        span(call(parts("user", "?")) | {"licet.surface": "app"}, {"licet.surface": surface})
    )
    assert isinstance(read, ModelCall)
    assert read.turns[0].surface == "api"


@pytest.mark.parametrize(
    "key", ["licet.keep_out", "licet.incognito", "licet.no-log", "licet.no_log"]
)
def test_an_attribute_of_ours_can_only_narrow(key: str) -> None:
    assert spans.parse_model_call(span(call(parts("user", "?")) | {key: True})) is DropReason.marked
    assert isinstance(
        spans.parse_model_call(span(call(parts("user", "?")) | {key: False})), ModelCall
    )


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
)
KEYS = [
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.prompt.0.role",
    "gen_ai.prompt.0.content",
    "enduser.id",
    "llm.input_messages.0.message.role",
    "llm.input_messages.0.message.contents.0.message_content.text",
    "gen_ai.x",
    "llm.input_messages.0.message.tool_calls.0.tool_call.id",
    "licet.keep_out",
    "gen_ai.conversation.id",
]


def any_value(value: Any) -> AnyValue:
    match value:
        case None:
            return AnyValue()
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case str():
            return AnyValue(string_value=value)
        case list():
            return AnyValue(array_value=ArrayValue(values=[any_value(one) for one in value]))
    pairs = [KeyValue(key=key, value=any_value(one)) for key, one in value.items()]
    return AnyValue(kvlist_value=KeyValueList(values=pairs))


def json_value(value: Any) -> Any:
    match value:
        case None:
            return {}
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case str():
            return {"stringValue": value}
        case list():
            return {"arrayValue": {"values": [json_value(one) for one in value]}}
    return {
        "kvlistValue": {
            "values": [{"key": key, "value": json_value(one)} for key, one in value.items()]
        }
    }


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), values, max_size=6))
def test_protobuf_and_json_are_read_alike_and_nothing_is_raised(attributes: dict[str, Any]) -> None:
    request = ExportTraceServiceRequest()
    one = (
        request.resource_spans.add()
        .scope_spans.add()
        .spans.add(
            trace_id=bytes(16), span_id=bytes(8), start_time_unix_nano=1_700_000_000_123_456_789
        )
    )
    for key, value in attributes.items():
        one.attributes.append(KeyValue(key=key, value=any_value(value)))
    written = {
        "traceId": "0" * 32,
        "spanId": "0" * 16,
        "startTimeUnixNano": "1700000000123456789",
        "attributes": [
            {"key": key, "value": json_value(value)} for key, value in attributes.items()
        ],
    }
    body = msgspec.json.encode({"resourceSpans": [{"scopeSpans": [{"spans": [written]}]}]})
    binary, text = (
        otlp.parse_spans(request.SerializeToString(), Encoding.protobuf),
        otlp.parse_spans(body, Encoding.json),
    )
    assert binary == text
    assert binary[0].started_at == EPOCH + timedelta(microseconds=1_700_000_000_123_456)
    assert spans.parse_model_call(binary[0]) is not None


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_a_usage_error(raw: bytes) -> None:
    for encoding in Encoding:
        with contextlib.suppress(UsageError):
            assert otlp.parse_spans(raw, encoding) is not None


def test_a_value_that_is_nested_without_end_is_cut_and_not_followed() -> None:
    deep: Any = "x"
    for _ in range(60):
        deep = [deep]
    body = {
        "resourceSpans": [
            {
                "scopeSpans": [
                    {"spans": [{"attributes": [{"key": "gen_ai.x", "value": json_value(deep)}]}]}
                ]
            }
        ]
    }
    (read,) = otlp.parse_spans(msgspec.json.encode(body), Encoding.json)
    assert str(read.attributes["gen_ai.x"]).count("[") == otlp.VALUE_DEPTH_MAX


@pytest.mark.parametrize("why", ["", "w" * 100, "w" * 300])
def test_the_answers_are_what_the_specification_says(why: str) -> None:
    made = ExportTraceServiceResponse.FromString(otlp.answer(Encoding.protobuf, 3, why))
    assert (made.partial_success.rejected_spans, made.partial_success.error_message) == (3, why)
    assert otlp.answer(Encoding.protobuf, 0, "") == b""
    assert json.loads(otlp.answer(Encoding.json, 0, "")) == {}
    length = len(why)
    size = bytes([length]) if length < 128 else bytes([length & 127 | 128, length >> 7])
    assert otlp.refusal(Encoding.protobuf, why) == b"\x12" + size + why.encode()
