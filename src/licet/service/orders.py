"""Orders that staff give in the console about the system itself, carried out by the verbs that the
commands call.

What may take long runs in the background: a rotation of the keys, the destruction of epochs that
are due, the drill of a backup, and asking the witnesses. Its order is on record before it begins,
so that a server that is stopped meanwhile goes on with it when it runs again: a rotation continues,
and the others begin anew. What is done at once is on record in the transaction after the verb
(`at_once`): of a crash between the two the act stays, and its reason is lost.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from uuid import UUID

import msgspec

from licet.access import staff_orders
from licet.access.staff_orders import OrderKind, OrderOutcome, StaffOrder
from licet.backup import drills
from licet.backup.drills import DrillOutcome
from licet.erasure import epochs
from licet.erasure.key_rotation import Rotation, RotationResult
from licet.errors import BusyError, LicetError, RefusedError, UsageError
from licet.proof import documents
from licet.store.connect import locked, transaction
from licet.vault.ids import uuid7
from licet.vault.installation import Installation

ORDERS_LOCK = 0x11CE7_0035
POLL_SECONDS = 5.0


class StoppedError(BusyError):
    """The server is being stopped: the work goes on when it runs again."""


Work = Callable[[Installation, StaffOrder, threading.Event], str]


class OrderForecast(msgspec.Struct, frozen=True, kw_only=True):
    """What an order would do now, in sentences. ``about`` is what it is of: a kind of rotation, the
    name of a backup.
    """

    about: str
    would: tuple[str, ...]


def forecast(here: Installation, kind: OrderKind, about: str = "") -> OrderForecast:
    """What an order for the background would do now, and changes nothing.

    RefusedError or NotFoundError where there is nothing to do, UsageError for what is no work for
    the background.
    """
    of = _about(here, kind, about)
    return OrderForecast(about=of, would=tuple(_WOULD[kind](here, of)))


def give(here: Installation, kind: OrderKind, about: str = "", *, reason: str, by: str) -> UUID:
    """Puts an order for the background on record, and returns its id; RefusedError if one of its
    kind has not ended, UsageError for no reason. Whether there is something to do is known by
    `forecast`, and once more when it is carried out.
    """
    if kind not in _WORK:
        raise UsageError(f"`{kind.value}` is no work for the background")
    return _record(here, kind, about, reason, by, None)


def one(here: Installation, order: UUID) -> StaffOrder:
    """An order; NotFoundError."""
    with transaction(here.pool) as tx:
        return staff_orders.get(tx, order)


def newest(
    here: Installation,
    kinds: Sequence[OrderKind] = tuple(OrderKind),
    most: int = 100,
    about: str | None = None,
) -> list[StaffOrder]:
    """The newest orders of these kinds, of one thing or of all."""
    with transaction(here.pool) as tx:
        return staff_orders.list_newest(tx, kinds, most, about)


def at_once(
    here: Installation, kind: OrderKind, about: str, do: Callable[[], str], *, reason: str, by: str
) -> str:
    """Does something now and puts it on record with its reason; returns what was done, in a
    sentence.

    UsageError for no reason, before anything is done.
    """
    staff_orders.validate_reason(reason)
    said = do()
    _record(here, kind, about, reason, by, said)
    return said


def _record(
    here: Installation, kind: OrderKind, about: str, reason: str, by: str, said: str | None
) -> UUID:
    at = here.clock()
    order = uuid7(at, here.keyring.random(10))
    with transaction(here.pool) as tx:
        staff_orders.record(tx, order, kind, about, reason=reason, by=by, at=at, said=said)
    return order


def keep_working(here: Installation, stop: threading.Event) -> None:
    """Carries out what was ordered, until ``stop``. Of several processes, one works at a time."""
    import structlog  # here: a command that carries out one order logs nothing

    record = structlog.get_logger("licet.orders")
    while not stop.wait(POLL_SECONDS):
        try:
            carry_out(here, stop)
        except LicetError as error:
            record.error("failed", work="orders", kind=type(error).__name__, because=error.message)


def carry_out(here: Installation, stop: threading.Event | None = None) -> int:
    """Carries out every open order; returns how many ended. One that is refused for now stays
    open.
    """
    stop, ended = stop or threading.Event(), 0
    with transaction(here.pool) as tx:
        waiting = staff_orders.open_orders(tx)
    if not waiting:
        return 0
    with locked(here.pool, ORDERS_LOCK) as mine:
        for order in waiting if mine else ():
            ended += _carried_out(here, order, stop)
    return ended


def _carried_out(here: Installation, order: StaffOrder, stop: threading.Event) -> bool:
    outcome = OrderOutcome.done
    try:
        said = _WORK[order.kind](here, order, stop)
    except BusyError:
        return False
    except LicetError as error:
        outcome, said = OrderOutcome.failed, error.message.replace("`", "")
    except OSError as error:  # a full disk, or a folder that is not there any more
        outcome, said = OrderOutcome.failed, f"The system refused: {error.strerror}"
    with transaction(here.pool) as tx:
        staff_orders.end(tx, order.order_id, outcome, said, here.clock())
    return True


def _rotate(here: Installation, order: StaffOrder, stop: threading.Event) -> str:
    def seen(_: RotationResult) -> None:
        if stop.is_set():
            raise StoppedError("the server is being stopped")

    done = epochs.rotate(here, Rotation(order.about), seen)
    return (
        f"{'Finished' if done.resumed else 'Rotated'} into epoch {done.epoch}: {done.buckets:,} "
        "buckets,"
        f" {done.accounts_rekeyed:,} accounts with new keys"
    )


def _destroy(here: Installation, _: StaffOrder, __: threading.Event) -> str:
    gone = epochs.destroy_due(here)
    return f"Destroyed: epoch {', '.join(map(str, gone))}" if gone else "Nothing was due"


def _drill(here: Installation, order: StaffOrder, _: threading.Event) -> str:
    done = drills.drill(here, by=order.ordered_by)
    if done.outcome is DrillOutcome.failed:
        raise RefusedError(done.said)
    return f"Proved: {done.backup}, {done.accounts:,} accounts"


def _cosign(here: Installation, _: StaffOrder, __: threading.Event) -> str:
    gathered = documents.cosign(here)
    return (
        "; ".join(f"{one.origin}: {', '.join(one.cosigned) or 'nobody'}" for one in gathered)
        or "No witness is set up"
    )


def _about(here: Installation, kind: OrderKind, about: str) -> str:
    """What an order is of, where there is something to do."""
    if kind is OrderKind.rotate_keys:
        if about and about not in list(Rotation):
            raise UsageError(
                f"`{about}` is no rotation",
                f"say {' or '.join(Rotation)}, or nothing for the one that is due",
            )
        return about or (epochs.next_rotation(here) or Rotation.daily).value
    if about:
        raise UsageError(f"an order to `{kind.value}` is about nothing else")
    if kind is OrderKind.drill_backup:
        return drills.choose_backup(here, None).name
    if kind is OrderKind.destroy_epochs:
        if not epochs.destroy_due(here, dry_run=True):
            raise RefusedError("no epoch is due", because="nothing")
        return ""
    if kind is OrderKind.cosign_log:
        if documents.witnesses(here) is None:
            raise RefusedError("there are no witnesses", because="nobody")
        return ""
    raise UsageError(f"`{kind.value}` is no work for the background")


def _would_rotate(here: Installation, about: str) -> Iterator[str]:
    begun, would = epochs.status(here).unfinished, epochs.forecast(here, Rotation(about))
    if begun:
        yield f"The rotation into epoch {begun} was begun: it is finished first."
    yield (
        f"A new epoch, and {would.buckets:,} buckets wrapped anew under it, "
        f"{would.buckets_rekeyed:,} with a new key."
    )
    yield (
        f"{would.accounts_rekeyed:,} accounts with new keys, in {would.pages:,} key pages;"
        f" {would.accounts_rewrapped:,} wrapped anew."
    )


def _would_destroy(here: Installation, _: str) -> Iterator[str]:
    yield from (
        f"Epoch {number} is destroyed." for number in epochs.destroy_due(here, dry_run=True)
    )


def _would_drill(_: Installation, about: str) -> Iterator[str]:
    yield f"{about} is restored, with its files, its keys and what it knows of the log proved."


def _would_cosign(here: Installation, _: str) -> Iterator[str]:
    asked = documents.witnesses(here)
    for one in asked.witnesses if asked is not None else ():
        yield f"{one.name} is asked." if one.url else f"{one.name} has no address."


_WOULD: dict[OrderKind, Callable[[Installation, str], Iterator[str]]] = {
    OrderKind.rotate_keys: _would_rotate,
    OrderKind.destroy_epochs: _would_destroy,
    OrderKind.drill_backup: _would_drill,
    OrderKind.cosign_log: _would_cosign,
}
_WORK: dict[OrderKind, Work] = {
    OrderKind.rotate_keys: _rotate,
    OrderKind.destroy_epochs: _destroy,
    OrderKind.drill_backup: _drill,
    OrderKind.cosign_log: _cosign,
}
