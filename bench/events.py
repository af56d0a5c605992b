"""What events cost, and how fast they leave: `python -m bench events [FOLDER]`.

Choices told in batches, and a sweep, each with an endpoint that hears beside the same without one
(rounds by turns, so that another load weighs on both). Then messages a second to a receiver in a
process of its own, beside the same bodies posted by the same client and as many threads without a
database or a signature, in seconds and in CPU of this process and the database; and events a second
to a reader. On an embedded database that is durable, in FOLDER, or a temporary one.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import uvicorn

from bench import Row, server_seconds
from licet.config import Configuration, Webhooks
from licet.erasure import sweeper
from licet.policy.file import preset
from licet.service import policy_changes
from licet.store.connect import transaction
from licet.vault import commands as do
from licet.vault import host_events, verbs
from licet.vault.content import Content, encode
from licet.vault.ids import uuid7
from licet.vault.installation import Installation, open_installation
from licet.webhooks import delivery, endpoints, feed
from licet.webhooks.outbound_http import Poster

ACCOUNTS, BATCH, ROUNDS, SENT_ROUNDS = 1_000, 500, 6, 4
AT = datetime(2025, 9, 1, tzinfo=UTC)
BODY = b'{"id":"evt_0b6dd5a1c2c24c0e9c0f8a4f4b1f3f0e"}'.ljust(330)


async def receive_all(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def receiver(port: int) -> None:
    uvicorn.run(receive_all, host="127.0.0.1", port=port, log_level="critical", lifespan="off")


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


class Bench:
    """An installation whose clock is set."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.accounts = [uuid7(AT, os.urandom(10)) for _ in range(ACCOUNTS)]
        self.batched(
            [
                do.OpenAccount(account=a, at=AT, host=os.urandom(16), plan="pro", age=30)
                for a in self.accounts
            ]
        )

    def batched(self, commands: list[Any]) -> None:
        for first in range(0, len(commands), BATCH):
            verbs.apply_commands(self.installation, commands[first : first + BATCH])

    def choose(self, allow: bool) -> None:
        self.batched([do.Choose(account=a, at=AT, allow=allow) for a in self.accounts])

    def say(self) -> None:
        content = encode(Content(text="How do I plant a pear tree?"))
        self.batched(
            [
                do.AddTurn(account=a, at=self.installation.clock(), content=content)
                for a in self.accounts
            ]
        )


def by_turns(
    bench: Bench, run: Callable[[], object], before: Callable[[], object] = lambda: None
) -> tuple[float, float]:
    """The median seconds of ``run`` with an endpoint and without one."""
    took: dict[bool, list[float]] = {True: [], False: []}
    for n in range(2 * ROUNDS):
        before()
        if n % 2:
            endpoints.add(bench.installation, "hears", None)
        took[bool(n % 2)].append(seconds(run))
        if n % 2:
            endpoints.remove(bench.installation, "hears")
    return statistics.median(took[True]), statistics.median(took[False])


def main(arguments: list[str]) -> list[Row]:
    with tempfile.TemporaryDirectory(dir=arguments[0] if arguments else None) as folder:
        days = [0]
        config = Configuration(data=Path(folder), webhooks=Webhooks(inside=("127.0.0.1",)))
        with open_installation(config, lambda: AT + timedelta(days=days[0])) as installation:
            policy_changes.apply_policy(installation, preset("article-2025"), actor="bench")
            bench = Bench(installation)

            def choose_twice() -> None:
                bench.choose(True)
                bench.choose(False)

            told, silent = by_turns(bench, choose_twice)
            rows = [_beside("choices told, a second", 2 * ACCOUNTS, told, silent)]

            def month() -> None:
                bench.say()
                days[0] += 31

            rows.append(
                _beside(
                    "conversations swept, a second",
                    ACCOUNTS,
                    *by_turns(bench, lambda: sweeper.sweep(installation), month),
                )
            )
            return rows + _sent(bench)


def _beside(what: str, count: int, with_: float, without: float) -> Row:
    return Row(
        what,
        f"{count / with_:,.0f} with an endpoint",
        f"{count / without:,.0f} without",
        f"{with_ / without:.2f}",
    )


def _sent(bench: Bench) -> list[Row]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    other = multiprocessing.get_context("spawn").Process(target=receiver, args=(port,), daemon=True)
    other.start()
    url = f"http://127.0.0.1:{port}/"
    poster = Poster(("127.0.0.1",))
    while not poster.post(url, BODY, {}).is_success:
        time.sleep(0.05)
    endpoints.add(bench.installation, "sent", url)
    _prune(bench)
    count = 3 * ACCOUNTS * SENT_ROUNDS  # a yes, a no, and what must leave
    spent = {True: [0.0, 0.0], False: [0.0, 0.0]}
    for _ in range(SENT_ROUNDS):  # by turns, so that another load weighs on both
        bench.choose(True)
        bench.choose(False)
        _add(spent[True], _spent(bench, lambda: delivery.deliver_due(bench.installation)))
        _add(spent[False], _spent(bench, lambda: _post_bare(poster, url, count // SENT_ROUNDS)))
    (sent, sent_cpu), (bare, bare_cpu) = spent[True], spent[False]
    other.kill()

    def read() -> int:
        cursor, found = "0", 0
        while (page := feed.events_after(bench.installation, cursor)).items:
            cursor, found = page.next, found + len(page.items)
        return found

    total = read()
    return [
        Row(
            "messages sent and recorded, a second (goal: 2,000)",
            f"{count / sent:,.0f}",
            f"{count / bare:,.0f} posts",
            f"{sent / bare:.2f}",
        ),
        Row(
            "  CPU of the process and the database, us a message",
            f"{1e6 * sent_cpu / count:,.0f}",
            f"{1e6 * bare_cpu / count:,.0f}",
            f"{sent_cpu / bare_cpu:.2f}",
        ),
        Row("events read in pages of 1,000, a second", f"{total / seconds(read):,.0f}"),
    ]


def _prune(bench: Bench) -> None:
    """Deletes what is old by now: a year passed in a minute, and the rounds that are measured would
    delete all of it.
    """
    before = bench.installation.clock() - timedelta(days=delivery.KEPT_DAYS)
    with transaction(bench.installation.pool) as tx:
        while host_events.give_numbers(tx):
            pass
        while host_events.prune(tx, before, delivery.PRUNED_MAX):
            pass


def _post_bare(poster: Poster, url: str, count: int) -> None:
    with ThreadPoolExecutor(delivery.THREADS_MAX) as pool:
        list(pool.map(lambda _: poster.post(url, BODY, {}), range(count)))


def _spent(bench: Bench, run: Callable[[], object]) -> tuple[float, float]:
    """The seconds that ``run`` takes, and those of processors, of this process and of the
    database.
    """
    with transaction(bench.installation.pool) as tx:
        before = time.process_time() + server_seconds(tx)
        took = seconds(run)
        return took, time.process_time() + server_seconds(tx) - before


def _add(total: list[float], more: tuple[float, float]) -> None:
    total[0] += more[0]
    total[1] += more[1]
