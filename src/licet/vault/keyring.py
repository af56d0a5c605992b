"""The keyring: unwraps the chain down to segment keys, and makes new ones.

Bucket keys are cached, account and segment keys are not: a destroyed key must be gone from memory when the
transaction that read it ends.
"""

from __future__ import annotations

import os
from uuid import UUID

from licet.errors import BrokenError
from licet.store.connect import Transaction
from licet.vault.keys import (
    BUCKETS,
    KEY_BYTES,
    KeyProvider,
    Random,
    account_place,
    bucket_of,
    bucket_place,
    seal,
    unseal,
)

_HOST_IDS = "host_ids"
_LOG = "log"


class Keyring:
    """Opens the chain of keys of one installation. ``random`` gives key material, injected in tests only."""

    def __init__(self, provider: KeyProvider, random: Random = os.urandom) -> None:
        self._provider, self.random = provider, random
        self._buckets: dict[int, tuple[bytes, bytes]] = {}

    def host_key(self, tx: Transaction) -> bytes:
        """The key under which ids of the host are hashed; made on first use."""
        return self._secret(tx, _HOST_IDS)

    def log_seed(self, tx: Transaction) -> bytes:
        """The Ed25519 seed that signs the log and the receipts; made on first use."""
        return self._secret(tx, _LOG)

    def _secret(self, tx: Transaction, name: str) -> bytes:
        row = tx.execute("SELECT wrapped FROM secrets WHERE name = %s", [name]).fetchone()
        if row is None:
            made = self._wrapped_secret(name, self.random(KEY_BYTES))
            tx.execute(
                "INSERT INTO secrets (name, wrapped) VALUES (%s, %s) ON CONFLICT (name) DO NOTHING", [name, made]
            )
            row = tx.execute("SELECT wrapped FROM secrets WHERE name = %s", [name]).fetchone()
        if row is None:
            raise BrokenError(f"the secret `{name}` was neither there nor made")
        epoch = int.from_bytes(row[0][:4], "big")
        return self._provider.unwrap(epoch, row[0][4:], name.encode())

    def _wrapped_secret(self, name: str, key: bytes) -> bytes:
        epoch = self._provider.newest()
        return epoch.to_bytes(4, "big") + self._provider.wrap(epoch, key, name.encode())

    def make_buckets(self, tx: Transaction, buckets: set[int]) -> None:
        """Makes those of ``buckets`` that are not there yet."""
        rows = tx.execute("SELECT bucket FROM buckets WHERE bucket = ANY(%s)", [sorted(buckets)]).fetchall()
        missing = buckets - {row[0] for row in rows}
        for bucket in sorted(missing):
            epoch = self._provider.newest()
            wrapped = self._provider.wrap(epoch, self.random(KEY_BYTES), bucket_place(bucket))
            tx.execute(
                """INSERT INTO buckets (bucket, epoch, wrapped) VALUES (%s, %s, %s)
                   ON CONFLICT (bucket) DO NOTHING""",
                [bucket, epoch, wrapped],
            )

    def bucket_keys(self, tx: Transaction, buckets: set[int]) -> dict[int, bytes]:
        """The keys of ``buckets``. What is remembered is tied to the wrapped bytes it was unwrapped from.

        Its number and epoch would not do: a transaction that made a bucket may have been rolled back, and another
        made it since; an account key wrapped under the first one's key would be lost with this cache.
        """
        rows = tx.execute(
            "SELECT bucket, epoch, wrapped FROM buckets WHERE bucket = ANY(%s)", [sorted(buckets)]
        ).fetchall()
        keys = {}
        for bucket, epoch, wrapped in rows:
            known = self._buckets.get(bucket)
            if known is None or known[0] != wrapped:
                known = (wrapped, self._provider.unwrap(epoch, wrapped, bucket_place(bucket)))
                self._buckets[bucket] = known
            keys[bucket] = known[1]
        return keys

    def new_account_key(self, bucket_key: bytes, account: UUID) -> bytes:
        """A fresh account key, wrapped."""
        return seal(bucket_key, self.random(KEY_BYTES), account_place(account), self.random)


def account_key(bucket_key: bytes, account: UUID, wrapped: bytes) -> bytes:
    return unseal(bucket_key, wrapped, account_place(account))


__all__ = ["BUCKETS", "Keyring", "account_key", "bucket_of"]
