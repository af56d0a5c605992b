"""Admin operations started in the console, each with its reason, author and outcome.

Quick operations run in the transaction that records them; key rotations and backup drills run in
the background (`service.orders`), and their order is open until they end. At most one order of a
kind is open, so that a repeated request starts nothing twice. Reasons are for staff: they are on no
page of a person and in no leaf.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from licet.errors import NotFoundError, RefusedError, UsageError
from licet.store.connect import Transaction
from licet.store.keyset import (
    KeyColumn,
    KeyType,
    ListChoice,
    ListFilter,
    Listing,
    newest_and_oldest,
)
from licet.store.rows import select
from licet.vault.ids import Prefix, format_id

REASON_CHARACTERS_MAX = 500
RESULT_CHARACTERS_MAX = 500


class OrderKind(StrEnum):
    """The kind of operation; an order's ``about`` is its target."""

    rotate_keys = "rotate_keys"
    destroy_epochs = "destroy_epochs"
    drill_backup = "drill_backup"
    cosign_log = "cosign_log"
    build_release = "build_release"
    purge_release = "purge_release"
    recall_export = "recall_export"
    add_endpoint = "add_endpoint"
    pause_endpoint = "pause_endpoint"
    resume_endpoint = "resume_endpoint"
    replay_endpoint = "replay_endpoint"
    remove_endpoint = "remove_endpoint"
    rotate_endpoint = "rotate_endpoint"


class OrderOutcome(StrEnum):
    """The outcome of an order."""

    done = "done"
    failed = "failed"


class StaffOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order. ``ended_at`` is None while it is open; ``said`` describes the outcome in a
    sentence, or how far an open one is.
    """

    order_id: UUID
    kind: OrderKind
    about: str
    reason: str
    ordered_at: datetime
    ordered_by: str
    ended_at: datetime | None
    outcome: OrderOutcome | None
    said: str | None


def validate_reason(text: str) -> str:
    """The reason without surrounding white space; UsageError if it is empty or too long."""
    reason = " ".join(text.split())
    if not reason:
        raise UsageError("an order needs a reason", "say in a sentence why it is done")
    if len(reason) > REASON_CHARACTERS_MAX or "\0" in reason:
        raise UsageError(f"a reason has at most {REASON_CHARACTERS_MAX} characters")
    return reason


def record(
    tx: Transaction,
    order: UUID,
    kind: OrderKind,
    about: str,
    *,
    reason: str,
    by: str,
    now: datetime,
    result: str | None,
) -> None:
    """Records an order: as done, with its outcome, or as open if ``result`` is None.

    RefusedError if an order of this kind is open.
    """
    done = tx.execute(
        """INSERT INTO staff_orders (order_id, kind, about, reason, ordered_at, ordered_by,
           ended_at, outcome, said)
           VALUES (%(order)s, %(kind)s, %(about)s, %(reason)s, %(at)s, %(by)s, %(ended_at)s,
             %(outcome)s, %(said)s)
           ON CONFLICT (kind) WHERE ended_at IS NULL DO NOTHING""",
        {
            "order": order,
            "kind": kind.value,
            "about": about,
            "reason": validate_reason(reason),
            "at": now,
            "by": by,
            "said": result,
            "ended_at": None if result is None else now,
            "outcome": None if result is None else OrderOutcome.done.value,
        },
    ).rowcount
    if not done:
        raise RefusedError(
            "that was ordered already and has not ended", "wait for it", because="ordered"
        )


def end(tx: Transaction, order: UUID, outcome: OrderOutcome, result: str, now: datetime) -> None:
    """Records how an open order ended."""
    tx.execute(
        "UPDATE staff_orders SET (ended_at, outcome, said) = (%s, %s, %s) WHERE order_id = "
        "%s AND ended_at IS NULL",
        [now, outcome.value, result[:RESULT_CHARACTERS_MAX], order],
    )


def report(tx: Transaction, order: UUID, result: str) -> None:
    """Records how far an open order is."""
    tx.execute(
        "UPDATE staff_orders SET said = %s WHERE order_id = %s AND ended_at IS NULL",
        [result[:RESULT_CHARACTERS_MAX], order],
    )


_ORDERS = (
    "SELECT order_id, kind, about, reason, ordered_at, ordered_by, ended_at, outcome, said FROM "
    "staff_orders"
)


def open_orders(tx: Transaction) -> list[StaffOrder]:
    """The open orders, oldest first: at most one of a kind."""
    return select(tx, StaffOrder, f"{_ORDERS} WHERE ended_at IS NULL ORDER BY ordered_at, order_id")


def get(tx: Transaction, order: UUID) -> StaffOrder:
    """An order by its id; NotFoundError."""
    orders = select(tx, StaffOrder, f"{_ORDERS} WHERE order_id = %s", [order])
    if not orders:
        raise NotFoundError(f"no order `{format_id(Prefix.order, order)}`")
    return orders[0]


def list_newest(
    tx: Transaction, kinds: Sequence[OrderKind], limit: int, target: str | None = None
) -> list[StaffOrder]:
    """The newest ``limit`` orders of these kinds, by default for any target."""
    return select(
        tx,
        StaffOrder,
        f"""{_ORDERS} WHERE kind = ANY(%(kinds)s) AND (%(about)s::text IS NULL OR about = %(about)s)
             ORDER BY ordered_at DESC, order_id DESC LIMIT %(limit)s""",
        {"kinds": [kind.value for kind in kinds], "about": target, "limit": limit},
    )


LISTING = Listing(
    columns=(
        "t.ordered_at, split_part(t.ordered_by, ':', 2), t.kind, t.about, t.reason, "
        "coalesce(t.outcome, 'open'), t.said"
    ),
    source="FROM staff_orders t",
    orders=newest_and_oldest(
        (KeyColumn("t.ordered_at", KeyType.timestamptz), KeyColumn("t.order_id", KeyType.uuid))
    ),
    filters={
        "state": ListFilter(
            label="State",
            choices={
                "open": ListChoice(label="not ended", looked="t.ended_at IS NULL"),
                "failed": ListChoice(label="failed", kept="t.outcome = 'failed'"),
                "done": ListChoice(label="done", kept="t.outcome = 'done'"),
            },
        ),
        "kind": ListFilter(
            label="What",
            choices={
                order_kind.value: ListChoice(
                    label=order_kind.value.replace("_", " "), kept=f"t.kind = '{order_kind.value}'"
                )
                for order_kind in OrderKind
            },
        ),
    },
)
