"""Staff verbs for background work on the installation, for owners: the work of `service.orders`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta

from licet.access.staff_orders import OrderKind, OrderOutcome, StaffOrder
from licet.erasure.key_rotation import Rotation
from licet.service import orders
from licet.service.orders import OrderForecast
from licet.service.staff_verb import (
    OWNER,
    AnyCall,
    AnyVerb,
    GivenReason,
    Reason,
    StaffVerb,
    VerbAnswer,
    VerbBody,
    VerbCall,
)
from licet.vault.ids import Prefix, format_id, parse

Background = Literal["rotate_keys", "destroy_epochs", "drill_backup", "cosign_log"]
BEGINS = "Ordered: the server begins within seconds, and this page says how it ended."


class NewOrder(VerbBody, frozen=True, kw_only=True):
    """``about`` is the kind of a rotation, `daily` or `weekly`, by default the due one."""

    kind: Background
    about: Annotated[str, Meta(max_length=100)] = ""
    reason: Reason
    dry_run: bool = False


class NewRotation(VerbBody, frozen=True, kw_only=True):
    """``about`` is the kind of a rotation, by default the due one, or the daily."""

    about: str = ""
    reason: Reason


class OrderAnswer(VerbAnswer, frozen=True, kw_only=True):
    """``outcome`` and ``said`` are null while it is in progress."""

    order: str
    kind: OrderKind
    about: str
    reason: str
    at: datetime
    by: str
    ended_at: datetime | None
    outcome: OrderOutcome | None
    said: str | None

    @classmethod
    def from_order(cls, order: StaffOrder) -> OrderAnswer:
        return cls(
            order=format_id(Prefix.order, order.order_id),
            kind=order.kind,
            about=order.about,
            reason=order.reason,
            at=order.ordered_at,
            by=order.ordered_by,
            ended_at=order.ended_at,
            outcome=order.outcome,
            said=order.said,
        )


class OrderGiven(VerbAnswer, frozen=True, kw_only=True):
    """``order`` is null in a dry run. ``would`` is its effect, empty in a repetition."""

    would: tuple[str, ...]
    order: OrderAnswer | None


def _give(call: VerbCall[NewOrder]) -> OrderGiven:
    kind = OrderKind(call.sent.kind)
    would = orders.forecast(call.installation, kind, call.sent.about)
    if call.dry_run:
        return OrderGiven(would=would.would, order=None)
    order = orders.submit(
        call.installation, kind, would.about, reason=call.sent.reason, actor=call.actor
    )
    return OrderGiven(
        would=would.would, order=OrderAnswer.from_order(orders.get(call.installation, order))
    )


def _order_result(call: VerbCall[NewOrder], done: OrderGiven | None) -> OrderGiven:
    if done is not None or not call.made:
        return done or OrderGiven(would=(), order=None)
    order = orders.get(call.installation, parse(Prefix.order, call.made))
    return OrderGiven(would=(), order=OrderAnswer.from_order(order))


GIVE: StaffVerb[NewOrder, OrderGiven] = StaffVerb(
    name="give_order",
    about="Orders work that runs in the background, by the verbs of `licet keys` and `licet backup "
    "drill`. 409 where one of its kind has not ended, or where nothing is due. A dry run says what "
    "it would do.",
    who=OWNER,
    takes=NewOrder,
    run=_give,
    route="orders",
    status=201,
    answers=OrderGiven,
    answer=_order_result,
    would=lambda _, done: done.would,
    made=lambda done: done.order.order if done.order is not None else "",
)


def place_order(call: AnyCall, kind: OrderKind, about: str = "") -> OrderForecast:
    """Submits a background order with its reason, unless it is a dry run; returns its forecast."""
    would = orders.forecast(call.installation, kind, about)
    if not call.dry_run:
        orders.submit(
            call.installation, kind, would.about, reason=call.sent.reason, actor=call.actor
        )
    return would


ROTATE: StaffVerb[NewRotation, OrderForecast] = StaffVerb(
    name="rotate_keys",
    about="Orders a rotation of the keys.",
    who=OWNER,
    takes=NewRotation,
    run=lambda call: place_order(
        call, OrderKind.rotate_keys, call.sent.about if call.sent.about in list(Rotation) else ""
    ),
    page="keys/rotate",
    label="Rotate",
    title=lambda _, would: f"Rotate the keys, {would.about}",
    means="Keys that were destroyed since the last rotation get out of reach of old copies. "
    "Nothing that is kept is lost, and everything works meanwhile. If the server is stopped, it "
    "goes on when it runs again.",
    would=lambda _, would: would.would,
    flash=BEGINS,
)
DESTROY: StaffVerb[GivenReason, OrderForecast] = StaffVerb(
    name="destroy_epochs",
    about="Orders that the encryption keys that are due be destroyed.",
    who=OWNER,
    takes=GivenReason,
    run=lambda call: place_order(call, OrderKind.destroy_epochs),
    page="keys/destroy",
    label="Destroy them",
    title=lambda *_: "Destroy epochs",
    means="Their keys are destroyed at the key provider. Backups that were made under them open "
    "nothing any more: each has expired. It cannot be taken back.",
    would=lambda _, would: would.would,
    destroys=True,
    flash="Ordered: the server destroys within seconds what is due, and this page says how it "
    "ended.",
)
DRILL: StaffVerb[GivenReason, OrderForecast] = StaffVerb(
    name="drill_backup",
    about="Orders a drill of the newest backup.",
    who=OWNER,
    takes=GivenReason,
    run=lambda call: place_order(call, OrderKind.drill_backup),
    page="backups/drill",
    label="Begin the drill",
    title=lambda *_: "Drill a backup",
    means="The newest backup is restored into a scratch place, proved there and removed again. "
    "Nothing that is in use is touched, nothing of it can be reached from outside, and no content "
    "is opened. It takes disk for a second database.",
    would=lambda _, would: would.would,
    flash=BEGINS,
)
COSIGN: StaffVerb[GivenReason, OrderForecast] = StaffVerb(
    name="cosign_log",
    about="Orders that the witnesses be asked for their cosignatures.",
    who=OWNER,
    takes=GivenReason,
    run=lambda call: place_order(call, OrderKind.cosign_log),
    page="log/witness",
    label="Ask them",
    title=lambda *_: "Ask the witnesses",
    means="Each witness is sent the newest checkpoint of the log, and cosigns it if it goes on "
    "from what it cosigned before. The server asks them by itself too.",
    would=lambda _, would: would.would,
    flash="Ordered: the server asks them within seconds, and this page says who cosigned.",
)
VERBS: tuple[AnyVerb, ...] = (GIVE, ROTATE, DESTROY, DRILL, COSIGN)
