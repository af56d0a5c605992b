"""What the server depends on hangs: what each route answers meanwhile, how soon, and who is named.

    ./run bench hanging [DEPENDENCY]

`licet serve` really runs, and so do the services: PostgreSQL, SeaweedFS, OpenBao, an identity
provider, an endpoint and a witness; and, of a second server, a token of SoftHSM2 behind p11-kit
and a disk. Each in turn is stopped with SIGSTOP, is a black hole (a wire before it takes
connections and says nothing), and is slow (each answer waits for thirty seconds); the disk of the
restriction journal is full, and then fails each fsync. Then it is let go on, and everything has to
work again without a restart, but for the disk that failed. Prometheus runs beside it with the
configuration and the rules of deploy/: of the first harm of each, and of the dead disk, the alert
is waited for. The bench fails where a limit is not held: an answer later than `ROUTE_SECONDS`, of a
route that does not need it or with another code; `/readyz` and the metric later than
`READY_SECONDS`, the alert or the return later than `LEGIBLE_SECONDS`; an acknowledged turn, account
or choice that is not there afterwards.

`tests/hanging.py` has the worlds, `tests/web/test_hanging.py` the same with one harm of each.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import httpx
import msgspec
import yaml

from bench import Row, limited

STOPPED, BLACK_HOLE, SLOW, FULL, DEAD = "stopped", "black hole", "slow", "full", "dead"
ROUTE_SECONDS = 3.0
READY_SECONDS = 10.0
LEGIBLE_SECONDS = 60.0
DEPLOY = Path(__file__).parents[1] / "deploy"
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
    """One harm of one dependency. ``named_seconds`` is when `/readyz` named it and the metric did
    too, ``alert_seconds`` when its alert fired, none where that was not waited for;
    ``back_seconds`` when neither named it any more and each route answered as before.

    ``acknowledged`` changes were answered with success, ``lost`` of them are not there afterwards.
    """

    dependency: str
    harm: str
    because: str
    may_stop: frozenset[str]
    answers: tuple[RouteAnswer, ...]
    named_seconds: float
    alert_seconds: float | None
    back_seconds: float
    acknowledged: int
    lost: int

    @property
    def refused(self) -> tuple[RouteAnswer, ...]:
        return tuple(one for one in self.answers if one.status >= 500)

    @property
    def wrong(self) -> tuple[RouteAnswer, ...]:
        """Refusals of a route that does not need it, or that do not name it."""
        return tuple(
            one
            for one in self.refused
            if one.status != 503 or one.because != self.because or one.route not in self.may_stop
        )


class Acknowledged(msgspec.Struct):
    """The changes that a server answered with success: turns and accounts by their names, and how
    many choices of the two accounts that choose.
    """

    turns: list[str] = []
    accounts: list[str] = []
    choices: dict[str, int] = {}

    def add(self, name: str, answer: RouteAnswer) -> None:
        if answer.status == 201:
            match answer.route:
                case "turn":
                    self.turns.append(name)
                case "account":
                    self.accounts.append(name)
                case "yes" | "no":
                    self.choices[answer.route] = self.choices.get(answer.route, 0) + 1

    @property
    def count(self) -> int:
        return len(self.turns) + len(self.accounts) + sum(self.choices.values())


class AskedServer:
    """A server, its key, and the routes that are asked while something hangs."""

    def __init__(self, url: str, key: str, restart: Callable[[], int], pid: int) -> None:
        self.url, self.pid, self._restart = url, pid, restart
        self.acknowledged = Acknowledged()
        self._client = httpx.Client(
            base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=LEGIBLE_SECONDS
        )
        self._count = 0
        self._seen_choices: dict[str, int] = {}

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

    def restart(self) -> None:
        """Ends the server by SIGTERM, and starts it again."""
        self.pid = self._restart()

    def lost(self) -> int:
        """How many of the acknowledged changes are not there; each is looked for once."""
        looked_for, self.acknowledged = self.acknowledged, Acknowledged()
        there = 0
        for name in looked_for.turns:
            again = self._client.post("/v1/turns", json=_turn(name)).json()
            there += again["outcome"] == "duplicate"
        for name in looked_for.accounts:
            there += self._client.get(f"/v1/accounts/host:{name}/gate").is_success
        for name, count in looked_for.choices.items():
            self._seen_choices[name] = self._seen_choices.get(name, 0) + count
            found = self._client.get(f"/v1/accounts/host:{name}/choices").json()["items"]
            is_newest = bool(found) and found[0]["allow"] is (name == "yes")
            missing = max(0, self._seen_choices[name] - len(found))
            there += max(0, count - missing) if is_newest else 0
        return looked_for.count - there

    def ask_all(self) -> list[RouteAnswer]:
        """Each route once, all at the same time."""
        self._count += 1
        name = f"p{self._count}"
        routes: list[tuple[str, str, str, object]] = [
            ("gate", "GET", "/v1/accounts/host:turns/gate", None),
            ("turn", "POST", "/v1/turns", _turn(name)),
            ("yes", "POST", "/v1/accounts/host:yes/choices", {"allow": True}),
            ("no", "POST", "/v1/accounts/host:no/choices", {"allow": False}),
            ("account", "POST", "/v1/accounts", {"host": name, "plan": "pro", "age": 30}),
            ("explain", "GET", "/v1/accounts/host:yes/explain", None),
            ("sign-in", "GET", "/sign-in", None),
            ("healthz", "GET", "/healthz", None),
        ]
        with ThreadPoolExecutor(len(routes)) as threads:
            answers = list(threads.map(lambda route: self.ask(*route), routes))
        for answer in answers:
            self.acknowledged.add(name, answer)
        return answers

    def names(self, service: HangingService) -> bool:
        """Whether `/readyz` and the metric name it."""
        shown = f'licet_dependency_silent{{dependency="{service.name}"}} 1.0'
        with suppress(httpx.TransportError, ValueError):
            ready, metrics = self._client.get("/readyz").json(), self._client.get("/metrics").text
            # by its code where the server cannot go on without it
            named = {*ready.get("silent", ()), ready.get("because")}
            return not named.isdisjoint({service.name, service.because}) and shown in metrics
        return False

    def is_quiet(self) -> bool:
        with suppress(httpx.TransportError, ValueError):
            ready = self._client.get("/readyz")
            return ready.status_code == 200 and "silent" not in ready.json()
        return False


class AlertWatch:
    """Prometheus, which reads a server as deploy/prometheus.yaml has it, with its alert rules."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/api/v1/alerts"

    def fires(self, dependency: str) -> bool:
        with suppress(httpx.TransportError, ValueError):
            alerts = httpx.get(self._url).json()["data"]["alerts"]
            return any(
                one["state"] == "firing" and one["labels"].get("dependency") == dependency
                for one in alerts
            )
        return False

    @property
    def is_ready(self) -> bool:
        with suppress(httpx.TransportError, ValueError):
            return httpx.get(self._url).is_success
        return False


@contextmanager
def alerts_of(url: str, folder: Path) -> Iterator[AlertWatch]:
    """Prometheus beside a server, with its data in ``folder``."""
    program = shutil.which("prometheus")
    if program is None:
        raise SystemExit("error: `prometheus` is not here\nhint: apt-get install prometheus")
    configuration = yaml.safe_load((DEPLOY / "prometheus.yaml").read_text("utf-8"))
    configuration["rule_files"] = [str(DEPLOY / "alerts.yaml")]
    (scraped,) = configuration["scrape_configs"]
    scraped["static_configs"] = [{"targets": [url.removeprefix("http://")]}]
    file = folder / "prometheus.yaml"
    file.write_text(yaml.safe_dump(configuration))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    words = [f"--config.file={file}", f"--storage.tsdb.path={folder / 'prometheus'}"]
    words += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]
    with subprocess.Popen([program, *words]) as running:
        try:
            watch = AlertWatch(port)
            began = time.perf_counter()
            assert seconds_until(lambda: watch.is_ready, began) < LEGIBLE_SECONDS
            yield watch
        finally:
            running.terminate()


def seconds_until(holds: Callable[[], bool], began: float) -> float:
    """Infinite where it does not hold by a multiple of `LEGIBLE_SECONDS`."""
    while not holds():
        if time.perf_counter() > began + 3 * LEGIBLE_SECONDS:
            return float("inf")
        time.sleep(0.1)
    return time.perf_counter() - began


def play(
    server: AskedServer, service: HangingService, harm: str, alerts: AlertWatch | None = None
) -> HangFigures:
    """Harms it, asks each route at once and again once it is named, lets it go on, and looks for
    what was acknowledged. With ``alerts`` its alert is waited for.
    """
    if alerts is not None:
        seconds_until(lambda: not alerts.fires(service.name), time.perf_counter())
    with service.harms[harm]():
        began = time.perf_counter()
        answers = server.ask_all()
        named = seconds_until(lambda: server.names(service), began)
        answers += server.ask_all()
        alert = None
        if alerts is not None:
            alert = seconds_until(lambda: alerts.fires(service.name), began)
    if harm == DEAD:
        server.restart()
    began = time.perf_counter()
    back = seconds_until(
        lambda: server.is_quiet() and all(one.status < 500 for one in server.ask_all()), began
    )
    acknowledged = server.acknowledged.count
    return HangFigures(
        dependency=service.title or service.name,
        harm=harm,
        because=service.because,
        may_stop=service.may_stop,
        answers=tuple(answers),
        named_seconds=named,
        alert_seconds=alert,
        back_seconds=back,
        acknowledged=acknowledged,
        lost=server.lost(),
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


def main(arguments: list[str]) -> list[Row]:
    """Up to five rows a harm: the slowest route, when `/readyz` and an alert named it, when all was
    as before, and what was answered wrongly or lost.
    """
    from tests import hanging  # the services of the tests: it imports this module

    found: list[HangFigures] = []
    for world in (hanging.world, hanging.token_world):
        with (
            tempfile.TemporaryDirectory() as scratch,
            world(Path(scratch)) as (server, services),
            alerts_of(server.url, Path(scratch)) as alerts,
        ):
            for service in services:
                if arguments and (service.title or service.name) not in arguments:
                    continue
                for number, harm in enumerate(service.harms):
                    waited_for = alerts if number == 0 else None
                    found.append(play(server, service, harm, waited_for))
    return [row for one in found for row in rows(one)]


def rows(one: HangFigures) -> Iterator[Row]:
    what = f"{one.dependency}, {one.harm}"
    refused = sorted({answer.route for answer in one.refused})
    codes = ", ".join(sorted({f"`{answer.because}`" for answer in one.refused}))
    stops = f"{', '.join(refused)} refused with {codes}" if refused else "every route answers"
    slowest = max(answer.seconds for answer in one.answers)
    yield limited(f"{what}: {stops}; the slowest answer, s", slowest, ROUTE_SECONDS)
    yield limited(
        f"{what}: named by `/readyz` and the metric after, s", one.named_seconds, READY_SECONDS
    )
    if one.alert_seconds is not None:
        yield limited(f"{what}: named by an alert after, s", one.alert_seconds, LEGIBLE_SECONDS)
    back = "after a restart" if one.harm == DEAD else "once it answers"
    yield limited(f"{what}: all as before, {back}, after, s", one.back_seconds, LEGIBLE_SECONDS)
    yield limited(
        f"{what}: answers of other routes or with other codes, of {len(one.answers)}",
        len(one.wrong),
        0,
    )
    yield limited(f"{what}: changes acknowledged and lost, of {one.acknowledged}", one.lost, 0)


def _turn(name: str) -> dict[str, str]:
    about = {"account": "host:turns", "conversation": "host:chat", "role": "user"}
    return {**about, "id": name, "text": "good day"}
