"""The verbs of the vault: tell it something, and bring it up to date."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from licet.errors import RefusedError
from licet.keys.keyring import Keyring
from licet.policy.file import Policies
from licet.store.connect import Pool, Transaction, retrying, transaction
from licet.vault import account_view, apply, policy_versions
from licet.vault.commands import Command, CommandResult
from licet.vault.ids import Prefix, host_hmac, shown
from licet.vault.installation import Installation

ADVANCE_ACCOUNTS_MAX = 500
CONVERSATIONS_MAX = 100_000


def tell(here: Installation, commands: Sequence[Command]) -> list[CommandResult]:
    """Applies commands in one transaction, tried again while another is in its way; answered after the commit.

    FencedError behind the fence.
    """

    def once() -> list[CommandResult]:
        with transaction(here.pool) as tx:
            return apply.apply(tx, here.keyring, policy_versions.current(tx), commands)

    return retrying(once)


def replay(pool: Pool, keyring: Keyring, known: Policies, commands: Sequence[Command]) -> list[CommandResult]:
    """`tell` of recorded history that was folded under ``known`` before: what of it is stored follows from that fold.

    RefusedError, and nothing is done, where other versions have been applied since.
    """

    def once() -> list[CommandResult]:
        with transaction(pool) as tx:
            present = policy_versions.current(tx)
            if [one.sha256() for one in present.versions] != [one.sha256() for one in known.versions]:
                raise RefusedError(
                    "the policy was changed while history was brought in", "bring it in again: what is here stays",
                    because="policy_changed",
                )  # fmt: skip
            return apply.apply(tx, keyring, present, commands, replay=True)

    return retrying(once)


def tell_in(
    tx: Transaction, keyring: Keyring, known: Policies, commands: Sequence[Command]
) -> list[CommandResult]:  # fmt: skip
    """`tell` in a transaction of the caller's, who reads something in it first."""
    return apply.apply(tx, keyring, known, commands) if commands else []


def account_of(here: Installation, host: str) -> UUID | None:
    """The account that the host calls so."""
    with transaction(here.pool) as tx:
        return account_view.account_by_host(tx, host_hmac(here.keyring.host_key(tx), "account", host))


def conversations_of(here: Installation, host: str) -> list[str]:
    """The ids of an account's oldest `CONVERSATIONS_MAX` conversations, oldest first, by the host's own id of the account."""
    with transaction(here.pool) as tx:
        account = account_view.account_by_host(tx, host_hmac(here.keyring.host_key(tx), "account", host))
        found = account_view.conversation_ids(tx, account, CONVERSATIONS_MAX) if account is not None else []
    return [shown(Prefix.conversation, one) for one in found]


def advance(pool: Pool, known: Policies, at: datetime) -> int:
    """Ends the grants that versions now effective do not allow; returns how many accounts it looked at.

    A bounded number of accounts a transaction, each of which an end of the process leaves done or undone.
    """
    total = 0
    while True:
        with transaction(pool) as tx:
            count = apply.advance(tx, known, at, limit=ADVANCE_ACCOUNTS_MAX)
        total += count
        if count == 0:
            return total
