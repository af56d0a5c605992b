"""The key from which an account's pseudonym and commitments in a year's log are derived.

Promise: it is derived from the account's own key, by HKDF-Expand (RFC 5869) with SHA-256, and
stored nowhere, so it is destroyed with that key: then nobody can compute the account's pseudonym or
open its leaves' commitments. The keys of two years reveal nothing about each other. A rotation only
rewraps the account's own key, so a pseudonym holds for its year.
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
        """Returns the accounts' log keys of ``year``; an account whose own key was destroyed is
        absent.
        """
        chain = self._keyring.account_keys(tx, accounts)
        return {account: log_key(keys.own, account, year) for account, keys in chain.items()}


def log_key(own: bytes, account: UUID, year: int) -> KeyMaterial:
    """HKDF-Expand of an account's own key: one block, for 32 bytes."""
    return KeyMaterial(
        hmac.digest(own, _INFO + account.bytes + year.to_bytes(2, "big") + b"\x01", "sha256")
    )
