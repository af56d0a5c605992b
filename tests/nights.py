"""A bad night: something breaks, an alert fires, and whoever is called has the alert alone.

The server runs and is scraped, well and with the fault. Its samples become two series of minutes:
hours in which all is well, then the fault goes on. `promtool` evaluates `deploy/alerts.yaml` over
them and finds the alert that fires first. From there on only the page of its link is used: the
commands that it names first, and its last check once the fault is mended.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from copy import copy
from functools import cache, partial
from pathlib import Path
from typing import Any

import httpx
import psycopg
import yaml
from prometheus_client.parser import text_string_to_metric_families

from licet.store import embedded

from .forking import FORKED, STARTED
from .service.test_alerts import DEPLOY, all_rules, page_of, promtool, rules
from .waiting import HANG_SECONDS, wait_until
from .web.test_serve import free_port
from .web.test_silent_dependencies import Host

WELL_MINUTES, FAULT_MINUTES = 370, 90  # an objective looks back for six hours
HTTP_SECONDS = 10.0
# Where the commands of a page lead to on the machine that the page is about.
PORT, BACKUPS = "8787", "/var/backups/licet"
JOURNALCTL = """#!/bin/sh
# The log of the server by the words of `journalctl --unit licet`.
grep='' lines='+1'
while [ $# -gt 0 ]; do
    case "$1" in --grep) grep=$2; shift;; --lines) lines=$2; shift;; --since) shift;; esac
    shift
done
grep -E "$grep" "$NIGHT_LOG" | tail -n "$lines"
"""
SYSTEMCTL = """#!/bin/sh
if curl --silent --output /dev/null "http://127.0.0.1:$NIGHT_PORT/healthz"; then
    echo "Active: active (running)"
else
    echo "Active: failed"
    exit 3
fi
"""
NO_ROUTE = "(?!)"
INSTANCES = "ab"  # of the servers, in the order in which they are scraped
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@cache
def metrics_asked_for() -> set[str]:
    """The metrics that the rules name."""
    return {name for rule in all_rules() for name in re.findall(r"\blicet_\w+", rule["expr"])}


class NightHost(Host):
    """A server that can be ended and begun again, with its log in a file, and the programs that
    its pages name. ``machines`` are all servers of the installation, itself the first.
    """

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder, self.log, self.port = folder, folder / "log", free_port()
        programs = folder / "programs"
        programs.mkdir()
        (programs / "licet").symlink_to(FORKED)
        for name, text in (("journalctl", JOURNALCTL), ("systemctl", SYSTEMCTL)):
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        super().__init__(
            folder / "data",
            **{
                "PATH": f"{programs}:{os.environ['PATH']}",
                "LICET_DATA": str(folder / "data"),
                "NIGHT_LOG": str(self.log),
                "NIGHT_PORT": str(self.port),
                **settings,
            },
        )
        self.url = f"http://127.0.0.1:{self.port}"
        self.machines, self.asks_at_once = [self], True
        self._server: subprocess.Popen[bytes] | None = None
        self._words: tuple[str, ...] = ()
        self._count = 0

    @contextmanager
    def up(self, *words: str) -> Iterator[None]:
        self._words = words
        self.begin()
        try:
            for name in ("turns", "yes", "no"):
                # on a machine that is busy a service may be taken to be silent
                wait_until(partial(self.takes, name), "it takes accounts and choices")
            wait_until(self.is_complete, "all workers are ready")
            yield
        finally:
            self.end()

    @contextmanager
    def beside(self, **settings: str) -> Iterator[NightHost]:
        """One more server of the installation, on a machine with these settings."""
        other = copy(self)
        other.port, other.log = free_port(), self.folder / "log-beside"
        other.url = f"http://127.0.0.1:{other.port}"
        other.set_to(NIGHT_PORT=str(other.port), NIGHT_LOG=str(other.log), **settings)
        self.machines.append(other)
        other.begin()
        try:
            yield other
        finally:
            other.end()

    def set_to(self, **settings: str) -> None:
        """For the programs that start from now on."""
        self.environment = self.environment | settings

    def takes(self, name: str) -> bool:
        body = {"host": name, "plan": "pro", "age": 30}
        opened = self.ask("POST", "/v1/accounts", body)
        return opened.is_success and self.choose(name, True).is_success

    def begin(self) -> None:
        self.spawn()
        wait_until(self.is_ready, "the server starts", alive=self.is_running)

    def spawn(self) -> None:
        words = [*STARTED, "serve", "--data", str(self.data), "--port", str(self.port)]
        with self.log.open("ab") as log:
            self._server = subprocess.Popen(
                [*words, *self._words], env=self.environment, stdout=log, stderr=log
            )
        self.pid = self._server.pid

    def end(self) -> None:
        assert self._server is not None
        self._server.send_signal(signal.SIGTERM)
        try:
            self._server.wait(60)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()

    def is_running(self) -> bool:
        return self._server is not None and self._server.poll() is None

    def is_ready(self) -> bool:
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/readyz", timeout=HTTP_SECONDS).status_code == 200
        return False

    def is_complete(self) -> bool:
        return self.gauge("licet_workers_ready") == self.gauge("licet_workers_wanted")

    def is_quiet(self) -> bool:
        """Whether it is ready, and nothing that it depends on is silent."""
        return self.is_ready() and "silent" not in self.ready().json()

    def traffic(self) -> bool:
        """A minute's worth: gates, a turn, and choices of both kinds, beside each other if it
        ``asks_at_once``; whether each is answered.
        """
        self._count += 1
        yes, no = {"allow": True}, {"allow": False}
        beside = (
            [("GET", "/v1/accounts/host:turns/gate", None)] * 10,
            [("POST", "/v1/turns", self._turn())],
            [("POST", "/v1/accounts/host:yes/choices", yes)],
            [("POST", "/v1/accounts/host:no/choices", choice) for choice in (yes, no)],
        )
        with ThreadPoolExecutor(len(beside) if self.asks_at_once else 1) as threads:
            return all([*threads.map(self._are_answered, beside)])

    def _are_answered(self, requests: Sequence[tuple[str, str, dict[str, Any] | None]]) -> bool:
        answered = True
        with httpx.Client(base_url=self.url, headers=self.headers, timeout=HTTP_SECONDS) as client:
            for method, path, body in requests:
                try:
                    answered &= client.request(method, path, json=body).status_code < 500
                except httpx.TransportError:
                    answered = False
        return answered

    def _turn(self) -> dict[str, str]:
        name = {"account": "host:turns", "conversation": "host:chat", "id": f"t{self._count}"}
        return {**name, "role": "user", "text": "How do I plant a pear tree?"}

    @contextmanager
    def database(self) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
        """A session of somebody at the embedded database."""
        with (
            embedded.running(self.data / "postgres") as dsn,
            psycopg.connect(dsn, application_name="report") as conn,
        ):
            yield conn

    def scrape(self) -> Samples:
        """The metrics of all machines, and `up` with them."""
        found: Samples = {}
        for instance, machine in zip(INSTANCES, self.machines, strict=False):
            metrics = machine.metrics()
            found["up", (("instance", instance),)] = float(metrics is not None)
            for (name, labels), value in (metrics or {}).items():
                found[name, tuple(sorted((*labels, ("instance", instance))))] = value
        return found

    def metrics(self) -> Samples | None:
        """What the rules ask for; None if it does not answer."""
        try:
            text = httpx.get(f"{self.url}/metrics", timeout=HTTP_SECONDS).text
        except httpx.TransportError:
            return None
        return {
            (one.name, tuple(sorted(one.labels.items()))): one.value
            for family in text_string_to_metric_families(text)
            for one in family.samples
            if one.name in metrics_asked_for()
        }

    def gauge(self, name: str, **labels: str) -> float:
        return (self.metrics() or {}).get((name, tuple(sorted(labels.items()))), 0.0)

    def type_in(self, commands: Sequence[str]) -> str:
        """What the commands of a page print on each machine."""
        return "\n".join(
            machine.shell(command) for machine in self.machines for command in commands
        )

    def shell(self, command: str) -> str:
        """What a command of a page prints, both of its streams."""
        here = command.replace(PORT, str(self.port)).replace(BACKUPS, str(self.folder / "backups"))
        done = subprocess.run(
            ["sh", "-c", here],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=HANG_SECONDS,
        )
        return f"$ {command}\n{done.stdout}"


def alerts_by_minute(
    folder: Path, well: list[Samples], fault: list[Samples], stuck: tuple[str, ...], timed: str
) -> dict[int, set[str]]:
    """The alerts that fire in each minute of the fault in which any does. Each list has the samples
    before and after a minute's traffic. A time, in seconds since 1970, follows the clock, unless it
    is ``stuck``: work that goes on renews it. What is no route that ``timed`` matches counts as
    answered at once: how fast it is on a busy machine is no part of a night.
    """
    well = [_at_once(one, NO_ROUTE) for one in well]
    fault = [_at_once(one, timed) for one in fault]
    now = time.time()
    begin = now - WELL_MINUTES * 60
    series = [
        {
            "series": f"{name}{{{_labels(labels)}}}",
            "values": " ".join(
                [
                    *_minutes(name, labels, well, stuck, now, 0, WELL_MINUTES),
                    *_minutes(name, labels, fault, stuck, now, WELL_MINUTES, FAULT_MINUTES),
                ]
            ),
        }
        for name, labels in {**well[-1], **fault[-1]}
    ]
    times = range(WELL_MINUTES, WELL_MINUTES + FAULT_MINUTES)
    test = {
        "interval": "1m",
        "input_series": series,
        "promql_expr_test": [
            {"expr": 'ALERTS{alertstate="firing"}', "eval_time": f"{at}m", "exp_samples": []}
            for at in (WELL_MINUTES - 1, *times)
        ],
    }
    # promtool begins in 1970
    text = (DEPLOY / "alerts.yaml").read_text("utf-8").replace("time()", f"(time() + {begin:.3f})")
    (folder / "alerts.yaml").write_text(text)
    document = {"rule_files": ["alerts.yaml"], "evaluation_interval": "1m", "tests": [test]}
    (folder / "night.yaml").write_text(yaml.safe_dump(document))
    ran = promtool("test", "rules", str(folder / "night.yaml"))
    failed = re.split(r"(?m)^\s+expr: ", ran.stdout + ran.stderr)[1:]
    fired = {_minute(one): set(re.findall(r'alertname=\\?"(\w+)', one)) for one in failed}
    assert WELL_MINUTES - 1 not in fired, f"before the fault: {fired[WELL_MINUTES - 1]}"
    assert fired, f"no alert fires within {FAULT_MINUTES} minutes: {ran.stdout}{ran.stderr}"
    return {minute - WELL_MINUTES: names for minute, names in sorted(fired.items())}


def _at_once(samples: Samples, timed: str) -> Samples:
    """The samples with each bucket of a histogram as full as its last one."""
    found = dict(samples)
    for name, labels in samples:
        bounds = dict(labels)
        if not name.endswith("_bucket") or re.search(timed, bounds.get("route", "")):
            continue
        last = tuple(sorted({**bounds, "le": "+Inf"}.items()))
        found[name, labels] = samples[name, last]
    return found


def _minute(failed: str) -> int:
    """Of `6h10m`, as promtool writes it."""
    found = re.search(r"time: (?:(\d+)h)?(?:(\d+)m)?", failed)
    assert found is not None, failed
    return int(found[1] or 0) * 60 + int(found[2] or 0)


def _labels(labels: tuple[tuple[str, str], ...]) -> str:
    return ",".join(f'{name}="{value}"' for name, value in (*labels, ("job", "licet")))


COUNTED = ("_total", "_count", "_bucket")


def _minutes(
    name: str,
    labels: tuple[tuple[str, str], ...],
    samples: list[Samples],
    stuck: tuple[str, ...],
    now: float,
    first: int,
    count: int,
) -> list[str]:
    value = samples[-1].get((name, labels))
    if value is None:
        return [f"_x{count}"]
    if name.endswith(COUNTED):
        rise = value - samples[0].get((name, labels), 0.0)
        # as high as it is at the end of the hours that were well, and at the beginning of the fault
        start = value - rise * count if first == 0 else value
        return [f"{max(start, 0):.3f}{rise:+.3f}x{count - 1}"]
    if name.endswith("_seconds") and value and name not in stuck:
        age = now - value
        at = now + (first - WELL_MINUTES) * 60
        return [f"{at - age:.3f}+60x{count - 1}"]
    return [f"{value:.3f}x{count - 1}"]


def runbook(alert: str) -> tuple[list[str], list[str]]:
    """The commands that the page of an alert names first, and those of its last check."""
    (rule,) = [one for one in rules() if one["alert"] == alert]
    page = page_of(rule).read_text("utf-8")
    first = page.split("## What to do\n")[1]
    last = page.split("## Check that it is over\n")[1]
    return _commands(first), _commands(last)


def _commands(section: str) -> list[str]:
    block = re.search(r"(?m)(?:^    .+\n)+", section)
    assert block is not None, section
    return [line.strip() for line in block[0].splitlines()]
