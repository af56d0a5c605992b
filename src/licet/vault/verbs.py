"""The verbs of the vault: apply commands, and bring accounts up to date."""

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
from licet.vault.ids import Prefix, format_id, host_hmac
from licet.vault.installation import Installation

ADVANCE_ACCOUNTS_MAX = 500
CONVERSATIONS_MAX = 100_000


def apply_commands(installation: Installation, commands: Sequence[Command]) -> list[CommandResult]:
    """Applies commands in one transaction, and retries if another one interferes; returns after the
    commit.

    FencedError behind the fence.
    """

    def once() -> list[CommandResult]:
        with transaction(installation.pool) as tx:
            return apply.apply(tx, installation.keyring, policy_versions.current(tx), commands)

    return retrying(once)


def replay(
    pool: Pool, keyring: Keyring, policies: Policies, commands: Sequence[Command]
) -> list[CommandResult]:
    """`apply_commands` for recorded history that was folded under ``policies`` already.
    RefusedError, with nothing done, if other versions have been applied since.
    """

    def once() -> list[CommandResult]:
        with transaction(pool) as tx:
            present = policy_versions.current(tx)
            if [one.sha256() for one in present.versions] != [
                one.sha256() for one in policies.versions
            ]:
                raise RefusedError(
                    "the policy was changed during the import",
                    "import it again: what was imported stays",
                    because="policy_changed",
                )
            return apply.apply(tx, keyring, present, commands, replay=True)

    return retrying(once)


def apply_commands_in(
    tx: Transaction, keyring: Keyring, policies: Policies, commands: Sequence[Command]
) -> list[CommandResult]:
    """`apply_commands` in the caller's transaction, after its reads."""
    return apply.apply(tx, keyring, policies, commands) if commands else []


def account_of(installation: Installation, host: str) -> UUID | None:
    """The account to which the host gave this id."""
    with transaction(installation.pool) as tx:
        return account_view.account_by_host(
            tx, host_hmac(installation.keyring.host_key(tx), "account", host)
        )


def conversations_of(installation: Installation, host: str) -> list[str]:
    """The ids of an account's oldest `CONVERSATIONS_MAX` conversations, oldest first, by the host's
    own id of the account.
    """
    with transaction(installation.pool) as tx:
        account = account_view.account_by_host(
            tx, host_hmac(installation.keyring.host_key(tx), "account", host)
        )
        rows = (
            account_view.conversation_ids(tx, account, CONVERSATIONS_MAX)
            if account is not None
            else []
        )
    return [format_id(Prefix.conversation, one) for one in rows]


def advance(pool: Pool, policies: Policies, now: datetime) -> int:
    """Ends the grants that effective versions do not allow; returns the number of processed
    accounts.

    It processes a bounded number of accounts per transaction; if the process ends, each account is
    either done or untouched.
    """
    total = 0
    while True:
        with transaction(pool) as tx:
            count = apply.advance(tx, policies, now, limit=ADVANCE_ACCOUNTS_MAX)
        total += count
        if count == 0:
            return total
