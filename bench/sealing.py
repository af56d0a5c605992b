"""How long everybody's endings wait for a release to be sealed, by its rows, while ten people a
second delete one.

Some rows are built as any are; the others are put beside them when the pages are read, with all
that a build keeps of a row: tally, contents, proofs, runs in the database. From there on the
product's own build goes on.
Endings come from another process. A wait is an ending's own time, by the clock; the floor is that
of the same before the seal.

    python -m bench sealing [ROWS ...]
"""

from __future__ import annotations

import math
import multiprocessing
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Event
from pathlib import Path
from random import Random
from statistics import median
from uuid import UUID

from bench import NO_NAMES, Row
from bench.building import TURNS_A_CONVERSATION, fill, installed
from licet.config import Configuration
from licet.curate import release_build
from licet.policy.period import instant
from licet.release import registry
from licet.release.build import Builder
from licet.release.build_order import BuildOrder
from licet.release.contents import RowFigures, build_profile, month
from licet.release.draft import Draft, StoredPage
from licet.release.part import PartPromise
from licet.release.proofs import ProofLine, Proofs
from licet.release.registry import Release
from licet.release.row_runs import RowSource, RowSources
from licet.release.tally import microseconds
from licet.store.connect import transaction
from licet.vault import commands, verbs
from licet.vault.copies import CopyPlace
from licet.vault.ids import uuid7
from licet.vault.installation import load_policies, open_installation

NOW = datetime(2025, 9, 20, tzinfo=UTC)
UNTIL = instant("2030-09-01")
SIZES = (10_000, 100_000, 1_000_000)
BUILT_MAX, CHUNK = 1_000, 10_000
ENDINGS_A_SECOND, QUIET = 10, 20
ROWS_AN_ACCOUNT = 20
LOCK_MS_MAX = 50
PROFILE = build_profile(
    {
        "kinds": {"chat": 1},
        "origins": {"typed": 1},
        "surfaces": {"app": 1},
        "plans": {"free": 1},
    }
)


class PaddedBuilder(Builder):
    """A build that has ``rows`` rows once its pages are read, most of which come from nowhere."""

    rows: int
    padded: Event
    padded_at: float

    def _elect(self, release: Release, kept: Draft, folder: Path, proofs: Proofs) -> None:
        super()._elect(release, kept, folder, proofs)
        for first in range(self._tally.rows, self.rows, CHUNK):
            self._pad(release, proofs, range(first, min(first + CHUNK, self.rows)))
        self.padded.set()
        self.padded_at = time.monotonic()

    def _pad(self, release: Release, proofs: Proofs, ordinals: range) -> None:
        account = uuid7(NOW, os.urandom(10))
        handles = [os.urandom(32) for _ in ordinals]
        self._tally.count_page(
            StoredPage(
                candidates=len(ordinals),
                dropped={},
                replaced={},
                splits=["train"] * len(ordinals),
                candidate_lines=[],
                row_lines=[],
                carried=[False] * len(ordinals),
                figures=[
                    RowFigures(n // ROWS_AN_ACCOUNT, month(NOW), month(NOW), 600, PROFILE, False)
                    for n in ordinals
                ],
            )
        )
        for _ in ordinals:
            self._tally.add(os.urandom(32), microseconds(UNTIL))
        proofs.add(
            [ProofLine(handle, candidate_line(handle)) for handle in handles],
            [
                ProofLine(handle, row_line(handle, n))
                for n, handle in zip(ordinals, handles, strict=True)
            ],
        )
        for first in range(ordinals.start, ordinals.stop, self._rows_per_part):
            number, rows = (
                first // self._rows_per_part,
                min(self._rows_per_part, ordinals.stop - first),
            )
            self._parts[number] = PartPromise(
                file=f"part-{number:05}.parquet",
                sha256="0" * 64,
                bytes=1,
                rows=rows,
                first_ordinal=first,
            )
        sources = (RowSource(segment=0, origin="typed", turn=0, count=1),)
        with transaction(self._pool) as tx:
            registry.add_rows(
                tx,
                release.release_id,
                [
                    RowSources(
                        account=account,
                        conversation=uuid7(NOW, os.urandom(10)),
                        ordinal=n,
                        keys=((0, CopyPlace.vault),),
                        sources=sources,
                    )
                    for n in ordinals
                ],
            )


def candidate_line(handle: bytes) -> bytes:
    return b'{"conversation":"%s","in":1,"out":{},"salted":{},"v":1}' % handle.hex().encode()


def row_line(handle: bytes, ordinal: int) -> bytes:
    """A line of a proof, as long as those of rows with one segment and one origin, and as hard to
    compress.
    """
    sealed, row_id, who = (os.urandom(length).hex().encode() for length in (32, 16, 32))
    return (
        b'{"conversation":"%s","last_on":"2025-09-10","marks":[["free","app",0]],"ordinal":%d,"policy_sha256":"%s",'
        b'"project":null,"question":"training","row_id":"%s","sealed_sha256":"%s","sources":[{"because":"permitted",'
        b'"grant":1,"keep_until":"2030-09-10","last_on":"2025-09-10","mark":0,"narrowing":0,"place":"vault",'
        b'"said_on":"2025-09-10","segment":0,"turns":{"typed":1}}],"until":"2030-09-10","v":2,"who":"%s"}'
    ) % (handle.hex().encode(), ordinal, b"0" * 64, row_id, sealed, who)


def ends(
    data: Path,
    chats: list[tuple[UUID, UUID]],
    padded: Event,
    stop: Event,
    waits: SimpleQueue[float],
) -> None:
    """Deletes a conversation after another, ten a second; tells how long each took: first some at
    rest, and from ``padded`` on until ``stop``.
    """
    with open_installation(Configuration(data=data, curate=NO_NAMES), lambda: NOW) as installation:
        for number, (account, conversation) in enumerate(chats):
            if number == QUIET:
                padded.wait()
            begun = time.monotonic()
            verbs.apply_commands(
                installation, [commands.Delete(account=account, conversation=conversation, at=NOW)]
            )
            waits.put(time.monotonic() - begun)
            if stop.is_set():
                break
            time.sleep(max(0, 1 / ENDINGS_A_SECOND - (time.monotonic() - begun)))
    waits.put(-1)


def taken(waits: SimpleQueue[float]) -> Iterator[float]:
    while (wait := waits.get()) >= 0:
        yield wait


def sealed(rows: int) -> tuple[float, list[float], float]:
    """For how long the lock was held, how long each ending took, those at rest first, and how long
    the seal took, in seconds.
    """
    context = multiprocessing.get_context("spawn")
    built_rows = min(BUILT_MAX, rows // 2)
    with installed() as installation:
        fill(installation, (built_rows + QUIET) * TURNS_A_CONVERSATION, Random(1), 10)
        with transaction(installation.pool) as tx:
            chats = tx.execute(
                "SELECT account_id, conversation_id FROM conversations ORDER BY 2"
            ).fetchall()
        padded, stop, waits = context.Event(), context.Event(), context.SimpleQueue()
        other = context.Process(
            target=ends, args=[installation.config.data, chats, padded, stop, waits]
        )
        other.start()
        times = [next(taken(waits)) for _ in range(QUIET)]
        builder = PaddedBuilder(
            installation.pool,
            installation.keyring,
            load_policies(installation),
            release_build.RuleCleaner(),
            installation.clock,
            rows_per_part=built_rows,
        )
        builder.rows, builder.padded = rows, padded
        order = BuildOrder(
            name="bench",
            purpose="improve_models",
            folder=installation.config.data / "releases" / "bench",
            software="bench",
        )
        built, whole = builder.run(order), time.monotonic()
        stop.set()
        times += taken(waits)
        other.join()
        return built.lock_seconds, times, whole - builder.padded_at


def main(arguments: list[str]) -> list[Row]:
    """Rows of what, figure, floor and ratio."""
    found: list[Row] = []
    locks: dict[int, float] = {}
    for rows in [int(argument) for argument in arguments] or SIZES:
        lock, times, whole = sealed(rows)
        quiet, while_sealing = median(times[:QUIET]), times[QUIET:]
        locks[rows] = lock
        found += [
            Row(
                f"endings lock held for a release of {rows:,} rows, ms",
                f"{1000 * lock:.1f}",
                f"{LOCK_MS_MAX}",
                f"{LOCK_MS_MAX / (1000 * lock):.1f}",
            ),
            Row(
                f"  longest of {len(while_sealing)} deletions while it was sealed in "
                f"{whole:.1f} s, ms; median at rest",
                f"{1000 * max(while_sealing):.1f}",
                f"{1000 * quiet:.1f}",
                f"{quiet / max(while_sealing):.2f}",
            ),
        ]
    if len(locks) > 1:
        (small, first), *_, (large, last) = sorted(locks.items())
        exponent = math.log(last / first) / math.log(large / small)
        found.append(
            Row(
                f"exponent of the lock's growth, {small:,} to {large:,} rows (goal: 0)",
                f"{exponent:.2f}",
            )
        )
    return found
