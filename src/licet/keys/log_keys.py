"""The key under which an account speaks in the log of one year.

Promise: it is derived from the account's own key, by HKDF-Expand (RFC 5869) with SHA-256, and kept nowhere, so that
it is gone with that key: then nobody can compute the account's pseudonym or open what its leaves commit to. Keys of
two years tell nothing of each other. A rotation wraps the own key anew and does not change it, so a pseudonym stays
what it was for its year.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection
from uuid import UUID

from licet.keys.keyring import Keyring
from licet.keys.material import KeyMaterial
from licet.store.connect import Transaction

_INFO = b"licet/log/v1"


class LogKeys:
    """The log keys of one installation's accounts: what the sequencer and the receipts ask for."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def log_keys(self, tx: Transaction, accounts: Collection[UUID], year: int) -> dict[UUID, bytes]:
        """The keys of ``year``; an account whose own key was destroyed has none and is left out."""
        chain = self._keyring.account_keys(tx, accounts)
        return {account: log_key(keys.own, account, year) for account, keys in chain.items()}


def log_key(own: bytes, account: UUID, year: int) -> KeyMaterial:
    """HKDF-Expand of an account's own key: one block, as 32 bytes are asked."""
    return KeyMaterial(hmac.digest(own, _INFO + account.bytes + year.to_bytes(2, "big") + b"\x01", "sha256"))
