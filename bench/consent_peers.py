"""A choice saved and read back over HTTP: Licet beside c15t, a consent service of its own, on the
same PostgreSQL.

Each has its server in one process and sixteen connections to the same embedded server, durable; the
same clients ask both, in turn, and the median of the rounds counts. A choice is one person's yes or
no; reading back is asking what holds now. Then it is counted what each has kept of the choices it
saved: a row of history for each, a leaf to prove it.

What they save is not the same: c15t keeps a record of consent; Licet also moves the account's
grant, re-dates what is kept, and writes a leaf of its log, in one commit. c15t is its newest
release from npm, in the folder that BENCH_C15T names (npm install @c15t/backend kysely pg); without
one its rows say so. Fides (ethyca-fides, the part that is open source) wants a Redis, pgcrypto and
a command of its own: BENCH_FIDES names the address of one that runs, its identity verification off.
It keeps the newest answer of each person and purpose.

    python -m bench consent_peers [--seconds 3] [--rounds 3]
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import psutil
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from bench import Row
from bench.web import CLIENTS, load, ours, prepare, request, running
from licet.config import Configuration
from licet.vault.installation import Installation, open_installation

OURS_PORT, C15T_PORT = 18797, 18798
START_SECONDS_MAX = 60
SUBJECTS = 2_000
USE = "marketing.advertising"
FRESH = 12_000  # more than it saves in a measurement


def main(arguments: list[str]) -> list[Row]:
    """Rows of what, ours, theirs as the floor, and the ratio of ours to theirs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args(arguments)
    folder = Path(os.environ.get("BENCH_C15T", ""))
    if not (folder / "node_modules" / "@c15t" / "backend").is_dir() or shutil.which("node") is None:
        return [
            Row(
                "c15t is not here: npm install @c15t/backend kysely pg, and BENCH_C15T "
                "names the folder",
                "-",
            )
        ]
    with tempfile.TemporaryDirectory(prefix="licet-bench-") as place:
        data = Path(place) / "data"
        data.mkdir()
        with open_installation(Configuration(data=data)) as installation:
            return [
                *fides(asked.seconds, asked.rounds),
                *beside(installation, data, folder, asked.seconds, asked.rounds),
            ]


def beside(
    installation: Installation, data: Path, folder: Path, seconds: float, rounds: int
) -> list[Row]:
    key, accounts = prepare(installation)
    dsn = (
        installation.pool.conninfo()
        if callable(installation.pool.conninfo)
        else installation.pool.conninfo
    )
    saves = [
        request(
            "POST",
            f"/v1/accounts/acc_{a.hex}/choices",
            key,
            b'{"allow":%s}' % (b"false", b"true")[n % 2],
        )
        for n in range(2)
        for a in accounts
    ]
    reads = [request("GET", f"/v1/accounts/acc_{a.hex}/gate", key) for a in accounts]
    # they take base58
    subjects = [f"sub_{uuid.uuid4().hex.replace('0', '1')}" for _ in range(SUBJECTS)]
    # a choice of the same moment is one that it has already
    moments = itertools.count(int(time.time() * 1000))

    def their_saves(count: int) -> list[bytes]:
        return [
            saved(subjects[n % SUBJECTS], next(moments), allow=bool(n % 2)) for n in range(count)
        ]

    their_reads = [asked("GET", f"/api/subjects/{name}") for name in subjects]
    with running(ours, data, OURS_PORT) as us, c15t(dsn, folder) as (them, their_dsn):
        # else a subject may be read that was never saved
        asyncio.run(once(C15T_PORT, their_saves(SUBJECTS)))
        counts = (counted(dsn, OUR_ROWS), counted(their_dsn, THEIR_ROWS))
        seen: dict[str, list[tuple[float, float]]] = {}
        answered = {"saves": [0, 0], "reads": [0, 0]}
        for _ in range(rounds):
            for what, sides in (
                (
                    "saves",
                    ((us, OURS_PORT, lambda: saves), (them, C15T_PORT, lambda: their_saves(FRESH))),
                ),
                ("reads", ((us, OURS_PORT, lambda: reads), (them, C15T_PORT, lambda: their_reads))),
            ):
                for side, (server, port, requests) in enumerate(sides):
                    rate, cpu, done = measured(server, port, requests, seconds)
                    seen.setdefault(f"{what}{side}", []).append((rate, cpu))
                    answered[what][side] += done
        kept = (counted(dsn, OUR_ROWS) - counts[0], counted(their_dsn, THEIR_ROWS) - counts[1])
        leaves = counted(dsn, "SELECT count(*) FROM outbox")
        audits = counted(their_dsn, 'SELECT count(*) FROM "auditLog"')
    version = json.loads(
        (folder / "node_modules/@c15t/backend/package.json").read_text(encoding="utf-8")
    )["version"]
    return rows(seen, answered["saves"], kept, leaves, audits, f"c15t {version}")


def fides(seconds: float, rounds: int) -> list[Row]:
    """What a Fides that runs already saves and reads back a second, from the same clients; it
    cannot be had in one step.
    """
    place = urlsplit(os.environ.get("BENCH_FIDES", ""))
    if not place.port:
        return [Row("Fides is not here: BENCH_FIDES names the address of one that runs", "-")]
    base = f"{place.path.rstrip('/')}/api/v1/consent-request"
    names = []
    for n in range(CLIENTS):
        answer = httpx2.post(
            f"http://{place.netloc}{base}",
            json={"identity": {"email": f"p{n}-{time.time_ns()}@example.org"}},
        )
        names.append(answer.json()["consent_request_id"])
    bodies = [
        json.dumps({"consent": [{"data_use": USE, "opt_in": allow}]}).encode()
        for allow in (True, False)
    ]
    saves = [
        asked("PATCH", f"{base}/{name}/preferences", body) for name in names for body in bodies
    ]
    reads = [asked("GET", f"{base}/{name}/preferences") for name in names]
    asyncio.run(once(place.port, saves[::2]))
    found = [
        [
            asyncio.run(load(place.port, requests, seconds, CLIENTS)) / seconds
            for requests in (saves, reads)
        ]
        for _ in range(rounds)
    ]
    middle = [statistics.median(rates) for rates in zip(*found, strict=True)]
    return [
        Row("choices saved a second, Fides", "", f"{middle[0]:,.0f}"),
        Row("choices read back a second, Fides", "", f"{middle[1]:,.0f}"),
    ]


OUR_ROWS = "SELECT count(*) FROM choices"
THEIR_ROWS = "SELECT count(*) FROM consent"


def rows(
    seen: dict[str, list[tuple[float, float]]],
    saved: list[int],
    kept: tuple[int, int],
    leaves: int,
    audits: int,
    who: str,
) -> list[Row]:
    def median(name: str, place: int) -> float:
        return statistics.median(one[place] for one in seen[name])

    result = []
    for what, words in (("saves", "choices saved"), ("reads", "choices read back")):
        mine, theirs = median(f"{what}0", 0), median(f"{what}1", 0)
        result.append(
            Row(
                f"{words} a second, {CLIENTS} clients; {who}",
                f"{mine:,.0f}",
                f"{theirs:,.0f}",
                f"{mine / theirs:.1f}",
            )
        )
        mine, theirs = median(f"{what}0", 1), median(f"{what}1", 1)
        result.append(
            Row(
                "  CPU of the server, us each",
                f"{mine:,.0f}",
                f"{theirs:,.0f}",
                f"{theirs / mine:.1f}",
            )
        )
    shares = [count / answers for count, answers in zip(kept, saved, strict=True)]
    result.append(
        Row("rows of history kept a choice answered", f"{shares[0]:.2f}", f"{shares[1]:.2f}")
    )
    result.append(Row("leaves of a log, or rows of an audit", f"{leaves:,}", f"{audits:,}"))
    return result


def measured(
    server: psutil.Process, port: int, requests: Callable[[], list[bytes]], seconds: float
) -> tuple[float, float, int]:
    """Requests a second, CPU microseconds each, and how many were answered in all, those that warm
    up included.
    """
    warm = asyncio.run(load(port, requests(), seconds / 5, CLIENTS))
    fresh = requests()
    before, begun = sum(server.cpu_times()[:2]), time.perf_counter()
    done = asyncio.run(load(port, fresh, seconds, CLIENTS))
    spent = time.perf_counter() - begun
    return done / spent, (sum(server.cpu_times()[:2]) - before) * 1e6 / done, done + warm


async def once(port: int, requests: list[bytes]) -> None:
    """Sends each request once, from as many clients as measure."""

    async def client(mine: list[bytes]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for one in mine:
            writer.write(one)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(
                int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            )
            assert head[9:10] == b"2", head[:20]
        writer.close()

    await asyncio.gather(*(client(requests[n::CLIENTS]) for n in range(CLIENTS)))


def asked(method: str, path: str, body: bytes = b"") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\norigin: http://localhost\r\n"
    sent = f"content-type: application/json\r\ncontent-length: {len(body)}\r\n" if body else ""
    return (head + sent + "\r\n").encode() + body


def saved(subject: str, moment: int, *, allow: bool) -> bytes:
    """A choice as c15t's own banner sends it."""
    body = {
        "type": "cookie_banner", "subjectId": subject, "domain": "localhost", "givenAt": moment,
        "preferences": {"necessary": True, "measurement": allow},
    }  # fmt: skip
    return asked("POST", "/api/subjects", json.dumps(body).encode())


def counted(dsn: str, statement: str) -> int:
    with psycopg.connect(dsn) as conn:
        row = conn.execute(statement.encode()).fetchone()
    assert row is not None
    return int(row[0])


@contextmanager
def c15t(dsn: str, folder: Path) -> Iterator[tuple[psutil.Process, str]]:
    """Their server on a database of its own in the same PostgreSQL, and that database."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier("c15t")))
    parts = conninfo_to_dict(dsn)
    password = Path(str(parts["passfile"])).read_text(encoding="utf-8").strip().rsplit(":", 1)[1]
    url = f"postgresql://{parts['user']}:{password}@localhost/c15t?host={parts['host']}"
    environment = {**os.environ, "DATABASE_URL": url, "PORT": str(C15T_PORT)}
    command = ["node", str(Path(__file__).with_suffix(".mjs"))]
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL
    ) as server:
        try:
            knock(lambda: server.poll() is None)
            yield psutil.Process(server.pid), " ".join([dsn, "dbname=c15t"])
        finally:
            server.terminate()


def knock(alive: Callable[[], bool]) -> None:
    """Waits until their server answers."""
    until = time.monotonic() + START_SECONDS_MAX
    one: list[Any] = [saved("sub_first", 1_700_000_000_000, allow=True)]  # makes what all share
    while True:
        try:
            asyncio.run(load(C15T_PORT, one, 0.1, 1))
            return
        except (OSError, EOFError, AssertionError):
            assert alive(), "c15t did not start"
            assert time.monotonic() < until, "c15t did not answer in time"
            time.sleep(0.2)
