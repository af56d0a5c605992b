"""The verbs of the vault: tell it something, bring it up to date, sweep what is due."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from licet.service.erasure import finish_due
from licet.service.installation import Installation, policies
from licet.store.connect import transaction
from licet.vault import apply, erase, fence, view
from licet.vault.commands import Answer, Command
from licet.vault.erase import Swept
from licet.vault.ids import Prefix, host_hmac, shown

ADVANCE_ACCOUNTS_MAX = 500


def tell(here: Installation, commands: Sequence[Command], *, replay: bool = False) -> list[Answer]:
    """Applies commands in one transaction; nothing is answered before the commit."""
    known = policies(here)
    with transaction(here.pool) as tx:
        return apply.apply(tx, here.keyring, known, commands, replay=replay)


def conversations_of(here: Installation, host: str) -> list[str]:
    """The ids of an account's conversations, oldest first, by the host's own id of the account."""
    with transaction(here.pool) as tx:
        account = view.account_by_host(tx, host_hmac(here.keyring.host_key(tx), "account", host))
        rows = tx.execute(
            "SELECT conversation_id FROM conversations WHERE account_id = %s ORDER BY conversation_id", [account]
        ).fetchall()
    return [shown(Prefix.conversation, row[0]) for row in rows]


def advance(here: Installation) -> int:
    """Ends the grants that versions now effective do not allow; returns how many accounts it looked at."""
    known, at, total = policies(here), here.clock(), 0
    while True:
        with transaction(here.pool) as tx:
            count = apply.advance(tx, known, at, limit=ADVANCE_ACCOUNTS_MAX)
        total += count
        if count == 0:
            return total


def sweep(here: Installation, *, dry_run: bool = False, progress: Callable[[Swept], None] | None = None) -> Swept:
    """Erases what is due now, in bounded batches, and certifies what was asked for; a dry run counts, and no more."""
    at = here.clock()
    if dry_run:
        with transaction(here.pool) as tx:
            return erase.due(tx, at)
    advance(here)
    total = Swept()
    while True:
        with transaction(here.pool) as tx:
            fence.check(tx)
            batch = erase.sweep_batch(tx, at)
        total = total.plus(batch)
        if progress is not None:
            progress(total)
        if not batch.more:
            finish_due(here)
            return total
