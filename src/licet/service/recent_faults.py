"""Recent faults, for `licet doctor --since`: outages seen by servers of this data folder, and the
database's records of failed or late work. Each names the next command.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from licet.access import service_keys, staff_orders
from licet.backup import archives, drills
from licet.backup.drills import DrillOutcome
from licet.config import Configuration
from licet.erasure import sweeper
from licet.policy.period import rfc3339
from licet.service import installation_figures
from licet.service.inbox_sources import BACKUP_DAYS, ItemKind
from licet.store import outage_file
from licet.store.connect import ContentionError, lock_waits_limited, transaction
from licet.store.database_activity import BlockingSession, read_activity
from licet.store.outage_file import DATABASE_LOCKED, DATABASE_SLOW, WORKERS
from licet.vault.installation import Installation
from licet.webhooks import endpoints

LISTED_MAX = 1_000
LOCK_SECONDS_MAX = 2.0  # wait for a locked table
_WHAT_NEXT = {
    "database": 'licet db status, or with your own: psql "$LICET_DATABASE_URL" -c "SELECT 1"',
    "bucket": "licet doctor",
    "key_provider": "licet keys status",
    "identity_provider": 'curl "$LICET_WEB__OIDC_ISSUER/.well-known/openid-configuration"',
    "disk": "df -h",
    "endpoint": "licet webhooks list",
    "witness": "licet ledger status",
    WORKERS: "journalctl --unit licet --grep 'worker has ended|worker is killed'",
}
_OUTAGES = {  # other than silent dependencies: present and past
    DATABASE_SLOW: (
        "statements take longer than a second",
        "statements took longer than a second",
    ),
    DATABASE_LOCKED: ("an open transaction blocks others", "an open transaction blocked others"),
    WORKERS: (
        "fewer server processes run than are configured",
        "fewer server processes ran than are configured",
    ),
}
_SILENT = ("does not answer, or did not when its server ended", "did not answer")
UNKNOWN = (
    "errors and slow answers of the server: `journalctl --unit licet --since -1h`",
    "requests that did not arrive, and late gates: ask Prometheus",
    "outages that servers with another data folder saw: run this on their machines",
    "outages while no server ran",
)


class RecentFault(msgspec.Struct, frozen=True, kw_only=True):
    """A fault from ``began`` to ``ended``, None if it persists or no end is recorded. ``next`` is a
    command.
    """

    what: str
    began: datetime
    ended: datetime | None
    seen: str
    next: str


class RecentFaults(msgspec.Struct, frozen=True, kw_only=True):
    """The faults since a time, in order, and what cannot be known."""

    since: datetime
    until: datetime
    faults: tuple[RecentFault, ...]
    unknown: tuple[str, ...] = UNKNOWN

    @property
    def stands(self) -> bool:
        """Whether a fault has not ended."""
        return any(fault.ended is None for fault in self.faults)


def outages(config: Configuration, since: datetime) -> list[RecentFault]:
    """Returns the outages that servers saw; needs no database."""
    return [
        RecentFault(
            what=outage.dependency,
            began=outage.began,
            ended=outage.ended,
            seen=_OUTAGES.get(outage.dependency, _SILENT)[outage.ended is not None],
            next=_WHAT_NEXT.get(outage.dependency, "licet doctor"),
        )
        for outage in outage_file.outages(config.data, since)
    ]


def without_database(
    config: Configuration, since: datetime, until: datetime, because: str
) -> RecentFaults:
    """Returns the outages alone, while the database does not answer."""
    known = outages(config, since)
    began = [fault.began for fault in known if fault.what == "database" and fault.ended is None]
    fault = RecentFault(
        what="database",
        began=min(began, default=until),
        ended=None,
        seen=because,
        next=_WHAT_NEXT["database"],
    )
    unknown = ("what the database has of work that failed or became late", *UNKNOWN)
    faults = (*(other for other in known if other.what != "database" or other.ended), fault)
    return RecentFaults(since=since, until=until, faults=faults, unknown=unknown)


def find_faults(installation: Installation, since: datetime, until: datetime) -> RecentFaults:
    """Returns all recorded faults; ``until`` is now."""
    found: list[RecentFault] = []
    unknown: tuple[str, ...] = UNKNOWN
    with lock_waits_limited(installation.pool, LOCK_SECONDS_MAX):
        for look in (_activity, _orders, _drills, _sweep, _endpoints, _keys, _late):
            try:
                found += look(installation, since, until)
            except ContentionError:
                unknown = (
                    f"{look.__name__.strip('_')}: another transaction holds a table of it",
                    *unknown,
                )
    standing = {fault.what for fault in found if fault.ended is None}
    found += [
        fault
        for fault in outages(installation.config, since)
        if fault.ended is not None or fault.what not in standing
    ]
    found.sort(key=lambda fault: (fault.began, fault.what))
    return RecentFaults(since=since, until=until, faults=tuple(found), unknown=unknown)


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
                seen=f"the order `{order.kind.value}` failed: {order.said}",
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
        seen = "no backup was restored as a test: a drill is due"
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
    for endpoint in endpoints.list_endpoints(installation):
        name = endpoint.endpoint
        if endpoint.disabled_at is not None:
            seen = f"{name} is disabled and receives no events: {endpoint.disabled_because}"
            command, began = f"licet webhooks resume {name}", endpoint.disabled_at
        elif endpoint.failing_since is not None:
            seen = f"{name} refuses its events: {endpoint.last_failure or 'it failed'}"
            command, began = "licet webhooks list", endpoint.failing_since
        elif endpoint.overdue:
            seen = f"{name} has not acknowledged events in time: {endpoint.overdue:,}"
            command, began = "licet webhooks list", until
        else:
            continue
        yield RecentFault(what="endpoint", began=began, ended=None, seen=seen, next=command)


def _keys(installation: Installation, since: datetime, until: datetime) -> Iterator[RecentFault]:
    """Yields keys that stopped working, whose users are refused."""
    with transaction(installation.pool) as tx:
        keys = service_keys.list_keys(tx)
    for key in keys:
        for at, how in ((key.revoked_at, "was revoked"), (key.expires_at, "has expired")):
            if at is not None and since <= at <= until:
                seen = f"{key.name} {how}: a program that still uses it is refused"
                yield RecentFault(
                    what="api key", began=at, ended=at, seen=seen, next="licet api-key list"
                )


def _late(installation: Installation, _: datetime, until: datetime) -> Iterator[RecentFault]:
    """Yields work that has waited longer than an alert allows."""
    now = installation_figures.figures(installation)
    minutes, day = timedelta(minutes=1), timedelta(days=1)
    rotation = min((due for due in now.rotations.values() if due is not None), default=None)
    for what, began, allowed, seen, command in (
        (
            "log",
            now.log.since,
            5 * minutes,
            f"{now.log.rows:,} entries wait for the log",
            "licet ledger status",
        ),
        (
            "publication",
            now.unpublished_since,
            5 * minutes,
            "entries of the log are not published",
            "licet ledger status",
        ),
        (
            "webhooks",
            now.webhooks.due_at,
            15 * minutes,
            f"{now.webhooks.waiting:,} messages to endpoints are late",
            "licet webhooks list",
        ),
        (
            "sweep",
            now.sweep.ended_at,
            360 * minutes,
            "no sweep has ended",
            "licet sweep status",
        ),
        (
            "backup",
            now.backup,
            BACKUP_DAYS * day,
            "no backup was made",
            f"licet backup make {_backup_folder(installation)}",
        ),
        ("rotation", rotation, day, "a rotation of the keys is due", "licet keys rotate"),
    ):
        if began is not None and until - began > allowed:
            yield RecentFault(what=what, began=began, ended=None, seen=seen, next=command)
    for kind, seen, command in (
        (ItemKind.request, "requests of people", "licet request list"),
        (ItemKind.erasure, "erasures", "licet erase status"),
        (ItemKind.recall, "recalls", "licet recall list"),
        (ItemKind.misuse, "suggestions of misuse", "licet inbox list --by ADDRESS"),
        (ItemKind.flag, "flags", "licet hold list"),
        (ItemKind.hold, "legal holds", "licet hold list"),
    ):
        if count := now.queues[kind].overdue:
            yield RecentFault(
                what=f"{kind.value}s",
                began=until,
                ended=None,
                seen=f"{seen} are overdue: {count:,}",
                next=command,
            )


def _backup_folder(installation: Installation) -> str:
    """Returns the folder of the newest backup."""
    newest = archives.list_registered(installation, 1)
    known = newest[0].folder if newest else None
    return str(known.parent) if known is not None else "FOLDER"


def _activity(installation: Installation, _: datetime, until: datetime) -> Iterator[RecentFault]:
    """Yields present slow statements and blocking transactions."""
    with transaction(installation.pool) as tx:
        now = read_activity(tx)
    if now.slow:
        yield RecentFault(
            what=DATABASE_SLOW,
            began=until - timedelta(seconds=now.slowest_seconds),
            ended=None,
            seen=f"statements take longer than a second: {now.slow:,}, the longest waits for "
            f"{now.slowest_waits_for}",
            next="licet doctor",
        )
    for session in now.blocking:
        state = f", {session.state}" if session.state else ""
        yield RecentFault(
            what=DATABASE_LOCKED,
            began=until - timedelta(seconds=session.seconds),
            ended=None,
            seen=f"the open transaction of session {session.pid} (`{session.application}`{state}) "
            f"blocks others: {session.waiting:,}",
            next=end_session_command(installation.config, session),
        )


def end_session_command(config: Configuration, session: BlockingSession) -> str:
    """Returns the command that ends a database session and rolls it back."""
    if config.database_url is None:
        return f"kill {session.pid}"
    return f'psql "$LICET_DATABASE_URL" -c "SELECT pg_terminate_backend({session.pid})"'


def describe(found: RecentFaults) -> str:
    """Formats the faults as text."""
    lines = [f"{_second(found.since)} to {_second(found.until)}"]
    for heading, stands in (("still wrong", True), ("over", False)):
        faults = [fault for fault in found.faults if (fault.ended is None) is stands]
        lines += [heading] if faults else []
        for fault in faults:
            when = f"since {_second(fault.began)}"
            if fault.ended is not None:
                when = f"{_second(fault.began)} to {_second(fault.ended)}"
            lines += [f"  {fault.what:<16} {fault.seen}", f"{'':<19}{when}, next: {fault.next}"]
    if not found.faults:
        lines.append("nothing wrong is on record")
    lines += ["not on record", *(f"  {gap}" for gap in found.unknown)]
    return "\n".join(lines)


def _second(at: datetime) -> str:
    return rfc3339(at.replace(microsecond=0))
