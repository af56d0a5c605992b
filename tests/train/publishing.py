"""A publisher of withdrawn rows in memory, on a clock that is set, for a release of
`release.world`; and its leases.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from licet.ledger.note import SignatureType, Signer
from licet.release import manifest
from licet.release.reader import Lease
from licet.release.rows import ReleaseRow
from licet.train import bitmap
from licet.train.bitmap import BitmapHead
from licet.train.dataset import RowDataset
from licet.train.gate import TrainingGate, WhenStale

from ..release.world import RELEASE_ID, START, key_of, log_key, row_of

SIGNER = Signer("licet.example/withdrawn", SignatureType.ed25519, b"s" * 32)
OTHER = Signer("licet.example/withdrawn", SignatureType.ed25519, b"o" * 32)
RELEASE = RELEASE_ID.hex()
MANIFEST = hashlib.sha256(b"a manifest").hexdigest()

COUNT = 400
ROWS = [row_of(n) for n in range(COUNT)]


class Clock:
    """Seconds since 1970, and monotonic ones beside them; sleeping passes the time."""

    def __init__(self) -> None:
        self.now, self.ticks = START.timestamp(), 100.0
        self.slept = 0.0

    def __call__(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.ticks

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.passes(seconds)

    def passes(self, seconds: float) -> None:
        self.now += seconds
        self.ticks += seconds


class Office:
    """Publishes into ``folder``: `withdraw` grows the bitmap and writes it."""

    def __init__(
        self,
        folder: Path,
        manifest_sha256: str = MANIFEST,
        *,
        seconds: float = 300,
        clock: Any = None,
    ) -> None:
        self.folder, self.manifest_sha256, self.seconds = folder, manifest_sha256, seconds
        self.clock = clock or Clock()
        self.ordinals: set[int] = set()
        self.number = 0
        self.publish()

    @property
    def file(self) -> Path:
        return self.folder / bitmap.file_name(RELEASE)

    def encoded(self, *, signer: Signer = SIGNER, **other: Any) -> bytes:
        """The file as it would be published, ``other`` than it should be where that is asked
        for.
        """
        rows = bitmap.serialize(other.pop("ordinals", self.ordinals))
        issued = datetime.fromtimestamp(self.clock(), UTC)
        said = {
            "release": RELEASE,
            "manifest_sha256": self.manifest_sha256,
            "number": self.number,
            "issued": issued,
            "until": issued + timedelta(seconds=self.seconds),
            "sha256": sha256(rows).hexdigest(),
            "rows": len(bitmap.FrozenBitMap.deserialize(rows)),
        }
        return bitmap.encode_file(bitmap.sign(BitmapHead(**(said | other)), signer), rows)

    def publish(self, **other: Any) -> None:
        bitmap.write(self.folder, RELEASE, self.encoded(**other))

    def withdraw(self, *ordinals: int) -> None:
        self.ordinals.update(ordinals)
        self.number += 1
        self.publish()

    def gate(
        self, when_stale: WhenStale = WhenStale.stop, held: bytes | None = None, **other: Any
    ) -> TrainingGate:
        if isinstance(self.clock, Clock):
            other = {"monotonic": self.clock.monotonic, "sleep": self.clock.sleep} | other
        return TrainingGate(
            self.file,
            release=RELEASE,
            manifest_sha256=self.manifest_sha256,
            verifier=SIGNER.verifier,
            clock=self.clock,
            when_stale=when_stale,
            held=held,
            **other,
        )


class Keys:
    """Leases of the rows that were not ``refused``; picklable, and counts what was asked for."""

    def __init__(self, rows: Iterable[ReleaseRow], seconds: float = 300, clock: Any = None) -> None:
        self.rows = {row.ordinal: row for row in rows}
        self.seconds, self.clock = seconds, clock
        self.refused: set[int] = set()
        self.retry_while_busy: list[int] = []

    def log_key(self, release_id: bytes) -> bytes:
        return log_key()

    def lease(self, release_id: bytes, part: int, ordinals: Sequence[int]) -> Lease:
        self.retry_while_busy.append(len(ordinals))
        given = {
            o: key_of(self.rows[o]) for o in ordinals if o in self.rows and o not in self.refused
        }
        return Lease(keys=given, expires=self.now() + timedelta(seconds=self.seconds))

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC)


class World:
    """A release, who publishes what was withdrawn from it, and who gives the keys of its rows."""

    def __init__(self, folder: Path, gates: Path, clock: Any = None, rows: Any = ROWS) -> None:
        self.folder = folder
        self.office = Office(gates, manifest.read_manifest(folder)[1], clock=clock or Clock())
        self.keys = Keys(rows, clock=self.office.clock)

    def rows(self, **more: Any) -> RowDataset:
        return RowDataset(self.folder, self.office.gate(), self.keys, now=self.keys.now, **more)


class Listened(Office):
    """An office as a machine sees it that publishes nothing, or takes the office over."""

    def publish(self, **other: Any) -> None:
        if self.number:
            super().publish(**other)


def ordinals(rows: Any) -> list[int]:
    return [row["ordinal"] for row in rows]


def run_ranks(
    folder: Path, gates: Path, count: int, part: str, program: str = "rank_steps"
) -> list[tuple[int, str, str]]:
    """What each of ``count`` ranks of `tests.train.PROGRAM` ended with and said: its code, stdout
    and stderr.
    """
    given = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    # Accelerate asks for them; the ranks meet by a file
    given |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}
    words = [program, str(folder), str(gates), str(count), *([part] if part else [])]
    ran = subprocess.run(
        [sys.executable, "-m", "tests.train.ranks", *words],
        env=given,
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert ran.returncode == 0, ran.stderr
    said = [
        [(gates / f"{name}-{rank}").read_text("utf-8") for name in ("said", "errors")]
        for rank in range(count)
    ]
    return [(code, *both) for code, both in zip(json.loads(ran.stdout), said, strict=True)]
