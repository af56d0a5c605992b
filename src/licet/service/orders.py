"""Administrative orders of staff: records them, and runs the long ones in the background.

Long ones are a key rotation, the destruction of due epochs, a backup drill, asking the witnesses,
and a release's build and purge. An order is recorded before it begins, so that a stopped server
resumes it: a rotation and a build continue, the others restart. An immediate one is recorded by its
declaration (`service.staff_verb`).
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
from licet.store.connect import advisory_lock, transaction
from licet.vault.ids import uuid7
from licet.vault.installation import Installation, load_policies

ORDERS_LOCK = 0x11CE7_0035
POLL_SECONDS = 5.0


class StoppedError(BusyError):
    """The server is stopping; it resumes the order when it runs again."""


Work = Callable[[Installation, StaffOrder, threading.Event], str]


class OrderForecast(msgspec.Struct, frozen=True, kw_only=True):
    """``would`` are sentences; ``about`` is the target: a kind of rotation, or a backup's name."""

    about: str
    would: tuple[str, ...]


def forecast(installation: Installation, kind: OrderKind, target: str = "") -> OrderForecast:
    """Describes what a background order would do now. RefusedError or NotFoundError if there is
    nothing to do, UsageError for an order that is not for the background.
    """
    resolved = _resolve_target(installation, kind, target)
    return OrderForecast(about=resolved, would=tuple(_WOULD[kind](installation, resolved)))


def submit(
    installation: Installation, kind: OrderKind, target: str = "", *, reason: str, actor: str
) -> UUID:
    """Records a background order and returns its id; RefusedError if one of its kind is open,
    UsageError without a reason.
    """
    if kind not in _WORK:
        raise UsageError(f"`{kind.value}` is no work for the background")
    now = installation.clock()
    order = uuid7(now, installation.keyring.random(10))
    with transaction(installation.pool) as tx:
        staff_orders.record(tx, order, kind, target, reason=reason, by=actor, now=now, result=None)
    return order


def get(installation: Installation, order: UUID) -> StaffOrder:
    """Returns an order; NotFoundError."""
    with transaction(installation.pool) as tx:
        return staff_orders.get(tx, order)


def newest(
    installation: Installation,
    kinds: Sequence[OrderKind] = tuple(OrderKind),
    limit: int = 100,
    target: str | None = None,
) -> list[StaffOrder]:
    """Returns the newest orders of these kinds, of one target or all."""
    with transaction(installation.pool) as tx:
        return staff_orders.list_newest(tx, kinds, limit, target)


def keep_working(installation: Installation, stop: threading.Event) -> None:
    """Runs open orders until ``stop``; one process at a time works."""
    import structlog  # imported here: a command that runs one order logs nothing

    record = structlog.get_logger("licet.orders")
    while not stop.wait(POLL_SECONDS):
        try:
            carry_out(installation, stop)
        except LicetError as error:
            record.error("failed", work="orders", kind=type(error).__name__, because=error.message)


def carry_out(installation: Installation, stop: threading.Event | None = None) -> int:
    """Runs every open order; returns how many ended. An order with a BusyError stays open."""
    stop, ended = stop or threading.Event(), 0
    with transaction(installation.pool) as tx:
        waiting = staff_orders.open_orders(tx)
    if not waiting:
        return 0
    with advisory_lock(installation.pool, ORDERS_LOCK) as mine:
        for order in waiting if mine else ():
            ended += _run_order(installation, order, stop)
    return ended


def _run_order(installation: Installation, order: StaffOrder, stop: threading.Event) -> bool:
    outcome, broken = OrderOutcome.done, None
    try:
        result = _WORK[order.kind](installation, order, stop)
    except BusyError:
        return False
    except LicetError as error:
        outcome, result = OrderOutcome.failed, error.message.replace("`", "")
    except OSError as error:  # a full disk, or a missing folder
        outcome, result = OrderOutcome.failed, f"The system refused: {error.strerror}"
    except Exception as error:  # a defect: it must not restart and block the rest
        outcome, broken = OrderOutcome.failed, error
        result = f"An unexpected error: {type(error).__name__}"
    with transaction(installation.pool) as tx:
        staff_orders.end(tx, order.order_id, outcome, result, installation.clock())
    if broken is not None:
        raise broken
    return True


def _rotate(installation: Installation, order: StaffOrder, stop: threading.Event) -> str:
    def check_stop(_: RotationResult) -> None:
        if stop.is_set():
            raise StoppedError("the server is being stopped")

    done = epochs.rotate(installation, Rotation(order.about), check_stop)
    return (
        f"{'Finished' if done.resumed else 'Rotated'} into epoch {done.epoch}: {done.buckets:,} "
        "buckets,"
        f" {done.accounts_rekeyed:,} accounts with new keys"
    )


def _destroy(installation: Installation, _: StaffOrder, __: threading.Event) -> str:
    destroyed = epochs.destroy_due(installation)
    return f"Destroyed: epoch {', '.join(map(str, destroyed))}" if destroyed else "Nothing was due"


def _drill(installation: Installation, order: StaffOrder, _: threading.Event) -> str:
    done = drills.drill(installation, by=order.ordered_by)
    if done.outcome is DrillOutcome.failed:
        raise RefusedError(done.failure)
    return f"Proved: {done.backup}, {done.accounts:,} accounts"


def _cosign(installation: Installation, _: StaffOrder, __: threading.Event) -> str:
    gathered = documents.cosign(installation)
    return (
        "; ".join(f"{log.origin}: {', '.join(log.cosigned) or 'nobody'}" for log in gathered)
        or "No witness is set up"
    )


def _build(installation: Installation, order: StaffOrder, stop: threading.Event) -> str:
    from licet.curate import release_build  # loads the libraries of curation

    read = 0

    def report(turns: int) -> None:
        nonlocal read
        read += turns
        if stop.is_set():
            raise StoppedError("the server is being stopped")
        with transaction(installation.pool) as tx:
            staff_orders.report(tx, order.order_id, f"{read:,} messages read")

    name, purpose = order.about.split()
    made = release_build.build_release(
        installation, name=name, purpose=purpose, progress=report
    ).manifest
    return f"Sealed: {made.rows:,} rows, of {made.counts.candidates:,} candidates"


def _purge(installation: Installation, order: StaffOrder, _: threading.Event) -> str:
    from licet.release import purge_verbs

    done = purge_verbs.purge_release(installation, order.about)
    return f"Removed: {done.rows:,} rows, in {len(done.parts)} files"


def _resolve_target(installation: Installation, kind: OrderKind, target: str) -> str:
    """Returns the target of a background order; RefusedError if there is nothing to do."""
    if kind is OrderKind.rotate_keys:
        if target and target not in list(Rotation):
            raise UsageError(
                f"`{target}` is no rotation",
                f"say {' or '.join(Rotation)}, or nothing for the one that is due",
            )
        return target or (epochs.next_rotation(installation) or Rotation.daily).value
    if kind is OrderKind.build_release:
        return _check_build(installation, target)
    if kind is OrderKind.purge_release:
        return target
    if target:
        raise UsageError(f"an order to `{kind.value}` is about nothing else")
    if kind is OrderKind.drill_backup:
        return drills.choose_backup(installation, None).name
    if kind is OrderKind.destroy_epochs:
        if not epochs.destroy_due(installation, dry_run=True):
            raise RefusedError("no epoch is due", because="nothing")
        return ""
    if kind is OrderKind.cosign_log:
        if documents.witnesses(installation) is None:
            raise RefusedError("there are no witnesses", because="nobody")
        return ""
    raise UsageError(f"`{kind.value}` is no work for the background")


def _check_build(installation: Installation, target: str) -> str:
    """Returns the name and purpose of a release that can be built; RefusedError, UsageError."""
    name, _, purpose = target.partition(" ")
    if purpose not in load_policies(installation).in_force(installation.clock()).covers:
        raise UsageError(f"`{purpose}` is not a purpose of the policy in force")
    from licet.release import registry

    with transaction(installation.pool) as tx:
        known = registry.find(tx, name)
    if known is not None and known.state == "sealed":
        raise RefusedError(f"a release `{name}` is sealed already", "take another name")
    return target


def _would_build(_: Installation, target: str) -> Iterator[str]:
    name, purpose = target.split()
    yield f"{name} is built of everything that may be used to {purpose.replace('_', ' ')} then."


def _would_purge(installation: Installation, target: str) -> Iterator[str]:
    from licet.release import purge_verbs

    would = purge_verbs.purge_release(installation, target, dry_run=True)
    yield f"{would.rows:,} rows are removed from {len(would.parts)} files of {target}."


def _would_rotate(installation: Installation, target: str) -> Iterator[str]:
    begun = epochs.status(installation).unfinished
    would = epochs.forecast(installation, Rotation(target))
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


def _would_destroy(installation: Installation, _: str) -> Iterator[str]:
    yield from (
        f"Epoch {number} is destroyed." for number in epochs.destroy_due(installation, dry_run=True)
    )


def _would_drill(_: Installation, target: str) -> Iterator[str]:
    yield f"{target} is restored, with its files, its keys and what it knows of the log proved."


def _would_cosign(installation: Installation, _: str) -> Iterator[str]:
    quorum = documents.witnesses(installation)
    for witness in quorum.witnesses if quorum is not None else ():
        yield f"{witness.name} is asked." if witness.url else f"{witness.name} has no address."


_WOULD: dict[OrderKind, Callable[[Installation, str], Iterator[str]]] = {
    OrderKind.rotate_keys: _would_rotate,
    OrderKind.destroy_epochs: _would_destroy,
    OrderKind.drill_backup: _would_drill,
    OrderKind.cosign_log: _would_cosign,
    OrderKind.build_release: _would_build,
    OrderKind.purge_release: _would_purge,
}
_WORK: dict[OrderKind, Work] = {
    OrderKind.rotate_keys: _rotate,
    OrderKind.destroy_epochs: _destroy,
    OrderKind.drill_backup: _drill,
    OrderKind.cosign_log: _cosign,
    OrderKind.build_release: _build,
    OrderKind.purge_release: _purge,
}
