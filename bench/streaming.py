"""Reading a release from an object store (SeaweedFS, on this machine) through the cache of the
loader, beside the same folder.

Cold: nothing is in the cache, so each part is fetched once. Warm: all parts are. In order, and
shuffled by blocks; row keys are at hand in all of them. Processor time of this process, which does
not count what the store spends; the store's own is given apart. Means of interleaved rounds.

    python -m bench streaming [ROWS] [WORDS]
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psutil

from bench import Row as Figure
from bench.release_load import BATCH_ROWS, Keys, made
from bench.training import published
from licet.config import Configuration
from licet.errors import BusyError
from licet.release.push import push
from licet.train import node
from licet.train.dataset import RowDataset

ROUNDS, TRIES = 3, 120
SECRET = "secret-of-the-bench"
ROWS_PER_PART = 2_000


def main(arguments: list[str]) -> list[Figure]:
    """Rows a second of processor time."""
    count, words = [*map(int, arguments), *(20_000, 150)[len(arguments) :]]
    with (
        tempfile.TemporaryDirectory(prefix="licet-bench-") as folder,
        store(Path(folder) / "store") as (url, server),
    ):
        path = Path(folder) / "release"
        path.mkdir()
        keys, release_id, manifest_sha256 = made(path, count, words, ROWS_PER_PART)
        sent = pushed(path, url)
        gate = published(Path(folder), range(0, count, 100), release_id.hex(), manifest_sha256)
        size = sum(part.stat().st_size for part in path.glob("part-*.parquet"))

        def read(place: str, *, shuffled: bool) -> float:
            cache = Path(folder) / "cache"
            if place == "cold":
                shutil.rmtree(cache, ignore_errors=True)
            before = spent(server)
            at = node.find_folder(url, cached(cache, 2 * size)) if place != "folder" else path
            data = RowDataset(at, gate, Keys(keys), now=lambda: datetime.now(UTC))
            order = data.shuffled(1) if shuffled else range(count)
            for start in range(0, count, BATCH_ROWS):
                data.__getitems__(order[start : start + BATCH_ROWS])
            data.close()
            mine, its = (now - then for now, then in zip(spent(server), before, strict=True))
            stores[place] = its
            return mine

        stores: dict[str, float] = {}
        figures = {
            (place, shuffled): [0.0]
            for shuffled in (False, True)
            for place in ("folder", "cold", "warm")
        }
        for _ in range(ROUNDS):
            for (place, shuffled), seconds in figures.items():
                seconds[0] += read(place, shuffled=shuffled)
    rows = [
        Figure(
            f"{'shuffled by blocks' if shuffled else 'in order'}, cache {place}, {count:,} "
            "rows, a second",
            f"{ROUNDS * count / seconds:,.0f}",
            f"{ROUNDS * count / figures['folder', shuffled][0]:,.0f}",
            f"{figures['folder', shuffled][0] / seconds:.2f}",
        )
        for (place, shuffled), (seconds,) in figures.items()
        if place != "folder"
    ]
    what = (
        f"  the store's own processor seconds, {sent / 2**20:.0f} MB in "
        f"{-(-count // ROWS_PER_PART)} parts: cold, beside warm"
    )
    return [*rows, Figure(what, f"{stores['cold']:.2f}", f"{stores['warm']:.2f}")]


def spent(server: psutil.Process) -> tuple[float, float]:
    return time.process_time(), sum(server.cpu_times()[:2])


def cached(cache: Path, room: int) -> Configuration:
    return Configuration.from_environment(
        {"LICET_LOADER__CACHE": str(cache), "LICET_LOADER__CACHE_BYTES": str(room)}
    )


def pushed(path: Path, url: str) -> int:
    """The bytes sent, once the store has a volume to take them."""
    for _ in range(TRIES):
        try:
            return push(path, url).sent_bytes
        except BusyError:
            time.sleep(0.5)
    raise TimeoutError("the object store takes nothing")


@contextmanager
def store(folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """The address of a bucket of a SeaweedFS of its own, and its process; its credentials are in
    the environment.
    """
    folder.mkdir()
    weed = Path(sys.executable).parent / "weed"
    s3, master, master_grpc, volume, volume_grpc, filer, filer_grpc, s3_grpc = free_ports(8)
    server = subprocess.Popen(
        [
            weed,
            "server",
            f"-dir={folder}",
            "-ip=127.0.0.1",
            "-s3",
            f"-s3.port={s3}",
            f"-s3.port.grpc={s3_grpc}",
            "-filer",
            f"-master.port={master}",
            f"-master.port.grpc={master_grpc}",
            f"-volume.port={volume}",
            f"-volume.port.grpc={volume_grpc}",
            f"-filer.port={filer}",
            f"-filer.port.grpc={filer_grpc}",
            "-volume.max=20",
            "-master.volumeSizeLimitMB=64",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": SECRET},
    )
    try:
        make_bucket(weed, f"127.0.0.1:{master}.{master_grpc}")
        os.environ |= {
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{s3}",
            "AWS_ALLOW_HTTP": "true",
        }
        yield "s3://licet/bench", psutil.Process(server.pid)
    finally:
        server.kill()
        server.wait()


def make_bucket(weed: Path, master: str) -> None:
    """Once the server is up."""
    for _ in range(TRIES):
        told = subprocess.run(
            [weed, "shell", f"-master={master}"],
            input="s3.bucket.create -name licet\nexit\n",
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        if "created bucket" in (told.stdout + told.stderr).lower():
            return
        time.sleep(0.5)
    raise TimeoutError("the object store makes no bucket")


def free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports
