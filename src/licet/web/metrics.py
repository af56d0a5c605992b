"""What `/metrics` shows: counters and histograms of all workers together, and the state of the
installation.

Without workers the counters are in the memory of the process. With workers each keeps its own in a
file of one folder, which is mapped into memory, and whichever is asked adds up all files. A
worker's file outlives it and is continued by the next one in its seat, so no counter ever goes
back.
"""

from __future__ import annotations

import os
import shutil
import struct
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest, values
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from licet import __version__
from licet.service.installation_figures import MonitoringFigures
from licet.web.worker_channel import WorkersStanding

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # where prometheus_client keeps what it shares
READ_AGAIN, READ_AGAIN_SECONDS = 10, 0.02


def share(folder: str, seat: int) -> None:
    """Stores the counters of this process in ``folder``, under its seat; call it before the first
    is created.
    """
    os.environ[_FOLDER] = folder
    # prometheus_client's
    values.ValueClass = values.MultiProcessValue(lambda: seat)  # type: ignore[no-untyped-call]


class AllMetrics:
    """A registry for one response: the counters and ``families``."""

    def __init__(self, own: CollectorRegistry, families: Iterable[Metric]) -> None:
        self._own, self._families = own, families

    def collect(self) -> Iterator[Metric]:
        if folder := os.environ.get(_FOLDER):
            yield from _of_files(folder)
        else:
            yield from self._own.collect()
        yield from self._families


def _of_files(folder: str) -> list[Metric]:
    """The measurements of all workers. If a worker is creating or growing its file meanwhile, reads
    again.
    """
    for _ in range(READ_AGAIN):
        with suppress(struct.error, RuntimeError, ValueError):
            return list(MultiProcessCollector(None, folder).collect())  # type: ignore[no-untyped-call]  # its library has no types
        time.sleep(READ_AGAIN_SECONDS)
    # its library has no types
    return list(MultiProcessCollector(None, folder).collect())  # type: ignore[no-untyped-call]


def shown(own: CollectorRegistry, families: Iterable[Metric]) -> bytes:
    """The text of `/metrics`. It may read files: not on an event loop."""
    return generate_latest(AllMetrics(own, families))


def forget(folder: str, seat: int) -> None:
    """Removes the gauges of a worker that has ended, but keeps its counters."""
    mark_process_dead(seat, folder)  # type: ignore[no-untyped-call]  # prometheus_client's


def gauge(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(name, meaning, value=value)


def of_build() -> Metric:
    """Which version runs."""
    family = GaugeMetricFamily(
        "licet_build_info", "1, and the version of this server", labels=["version"]
    )
    family.add_metric([__version__], 1)
    return family


def of_disks(folders: Mapping[str, Path]) -> Iterator[Metric]:
    """The size and the free space of each folder's disk; omits a folder without a disk."""
    size = GaugeMetricFamily("licet_disk_bytes", "Size of the disk of a folder", labels=["folder"])
    free = GaugeMetricFamily("licet_disk_free_bytes", "What is free on it", labels=["folder"])
    for name, folder in folders.items():
        with suppress(OSError):
            usage = shutil.disk_usage(folder)
            size.add_metric([name], usage.total)
            free.add_metric([name], usage.free)
    yield size
    yield free


def of_workers(standing: WorkersStanding) -> Iterator[Metric]:
    """The states of this server's processes."""
    yield gauge("licet_workers_wanted", "Server processes that should run", standing.wanted)
    yield gauge("licet_workers_ready", "Server processes that answer", standing.ready)
    ends = CounterMetricFamily(
        "licet_worker_ends",
        "Server processes that ended without being asked to, by reason",
        labels=["because"],
    )
    for because in ("failed", "hung", "killed"):
        ends.add_metric([because], standing.ends.get(because, 0))
    yield ends


def of_installation(figures: MonitoringFigures | None) -> Iterator[Metric]:
    """The backlogs of the installation. A time is in seconds since 1970, 0 for none."""
    if figures is None:
        return
    yield from _unlabelled(figures)
    due = {rotation: _time(at) for rotation, at in figures.rotations.items()}
    yield _gauges_by_label(
        "licet_rotation_due_seconds", "When a rotation of the keys is due", "rotation", due
    )
    meaning = "Erasures that are not finished, by the time since they were asked for, up to 10,000"
    yield _gauges_by_label("licet_erasures_open", meaning, "age", figures.erasures)
    waiting = {kind: queue.waiting for kind, queue in figures.queues.items()}
    overdue = {kind: queue.overdue for kind, queue in figures.queues.items()}
    yield _gauges_by_label("licet_queue_waiting", "What waits for people, by kind", "kind", waiting)
    yield _gauges_by_label("licet_queue_overdue", "What of it is overdue", "kind", overdue)


def _unlabelled(figures: MonitoringFigures) -> Iterator[Metric]:
    sweep, log, webhooks = figures.sweep, figures.log, figures.webhooks
    table: Sequence[tuple[str, str, float]] = (
        ("licet_figures_read_seconds",
         "When the figures of the installation were read", figures.at.timestamp()),
        ("licet_sweep_waits",
         "Segments, feedback and safety copies that a sweep waits to erase until it is approved",
         (sweep.due or 0) if sweep.waits else 0),
        ("licet_sweep_ended_seconds",
         "When a sweep last left nothing that is due", _time(sweep.ended_at)),
        ("licet_closures_wait_for_log",
         "Closed accounts that are erased, and are certified when the log has taken their leaves",
         figures.closures),
        ("licet_log_waiting", "Entries that wait for the log, counted up to 10,000", log.rows),
        ("licet_log_waiting_since_seconds", "Since when the oldest of them has waited", _time(log.since)),
        ("licet_log_unpublished_since_seconds",
         "Since when entries with a place in the log are not published",
         _time(figures.unpublished_since)),
        ("licet_webhook_waiting", "Messages to endpoints, up to 10,000 for each", webhooks.waiting),
        ("licet_webhook_due_seconds",
         "When the first of them was to be sent", _time(webhooks.due_at)),
        ("licet_webhook_endpoints_failing",
         "Endpoints that do not take messages", webhooks.failing),
        ("licet_webhook_endpoints_disabled",
         "Disabled endpoints, to which nothing is sent", webhooks.disabled),
        ("licet_backup_made_seconds", "When the newest backup was begun", _time(figures.backup)),
        ("licet_drill_due_seconds",
         "When a backup is to be restored as a test, at the latest", _time(figures.drill_due)),
    )  # fmt: skip
    return (gauge(*row) for row in table)


def _time(at: datetime | None) -> float:
    return at.timestamp() if at is not None else 0.0


def _gauges_by_label(name: str, meaning: str, label: str, values_by: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, meaning, labels=[label])
    for value, figure in values_by.items():
        family.add_metric([value], figure)
    return family
