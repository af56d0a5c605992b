"""OpenTelemetry spans of requests and their transactions. Disabled, at no cost, until `begin`.

A span has the route, never the requested path, which contains ids. No content, name or key is an
attribute. Attributes follow the semantic conventions for HTTP and databases (OpenTelemetry, 1.27
and later); a caller's trace is continued (W3C Trace Context).
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
    """Exports spans to `v1/traces` below an OTLP/HTTP endpoint, flushing them at the end; does
    nothing without an endpoint.

    NotInstalledError without the extra `traces`.
    """
    end = begin(endpoint) if endpoint else None
    try:
        yield
    finally:
        if end is not None:
            end()


def begin(endpoint: str) -> Callable[[], None]:
    """Starts the export of spans; returns a function that flushes and stops it."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError as missing:
        raise not_installed(missing, "traces") from missing
    return begin_with(
        BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces"))
    )


def begin_with(processor: Any) -> Callable[[], None]:  # noqa: ANN401 optional library
    """`begin` with another span processor."""
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
    """The span of a request, in its caller's trace; ``headers`` returns them by lower-case name."""
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

    # An exception's message may contain content: its class is enough.
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


def name_request_span(name: str, attributes: Attributes) -> None:
    """Sets the name and outcome of the request's span, once its route is known."""
    if _tracer is None:
        return
    from opentelemetry.trace import get_current_span

    span = get_current_span()
    span.update_name(name)
    span.set_attributes(dict(attributes))
