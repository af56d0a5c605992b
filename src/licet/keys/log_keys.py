"""The key from which an account's pseudonym and commitments in the log of one year are derived.

Promise: it is derived from the account's own key, by HKDF-Expand (RFC 5869) with SHA-256, and not
stored anywhere, so that it is gone with that key: then nobody can compute the account's pseudonym
or open its leaves' commitments. The keys of two years reveal nothing about each other. A rotation
rewraps the account's own key and does not change it, so a pseudonym stays the same for its year.
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
    """The log keys of one installation's accounts, for the sequencer and the receipts."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def log_keys(self, tx: Transaction, accounts: Collection[UUID], year: int) -> dict[UUID, bytes]:
        """The log keys of ``year``; an account whose own key was destroyed has none and is
        absent.
        """
        chain = self._keyring.account_keys(tx, accounts)
        return {account: log_key(keys.own, account, year) for account, keys in chain.items()}


def log_key(own: bytes, account: UUID, year: int) -> KeyMaterial:
    """HKDF-Expand of an account's own key: one block, because 32 bytes are needed."""
    return KeyMaterial(
        hmac.digest(own, _INFO + account.bytes + year.to_bytes(2, "big") + b"\x01", "sha256")
    )
