"""Acknowledgements of removal events by hosts.

A host acknowledges that it has removed the data that an event names. A certificate of erasure lists
the notified endpoints and missing acknowledgements. Records of removed endpoints are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from licet.errors import NotFoundError, RefusedError
from licet.store.connect import Transaction
from licet.vault.host_events import EventKind
from licet.vault.ids import Prefix, format_id
from licet.wire import EventDelivery


class HostDelivery(EventDelivery, frozen=True, kw_only=True):
    """A removal event sent to an endpoint, and its acknowledgement. ``delivered_at`` is None if the
    endpoint polls.
    """


_DELIVERED = """SELECT d.event_id, p.name, e.occurred_at, d.delivered_at, d.acknowledge_by,
    d.acknowledged_at
    FROM deliveries d JOIN events e USING (account_id, event_id)
      JOIN endpoints p USING (endpoint_id)"""


def deliveries_of_erasure(
    tx: Transaction, account: UUID, erasure: UUID, now: datetime
) -> list[HostDelivery]:
    """Lists the endpoints notified of an erasure, with their acknowledgements."""
    rows = tx.execute(
        f"""{_DELIVERED} WHERE e.account_id = %s AND e.erasure_id = %s AND d.acknowledge_by IS NOT NULL
             ORDER BY e.row_no, p.name, p.endpoint_id""",
        [account, erasure],
    )
    return [_host_delivery(row, now) for row in rows]


def list_overdue(tx: Transaction, now: datetime, limit: int) -> list[HostDelivery]:
    """Lists the acknowledgements overdue at ``now``, the most overdue first."""
    rows = tx.execute(
        f"""{_DELIVERED} WHERE d.acknowledged_at IS NULL AND d.acknowledge_by <= %s
             AND p.removed_at IS NULL
             ORDER BY d.acknowledge_by, e.row_no, p.name LIMIT %s""",
        [now, limit],
    )
    return [_host_delivery(row, now) for row in rows]


def _host_delivery(row: Sequence[Any], now: datetime) -> HostDelivery:
    event, endpoint, told_at, delivered_at, due_at, acknowledged_at = row
    return HostDelivery(
        event=format_id(Prefix.event, event),
        endpoint=endpoint,
        told_at=told_at,
        delivered_at=delivered_at,
        due_at=due_at,
        acknowledged_at=acknowledged_at,
        overdue=acknowledged_at is None and due_at <= now,
    )


def acknowledge(tx: Transaction, event: UUID, endpoint: str, now: datetime) -> HostDelivery:
    """Records an endpoint's acknowledgement of an event. Idempotent.

    NotFoundError if the endpoint was not sent the event, RefusedError if it requires no
    acknowledgement.
    """
    event_row = tx.execute("SELECT account_id FROM events WHERE event_id = %s", [event]).fetchone()
    row = (
        event_row
        and tx.execute(
            """SELECT d.account_id, d.endpoint_id, d.acknowledge_by FROM deliveries d
            JOIN endpoints p USING (endpoint_id)
            WHERE d.account_id = %s AND d.event_id = %s AND p.name = %s AND p.removed_at IS NULL""",
            [event_row[0], event, endpoint],
        ).fetchone()
    )
    if row is None:
        raise NotFoundError(
            f"the endpoint `{endpoint}` was not sent the event `{format_id(Prefix.event, event)}`"
        )
    if row[2] is None:
        raise RefusedError(
            "this event requires no acknowledgement",
            f"only `{EventKind.must_leave.value}` requires one",
            because="nothing_owed",
        )
    tx.execute(
        """UPDATE deliveries SET acknowledged_at = coalesce(acknowledged_at, %s)
            WHERE account_id = %s AND event_id = %s AND endpoint_id = %s""",
        [now, row[0], event, row[1]],
    )
    delivery = tx.execute(
        f"{_DELIVERED} WHERE d.account_id = %s AND d.event_id = %s AND d.endpoint_id = %s",
        [row[0], event, row[1]],
    ).fetchone()
    assert delivery is not None
    return _host_delivery(delivery, now)
