"""The key hierarchy for operators: rotation, destruction of what is due, and the published
delays.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from licet.erasure import key_rotation as rotation
from licet.erasure.key_rotation import Rotation, RotationResult
from licet.keys import chain
from licet.store.connect import Transaction, transaction
from licet.vault.installation import Installation


class EpochStatus(msgspec.Struct, frozen=True, kw_only=True):
    """An epoch, and the day of its planned destruction, None before it is retired."""

    number: int
    rotation: str
    opened_at: datetime | None
    retired_at: datetime | None
    destroyed_at: datetime | None
    destroy_at: datetime | None


class KeyStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The key hierarchy, and its published delays. ``unfinished`` is the epoch of an interrupted
    rotation.

    ``out_of_reach_days`` states, by rotation, the number of days after its erasure within which a
    key is out of reach of every copy of the database together with the keys of that day.
    """

    provider: str
    epochs: tuple[EpochStatus, ...]
    unfinished: int | None
    waiting: dict[str, int]
    due: dict[str, datetime | None]
    out_of_reach_days: dict[str, int]


def backup_window(installation: Installation) -> timedelta:
    return timedelta(days=installation.config.key_chain.backup_days)


def out_of_reach_days(installation: Installation) -> dict[Rotation, int]:
    """The days after its erasure within which a key is out of reach of every copy of the database,
    by rotation.
    """
    return {each: (each.every + backup_window(installation)).days for each in Rotation}


def status(installation: Installation) -> KeyStatus:
    """The epochs, the accounts that wait for each rotation, when each is due, and the published
    delays.
    """
    window = backup_window(installation)
    with transaction(installation.pool) as tx:
        known = chain.list_epochs(tx)
        waiting = rotation.count_marked(tx)
        due = rotation.due_rotations(tx, known, installation.clock())
    begun = rotation.find_unfinished(known)
    return KeyStatus(
        provider=installation.config.key_chain.provider,
        epochs=tuple(
            EpochStatus(
                number=e.number,
                rotation=e.rotation,
                opened_at=e.opened_at,
                retired_at=e.retired_at,
                destroyed_at=e.destroyed_at,
                destroy_at=e.retired_at + window if e.retired_at else None,
            )
            for e in known
        ),
        unfinished=begun.number if begun else None,
        waiting={each.value: count for each, count in waiting.items()},
        due={each.value: at for each, at in due.items()},
        out_of_reach_days={
            each.value: days for each, days in out_of_reach_days(installation).items()
        },
    )


def due_rotations(tx: Transaction, now: datetime) -> dict[Rotation, datetime | None]:
    """When each rotation is due; None if no account waits for it."""
    return rotation.due_rotations(tx, chain.list_epochs(tx), now)


def next_rotation(installation: Installation) -> Rotation | None:
    """The rotation to run now: an interrupted one, otherwise the weekly one if it is due, otherwise
    the daily one.
    """
    at = installation.clock()
    with transaction(installation.pool) as tx:
        known = chain.list_epochs(tx)
        due = rotation.due_rotations(tx, known, at)
    begun = rotation.find_unfinished(known)
    if begun is not None:
        return Rotation(begun.rotation)
    ready = [
        each
        for each in (Rotation.weekly, Rotation.daily)
        if (moment := due[each]) is not None and moment <= at
    ]
    return ready[0] if ready else None


def forecast(installation: Installation, kind: Rotation) -> RotationResult:
    """What a rotation would do, as counts; changes nothing."""
    with transaction(installation.pool) as tx:
        return rotation.forecast(tx, kind)


def rotate(
    installation: Installation,
    kind: Rotation,
    progress: Callable[[RotationResult], None] = lambda _: None,
) -> RotationResult:
    """Finishes an interrupted rotation, then runs one of ``kind``, unless the interrupted one was
    of that kind.
    """
    done = rotation.rotate(
        installation.pool, installation.keyring, kind, installation.clock, progress
    )
    if done.rotation is Rotation.daily and kind is Rotation.weekly:
        return rotation.rotate(
            installation.pool, installation.keyring, kind, installation.clock, progress
        )
    return done


def destroy_due(installation: Installation, *, dry_run: bool = False) -> list[int]:
    """Destroys the epochs that no kept copy needs any more; returns their numbers. A dry run
    destroys none of them.
    """
    if dry_run:
        return rotation.due_for_destruction(
            installation.pool, installation.clock(), backup_window(installation)
        )
    return rotation.destroy_due(
        installation.pool, installation.keyring, installation.clock, backup_window(installation)
    )
