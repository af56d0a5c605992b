"""An hour without Licet: a program with many chats goes on beside it, and every turn is counted.

    ./run bench outages [CHATS]

`licet serve` really runs, on one host and then on two that share database, bucket and OpenBao,
behind a wire that can be harmed and that asks the other host where one does not answer. In turn
all hosts are killed, stopped with SIGSTOP, answer 500, are slow by more than the time-out, and lose
the bodies of their answers; then one after the other is replaced, as for an upgrade. Between the
harms they are well. Two programs with `licet.host` chat on: one blocks and one keeps. Each
message is a conversation of its own, whose title says when it was said, and is answered by a model
that takes `MODEL_SECONDS`; the same program also answers without Licet, for comparison. Some people
say yes while the wire is harmed: what they had said before must not be under it. The clock of the
caches runs sixty times as fast as the wall's, so that a minute is an hour.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol

import httpx
import msgspec
import psutil

from licet.store import embedded

FACTOR = 60
TIMEOUT_SECONDS = 2.0  # the default of a host
SLOW_SECONDS = 8.0  # longer than every wait for it
ROUNDS = 4
PAUSE_SECONDS = 0.6
EXPIRED_SECONDS = 1.5  # by then every cached answer of a minute is over
MODEL_SECONDS = 0.02
UPGRADED = "upgraded"
HARMS = ("killed", "stopped", "500", "slow", "bodies lost", UPGRADED)
WELL = "well"
PROGRAM = """
import asyncio, json, sys, time
from pathlib import Path
from licet.host import ConversationTurn, Host, HostSettings, Outage, delivery, gate_cache

url, key, spool, outage, factor, timeout, model, chats = sys.argv[1:]
clock = time.monotonic
gate_cache.monotonic = lambda: clock() * int(factor)
delivery.WAIT_SECONDS_MAX = 30.0 / int(factor)

async def plain():
    begun = time.perf_counter()
    await asyncio.sleep(float(model))
    return time.perf_counter() - begun

async def message(host, when, number):
    begun = time.perf_counter()
    permit = await host.gate(f"host:p{number}")
    gate = time.perf_counter() - begun
    whole = 0.0
    if permit.may_write:
        await asyncio.sleep(float(model))
        chat = f"host:{number} {outage} {when}"
        about = dict(account=permit.account, conversation=chat, surface="app")
        recorded = host.record(permit, [
            ConversationTurn(**about, id="1", text="hello", title=f"{outage} {when}"),
            ConversationTurn(**about, id="2", text="good day", role="assistant"),
        ])
        whole = time.perf_counter() - begun
        assert await asyncio.wrap_future(recorded)
    return [number, permit.may_write, permit.grant, permit.gate, gate, whole]

async def main():
    host = Host(HostSettings(url=url, key_file=Path(key), spool=Path(spool), outage=Outage(outage),
                             gate_timeout_seconds=float(timeout)))
    while (when := (await asyncio.to_thread(sys.stdin.readline)).strip()):
        if when == "size":
            print(host.spool.size, flush=True)
        elif when == "known":
            asked = [await host.gate(f"host:p{n}") for n in range(int(chats))]
            print(json.dumps(all(one.gate != "unknown" for one in asked)), flush=True)
        elif when == "plain":
            took = await asyncio.gather(*(plain() for _ in range(int(chats))))
            print(json.dumps(took), flush=True)
        elif when == "counts":
            print(json.dumps(host.counts), flush=True)
        else:
            said = await asyncio.gather(*(message(host, when, n) for n in range(int(chats))))
            print(json.dumps(said), flush=True)
    await host.aclose()

asyncio.run(main())
"""


class Server(Protocol):
    """`licet serve` on a host, or on several, as `tests.plugins.beside` starts them."""

    key_file: Path

    @property
    def urls(self) -> list[str]: ...

    def start(self) -> None: ...
    def stop(self, how: signal.Signals = signal.SIGTERM) -> None: ...
    def pids(self) -> list[int]: ...
    def upgrade(self) -> None: ...
    def open(self, name: str, allow: bool | None = None) -> None: ...
    def conversations(self, name: str) -> list[dict[str, Any]]: ...


class MessageResult(msgspec.Struct, frozen=True):
    """One message of a chat: how long its gate took, and with it the answer of the model and the
    call that records both. ``allowed``: whether its person had said yes by then.
    """

    outage: str
    harm: str
    when: str
    number: int
    may_write: bool
    grant: int
    gate: str
    seconds: float
    message_seconds: float
    allowed: bool


class OutageFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What an hour came to. The times are those of the gate, in milliseconds; but for
    ``plain_median_ms``, a message without Licet, and ``message_median_ms``, one while it is gone.
    """

    chats: int
    said: int
    lost: int
    twice: int
    stamped_wrongly: int
    blocked_though_kept: int
    let_through_though_blocked: int
    blocked_in_the_upgrade: int
    asked_in_the_upgrade: int
    plain_median_ms: float
    message_median_ms: float
    harmed_median_ms: float
    harmed_worst_ms: float
    timeout_ms: float


class Wire:
    """An address before the hosts of a server, and what is wrong with it."""

    def __init__(self, upstreams: list[str]) -> None:
        wire, self.harm = self, WELL
        clients = [httpx.Client(base_url=one, timeout=60) for one in upstreams]

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_request(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                harm = wire.harm
                if harm == "500":
                    return self.reply(500, b'{"type": "urn:licet:problem:broken"}', None)
                if harm == "slow":
                    time.sleep(SLOW_SECONDS)
                kept = ("authorization", "content-type", "idempotency-key", "accept")
                headers = {name: self.headers[name] for name in kept if self.headers[name]}
                came = self.come(body, headers)
                if came is None:
                    self.close_connection = True
                    return None
                answer = b"" if wire.harm == "bodies lost" else came.content
                return self.reply(came.status_code, answer, came.headers.get("content-type"))

            def come(self, body: bytes, headers: dict[str, str]) -> httpx.Response | None:
                """What a host answers, none if none does."""
                for client in clients:
                    with suppress(httpx.TransportError):
                        return client.request(
                            self.command, self.path, content=body, headers=headers
                        )
                return None

            def reply(self, status: int, body: bytes, kind: str | None) -> None:
                try:
                    self.send_response(status)
                    self.send_header("content-length", str(len(body)))
                    self.send_header("content-type", kind or "application/problem+json")
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:  # nobody waits for it any more
                    self.close_connection = True

            do_GET = do_POST = handle_request

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Chats:
    """A program with `licet.host`, in a process of its own."""

    def __init__(self, url: str, key_file: Path, spool: Path, outage: str, chats: int) -> None:
        words = [url, str(key_file), str(spool), outage, str(FACTOR), str(TIMEOUT_SECONDS)]
        words.append(str(MODEL_SECONDS))
        self.outage = outage
        self._program = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *words, str(chats)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, word: str) -> Any:
        assert self._program.stdin is not None and self._program.stdout is not None
        print(word, file=self._program.stdin, flush=True)
        line = self._program.stdout.readline()
        assert line, f"the program that is to {self.outage} has ended"
        return json.loads(line)

    def close(self) -> None:
        assert self._program.stdin is not None
        self._program.stdin.close()
        self._program.wait(600)


@contextmanager
def harmed(server: Server, wire: Wire, harm: str) -> Iterator[Callable[[], bool]]:
    """While something is wrong with Licet; yields whether that still goes on by itself."""
    upgrade = threading.Thread(target=server.upgrade)
    if harm == "killed":
        server.stop(signal.SIGKILL)
    elif harm == "stopped":
        for pid in server.pids():
            os.kill(pid, signal.SIGSTOP)
    elif harm == UPGRADED:
        upgrade.start()
    else:
        wire.harm = harm
    try:
        yield upgrade.is_alive
    finally:
        wire.harm = WELL
        if harm == "killed":
            server.start()
        elif harm == "stopped":
            for pid in server.pids():
                os.kill(pid, signal.SIGCONT)
        elif harm == UPGRADED:
            upgrade.join()


def play(
    server: Server, folder: Path, chats: int, wait_until: Callable[[Callable[[], bool]], None]
) -> tuple[OutageFigures, list[MessageResult], list[dict[str, int]]]:
    """Plays the hour; returns its figures, each message, and the counts of the two programs.

    Of the people a third has said yes, and two thirds no, of whom some say yes during an outage.
    """
    allowed = dict.fromkeys(range(chats), False)
    for number in range(chats):
        allowed[number] = number % 3 == 0
        server.open(f"p{number}", allowed[number])
    wire = Wire(server.urls)
    programs = [
        Chats(wire.url, server.key_file, folder / outage, outage, chats)
        for outage in ("block", "allow_and_keep")
    ]
    results: list[MessageResult] = []
    plain: list[float] = []

    def message_all(harm: str, when: str) -> None:
        for program in programs:
            results.extend(
                MessageResult(program.outage, harm, when, *one, allowed[one[0]])
                for one in program.ask(when)
            )

    waiting = iter([number for number in range(chats) if number % 3 == 2])
    try:
        for program in programs:
            wait_until(partial(_knows, program))
        message_all(WELL, "first")
        for harm in HARMS:
            for program in programs:
                wait_until(partial(_knows, program))
            message_all(WELL, f"before {harm}")
            with harmed(server, wire, harm) as goes_on:
                time.sleep(EXPIRED_SECONDS)
                for turn in itertools.count():
                    if turn >= ROUNDS and not goes_on():
                        break
                    message_all(harm, f"{harm} {turn}")
                    plain += programs[1].ask("plain")
                    if harm not in ("killed", "stopped", UPGRADED) and turn == 1:
                        for number, _ in zip(waiting, range(max(1, chats // 12)), strict=False):
                            server.open(f"p{number}", True)
                            allowed[number] = True
                    time.sleep(PAUSE_SECONDS)
            time.sleep(PAUSE_SECONDS)
        for program in programs:
            wait_until(partial(_is_drained, program))
        counts = [program.ask("counts") for program in programs]
        stored = {number: _stored(server, number) for number in range(chats)}
    finally:
        for program in programs:
            program.close()
        wire.close()
    return _figures(chats, results, plain, stored), results, counts


def _knows(program: Chats) -> bool:
    """Whether each gate is known to it."""
    return bool(program.ask("known"))


def _is_drained(program: Chats) -> bool:
    return bool(program.ask("size") == 0)


def _stored(server: Server, number: int) -> list[tuple[str, int, str]]:
    """Title, turns and use of each conversation of a person."""
    return [
        (one["title"], one["turns"], one["badges"][0]["use"])
        for one in server.conversations(f"p{number}")
    ]


def _figures(
    chats: int,
    results: list[MessageResult],
    plain: list[float],
    stored: dict[int, list[tuple[str, int, str]]],
) -> OutageFigures:
    lost = twice = wrongly = 0
    for number, conversations in stored.items():
        there = {title: (turns, use) for title, turns, use in conversations}
        times = Counter(title for title, _, _ in conversations)
        twice += sum(count - 1 for count in times.values())
        for one in results:
            if one.number != number or not one.may_write:
                continue
            turns, use = there.get(f"{one.outage} {one.when}", (0, ""))
            lost += max(0, 2 - turns)
            twice += max(0, turns - 2)
            # usable exactly if the grant that is in force was known when it was said
            wrongly += (use == "whole") != (one.grant > 0) or (one.grant > 0 and not one.allowed)
    harmed_ones = [one for one in results if one.harm not in (WELL, UPGRADED)]
    upgraded = [one for one in results if one.harm == UPGRADED and one.outage == "block"]
    times_taken = [one.seconds for one in harmed_ones]
    return OutageFigures(
        chats=chats,
        said=2 * sum(one.may_write for one in results),
        lost=lost,
        twice=twice,
        stamped_wrongly=wrongly,
        blocked_though_kept=sum(
            not one.may_write
            for one in results
            if one.harm != WELL and one.outage == "allow_and_keep"
        ),
        let_through_though_blocked=sum(
            one.may_write for one in harmed_ones if one.outage == "block"
        ),
        blocked_in_the_upgrade=sum(not one.may_write for one in upgraded),
        asked_in_the_upgrade=len(upgraded),
        plain_median_ms=1000 * statistics.median(plain),
        message_median_ms=1000
        * statistics.median(one.message_seconds for one in harmed_ones if one.may_write),
        harmed_median_ms=1000 * statistics.median(times_taken),
        harmed_worst_ms=1000 * max(times_taken),
        timeout_ms=1000 * TIMEOUT_SECONDS,
    )


def pids_below(pid: int) -> list[int]:
    """A program and all that it runs."""
    try:
        program = psutil.Process(pid)
        return [pid, *(child.pid for child in program.children(recursive=True))]
    except psutil.NoSuchProcess:
        return []


def main(arguments: list[str]) -> list[tuple[str, ...]]:
    """The rows of an hour with as many chats as asked for, on one host and on two, each time in an
    installation of its own.
    """
    # the server of the tests: it imports this module
    from tests.plugins.beside import Licet, two_hosts
    from tests.waiting import wait_until

    chats = int(arguments[0]) if arguments else 50
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with embedded.running(folder / "postgres") as dsn:
            licet = Licet(folder / "licet", dsn)
            licet.start()
            try:
                one, _, _ = play(licet, folder / "one", chats, wait_until)
            finally:
                licet.stop()
        with (
            embedded.running(folder / "postgres of two") as dsn,
            two_hosts(folder / "hosts", dsn) as pair,
        ):
            two, _, _ = play(pair, folder / "two", chats, wait_until)
    return [*_rows("one host", one), *_rows("two hosts", two)]


def _rows(where: str, figures: OutageFigures) -> list[tuple[str, ...]]:
    counted = {
        "lost": figures.lost,
        "there twice": figures.twice,
        "stamped as what did not hold": figures.stamped_wrongly,
        "messages blocked under `allow_and_keep`": figures.blocked_though_kept,
        "messages let through under `block`": figures.let_through_though_blocked,
        f"messages blocked under `block` of {figures.asked_in_the_upgrade:,} during the upgrade": (
            figures.blocked_in_the_upgrade
        ),
    }
    before = f"{where}, of {figures.said:,} turns of {figures.chats} chats"
    return [
        *((f"{before}, {what}", str(n)) for what, n in counted.items()),
        (
            f"{where}, gate while nobody answers, ms at the median",
            f"{figures.harmed_median_ms:.3f}",
        ),
        (
            f"{where}, a message while nobody answers, ms at the median, beside one without Licet",
            f"{figures.message_median_ms:.2f}",
            f"{figures.plain_median_ms:.2f}",
            f"{figures.message_median_ms / figures.plain_median_ms:.2f}",
        ),
        (
            f"{where}, the longest gate, ms, beside its time-out",
            f"{figures.harmed_worst_ms:.0f}",
            f"{figures.timeout_ms:.0f}",
            f"{figures.harmed_worst_ms / figures.timeout_ms:.2f}",
        ),
    ]
