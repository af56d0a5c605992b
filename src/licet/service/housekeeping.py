"""The server's background work: sweeps, key rotations, recalls, withdrawn rows, expiry, joins."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import islice

from licet.clock import utc_now
from licet.erasure import certificates, epochs, sweeper
from licet.errors import LicetError, RefusedError, error_places
from licet.keys import fence
from licet.store.connect import advisory_lock, transaction
from licet.vault import block_joins, counts, journal_evidence, primary
from licet.vault.installation import Installation

DAY = timedelta(days=1)
STEPS_MAX = 50  # of a pass in a round; a step takes up to a fifth of a second


def watch_primary(installation: Installation, stop: threading.Event) -> None:
    """Drops connections to the former primary after a database failover."""
    primary.keep_watch(installation.pool, stop)


def keep_sweeping(installation: Installation, stop: threading.Event) -> None:
    """Runs all background work until ``stop``; one process at a time works. Logs and retries
    failures.
    """
    import structlog  # imported here: a command that sweeps once logs nothing

    record = structlog.get_logger("licet.sweep")
    works: dict[str, Callable[[Installation], object]] = {
        **_WORK,
        "objects": _Daily(_collect),
        "blocks": DailySteps(block_joins.join_steps),
    }
    while not stop.wait(installation.config.sweep.every_seconds):
        for name, work in works.items():
            if stop.is_set():
                return
            try:
                with advisory_lock(installation.pool, sweeper.SWEEPS_LOCK) as mine:
                    if mine:
                        work(installation)
            except RefusedError as error:
                record.warning("waits", work=name, because=error.message)
            except LicetError as error:
                record.error("failed", work=name, kind=type(error).__name__, because=error.message)
            except OSError as error:  # such as a read-only disk of the keys; without a path
                record.error("failed", work=name, kind="OSError", because=error.strerror)
            except Exception as error:  # a defect in one must not stop the others
                kind, places = type(error).__name__, error_places(error)
                record.error("broken", work=name, kind=kind, places=places)


def _rotate(installation: Installation) -> None:
    kind = epochs.next_rotation(installation)
    if kind is not None:
        epochs.rotate(installation, kind)
    epochs.destroy_due(installation)


def _recall(installation: Installation) -> None:
    # imported here, so that other commands need not load it
    from licet.train import recipients

    recipients.recall_ended(installation)


def _withdraw(installation: Installation) -> None:
    from licet.train import gate_files  # imported here, as above

    gate_files.update_all(installation)


def _collect(installation: Installation) -> None:
    from licet.release import release_store  # imported here, as above

    release_store.delete_unreferenced(installation, utc_now())


class _Daily:
    """Work of each process once a day, first a day after its start."""

    def __init__(self, work: Callable[[Installation], object]) -> None:
        self._work, self._due = work, utc_now() + DAY

    def __call__(self, installation: Installation) -> None:
        if utc_now() >= self._due:
            self._due = utc_now() + DAY
            self._work(installation)


class DailySteps:
    """Work that each process begins at its start, and once a day after it has ended. A call does at
    most ``steps_max`` steps, so that sweeps, erasures and a stop need not wait for a whole pass.
    """

    def __init__(
        self, begin: Callable[[Installation], Iterator[object]], steps_max: int = STEPS_MAX
    ) -> None:
        self._begin, self._steps_max, self._due = begin, steps_max, utc_now()
        self._steps: Iterator[object] | None = None

    def __call__(self, installation: Installation) -> None:
        if self._steps is None and utc_now() >= self._due:
            self._due, self._steps = utc_now() + DAY, self._begin(installation)
        if self._steps is not None:
            done = sum(1 for _ in islice(self._steps, self._steps_max))
            if done < self._steps_max:
                self._steps = None


def _log_journal_head(installation: Installation) -> None:
    if installation.keyring.restrictions is not None:
        with transaction(installation.pool) as tx:
            fence.check(tx)
            journal_evidence.log_head_if_due(
                tx, installation.keyring.restrictions, installation.clock()
            )


def _fold(installation: Installation) -> None:
    with transaction(installation.pool) as tx:
        counts.fold(tx)


_WORK: dict[str, Callable[[Installation], object]] = {
    "sweep": sweeper.sweep, "erasures": certificates.advance_erasures, "recalls": _recall, "keys": _rotate,
    "withdrawn": _withdraw, "counts": _fold, "journal": _log_journal_head,
}  # fmt: skip
