"""OTLP over HTTP: parses an exporter's request into spans, and encodes the response in its
encoding.

The specification is OTLP 1.x: protobuf or its JSON (hexadecimal ids, 64-bit numbers perhaps as
text, unknown keys ignored), perhaps gzipped. Only attributes whose names begin as `KEPT` says are
kept. Nothing of a value is in an error. A body is counted before it is decoded, because a decoder
would make gigabytes of a few thousand bytes: bytes as they are unpacked, fields and objects on the
wire.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any, TypeAlias

import msgspec
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from licet.errors import UsageError
from licet.intake.records import UnreadableRecord, decode
from licet.masked import Masked

SPANS_MAX = 10_000
FIELDS_MAX = 1_000_000
BRACKETS_MAX = 500_000
VALUE_DEPTH_MAX = 32
KEPT = ("gen_ai.", "llm.", "openinference.", "session.", "enduser.", "user.", "licet.")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEARS_NS = 250 * 365 * 86_400 * 10**9  # no clock is further on; a datetime holds it

Values = dict[str, object]


class UnpackedTooLargeError(UsageError):
    """A body that is too large after unpacking."""

    status = 413


class Encoding(StrEnum):
    protobuf = "application/x-protobuf"
    json = "application/json"


class SpanEvent(Masked, msgspec.Struct, frozen=True, kw_only=True):
    name: str
    attributes: Values


class OtlpSpan(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """``started_at`` is by the sender's clock, 1970 if missing; ``resource`` describes the
    sender.
    """

    trace_id: str
    span_id: str
    started_at: datetime
    attributes: Values
    events: tuple[SpanEvent, ...]
    resource: Values


def encoding_of(content_type: str) -> Encoding:
    """The encoding that a `Content-Type` names; UsageError for another."""
    named = content_type.partition(";")[0].strip().lower()
    try:
        return Encoding(named)
    except ValueError:
        raise UsageError(
            "the content type is none of OTLP's",
            f"send {Encoding.protobuf.value} or {Encoding.json.value}",
        ) from None


def inflate(raw: bytes, encoding: str, bytes_max: int) -> bytes:
    """The unpacked body; TooLargeError before more than ``bytes_max`` is held."""
    if encoding in ("", "identity"):
        return raw
    if encoding != "gzip":
        raise UsageError("the content encoding is not known", "send gzip, or none")
    reader = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        body = reader.decompress(raw, bytes_max)
    except zlib.error:
        raise UsageError("the body is not gzip") from None
    if reader.unconsumed_tail:
        raise UnpackedTooLargeError(
            f"the body is larger than {bytes_max} bytes", "send fewer spans at a time"
        )
    if not reader.eof:
        raise UsageError("the gzip body is cut short")
    return body


def parse_spans(raw: bytes, encoding: Encoding) -> list[OtlpSpan]:
    """Parses the spans of a request; UsageError if malformed, TooLargeError before any is
    decoded.
    """
    # Those of JSON within a value are counted too, in either encoding: `spans` makes objects of
    # them.
    if raw.count(b"{") + raw.count(b"[") > BRACKETS_MAX:
        raise UnpackedTooLargeError(
            f"more than {BRACKETS_MAX} opening brackets", "send fewer spans at a time"
        )
    return list(_read_protobuf(raw) if encoding is Encoding.protobuf else _read_json(raw))


def answer(encoding: Encoding, rejected: int, why: str) -> bytes:
    """The response to an accepted request, with the number of rejected spans."""
    if encoding is Encoding.json:
        partial = (
            {"partialSuccess": {"rejectedSpans": str(rejected), "errorMessage": why}}
            if rejected
            else {}
        )
        return msgspec.json.encode(partial)
    made = ExportTraceServiceResponse()
    if rejected:
        made.partial_success.rejected_spans, made.partial_success.error_message = rejected, why
    return made.SerializeToString()


def refusal(encoding: Encoding, why: str) -> bytes:
    """A `google.rpc.Status` with the reason of a refusal; its one field here, `message`, is number
    2.
    """
    if encoding is Encoding.json:
        return msgspec.json.encode({"message": why})
    message = why.encode()
    size = bytearray()
    length = len(message)
    while length > 0x7F:
        size.append(length & 0x7F | 0x80)
        length >>= 7
    return b"\x12" + bytes(size) + bytes([length]) + message


# Protobuf


def _read_protobuf(raw: bytes) -> Iterator[OtlpSpan]:
    request = ExportTraceServiceRequest()
    try:
        if (
            count_fields(raw, message_tree(ExportTraceServiceRequest.DESCRIPTOR), FIELDS_MAX)
            > FIELDS_MAX
        ):
            raise UnpackedTooLargeError(
                f"more than {FIELDS_MAX} fields", "send fewer spans at a time"
            )
        request.ParseFromString(raw)
    except (DecodeError, RecursionError, MalformedError):
        raise UsageError("the body is not an OTLP request in protobuf") from None
    if (
        sum(len(scope.spans) for group in request.resource_spans for scope in group.scope_spans)
        > SPANS_MAX
    ):
        raise UnpackedTooLargeError(f"more than {SPANS_MAX} spans", "send fewer at a time")
    for group in request.resource_spans:
        resource = _kept_attributes(group.resource.attributes)
        for scope in group.scope_spans:
            for span in scope.spans:
                yield OtlpSpan(
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    started_at=_from_nanoseconds(span.start_time_unix_nano),
                    attributes=_kept_attributes(span.attributes),
                    resource=resource,
                    events=tuple(
                        SpanEvent(
                            name=event.name, attributes=_kept_attributes(event.attributes, "")
                        )
                        for event in span.events
                    ),
                )


def _kept_attributes(pairs: Iterable[KeyValue], *begin: str) -> Values:
    begin = begin or KEPT
    return {
        pair.key: _value(pair.value, VALUE_DEPTH_MAX)
        for pair in pairs
        if pair.key.startswith(begin)
    }


def _value(value: AnyValue, depth: int) -> object:
    match value.WhichOneof("value"):
        case "string_value":
            return value.string_value
        case "int_value":
            return value.int_value
        case "bool_value":
            return value.bool_value
        case "double_value":
            return value.double_value
        case "array_value" if depth:
            return [_value(item, depth - 1) for item in value.array_value.values]
        case "kvlist_value" if depth:
            return {pair.key: _value(pair.value, depth - 1) for pair in value.kvlist_value.values}
    return None


def _from_nanoseconds(nanoseconds: int) -> datetime:
    return (
        EPOCH + timedelta(microseconds=nanoseconds // 1000)
        if 0 < nanoseconds < _YEARS_NS
        else EPOCH
    )


# JSON


class _Json(Masked, msgspec.Struct, rename="camel"):
    """A message of OTLP's JSON. Any key may be absent or null."""


class _Any(_Json):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: int | str | None = None
    double_value: float | str | None = None
    array_value: _Array | None = None
    kvlist_value: _Pairs | None = None


class _Array(_Json):
    values: list[_Any] | None = None


class _Pair(_Json):
    key: str = ""
    value: _Any | None = None


class _Pairs(_Json):
    values: list[_Pair] | None = None


class _Event(_Json):
    name: str = ""
    attributes: list[_Pair] | None = None


class _Span(_Json):
    trace_id: str = ""
    span_id: str = ""
    start_time_unix_nano: int | str = 0
    attributes: list[_Pair] | None = None
    events: list[_Event] | None = None


class _Scope(_Json):
    spans: list[_Span] | None = None


class _Resource(_Json):
    attributes: list[_Pair] | None = None


class _Group(_Json):
    resource: _Resource | None = None
    scope_spans: list[_Scope] | None = None


class _Request(_Json):
    resource_spans: list[_Group] | None = None


_request = msgspec.json.Decoder(_Request)


def _read_json(raw: bytes) -> Iterator[OtlpSpan]:
    request = decode(raw, _request)
    if isinstance(request, UnreadableRecord):
        raise UsageError(f"the body is not an OTLP request in JSON: {request.message}")
    scopes = [scope for group in request.resource_spans or () for scope in group.scope_spans or ()]
    if sum(len(scope.spans or ()) for scope in scopes) > SPANS_MAX:
        raise UnpackedTooLargeError(f"more than {SPANS_MAX} spans", "send fewer at a time")
    for group in request.resource_spans or ():
        resource = _kept_json(group.resource.attributes if group.resource else None)
        for scope in group.scope_spans or ():
            for span in scope.spans or ():
                yield OtlpSpan(
                    trace_id=span.trace_id.lower(),
                    span_id=span.span_id.lower(),
                    started_at=_from_nanoseconds(_number(span.start_time_unix_nano)),
                    attributes=_kept_json(span.attributes),
                    resource=resource,
                    events=tuple(
                        SpanEvent(name=e.name, attributes=_kept_json(e.attributes, ""))
                        for e in span.events or ()
                    ),
                )


def _kept_json(pairs: Iterable[_Pair] | None, *begin: str) -> Values:
    begin = begin or KEPT
    return {
        pair.key: _json_value(pair.value, VALUE_DEPTH_MAX)
        for pair in pairs or ()
        if pair.value is not None and pair.key.startswith(begin)
    }


def _json_value(value: _Any | None, depth: int) -> Any:  # noqa: ANN401 whatever JSON holds
    if value is None:
        return None
    if value.array_value is not None:
        return (
            [_json_value(item, depth - 1) for item in value.array_value.values or ()]
            if depth
            else None
        )
    if value.kvlist_value is not None:
        pairs = value.kvlist_value.values or ()
        return {pair.key: _json_value(pair.value, depth - 1) for pair in pairs} if depth else None
    scalars = (value.string_value, value.bool_value, value.double_value)
    scalar = next((item for item in scalars if item is not None), None)
    return _number(value.int_value) if scalar is None and value.int_value is not None else scalar


def _number(value: int | str) -> int:
    """A 64-bit number, which JSON may have as text; 0 for anything else."""
    text = str(value)
    return int(text) if len(text) <= 20 and text.lstrip("-").isdecimal() else 0


DEPTH_MAX = 100  # as deep as the decoder goes
_VARINT_BYTES_MAX = 10
_VARINT, _FIXED64, _MESSAGE, _FIXED32 = 0, 1, 2, 5

Tree: TypeAlias = "dict[int, Tree]"


class MalformedError(UsageError):
    """Bytes that are no protobuf message."""


@cache
def message_tree(descriptor: Descriptor) -> Tree:
    """The inner messages of a message type, by field number; a recursive type is one tree."""
    return _tree(descriptor, {})


def _tree(descriptor: Descriptor, known: dict[str, Tree]) -> Tree:
    if descriptor.full_name in known:
        return known[descriptor.full_name]
    known[descriptor.full_name] = made = {}
    for field in descriptor.fields:
        if field.type == FieldDescriptor.TYPE_MESSAGE and field.message_type is not None:
            made[field.number] = _tree(field.message_type, known)
    return made


def count_fields(raw: bytes, within: Tree, fields_max: int) -> int:
    """The number of fields in ``raw``, at most ``fields_max`` + 1; MalformedError if it is no
    message.
    """
    try:
        return _count(raw, within, fields_max)
    except IndexError:
        raise MalformedError("the body is cut short") from None


def _count(raw: bytes, within: Tree, fields_max: int) -> int:
    count = 0
    waiting = [(0, len(raw), within, 0)]
    while waiting:
        at, end, known, depth = waiting.pop()
        while at < end:
            count += 1
            if count > fields_max:
                return count
            tag = raw[at]
            at += 1
            if tag > 0x7F:
                tag, at = _varint(raw, at - 1)
            kind = tag & 7
            if kind == _MESSAGE:
                size = raw[at]
                at += 1
                if size > 0x7F:
                    size, at = _varint(raw, at - 1)
                inner = known.get(tag >> 3)
                if inner is not None and size:
                    waiting.append((at, at + size, inner, depth + 1))
                at += size
            elif kind == _VARINT:
                _, at = _varint(raw, at)
            elif kind in (_FIXED32, _FIXED64):
                at += 4 if kind == _FIXED32 else 8
            else:
                raise MalformedError("a field is of no kind that is used here")
        if at != end or depth > DEPTH_MAX:
            raise MalformedError("a field ends elsewhere than what it is in")
    return count


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    """A varint, and the position after it."""
    value = 0
    for place in range(_VARINT_BYTES_MAX):
        byte = raw[at + place]
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, at + place + 1
    raise MalformedError("a number has no end")
