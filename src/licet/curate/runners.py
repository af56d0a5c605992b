"""Engines that run a plan: in this process, on a Ray cluster, on Spark.

Promise of each: the batches come out in the order they went in, byte for byte what the plan gives
for each alone, and no more than a few are under way at once, so that memory is bounded by batches
and not by the release. A kernel is pure, so what a dying worker had begun is run again.

What content meets on the way: in this process it stays in its memory. Ray keeps what it
passes on in an object store that may spill to disk; so a batch travels sealed (AES-256-GCM) both
ways under a key of its own, which goes with the call and is never used again: what spills is noise.

Engines report their use to their makers unless told otherwise: they are told before they are
imported.
"""

from __future__ import annotations

import importlib
import os
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import islice
from types import ModuleType
from typing import Any, Protocol

import pyarrow as pa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from licet.curate.batches import whole
from licet.curate.plan import CurationPlan
from licet.errors import BrokenError, BusyError, NotInstalledError, UsageError

WINDOW_BATCHES_MAX = 16
RETRIES_MAX = 3
SILENT = {"DO_NOT_TRACK": "1", "RAY_USAGE_STATS_ENABLED": "0"}
_NONCE = bytes(12)  # each key seals one batch on its way there; the way back has another nonce
_NONCE_BACK = b"\x01" + bytes(11)


class Engine(StrEnum):
    local = "local"
    ray = "ray"
    spark = "spark"


class Runner(Protocol):
    """Runs a plan."""

    def run(
        self, plan: CurationPlan, batches: Iterable[pa.RecordBatch]
    ) -> Iterator[pa.RecordBatch]:
        """What the plan gives for each batch, in order."""

    def close(self) -> None:
        """Lets go of the engine."""


def runner(engine: Engine, address: str = "") -> Runner:
    """The runner of ``engine``; ``address`` is that of a Ray cluster, empty for one of this
    machine's own.
    """
    match engine:
        case Engine.local:
            return Local()
        case Engine.ray:
            return Ray(address)
        case Engine.spark:
            return Spark()


class Local:
    """In this process, one batch after the other."""

    def run(
        self, plan: CurationPlan, batches: Iterable[pa.RecordBatch]
    ) -> Iterator[pa.RecordBatch]:
        return map(plan, batches)

    def close(self) -> None:
        """There is nothing to let go of."""


class Ray:
    """On a Ray cluster: a task a batch, tried again where its worker dies."""

    def __init__(self, address: str = "") -> None:
        self._ray, self._own = ray_cluster(address)
        self._task = self._ray.remote(max_retries=RETRIES_MAX)(_curated)

    def run(
        self, plan: CurationPlan, batches: Iterable[pa.RecordBatch]
    ) -> Iterator[pa.RecordBatch]:
        ray, shared = self._ray, self._ray.put(plan)
        under_way: deque[tuple[bytes, int, Any]] = deque()
        for batch in batches:
            if len(under_way) == WINDOW_BATCHES_MAX:
                yield self._next(under_way)
            key = secrets.token_bytes(32)
            sealed = ray.put(AESGCM(key).encrypt(_NONCE, _written(batch), None))
            under_way.append((key, batch.num_rows, self._task.remote(shared, sealed, key)))
        while under_way:
            yield self._next(under_way)

    def _next(self, under_way: deque[tuple[bytes, int, Any]]) -> pa.RecordBatch:
        key, rows, reference = under_way.popleft()
        ray = self._ray
        try:
            sealed = ray.get(reference)
        except (ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError) as error:
            raise BusyError(
                f"a worker died `{RETRIES_MAX + 1}` times over one batch", "build it again"
            ) from error
        except ray.exceptions.RayTaskError as error:
            # A worker's error may quote what it stumbled over, which is content.
            raise BrokenError(
                f"a batch failed on the cluster: `{type(error.cause).__name__}`"
            ) from None
        return opened_batch(key, sealed, rows)

    def close(self) -> None:
        if self._own:
            self._ray.shutdown()


def opened_batch(key: bytes, sealed: object, rows: int) -> pa.RecordBatch:
    """What a worker made of a batch of ``rows`` documents; BrokenError for what does not have its
    key, or its rows.
    """
    try:
        made = (
            _read(AESGCM(key).decrypt(_NONCE_BACK, sealed, None))
            if isinstance(sealed, bytes)
            else None
        )
    except (InvalidTag, pa.ArrowException):
        made = None
    if made is None or made.num_rows != rows:
        raise BrokenError(
            "a batch came back from the cluster that is not what its worker made of it"
        )
    return made


def ray_cluster(address: str) -> tuple[Any, bool]:
    """Ray, connected with the cluster at ``address``, and whether this call has connected it."""
    ray = _imported("ray")
    if ray.is_initialized():
        return ray, False
    try:
        ray.init(
            address or "local", include_dashboard=False, log_to_driver=False, logging_level="error"
        )
    except ConnectionError as error:
        raise BusyError(
            f"no Ray cluster answers at `{address}`", "start it, or name another"
        ) from error
    return ray, True


class Spark:
    """On the Spark of this process's session, a window of batches at a time, by `mapInArrow`.

    Spark writes what it moves to local disks and keeps it there as long as it likes: its own
    encryption of them has to be on. A plan runs as Arrow functions; Spark's expressions would run
    its patterns in a backtracking engine.
    """

    def __init__(self) -> None:
        session = _imported("pyspark.sql").SparkSession.getActiveSession()
        if session is None:
            raise UsageError(
                "no Spark session is open in this process", "open one first, or use another engine"
            )
        if session.sparkContext.getConf().get(SPARK_ENCRYPTS, "false") != "true":
            raise UsageError(
                f"Spark writes to disk in clear: `{SPARK_ENCRYPTS}` is not on", "set it to `true`"
            )
        self._session: Any = session

    def run(
        self, plan: CurationPlan, batches: Iterable[pa.RecordBatch]
    ) -> Iterator[pa.RecordBatch]:
        remaining = iter(batches)
        while window := [_written(batch) for batch in islice(remaining, WINDOW_BATCHES_MAX)]:
            frame = self._session.createDataFrame(numbered(window)).repartition(
                len(window), "number"
            )
            made = frame.mapInArrow(mapped(plan), SPARK_SCHEMA).toArrow().sort_by("number")
            for batch in made.column("batch").to_pylist():
                assert isinstance(batch, bytes)
                yield _read(batch)

    def close(self) -> None:
        """The session is its owner's."""


SPARK_ENCRYPTS = "spark.io.encryption.enabled"
SPARK_SCHEMA = "number long, batch binary"


def numbered(window: Sequence[bytes]) -> pa.Table:
    """Written batches with their places, as `mapped` takes them."""
    return pa.table(
        {"number": pa.array(range(len(window)), pa.int64()), "batch": pa.array(window, pa.binary())}
    )


def mapped(plan: CurationPlan) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """What Spark calls once for each partition, with the partition in pieces."""

    def run(pieces: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for piece in pieces:
            given = (bytes(batch or b"") for batch in piece.column("batch").to_pylist())
            made = [_written(plan(_read(batch))) for batch in given]
            arrays = [piece.column("number"), pa.array(made, pa.binary())]
            yield pa.RecordBatch.from_arrays(arrays, names=["number", "batch"])

    return run


def _curated(plan: CurationPlan, sealed: bytes, key: bytes) -> bytes:
    """What a worker does with one batch."""
    batch = _read(AESGCM(key).decrypt(_NONCE, sealed, None))
    return AESGCM(key).encrypt(_NONCE_BACK, _written(plan(batch)), None)


def _written(batch: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return sink.getvalue().to_pybytes()


def _read(data: bytes) -> pa.RecordBatch:
    with pa.ipc.open_stream(data) as stream:
        return whole(stream.read_all())


def _imported(name: str) -> ModuleType:
    os.environ.update(SILENT)
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise NotInstalledError(
            name.partition(".")[0], "cluster", "the runner `local` needs neither"
        ) from error
