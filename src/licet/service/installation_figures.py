"""The figures of an installation for whoever watches it from outside: what waits, how old the
oldest is, what is late.

Each figure is read from an index that holds only what waits, and counted up to `COUNTED_MAX`: none
of them costs more in a larger installation.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from licet.backup import archives
from licet.erasure import certificates, epochs, sweeper
from licet.ledger import sequence
from licet.service.inbox_sources import SOURCES, InboxReading, ItemKind
from licet.store.connect import transaction
from licet.vault import certificate
from licet.vault.installation import Installation
from licet.webhooks import endpoints

COUNTED_MAX = 10_000
# and `older`
AGES = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=31)}
QUEUED_MAX = 500  # of each kind; those with the nearest day are counted first
QUEUES = (
    ItemKind.request,
    ItemKind.erasure,
    ItemKind.recall,
    ItemKind.misuse,
    ItemKind.flag,
    ItemKind.hold,
    ItemKind.review,
    ItemKind.signature,
)


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """What waits for people: how much, and how much of it is overdue."""

    waiting: int
    overdue: int


class MonitoringFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The figures at one time; other times are None where there is nothing to date."""

    at: datetime
    sweep: sweeper.SweepStatus
    closures: int
    log: sequence.Waiting
    webhooks: endpoints.WebhookBacklog
    backup: datetime | None
    rotations: dict[str, datetime | None]
    erasures: dict[str, int]
    queues: dict[str, Queue]


def figures(installation: Installation) -> MonitoringFigures:
    """All of them now, in some ten short transactions; BusyError without the database."""
    now = installation.clock()
    with transaction(installation.pool) as tx:
        sweep, closures = sweeper.sweep_status_in(tx), certificates.count_unlogged_in(tx).closures
        log, webhooks = (
            sequence.count_waiting(tx, COUNTED_MAX),
            endpoints.count_backlog(tx, COUNTED_MAX),
        )
        erasures = certificate.open_by_age(tx, now, AGES, COUNTED_MAX)
    newest = archives.list_registered(installation, 1)
    return MonitoringFigures(
        at=now,
        sweep=sweep,
        closures=closures,
        log=log,
        webhooks=webhooks,
        erasures=erasures,
        backup=newest[0].made_at if newest else None,
        rotations=epochs.status(installation).due,
        queues=_queues(installation, now),
    )


def _queues(installation: Installation, now: datetime) -> dict[str, Queue]:
    """What the inbox of staff has, by kind."""
    found: dict[str, Queue] = {}
    with InboxReading(installation, now) as reading:
        for source in SOURCES:
            if source.kind in QUEUES:
                items = source.page(reading, None, QUEUED_MAX).found
                overdue = sum(one.item.overdue for one in items)
                found[source.kind.value] = Queue(waiting=len(items), overdue=overdue)
    return found
