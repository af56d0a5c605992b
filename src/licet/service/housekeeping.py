"""The background work of the server: sweep, key rotation, recalls, withdrawn rows, and what ends by
itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

from licet.clock import utc_now
from licet.erasure import certificates, epochs, sweeper
from licet.errors import LicetError, RefusedError
from licet.keys import fence
from licet.store.connect import locked, transaction
from licet.vault import counts, journal_evidence, primary
from licet.vault.installation import Installation

DAY = timedelta(days=1)


def watch_primary(here: Installation, stop: threading.Event) -> None:
    """Learns of a failover of the database, and drops the connections to the primary of before
    it.
    """
    primary.keep_watch(here.pool, stop)


def keep_sweeping(here: Installation, stop: threading.Event) -> None:
    """Sweeps, certifies, recalls, rotates and destroys what is due, repeatedly until ``stop``. Of
    several processes, one works at a time.

    A failure is logged and retried: the database or a key provider may be unreachable for a while.
    """
    import structlog  # here: a command that sweeps once logs nothing

    record = structlog.get_logger("licet.sweep")
    works: dict[str, Callable[[Installation], object]] = {**_WORK, "objects": _Daily(_collect)}
    while not stop.wait(here.config.sweep.every_seconds):
        for name, work in works.items():
            if stop.is_set():
                return
            try:
                with locked(here.pool, sweeper.SWEEPS_LOCK) as mine:
                    if mine:
                        work(here)
            except RefusedError as error:
                record.warning("waits", work=name, because=error.message)
            except LicetError as error:
                record.error("failed", work=name, kind=type(error).__name__, because=error.message)


def _rotate(here: Installation) -> None:
    kind = epochs.next_rotation(here)
    if kind is not None:
        epochs.rotate(here, kind)
    epochs.destroy_due(here)


def _recall(here: Installation) -> None:
    # here, so that no other command waits for what reads exports
    from licet.train import recipients

    recipients.recall_ended(here)


def _withdraw(here: Installation) -> None:
    from licet.train import gate_files  # here, as above

    gate_files.bring_up_all(here)


def _collect(here: Installation) -> None:
    from licet.release import homes  # here, as above

    homes.collect(here, utc_now())


class _Daily:
    """A work that is done once a day by each process, the first time a day after it began."""

    def __init__(self, work: Callable[[Installation], object]) -> None:
        self._work, self._due = work, utc_now() + DAY

    def __call__(self, here: Installation) -> None:
        if utc_now() >= self._due:
            self._due = utc_now() + DAY
            self._work(here)


def _tell_journal(here: Installation) -> None:
    """Tells the log how far the restriction journal has come."""
    if here.keyring.restrictions is not None:
        with transaction(here.pool) as tx:
            fence.check(tx)
            journal_evidence.tell_head_if_due(tx, here.keyring.restrictions, here.clock())


def _fold(here: Installation) -> None:
    with transaction(here.pool) as tx:
        counts.fold(tx)


_WORK: dict[str, Callable[[Installation], object]] = {
    "sweep": sweeper.sweep, "erasures": certificates.advance_erasures, "recalls": _recall, "keys": _rotate,
    "withdrawn": _withdraw, "counts": _fold, "journal": _tell_journal,
}  # fmt: skip
