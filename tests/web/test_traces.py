"""Spans: of each request and its transactions, within the caller's trace, and with nothing in them
that names anybody.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from licet import traces
from licet.config import Configuration
from licet.errors import NotInstalledError

from .served import World, api, world

__all__ = ["api", "world"]

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    kept = InMemorySpanExporter()
    end = traces.begin_with(SimpleSpanProcessor(kept))
    yield kept
    end()


def named(spans: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [one for one in spans.get_finished_spans() if one.name == name]


def test_a_request_is_a_span_in_the_trace_of_its_caller_with_its_transactions_below(
    world: World, api: Any, spans: InMemorySpanExporter
) -> None:
    account = world.open("ana", allow=True)
    spans.clear()
    headers = world.person("ana") | {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    assert api.get("/v1/accounts/me/gate", headers=headers).status_code == 200
    (asked,) = named(spans, "GET /v1/accounts/{account}/gate")
    assert f"{asked.context.trace_id:032x}" == TRACE
    assert dict(asked.attributes or {}) == {
        "http.request.method": "GET",
        "http.route": "/v1/accounts/{account}/gate",
        "http.response.status_code": 200,
        "licet.caller": "person",
    }
    below = named(spans, "transaction")
    assert asked.context.trace_id in {one.context.trace_id for one in below}
    told = json.dumps([one.to_json() for one in spans.get_finished_spans()])
    assert "ana" not in told and str(account) not in told and world.accounts["ana"].hex not in told


def test_what_fails_is_told_by_its_class_and_never_by_its_words(
    world: World, api: Any, spans: InMemorySpanExporter
) -> None:
    sentence = "the lighthouse keeper of Ruhnu"
    world.open("ana", allow=True)
    spans.clear()
    refused = api.post(
        "/v1/accounts/me/choices", headers=world.person("ana"), json={"allow": sentence}
    )
    assert refused.status_code in (400, 422)
    assert (
        api.get(f"/v1/conversations/host:{sentence}", headers=world.person("ana")).status_code
        == 404
    )
    told = json.dumps([one.to_json() for one in spans.get_finished_spans()])
    assert "404" in told and sentence not in told and "lighthouse" not in told


def test_nothing_is_traced_without_the_setting_and_the_extra_is_named_where_it_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert Configuration.from_environment({}, None).web.traces is None
    with traces.sending(None), traces.transaction() as span:
        assert span is None
    monkeypatch.setitem(
        __import__("sys").modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None
    )
    with (
        pytest.raises(NotInstalledError, match="is not installed") as refused,
        traces.sending("http://127.0.0.1:4318"),
    ):
        pass
    assert "`traces`" in refused.value.hint
