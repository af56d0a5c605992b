"""From a verb's commit to the log: entries a second at 64 writers, and the lag: `python
bench/sequence.py [FOLDER]`.

Writers tell choices to the vault through the batched writer, on an embedded database that is
durable; the sequencer runs in a process of its own, as it would. A probe commits a row of its own
every 25 ms and remembers when: its lag ends when the append that holds it has returned. Beside it,
in the same run, the time of one fsync. FOLDER says on which disk; a temporary one elsewhere. Prints
the rows of a table.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import threading
import time
from datetime import UTC, datetime
from multiprocessing.synchronize import Event
from pathlib import Path

from bench import Row
from licet.config import Configuration
from licet.policy.file import preset
from licet.proof import documents
from licet.service import policy_changes
from licet.store.connect import Transaction, transaction
from licet.store.writer import BatchWriter
from licet.vault import commands as do
from licet.vault import verbs
from licet.vault.apply import apply
from licet.vault.commands import CommandResult
from licet.vault.ids import uuid7
from licet.vault.installation import Installation, load_host_key, load_policies, open_installation

WRITERS, ACCOUNTS, SECONDS = 64, 2_000, 15
PROBE_SECONDS = 0.025


def now() -> datetime:
    return datetime.now(UTC)


def sequencer(data: Path, stop: Event, batches: Path) -> None:
    """Appends until told to stop; a line for each batch: the log's size after it, and when."""
    with (
        open_installation(Configuration(data=data), now) as installation,
        documents.open_sequencer(installation) as sequencing,
        batches.open("w") as out,
    ):
        size = 0
        while True:
            stopping = stop.is_set()
            taken = sequencing.run_once()
            size += taken
            if taken:
                out.write(f"{size} {time.monotonic()}\n")
            elif stopping:
                return
            if taken < 1_000:
                time.sleep(0.05)


def fsync_floor(folder: Path) -> float:
    with (folder / "floor").open("wb") as file:
        start = time.perf_counter()
        for _ in range(100):
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
        return (time.perf_counter() - start) / 100


def opened(installation: Installation) -> list[do.OpenAccount]:
    key = load_host_key(installation)
    assert key
    at = now()
    return [
        do.OpenAccount(
            account=uuid7(at, os.urandom(10)), at=at, host=os.urandom(16), plan="pro", age=30
        )
        for _ in range(ACCOUNTS)
    ]


def write(
    number: int,
    accounts: list[do.OpenAccount],
    writer: BatchWriter[do.Command, CommandResult],
    end: float,
    took: list[float],
) -> None:
    """One writer: its own accounts, in turn, each choice answered before the next."""
    mine, turn = accounts[number::WRITERS], 0
    while time.monotonic() < end:
        start = time.monotonic()
        account = mine[turn % len(mine)].account
        writer.submit(do.Choose(account=account, at=now(), allow=True, via="bench")).result()
        took.append(time.monotonic() - start)
        turn += 1


def probe(installation: Installation, end: float, marks: list[tuple[int, float]]) -> None:
    while time.monotonic() < end:
        with transaction(installation.pool) as tx:
            row = tx.execute(
                """INSERT INTO outbox (entry, occurred_at, payload)
                   VALUES ('notice_published', now(), '{"number": 0}')
                   RETURNING outbox_id"""
            ).fetchone()
        assert row is not None
        marks.append((row[0], time.monotonic()))
        time.sleep(PROBE_SECONDS)


def main(arguments: list[str]) -> list[Row]:
    """Rows of what, figure, floor and ratio. An argument names a folder on the disk to measure."""
    base = arguments[0] if arguments else None
    with tempfile.TemporaryDirectory(dir=base) as folder:
        data = Path(folder) / "data"
        data.mkdir()
        with open_installation(Configuration(data=data), now) as installation:
            return run(installation, Path(folder))


def run(installation: Installation, folder: Path) -> list[Row]:
    policy_changes.apply_policy(installation, preset("article-2025"), actor="bench")
    accounts = opened(installation)
    verbs.apply_commands(installation, accounts)
    documents.append(installation)
    known, context = load_policies(installation), multiprocessing.get_context("spawn")
    stop, batches = context.Event(), folder / "batches"
    with transaction(installation.pool) as tx:
        before = tx.execute("SELECT size FROM logs").fetchone()
    child = context.Process(target=sequencer, args=(installation.config.data, stop, batches))
    child.start()
    while not batches.exists():
        time.sleep(0.05)

    def applied(tx: Transaction, commands: list[do.Command]) -> list[CommandResult]:
        return apply(tx, installation.keyring, known, commands)

    marks: list[tuple[int, float]] = []
    took: list[float] = []
    start = time.monotonic()
    end = start + SECONDS
    with BatchWriter(installation.pool, applied) as writer:
        threads = [
            threading.Thread(target=write, args=(n, accounts, writer, end, took))
            for n in range(WRITERS)
        ]
        threads.append(threading.Thread(target=probe, args=(installation, end, marks)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    spent = time.monotonic() - start
    stop.set()
    child.join()
    return report(installation, folder, marks, took, spent, before[0] if before else 0)


def report(
    installation: Installation,
    folder: Path,
    marks: list[tuple[int, float]],
    took: list[float],
    spent: float,
    begun: int,
) -> list[Row]:
    lines = [line.split() for line in (folder / "batches").read_text().splitlines()]
    batches = [(begun + int(size), float(at)) for size, at in lines]
    with transaction(installation.pool) as tx:
        entries = (tx.execute("SELECT count(*) FROM outbox").fetchone() or (0,))[0] - begun
        places = dict(
            tx.execute(
                "SELECT outbox_id, index FROM outbox WHERE entry = 'notice_published'"
            ).fetchall()
        )
    lags = sorted(
        next(at for size, at in batches if size > places[outbox_id]) - committed
        for outbox_id, committed in marks
    )
    took.sort()
    floor = fsync_floor(folder)
    last = batches[-1][1] - batches[0][1]
    fsync, p99 = f"fsync {floor * 1e3:.2f} ms", lags[len(lags) * 99 // 100]
    return [
        Row(
            f"entries durable in the outbox, {WRITERS} writers",
            f"{entries / spent:,.0f}/s",
            fsync,
            f"{entries / spent * floor:.1f} a fsync",
        ),
        Row(
            "  a verb answered, p50 and p99",
            f"{took[len(took) // 2] * 1e3:.0f}, {took[len(took) * 99 // 100] * 1e3:.0f} ms",
        ),
        Row("durable in the log, same run", f"{entries / last:,.0f}/s"),
        Row(
            "lag from commit to log, p50 and p99",
            f"{lags[len(lags) // 2] * 1e3:.0f}, {p99 * 1e3:.0f} ms",
            fsync,
            f"{p99 / floor:.0f}",
        ),
    ]
