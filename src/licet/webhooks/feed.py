"""The verbs of events: read them from a cursor, and say that what must leave has left.

How an event comes to be is `licet.vault.host_events`; who hears it `licet.webhooks.endpoints`, and how it is sent
`licet.webhooks.delivery`.
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
    """Events in their one order. ``next`` is the cursor behind the last, or the one asked for where there is none."""

    items: tuple[HostEvent, ...]
    next: str


def since(here: Installation, cursor: str = "0", limit: int = EVENTS_MAX) -> EventPage:
    """The events behind ``cursor``; RefusedError while nobody hears, for then nothing is kept to be read."""
    number = host_events.number_of(cursor)
    with transaction(here.pool) as tx:
        found = host_events.since(tx, number, min(limit, EVENTS_MAX))
        heard = tx.execute("SELECT EXISTS (SELECT FROM endpoints WHERE removed_at IS NULL)").fetchone()
    if not found and heard == (False,):
        raise RefusedError(
            "no endpoint hears, so no event is kept", "`licet webhooks add NAME --pull` begins to keep them",
            because="nobody_hears",
        )  # fmt: skip
    return EventPage(items=tuple(found), next=found[-1].cursor if found else cursor)


def acknowledge(here: Installation, event: str, endpoint: str, bound: UUID) -> HostDelivery:
    """Records that what an event named has left the host behind ``endpoint``.

    ``bound`` is the endpoint that whoever says so speaks for; DeniedError where that is another one.
    """
    named = parse(Prefix.event, event)
    with transaction(here.pool) as tx:
        row = tx.execute("SELECT name FROM endpoints WHERE endpoint_id = %s AND removed_at IS NULL", [bound]).fetchone()
        if row is None or row[0] != endpoint:
            raise DeniedError(
                "the key does not acknowledge for this endpoint",
                "`licet api-key create NAME --scope events:acknowledge --endpoint ENDPOINT` makes one that does",
            )
        return acknowledgements.acknowledge(tx, named, endpoint, here.clock())


def overdue(here: Installation) -> list[HostDelivery]:
    """What hosts were to acknowledge by now and did not, the most overdue first."""
    with transaction(here.pool) as tx:
        return acknowledgements.overdue(tx, here.clock(), OVERDUE_MAX)
