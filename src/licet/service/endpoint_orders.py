"""What an owner does with an endpoint of events, each act on record with its reason: the verbs of
the console and of the API.

The acts are those of `webhooks.endpoints`, done at once. Of a crash between an act and its record
the act stays (`service.orders`). No record has a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from licet.access.staff_orders import OrderKind
from licet.service import orders
from licet.vault.host_events import EventKind
from licet.vault.installation import Installation
from licet.webhooks import endpoints
from licet.webhooks.endpoints import (
    AddedEndpoint,
    PausedEndpoint,
    RemovedEndpoint,
    ReplayResult,
    RotatedSecret,
)

KINDS = (
    OrderKind.add_endpoint,
    OrderKind.rotate_endpoint,
    OrderKind.pause_endpoint,
    OrderKind.resume_endpoint,
    OrderKind.replay_endpoint,
    OrderKind.remove_endpoint,
)
Done = TypeVar("Done")


def add(
    installation: Installation,
    endpoint: str,
    url: str | None,
    kinds: Sequence[EventKind],
    *,
    reason: str,
    by: str,
) -> AddedEndpoint:
    """Adds an endpoint; its secret is in this answer alone."""

    def said(done: AddedEndpoint) -> str:
        return f"Added: it hears {len(done.kinds)} kinds of events, from cursor {done.since} on"

    return _done(
        installation,
        OrderKind.add_endpoint,
        endpoint,
        lambda: endpoints.add(installation, endpoint, url, kinds),
        said,
        reason,
        by,
    )


def rotate(
    installation: Installation, endpoint: str, overlap_hours: int, *, reason: str, by: str
) -> RotatedSecret:
    """Gives an endpoint a new secret, which is in this answer alone."""

    def said(done: RotatedSecret) -> str:
        return f"A new secret; the old one signs too until {done.old_ends_at:%Y-%m-%d %H:%M} UTC"

    return _done(
        installation,
        OrderKind.rotate_endpoint,
        endpoint,
        lambda: endpoints.rotate(installation, endpoint, overlap_hours),
        said,
        reason,
        by,
    )


def pause(installation: Installation, endpoint: str, *, reason: str, by: str) -> PausedEndpoint:
    """Stops sending to an endpoint."""

    def said(done: PausedEndpoint) -> str:
        return f"Paused: {done.unsent:,} events wait"

    return _done(
        installation,
        OrderKind.pause_endpoint,
        endpoint,
        lambda: endpoints.pause(installation, endpoint),
        said,
        reason,
        by,
    )


def resume(installation: Installation, endpoint: str, *, reason: str, by: str) -> ReplayResult:
    """Sends what waits, and enables an endpoint that was disabled."""

    def said(done: ReplayResult) -> str:
        return f"Resumed: {done.events:,} events are sent"

    return _done(
        installation,
        OrderKind.resume_endpoint,
        endpoint,
        lambda: endpoints.replay(installation, endpoint),
        said,
        reason,
        by,
    )


def replay(
    installation: Installation, endpoint: str, since: str, *, reason: str, by: str
) -> ReplayResult:
    """Sends every event after a cursor again."""

    def said(done: ReplayResult) -> str:
        return f"Sent again after {since}: {done.events:,} events"

    return _done(
        installation,
        OrderKind.replay_endpoint,
        endpoint,
        lambda: endpoints.replay(installation, endpoint, since),
        said,
        reason,
        by,
    )


def remove(installation: Installation, endpoint: str, *, reason: str, by: str) -> RemovedEndpoint:
    """Removes an endpoint and its secrets."""

    def said(done: RemovedEndpoint) -> str:
        return f"Removed: {done.unsent:,} events unsent, {done.unanswered:,} answers will not come"

    return _done(
        installation,
        OrderKind.remove_endpoint,
        endpoint,
        lambda: endpoints.remove(installation, endpoint),
        said,
        reason,
        by,
    )


def _done(
    installation: Installation,
    kind: OrderKind,
    endpoint: str,
    do: Callable[[], Done],
    said: Callable[[Done], str],
    reason: str,
    by: str,
) -> Done:
    made = list[Done]()

    def act() -> str:
        made.append(do())
        return said(made[0])

    orders.at_once(installation, kind, endpoint, act, reason=reason, by=by)
    return made[0]
