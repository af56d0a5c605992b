"""What the server depends on hangs: what each route answers meanwhile, how soon, and who is named.

    ./run bench hanging [DEPENDENCY]

`licet serve` really runs, and so do the services: PostgreSQL, SeaweedFS, OpenBao, an identity
provider, an endpoint and a witness; and, of a second server, a token of SoftHSM2 behind p11-kit
and a disk. Each in turn is stopped with SIGSTOP, is a black hole (a wire before it takes
connections and says nothing), and is slow (each answer waits for thirty seconds); the disk of the restriction
journal is full. Then it is let go on, and everything has to work again without a restart.
`tests/hanging.py` has the worlds, `tests/web/test_hanging.py` the same with SIGSTOP alone. A disk
that failed needs a restart: `tests/web/test_silent_dependencies.py`.
"""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import httpx
import msgspec

STOPPED, BLACK_HOLE, SLOW, FULL = "stopped", "black hole", "slow", "full"
ROUTE_SECONDS = 3.0
LEGIBLE_SECONDS = 60.0
IDENTITY_PROVIDER = """
import json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        issuer = "http://" + self.headers["host"]
        body = json.dumps({"issuer": issuer, "authorization_endpoint": issuer + "/a",
                           "token_endpoint": issuer + "/t", "jwks_uri": issuer + "/j"}).encode()
        self.send_response(200); self.send_header("content-length", str(len(body)))
        self.end_headers(); self.wfile.write(b"" if self.command == "HEAD" else body)
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"])); self.do_GET()
    do_HEAD = do_GET
    def log_message(self, *_): pass
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


class HangingService(NamedTuple):
    """A dependency of a server: its name in `/readyz`, how it can be harmed, the code of the
    routes that it stops, and what it is where its name may be several things.
    """

    name: str
    harms: Mapping[str, Callable[[], AbstractContextManager[None]]]
    because: str
    may_stop: frozenset[str]
    title: str = ""


class RouteAnswer(msgspec.Struct, frozen=True):
    route: str
    status: int
    because: str
    seconds: float


class HangFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One harm of one dependency. ``named_seconds`` is when `/readyz` named it and the metric said
    so, ``back_seconds`` when neither did any more and each route answered as before.
    """

    dependency: str
    harm: str
    answers: tuple[RouteAnswer, ...]
    named_seconds: float
    back_seconds: float

    @property
    def refused(self) -> tuple[RouteAnswer, ...]:
        return tuple(one for one in self.answers if one.status >= 500)


class AskedServer:
    """A server, its key, and the routes that are asked while something hangs."""

    def __init__(self, url: str, key: str, pid: int) -> None:
        self.pid = pid
        self._client = httpx.Client(
            base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=LEGIBLE_SECONDS
        )
        self._count = 0

    def ask(self, route: str, method: str, path: str, body: object = None) -> RouteAnswer:
        began = time.perf_counter()
        try:
            came = self._client.request(method, path, json=body)
        except httpx.TransportError as error:
            return RouteAnswer(route, 599, type(error).__name__, time.perf_counter() - began)
        because = ""
        if "json" in came.headers.get("content-type", "") and came.status_code >= 400:
            because = came.json().get("because", "")
        elif came.status_code >= 500:
            because = came.headers.get("licet-because", "")
        return RouteAnswer(route, came.status_code, because, time.perf_counter() - began)

    def ask_all(self) -> list[RouteAnswer]:
        """Each route once, all at the same time."""
        self._count += 1
        name = f"p{self._count}"
        turn = {"account": "host:turns", "conversation": "host:chat", "role": "user"}
        routes: list[tuple[str, str, str, object]] = [
            ("gate", "GET", "/v1/accounts/host:turns/gate", None),
            ("turn", "POST", "/v1/turns", {**turn, "id": name, "text": "good day"}),
            ("yes", "POST", "/v1/accounts/host:yes/choices", {"allow": True}),
            ("no", "POST", "/v1/accounts/host:no/choices", {"allow": False}),
            ("account", "POST", "/v1/accounts", {"host": name, "plan": "pro", "age": 30}),
            ("explain", "GET", "/v1/accounts/host:yes/explain", None),
            ("sign-in", "GET", "/sign-in", None),
            ("healthz", "GET", "/healthz", None),
        ]
        with ThreadPoolExecutor(len(routes)) as threads:
            return list(threads.map(lambda route: self.ask(*route), routes))

    def names(self, dependency: str) -> bool:
        """Whether `/readyz` and the metric name it."""
        with suppress(httpx.TransportError, ValueError):
            ready, metrics = self._client.get("/readyz"), self._client.get("/metrics").text
            said = ready.json()
            is_named = (
                ready.status_code == 503
                if dependency == "database"
                else dependency in said.get("silent", ())
            )
            return (
                is_named and f'licet_dependency_silent{{dependency="{dependency}"}} 1.0' in metrics
            )
        return False

    def is_quiet(self) -> bool:
        with suppress(httpx.TransportError, ValueError):
            ready = self._client.get("/readyz")
            return ready.status_code == 200 and "silent" not in ready.json()
        return False


def seconds_until(holds: Callable[[], bool], began: float, seconds_max: float) -> float:
    while not holds():
        if time.perf_counter() > began + seconds_max:
            return float("inf")
        time.sleep(0.1)
    return time.perf_counter() - began


def play(server: AskedServer, service: HangingService, harm: str) -> HangFigures:
    """Harms it, asks each route at once and again once it is named, lets it go on."""
    with service.harms[harm]():
        began = time.perf_counter()
        answers = server.ask_all()
        named = seconds_until(lambda: server.names(service.name), began, LEGIBLE_SECONDS)
        answers += server.ask_all()
    began = time.perf_counter()
    back = seconds_until(
        lambda: server.is_quiet() and all(one.status < 500 for one in server.ask_all()),
        began,
        LEGIBLE_SECONDS,
    )
    return HangFigures(
        dependency=service.title or service.name,
        harm=harm,
        answers=tuple(answers),
        named_seconds=named,
        back_seconds=back,
    )


@contextmanager
def stopped(*processes: int) -> Iterator[None]:
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            with suppress(ProcessLookupError):  # the program ended it meanwhile
                os.kill(process, signal.SIGCONT)


def main(arguments: list[str]) -> list[tuple[str, ...]]:
    """Three rows a harm: the slowest route, when it was named, and when all was as before."""
    from tests import hanging  # the services of the tests: it imports this module

    found: list[HangFigures] = []
    for world in (hanging.world, hanging.token_world):
        with tempfile.TemporaryDirectory() as folder, world(Path(folder)) as (server, services):
            found += [
                play(server, service, harm)
                for service in services
                if not arguments or (service.title or service.name) in arguments
                for harm in service.harms
            ]
    return [row for one in found for row in _rows(one)]


def _rows(one: HangFigures) -> Iterator[tuple[str, ...]]:
    what = f"{one.dependency}, {one.harm}"
    refused = sorted({answer.route for answer in one.refused})
    codes = ", ".join(sorted({f"`{answer.because}`" for answer in one.refused}))
    stops = f"{', '.join(refused)} refused with {codes}" if refused else "every route answers"
    slowest = max(answer.seconds for answer in one.answers)
    yield (
        f"{what}: {stops}; the slowest answer, s",
        f"{slowest:.2f}",
        f"{ROUTE_SECONDS:.2f}",
        f"{slowest / ROUTE_SECONDS:.2f}",
    )
    yield f"{what}: named by `/readyz` and the metric after, s", f"{one.named_seconds:.1f}"
    yield f"{what}: all as before, once it answers, after, s", f"{one.back_seconds:.1f}"
