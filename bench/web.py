"""What a request costs beside the same request in a bare Litestar application on the same database,
in the same run.

- a choice, durable, with its event, against a bare POST that inserts one row of the same table and
  one outbox row
- the gate, against a bare GET with one indexed SELECT
- choices a second from 64 clients, against pgbench running the same two INSERTs from 64 clients
- turns in bulk, against an import of the same turns from a file, by CPU of the process that does it
- a withdrawal that re-dates 10,000 segments, in one transaction

CPU is that of the server's process and of the database's backends, a request, from 1, 16 and 64
clients; both servers run uvicorn with the same loop and parser, the bare one an asynchronous pool
of psycopg. Rounds alternate, and the median counts.

    python bench/web.py [--seconds 3] [--rounds 5]
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import psutil

from bench import Row
from licet.access import service_keys
from licet.access.roles import Scope
from licet.config import Configuration, Web
from licet.intake import imports
from licet.intake.import_records import RecordedAccount
from licet.service import policy_changes
from licet.store.connect import transaction
from licet.vault import verbs
from licet.vault.commands import AddTurn, Choose, OpenAccount
from licet.vault.content import Content, encode
from licet.vault.ids import host_hmac, uuid7
from licet.vault.installation import Installation, load_host_key, open_installation

CLIENTS = 64
PGBENCH_SECONDS_MIN = 3  # its connections are made within the time
ACCOUNTS = 2_000
CPU_GOALS = {1: 2.0, 16: 1.2, 64: 1.0}  # at most so many times the bare handler's, by clients
GOALS = {"choices a second": 0.2, "bulk": 0.5, "withdrawal seconds": 1.0}
TURNS, TURNS_A_CONVERSATION, SEGMENTS = 20_000, 10, 10_000


def ours(data: Path, port: int) -> None:
    from licet.web.app import create_app
    from licet.web.serve import log_as_json, server

    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    with open_installation(Configuration(data=data)) as installation:
        log_as_json()
        server(
            create_app(installation, Web(service_requests_per_minute=10**9)), "127.0.0.1", port
        ).run()


def bare(dsn: str, port: int) -> None:
    """The floor: Litestar, msgspec, an asynchronous pool; one statement for the GET, two for the
    POST.
    """
    import msgspec
    import uvicorn
    from litestar import Litestar, Request, get, post
    from psycopg_pool import AsyncConnectionPool

    class Body(msgspec.Struct):
        allow: bool

    pool = AsyncConnectionPool(dsn, min_size=16, max_size=16, open=False)

    @post("/accounts/{account:str}/choices")
    async def choose(account: Any, request: Request) -> dict[str, Any]:
        body = msgspec.json.decode(await request.body(), type=Body)
        async with pool.connection() as conn:
            rows = await conn.execute(
                "INSERT INTO bare_choices (account_id, allow, effect, via, occurred_at) VALUES "
                "(%s, %s, %s, %s, now())"
                " RETURNING seq, occurred_at",
                [account, body.allow, "began", "api"],
            )
            seq, at = await rows.fetchone()
            await conn.execute(
                "INSERT INTO bare_outbox (account_id, entry, payload) VALUES (%s, %s, %s)",
                [account, "choice", '{"allow":true,"effect":"began","seq":1,"version":0}'],
            )
        return {"account": account, "seq": seq, "at": at}

    @get("/accounts/{account:str}/gate")
    async def gate(account: Any) -> dict[str, Any]:
        async with pool.connection() as conn:
            rows = await conn.execute(
                "SELECT plan, standing, answered FROM accounts LEFT JOIN standings USING "
                "(account_id)"
                " WHERE account_id = %s",
                [account],
            )
            plan, standing, answered = await rows.fetchone()
        return {"account": account, "plan": plan, "standing": standing, "answered": answered}

    async def opened(_: Litestar) -> None:
        await pool.open()

    async def closed(_: Litestar) -> None:
        await pool.close()

    app = Litestar(
        [choose, gate],
        on_startup=[opened],
        on_shutdown=[closed],
        openapi_config=None,
        logging_config=None,
    )
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", access_log=False)


async def load(
    port: int, requests: list[bytes], seconds: float, clients: int, waits: list[float] | None = None
) -> int:
    """Keeps ``clients`` connections busy for ``seconds``; returns how many requests were answered
    2xx. To ``waits`` the seconds of each are added.
    """
    until, done, bad = time.perf_counter() + seconds, 0, 0

    async def client(number: int) -> None:
        nonlocal done, bad
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        place = number * len(requests) // clients
        while time.perf_counter() < until:
            asked = time.perf_counter()
            writer.write(requests[place % len(requests)])
            place += 1
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            if waits is not None:
                waits.append(time.perf_counter() - asked)
            if head[9:10] == b"2":
                done += 1
            else:
                bad += 1
        writer.close()

    await asyncio.gather(*(client(n) for n in range(clients)))
    assert bad == 0, f"{bad} requests were refused"
    return done


def request(method: str, path: str, key: str, body: bytes = b"") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {key}\r\n"
    sent = f"content-type: application/json\r\ncontent-length: {len(body)}\r\n" if body else ""
    return (head + sent + "\r\n").encode() + body


@contextmanager
def running(target: Any, *args: Any) -> Any:
    """A server in a process of its own."""
    process = multiprocessing.get_context("spawn").Process(target=target, args=args, daemon=True)
    process.start()
    port = args[-1]
    while True:
        try:
            asyncio.run(_knock(port))
            break
        except OSError:
            assert process.is_alive(), "the server did not start"
            time.sleep(0.1)
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.join(30)


async def _knock(port: int) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()


def measured(
    server: psutil.Process,
    database: psutil.Process,
    port: int,
    requests: list[bytes],
    seconds: float,
    clients: int,
) -> dict[str, float]:
    """CPU microseconds of the server and of the database's backends a request, requests a second,
    and the milliseconds that half of them and 99 of a hundred took at most.
    """
    asyncio.run(load(port, requests, seconds / 5, clients))
    backends = database.children()
    before, backends_before = cpu_of([server]), cpu_of(backends)
    begun, waits = time.perf_counter(), list[float]()
    done = asyncio.run(load(port, requests, seconds, clients, waits))
    spent = time.perf_counter() - begun
    served, stored = cpu_of([server]) - before, cpu_of(backends) - backends_before
    waits.sort()
    return {
        "served": served * 1e6 / done,
        "stored": stored * 1e6 / done,
        "rate": done / spent,
        "p50": waits[len(waits) // 2] * 1e3,
        "p99": waits[len(waits) * 99 // 100] * 1e3,
    }


def cpu_of(processes: list[psutil.Process]) -> float:
    """Seconds of the processor that they have taken, those left out that have ended."""
    total = 0.0
    for one in processes:
        with suppress(psutil.NoSuchProcess):
            total += sum(one.cpu_times()[:2])
    return total


def pgbench(dsn: str, folder: Path, seconds: float) -> float | None:
    """Transactions a second of the bare statements from the same number of clients; None where
    there is no pgbench.
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pgbench")) or [
        p for p in [shutil.which("pgbench")] if p
    ]
    if not found:
        return None
    script = folder / "choice.sql"
    script.write_text(
        "\\set n random(1, 2000)\nBEGIN;\n"
        "INSERT INTO bare_choices (account_id, allow, effect, via, occurred_at)"
        " VALUES (md5(:n::text)::uuid, true, 'began', 'api', now()) RETURNING seq;\n"
        "INSERT INTO bare_outbox (account_id, entry, payload) VALUES (md5(:n::text)::uuid, "
        "'choice',"
        ' \'{"allow":true,"effect":"began","seq":1,"version":0}\');\nCOMMIT;\n'
    )
    command = [
        str(found[-1]),
        "-n",
        "-c",
        str(CLIENTS),
        "-j",
        "2",
        "-T",
        str(max(round(seconds), PGBENCH_SECONDS_MIN)),
        "-f",
        str(script),
        dsn,
    ]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    found = [line for line in ran.stdout.splitlines() if line.startswith("tps")]
    assert found, ran.stdout + ran.stderr
    return float(found[0].split()[2])


def prepare(installation: Installation) -> tuple[str, list[Any]]:
    """Accounts of the same kind as a service has, and a key."""
    policy_changes.init(installation, preset="article-2025")
    now, host_key = installation.clock(), load_host_key(installation)
    commands = [
        OpenAccount(
            account=uuid7(now, os.urandom(10)),
            at=now,
            host=host_hmac(host_key, "account", f"p{n}"),
            plan="pro",
            age=30,
        )
        for n in range(ACCOUNTS)
    ]
    verbs.apply_commands(installation, commands)
    verbs.apply_commands(
        installation, [Choose(account=c.account, at=now, allow=True) for c in commands]
    )
    with transaction(installation.pool) as tx:
        tx.execute(
            """CREATE TABLE bare_choices (seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, account_id uuid NOT NULL,
                   allow boolean NOT NULL, effect text NOT NULL, via text NOT NULL, occurred_at timestamptz NOT NULL)"""
        )
        tx.execute(
            """CREATE TABLE bare_outbox (outbox_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                   account_id uuid NOT NULL, entry text NOT NULL, occurred_at timestamptz NOT NULL DEFAULT now(),
                   payload text NOT NULL)"""
        )
        # bound to somebody, and not timed here
        scopes = set(Scope) - {Scope.release_lease, Scope.events_acknowledge}
        return service_keys.create_key(tx, "bench", scopes, now, os.urandom), [
            c.account for c in commands
        ]


def bulk(
    installation: Installation, us: psutil.Process, port: int, key: str, folder: Path
) -> tuple[float, float]:
    """Turns a CPU second: sent in bulk over HTTP, and imported from a file."""
    text = "How do I plant a pear tree where the soil is heavy and the winters are long? " * 4
    conversations = [
        {"id": f"{n}", "turns": [f"{n}-{t} {text}" for t in range(TURNS_A_CONVERSATION)]}
        for n in range(TURNS // TURNS_A_CONVERSATION)
    ]
    lines = [
        json.dumps(
            {
                "account": f"host:p{int(c['id']) % ACCOUNTS}",
                "conversation": f"host:b{c['id']}",
                "id": str(n),
                "role": "user" if n % 2 == 0 else "assistant",
                "text": said,
            }
        )
        for c in conversations
        for n, said in enumerate(c["turns"])
    ]
    before = sum(us.cpu_times()[:2])
    for start in range(0, len(lines), 5_000):
        body = "\n".join(lines[start : start + 5_000]).encode()
        answer = httpx2.post(
            f"http://127.0.0.1:{port}/v1/turns:bulk",
            content=body,
            timeout=300,
            headers={"authorization": f"Bearer {key}"},
        )
        assert answer.text.count('"status":201') == 5_000, answer.text[:300]
    sent = TURNS / (sum(us.cpu_times()[:2]) - before)
    file = folder / "messages.jsonl"
    with file.open("w") as out:
        for c in conversations:
            messages = [
                {
                    "role": "user" if n % 2 == 0 else "assistant",
                    "content": said,
                    "created_at": "2026-01-01T00:00:00Z",
                }
                for n, said in enumerate(c["turns"])
            ]
            out.write(
                json.dumps(
                    {
                        "conversation_id": c["id"],
                        "account": f"i{int(c['id']) % ACCOUNTS}",
                        "messages": messages,
                    }
                )
                + "\n"
            )
    begun = time.process_time()
    imported = imports.import_files(
        installation, [file], default=RecordedAccount(host="me", plan="pro", age=30)
    )
    assert imported.turns == TURNS, imported
    return sent, TURNS / (time.process_time() - begun)


def withdrawal(installation: Installation) -> float:
    """Seconds of one transaction that ends a grant with 10,000 segments under it."""
    now, host_key = installation.clock(), load_host_key(installation)
    account = uuid7(now, os.urandom(10))
    host = host_hmac(host_key, "account", "many")
    verbs.apply_commands(
        installation, [OpenAccount(account=account, at=now, host=host, plan="pro", age=30)]
    )
    verbs.apply_commands(installation, [Choose(account=account, at=now, allow=True)])
    content = encode(Content(text="hello"))
    for start in range(0, SEGMENTS, 1_000):
        verbs.apply_commands(
            installation,
            [
                AddTurn(account=account, at=now, content=content)
                for _ in range(min(1_000, SEGMENTS - start))
            ],
        )
    begun = time.perf_counter()
    verbs.apply_commands(
        installation, [Choose(account=account, at=installation.clock(), allow=False)]
    )
    spent = time.perf_counter() - begun
    with transaction(installation.pool) as tx:
        row = tx.execute(
            "SELECT count(*) FROM segments WHERE account_id = %s AND keep_until < now() + "
            "interval '60 days'",
            [account],
        ).fetchone()
    assert row == (SEGMENTS,), row
    return spent


def main(arguments: list[str]) -> list[Row]:
    """Rows of what, figure, floor and ratio."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="licet-bench-") as folder:
        data = Path(folder) / "data"
        data.mkdir()
        with open_installation(Configuration(data=data)) as installation:
            key, accounts = prepare(installation)
            return run(installation, data, key, accounts, asked.seconds, asked.rounds)


def run(
    installation: Installation,
    data: Path,
    key: str,
    accounts: list[Any],
    seconds: float,
    rounds: int,
) -> list[Row]:
    dsn = (
        installation.pool.conninfo()
        if callable(installation.pool.conninfo)
        else installation.pool.conninfo
    )
    body = b'{"allow":true}'
    posts = [request("POST", f"/v1/accounts/acc_{a.hex}/choices", key, body) for a in accounts]
    gates = [request("GET", f"/v1/accounts/acc_{a.hex}/gate", key) for a in accounts]
    bare_posts = [request("POST", f"/accounts/{a}/choices", key, body) for a in accounts]
    bare_gates = [request("GET", f"/accounts/{a}/gate", key) for a in accounts]
    seen: dict[str, list[float]] = {}
    with transaction(installation.pool) as tx:
        database = psutil.Process(tx.info.backend_pid).parent()
    assert database is not None
    with running(ours, data, 18787) as us, running(bare, dsn, 18788) as them:
        for _ in range(rounds):
            for clients in CPU_GOALS:
                for name, server, port, requests in (
                    ("choice, ours", us, 18787, posts),
                    ("choice, bare", them, 18788, bare_posts),
                    ("gate, ours", us, 18787, gates),
                    ("gate, bare", them, 18788, bare_gates),
                ):
                    for part, value in measured(
                        server, database, port, requests, seconds, clients
                    ).items():
                        seen.setdefault(f"{name}, {clients}, {part}", []).append(value)
            tps = pgbench(dsn, data, seconds)
            if tps is not None:
                seen.setdefault("choice, pgbench rate", []).append(tps)
        sent, imported = bulk(installation, us, 18787, key, data)
    median = {name: statistics.median(values) for name, values in seen.items()}
    rows = []
    for what, (clients, goal) in itertools.product(("choice", "gate"), CPU_GOALS.items()):
        mine, low = (
            [median[f"{what}, {who}, {clients}, {part}"] for part in ("served", "stored")]
            for who in ("ours", "bare")
        )
        title = (
            f"CPU of a {what}, server + database, us, {clients} clients, beside a bare "
            "handler "
            f"(goal: at most {goal})"
        )
        figures = [f"{served:,.0f} + {stored:,.0f}" for served, stored in (mine, low)]
        rows.append(Row(title, *figures, f"{sum(mine) / sum(low):.2f}"))
        waits = [
            ", ".join(
                f"{median[f'{what}, {who}, {clients}, {part}']:.1f}" for part in ("p50", "p99")
            )
            for who in ("ours", "bare")
        ]
        rows.append(
            Row(
                f"  answered in ms, p50 and p99, {clients} clients, beside a bare handler",
                *waits,
                "",
            )
        )
    if "choice, pgbench rate" in median:
        rate, low = median[f"choice, ours, {CLIENTS}, rate"], median["choice, pgbench rate"]
        title = (
            f"choices/s, {CLIENTS} clients, beside pgbench (goal: at least "
            f"{GOALS['choices a second']})"
        )
        rows.append(Row(title, f"{rate:,.0f}", f"{low:,.0f}", f"{rate / low:.2f}"))
    title = f"bulk turns a CPU second, beside import (goal: at least {GOALS['bulk']})"
    rows.append(Row(title, f"{sent:,.0f}", f"{imported:,.0f}", f"{sent / imported:.2f}"))
    title = f"withdrawal over {SEGMENTS:,} segments (goal: under {GOALS['withdrawal seconds']} s)"
    return [*rows, Row(title, f"{withdrawal(installation):.2f} s")]
