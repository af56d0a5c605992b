"""Monitoring figures: backlogs, the age of the oldest entry, and late work.

Each reads an index of open entries only and counts up to `COUNTED_MAX`.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

import msgspec

from licet.backup import archives, drills
from licet.erasure import certificates, epochs, sweeper
from licet.errors import LicetError
from licet.ledger import sequence
from licet.proof import documents
from licet.service.inbox_sources import SOURCES, InboxReading, ItemKind
from licet.store.connect import transaction
from licet.vault import certificate
from licet.vault.installation import Installation
from licet.webhooks import endpoints

COUNTED_MAX = 10_000
# and `older`
AGES = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=31)}
QUEUED_MAX = 500  # of each kind; those with the nearest day are counted first
QUEUES = tuple(ItemKind)[:8]  # the kinds up to `signature` wait for a person's judgement


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """Work waiting for people, and how much of it is overdue."""

    waiting: int
    overdue: int


class MonitoringFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The figures at one time; a date is None if nothing waits."""

    at: datetime
    sweep: sweeper.SweepStatus
    closures: int
    log: sequence.Waiting
    unpublished_since: datetime | None
    webhooks: endpoints.WebhookBacklog
    backup: datetime | None
    drill_due: datetime | None
    rotations: dict[str, datetime | None]
    erasures: dict[str, int]
    queues: dict[str, Queue]


def figures(installation: Installation) -> MonitoringFigures:
    """Reads all figures in about ten short transactions; BusyError without the database."""
    now = installation.clock()
    with transaction(installation.pool) as tx:
        sweep, closures = sweeper.sweep_status_in(tx), certificates.count_unlogged_in(tx).closures
        log = sequence.count_waiting(tx, COUNTED_MAX)
        webhooks = endpoints.count_backlog(tx, COUNTED_MAX)
        erasures = certificate.open_by_age(tx, now, AGES, COUNTED_MAX)
    newest = archives.list_registered(installation, 1)
    return MonitoringFigures(
        at=now,
        sweep=sweep,
        closures=closures,
        log=log,
        unpublished_since=_unpublished_since(installation),
        webhooks=webhooks,
        erasures=erasures,
        backup=newest[0].made_at if newest else None,
        drill_due=drills.due_at(installation),
        rotations=epochs.status(installation).due,
        queues=_queues(installation, now),
    )


def _unpublished_since(installation: Installation) -> datetime | None:
    """Returns the time of the oldest unpublished batch; None while the log's storage does not
    answer, which has an alert of its own.
    """
    try:
        return documents.unpublished_since(installation)
    except (LicetError, OSError):
        return None


def _queues(installation: Installation, now: datetime) -> dict[str, Queue]:
    """Counts the staff inbox by kind; a kind may have several sources."""
    waiting, overdue = Counter[str](), Counter[str]()
    with InboxReading(installation, now) as reading:
        for source in SOURCES:
            if source.kind in QUEUES:
                items = source.page(reading, None, QUEUED_MAX).found
                waiting[source.kind.value] += len(items)
                overdue[source.kind.value] += sum(placed.item.overdue for placed in items)
    return {kind: Queue(waiting=waiting[kind], overdue=overdue[kind]) for kind in waiting}
