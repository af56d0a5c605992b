"""Added to every response: security headers, one line of the access log, and the metrics for
/metrics.

The line has the route's pattern, never its path, so it contains no ids of people, no content and no
addresses. No metric has a label that could distinguish people.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from time import perf_counter

import structlog
from litestar.types import Message, Scope
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from licet import traces
from licet.access.roles import Nobody, kind
from licet.config import Web

DONE, FAILED = "done", "failed"
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_NOTHING = "object-src 'none'; base-uri 'none'"  # `default-src` does not reach `base-uri`
_log = structlog.get_logger("licet.web")

Header = tuple[bytes, bytes]


class EdgeMiddleware:
    """The hook before every response. ``registry`` has what this process counted, for /metrics."""

    def __init__(self, settings: Web) -> None:
        # The request id is a counter, so that no response waits for the system's random numbers; it
        # is not a secret.
        self._prefix, self._answers = secrets.token_hex(6).encode(), 0
        self.registry = CollectorRegistry()
        labels = ("route", "method", "status", "caller")
        self._requests = Counter(
            "licet_requests", "Requests answered", labels, registry=self.registry
        )
        self._seconds = Histogram(
            "licet_request_seconds",
            "Seconds until an answer began",
            ("route",),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._spans = Counter(
            "licet_otlp_spans",
            "Spans received, by what became of each",
            ("outcome",),
            registry=self.registry,
        )
        self._gates = Counter(
            "licet_gate_answers",
            "Answers about the gate, by answer",
            ("gate",),
            registry=self.registry,
        )
        self._restrictions = Histogram(
            "licet_restriction_seconds",
            "Seconds until a change that restricts was answered, by outcome",
            ("outcome",),
            buckets=BUCKETS,
            registry=self.registry,
        )
        for outcome in (DONE, FAILED):
            self._restrictions.labels(outcome)
        self._pool = Gauge(
            "licet_pool_connections",
            "Connections to the database, and requests that wait for one",
            ("state",),
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self._silent = Gauge(
            "licet_dependency_silent",
            "1 for what the server depends on and does not answer it",
            ("dependency",),
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        self._counts: dict[tuple[str, str, int, str], tuple[Counter, Histogram]] = {}
        frames = " ".join(["'self'", *settings.embed_origins])
        self._data = _headers(
            f"default-src 'none'; {_NOTHING}; form-action 'none'; frame-ancestors {frames}"
        )
        self._page = _headers(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
            "connect-src 'self'; frame-src 'self'; "
            f"font-src 'self'; form-action 'self'; {_NOTHING}; frame-ancestors {frames}"
        )

    def count_spans(self, outcomes: Mapping[str, int]) -> None:
        """Counts spans by outcome. The outcomes are a small fixed set and identify nobody."""
        for outcome, count in outcomes.items():
            self._spans.labels(outcome).inc(count)

    def count_gate(self, gate: str) -> None:
        self._gates.labels(gate).inc()

    def measure_restriction(self, seconds: float, failed: bool) -> None:
        """A withdrawal, a deletion or the like was answered."""
        self._restrictions.labels(FAILED if failed else DONE).observe(seconds)

    def measure_pool(self, stats: Mapping[str, int]) -> None:
        """How this process uses its connections to the database."""
        size, idle = stats.get("pool_size", 0), stats.get("pool_available", 0)
        for state, count in (
            ("used", size - idle),
            ("idle", idle),
            ("waited_for", stats.get("requests_waiting", 0)),
        ):
            self._pool.labels(state).set(count)

    def measure_dependencies(self, watched: Collection[str], silent: Collection[str]) -> None:
        """Which of what this process depends on do not answer it."""
        for name in watched:
            self._silent.labels(name).set(name in silent)

    async def before_send(self, message: Message, scope: Scope) -> None:
        """Adds the headers, counts and logs, when a response begins."""
        if message["type"] != "http.response.start":
            return
        headers: list[Header] = list(message["headers"])
        named = dict(headers)
        self._answers += 1
        mark = b"%s-%x" % (self._prefix, self._answers)
        html = named.get(b"content-type", b"").startswith(b"text/html")
        headers += [one for one in (self._page if html else self._data) if one[0] not in named]
        headers.append((b"x-request-id", mark))
        message["headers"] = headers
        self._count(message["status"], mark, scope)

    def _count(self, status: int, mark: bytes, scope: Scope) -> None:
        state = scope["state"]
        seconds = perf_counter() - state["begun"] if "begun" in state else 0.0
        route = scope.get("path_template") or "unmatched"
        caller = kind(scope.get("auth") or Nobody(""))
        place = (str(route), str(scope.get("method", "")), status, caller)
        known = self._counts.get(place)
        if known is None:
            known = (self._requests.labels(*place), self._seconds.labels(place[0]))
            self._counts[place] = known
        known[0].inc()
        known[1].observe(seconds)
        traces.name_request_span(
            f"{place[1]} {place[0]}",
            {
                "http.request.method": place[1],
                "http.route": place[0],
                "http.response.status_code": status,
                "licet.caller": caller,
            },
        )
        _log.info(
            "answered",
            route=place[0],
            method=place[1],
            status=status,
            caller=caller,
            milliseconds=round(seconds * 1000, 2),
            request=mark.decode(),
        )


def _headers(policy: str) -> tuple[Header, ...]:
    """OWASP's secure headers, as ASVS 5.0 chapter 3.4 asks for them."""
    return (
        (b"content-security-policy", policy.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"same-origin"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"strict-transport-security", b"max-age=63072000; includeSubDomains"),
        (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
        (b"cache-control", b"no-store"),
    )
