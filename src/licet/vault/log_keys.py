"""The key under which an account speaks in the log of one year.

Promise: it is derived from the account's own key, by HKDF-Expand (RFC 5869) with SHA-256, and kept nowhere, so that
it is gone with that key: then nobody can compute the account's pseudonym or open what its leaves commit to. Keys of
two years tell nothing of each other.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection
from uuid import UUID

from licet.store.connect import Transaction
from licet.vault.keyring import Keyring, account_key

_INFO = b"licet/log/v1"


class LogKeys:
    """The log keys of one installation's accounts: what the sequencer and the receipts ask for."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def log_keys(self, tx: Transaction, accounts: Collection[UUID], year: int) -> dict[UUID, bytes]:
        """The keys of ``year``; an account whose own key was destroyed has none and is left out."""
        rows = tx.execute(
            "SELECT account_id, bucket, wrapped_key FROM accounts WHERE account_id = ANY(%s)", [list(accounts)]
        ).fetchall()
        alive = [row for row in rows if any(row[2])]
        if not alive:
            return {}
        buckets = self._keyring.bucket_keys(tx, {bucket for _, bucket, _ in alive})
        return {
            account: log_key(account_key(buckets[bucket], account, wrapped), account, year)
            for account, bucket, wrapped in alive
        }


def log_key(key: bytes, account: UUID, year: int) -> bytes:
    """HKDF-Expand of an account's key: one block, as 32 bytes are asked."""
    return hmac.digest(key, _INFO + account.bytes + year.to_bytes(2, "big") + b"\x01", "sha256")
