"""Webhook endpoint operations of staff, each recorded with its reason; used by console and API.

The operations are those of `webhooks.endpoints`, performed at once. After a crash between the
operation and its record, the operation stands (`service.orders`). Records contain no secrets.
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
    actor: str,
) -> AddedEndpoint:
    """Adds an endpoint; only this result contains its secret."""

    def said(result: AddedEndpoint) -> str:
        return f"Added: it hears {len(result.kinds)} kinds of events, from cursor {result.since} on"

    return _run(
        installation,
        OrderKind.add_endpoint,
        endpoint,
        lambda: endpoints.add(installation, endpoint, url, kinds),
        said,
        reason,
        actor,
    )


def rotate(
    installation: Installation, endpoint: str, overlap_hours: int, *, reason: str, actor: str
) -> RotatedSecret:
    """Rotates an endpoint's secret; only this result contains the new one."""

    def said(result: RotatedSecret) -> str:
        return f"A new secret; the old one signs too until {result.old_ends_at:%Y-%m-%d %H:%M} UTC"

    return _run(
        installation,
        OrderKind.rotate_endpoint,
        endpoint,
        lambda: endpoints.rotate(installation, endpoint, overlap_hours),
        said,
        reason,
        actor,
    )


def pause(installation: Installation, endpoint: str, *, reason: str, actor: str) -> PausedEndpoint:
    """Stops sending to an endpoint."""

    def said(result: PausedEndpoint) -> str:
        return f"Paused: {result.unsent:,} events wait"

    return _run(
        installation,
        OrderKind.pause_endpoint,
        endpoint,
        lambda: endpoints.pause(installation, endpoint),
        said,
        reason,
        actor,
    )


def resume(installation: Installation, endpoint: str, *, reason: str, actor: str) -> ReplayResult:
    """Sends the backlog, and enables a disabled endpoint."""

    def said(result: ReplayResult) -> str:
        return f"Resumed: {result.events:,} events are sent"

    return _run(
        installation,
        OrderKind.resume_endpoint,
        endpoint,
        lambda: endpoints.replay(installation, endpoint),
        said,
        reason,
        actor,
    )


def replay(
    installation: Installation, endpoint: str, since: str, *, reason: str, actor: str
) -> ReplayResult:
    """Sends every event after a cursor again."""

    def said(result: ReplayResult) -> str:
        return f"Sent again after {since}: {result.events:,} events"

    return _run(
        installation,
        OrderKind.replay_endpoint,
        endpoint,
        lambda: endpoints.replay(installation, endpoint, since),
        said,
        reason,
        actor,
    )


def remove(
    installation: Installation, endpoint: str, *, reason: str, actor: str
) -> RemovedEndpoint:
    """Removes an endpoint and its secrets."""

    def said(result: RemovedEndpoint) -> str:
        return (
            f"Removed: {result.unsent:,} events unsent, {result.unanswered:,} answers will not come"
        )

    return _run(
        installation,
        OrderKind.remove_endpoint,
        endpoint,
        lambda: endpoints.remove(installation, endpoint),
        said,
        reason,
        actor,
    )


def _run(
    installation: Installation,
    kind: OrderKind,
    endpoint: str,
    do: Callable[[], Done],
    describe: Callable[[Done], str],
    reason: str,
    actor: str,
) -> Done:
    results = list[Done]()

    def act() -> str:
        results.append(do())
        return describe(results[0])

    orders.run_now(installation, kind, endpoint, act, reason=reason, actor=actor)
    return results[0]
