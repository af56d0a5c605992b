"""What was wrong lately, for `licet doctor --since`: outages that servers of this data folder saw,
and what the database has of work that failed or became late. Each names the next command to type.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from licet.access import service_keys, staff_orders
from licet.backup import drills
from licet.backup.drills import DrillOutcome
from licet.config import Configuration
from licet.consent import request_register
from licet.erasure import recall_register, sweeper
from licet.ledger import sequence
from licet.policy.period import rfc3339
from licet.store import outage_file
from licet.store.connect import transaction
from licet.vault.installation import Installation
from licet.webhooks import endpoints

LISTED_MAX = 1_000
LOG_MINUTES_MAX = 5
_WHAT_NEXT = {
    "database": 'licet db status, or with your own: psql "$LICET_DATABASE_URL" -c "SELECT 1"',
    "bucket": "licet doctor",
    "key_provider": "licet keys status",
    "identity_provider": 'curl "$LICET_WEB__OIDC_ISSUER/.well-known/openid-configuration"',
    "disk": "df -h",
    "endpoint": "licet webhooks list",
    "witness": "licet ledger status",
}
UNKNOWN = (
    "errors and slow answers of the server: its log has them, `journalctl -u licet --since`",
    "requests that never reached it, and how late gates were: Prometheus has them",
    "what servers saw that have another data folder: run this on their hosts",
    "outages while no server ran",
)


class RecentFault(msgspec.Struct, frozen=True, kw_only=True):
    """What was wrong, from ``began`` to ``ended``, which is None where it still stands or no end is
    on record. ``next`` is a command.
    """

    what: str
    began: datetime
    ended: datetime | None
    seen: str
    next: str


class RecentFaults(msgspec.Struct, frozen=True, kw_only=True):
    """The faults since a time, in order, and what could not be known."""

    since: datetime
    until: datetime
    faults: tuple[RecentFault, ...]
    unknown: tuple[str, ...] = UNKNOWN

    @property
    def stands(self) -> bool:
        """Whether anything of it has not ended."""
        return any(fault.ended is None for fault in self.faults)


def outages(config: Configuration, since: datetime) -> list[RecentFault]:
    """What the servers' dependencies did; needs no database."""
    return [
        RecentFault(
            what=one.dependency,
            began=one.began,
            ended=one.ended,
            seen="did not answer"
            if one.ended
            else "does not answer, or the server ended meanwhile",
            next=_WHAT_NEXT.get(one.dependency, "licet doctor"),
        )
        for one in outage_file.outages(config.data, since)
    ]


def without_database(
    config: Configuration, since: datetime, until: datetime, because: str
) -> RecentFaults:
    """The outages alone, while the database cannot be asked."""
    fault = RecentFault(
        what="database", began=until, ended=None, seen=because, next=_WHAT_NEXT["database"]
    )
    unknown = ("what the database has of work that failed or became late", *UNKNOWN)
    return RecentFaults(
        since=since, until=until, faults=(*outages(config, since), fault), unknown=unknown
    )


def find_faults(installation: Installation, since: datetime, until: datetime) -> RecentFaults:
    """All that is on record; ``until`` is the time now."""
    found = outages(installation.config, since)
    for look in (_orders, _drills, _sweep, _endpoints, _keys, _late):
        found += look(installation, since, until)
    found.sort(key=lambda fault: (fault.began, fault.what))
    return RecentFaults(since=since, until=until, faults=tuple(found))


def _orders(installation: Installation, since: datetime, _: datetime) -> Iterator[RecentFault]:
    with transaction(installation.pool) as tx:
        orders = staff_orders.list_newest(tx, tuple(staff_orders.OrderKind), LISTED_MAX)
    for order in orders:
        ended = order.ended_at
        if order.outcome is staff_orders.OrderOutcome.failed and ended and ended >= since:
            yield RecentFault(
                what="order",
                began=order.ordered_at,
                ended=ended,
                seen=f"{order.kind.value} failed: {order.said}",
                next="licet doctor",
            )


def _drills(installation: Installation, since: datetime, until: datetime) -> Iterator[RecentFault]:
    for drill in drills.list_newest(installation, LISTED_MAX):
        if drill.outcome is DrillOutcome.failed and drill.drilled_at >= since:
            yield RecentFault(
                what="drill",
                began=drill.drilled_at,
                ended=drill.drilled_at,
                seen=f"the restore of {drill.backup} failed: {drill.failure}",
                next="licet backup drill",
            )
    due = drills.due_at(installation)
    if due is not None and due <= until:
        seen = "no backup was restored as a test by the day that it was due"
        yield RecentFault(what="drill", began=due, ended=None, seen=seen, next="licet backup drill")


def _sweep(installation: Installation, _since: datetime, _: datetime) -> Iterator[RecentFault]:
    sweep = sweeper.sweep_status(installation)
    if sweep.waits and sweep.waits_since is not None:
        seen = f"waits for approval: it would erase {sweep.due:,} of {sweep.kept:,} segments"
        began = sweep.waits_since
        yield RecentFault(
            what="sweep", began=began, ended=None, seen=seen, next="licet sweep status"
        )


def _endpoints(
    installation: Installation, _since: datetime, until: datetime
) -> Iterator[RecentFault]:
    for one in endpoints.list_endpoints(installation):
        if one.disabled_at is not None:
            seen = f"{one.endpoint} is told nothing: {one.disabled_because}"
            command, began = f"licet webhooks replay {one.endpoint}", one.disabled_at
        elif one.failing_since is not None:
            seen = f"{one.endpoint} takes nothing: {one.last_failure or 'it failed'}"
            command, began = "licet webhooks list", one.failing_since
        elif one.overdue:
            seen = f"{one.endpoint} owes {one.overdue:,} acknowledgements"
            command, began = "licet webhooks list", until
        else:
            continue
        yield RecentFault(what="endpoint", began=began, ended=None, seen=seen, next=command)


def _keys(installation: Installation, since: datetime, until: datetime) -> Iterator[RecentFault]:
    """Keys that stopped working: whoever still uses one is refused."""
    with transaction(installation.pool) as tx:
        keys = service_keys.list_keys(tx)
    for key in keys:
        for at, how in ((key.revoked_at, "was revoked"), (key.expires_at, "has expired")):
            if at is not None and since <= at <= until:
                seen = f"{key.name} {how}: a program that still uses it is refused"
                yield RecentFault(
                    what="api key", began=at, ended=at, seen=seen, next="licet api-key list"
                )


def _late(installation: Installation, since: datetime, until: datetime) -> Iterator[RecentFault]:
    """What waits longer than it may."""
    with transaction(installation.pool) as tx:
        log = sequence.count_waiting(tx, LISTED_MAX)
        overdue = request_register.open_requests(tx, until).overdue
    if log.since is not None and until - log.since > timedelta(minutes=LOG_MINUTES_MAX):
        seen = f"{log.rows:,} entries wait for the log"
        yield RecentFault(
            what="log", began=log.since, ended=None, seen=seen, next="licet ledger status"
        )
    if overdue:
        seen = f"{overdue:,} requests of people are overdue"
        yield RecentFault(
            what="requests", began=until, ended=None, seen=seen, next="licet request list"
        )
    late = [one for one in recall_register.list_recalls(installation) if one.overdue]
    if late:
        seen = f"{len(late):,} recalls are not acknowledged"
        yield RecentFault(
            what="recalls", began=until, ended=None, seen=seen, next="licet recall list"
        )


def describe(found: RecentFaults) -> str:
    """The text of the command."""
    lines = [f"from {rfc3339(found.since)} to {rfc3339(found.until)}"]
    for fault in found.faults:
        end = "still" if fault.ended is None else rfc3339(fault.ended)
        when = rfc3339(fault.began) + ("" if fault.ended == fault.began else f" to {end}")
        lines += [f"{fault.what:<18} {fault.seen}, {when}", f"{'':<18} next: {fault.next}"]
    if not found.faults:
        lines.append("nothing was wrong, as far as it is on record")
    lines += ["not known:", *(f"  {one}" for one in found.unknown)]
    return "\n".join(lines)
