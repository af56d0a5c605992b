"""Engines that run a plan: this process, a Ray cluster, or Spark.

Promise of each: batches come out in the order they went in, each byte for byte what the plan gives
for it alone; only a few are in progress at once, so that memory is bounded by batches, not by the
release. Kernels are pure, so a dead worker's batch is run again.

Content stays in this process's memory. Ray's object store may spill to disk, so batches are sealed
both ways (AES-256-GCM) under a single-use key that is sent with the call.

Engines report usage to their makers unless disabled, which is done before they are imported.
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

from licet.curate.batches import single_batch
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
        """The plan's result for each batch, in order."""

    def close(self) -> None:
        """Closes the engine."""


def runner(engine: Engine, address: str = "") -> Runner:
    """The runner of ``engine``; ``address`` is a Ray cluster's, empty for a local one."""
    match engine:
        case Engine.local:
            return Local()
        case Engine.ray:
            return Ray(address)
        case Engine.spark:
            return Spark()


class Local:
    """Runs batches in this process, one after another."""

    def run(
        self, plan: CurationPlan, batches: Iterable[pa.RecordBatch]
    ) -> Iterator[pa.RecordBatch]:
        return map(plan, batches)

    def close(self) -> None: ...


class Ray:
    """Runs each batch as a task on a Ray cluster, retried if its worker dies."""

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
            # A worker's error may quote content.
            raise BrokenError(
                f"a batch failed on the cluster: `{type(error.cause).__name__}`"
            ) from None
        return open_batch(key, sealed, rows)

    def close(self) -> None:
        if self._own:
            self._ray.shutdown()


def open_batch(key: bytes, sealed: object, rows: int) -> pa.RecordBatch:
    """A worker's result for a batch of ``rows`` documents; BrokenError for another key or number of
    rows.
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
    """Ray connected with the cluster at ``address``, and whether this call connected it."""
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
    """Runs windows of batches on the process's Spark session, by `mapInArrow`.

    Spark keeps shuffled data on local disks indefinitely: its own disk encryption must be
    on. A plan runs as Arrow functions, since Spark's expressions would run its patterns in a
    backtracking engine.
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
            frame = self._session.createDataFrame(number_batches(window)).repartition(
                len(window), "number"
            )
            made = (
                frame.mapInArrow(partition_function(plan), SPARK_SCHEMA).toArrow().sort_by("number")
            )
            for batch in made.column("batch").to_pylist():
                assert isinstance(batch, bytes)
                yield _read(batch)

    def close(self) -> None:
        """The session belongs to its owner."""


SPARK_ENCRYPTS = "spark.io.encryption.enabled"
SPARK_SCHEMA = "number long, batch binary"


def number_batches(window: Sequence[bytes]) -> pa.Table:
    """Encoded batches with their places, for `partition_function`."""
    return pa.table(
        {"number": pa.array(range(len(window)), pa.int64()), "batch": pa.array(window, pa.binary())}
    )


def partition_function(
    plan: CurationPlan,
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """The function that Spark calls for each partition."""

    def run(pieces: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for piece in pieces:
            given = (bytes(batch or b"") for batch in piece.column("batch").to_pylist())
            made = [_written(plan(_read(batch))) for batch in given]
            arrays = [piece.column("number"), pa.array(made, pa.binary())]
            yield pa.RecordBatch.from_arrays(arrays, names=["number", "batch"])

    return run


def _curated(plan: CurationPlan, sealed: bytes, key: bytes) -> bytes:
    """Runs the plan on one batch, in a worker."""
    batch = _read(AESGCM(key).decrypt(_NONCE, sealed, None))
    return AESGCM(key).encrypt(_NONCE_BACK, _written(plan(batch)), None)


def _written(batch: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return sink.getvalue().to_pybytes()


def _read(data: bytes) -> pa.RecordBatch:
    with pa.ipc.open_stream(data) as stream:
        return single_batch(stream.read_all())


def _imported(name: str) -> ModuleType:
    os.environ.update(SILENT)
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise NotInstalledError(
            name.partition(".")[0], "cluster", "the runner `local` needs neither"
        ) from error
