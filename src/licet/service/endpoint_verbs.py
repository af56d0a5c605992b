"""Staff verbs on event endpoints, for owners, each recorded with its reason. A secret is answered
once, by the call that made it.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from licet.access import staff_orders
from licet.access.staff_orders import OrderKind
from licet.errors import RefusedError
from licet.service.staff_verb import (
    OWNER,
    AnyVerb,
    Reason,
    StaffVerb,
    VerbAnswer,
    VerbBody,
    VerbCall,
)
from licet.store.connect import transaction
from licet.vault.host_events import EventKind
from licet.webhooks import endpoints
from licet.webhooks.endpoints import (
    OVERLAP_HOURS,
    OVERLAP_HOURS_MAX,
    AddedEndpoint,
    EndpointBacklog,
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


Cursor = Annotated[str, Meta(pattern=r"^[0-9]{1,18}$")]


class NewEndpoint(VerbBody, frozen=True, kw_only=True):
    """Without ``url`` the endpoint polls; without ``kinds`` it receives all."""

    name: Annotated[
        str,
        Meta(
            pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$",
            description="Of the program that is notified: lower-case letters, digits, `-`, `_` and `.`.",
        ),
    ]
    url: (
        Annotated[
            str,
            Meta(
                max_length=2_000,
                description="Where events are sent; without it, the endpoint reads GET /v1/events.",
            ),
        ]
        | None
    ) = None
    kinds: Annotated[
        tuple[EventKind, ...],
        Meta(
            max_length=len(EventKind),
            description=f"A type of event, of {', '.join(EventKind)}; repeatable; by default all.",
        ),
    ] = ()
    reason: Reason


class EndpointAct(VerbBody, frozen=True, kw_only=True):
    """``dry_run`` changes nothing."""

    reason: Reason
    dry_run: bool = False


class EndpointReplay(VerbBody, frozen=True, kw_only=True):
    since: Annotated[Cursor, Meta(description="Every event after this cursor.")]
    reason: Reason
    dry_run: bool = False


class NewSecret(VerbBody, frozen=True, kw_only=True):
    """The old secret also signs for ``overlap_hours``."""

    overlap_hours: Annotated[
        int,
        Meta(
            ge=0, le=OVERLAP_HOURS_MAX, description="For how many hours the old secret also signs."
        ),
    ] = OVERLAP_HOURS
    reason: Reason


class EndpointMade(VerbAnswer, frozen=True, kw_only=True):
    """``secret`` is answered once: a repetition under the same `Idempotency-Key` has none."""

    endpoint: EndpointBacklog
    secret: str | None


class EndpointActed(VerbAnswer, frozen=True, kw_only=True):
    """``events`` are sent, ``unsent`` wait or are dropped, ``unanswered`` acknowledgements will not
    come; all zero in a repetition under the same `Idempotency-Key`.
    """

    endpoint: str
    events: int = 0
    unsent: int = 0
    unanswered: int = 0


def _acted_answer(
    call: VerbCall[EndpointAct] | VerbCall[EndpointReplay],
    done: PausedEndpoint | ReplayResult | RemovedEndpoint | None,
) -> EndpointActed:
    if done is None:
        return EndpointActed(endpoint=call.target)
    return msgspec.convert(done, EndpointActed, from_attributes=True)


def _endpoint_answer(
    call: VerbCall[NewEndpoint] | VerbCall[NewSecret], done: AddedEndpoint | RotatedSecret | None
) -> EndpointMade:
    seen = endpoints.backlog_of(call.installation, call.target)
    return EndpointMade(endpoint=seen, secret=done.secret if done is not None else None)


def _add(call: VerbCall[NewEndpoint]) -> AddedEndpoint:
    sent = call.sent
    if not call.dry_run:
        return endpoints.add(call.installation, sent.name, sent.url, sent.kinds)
    endpoints.check_new(call.installation, sent.name, sent.url)
    return AddedEndpoint(
        endpoint=sent.name,
        url=sent.url,
        kinds=sent.kinds or tuple(EventKind),
        secret=None,
        public_key=None,
        since="",
    )


ADD: StaffVerb[NewEndpoint, AddedEndpoint] = StaffVerb(
    name="add_webhook",
    about="Adds an endpoint and answers its secret, once. It receives events from now on.",
    who=OWNER,
    takes=NewEndpoint,
    run=_add,
    path="webhooks",
    status=201,
    named_by="name",
    answers=EndpointMade,
    answer=_endpoint_answer,
    label="Add it",
    title=lambda call, _: f"Add an endpoint: {call.target}",
    means=lambda call: (
        "It receives events from now on, and no earlier ones. "
        + (
            "Its secret is on the page after this one, and never again."
            if call.sent.url
            else "It has no secret: it polls with a key of its own."
        )
    ),
    back="/console/webhooks",
    would=lambda _, done: (
        f"It is sent to {done.url}." if done.url else "Nothing is sent to it: it polls.",
        f"It receives: {', '.join(done.kinds)}.",
    ),
    flash="It is added, and polls the event feed from now on.",
    command="webhooks add",
    example="chat --url https://chat.example.org/licet --kind conversation.must_leave",
    order=OrderKind.add_endpoint,
    did=lambda _, done: f"Added: {len(done.kinds)} kinds of events, from cursor {done.since} on",
)


def _rotate(call: VerbCall[NewSecret]) -> RotatedSecret:
    hours = call.sent.overlap_hours
    if endpoints.backlog_of(call.installation, call.target).url is None:
        raise RefusedError(
            f"endpoint `{call.target}` polls the event feed: it has no secret", because="no_url"
        )
    if call.dry_run:
        return RotatedSecret(endpoint=call.target, secret="", old_ends_at=call.installation.clock())
    return endpoints.rotate(call.installation, call.target, hours)


def _newest_order(call: VerbCall[NewSecret]) -> str:
    with transaction(call.installation.pool) as tx:
        found = staff_orders.list_newest(tx, KINDS, 1, call.target)
    return ",".join(order.order_id.hex for order in found)


ROTATE: StaffVerb[NewSecret, RotatedSecret] = StaffVerb(
    name="rotate_webhook",
    about="Gives an endpoint a new secret and answers it, once. For a while messages are signed with "
    "both.",
    who=OWNER,
    takes=NewSecret,
    run=_rotate,
    path="webhooks/{endpoint:str}/secret",
    answers=EndpointMade,
    answer=_endpoint_answer,
    label="Replace its secret",
    means="The new secret is on the page after this one, and never again.",
    would=lambda call, _: (
        "Messages are signed with the new secret. The old one signs too "
        + (
            f"for {call.sent.overlap_hours:,} hours more"
            if call.sent.overlap_hours
            else "no more, from now on"
        )
        + "; any that is older ends now.",
    ),
    destroys=True,
    version=_newest_order,
    command="webhooks rotate",
    example="chat --overlap-hours 48",
    order=OrderKind.rotate_endpoint,
    did=lambda _, done: (
        f"A new secret; the old one signs too until {done.old_ends_at:%Y-%m-%d %H:%M} UTC"
    ),
)
PAUSE: StaffVerb[EndpointAct, PausedEndpoint] = StaffVerb(
    name="pause_webhook",
    about="Stops sending to an endpoint until it is resumed; its events wait.",
    who=OWNER,
    takes=EndpointAct,
    run=lambda call: endpoints.pause(call.installation, call.target, dry_run=call.dry_run),
    path="webhooks/{endpoint:str}/pause",
    answers=EndpointActed,
    answer=_acted_answer,
    label="Pause",
    means="Nothing is sent to it until it is resumed. It deletes nothing meanwhile.",
    would=lambda _, done: (f"{done.unsent:,} events wait, and those that follow.",),
    flash="It is paused: nothing is sent to it until it is resumed.",
    command="webhooks pause",
    example="chat",
    order=OrderKind.pause_endpoint,
    did=lambda _, done: f"Paused: {done.unsent:,} events wait",
)
RESUME: StaffVerb[EndpointAct, ReplayResult] = StaffVerb(
    name="resume_webhook",
    about="Sends what waits for an endpoint, and enables one that was disabled.",
    who=OWNER,
    takes=EndpointAct,
    run=lambda call: endpoints.replay(call.installation, call.target, dry_run=call.dry_run),
    path="webhooks/{endpoint:str}/resume",
    answers=EndpointActed,
    answer=_acted_answer,
    label="Resume",
    means="It is enabled, and what waits is sent now, in order for each account.",
    would=lambda _, done: (f"{done.events:,} events are sent.",),
    flash="It is resumed: what waits is sent now.",
    command="webhooks resume",
    example="chat",
    order=OrderKind.resume_endpoint,
    did=lambda _, done: f"Resumed: {done.events:,} events are sent",
)
REPLAY: StaffVerb[EndpointReplay, ReplayResult] = StaffVerb(
    name="replay_webhook",
    about="Sends every event after a cursor again, those it accepted too.",
    who=OWNER,
    takes=EndpointReplay,
    run=lambda call: endpoints.replay(
        call.installation, call.target, call.sent.since, dry_run=call.dry_run
    ),
    path="webhooks/{endpoint:str}/replay",
    answers=EndpointActed,
    answer=_acted_answer,
    label="Send them again",
    means=lambda call: (
        f"Every event after the cursor {call.sent.since} is sent again, also those it took."
    ),
    would=lambda _, done: (f"{done.events:,} events are sent.",),
    flash="Ordered: those events are sent again.",
    command="webhooks replay",
    example="chat --since 1041",
    order=OrderKind.replay_endpoint,
    did=lambda call, done: f"Sent again after {call.sent.since}: {done.events:,} events",
)


REMOVE: StaffVerb[EndpointAct, RemovedEndpoint] = StaffVerb(
    name="remove_webhook",
    about="Removes an endpoint and destroys its secrets, for good. Its deliveries stay on record.",
    who=OWNER,
    takes=EndpointAct,
    run=lambda call: endpoints.remove(call.installation, call.target, dry_run=call.dry_run),
    path="webhooks/{endpoint:str}/remove",
    answers=EndpointActed,
    answer=_acted_answer,
    label="Remove it",
    means="Nothing more is sent to it, and its secrets are destroyed. It cannot be taken back.",
    would=lambda _, done: (
        f"{done.unsent:,} events are not sent; {done.unanswered:,} answers will not come.",
    ),
    flash="It is removed: nothing more is sent to it.",
    back="/console/webhooks",
    destroys=True,
    command="webhooks remove",
    example="chat --dry-run",
    order=OrderKind.remove_endpoint,
    did=lambda _, done: (
        f"Removed: {done.unsent:,} events unsent, {done.unanswered:,} answers will not come"
    ),
)
VERBS: tuple[AnyVerb, ...] = (
    ADD,
    ROTATE,
    PAUSE,
    RESUME,
    REPLAY,
    REMOVE,
)
