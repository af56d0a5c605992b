"""Spans of OpenTelemetry: a request, and the transactions that it took. Without `begin` they cost
nothing and do nothing.

A span has the route, never the address that was asked for: that one has ids. No content, no name
and no key is an attribute. The names of attributes are those of the semantic conventions for HTTP
and databases (OpenTelemetry, 1.27 and later); the trace that a caller began goes on (W3C Trace
Context).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from licet.errors import not_installed

Attributes = Mapping[str, str | int]

_SILENT: AbstractContextManager[Any] = nullcontext()
_tracer: Any = None
_propagator: Any = None


@contextmanager
def sending(endpoint: str | None) -> Iterator[None]:
    """Sends spans to an OTLP/HTTP endpoint, below which `v1/traces` is, and the last of them at the
    end; nothing without one.

    NotInstalledError without the extra `traces`.
    """
    end = begin(endpoint) if endpoint else None
    try:
        yield
    finally:
        if end is not None:
            end()


def begin(endpoint: str) -> Callable[[], None]:
    """Begins to send spans; returns what sends the last ones and ends it."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError as missing:
        raise not_installed(missing, "traces") from missing
    return begin_with(
        BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces"))
    )


# a span processor of OpenTelemetry's
def begin_with(processor: Any) -> Callable[[], None]:  # noqa: ANN401
    """As `begin`, with a processor of spans of one's own."""
    global _tracer, _propagator
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    provider = TracerProvider(resource=Resource.create({"service.name": "licet"}))
    provider.add_span_processor(processor)
    _tracer, _propagator = provider.get_tracer("licet"), TraceContextTextMapPropagator()

    def end() -> None:
        global _tracer, _propagator
        _tracer = _propagator = None
        provider.shutdown()

    return end


def request(headers: Callable[[], Mapping[str, str]]) -> AbstractContextManager[Any]:
    """The span of a request, within the trace of its caller; ``headers`` by their names in lower
    case, if they are wanted.
    """
    return _SILENT if _tracer is None else _request(headers())


@contextmanager
def _request(headers: Mapping[str, str]) -> Iterator[Any]:
    from opentelemetry.trace import SpanKind

    with _tracer.start_as_current_span(
        "request",
        context=_propagator.extract(headers),
        kind=SpanKind.SERVER,
        record_exception=False,
    ) as span:
        yield span


def transaction() -> AbstractContextManager[Any]:
    """The span of one transaction of the database."""
    return _SILENT if _tracer is None else _transaction()


@contextmanager
def _transaction() -> Iterator[Any]:
    from opentelemetry.trace import SpanKind

    # What an exception says may be content: its class is enough.
    with _tracer.start_as_current_span(
        "transaction",
        kind=SpanKind.CLIENT,
        attributes={"db.system.name": "postgresql"},
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield span
        except BaseException as error:
            span.set_attribute("error.type", type(error).__name__)
            raise


def answered(name: str, attributes: Attributes) -> None:
    """Names the span of this request, once its route is known, and says what came of it."""
    if _tracer is None:
        return
    from opentelemetry.trace import get_current_span

    span = get_current_span()
    span.update_name(name)
    span.set_attributes(dict(attributes))
