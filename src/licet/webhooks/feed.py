"""The event feed: reads events from a cursor, and acknowledges removals.

`licet.vault.host_events` creates events, `licet.webhooks.endpoints` has their receivers, and
`licet.webhooks.delivery` sends them.
"""

from __future__ import annotations

from uuid import UUID

import msgspec

from licet.errors import DeniedError, RefusedError
from licet.store.connect import transaction
from licet.vault import host_events
from licet.vault.host_events import HostEvent
from licet.vault.ids import Prefix, parse
from licet.vault.installation import Installation
from licet.webhooks import acknowledgements
from licet.webhooks.acknowledgements import HostDelivery

EVENTS_MAX = 1_000
OVERDUE_MAX = 10_000


class EventPage(msgspec.Struct, frozen=True, kw_only=True):
    """Events in order. ``next`` is the cursor after the last one; without events, the requested
    one.
    """

    items: tuple[HostEvent, ...]
    next: str


def events_after(
    installation: Installation, cursor: str = "0", limit: int = EVENTS_MAX
) -> EventPage:
    """Returns the events after ``cursor``; RefusedError without an endpoint, because then no events
    are stored.
    """
    number = host_events.number_of(cursor)
    with transaction(installation.pool) as tx:
        events = host_events.list_since(tx, number, min(limit, EVENTS_MAX))
        has_endpoint = tx.execute(
            "SELECT EXISTS (SELECT FROM endpoints WHERE removed_at IS NULL)"
        ).fetchone()
    if not events and has_endpoint == (False,):
        raise RefusedError(
            "there is no endpoint, so no events are stored",
            "`licet webhooks add NAME` starts storing them",
            because="nobody_hears",
        )
    return EventPage(items=tuple(events), next=events[-1].cursor if events else cursor)


def acknowledge(installation: Installation, event: str, endpoint: str, bound: UUID) -> HostDelivery:
    """Records that ``endpoint``'s host removed the data that an event names. DeniedError unless
    ``bound``, the endpoint of the caller's key, is that endpoint.
    """
    named = parse(Prefix.event, event)
    with transaction(installation.pool) as tx:
        row = tx.execute(
            "SELECT name FROM endpoints WHERE endpoint_id = %s AND removed_at IS NULL", [bound]
        ).fetchone()
        if row is None or row[0] != endpoint:
            raise DeniedError(
                "the key may not acknowledge for this endpoint",
                "`licet api-key create NAME --scope events:acknowledge --endpoint ENDPOINT` "
                "creates one that may",
            )
        return acknowledgements.acknowledge(tx, named, endpoint, installation.clock())


def overdue(installation: Installation) -> list[HostDelivery]:
    """Lists the overdue acknowledgements, the most overdue first."""
    with transaction(installation.pool) as tx:
        return acknowledgements.list_overdue(tx, installation.clock(), OVERDUE_MAX)
