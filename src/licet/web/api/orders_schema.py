"""What owners send and are answered over the API about orders and about endpoints of events."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from licet.access.staff_orders import REASON_CHARACTERS_MAX, OrderKind, OrderOutcome
from licet.masked import Masked
from licet.vault.host_events import EventKind
from licet.webhooks.endpoints import OVERLAP_HOURS, OVERLAP_HOURS_MAX, EndpointBacklog

Reason = Annotated[str, Meta(min_length=1, max_length=REASON_CHARACTERS_MAX, pattern=r"\S")]
Background = Literal["rotate_keys", "destroy_epochs", "drill_backup", "cosign_log"]


class _Sent(Masked, msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request body. Unknown keys are rejected, because a misspelt one would otherwise be
    ignored.
    """


class _Answer(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A response body."""


class NewOrder(_Sent, frozen=True, kw_only=True):
    """Work for the background. ``about`` is the kind of a rotation, `daily` or `weekly`; without it
    that which is due.
    """

    kind: Background
    about: Annotated[str, Meta(max_length=100)] = ""
    reason: Reason
    dry_run: bool = False


class OrderAnswer(_Answer, frozen=True, kw_only=True):
    """An order. ``outcome`` and ``said`` are null while its work has not ended."""

    order: str
    kind: OrderKind
    about: str
    reason: str
    at: datetime
    by: str
    ended_at: datetime | None
    outcome: OrderOutcome | None
    said: str | None


class OrderAnswers(_Answer, frozen=True, kw_only=True):
    items: tuple[OrderAnswer, ...]


class OrderGiven(_Answer, frozen=True, kw_only=True):
    """An order as it was given; ``order`` is null in a dry run. ``would`` is what it does, and
    empty in a repetition.
    """

    would: tuple[str, ...]
    order: OrderAnswer | None


class NewEndpoint(_Sent, frozen=True, kw_only=True):
    """Without ``url`` the endpoint reads events by itself; without ``kinds`` it hears all of
    them.
    """

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
    url: Annotated[str, Meta(max_length=2_000)] | None = None
    kinds: Annotated[tuple[EventKind, ...], Meta(max_length=len(EventKind))] = ()
    reason: Reason


class EndpointAct(_Sent, frozen=True, kw_only=True):
    """Why something is done with an endpoint. A dry run says what would be done, and changes
    nothing.
    """

    reason: Reason
    dry_run: bool = False


class EndpointReplay(_Sent, frozen=True, kw_only=True):
    """Which events to send again: those after the cursor ``since``."""

    since: Annotated[str, Meta(pattern=r"^[0-9]{1,18}$")]
    reason: Reason
    dry_run: bool = False


class NewSecret(_Sent, frozen=True, kw_only=True):
    """A new secret for an endpoint; the old one signs too for ``overlap_hours``."""

    overlap_hours: Annotated[int, Meta(ge=0, le=OVERLAP_HOURS_MAX)] = OVERLAP_HOURS
    reason: Reason


class EndpointAnswers(_Answer, frozen=True, kw_only=True):
    items: tuple[EndpointBacklog, ...]


class EndpointWhole(_Answer, frozen=True, kw_only=True):
    """An endpoint with what was ordered of it, the newest first."""

    endpoint: EndpointBacklog
    orders: tuple[OrderAnswer, ...]


class EndpointMade(_Answer, frozen=True, kw_only=True):
    """``secret`` is answered once: a repetition under the same `Idempotency-Key` has none."""

    endpoint: EndpointBacklog
    secret: str | None


class EndpointActed(_Answer, frozen=True, kw_only=True):
    """What was done, or would be: ``events`` are sent, ``unsent`` wait or are dropped,
    ``unanswered`` receipts do not come.

    A repetition under the same `Idempotency-Key` counts nothing.
    """

    endpoint: str
    events: int = 0
    unsent: int = 0
    unanswered: int = 0
