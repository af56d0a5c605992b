"""Spans sent by the real OpenTelemetry exporter to a real server: what they add is kept once, by
the gate, or not at all.
"""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.protobuf.message import Message
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from licet.access.roles import Scope
from licet.errors import UsageError
from licet.intake import otlp
from licet.intake.otlp import SPANS_MAX, Encoding, UnpackedTooLargeError
from licet.store.connect import Pool
from licet.vault.commands import Choose, Delete, Narrow, Widen
from licet.web.access.limits import OTLP_BYTES_MAX, OTLP_INFLATED_BYTES_MAX

from .served import AFTER, NOTICE, World, listening

PATH = "/v1/otlp/v1/traces"
PLANTED = "the cat's name is Heliotrope"


class Sending:
    """An application that traces its model calls, its exporter, and the world that they arrive
    in.
    """

    def __init__(self, world: World, url: str) -> None:
        self.world, self.url, self.key = world, url, world.service(Scope.turns_write)
        self.exporter = OTLPSpanExporter(endpoint=f"{url}{PATH}", headers=self.key)
        self.spans: list[ReadableSpan] = []
        self.app = self.provider({"service.name": "chat", "licet.surface": "app"})

    def provider(self, resource: dict[str, str]) -> TracerProvider:
        keeping, provider = Keeping(self.spans), TracerProvider(resource=Resource(resource))
        provider.add_span_processor(SimpleSpanProcessor(keeping))
        return provider

    def call(
        self, *asked: Any, answer: Any = "In November.", after: timedelta = timedelta(), **more: Any
    ) -> None:
        """A call of a model at the world's moment, as the semantic conventions write it."""
        attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "mock",
            "enduser.id": "ana",
            "gen_ai.conversation.id": "c1",
            "gen_ai.input.messages": json.dumps([message(*one) for one in asked]),
            "gen_ai.output.messages": json.dumps([message("assistant", answer)]),
        }
        attributes |= {name.replace("__", "."): value for name, value in more.items()}
        self.span({name: value for name, value in attributes.items() if value is not None}, after)

    def span(
        self,
        attributes: dict[str, Any],
        after: timedelta = timedelta(),
        events: dict[str, Any] | None = None,
    ) -> None:
        begun = int((self.world.clock.now + after).timestamp()) * 10**9
        span = self.app.get_tracer("test").start_span(
            "chat mock", attributes=attributes, start_time=begun
        )
        for name, values in (events or {}).items():
            span.add_event(name, values)
        span.end(begun + 10**9)

    def export(self) -> SpanExportResult:
        result = self.exporter.export(self.spans)
        self.spans.clear()
        return result

    def post(
        self, body: bytes, kind: str = "application/x-protobuf", **headers: str
    ) -> httpx.Response:
        return httpx.post(
            f"{self.url}{PATH}", content=body, headers={**self.key, "content-type": kind, **headers}
        )

    def partial(self) -> tuple[int, str]:
        """What is said of the spans so far, as an exporter would read it."""
        answer = self.post(encode_spans(self.spans).SerializeToString())
        assert answer.status_code == 200, answer.text
        self.spans.clear()
        found = ExportTraceServiceResponse.FromString(answer.content).partial_success
        return found.rejected_spans, found.error_message.partition(";")[0]

    def kept(self, conversation: str = "c1", name: str = "ana") -> list[tuple[str, str]]:
        """The turns that are there, for their person."""
        read = httpx.get(
            f"{self.url}/v1/conversations/host:{conversation}/turns",
            headers=self.world.person(name),
        )
        return (
            [(turn["role"], turn["text"]) for turn in read.json()["items"]]
            if read.status_code == 200
            else []
        )


class Keeping(SpanExporter):
    def __init__(self, spans: list[ReadableSpan]) -> None:
        self.spans = spans

    def export(self, spans: Any) -> SpanExportResult:
        self.spans.extend(spans)
        return SpanExportResult.SUCCESS


def message(role: str, said: Any) -> dict[str, Any]:
    return {
        "role": role,
        "parts": [{"type": "text", "content": said}] if isinstance(said, str) else said,
    }


@pytest.fixture
def sending(pool: Pool, tmp_path: Path) -> Iterator[Sending]:
    world = World(pool, tmp_path / "data")
    world.clock.set(NOTICE)
    world.open("ana", allow=True)
    world.clock.set(NOTICE + timedelta(minutes=1))
    with listening(world.app) as url:
        yield Sending(world, url)


USED = [("user", PLANTED), ("assistant", "In November.")]


def test_the_exporters_spans_are_kept_as_turns_that_may_be_used(sending: Sending) -> None:
    sending.call(
        ("system", "Be brief."), ("user", PLANTED), gen_ai__system_instructions="Be brief."
    )
    assert sending.export() is SpanExportResult.SUCCESS
    assert sending.kept() == USED
    (mine,) = httpx.get(
        f"{sending.url}/v1/accounts/me/conversations", headers=sending.world.person("ana")
    ).json()["items"]
    assert (mine["badges"][0]["use"], mine["badges"][0]["because"]) == ("whole", "permitted")
    for table in ("blocks", "conversations"):
        assert PLANTED not in str(sending.world.rows(f"SELECT * FROM {table}"))


def test_a_span_that_comes_again_and_the_history_that_a_later_one_repeats_add_nothing(
    sending: Sending,
) -> None:
    sending.call(("user", PLANTED))
    again = list(sending.spans)
    sending.export()
    sending.spans.extend(again)
    sending.call(
        ("user", PLANTED), ("assistant", "In November."), ("user", "Thanks"), answer="Gladly."
    )
    # nested
    sending.call(
        ("user", PLANTED), ("assistant", "In November."), ("user", "Thanks"), answer="Gladly."
    )
    sending.export()
    assert sending.kept() == [*USED, ("user", "Thanks"), ("assistant", "Gladly.")]


def test_tool_calls_and_their_results_are_kept_with_who_said_them(sending: Sending) -> None:
    asked = [{"type": "tool_call", "id": "1", "name": "weather", "arguments": {"city": "Bonn"}}]
    replied = [{"type": "tool_call_response", "id": "1", "response": {"sky": "clear"}}]
    sending.call(("user", "Weather?"), answer=asked)
    sending.call(("user", "Weather?"), ("assistant", asked), ("tool", replied), answer="Clear.")
    sending.export()
    assert sending.kept() == [
        ("user", "Weather?"),
        ("assistant", ""),
        ("tool", '{"sky":"clear"}'),
        ("assistant", "Clear."),
    ]
    rows = sending.world.rows("SELECT role, origin FROM turns ORDER BY turn")
    assert rows == [
        ("user", "typed"),
        ("assistant", "assistant"),
        ("tool", "tool"),
        ("assistant", "assistant"),
    ]


def test_openinference_and_the_older_forms_say_the_same(sending: Sending) -> None:
    flat = {
        "session.id": "o",
        "user.id": "ana",
        "openinference.span.kind": "LLM",
        "llm.model_name": "mock",
    }
    for side, number, role, said in (
        ("input", 0, "system", "Be brief."),
        ("input", 1, "user", PLANTED),
        ("output", 0, "assistant", "In November."),
    ):
        flat |= {
            f"llm.{side}_messages.{number}.message.{key}": v
            for key, v in (("role", role), ("content", said))
        }
    sending.span(flat)
    sending.span(
        {
            "gen_ai.conversation.id": "p",
            "user.id": "ana",
            "gen_ai.prompt.0.role": "user",
            "gen_ai.prompt.0.content": PLANTED,
            "gen_ai.completion.0.role": "assistant",
            "gen_ai.completion.0.content": "In November.",
        }
    )
    base = {"gen_ai.operation.name": "chat", "user.id": "ana"}
    sending.span(
        base | {"gen_ai.conversation.id": "e"},
        events={
            "gen_ai.user.message": {"content": PLANTED},
            "gen_ai.choice": {
                "gen_ai.event.content": json.dumps(
                    {"index": 0, "message": {"content": "In November."}}
                )
            },
        },
    )
    sending.span(
        base | {"gen_ai.conversation.id": "d"},
        events={
            "gen_ai.client.inference.operation.details": {
                "gen_ai.input.messages": json.dumps([message("user", PLANTED)]),
                "gen_ai.output.messages": json.dumps([message("assistant", "In November.")]),
            }
        },
    )
    sending.export()
    assert [sending.kept(conversation) for conversation in "oped"] == [USED] * 4


def test_at_must_decide_nothing_of_a_span_is_taken_and_later_calls_do_not_bring_it_in(
    sending: Sending,
) -> None:
    sending.world.open("bo")
    sending.world.clock.set(AFTER)
    sending.call(("user", PLANTED), enduser__id="bo")
    assert sending.partial() == (1, "1 must_decide")
    sending.world.tell(Choose(account=sending.world.accounts["bo"], at=AFTER, allow=True))
    sending.world.clock.set(AFTER + timedelta(minutes=1))
    sending.call(
        ("user", PLANTED),
        ("assistant", "In November."),
        ("user", "Thanks"),
        answer="Gladly.",
        enduser__id="bo",
    )
    assert sending.partial() == (0, "")
    assert sending.kept(name="bo") == [("user", "Thanks"), ("assistant", "Gladly.")]


def test_what_was_said_before_a_yes_is_not_taken_after_it(sending: Sending) -> None:
    sending.call(("user", PLANTED), after=timedelta(hours=-1))
    assert sending.partial() == (1, "1 before_the_yes")
    account, at = sending.world.accounts["ana"], sending.world.clock.now
    sending.call(("user", "hello"), answer="Hi.")
    assert sending.partial() == (0, "")
    ((conversation,),) = sending.world.rows("SELECT conversation_id FROM conversations")
    sending.world.tell(Narrow(account=account, at=at, conversation=conversation))
    sending.world.clock.set(at + timedelta(minutes=2))
    sending.call(
        ("user", "hello"),
        ("assistant", "Hi."),
        ("user", PLANTED),
        answer="Yes.",
        after=timedelta(minutes=-1),
    )
    sending.world.tell(
        Widen(account=account, at=sending.world.clock.now, conversation=conversation)
    )
    assert sending.partial() == (1, "1 before_the_yes")
    assert sending.kept() == [("user", "hello"), ("assistant", "Hi.")]


def test_a_deleted_conversation_is_not_brought_back_by_its_spans(sending: Sending) -> None:
    sending.call(("user", PLANTED))
    again = list(sending.spans)
    sending.export()
    (row,) = sending.world.rows("SELECT account_id, conversation_id FROM conversations")
    sending.world.tell(Delete(account=row[0], at=sending.world.clock.now, conversation=row[1]))
    sending.spans.extend(again)
    assert sending.partial() == (0, "")  # known: it adds nothing
    sending.call(("user", PLANTED), ("assistant", "In November."), ("user", "Thanks"))
    assert sending.partial() == (1, "1 deleted")
    assert sending.world.rows("SELECT count(*) FROM turns") == [(2,)]


def test_what_is_not_taken_is_counted_by_reason_and_lies_nowhere(sending: Sending) -> None:
    sending.span({"http.request.method": "GET"})
    sending.span(
        {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "weather",
            "enduser.id": "ana",
        }
    )
    sending.call(("user", PLANTED), enduser__id=None)
    sending.call(("user", PLANTED), enduser__id="nobody we know")
    sending.call(answer=PLANTED)
    sending.call(("user", PLANTED), licet__keep_out=True)
    sending.call(("user", "__REDACTED__"), answer=PLANTED)
    sending.call(("user", PLANTED), gen_ai__conversation__id="c" * 600)
    rejected = "1 marked, 1 no_account, 1 no_content, 1 redacted, 1 unfit, 1 unknown_account"
    assert sending.partial() == (6, rejected)
    assert sending.world.rows("SELECT count(*) FROM turns") == [(0,)]
    shown = httpx.get(f"{sending.url}/metrics").text
    assert 'licet_otlp_spans_total{outcome="no_model_call"} 2.0' in shown
    assert 'licet_otlp_spans_total{outcome="no_account"} 1.0' in shown


def test_without_a_word_of_its_resource_a_span_is_traffic_of_an_api_and_never_used(
    sending: Sending,
) -> None:
    sending.app = sending.provider({"service.name": "gateway"})
    sending.call(("user", PLANTED), licet__surface="app")  # a span cannot say so
    assert sending.export() is SpanExportResult.SUCCESS
    assert sending.world.rows("SELECT surface, in_scope, grants FROM segments") == [
        ("api", False, [])
    ]


def test_json_and_gzip_say_the_same_as_protobuf(sending: Sending) -> None:
    sending.call(("user", PLANTED))
    (span,) = sending.spans
    pairs = [{"key": k, "value": {"stringValue": v}} for k, v in (span.attributes or {}).items()]
    resource = [{"key": "licet.surface", "value": {"stringValue": "app"}}]
    one = {
        "traceId": f"{span.context.trace_id:032X}",
        "spanId": f"{span.context.span_id:016x}",
        "name": "chat",
        "kind": 3,
        "startTimeUnixNano": str(span.start_time),
        "endTimeUnixNano": span.end_time,
        "attributes": pairs,
        "events": None,
        "unknown": {},
    }
    body = {
        "resourceSpans": [{"resource": {"attributes": resource}, "scopeSpans": [{"spans": [one]}]}]
    }
    answer = sending.post(json.dumps(body).encode(), "application/json; charset=utf-8")
    assert (answer.status_code, answer.headers["content-type"], answer.json()) == (
        200,
        "application/json",
        {},
    )
    assert sending.kept() == USED
    pairs[:] = [pair for pair in pairs if pair["key"] != "enduser.id"]
    answer = sending.post(json.dumps(body).encode(), "application/json")
    assert answer.json()["partialSuccess"]["rejectedSpans"] == "1"
    packed = gzip.compress(encode_spans(sending.spans).SerializeToString())
    answer = sending.post(packed, **{"content-encoding": "gzip"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert sending.kept() == USED


BAD = {
    "no protobuf": (b"\xff", "application/x-protobuf", "", 400),
    "another shape": (b'{"resourceSpans": 1}', "application/json", "", 400),
    "no json": (b"{", "application/json", "", 400),
    "no type of OTLP's": (b"", "text/plain", "", 400),
    "no gzip": (b"plain", "application/json", "gzip", 400),
    "gzip cut short": (gzip.compress(b"{}")[:-4], "application/json", "gzip", 400),
    "another compression": (b"", "application/json", "br", 400),
    "larger once unpacked": (
        gzip.compress(bytes(OTLP_INFLATED_BYTES_MAX + 1)),
        "application/json",
        "gzip",
        413,
    ),
    "larger": (bytes(OTLP_BYTES_MAX + 1), "application/json", "", 413),
}


def test_a_request_that_is_none_is_refused_without_a_word_of_it(sending: Sending) -> None:
    for name, (body, kind, encoding, status) in BAD.items():
        answer = sending.post(body, kind, **({"content-encoding": encoding} if encoding else {}))
        assert answer.status_code == status, name
        assert b"plain" not in answer.content, name


def field(number: int, content: bytes) -> bytes:
    """A field of protobuf that holds bytes."""
    size, rest = bytearray(), len(content)
    while rest > 0x7F:
        size.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([number << 3 | 2]) + bytes(size) + bytes([rest]) + content


def in_a_span(fields: bytes) -> bytes:
    return field(1, field(2, field(2, fields)))


EMPTY = 2_000_000
MANY = {
    "spans": (field(1, field(2, b"\x12\x00" * EMPTY)), Encoding.protobuf),
    "attributes": (in_a_span(b"\x4a\x00" * EMPTY), Encoding.protobuf),
    "events": (in_a_span(b"\x5a\x00" * EMPTY), Encoding.protobuf),
    "links": (in_a_span(b"\x6a\x00" * EMPTY), Encoding.protobuf),
    "values": (in_a_span(field(9, field(2, field(5, b"\x0a\x00" * EMPTY)))), Encoding.protobuf),
    "pairs": (in_a_span(field(9, field(2, field(6, b"\x0a\x00" * EMPTY)))), Encoding.protobuf),
    "groups": (b"\x0a\x00" * EMPTY, Encoding.protobuf),
    "scopes": (field(1, b"\x12\x00" * EMPTY), Encoding.protobuf),
    "a resource's attributes": (field(1, field(1, b"\x0a\x00" * EMPTY)), Encoding.protobuf),
    "spans of few bytes too many": (
        field(1, field(2, b"\x12\x00" * (SPANS_MAX + 1))),
        Encoding.protobuf,
    ),
    "spans as JSON": (
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[' + b"{}," * EMPTY + b"{}]}]}]}",
        Encoding.json,
    ),
    "JSON in a value": (
        in_a_span(
            field(
                9,
                field(1, b"gen_ai.input.messages")
                + field(2, field(1, b"[" + b"{}," * EMPTY + b"{}]")),
            )
        ),
        Encoding.protobuf,
    ),
}


# One of each way to refuse: to trace the memory of a count makes it eight times as slow, and what
# is counted changes nothing.
TRACED = ("attributes", "spans of few bytes too many", "spans as JSON", "JSON in a value")


@pytest.mark.parametrize("name", TRACED)
def test_what_would_become_too_much_is_refused_in_little_memory(name: str) -> None:
    body, encoding = MANY[name]
    tracemalloc.start()
    try:
        with pytest.raises(UnpackedTooLargeError):
            otlp.parse_spans(body, encoding)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", MANY)
def test_what_would_become_too_much_is_refused_before_anything_is_made_of_it(name: str) -> None:
    """By its count on the wire, or of the brackets, which is asked before the body is decoded."""
    body, encoding = MANY[name]
    counted = "fields|spans" if name == "spans of few bytes too many" else "fields|opening brackets"
    with pytest.raises(UnpackedTooLargeError, match=f"more than [0-9]+ ({counted})"):
        otlp.parse_spans(body, encoding)


BROKEN = {
    "cut short": field(1, b"abc")[:-1],
    "longer than what it is in": b"\x0a\x02\x12\x05",
    "a group": b"\x0b\x0c",
    "a number without an end": b"\x08" + b"\x80" * 20,
    "too deep": b"",
}
for _ in range(200):  # a value in a value in a value
    BROKEN["too deep"] = field(5, field(1, BROKEN["too deep"]))
BROKEN["too deep"] = in_a_span(field(9, field(2, BROKEN["too deep"])))


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_bytes_that_are_no_message_are_refused(body: bytes) -> None:
    with pytest.raises(UsageError, match="not an OTLP request"):
        otlp.parse_spans(body, Encoding.protobuf)


def test_counting_on_the_wire_finds_every_field_that_a_real_exporter_sends(
    sending: Sending,
) -> None:
    sending.call(("user", "Hello"))
    raw = encode_spans(sending.spans).SerializeToString()
    request = ExportTraceServiceRequest.FromString(raw)
    assert otlp.count_fields(raw, otlp.message_tree(request.DESCRIPTOR), 10**6) == fields_in(
        request
    )


def fields_in(message: Message) -> int:
    """The fields of a decoded message and of all within it."""
    found = 0
    for field_of, value in message.ListFields():
        for one in (
            value if isinstance(value, Sequence) and not isinstance(value, str | bytes) else [value]
        ):
            found += 1 + (fields_in(one) if field_of.type == field_of.TYPE_MESSAGE else 0)
    return found


def test_only_a_service_that_may_write_turns_may_send_spans(sending: Sending) -> None:
    body = encode_spans([]).SerializeToString()
    for headers, status in (
        ({}, 401),
        (sending.world.person("ana"), 403),
        (sending.world.service(Scope.gate_read), 403),
    ):
        answer = httpx.post(
            f"{sending.url}{PATH}",
            content=body,
            headers={**headers, "content-type": "application/x-protobuf"},
        )
        assert answer.status_code == status


def test_nothing_of_a_span_is_in_the_log(
    sending: Sending, capfd: pytest.CaptureFixture[str]
) -> None:
    sending.call(("user", PLANTED), gen_ai__conversation__id="Heliotrope")
    sending.call(("user", PLANTED), enduser__id="Heliotrope")
    sending.partial()
    out, err = capfd.readouterr()
    assert "Heliotrope" not in out + err
