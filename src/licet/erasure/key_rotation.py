"""Key rotation, which puts an erased key out of reach of old copies of the database.

An epoch is the time between two rotations; its key lies only with the key provider and wraps the
keys of all buckets. A bucket is a group of accounts under one bucket key.

A destroyed key can still be unwrapped from every older copy of the database while the keys above it
exist. A rotation creates a new epoch in the provider and rewraps everything under it: buckets, one
by one, and secrets. A bucket with a marked account (`spent_accounts`) gets a new key, and so do its
marked accounts; the others are rewrapped and keep their keys. Then the earlier epochs are retired,
and each is destroyed in the provider once no kept backup can need it. From then on, with every
older copy and all keys of today:

    what is live can be opened in today's database; what was erased before the rotation cannot be opened anywhere.

The daily rotation covers the accounts in which somebody asked for it (a deletion, a withdrawal, a
closure, keeping out), the weekly one also those in which content merely expired. Both delays are
published: a day or a week, plus the backup window.

Each bucket is one transaction: it locks the bucket, then its accounts in the order of their ids,
and only then reads the marks. A rotation that was killed continues with the buckets that are not
under its epoch. A mark that is set after its bucket was rewrapped waits for the next rotation. A
crash between the provider and the commit loses at most an epoch that nothing uses; its number is
counted as retired, and it is destroyed in its turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from uuid import UUID

import msgspec

from licet.clock import Clock
from licet.errors import BrokenError, BusyError, NotFoundError, RefusedError
from licet.keys import chain, fence
from licet.keys.chain import Epoch
from licet.keys.keyring import EPOCHS_LOCK, Keyring
from licet.keys.material import (
    KEY_BYTES,
    AccountKeys,
    KeyMaterial,
    bucket_place,
    rewrap_page,
    unwrap_account_keys,
    wrap_account_keys,
)
from licet.ledger import outbox
from licet.ledger.outbox import Entry, EntryKind
from licet.store.connect import Pool, Transaction, advisory_lock, retrying, transaction
from licet.vault import account_keys
from licet.vault.tables import lock_accounts

ROTATION_LOCK = 0x11CE7_0004
PAGES_MAX = 1_000  # key pages in memory at once


class Rotation(StrEnum):
    """Which marked accounts get new keys in a rotation."""

    daily = "daily"
    weekly = "weekly"

    @property
    def every(self) -> timedelta:
        return timedelta(days=1 if self is Rotation.daily else 7)


class RotationResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a rotation did, or would do: counts. ``left`` is the number of buckets that remain."""

    epoch: int
    rotation: Rotation
    resumed: bool = False
    buckets: int = 0
    buckets_rekeyed: int = 0
    accounts_rewrapped: int = 0
    accounts_rekeyed: int = 0
    pages: int = 0
    left: int = 0

    def plus(self, other: RotationResult) -> RotationResult:
        return msgspec.structs.replace(
            self,
            buckets=self.buckets + other.buckets,
            buckets_rekeyed=self.buckets_rekeyed + other.buckets_rekeyed,
            accounts_rewrapped=self.accounts_rewrapped + other.accounts_rewrapped,
            accounts_rekeyed=self.accounts_rekeyed + other.accounts_rekeyed,
            pages=self.pages + other.pages,
            left=max(0, self.left - other.buckets),
        )


def count_marked(tx: Transaction) -> dict[Rotation, int]:
    """How many accounts are marked for new keys, by rotation."""
    counts = account_keys.spent_counts(tx)
    return {rotation: counts.get(rotation is Rotation.daily, 0) for rotation in Rotation}


def find_unfinished(epochs: Sequence[Epoch]) -> Epoch | None:
    """The epoch of an interrupted rotation."""
    newest = epochs[-1] if epochs else None
    return (
        newest
        if newest is not None and newest.opened_at is not None and newest.complete_at is None
        else None
    )


def due_rotations(
    tx: Transaction, epochs: Sequence[Epoch], now: datetime
) -> dict[Rotation, datetime | None]:
    """When each rotation is due: its period after the last one of its kind, the beginning of the
    installation if there was none, and None if nothing waits for it.

    A weekly rotation gives new keys to all marked accounts, so it counts as a daily one too.
    """
    waiting = count_marked(tx)
    last: dict[Rotation, datetime] = {}
    for epoch in epochs:
        if epoch.opened_at is not None:
            last[Rotation.daily] = epoch.opened_at
            if epoch.rotation == Rotation.weekly:
                last[Rotation.weekly] = epoch.opened_at
    return {
        rotation: None
        if not waiting[rotation]
        else last[rotation] + rotation.every
        if rotation in last
        else min(fence.begun_at(tx) or now, now)
        for rotation in Rotation
    }


def forecast(tx: Transaction, rotation: Rotation) -> RotationResult:
    """What a rotation that begins now would do, as counts; changes nothing."""
    marked = account_keys.marked_counts(tx, weekly=rotation is Rotation.weekly)
    return RotationResult(
        epoch=(chain.newest_epoch(tx) or 0) + 1,
        rotation=rotation,
        buckets=chain.bucket_count(tx),
        buckets_rekeyed=marked.buckets,
        accounts_rewrapped=marked.rewrapped,
        accounts_rekeyed=marked.marked,
        pages=marked.pages,
    )


def rotate(
    pool: Pool,
    keyring: Keyring,
    rotation: Rotation,
    clock: Clock,
    progress: Callable[[RotationResult], None] = lambda _: None,
) -> RotationResult:
    """Rotates, or continues an interrupted rotation, whatever its kind; calls ``progress`` after
    every bucket.

    BusyError if another rotation is running, or the provider cannot be reached: nothing is lost,
    run it again.
    """
    with _lock_rotation(pool):
        done = retrying(lambda: _begin(pool, keyring, rotation, clock()))
        while True:
            step = retrying(partial(_in_transaction, pool, keyring, done))
            if step is None:
                break
            done = done.plus(step)
            progress(done)
        retrying(lambda: _complete(pool, keyring, done, clock()))
        return done


def _in_transaction(pool: Pool, keyring: Keyring, total: RotationResult) -> RotationResult | None:
    with transaction(pool) as tx:
        return next_bucket(tx, keyring, total.epoch, total.rotation)


@contextmanager
def _lock_rotation(pool: Pool) -> Iterator[None]:
    """Holds the lock for a single rotation. It only saves work: each bucket has its own
    transaction.
    """
    with advisory_lock(pool, ROTATION_LOCK) as mine:
        if not mine:
            raise BusyError(
                "another rotation is under way", "wait for it, or see `licet keys status`"
            )
        yield


def _begin(pool: Pool, keyring: Keyring, rotation: Rotation, now: datetime) -> RotationResult:
    """The interrupted rotation, or a new one: its epoch is created in the provider first, then in
    the table.
    """
    with transaction(pool) as tx:
        # Writers that wrap under the newest epoch hold this lock shared: after the commit, nobody
        # wraps under an older one.
        tx.execute("SELECT pg_advisory_xact_lock(%s)", [EPOCHS_LOCK])
        newest = keyring.newest(tx)
        row = find_unfinished(chain.list_epochs(tx))
        if row is None:
            _check_provider(tx, keyring)
            epoch = keyring.provider.newest(after=max(newest, keyring.provider.newest()))
            # Numbers in between are from crashes, or unknown to a restored database.
            chain.open_epochs(tx, newest + 1, epoch, rotation.value, now)
        return RotationResult(
            epoch=epoch if row is None else row.number,
            rotation=rotation if row is None else Rotation(row.rotation),
            resumed=row is not None,
            left=chain.bucket_count(tx),
        )


def _check_provider(tx: Transaction, keyring: Keyring) -> None:
    """Unwraps a key with the provider before anything is created there, to detect a wrong
    provider.
    """
    row = chain.newest_bucket(tx)
    if row is not None:
        bucket, epoch, wrapped = row
        keyring.provider.unwrap(epoch, wrapped, bucket_place(bucket))


def next_bucket(
    tx: Transaction, keyring: Keyring, epoch: int, rotation: Rotation
) -> RotationResult | None:
    """Moves one bucket to ``epoch``; None if none is left. The caller commits."""
    locked = chain.lock_bucket_below(tx, epoch)
    if locked is None:
        return (
            RotationResult(epoch=epoch, rotation=rotation)
            if chain.has_bucket_below(tx, epoch)
            else None
        )
    bucket = locked.bucket
    old = new = keyring.bucket_key(bucket, locked.epoch, locked.wrapped, locked.is_fenced)
    done = RotationResult(epoch=epoch, rotation=rotation, buckets=1)
    if account_keys.marked_in(tx, bucket, weekly=rotation is Rotation.weekly):
        new = KeyMaterial(keyring.random(KEY_BYTES))
        done = done.plus(_rekey(tx, keyring, bucket, rotation, old, new))
    chain.rewrap_bucket(tx, bucket, epoch, keyring.provider.wrap(epoch, new, bucket_place(bucket)))
    return done


def _rekey(
    tx: Transaction,
    keyring: Keyring,
    bucket: int,
    rotation: Rotation,
    old: KeyMaterial,
    new: KeyMaterial,
) -> RotationResult:
    """Rewraps every account of a locked bucket under its new key, and gives the marked ones new
    keys.
    """
    rows = account_keys.lock_wrapped_keys(tx, bucket)
    # Read under the lock: destroying a key locks its account.
    marked = account_keys.marked_in(tx, bucket, weekly=rotation is Rotation.weekly)
    changed: dict[UUID, tuple[KeyMaterial, KeyMaterial]] = {}
    wrapped: dict[UUID, bytes] = {}
    for account, before in rows:
        if any(before):
            keys = unwrap_account_keys(old, account, before)
            if account in marked:
                changed[account] = (keys.slots, KeyMaterial(keyring.random(KEY_BYTES)))
                keys = AccountKeys(slots=changed[account][1], own=keys.own)
            wrapped[account] = wrap_account_keys(new, account, keys, keyring.random)
    account_keys.rewrap_accounts(tx, wrapped)
    pages = _rewrap_pages(tx, keyring, changed)
    account_keys.unmark(tx, marked)
    return RotationResult(
        epoch=0,
        rotation=rotation,
        buckets_rekeyed=1,
        accounts_rewrapped=len(wrapped),
        accounts_rekeyed=len(marked),
        pages=pages,
    )


def _rewrap_pages(
    tx: Transaction, keyring: Keyring, changed: dict[UUID, tuple[KeyMaterial, KeyMaterial]]
) -> int:
    """Rewraps the segment keys of accounts, a bounded number of pages at a time."""
    if not changed:
        return 0
    count, last = 0, (UUID(int=0), -1)
    while True:
        rows = account_keys.pages_after(tx, changed, last, PAGES_MAX)
        if not rows:
            return count
        account_keys.rewrap_pages(
            tx,
            {
                (account, n): rewrap_page(page, n, account, *changed[account], keyring.random)
                for account, n, page in rows
            },
        )
        count, last = count + len(rows), (rows[-1][0], rows[-1][1])


def _complete(pool: Pool, keyring: Keyring, total: RotationResult, now: datetime) -> None:
    """Moves the secrets to the epoch, and retires the earlier ones."""
    with transaction(pool) as tx:
        for name, wrapped in chain.lock_secrets(tx):
            key = keyring.unwrap_secret(name, wrapped)
            chain.rewrap_secret(tx, name, keyring.wrap_secret(total.epoch, name, key))
        for epoch in chain.list_epochs(tx):
            if epoch.number < total.epoch and epoch.retired_at is None:
                _refuse_in_use(tx, epoch.number)
                chain.retire_epoch(tx, epoch.number, now)
        chain.complete_epoch(tx, total.epoch, now)


def _refuse_in_use(tx: Transaction, epoch: int) -> None:
    if chain.epoch_wraps_something(tx, epoch):
        raise BrokenError(
            f"epoch `{epoch}` is retired but still wraps a key, so it was not destroyed"
        )


def due_for_destruction(pool: Pool, now: datetime, backup_window: timedelta) -> list[int]:
    """The numbers of the epochs that were retired a backup window before ``now`` and are not
    destroyed yet.
    """
    with transaction(pool) as tx:
        return [
            epoch.number
            for epoch in chain.list_epochs(tx)
            if epoch.destroyed_at is None
            and epoch.retired_at is not None
            and epoch.retired_at + backup_window <= now
        ]


def destroy_due(pool: Pool, keyring: Keyring, clock: Clock, backup_window: timedelta) -> list[int]:
    """Destroys the epochs that were retired a backup window ago, in the provider first; returns
    their numbers.

    If it is killed between the provider and the commit, it destroys the same epoch again, which
    changes nothing.
    """
    retired = due_for_destruction(pool, clock(), backup_window)
    for number in retired:
        with transaction(pool) as tx:
            tx.execute("SELECT pg_advisory_xact_lock(%s)", [EPOCHS_LOCK])
            fence.check(tx)  # a restore finds the keys of its backup before it raises the fence
            _refuse_in_use(tx, number)
            keyring.provider.destroy(number)
            at = clock()
            chain.record_destroyed_epoch(tx, number, at)
            facts: dict[str, str | int | bool | None] = {"because": "rotation", "epoch": number}
            outbox.append(tx, [Entry(kind=EntryKind.key_destroyed, occurred_at=at, facts=facts)])
    return retired


def destroy_account_keys(tx: Transaction, account: UUID, now: datetime) -> None:
    """Destroys both keys of a closed account whose content is erased: its evidence, pseudonyms and
    commitments become unreadable too.

    RefusedError if the account is open or some of its content still has a key. Idempotent.
    """
    row = lock_accounts(tx, [account]).get(account)
    if row is None:
        raise NotFoundError("no such account")
    if not any(row.wrapped_key):
        return
    if row.state.closed_at is None:
        raise RefusedError("the account is open", "close it first", because="open")
    if account_keys.has_live_key(tx, account):
        raise RefusedError(
            "the account still has content", "erase it first: `licet sweep`", because="kept"
        )
    account_keys.destroy_keys(tx, account)
    outbox.append(
        tx,
        [
            Entry(
                kind=EntryKind.key_destroyed,
                occurred_at=now,
                account=account,
                facts={"because": "account"},
            )
        ],
    )
