"""Statements on the key chain above the accounts: epochs, bucket keys wrapped under them, and
secrets.

An epoch is the time between two key rotations; a bucket is a group of accounts under one bucket
key. Callers that wrap under the newest epoch, or open another one, hold `keyring.EPOCHS_LOCK`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from licet.store.connect import Transaction
from licet.store.rows import select


class Epoch(msgspec.Struct, frozen=True, kw_only=True):
    """An epoch. ``opened_at`` is None for the installation's first one."""

    number: int
    rotation: str
    opened_at: datetime | None
    complete_at: datetime | None
    retired_at: datetime | None
    destroyed_at: datetime | None


class WrappedBucket(msgspec.Struct, frozen=True, kw_only=True):
    """A stored bucket key. ``is_fenced``: the fence was up when it was read."""

    bucket: int
    epoch: int
    wrapped: bytes
    is_fenced: bool


# Epochs


def list_epochs(tx: Transaction) -> list[Epoch]:
    """Returns every epoch, oldest first."""
    return select(tx, Epoch, "SELECT * FROM epochs ORDER BY number")


def newest_epoch(tx: Transaction) -> int | None:
    row = tx.execute("SELECT max(number) FROM epochs").fetchone()
    return None if row is None else row[0]


# The opening time of the first epoch at or after ``since``: a column for other statements.
OPENED_SINCE = "(SELECT min(opened_at) FROM epochs WHERE opened_at >= %(since)s)"


def begin_epochs(tx: Transaction, number: int) -> None:
    """Inserts the first epoch of an installation."""
    tx.execute("INSERT INTO epochs (number, rotation) VALUES (%s, 'first')", [number])


def open_epochs(tx: Transaction, first: int, last: int, rotation: str, now: datetime) -> None:
    """Opens the epochs ``first`` to ``last``, inclusive."""
    tx.execute(
        """INSERT INTO epochs (number, rotation, opened_at)
           SELECT number, %s, %s FROM generate_series(%s::int, %s::int) AS number""",
        [rotation, now, first, last],
    )


def complete_epoch(tx: Transaction, number: int, now: datetime) -> None:
    tx.execute("UPDATE epochs SET complete_at = %s WHERE number = %s", [now, number])


def retire_epoch(tx: Transaction, number: int, now: datetime) -> None:
    tx.execute("UPDATE epochs SET retired_at = %s WHERE number = %s", [now, number])


def record_destroyed_epoch(tx: Transaction, number: int, now: datetime) -> None:
    """Records that the provider destroyed the epoch's key; keeps the first recorded time."""
    tx.execute(
        "UPDATE epochs SET destroyed_at = %s WHERE number = %s AND destroyed_at IS NULL",
        [now, number],
    )


def epoch_wraps_something(tx: Transaction, number: int) -> bool:
    row = tx.execute(
        """SELECT EXISTS (SELECT FROM buckets WHERE epoch = %s)
               OR EXISTS (SELECT FROM secrets WHERE substring(wrapped FOR 4) = %s)""",
        [number, number.to_bytes(4, "big")],
    ).fetchone()
    return row is None or bool(row[0])


# Buckets


def lock_existing_buckets(tx: Transaction, buckets: Sequence[int]) -> set[int]:
    """Locks and returns the existing ones of ``buckets``; their keys cannot change until ``tx``
    ends.
    """
    rows = tx.execute(
        "SELECT bucket FROM buckets WHERE bucket = ANY(%s) ORDER BY bucket FOR SHARE",
        [sorted(buckets)],
    ).fetchall()
    return {row[0] for row in rows}


def add_buckets(tx: Transaction, epoch: int, wrapped: Mapping[int, bytes]) -> None:
    """Adds the buckets of ``wrapped`` in one statement, without those that another transaction has
    added.
    """
    tx.execute(
        "INSERT INTO buckets (bucket, epoch, wrapped) SELECT bucket, %s, wrapped "
        "FROM unnest(%s::int[], %s::bytea[]) AS new (bucket, wrapped) ORDER BY bucket "
        "ON CONFLICT (bucket) DO NOTHING",
        [epoch, list(wrapped), list(wrapped.values())],
    )


def rewrap_bucket(tx: Transaction, bucket: int, epoch: int, wrapped: bytes) -> None:
    tx.execute(
        "UPDATE buckets SET (epoch, wrapped) = (%s, %s) WHERE bucket = %s", [epoch, wrapped, bucket]
    )


def lock_bucket_below(tx: Transaction, epoch: int) -> WrappedBucket | None:
    """Locks the first bucket under an epoch older than ``epoch``.

    None if another transaction moved that bucket meanwhile, although more may remain: call
    `has_bucket_below`.
    """
    buckets = select(
        tx,
        WrappedBucket,
        """SELECT bucket, epoch, wrapped, EXISTS (SELECT FROM fence) AS is_fenced FROM buckets
            WHERE epoch < %s
            ORDER BY epoch, bucket LIMIT 1 FOR NO KEY UPDATE""",
        [epoch],
    )
    return buckets[0] if buckets else None


def has_bucket_below(tx: Transaction, epoch: int) -> bool:
    row = tx.execute("SELECT EXISTS (SELECT FROM buckets WHERE epoch < %s)", [epoch]).fetchone()
    return row is not None and bool(row[0])


def newest_bucket(tx: Transaction) -> tuple[int, int, bytes] | None:
    """Returns `(bucket, epoch, wrapped)` of a bucket under the newest epoch that wraps any."""
    return tx.execute(
        "SELECT bucket, epoch, wrapped FROM buckets ORDER BY epoch DESC LIMIT 1"
    ).fetchone()


def bucket_count(tx: Transaction) -> int:
    row = tx.execute("SELECT count(*) FROM buckets").fetchone()
    return int(row[0]) if row else 0


def bucket_epochs(tx: Transaction) -> tuple[int, ...]:
    """Returns the epochs that wrap a bucket, oldest first."""
    return tuple(row[0] for row in tx.execute("SELECT DISTINCT epoch FROM buckets ORDER BY epoch"))


# Secrets: the epoch's number in four bytes, then what the provider wrapped


def wrapped_secret(tx: Transaction, name: str) -> bytes | None:
    row = tx.execute("SELECT wrapped FROM secrets WHERE name = %s", [name]).fetchone()
    return None if row is None else row[0]


def add_secret(tx: Transaction, name: str, wrapped: bytes) -> None:
    """Adds a secret, unless another transaction has added it."""
    tx.execute(
        "INSERT INTO secrets (name, wrapped) VALUES (%s, %s) ON CONFLICT (name) DO NOTHING",
        [name, wrapped],
    )


def lock_secrets(tx: Transaction) -> list[tuple[str, bytes]]:
    """Locks and returns every secret, by name."""
    return tx.execute(
        "SELECT name, wrapped FROM secrets ORDER BY name FOR NO KEY UPDATE"
    ).fetchall()


def rewrap_secret(tx: Transaction, name: str, wrapped: bytes) -> None:
    tx.execute("UPDATE secrets SET wrapped = %s WHERE name = %s", [wrapped, name])


def forget_secrets(tx: Transaction, names: Sequence[str]) -> None:
    tx.execute("DELETE FROM secrets WHERE name = ANY(%s)", [list(names)])


def forget_secrets_below(tx: Transaction, prefix: str) -> None:
    """Deletes every secret whose name begins with ``prefix``, which contains no wildcard."""
    tx.execute("DELETE FROM secrets WHERE name LIKE %s", [f"{prefix}%"])
